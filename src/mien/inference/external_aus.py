"""Action units of another program for the same video, for a model that was trained on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.core.observations import MIEN_AUS, Window
from mien.core.requirements import ModelRequirements
from mien.datasets import readers
from mien.datasets.readers.au_tracks import PROGRAMS
from mien.datasets.readers.physiology_sync import SHORT

if TYPE_CHECKING:
    from mien.inference.stream import TrackState


@dataclass(frozen=True, eq=False)
class ExternalAUs:
    """Action units of one person at every frame of the video.

    Attributes:
        times: (N,) in s.
        values: (N, A) 0..5, NaN where unknown.
        by: the program that computed them.
        notes: notes for the user.
    """

    times: np.ndarray
    values: np.ndarray
    by: str
    notes: tuple[str, ...]

    def into(self, window: Window, main: bool) -> Window:
        """Replace the rows of a window by these action units, one row per frame.

        Args:
            window: a window of one person.
            main: whether the action units belong to this person; for others they are NaN.

        Returns:
            The new window.
        """
        if not main:
            return replace(window, aus=np.full_like(window.aus, np.nan), aus_by=self.by)
        first, last = np.searchsorted(self.times, [window.start, window.end])
        none = np.full((last - first, 4, 3), np.nan, np.float32)
        return replace(window, times=self.times[first:last], aus=self.values[first:last], aus_by=self.by, skin=none,
                       position=none[:, 0, :3], pose=none[:, 0, :3], gaze=none[:, 0, :2])


def check_au_program(needs: ModelRequirements, path: str) -> None:
    """Check that a model gets action units of the program that it was trained on.

    Args:
        needs: inputs of the model.
        path: file of imported action units, "" for mien's.

    Raises:
        ValueError: the programs differ, or the model reads no action units, or the file is invalid.
    """
    if needs.aus is None:
        if path:
            raise ValueError("--aus: expected a model that reads action units, got one that does not: leave it out")
        return
    expected, given = needs.aus_by or MIEN_AUS, MIEN_AUS
    if path:
        given = readers.program(path)
    if expected != given:
        names = {MIEN_AUS: "mien", **PROGRAMS}
        remedy = f"give the file that {names[expected]} wrote for this video to mien analyze, with --aus FILE"
        if expected == MIEN_AUS:
            remedy = "leave --aus out"
        raise ValueError(f"--model: expected action units by {names[expected]}, the program of its training, got those "
                         f"by {names[given]}: their scales differ; {remedy}")
    if path:
        readers.tracks(path, rate=1.0)  # report an invalid file before the video is decoded


def longest_tracked(people: Mapping[int, TrackState]) -> int | None:
    """Return the id of the person who was tracked longest, None without people."""
    return max(people, key=lambda id: (people[id].seen.frames_tracked, -id), default=None)


def load_external_aus(
    path: str, rate: float, times: np.ndarray, people: Mapping[int, TrackState]
) -> ExternalAUs | None:
    """Load imported action units at the frames of a video.

    Args:
        path: the file; "" returns None.
        rate: frame rate in Hz.
        times: (N,) times of the frames in s.
        people: the stream's data of each person; of several faces in the file, the one seen longest is used.

    Raises:
        ValueError: the file cannot be used.
    """
    if not path:
        return None
    first, times = times[0], times - times[0]  # both programs count from the first picture
    main = longest_tracked(people)
    place = np.zeros(0), np.zeros((0, 3))
    if main is not None:
        seen = people[main].seen.window(-np.inf, np.inf)
        place = seen.times - first, seen.position
    read = readers.main_face(path, rate, times, place)
    values = read.at(times)
    known = float(np.isfinite(values).any(axis=1).mean())
    notes = [f"action units by {PROGRAMS[read.program]}, {Path(path).name}, known in {100 * known:.0f} % of frames"]
    if read.absent:
        notes.append(f"the file lacks {', '.join(read.absent)}")
    if len(read.faces) > 1:
        notes.append(f"face {read.face} is used (faces in the file: {', '.join(read.faces)})")
    last, end = float(max(read.times[-1:], default=0.0)), float(times[-1])
    if abs(last - end) > SHORT:
        comparison = "longer" if last > end else "shorter"
        notes.append(f"the file is {comparison} than the video's {end:.1f} s, to {last:.1f} s: is it of this video?")
    return ExternalAUs(times + first, values, read.program, tuple(notes))
