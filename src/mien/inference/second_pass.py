"""Files take two passes: the neutral face of the whole recording serves all of its rows, from the first to the last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mien.core.requirements import ModelRequirements
from mien.core.results import Prediction
from mien.core.settings import Settings, neutral_spans
from mien.core.tasks import seen_units
from mien.face.track_buffer import mean
from mien.inference.prediction import ExpressionModel, StepObservation, StepPredictor
from mien.inference.stream import TrackState


def measure_again(people: Mapping[int, TrackState], settings: Settings) -> None:
    """Read everybody again, in place, relative to the neutral face of the whole recording, after its last frame.

    Where the settings give a neutral face, nothing changes.
    """
    for person in people.values():
        person.seen.measure_again(neutral_spans(settings.neutral))


def rows_again(rows: Sequence[Prediction], people: Mapping[int, TrackState], model: ExpressionModel, settings: Settings
               ) -> list[Prediction]:
    """Make the rows of the first pass anew from what was read again.

    Args:
        rows: In the order of time.
        people: The stream's data of each person.
        model: What read the rows; rows of a model that looks at pictures keep their expression.
        settings: Of the analysis.

    Returns:
        The rows.
    """
    predictor = None
    if model.needs == ModelRequirements():  # it reads what was measured, and nothing else
        predictor = StepPredictor(model, settings.smoothing)
    return [_row(row, people[row.face], predictor) for row in rows]


def _row(row: Prediction, person: TrackState, predictor: StepPredictor | None) -> Prediction:
    window = person.seen.window(row.start, row.end)
    aus = seen_units(mean(window.aus))
    if row.reason or predictor is None:
        return replace(row, aus=aus)
    step = StepObservation(row.start, row.end, row.face, row.state, row.box, aus, row.pose, row.gaze, row.heart_rate,
                           window=window)
    return replace(predictor.predict(step), latency=row.latency)
