"""The trials of one DEAP participant, from the signal file, the ratings and the videos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mien.core.trials import Trial
from mien.datasets import video_probe
from mien.datasets.deap import recordings
from mien.datasets.deap.ratings import RatingRow
from mien.datasets.index import DatasetProblem, Kind
from mien.datasets.readers.cached_file import RecordingError

FILMED = 22
SECONDS = 60.0
"""Length of a stimulus in s; a preprocessed trial has 63 s, the first 3 of them before it."""

AGREE = 0.015
"""Largest difference of csv and labels: ratings have two decimals. Our choice: more than their rounding."""
DIFFER = 0.25
"""Share of differing trials above which no face video of a participant is paired. Our choice: a typing error affects a
trial or two, another order of trials nearly all."""

ENDS_EARLY = (3, 5, 11, 14)
SHORT = "the dataset's page says that one or several of this participant's last trials are missing"


class DeapParticipant:
    """Collects the trials of a participant."""

    def __init__(self, number: int, file: Path | None, rows: dict[int, RatingRow], face_videos: dict[int, Path],
                 problems: list[DatasetProblem]) -> None:
        self.number, self.name, self.file, self.rows = number, f"s{number:02d}", file, rows
        self.face_videos, self.problems = face_videos, problems

    def trials(self) -> Iterator[Trial]:
        """The trials; missing parts are reported as problems."""
        if not self.face_videos and self.number <= FILMED:
            self.say("missing", "", f"no face videos {self.name}_trial01.avi and so on")
        presented = {row.trial for row in self.rows.values()}
        if presented:
            for trial in sorted(self.face_videos.keys() - presented):
                self.say("excluded", f"trial{trial:02d}", "participant_ratings.csv has no usable line for this face "
                         "video", self.face_videos[trial])
        if self.file is None:
            self.say("missing", "", f"no {self.name}.dat, .mat or .bdf: these trials have no signals")
            return self.rated()
        try:
            if self.file.suffix.lower() == ".bdf":
                return self.of_bdf(self.file)
            return self.of_arrays(self.file)
        except RecordingError as error:
            self.say("unreadable", "", str(error), self.file)
            return self.rated()

    def of_arrays(self, file: Path) -> Iterator[Trial]:
        """The trials of a preprocessed recording. Raises RecordingError if it is invalid."""
        recording = recordings.load_recording(file, self.number)
        if recording.gsr is None:
            self.say("doubtful", "", f"GSR is not in {recordings.gsr_unit(self.number)} as is said of this lab: it is "
                     "left as it is; compare it within this participant only", file)
        off = {number for number, row in self.rows.items() if number <= len(recording.labels)
               and abs(row.labels.get("valence", np.inf) - recording.labels[number - 1, 0]) > AGREE}
        if len(off) > max(1, DIFFER * len(self.rows)):
            self.say("excluded", "", f"valence of participant_ratings.csv differs from {file.name} in {len(off)} of "
                     f"{len(self.rows)} trials: they are not in one order, so no face video is paired", file)
            off = set(self.rows)
        else:
            for number in sorted(off):
                row = self.rows[number]
                valence, other = recording.labels[number - 1, 0], row.labels.get("valence", np.nan)
                self.say("excluded", f"{number}", f"valence is {valence:.2f} in {file.name} and {other:.2f} in line "
                         f"{row.line} of participant_ratings.csv: the face video is not paired", file)
        for number in sorted(self.rows.keys() - set(range(1, len(recording.labels) + 1))):
            self.say("missing", f"{number}", f"{file.name} has {len(recording.labels)} trials", file)
        return (self.trial(number, recording.seconds, labels, None if number in off else self.rows.get(number))
                for number, labels in enumerate(recording.labels, 1))

    def of_bdf(self, file: Path) -> Iterator[Trial]:
        """The trials of an original recording, cut at its markers. Raises RecordingError if it is invalid."""
        stimuli = recordings.stimuli(file, self.number).times
        if not self.rows:
            raise RecordingError("expected participant_ratings.csv, which has the labels of an original recording and "
                                 "says which video each trial showed, got no line of this participant")
        if len(stimuli) != len(self.rows):
            raise RecordingError(f"expected {len(self.rows)} stimuli as participant_ratings.csv has, got "
                                 f"{len(stimuli)} in the status channel of {file.name}: they cannot be matched")
        ordered = sorted(self.rows.values(), key=lambda row: row.trial)
        return (self.trial(row.experiment, end - start, None, row, entry=str(place))
                for place, ((start, end), row) in enumerate(zip(stimuli, ordered, strict=True), 1))

    def rated(self) -> Iterator[Trial]:
        """The trials with a face video, without signals."""
        trials = (self.trial(number, SECONDS, None, row, entry="") for number, row in sorted(self.rows.items()))
        return (trial for trial in trials if trial.video)

    def trial(self, number: int, seconds: float, labels: np.ndarray | None, row: RatingRow | None,
              entry: str | None = None) -> Trial:
        """Make a trial of `seconds` s.

        The ratings of the file take precedence over those of the table; values outside 1..9 are reported and left out.
        """
        known: dict[str, float] = {}
        if row is not None:
            known = dict(row.labels)
        if labels is not None:
            known |= {name: float(value) for name, value in zip(recordings.LABELS, labels, strict=True)}
        for name in [name for name, value in known.items() if not 1 <= value <= 9]:
            self.say("doubtful", f"{number}", f"expected {name} 1..9, got {known.pop(name)}: left out", self.file)
        notes = {"lab": "twente" if self.number <= FILMED else "geneva", "film": str(number)}
        if row is not None:
            notes["presented"] = str(row.trial)
        if entry is None:
            entry = str(number)
        return Trial(f"{self.name}/{number}", "deap", self.name, self.face_video(number, row), (0.0, seconds),
                     signals=self.file if entry else None, entry=entry, labels={**known}, about=notes)

    def face_video(self, number: int, row: RatingRow | None) -> Path | None:
        """The face video of a trial; None if it is missing or unreadable, which is reported."""
        if row is None:
            return None
        path = self.face_videos.get(row.trial)
        if path is None:
            if self.face_videos:
                reason = f"no {self.name}_trial{row.trial:02d}.avi"
                if self.number in ENDS_EARLY:
                    reason += f"; {SHORT}"
                self.say("missing", f"{number}", reason)
            return None
        seen, wrong = video_probe.check_probe(path, f"{self.name}/{number}")
        self.problems += wrong
        if seen is None:
            return None
        return path

    def say(self, kind: Kind, item: str, reason: str, path: Path | None = None) -> None:
        """Report a problem of an item of this participant."""
        name = "/".join(filter(None, (self.name, item)))
        self.problems.append(DatasetProblem(kind, name, reason, path))
