"""Files take two passes: the neutral face of the whole recording serves all of its rows, from the first to the last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mien.core.requirements import ModelRequirements
from mien.core.results import Prediction
from mien.core.settings import Settings, neutral_spans
from mien.core.tasks import seen_units
from mien.face.track_buffer import mean
from mien.inference.expression_model import ExpressionModel, ModelWithUnits, predicts_affect, units_of
from mien.inference.prediction import BUILT_IN, StepObservation, StepPredictor
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
        model: What read the rows; rows of a model that looks at pictures keep their expression, and rows of a model
            that predicts action units, valence or arousal keep those.
        settings: Of the analysis.

    Returns:
        The rows.
    """
    predictor = None
    if model.needs == ModelRequirements():  # it reads what was measured, and nothing else
        predictor = StepPredictor(model, settings.smoothing)
    elif isinstance(model, ModelWithUnits) and model.units_only:
        predictor = StepPredictor(BUILT_IN, settings.smoothing)
    again = [_row(row, people[row.face], predictor, bool(units_of(model))) for row in rows]
    if predicts_affect(model):
        return [replace(row, valence=first.valence, arousal=first.arousal)
                for row, first in zip(again, rows, strict=True)]
    return again


def _row(row: Prediction, person: TrackState, predictor: StepPredictor | None, keep_units: bool) -> Prediction:
    window = person.seen.window(row.start, row.end)
    aus = row.aus if keep_units else seen_units(mean(window.aus))
    if row.reason or predictor is None:
        return replace(row, aus=aus)
    step = StepObservation(row.start, row.end, row.face, row.state, row.box, aus, row.pose, row.gaze, row.heart_rate,
                           window=window)
    return replace(predictor.predict(step), latency=row.latency)
