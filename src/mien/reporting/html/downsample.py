"""Downsample a person's rows to the columns of a chart: means over equal time intervals if there are many rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.core.observations import STATES
from mien.core.results import Prediction
from mien.reporting.timeline import Track
from mien.reporting.timeline.segments import MAX_GAP


@dataclass(frozen=True, eq=False)
class DownsampledTrack:
    """The downsampled rows of one person in M cells; NaN or -1 where a value is missing.

    Args:
        edges: Boundaries of the cells in s (M + 1,).
        probs: Probabilities (M, K).
        aus: Intensities of action units (M, A).
        affect: Valence and arousal (M, 2).
        rate: Heart rate in bpm (M,).
        quality: Quality of the pulse 0..1 (M,).
        label: Index of the class that most of the measured rows have (M,).
        state: Index into STATES (M,).
        reasons: Reason codes of the expression (M), "" where it was measured.
        pulse_reasons: Reason codes of the heart rate (M), "" where it was measured.
        width: Length of a cell in s if rows were averaged; 0 if each cell is a row.
    """

    edges: np.ndarray
    probs: np.ndarray
    aus: np.ndarray
    affect: np.ndarray
    rate: np.ndarray
    quality: np.ndarray
    label: np.ndarray
    state: np.ndarray
    reasons: tuple[str, ...]
    pulse_reasons: tuple[str, ...]
    width: float = 0.0

    @property
    def middle(self) -> np.ndarray:
        """Centres of the cells in s (M,)."""
        return (self.edges[:-1] + self.edges[1:]) / 2


def downsample(track: Track, limit: int) -> DownsampledTrack:
    """Downsample the rows of one person to at most about `limit` cells."""
    if len(track.rows) <= limit:
        edges, cell_of_row = _cell_per_row(track.begin, track.end)
        return _gather(track.rows, edges, cell_of_row, 0.0)
    edges = np.linspace(track.begin[0], track.end[-1], limit + 1)
    middle = (track.begin + track.end) / 2
    cell_of_row = np.clip(np.searchsorted(edges, middle, side="right") - 1, 0, limit - 1)
    return _gather(track.rows, edges, cell_of_row, float(edges[1] - edges[0]))


def _cell_per_row(begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One cell per row and an empty one per pause: edges (M + 1,) in s and the cell of each row (N,)."""
    edges, cell_of_row = [float(begin[0])], []
    for start, stop in zip(begin.tolist(), end.tolist(), strict=True):
        if start - edges[-1] > MAX_GAP:
            edges.append(start)
        cell_of_row.append(len(edges) - 1)
        edges.append(max(stop, edges[-1]))
    return np.array(edges), np.array(cell_of_row)


def _gather(rows: tuple[Prediction, ...], edges: np.ndarray, cell_of_row: np.ndarray, width: float) -> DownsampledTrack:
    count = len(edges) - 1
    known = np.array([not row.abstained for row in rows])
    probs = np.array([row.probs for row in rows], dtype=np.float64)
    affect = np.array([(row.valence, row.arousal) for row in rows], dtype=np.float64)
    probs[~known], affect[~known] = np.nan, np.nan
    rate = np.array([row.heart_rate.number for row in rows])
    labels = np.where(known, np.argmax(np.nan_to_num(probs), axis=1), -1)
    probs = _means(probs, cell_of_row, count)
    reasons = _commonest([row.reason for row in rows], cell_of_row, count)
    silent = np.array([bool(reason) for reason in reasons]) | ~np.isfinite(probs).all(axis=1)
    probs[silent] = np.nan
    label = _labels(labels, cell_of_row, probs)
    affect = _means(affect, cell_of_row, count)
    affect[silent] = np.nan
    pulse_reasons = _commonest([row.heart_rate.reason for row in rows], cell_of_row, count)
    rate = _means(rate[:, None], cell_of_row, count)[:, 0]
    rate[np.array([bool(reason) for reason in pulse_reasons])] = np.nan
    states = _commonest([row.state for row in rows], cell_of_row, count)
    return DownsampledTrack(
        edges=edges, probs=probs, aus=_means(np.array([row.aus for row in rows], dtype=np.float64), cell_of_row, count),
        affect=affect, rate=rate, quality=_means(np.array([[row.quality] for row in rows]), cell_of_row, count)[:, 0],
        label=label, state=np.array([STATES.index(state) if state in STATES else -1 for state in states]),
        reasons=reasons, pulse_reasons=pulse_reasons, width=width)


def _labels(labels: np.ndarray, cell_of_row: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """The most frequent class of each cell's measured rows; the more probable one of two equally frequent classes.

    The largest mean probability would not do: its class can be the label of no row.

    Args:
        labels: Class of each row (N,), -1 where there is none.
        cell_of_row: Cell of each row (N,).
        probs: Mean probabilities of the cells (M, K), NaN where the cell has no label.

    Returns:
        Class of each cell (M,), -1 without any.
    """
    tally = np.zeros(probs.shape)
    known = labels >= 0
    np.add.at(tally, (cell_of_row[known], labels[known]), 1)
    best = np.argmax(tally + np.nan_to_num(probs) / 2, axis=1)
    return np.where(np.isfinite(probs).all(axis=1) & tally.any(axis=1), best, -1)


def _means(values: np.ndarray, cell_of_row: np.ndarray, count: int) -> np.ndarray:
    """Means (count, C) of the finite values (N, C) in each cell; NaN for a cell without any."""
    good = np.isfinite(values)
    summed, number = np.zeros((count, values.shape[1])), np.zeros((count, values.shape[1]))
    np.add.at(summed, cell_of_row, np.where(good, values, 0.0))
    np.add.at(number, cell_of_row, good.astype(np.float64))
    return np.divide(summed, number, out=np.full_like(summed, np.nan), where=number > 0)


def _commonest(values: list[str], cell_of_row: np.ndarray, count: int) -> tuple[str, ...]:
    """The most frequent value of each cell; '' for a cell without any."""
    names = sorted(set(values))
    tally = np.zeros((count, len(names)))
    np.add.at(tally, (cell_of_row, np.array([names.index(value) for value in values], dtype=int)), 1)
    best = tally.argmax(axis=1) if names else np.zeros(count, dtype=int)
    return tuple(names[b] if tally[i, b] else "" for i, b in enumerate(best))
