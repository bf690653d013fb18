"""Cut trials into windows of equal length; models see windows, and metrics average them per trial."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mien.core.observations import Window
from mien.core.trials import Trial
from mien.datasets.labels import Targets
from mien.preprocessing.cache import Cache
from mien.preprocessing.rppg_inputs import pulse_waveform

_BETWEEN = "@"

END_MARGIN = 0.2
"""s of rows read after the end of a window: frame times are uneven, and the pulse needs 10 s of frames."""


PULSE_CHECK_WINDOWS = 64
"""Windows that are checked for a pulse before training. Our choice: it takes a second or two, and if none of them has a
pulse, that is not by chance."""


@dataclass(frozen=True, eq=False)
class WindowSource:
    """Consecutive windows of `seconds` in the trials of `cache`. Calling it with a window makes it a `Source`.

    The remainder at the end of a trial is dropped; a shorter trial is one window. Windows without pictures are dropped.
    """

    cache: Cache
    seconds: float

    def cut(self, targets: Targets) -> Targets:
        """Convert targets of trials to targets of their windows.

        Raises:
            ValueError: no window has a picture.
        """
        trials, target = [], []
        for trial, value in zip(targets.trials, targets.target.tolist(), strict=True):
            windows = self._windows(trial)
            trials += windows
            target += [value] * len(windows)
        if targets.trials and not trials:
            raise ValueError(f"expected windows of {self.seconds:g} s with a face in them, got none in "
                             f"{len(targets.trials)} trials: look at the videos")
        return replace(targets, trials=tuple(trials), target=np.array(target, dtype=np.int64))

    def pulses(self, targets: Targets, of: str = "camera", side: str = "train", least: int = 1) -> str:
        """Count the windows with a usable pulse, in a sample of at most `PULSE_CHECK_WINDOWS`.

        Args:
            targets: windows from `cut`.
            of: "camera" or the name of a channel.
            side: name of the set, for messages.
            least: minimum number of windows with a pulse.

        Returns:
            A line of text.

        Raises:
            ValueError: there are fewer than `least`; a model of the pulse would then use the face alone.
        """
        step = max(len(targets.trials) // PULSE_CHECK_WINDOWS, 1)
        sample = targets.trials[::step][:PULSE_CHECK_WINDOWS]
        read = sum(pulse_waveform(self(trial, lambda _: np.arange(0)), of, self.seconds)[1] > 0 for trial in sample)
        if read < least:
            raise ValueError(f"expected windows of {self.seconds:g} s of {side} with a pulse of {of}, got none in "
                             f"{len(sample)} that were checked: take another with --set options.pulse=ppg, or --set "
                             "options.prompts=none for the face alone")
        return f"{side}: pulse of {of} read in {read} of {len(sample)} checked windows"

    def _windows(self, trial: Trial) -> list[Trial]:
        pictured, end = self.cache.pictured(trial.id), self.cache.entries[trial.id].end
        count = max(int((end + END_MARGIN) / self.seconds), 1)
        with_picture = np.unique((pictured / self.seconds).astype(int))
        return [replace(trial, id=f"{trial.id}{_BETWEEN}{k}") for k in range(count) if k in with_picture]

    def __call__(self, trial: Trial, pick: Callable[[int], np.ndarray] | None = None) -> Window:
        """Read a window that `cut` made, with the pictures that `pick` selects."""
        start = int(trial.id.rpartition(_BETWEEN)[2]) * self.seconds
        trial_id, end = trial_id_of_window(trial.id), start + self.seconds
        pictured = self.cache.pictured(trial_id)
        chosen = np.flatnonzero((pictured >= start) & (pictured < end))
        if pick is not None:
            chosen = chosen[pick(len(chosen))]
        window = self.cache.window(trial_id, start, end + END_MARGIN, pictures=chosen)
        return replace(window, end=end, signals=self.cache.signals(trial_id, start, end + END_MARGIN))


def trial_id_of_window(id: str) -> str:
    """Return the trial id of a window id."""
    return id.rpartition(_BETWEEN)[0] or id
