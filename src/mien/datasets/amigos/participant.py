"""The trials of one AMIGOS participant, from the .mat file and the videos."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.core.trials import Trial
from mien.datasets import video_probe
from mien.datasets.amigos import recordings
from mien.datasets.amigos.recordings import BASELINE, RATE, Cell
from mien.datasets.index import DatasetProblem, Kind
from mien.datasets.readers.cached_file import RecordingError

PARTICIPANTS = 40
SHORT = ("4", "5", "9", "10", "13", "18", "19", "20", "23", "30", "31", "34", "36", "58", "80", "138")
LONG = ("N1", "P1", "B1", "U1")
NO_LONG = (8, 24, 28)
MISMATCHED = ((11, "18"), (13, "58"), (39, "10"))
"""(participant, VideoID) with a known mismatch of video and segments."""

FITS = 1.0
"""Largest difference in s of a face video's length from that of the stimulus, with or without the baseline of 5 s. Our
choice."""


@dataclass(frozen=True)
class ParticipantVideos:
    """Face videos by (participant, VideoID): of that person alone, and of a group that includes the person."""

    alone: dict[tuple[int, str], Path]
    groups: dict[tuple[int, str], Path]


class AmigosParticipant:
    """Collects the trials of a participant."""

    def __init__(self, number: int, file: Path, face_videos: ParticipantVideos, problems: list[DatasetProblem]) -> None:
        self.number, self.name, self.file = number, f"P{number:02d}", file
        self.face_videos, self.problems = face_videos, problems

    def trials(self) -> Iterator[Trial]:
        """Yield the trials; a fault of the file is reported as a problem, not raised."""
        try:
            recording = recordings.load_recording(self.file)
        except RecordingError as error:
            self.say("unreadable", "", str(error), self.file)
            return
        if recording.cells and recording.gsr is None:
            self.say("doubtful", "", f"GSR is not in {recordings.GSR_UNIT} as documented: it stays unconverted; "
                     "compare it within this participant only", self.file)
        for video in (*SHORT, *LONG):
            if video in recording.cells:
                yield self.trial(video, recording.cells[video])
            else:
                reason = recording.broken.get(video, "not among the VideoIDs")
                if self.without(video):
                    reason += "; the dataset has no long videos of participants 8, 24 and 28"
                self.say("excluded", video, reason, self.file)
        for video in sorted((recording.cells.keys() | recording.broken.keys()) - {*SHORT, *LONG}):
            self.say("excluded", video, f"not one of AMIGOS' videos {', '.join((*SHORT, *LONG))}", self.file)

    def without(self, video: str) -> bool:
        """Whether the participant did not take part in this video."""
        return video in LONG and self.number in NO_LONG

    def trial(self, video: str, cell: Cell) -> Trial:
        """Make the trial of a stimulus: its face video, its labels, and its signals."""
        for name, gap in zip(recordings.CHANNELS, cell.gaps, strict=True):
            if gap:
                reason = f"{gap:.1%} of {name} is missing (NaN): bridged by straight lines"
                self.say("doubtful", video, reason, self.file)
        labels = dict(cell.labels)
        if not labels:
            self.say("missing", video, "no self-assessment: the trial has no ratings", self.file)
        for name in recordings.RATINGS:
            if name in labels and not 1 <= labels[name] <= 9:
                self.say("doubtful", video, f"expected {name} 1..9, got {labels.pop(name)}: left out", self.file)
        outside = np.clip(cell.outside[np.isfinite(cell.outside).all(axis=1), 1:], -1, 1)
        if len(outside):
            labels |= dict(zip(("external_valence", "external_arousal"), map(float, outside.mean(axis=0)), strict=True))
        face_video, start = self.face_video(video, cell.seconds)
        about = {"film": video, "videos": "short" if video in SHORT else "long"}
        return Trial(f"{self.name}/{video}", "amigos", self.name, face_video, (start, start + cell.seconds),
                     signals=self.file, entry=video, labels={**labels}, about=about)

    def face_video(self, video: str, seconds: float) -> tuple[Path | None, float]:
        """The face video of a stimulus, and the start of the stimulus in it in s.

        The length of the face video shows whether it includes the baseline.
        """
        path = self.face_videos.alone.get((self.number, video))
        if path is None:
            group = self.face_videos.groups.get((self.number, video))
            if group:
                self.say("excluded", video, "the face video shows a group, and no source states which face belongs to "
                         "which participant: the trial has signals only", group)
            elif any(number == self.number for number, _ in self.face_videos.alone):
                self.say("missing", video, f"no P{self.number}_{video}_face.mov")
            return None, 0.0
        seen, wrong = video_probe.check_probe(path, f"{self.name}/{video}")
        self.problems += wrong
        if seen is None:
            return None, 0.0
        if (self.number, video) in MISMATCHED:
            self.say("doubtful", video, "face video and segments are known to differ", path)
        before = BASELINE / RATE
        start = 0.0
        if seen.seconds is not None:
            over = seen.seconds - seconds
            if abs(over - before) < abs(over):
                start = before
            if abs(over - start) > FITS:
                self.say("doubtful", video, f"the face video lasts {seen.seconds:.1f} s, the stimulus {seconds:.1f} s, "
                         f"with its baseline {seconds + before:.1f} s: where in the face video the stimulus begins is "
                         f"uncertain, {start:g} s is used", path)
        return path, start

    def say(self, kind: Kind, item: str, reason: str, path: Path | None = None) -> None:
        """Report a problem of an item of this participant."""
        name = "/".join(filter(None, (self.name, item)))
        self.problems.append(DatasetProblem(kind, name, reason, path))
