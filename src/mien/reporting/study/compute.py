"""Compute a study: statistics of each participant and condition, and comparisons of the conditions."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from mien.metrics.mixed_model import compare_repeated
from mien.metrics.paired import compare_paired, holm
from mien.reporting.events import Event, baseline_events
from mien.reporting.study.notices import abstention_notices, coverage_notices
from mien.reporting.study.participants import Assignment
from mien.reporting.study.people import StudyPerson, StudyRecording, find_measures, find_people

MIN_COVERAGE = 0.2
"""Smallest share of a condition with a value for a mean to count. Our choice: a mean of a few seconds of a minute says
little about the minute."""


@dataclass(frozen=True)
class StudyOptions:
    """Options of a study.

    Args:
        measures: Columns of the timeline to compare; empty for the expressions, action units and the heart rate.
        min_coverage: Smallest share of a condition with a value for a participant's mean to count, 0..1.

    Raises:
        ValueError: The share is out of range.
    """

    measures: tuple[str, ...] = ()
    min_coverage: float = MIN_COVERAGE

    def __post_init__(self) -> None:
        if not 0 <= self.min_coverage <= 1:
            raise ValueError(f"--min-coverage: expected a share from 0 to 1, got {self.min_coverage:g}")


@dataclass(frozen=True, eq=False)
class Study:
    """The numbers of a study. docs/columns.md defines the columns of the tables.

    Args:
        conditions: Names, in the order of the events file.
        baseline: Names of those that are a baseline.
        measures: The compared columns.
        long: A row for each participant, condition and measure.
        descriptives: A row for each measure and condition.
        comparisons: A row for each measure and pair of conditions.
        models: A row for each measure: the mixed model.
        notices: What a reader must know, in sentences.
        options: The options.
        recordings: The recordings that were used.
        traits: Names of the participants' further columns.
    """

    conditions: tuple[str, ...]
    baseline: tuple[str, ...]
    measures: tuple[str, ...]
    long: pd.DataFrame
    descriptives: pd.DataFrame
    comparisons: pd.DataFrame
    models: pd.DataFrame
    notices: tuple[str, ...]
    options: StudyOptions
    recordings: tuple[StudyRecording, ...]
    traits: tuple[str, ...] = ()

    @property
    def participants(self) -> tuple[str, ...]:
        """Names of the participants, in order."""
        return tuple(self.long["participant"].unique())

    def means(self, measure: str) -> pd.DataFrame:
        """The means that count, a row for each participant and a column for each condition; NaN where missing."""
        rows = self.long[(self.long["measure"] == measure) & self.long["counts"]]
        table = rows.pivot(index="participant", columns="condition", values="mean")
        return table.reindex(index=list(self.participants), columns=list(self.conditions))


def compute_study(recordings: Sequence[StudyRecording], events: Sequence[Event],
                  participants: Sequence[Assignment] = (), options: StudyOptions | None = None) -> Study:
    """Compute a study.

    Without participants, each recording is a participant: the face that is tracked longest. With them, all recordings
    of a participant are pooled.

    Args:
        recordings: The analysed recordings.
        events: The conditions.
        participants: Which recordings and faces belong to which participant.
        options: The options.

    Returns:
        The study.

    Raises:
        ValueError: There is no recording, event or measure to compare.
    """
    options = options or StudyOptions()
    notices: list[str] = []
    measures = find_measures([recording.table for recording in recordings], options.measures)
    people = find_people(recordings, events, participants, measures, notices)
    if not people:
        raise ValueError("study: expected a recording with a face that the events and the participants name, got none; "
                         "compare the names of the videos")
    conditions = tuple(dict.fromkeys(event.condition for event in events))
    base = tuple(dict.fromkeys(event.condition for event in baseline_events(events)))
    traits = tuple(dict.fromkeys(name for each in participants for name in each.traits))
    long = pd.DataFrame([row for name, person in people.items() for row in
                         _rows(name, person, conditions, base, measures, options)])
    long.insert(1, "recordings", long.pop("recordings"))
    for place, name in enumerate(traits, 2):
        known = {each.participant: each.traits[name] for each in participants}
        long.insert(place, name, long["participant"].map(known))
    descriptives = _descriptives(long, measures, conditions)
    notices += abstention_notices(descriptives, measures, conditions)
    notices += coverage_notices(long, options.min_coverage)
    study = Study(conditions, base, measures, long, descriptives, pd.DataFrame(), pd.DataFrame(), (), options,
                  tuple(recordings), traits)
    comparisons, models = _comparisons(study), _models(study)
    return Study(conditions, base, measures, long, descriptives, comparisons, models, tuple(notices), options,
                 tuple(recordings), traits)


def _rows(name: str, person: StudyPerson, conditions: Sequence[str], base: Sequence[str], measures: Sequence[str],
          options: StudyOptions) -> Iterable[dict[str, object]]:
    for condition in conditions:
        here = person.statistics(condition)
        if here is None:
            continue
        for i, measure in enumerate(measures):
            coverage = float(here.coverage[i])
            yield {
                "participant": name, "recordings": len(person.parts), "condition": condition,
                "baseline": condition in base, "measure": measure, "mean": here.mean[i], "sd": here.sd[i],
                "n": int(here.n[i]), "seconds": here.seconds, "planned": here.planned, "coverage": coverage,
                "abstention": here.abstention[i],
                "counts": bool(np.isfinite(here.mean[i]) and coverage >= options.min_coverage)}


def _descriptives(long: pd.DataFrame, measures: Sequence[str], conditions: Sequence[str]) -> pd.DataFrame:
    rows = []
    for measure, condition in itertools.product(measures, conditions):
        here = long[(long["measure"] == measure) & (long["condition"] == condition)]
        counted = here.loc[here["counts"], "mean"]
        rows.append({"measure": measure, "condition": condition, "people": len(here), "n": len(counted),
                     "mean": counted.mean(), "sd": counted.std(ddof=1), "coverage": here["coverage"].mean(),
                     "abstention": here["abstention"].mean()})
    return pd.DataFrame(rows)


def _comparisons(study: Study) -> pd.DataFrame:
    """The paired comparison of every measure and pair of conditions; p_holm is adjusted over all of them."""
    rows = []
    for measure in study.measures:
        means = study.means(measure)
        for first, second in itertools.combinations(study.conditions, 2):
            result = compare_paired(means[first].to_numpy(), means[second].to_numpy())
            rows.append({"measure": measure, "first": first, "second": second, **asdict(result)})
    columns = ["measure", "first", "second", *asdict(compare_paired(np.zeros(0), np.zeros(0)))]
    table = pd.DataFrame(rows, columns=columns)
    table["p_holm"] = holm(table["p"].to_numpy(float))
    return table


def _models(study: Study) -> pd.DataFrame:
    rows = [{"measure": measure, **asdict(compare_repeated(study.means(measure).to_numpy()))}
            for measure in study.measures]
    table = pd.DataFrame(rows)
    table["p_holm"] = holm(table["p"].to_numpy(float))
    return table
