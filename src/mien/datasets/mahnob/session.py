"""The trial of one MAHNOB-HCI session, from session.xml and the files in its folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mien.core.plain_text import is_plain_name
from mien.core.trials import Trial
from mien.datasets import video_probe
from mien.datasets.index import DatasetProblem, Kind
from mien.datasets.mahnob import physiology
from mien.datasets.readers.xml import MarkupError, parse
from mien.datasets.scan import list_entries

EMOTIONS = {0: "neutral", 1: "anger", 2: "disgust", 3: "fear", 4: "joy", 5: "sadness", 6: "surprise", 11: "amusement",
            12: "anxiety"}
RATINGS = {"valence": "feltVlnc", "arousal": "feltArsl", "dominance": "feltCtrl", "predictability": "feltPred"}
ELICITED = "emotion elicitation"
PARTICIPANTS = 30
LEFT_OUT = (12, 15, 26)
"""Participants with incomplete or missing recordings on the server."""
UNFINISHED = (1984,)
"""Incomplete sessions of the other participants."""
TRIALS = {3: 17, 9: 14, 16: 16}
"""Rated sessions of participants with another number than `USUAL`."""
USUAL = 20

VIDEO_RATE = 60.9708
"""Hz, in every session.xml."""
NEAR = 0.01
"""Largest relative difference of the container's rate from the camera's by rounding (61 for 60.97). Our choice: with a
larger difference the face video was encoded again, and its own times are used."""

FILM = re.compile(r"P(\d+)-Rec\d+-\d{4}(?:\.\d\d){5}_C1[ _]trigger[ _]+C_Section_(\d+)\.(?:avi|mp4|mov|mkv)", re.I)
BODY = re.compile(r"Part_(\d+)_(?:(S|N)_)?Trial(\d+)_emotion\.bdf", re.I)

NEUTRAL = "no ratings: a neutral clip before a stimulus"
UNRATED = "no ratings (feltVlnc)"
TAGGING = "a tagging session: no emotion was elicited"


@dataclass
class MahnobSession:
    """The folder of a session; `problems` collects what is wrong."""

    folder: Path
    problems: list[DatasetProblem]

    def trial(self) -> Trial | None:
        """Make the trial; None, with a problem as the reason, if there is none."""
        xml = self.folder / "session.xml"
        files = {entry.name: Path(entry.path) for entry in list_entries(self.folder) if entry.is_file()}
        if xml.name not in files:
            reason = "no session.xml" if files else "an empty folder: unzip the session again"
            self.say("missing", reason, self.folder)
            return None
        try:
            elements = parse(xml)
        except (MarkupError, OSError) as error:
            self.say("unreadable", str(error), xml)
            return None
        attributes = elements[0].given
        subject = next((each.given.get("id", "") for each in elements if each.name == "subject"), "")
        why = _exclusion_reason(elements[0].name, attributes, subject)
        if int(self.folder.name) in UNFINISHED:
            why = "this session is incomplete, and published studies leave it out"
        if why:
            self.say("excluded", why, xml, elements[0].line)
            return None
        if attributes.get("sessionId", self.folder.name) != self.folder.name:
            self.say("excluded", f"session.xml is of session {attributes['sessionId']}", xml, elements[0].line)
            return None
        for each in elements:
            if not is_plain_name(each.given.get("filename", "plain")):
                name = each.given["filename"]
                self.say("excluded", f"{name!r} leads out of the session's folder: refused, not opened", xml, each.line)
        participant = int(subject)
        about = {"gender": next((each.given.get("gender", "") for each in elements if each.name == "subject"), ""),
                 "film": attributes.get("mediaFile", "")}
        about = {name: value for name, value in about.items() if value}
        return self.rated_trial(participant, attributes, files, about, xml)

    def rated_trial(self, participant: int, attributes: dict[str, str], files: dict[str, Path], about: dict[str, str],
              xml: Path) -> Trial | None:
        """Make the trial of a rated session from its face video and signals."""
        signals, shown = self.recorded(files, participant)
        face_video, stretch, length = self.filmed(files, participant, _number(attributes, "vidRate") or VIDEO_RATE)
        if face_video is None and signals is None:
            self.say("missing", "neither face video nor signals: the session is incomplete", self.folder)
            return None
        seconds = _number(attributes, "cutLenSec")
        if shown:
            seconds = shown.seconds
        if not seconds or seconds <= 0:
            self.say("missing", "nothing says how long the stimulus is: no status pulses and no cutLenSec", xml)
            return None
        if shown is None:
            self.say("doubtful", f"the stimulus' length, {seconds:g} s, is session.xml's cutLenSec", xml)
        end = seconds * stretch
        if length is not None and length < end - 0.5:  # 0.5 s, our choice: the last frame is rarely a key frame
            self.say("doubtful", f"the face video lasts {length:.1f} s, the stimulus {end:.1f} s", face_video)
        return Trial(self.folder.name, "mahnob", str(participant), face_video, (0.0, end), signals=signals,
                     labels=self.labels(attributes, xml), about=about)

    def labels(self, attributes: dict[str, str], xml: Path) -> dict[str, float | str]:
        """Ratings 1..9 and the felt emotion from the XML; invalid values are reported and left out."""
        labels: dict[str, float | str] = {}
        for name, attribute in RATINGS.items():
            value = _number(attributes, attribute)
            if value is not None and 1 <= value <= 9:
                labels[name] = value
            elif attribute in attributes:
                self.say("doubtful", f"expected {attribute} 1..9, got {attributes[attribute]!r}: left out", xml)
        felt = _number(attributes, "feltEmo")
        if felt in EMOTIONS:
            labels["emotion"] = EMOTIONS[int(felt)]
        elif "feltEmo" in attributes:
            known = ", ".join(map(str, EMOTIONS))
            self.say("doubtful", f"expected feltEmo {known}, got {attributes['feltEmo']!r}: left out", xml)
        return labels

    def recorded(self, files: dict[str, Path], participant: int) -> tuple[Path | None, physiology.Stimulus | None]:
        """The BDF and its stimulus."""
        matched = [(match, path) for name, path in files.items() if (match := BODY.fullmatch(name))]
        keyed = [((match[1], str(2 * int(match[3]) - (match[2] == "N"))), path) for match, path in matched]
        path = self.matching_file(keyed, participant, "Part_*_emotion.bdf")
        if path is None:
            return None, None
        try:
            shown = physiology.read_stimulus(path)
        except physiology.BodyError as error:
            self.say("unreadable", str(error), path)
            return None, None
        if not shown.belt:
            self.say("doubtful", "the respiration belt was off: the trial has no respiration", path)
        return path, shown

    def filmed(self, files: dict[str, Path], participant: int, rate: float) -> tuple[Path | None, float, float | None]:
        """The colour video, the ratio of its time to real time, and its length in s."""
        matched = [((match[1], match[2]), path) for name, path in files.items() if (match := FILM.fullmatch(name))]
        path = self.matching_file(matched, participant, "*C1 trigger*.avi")
        if path is None:
            return None, 1.0, None
        seen, wrong = video_probe.check_probe(path, self.folder.name)
        self.problems += wrong
        if seen is None:
            return None, 1.0, None
        stretch = 1.0
        if seen.rate:
            stretch = rate / seen.rate
        if abs(stretch - 1) > NEAR:
            self.say("doubtful", f"the face video has {seen.rate:g} frames a second, the camera took {rate:g}: it was "
                     "encoded again, so its own times are used", path)
            stretch = 1.0
        return path, stretch, seen.seconds

    def matching_file(self, matched: list[tuple[tuple[str, str], Path]], participant: int, expected: str
                      ) -> Path | None:
        """The file of this participant and session; files of others are refused."""
        number = int(self.folder.name)
        matching = []
        for (part, section), path in matched:
            if int(part) == participant and (participant - 1) * 130 + int(section) == number:
                matching.append(path)
            else:
                self.say("excluded", f"the name says participant {int(part)}, session "
                         f"{(int(part) - 1) * 130 + int(section)}: refused", path)
        if not matching:
            self.say("missing", f"no {expected}", self.folder)
            return None
        if len(matching) > 1:
            self.say("doubtful", f"{len(matching)} files {expected}: the first is used", matching[1])
        return matching[0]

    def say(self, kind: Kind, reason: str, path: Path | None = None, line: int | None = None) -> None:
        """Report a problem of this session."""
        self.problems.append(DatasetProblem(kind, self.folder.name, reason, path, line))


def missing_sessions(present: set[int], root: Path) -> list[DatasetProblem]:
    """Report the rated sessions that are not `present`; a participant without any gets a single line."""
    problems = []
    for participant in sorted(set(range(1, PARTICIPANTS + 1)) - set(LEFT_OUT)):
        rated = [(participant - 1) * 130 + 2 * trial for trial in range(1, TRIALS.get(participant, USUAL) + 1)]
        if present.isdisjoint(rated):
            why = f"none of {len(rated)} rated sessions"
            problems.append(DatasetProblem("missing", f"participant {participant}", why, root))
        else:
            why = f"no folder of this number, a rated session of participant {participant}"
            problems += [DatasetProblem("missing", str(number), why, root) for number in rated if number not in present]
    return problems


def _exclusion_reason(root: str, attributes: dict[str, str], subject: str) -> str:
    """Why a session is no trial; "" if it is one."""
    if root != "session":
        return f"expected <session> as the root, got <{root}>"
    if not subject.isdigit():
        return f"expected a subject with a number, got {subject!r}"
    if int(subject) in LEFT_OUT:
        return f"participants {', '.join(map(str, LEFT_OUT))} are incomplete, and published studies leave them out"
    if attributes.get("experimentType") != ELICITED:
        return TAGGING
    if "feltVlnc" not in attributes:
        if attributes.get("isStim") == "0":
            return NEUTRAL
        return UNRATED
    return ""


def _number(attributes: dict[str, str], name: str) -> float | None:
    if not re.fullmatch(r"\d{1,9}(\.\d{1,12})?", attributes.get(name, "")):
        return None
    return float(attributes[name])
