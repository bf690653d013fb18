"""Action units that another program read in the same video, for a model that learnt from such."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien import imports
from mien.imports import PROGRAMS
from mien.imports.contact import SHORT
from mien.types import OWN_AUS, Needs, Window

if TYPE_CHECKING:
    from mien.stream import Known


@dataclass(frozen=True, eq=False)
class Units:
    """Of one person at every frame of the video: `times` (N,) s, `values` (N, A) 0..5, NaN where nothing is known,
    read `by` that program; `notes` in words."""

    times: np.ndarray
    values: np.ndarray
    by: str
    notes: tuple[str, ...]

    def into(self, window: Window, own: bool) -> Window:
        """The window with these, every frame of its time a row; with none where it is not the person's `own`."""
        if not own:
            return replace(window, aus=np.full_like(window.aus, np.nan), aus_by=self.by)
        first, last = np.searchsorted(self.times, [window.start, window.end])
        none = np.full((last - first, 4, 3), np.nan, np.float32)
        return replace(window, times=self.times[first:last], aus=self.values[first:last], aus_by=self.by, skin=none,
                       position=none[:, 0, :3], pose=none[:, 0, :3], gaze=none[:, 0, :2])


def expect_units(needs: Needs, path: str) -> None:
    """Raises ValueError where a model learnt from other action units than it would be given, by the file at `path` or,
    without one, by mien."""
    if needs.aus is None:
        if path:
            raise ValueError("--aus: expected a model that reads action units, got one that does not: leave it out")
        return
    wanted, given = needs.aus_by or OWN_AUS, imports.program(path) if path else OWN_AUS
    if wanted != given:
        names = {OWN_AUS: "mien", **PROGRAMS}
        remedy = "leave --aus out" if wanted == OWN_AUS else (
            f"give what {names[wanted]} wrote of this video to mien analyze, with --aus FILE")
        raise ValueError(f"--model: expected action units by {names[wanted]}, from which it learnt, got those by "
                         f"{names[given]}: their scales differ; {remedy}")
    if path:
        imports.tracks(path, rate=1.0)  # what is wrong with it is told before the video is read


def longest(people: Mapping[int, Known]) -> int | None:
    """Who was seen longest."""
    return max(people, key=lambda id: (people[id].seen.frames_tracked, -id), default=None)


def units(path: str, rate: float, times: np.ndarray, people: Mapping[int, Known]) -> Units | None:
    """The file at `path` at the video's frames, `times` (N,) s, `rate` Hz; None where no file is named.

    Of several faces in it that of whoever was seen longest. Raises ValueError where it cannot be used.
    """
    if not path:
        return None
    main = longest(people)
    seen = None if main is None else people[main].seen.window(-np.inf, np.inf)
    place = (np.zeros(0), np.zeros((0, 3))) if seen is None else (seen.times, seen.position)
    read = imports.main_face(path, rate, times, place)
    values = read.at(times)
    known = float(np.isfinite(values).any(axis=1).mean())
    notes = [f"action units by {PROGRAMS[read.program]}, {Path(path).name}, known in {100 * known:.0f} % of frames"]
    notes += [f"{', '.join(read.absent)}: the file has none"] * bool(read.absent)
    notes += [f"face {read.face} of {', '.join(read.faces)} is taken"] * (len(read.faces) > 1)
    last, end = float(read.times[-1]) if len(read.times) else 0.0, float(times[-1])
    if abs(last - end) > SHORT:
        longer = "longer" if last > end else "shorter"
        notes.append(f"the file is {longer} than the video's {end:.1f} s, to {last:.1f} s: is it of this video?")
    return Units(times, values, read.program, tuple(notes))
