"""Signals and labels of an AMIGOS trial: EEG, ECG, skin conductance, self-assessment and external annotation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mien.simulation.datasets import contact_signals, markers

if TYPE_CHECKING:
    from mien.simulation.datasets.amigos import AmigosTrialScript

RATE, BASELINE = 128, 640
ECG_RIGHT, ECG_LEFT, GSR = 14, 15, 16
SEGMENT = 20                         # s, length of a segment of the external annotation


def segments(seconds: float) -> int:
    """Number of annotated segments of a video of this length in s.

    The first segment is the first 20 s with the baseline. The others start at 5 s, and the last one is the last 20 s.
    """
    return 1 + int(np.ceil(seconds / SEGMENT))


def signals(plan: AmigosTrialScript, rng: np.random.Generator, marked: bool) -> np.ndarray:
    """Simulate the signals of a trial, (N, 17). EEG channel k has a tone of 5 + k Hz. GSR is a resistance in Ohm."""
    if plan.lost == "all":
        return np.zeros((0, 0))
    act, who = plan.act, plan.act.who
    count = BASELINE + round(act.span * RATE)
    times = (np.arange(count) - BASELINE) / RATE
    data = rng.normal(0, 2.0, (count, 17))
    data[:, :14] += 8 * np.sin(2 * np.pi * (5 + np.arange(14)) * times[:, None] + rng.uniform(0, 2 * np.pi, 14))
    wander = 0.05 * contact_signals.breath(times, who.breath)
    for column, height in ((ECG_RIGHT, 1.0), (ECG_LEFT, 0.6)):
        data[:, column] = contact_signals.ecg(times, act.beats, height) + wander + rng.normal(0, 0.01, count)
    mark = np.zeros(count)
    if marked:
        mark = markers.rectangle(times, plan.event, plan.number)
    siemens = contact_signals.skin_conductance(times, act.responses, act.sizes, who.tonic, rng.normal(0, 0.2)) + mark
    data[:, GSR] = 1e6 / (siemens + rng.normal(0, 0.001, count))
    if plan.lost == "left":
        data[:, ECG_LEFT] = np.nan
    if plan.lost == "some":
        data[100:105, GSR] = np.nan
    return data


def self_assessment(plan: AmigosTrialScript, rng: np.random.Generator) -> np.ndarray:
    """Self-assessment (1, 12): arousal, valence, dominance, liking, familiarity, seven feelings; empty if missing."""
    if not plan.rated:
        return np.zeros((int(plan.lost != "all"), 0))
    rest = np.round(rng.uniform(1, 9, 3), 2)
    feelings = (rng.random(7) < 0.2).astype(float)
    return np.array([[plan.act.arousal, plan.act.valence, *rest, *feelings]])


def annotation(plan: AmigosTrialScript, rng: np.random.Generator) -> np.ndarray:
    """External annotation (segments, 3): index, valence and arousal, -1..1."""
    if plan.lost == "all":
        return np.zeros((0, 0))
    count = segments(plan.act.span)
    rating = np.array([plan.act.valence - 5, plan.act.arousal - 5]) / 4 + rng.normal(0, 0.1, (count, 2))
    return np.column_stack([np.arange(1, count + 1), np.clip(rating, -1, 1)])
