"""The heart rates of a recording's rows, from the same posterior as that of the whole recording."""

from __future__ import annotations

import time as clock
from dataclasses import replace
from pathlib import Path

import numpy as np

from mien import rppg, video
from mien.core.results import Prediction
from mien.inference.stream import Stream


def vitals_of_people(stream: Stream, path: str | Path | None) -> dict[int, rppg.Vitals]:
    """The vital signs of everybody over the whole recording.

    Args:
        stream: What was seen in the recording.
        path: The recording, which a method that looks at pictures reads again; None for a live session, which has
            no such method.
    """
    started = clock.perf_counter()
    method = stream.settings.pulse_method
    windows = {id_: person.seen.window(-np.inf, np.inf) for id_, person in stream.people.items()}
    waves = {}
    if path is not None and rppg.names_frames(method):
        with video.open_video(path, fps=stream.settings.fps) as frames:
            waves = rppg.frame_waves(frames, windows, rppg.frame_method(method))
    vitals = {id_: rppg.vitals(window, method, waves.get(id_)) for id_, window in windows.items()}
    stream.seconds["pulse"] += clock.perf_counter() - started
    return vitals


def with_rate(row: Prediction, vitals: rppg.Vitals, seconds: float) -> Prediction:
    """The row with the heart rate of its window, from the same posterior as that of the whole recording."""
    if row.heart_rate.reason == "no_face":
        return row
    return replace(row, heart_rate=vitals.heart_rate_between(row.end - seconds, row.end))
