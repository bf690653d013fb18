"""`participant_ratings.csv`: which trial, in order of presentation, showed which video, and how it was rated.

The one thing that joins the films (`Trial`) with the signals and their labels (`Experiment_id`).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from .. import tables
from ..survey import Problem

COLUMNS = ("Participant_id", "Trial", "Experiment_id", "Valence", "Arousal", "Dominance", "Liking")
PARTICIPANTS, TRIALS = 32, 40
HIGHEST = {"valence": 9.0, "arousal": 9.0, "dominance": 9.0, "liking": 9.0, "familiarity": 5.0}


@dataclass(frozen=True)
class Row:
    """One trial of one participant; `labels` without what is missing; `line` from 1."""

    participant: int
    trial: int
    experiment: int
    labels: dict[str, float]
    line: int


@dataclass
class Ratings:
    """Rows by (participant, Experiment_id), and what was wrong."""

    rows: dict[tuple[int, int], Row] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def of(self, participant: int) -> dict[int, Row]:
        """A participant's rows by Experiment_id."""
        return {row.experiment: row for row in self.rows.values() if row.participant == participant}


def read(path: Path) -> Ratings:
    """The table; a row that is broken, or says of one trial what another row says otherwise, is a problem and left out.

    Raises:
        tables.TableError: it cannot be used at all.
    """
    table = tables.read(path, COLUMNS)
    found = Ratings(problems=list(table.problems))
    rows = []
    for line, cells in table.rows:
        try:
            rows.append(_row(line, cells))
        except ValueError as error:
            found.problems.append(Problem("unreadable", f"line {line}", str(error), path, line))
    claims: dict[tuple, list[Row]] = defaultdict(list)
    for row in rows:
        for claim in (("Trial", row.participant, row.trial), ("Experiment_id", row.participant, row.experiment)):
            claims[claim].append(row)
    spoilt = {}
    for (column, participant, number), rivals in claims.items():
        if len({(row.trial, row.experiment, *sorted(row.labels.items())) for row in rivals}) > 1:
            lines = ", ".join(str(row.line) for row in rivals)
            for row in rivals:
                spoilt[row.line] = (f"expected {column} {number} of participant {participant} once, got it in lines "
                                    f"{lines}: which is meant is not known, none of them is used")
    for row in rows:
        item, key = f"s{row.participant:02d}/{row.experiment}", (row.participant, row.experiment)
        if row.line in spoilt:
            found.problems.append(Problem("excluded", item, spoilt[row.line], path, row.line))
        elif key in found.rows:
            found.problems.append(Problem("doubtful", item, f"the same as line {found.rows[key].line}", path, row.line))
        else:
            found.rows[key] = row
    return found


def _row(line: int, cells: dict[str, str]) -> Row:
    given = {name.lower(): cell for name, cell in cells.items()}
    participant, trial, experiment = (_number(given, name.lower()) for name in COLUMNS[:3])
    for name, value, most in (("Participant_id", participant, PARTICIPANTS), ("Trial", trial, TRIALS),
                              ("Experiment_id", experiment, TRIALS)):
        if not 1 <= value <= most or value != int(value):
            raise ValueError(f"expected {name} 1..{most}, got {value:g}")
    labels = {}
    for name, highest in HIGHEST.items():
        if tables.known(given.get(name, "")):
            labels[name] = _number(given, name)
            if not 1 <= labels[name] <= highest:
                raise ValueError(f"expected {name} 1..{highest:g}, got {labels[name]:g}")
    return Row(int(participant), int(trial), int(experiment), labels, line)


def _number(cells: dict[str, str], name: str) -> float:
    try:
        return float(cells[name])
    except ValueError as error:
        raise ValueError(f"expected a number for {name}, got {cells[name]!r}") from error
