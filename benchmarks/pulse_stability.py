"""How stable the heart rate is under changes that no viewer sees in a video, as the pulse benchmarks measure it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from mien import rppg
from mien.core.observations import Window
from mien.core.results import Measurement

FIELDS = ("times", "skin", "position", "aus", "pose", "gaze")


def disturbed(seen: Window, rng: np.random.Generator) -> dict[str, Window]:
    """The same window as another recording of the same seconds would give it."""
    count = len(seen.times)
    shifted = {name: getattr(seen, name)[1:] for name in FIELDS}
    return {
        "noise of 0.05 grey levels": replace(seen, skin=seen.skin + rng.normal(0, 0.05, seen.skin.shape)),
        "jitter of 0.5 ms": replace(seen, times=np.sort(seen.times + rng.uniform(-0.0005, 0.0005, count))),
        "time stamps in whole ms": replace(seen, times=np.round(seen.times, 3)),
        "one frame later": replace(seen, **shifted),
    }


def stability(videos: Iterable[tuple[str, int, Window | None]]) -> str:
    """How often the verdict is kept, and how far an answer moves: a table, and a line for each verdict that flips.

    Args:
        videos: a name, a seed of the changes and the window of each video.
    """
    kept: dict[str, list[bool]] = {}
    moved: dict[str, list[float]] = {}
    flips = []
    for label, seed, seen in videos:
        if seen is None:
            continue
        first = rppg.vitals(seen).heart_rate
        for name, other in disturbed(seen, np.random.default_rng(seed)).items():
            second = rppg.vitals(other).heart_rate
            kept.setdefault(name, []).append(first.abstained == second.abstained)
            if not kept[name][-1]:
                flips.append(f"{label}: {name}, {_said(first)} against {_said(second)}")
            if first.value is not None and second.value is not None:
                moved.setdefault(name, []).append(abs(first.value - second.value))
    lines = ["| change | videos | verdict kept | answers move by at most, bpm |", "|---|---|---|---|"]
    lines += [f"| {name} | {len(marks)} | {sum(marks)} | {max(moved.get(name, [0.0])):.2f} |"
              for name, marks in kept.items()]
    return "\n".join([*lines, "", *(flips or ["No verdict flips."])])


def _said(reading: Measurement) -> str:
    return reading.reason or f"{reading.value:.1f} bpm at {reading.quality:.2f}"
