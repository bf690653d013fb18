"""Compare annotation files with each other and with the model's labels, on a common grid of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from mien.core.plain_text import is_number
from mien.metrics.agreement import cohen_kappa, fleiss_kappa, icc
from mien.reporting.events import Event, same_video

STEP = 0.5
"""s between two compared times. Our choice: the default step of the model."""

MODEL = "model"


@dataclass(frozen=True)
class Labelled:
    """The labels of one rater on the grid.

    Args:
        name: Name of the rater.
        labels: (N,) label at each time; "" where there is none.
    """

    name: str
    labels: tuple[str, ...]


def label_grid(raters: Mapping[str, Sequence[Event]], step: float = STEP,
               tables: Mapping[str, pd.DataFrame] | None = None) -> list[Labelled]:
    """Sample the spans of all raters at common times, from the first start to the last end in each video.

    Args:
        raters: Spans of each rater. Where two spans of one rater overlap, the later one counts.
        step: s between two times.
        tables: Timelines by video. The label of the person who is seen most is added as the rater `MODEL`.

    Returns:
        The raters with labels at the same times.

    Raises:
        ValueError: There is no span, or a table is given of none of the videos.
    """
    videos = sorted({event.video for events in raters.values() for event in events})
    columns: dict[str, list[str]] = {name: [] for name in (*raters, *([MODEL] if tables else []))}
    matched = False
    for video in videos:
        spans = {name: [event for event in events if event.video == video] for name, events in raters.items()}
        every = [event for events in spans.values() for event in events]
        times = np.arange(min(event.start for event in every), max(event.end for event in every), step) + step / 2
        for name, events in spans.items():
            columns[name] += _at(times, [(event.start, event.end, event.condition) for event in events])
        if tables:
            table = _table_of(video, tables)
            matched |= table is not None
            columns[MODEL] += [""] * len(times) if table is None else _at(times, _model_spans(table))
    if not videos or (tables and not matched):
        raise ValueError(f"agree: expected spans of the recordings {', '.join(tables or ())}, got those of "
                         f"{', '.join(videos) or 'none'}; the column video names the recording")
    return [Labelled(name, tuple(labels)) for name, labels in columns.items()]


def agreement_table(raters: Sequence[Labelled]) -> pd.DataFrame:
    """Agreement of each pair of raters, and of all annotators together.

    Args:
        raters: As from `label_grid`. Labels that are all numbers count as ratings.

    Returns:
        A row for each pair, and one for all where there are three annotators or more: `raters`, `times` that all of
        them labelled, `share` of those that one of them labelled, and for classes `agreement` (share) and `kappa`
        (Cohen; Fleiss for all), for ratings `icc` (ICC(2,1), absolute agreement) and `icc_consistency` (ICC(3,1)).

    Raises:
        ValueError: There are fewer than two raters.
    """
    if len(raters) < 2:
        raise ValueError("agree: expected two annotations, or one and --results, got one")
    groups = list(combinations(raters, 2))
    annotators = tuple(rater for rater in raters if rater.name != MODEL)
    if len(annotators) > 2:
        groups.append(annotators)  # type: ignore[arg-type]
    numeric = all(is_number(label) for rater in raters for label in rater.labels if label)
    return pd.DataFrame([_row(group, numeric) for group in groups])


def _row(group: Sequence[Labelled], numeric: bool) -> dict[str, object]:
    labels = [rater.labels for rater in group]
    shared = [row for row in zip(*labels, strict=True) if all(row)]
    marked = sum(any(row) for row in zip(*labels, strict=True))
    row: dict[str, object] = {"raters": " / ".join(rater.name for rater in group), "times": len(shared),
                              "share": len(shared) / marked if marked else np.nan}
    if numeric:
        values = np.array([[float(label) for label in row] for row in shared]).reshape(-1, len(group))
        return {**row, "icc": icc(values), "icc_consistency": icc(values, "fixed")}
    agreement = np.nan
    if shared:
        agreement = float(np.mean([len(set(each)) == 1 for each in shared]))
    kappa = cohen_kappa(*labels) if len(group) == 2 else fleiss_kappa(labels)
    return {**row, "agreement": agreement, "kappa": kappa}


def _at(times: np.ndarray, spans: Sequence[tuple[float, float, str]]) -> list[str]:
    """The label at each time; of spans that overlap the last one."""
    labels = np.full(len(times), "", object)
    for start, end, label in sorted(spans):
        labels[(times >= start) & (times < end)] = label
    return labels.tolist()


def _model_spans(table: pd.DataFrame) -> list[tuple[float, float, str]]:
    """The rows of the person with the most of them."""
    if table.empty:
        return []
    rows = table[table.face_id == table.face_id.value_counts().index[0]]
    return [(start, end, label) for start, end, label in zip(rows.start, rows.end, rows.label.fillna(""), strict=True)]


def _table_of(video: str, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame | None:
    if not video and len(tables) == 1:
        return next(iter(tables.values()))
    return next((table for name, table in tables.items() if video and same_video(video, name)), None)
