"""A person's rows as columns of a chart: as they are when few, else means over even stretches of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.timeline import Track
from mien.timeline.spans import PAUSE
from mien.types import STATES, Emotion


@dataclass(frozen=True, eq=False)
class Cells:
    """M stretches of time between M + 1 `edges` s, of one person; NaN and -1 where there is nothing.

    `probs` (M, K), `aus` (M, A), `affect` (M, 2) valence and arousal, `rate` (M,) bpm, `quality` (M,) 0..1 of the
    pulse; `label` (M,) index of a class, `state` (M,) of STATES; `reasons` and `pulse_reasons`: M codes, '' where read.
    `width` s: how long a cell is where rows were averaged, 0 where each is a row.
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
        """(M,) s."""
        return (self.edges[:-1] + self.edges[1:]) / 2


def of(track: Track, limit: int) -> Cells:
    """The rows of one person -> at most about `limit` cells."""
    if len(track.rows) <= limit:
        edges, place = _own(track.begin, track.end)
        width = 0.0
    else:
        count = limit
        edges = np.linspace(track.begin[0], track.end[-1], count + 1)
        middle = (track.begin + track.end) / 2
        place = np.clip(np.searchsorted(edges, middle, side="right") - 1, 0, count - 1)
        width = float(edges[1] - edges[0])
    return _gather(track.rows, edges, place, width)


def _own(begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A cell a row, and an empty one in each pause -> edges (M + 1,) and the cell of each row (N,)."""
    edges, place = [float(begin[0])], []
    for here, stop in zip(begin.tolist(), end.tolist(), strict=True):
        if here - edges[-1] > PAUSE:
            edges.append(here)
        place.append(len(edges) - 1)
        edges.append(max(stop, edges[-1]))
    return np.array(edges), np.array(place)


def _gather(rows: tuple[Emotion, ...], edges: np.ndarray, place: np.ndarray, width: float) -> Cells:
    count = len(edges) - 1
    told = np.array([not row.abstained for row in rows])
    probs = np.array([row.probs for row in rows], dtype=np.float64)
    affect = np.array([(row.valence, row.arousal) for row in rows], dtype=np.float64)
    probs[~told], affect[~told] = np.nan, np.nan
    rate = np.array([np.nan if row.heart_rate.value is None else row.heart_rate.value for row in rows])
    probs = _means(probs, place, count)
    reasons = _commonest([row.reason for row in rows], place, count)
    silent = np.array([bool(reason) for reason in reasons]) | ~np.isfinite(probs).all(axis=1)
    probs[silent] = np.nan
    label = np.where(silent, -1, np.argmax(np.nan_to_num(probs), axis=1))
    affect = _means(affect, place, count)
    affect[silent] = np.nan
    pulse_reasons = _commonest([row.heart_rate.reason for row in rows], place, count)
    rate = _means(rate[:, None], place, count)[:, 0]
    rate[np.array([bool(reason) for reason in pulse_reasons])] = np.nan
    states = _commonest([row.state for row in rows], place, count)
    return Cells(
        edges=edges, probs=probs, aus=_means(np.array([row.aus for row in rows], dtype=np.float64), place, count),
        affect=affect, rate=rate, quality=_means(np.array([[row.quality] for row in rows]), place, count)[:, 0],
        label=label, state=np.array([STATES.index(state) if state in STATES else -1 for state in states]),
        reasons=reasons, pulse_reasons=pulse_reasons, width=width)


def _means(values: np.ndarray, place: np.ndarray, count: int) -> np.ndarray:
    """values (N, C), the cell of each row (N,) -> means (count, C) of what is finite, NaN where nothing is."""
    good = np.isfinite(values)
    summed, number = np.zeros((count, values.shape[1])), np.zeros((count, values.shape[1]))
    np.add.at(summed, place, np.where(good, values, 0.0))
    np.add.at(number, place, good.astype(np.float64))
    return np.divide(summed, number, out=np.full_like(summed, np.nan), where=number > 0)


def _commonest(values: list[str], place: np.ndarray, count: int) -> tuple[str, ...]:
    """The commonest value of each cell, '' where there is none."""
    names = sorted(set(values))
    tally = np.zeros((count, len(names)))
    np.add.at(tally, (place, np.array([names.index(value) for value in values], dtype=int)), 1)
    best = tally.argmax(axis=1) if names else np.zeros(count, dtype=int)
    return tuple(names[b] if tally[i, b] else "" for i, b in enumerate(best))
