"""One session of MAHNOB-HCI: what session.xml says of it, and which of the files beside it are meant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mien.types import Trial

from .. import footage
from ..layout import entries
from ..markup import MarkupError, parse, plain_name
from ..survey import Kind, Problem
from . import body

EMOTIONS = {0: "neutral", 1: "anger", 2: "disgust", 3: "fear", 4: "joy", 5: "sadness", 6: "surprise", 11: "amusement",
            12: "anxiety"}
RATINGS = {"valence": "feltVlnc", "arousal": "feltArsl", "dominance": "feltCtrl", "predictability": "feltPred"}
ELICITED = "emotion elicitation"
PARTICIPANTS = 30
LEFT_OUT = (12, 15, 26)
"""Participants whose recordings are incomplete on the server, or missing."""
UNFINISHED = (1984,)
"""Sessions of the others that are."""
TRIALS = {3: 17, 9: 14, 16: 16}
"""Rated sessions of participants who have not `USUAL`."""
USUAL = 20

VIDEO_RATE = 60.9708
"""Hz, in every session.xml."""
NEAR = 0.01
"""Share by which a container's rate may be a rounding of the camera's (61 for 60.97). Our choice: further off, the film
was encoded again, and its times are its own."""

FILM = re.compile(r"P(\d+)-Rec\d+-\d{4}(?:\.\d\d){5}_C1[ _]trigger[ _]+C_Section_(\d+)\.(?:avi|mp4|mov|mkv)", re.I)
BODY = re.compile(r"Part_(\d+)_(?:(S|N)_)?Trial(\d+)_emotion\.bdf", re.I)

NEUTRAL = "no ratings: a neutral clip before a stimulus"
UNRATED = "no ratings (feltVlnc)"
TAGGING = "a tagging session: no emotion was elicited"


@dataclass
class Session:
    """The folder of one session; `problems` takes what is wrong."""

    folder: Path
    problems: list[Problem]

    def trial(self) -> Trial | None:
        """The trial, or None where there is none; why is among the problems then."""
        xml = self.folder / "session.xml"
        files = {entry.name: Path(entry.path) for entry in entries(self.folder) if entry.is_file()}
        if xml.name not in files:
            self.say("missing", "no session.xml" if files else "an empty folder: unzip the session again", self.folder)
            return None
        try:
            elements = parse(xml)
        except (MarkupError, OSError) as error:
            self.say("unreadable", str(error), xml)
            return None
        given = elements[0].given
        subject = next((each.given.get("id", "") for each in elements if each.name == "subject"), "")
        why = _left_out(elements[0].name, given, subject)
        if int(self.folder.name) in UNFINISHED:
            why = "this session is incomplete and left out by everybody"
        if why:
            self.say("excluded", why, xml, elements[0].line)
            return None
        if given.get("sessionId", self.folder.name) != self.folder.name:
            self.say("excluded", f"session.xml is of session {given['sessionId']}", xml, elements[0].line)
            return None
        for each in elements:
            if not plain_name(each.given.get("filename", "plain")):
                name = each.given["filename"]
                self.say("excluded", f"{name!r} leads out of the session's folder: refused, not opened", xml, each.line)
        who = int(subject)
        about = {"gender": next((each.given.get("gender", "") for each in elements if each.name == "subject"), ""),
                 "film": given.get("mediaFile", "")}
        return self.whole(who, given, files, {name: value for name, value in about.items() if value}, xml)

    def whole(self, who: int, given: dict[str, str], files: dict[str, Path], about: dict[str, str],
              xml: Path) -> Trial | None:
        """The trial of a rated session out of what is there."""
        signals, shown = self.recorded(files, who)
        film, stretch, length = self.filmed(files, who, _number(given, "vidRate") or VIDEO_RATE)
        if film is None and signals is None:
            self.say("missing", "neither film nor signals: the session is incomplete", self.folder)
            return None
        seconds = shown.seconds if shown else _number(given, "cutLenSec")
        if not seconds or seconds <= 0:
            self.say("missing", "nothing says how long the stimulus is: no status pulses and no cutLenSec", xml)
            return None
        if shown is None:
            self.say("doubtful", f"the stimulus' length, {seconds:g} s, is session.xml's cutLenSec", xml)
        end = seconds * stretch
        if length is not None and length < end - 0.5:  # 0.5 s, our choice: a film ends at a frame, seldom at a keyframe
            self.say("doubtful", f"the film lasts {length:.1f} s, the stimulus {end:.1f} s", film)
        return Trial(self.folder.name, "mahnob", str(who), film, (0.0, end), signals=signals,
                     labels=self.labels(given, xml), about=about)

    def labels(self, given: dict[str, str], xml: Path) -> dict[str, float | str]:
        """Ratings 1..9 and the felt emotion of the session's XML; what is no such value is said and left out."""
        held: dict[str, float | str] = {}
        for name, attribute in RATINGS.items():
            value = _number(given, attribute)
            if value is not None and 1 <= value <= 9:
                held[name] = value
            elif attribute in given:
                self.say("doubtful", f"expected {attribute} 1..9, got {given[attribute]!r}: left out", xml)
        felt = _number(given, "feltEmo")
        if felt in EMOTIONS:
            held["emotion"] = EMOTIONS[int(felt)]
        elif "feltEmo" in given:
            known = ", ".join(map(str, EMOTIONS))
            self.say("doubtful", f"expected feltEmo {known}, got {given['feltEmo']!r}: left out", xml)
        return held

    def recorded(self, files: dict[str, Path], who: int) -> tuple[Path | None, body.Stimulus | None]:
        """The BDF and when the stimulus was."""
        matched = [(match, path) for name, path in files.items() if (match := BODY.fullmatch(name))]
        path = self.own([((match[1], str((2 if match[2] != "N" else 1) + 2 * (int(match[3]) - 1))), path)
                         for match, path in matched], who, "Part_*_emotion.bdf")
        if path is None:
            return None, None
        try:
            shown = body.stimulus(path)
        except body.BodyError as error:
            self.say("unreadable", str(error), path)
            return None, None
        if not shown.belt:
            self.say("doubtful", "the respiration belt idles: there is no respiration", path)
        return path, shown

    def filmed(self, files: dict[str, Path], who: int, rate: float) -> tuple[Path | None, float, float | None]:
        """The colour film, the s of its own time that a second takes, and its length."""
        matched = [((match[1], match[2]), path) for name, path in files.items() if (match := FILM.fullmatch(name))]
        path = self.own(matched, who, "*C1 trigger*.avi")
        if path is None:
            return None, 1.0, None
        seen, wrong = footage.judge(path, self.folder.name)
        self.problems += wrong
        if seen is None:
            return None, 1.0, None
        stretch = rate / seen.rate if seen.rate else 1.0
        if abs(stretch - 1) > NEAR:
            self.say("doubtful", f"the film has {seen.rate:g} frames a second, the camera took {rate:g}: it was "
                     "encoded again, its own times are taken", path)
            stretch = 1.0
        return path, stretch, seen.seconds

    def own(self, matched: list[tuple[tuple[str, str], Path]], who: int, expected: str) -> Path | None:
        """The one file that is of this participant and session; files of others are refused."""
        number = int(self.folder.name)
        mine = []
        for (part, section), path in matched:
            if int(part) == who and (who - 1) * 130 + int(section) == number:
                mine.append(path)
            else:
                self.say("excluded", f"the name says participant {int(part)}, session "
                         f"{(int(part) - 1) * 130 + int(section)}: refused", path)
        if not mine:
            self.say("missing", f"no {expected}", self.folder)
        elif len(mine) > 1:
            self.say("doubtful", f"{len(mine)} files {expected}: the first is used", mine[1])
        return mine[0] if mine else None

    def say(self, kind: Kind, reason: str, path: Path | None = None, line: int | None = None) -> None:
        self.problems.append(Problem(kind, self.folder.name, reason, path, line))


def absent(there: set[int], root: Path) -> list[Problem]:
    """Rated sessions that the dataset has and that are not `there`; of participants without any, one line each."""
    problems = []
    for who in sorted(set(range(1, PARTICIPANTS + 1)) - set(LEFT_OUT)):
        own = [(who - 1) * 130 + 2 * trial for trial in range(1, TRIALS.get(who, USUAL) + 1)]
        if there.isdisjoint(own):
            problems.append(Problem("missing", f"participant {who}", f"none of {len(own)} rated sessions", root))
        else:
            why = f"no folder of this number, a rated session of participant {who}"
            problems += [Problem("missing", str(number), why, root) for number in own if number not in there]
    return problems


def _left_out(root: str, given: dict[str, str], subject: str) -> str:
    """Why a session is no trial; "" where it is one."""
    if root != "session":
        return f"expected <session> as the root, got <{root}>"
    if not subject.isdigit():
        return f"expected a subject with a number, got {subject!r}"
    if int(subject) in LEFT_OUT:
        return f"participants {', '.join(map(str, LEFT_OUT))} are incomplete and left out by everybody"
    if given.get("experimentType") != ELICITED:
        return TAGGING
    if "feltVlnc" not in given:
        return NEUTRAL if given.get("isStim") == "0" else UNRATED
    return ""


def _number(given: dict[str, str], name: str) -> float | None:
    return float(given[name]) if re.fullmatch(r"\d{1,9}(\.\d{1,12})?", given.get(name, "")) else None
