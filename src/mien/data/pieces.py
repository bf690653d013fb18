"""Windows of one length cut from trials: what is learnt from and judged one by one, and decided upon trial by trial."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mien.data.cache import Cache
from mien.data.pulses import wave
from mien.labels import Targets
from mien.types import Trial, Window

_BETWEEN = "@"

MARGIN = 0.2
"""s of rows behind a window: frames come unevenly, and 10 s of them must be there for a pulse to be read."""


LOOK = 64
"""Windows that are looked at for a pulse before training. Our choice: a second or two; no pulse in any is no chance."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """Cut trials of `cache` into windows of `seconds`, one after the other; called with one of them, it is a `Source`.

    What is left at the end is left out; a trial that is shorter is one window. Windows without a picture are left out.
    """

    cache: Cache
    seconds: float

    def cut(self, targets: Targets) -> Targets:
        """Targets of trials -> targets of their windows. ValueError where no window has a picture."""
        trials, target = [], []
        for trial, value in zip(targets.trials, targets.target.tolist(), strict=True):
            own = self._windows(trial)
            trials += own
            target += [value] * len(own)
        if targets.trials and not trials:
            raise ValueError(f"expected windows of {self.seconds:g} s with a face in them, got none in "
                             f"{len(targets.trials)} trials: look at the videos")
        return replace(targets, trials=tuple(trials), target=np.array(target, dtype=np.int64))

    def pulses(self, targets: Targets, of: str = "camera", side: str = "train", least: int = 1) -> str:
        """In how many of the windows that `cut` made, of `LOOK` at most, a pulse `of` the camera or a wire is read.

        ValueError where there are fewer than `least`: a model that is told of the pulse would answer by the face alone.
        """
        step = max(len(targets.trials) // LOOK, 1)
        looked = targets.trials[::step][:LOOK]
        read = sum(wave(self(trial, lambda _: np.arange(0)), of, self.seconds)[1] > 0 for trial in looked)
        if read < least:
            raise ValueError(f"expected windows of {self.seconds:g} s of {side} with a pulse of {of}, got none in "
                             f"{len(looked)} that were looked at: take another with --set options.pulse=ppg, or --set "
                             "options.prompts=none for the face alone")
        return f"{side}: pulse of {of} read in {read} of {len(looked)} windows that were looked at"

    def _windows(self, trial: Trial) -> list[Trial]:
        pictured, end = self.cache.pictured(trial.id), self.cache.entries[trial.id].end
        count = max(int((end + MARGIN) / self.seconds), 1)
        there = np.unique((pictured / self.seconds).astype(int))
        return [replace(trial, id=f"{trial.id}{_BETWEEN}{k}") for k in range(count) if k in there]

    def __call__(self, trial: Trial, pick: Callable[[int], np.ndarray] | None = None) -> Window:
        """A window of those `cut` made -> what was seen, with the pictures that `pick` chooses of it."""
        start = int(trial.id.rpartition(_BETWEEN)[2]) * self.seconds
        whole, end = whose(trial.id), start + self.seconds
        pictured = self.cache.pictured(whole)
        inside = np.flatnonzero((pictured >= start) & (pictured < end))
        chosen = inside if pick is None else inside[pick(len(inside))]
        window = self.cache.window(whole, start, end + MARGIN, pictures=chosen)
        return replace(window, end=end, signals=self.cache.signals(whole, start, end + MARGIN))


def whose(id: str) -> str:
    """The id of a window -> that of its trial."""
    return id.rpartition(_BETWEEN)[0] or id
