"""One participant of DEAP: what their file, their rows of the ratings and their films make together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mien.types import Trial

from .. import footage
from ..recording import RecordingError
from ..survey import Kind, Problem
from . import recordings
from .ratings import Row

FILMED = 22
SECONDS = 60.0
"""Length of a stimulus; 63 s are in a preprocessed trial, the first 3 before it."""

AGREE = 0.015
"""How much csv and labels may differ: ratings are written with two decimals. Our choice: more than their rounding."""
DIFFER = 0.25
"""Share of a participant's trials that may disagree before none of them is paired. Our choice: a slip of the pen is a
trial or two; another order of trials is nearly all."""

ENDS_EARLY = (3, 5, 11, 14)
SHORT = "the dataset's page says that one or several of this participant's last trials are missing"


class Participant:
    """One participant's trials out of their file, their rows of the ratings and their films."""

    def __init__(self, number: int, file: Path | None, rows: dict[int, Row], films: dict[int, Path],
                 problems: list[Problem]) -> None:
        self.number, self.name, self.file, self.rows, self.films = number, f"s{number:02d}", file, rows, films
        self.problems = problems

    def trials(self) -> Iterator[Trial]:
        """The trials of this participant; what is missing is said."""
        if not self.films and self.number <= FILMED:
            self.say("missing", "", f"no films {self.name}_trial01.avi and so on")
        presented = {row.trial for row in self.rows.values()}
        for trial in sorted(self.films.keys() - presented if presented else ()):
            self.say("excluded", f"trial{trial:02d}", "participant_ratings.csv has no usable line for this film",
                     self.films[trial])
        if self.file is None:
            self.say("missing", "", f"no {self.name}.dat, .mat or .bdf: these trials have no signals")
            return self.rated()
        try:
            return self.of_bdf(self.file) if self.file.suffix.lower() == ".bdf" else self.of_arrays(self.file)
        except RecordingError as error:
            self.say("unreadable", "", str(error), self.file)
            return self.rated()

    def of_arrays(self, file: Path) -> Iterator[Trial]:
        """Trials of a preprocessed recording. RecordingError where it is none."""
        held = recordings.load(file, self.number)
        if held.gsr is None:
            self.say("doubtful", "", f"GSR is not in {recordings.gsr_unit(self.number)} as is said of this lab: it is "
                     "left as it is; compare it within this participant only", file)
        off = {number for number, row in self.rows.items() if number <= len(held.labels)
               and abs(row.labels.get("valence", np.inf) - held.labels[number - 1, 0]) > AGREE}
        if len(off) > max(1, DIFFER * len(self.rows)):
            self.say("excluded", "", f"valence of participant_ratings.csv differs from {file.name} in {len(off)} of "
                     f"{len(self.rows)} trials: they are not in one order, so that no film is paired", file)
            off = set(self.rows)
        else:
            for number in sorted(off):
                row = self.rows[number]
                self.say("excluded", f"{number}", f"valence is {held.labels[number - 1, 0]:.2f} in {file.name} and "
                         f"{row.labels.get('valence', np.nan):.2f} in line {row.line} of participant_ratings.csv: the "
                         "film is not paired", file)
        for number in sorted(self.rows.keys() - set(range(1, len(held.labels) + 1))):
            self.say("missing", f"{number}", f"{file.name} has {len(held.labels)} trials", file)
        return (self.trial(number, held.seconds, labels, None if number in off else self.rows.get(number))
                for number, labels in enumerate(held.labels, 1))

    def of_bdf(self, file: Path) -> Iterator[Trial]:
        """Trials of an original recording, cut at its markers. RecordingError where it is none."""
        stimuli = recordings.stimuli(file, self.number).times
        if not self.rows:
            raise RecordingError("expected participant_ratings.csv, which has the labels of an original recording and "
                                 "says which video each trial showed, got no line of this participant")
        if len(stimuli) != len(self.rows):
            raise RecordingError(f"expected {len(self.rows)} stimuli as participant_ratings.csv has, got "
                                 f"{len(stimuli)} in the status channel of {file.name}: which is which is not known")
        ordered = sorted(self.rows.values(), key=lambda row: row.trial)
        return (self.trial(row.experiment, end - start, None, row, entry=str(place))
                for place, ((start, end), row) in enumerate(zip(stimuli, ordered, strict=True), 1))

    def rated(self) -> Iterator[Trial]:
        """Trials without signals: those that have a film."""
        trials = (self.trial(number, SECONDS, None, row, entry="") for number, row in sorted(self.rows.items()))
        return (trial for trial in trials if trial.video)

    def trial(self, number: int, seconds: float, labels: np.ndarray | None, row: Row | None,
              entry: str | None = None) -> Trial:
        """One trial of so many s. The file's ratings go before the table's; what is not 1..9 is said and left out."""
        known: dict[str, float] = {} if row is None else dict(row.labels)
        if labels is not None:
            known |= {name: float(value) for name, value in zip(recordings.LABELS, labels, strict=True)}
        for name in [name for name, value in known.items() if not 1 <= value <= 9]:
            self.say("doubtful", f"{number}", f"expected {name} 1..9, got {known.pop(name)}: left out", self.file)
        notes = {"lab": "twente" if self.number <= FILMED else "geneva", "film": str(number)}
        notes |= {} if row is None else {"presented": str(row.trial)}
        entry = str(number) if entry is None else entry
        return Trial(f"{self.name}/{number}", "deap", self.name, self.film(number, row), (0.0, seconds),
                     signals=self.file if entry else None, entry=entry, labels={**known}, about=notes)

    def film(self, number: int, row: Row | None) -> Path | None:
        """The film of a trial; None where there is none or it is none, which is said."""
        path = self.films.get(row.trial) if row else None
        if row and path is None and self.films:
            known = f"; {SHORT}" if self.number in ENDS_EARLY else ""
            self.say("missing", f"{number}", f"no {self.name}_trial{row.trial:02d}.avi{known}")
        if path:
            seen, wrong = footage.judge(path, f"{self.name}/{number}")
            self.problems += wrong
            path = path if seen else None
        return path

    def say(self, kind: Kind, item: str, reason: str, path: Path | None = None) -> None:
        self.problems.append(Problem(kind, f"{self.name}/{item}" if item else self.name, reason, path))
