"""Read `participant_ratings.csv`: the stimulus and the ratings of each trial in order of presentation.

This table is the only link between the face videos (`Trial`) and the signals with their labels (`Experiment_id`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mien.datasets.index import DatasetProblem
from mien.datasets.readers import tables

COLUMNS = ("Participant_id", "Trial", "Experiment_id", "Valence", "Arousal", "Dominance", "Liking")
PARTICIPANTS, TRIALS = 32, 40
HIGHEST = {"valence": 9.0, "arousal": 9.0, "dominance": 9.0, "liking": 9.0, "familiarity": 5.0}


@dataclass(frozen=True)
class RatingRow:
    """One trial of one participant; `labels` without missing values; `line` from 1."""

    participant: int
    trial: int
    experiment: int
    labels: dict[str, float]
    line: int


@dataclass
class Ratings:
    """Rows by (participant, Experiment_id), and the problems."""

    rows: dict[tuple[int, int], RatingRow] = field(default_factory=dict)
    problems: list[DatasetProblem] = field(default_factory=list)

    def of(self, participant: int) -> dict[int, RatingRow]:
        """A participant's rows by Experiment_id."""
        return {row.experiment: row for row in self.rows.values() if row.participant == participant}


def read_ratings(path: Path) -> Ratings:
    """Read the table. Broken or contradictory rows are reported as problems and left out.

    Raises:
        tables.TableError: the table is unusable.
    """
    table = tables.read_table(path, COLUMNS, units=True)
    ratings = Ratings(problems=list(table.problems))
    rows = []
    for line, cells in table.rows:
        try:
            rows.append(_row(line, cells, table.number))
        except ValueError as error:
            ratings.problems.append(DatasetProblem("unreadable", f"line {line}", str(error), path, line))
    claims: dict[tuple, list[RatingRow]] = defaultdict(list)
    for row in rows:
        for claim in (("Trial", row.participant, row.trial), ("Experiment_id", row.participant, row.experiment)):
            claims[claim].append(row)
    spoilt = {}
    for (column, participant, number), rivals in claims.items():
        if len({(row.trial, row.experiment, *sorted(row.labels.items())) for row in rivals}) > 1:
            lines = ", ".join(str(row.line) for row in rivals)
            for row in rivals:
                spoilt[row.line] = (f"expected {column} {number} of participant {participant} once, got it in lines "
                                    f"{lines}: the right one is unknown, so none of them is used")
    for row in rows:
        item, key = f"s{row.participant:02d}/{row.experiment}", (row.participant, row.experiment)
        if row.line in spoilt:
            ratings.problems.append(DatasetProblem("excluded", item, spoilt[row.line], path, row.line))
        elif key in ratings.rows:
            ratings.problems.append(DatasetProblem("doubtful", item, f"the same as line {ratings.rows[key].line}", path,
                                                 row.line))
        else:
            ratings.rows[key] = row
    return ratings


def _row(line: int, cells: dict[str, str], number: Callable[[str], float | None]) -> RatingRow:
    given = {name.lower(): cell for name, cell in cells.items()}
    participant, trial, experiment = (_number(given, name.lower(), number) for name in COLUMNS[:3])
    for name, value, most in (("Participant_id", participant, PARTICIPANTS), ("Trial", trial, TRIALS),
                              ("Experiment_id", experiment, TRIALS)):
        if not 1 <= value <= most or value != int(value):
            raise ValueError(f"expected {name} 1..{most}, got {value:g}")
    labels = {}
    for name, highest in HIGHEST.items():
        if tables.known(given.get(name, "")):
            labels[name] = _number(given, name, number)
            if not 1 <= labels[name] <= highest:
                raise ValueError(f"expected {name} 1..{highest:g}, got {labels[name]:g}")
    return RatingRow(int(participant), int(trial), int(experiment), labels, line)


def _number(cells: dict[str, str], name: str, number: Callable[[str], float | None]) -> float:
    value = number(cells[name])
    if value is None:
        raise ValueError(f"expected a number for {name}, got {cells[name]!r}")
    return value
