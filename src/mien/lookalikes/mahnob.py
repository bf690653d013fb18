"""A lookalike of MAHNOB-HCI: a folder a session with BDF, session.xml, a colour avi that runs on, gaze and sound.

Formats: metadata and readers of people who hold the data. The BDF has 30 s before and after the stimulus, whose onset
and end are two pulses of 268 in the low 16 bits of Status; the colour avi begins at the onset and runs on after the
end.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from mien.lookalikes import acting, bdf, films, ground, people, sheets
from mien.lookalikes.mahnob_body import DECOY, MARGIN, PULSE, RATE, channels
from mien.lookalikes.truth import Item, Truth

FPS = Fraction(152427, 2500)         # 60.9708
SIZE = (260, 194)                    # 780 x 580 in small
PARTICIPANTS = (1, 3, 4, 16)
RUNS_ON = 1.3                        # length of the colour avi in stimuli; the real ones 1.14-3.25
AFTER = 1000                         # what the pictures' number grows by when the stimulus is over
ANXIOUS = {(True, True): (4, 11), (True, False): (4, 11), (False, True): (1, 3, 12), (False, False): (2, 5)}
CLIPS = ("69.avi", "55.avi", "58.avi", "earworm_f.avi", "53.avi", "80.avi", "52.avi", "79.avi", "73.avi", "90.avi",
         "107.avi", "146.avi", "30.avi", "138.avi", "newyork_f.avi", "111.avi", "detroit_f.avi", "cats_f.avi",
         "dallas_f.avi", "funny_f.avi")

VARIANTS = ("official", "parent", "flat", "reordered")


@dataclass(frozen=True, eq=False)
class Plan:
    """One session: participant, trial from 1, `kind` S (stimulus, rated), N (the neutral clip before it), tagging or
    incomplete, and what happens; `felt`: feltEmo; `belt`: the respiration belt is on."""

    participant: int
    trial: int
    kind: str
    act: people.Trial
    event: float
    felt: int
    belt: bool = True
    traps: tuple[str, ...] = ()

    @property
    def section(self) -> int:
        return {"S": 2 * self.trial, "N": 2 * self.trial - 1, "tagging": 41, "incomplete": 2}[self.kind]

    @property
    def session(self) -> int:
        return (self.participant - 1) * 130 + self.section

    @property
    def number(self) -> int:
        return self.trial if self.kind == "S" else 20 + self.trial

    @property
    def start(self) -> datetime:
        return datetime(2009, 7, 9, 10, 0) + timedelta(days=self.participant, minutes=4 * self.section, seconds=46)

    @property
    def recording(self) -> str:
        return "emotion" if self.kind != "tagging" else "taggingImages1"


def write(root: str | Path, size: int = 4, seed: int = 0, variant: str = "official", workers: int = 1, *,
          participants: tuple[int, ...] = PARTICIPANTS, seconds: float = 12.0, marked: bool = True) -> Truth:
    """Write a lookalike of MAHNOB-HCI with `size` rated sessions (4..20) for each of `participants` (1..30).

    Stimuli last `seconds` and a little more each (the real ones 34..116 s). There are also: the neutral clip before
    each first trial, a tagging session, an incomplete one. Layouts: `official` (Sessions/ at the root); `parent`
    (MAHNOB-HCI/Sessions/); `flat` (the sessions' folders at the root); `reordered` (the videos' frames refer to later
    frames, as encoders do by default: an avi then has no times to order them by).

    Raises:
        ValueError, FileExistsError: see `ground.fresh`.
    """
    root = ground.fresh(root, "mahnob", variant, VARIANTS, size, 4, seed)
    if size > 20 or not set(participants) <= set(range(1, 31)) or seconds < 8:
        raise ValueError(f"lookalikes.mahnob: expected up to 20 sessions, participants 1..30 and 8 s or more, "
                         f"got {size}, {participants}, {seconds}")
    base = {"flat": root, "parent": root / "MAHNOB-HCI" / "Sessions"}.get(variant, root / "Sessions")
    plans = _plans(size, seed, participants, seconds)
    ground.each(partial(_session, base, variant, seed, marked), plans, workers)
    items = tuple(_item(root, base, plan) for plan in plans)
    return Truth("mahnob", root, variant, seed, items, _traps(variant, plans))


def _plans(size: int, seed: int, participants: tuple[int, ...], seconds: float) -> list[Plan]:
    out: list[Plan] = []
    for participant in participants:
        rng = np.random.default_rng([seed, 105, participant])
        who = people.subject(str(participant), participant, seed)
        calm = people.trial(who, 5, 1, 3.0, MARGIN, MARGIN, rng)
        out.append(Plan(participant, 1, "N", calm, 1.5, 0, traps=("no ratings",)))
        for trial, rating in enumerate(people.ratings(rng, size), 1):
            valence, arousal = np.clip(np.round(rating), 1, 9).tolist()
            traps = []
            if participant == 3 and trial == 2:
                valence = 5.0
                traps.append("rating on a threshold")
            belt = not (participant == 3 and trial == 3)
            if not belt:
                traps.append("respiration belt is off")
            span = seconds + 0.25 * trial
            act = people.trial(who, valence, arousal, span, MARGIN, MARGIN, rng)
            felt = int(rng.choice(ANXIOUS[valence >= 5, arousal >= 5]))
            out.append(Plan(participant, trial, "S", act, people.event(len(out), seconds), felt, belt, tuple(traps)))
    rng = np.random.default_rng([seed, 106])
    for participant, kind in ((participants[0], "tagging"), (12, "incomplete")):
        act = people.trial(people.subject(str(participant), participant, seed), 5, 1, 3.0, MARGIN, MARGIN, rng)
        out.append(Plan(participant, 1, kind, act, 1.5, 0, traps=(kind,)))
    return out


def _session(base: Path, variant: str, seed: int, marked: bool, plan: Plan) -> None:
    folder = base / str(plan.session)
    names = _names(plan)
    _describe(folder / "session.xml", plan, names)
    if plan.kind == "incomplete":
        return
    rng = np.random.default_rng([seed, 115, plan.session])
    bdf.write(folder / names["bdf"], channels(plan.act, plan.event, plan.number, plan.belt, marked, rng), RATE,
              plan.start, recording="BioSemi ActiveTwo")
    if plan.kind == "tagging":
        return
    span = plan.act.span
    shot = acting.Shot(SIZE, float(FPS), 0.0, RUNS_ON * span, plan.number, plan.event, plan.session, marked, until=span,
                       after=plan.number + AFTER, drawn=4)
    films.video(folder / names["colour"], acting.frames([plan.act], shot), FPS, reordered=variant == "reordered")
    if plan.trial == 1:
        films.video(folder / names["grey"], acting.frames([plan.act], replace(shot, drawn=8)), FPS, grey=True)
    _gaze(folder / names["gaze"], span)
    sheets.lines(folder / names["guide"], ["Frame\tCut", f"0\t1\n{round(span * FPS)}\t2"])
    with wave.open(str(folder / names["sound"]), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(2 * 8000 * round(span)))


def _names(plan: Plan) -> dict[str, str]:
    head = f"P{plan.participant}-Rec{1 if plan.kind != 'tagging' else 2}"
    dated, tail = f"{head}-{plan.start:%Y.%m.%d.%H.%M.%S}", f"Section_{plan.section}"
    side = f"{plan.kind}_" if plan.kind in "SN" else "S_" if plan.kind == "incomplete" else ""
    return {"colour": f"{dated}_C1 trigger _C_{tail}.avi", "grey": f"{dated}_BW1 _{tail}.avi",
            "sound": f"{head}-Audio_{tail}.wav", "gaze": f"{head}-All-Data-New_{tail}.tsv",
            "guide": f"{head}-Guide-Cut_{tail}.tsv",
            "bdf": f"Part_{plan.participant}_{side}Trial{plan.trial}_{plan.recording}.bdf"}


def _describe(path: Path, plan: Plan, names: dict[str, str]) -> None:
    """Write session.xml; felt* only where there are ratings."""
    act = plan.act
    attributes = {"sessionId": plan.session, "date": f"{plan.start:%Y-%m-%d}", "time": f"{plan.start:%H:%M:%S}",
                  "experimentType": "emotion elicitation" if plan.kind != "tagging" else "implicit tagging",
                  "isStim": int(plan.kind in ("S", "incomplete"))}
    if plan.kind == "S":
        attributes |= {"feltEmo": plan.felt, "feltArsl": round(act.arousal), "feltVlnc": round(act.valence),
                       "feltCtrl": 5, "feltPred": 5}
    if plan.kind == "tagging":
        attributes |= {"tagValid": 1, "tagAgree": 0}
    first = 2_000_000 * plan.section
    attributes |= {"cutNr": plan.trial, "cutLenSec": f"{act.span:g}", "vidRate": "60.9708", "audRate": 44100,
                   "audBeginSmp": first, "audEndSmp": first + round(44100 * act.span), "vidBeginSmp": first,
                   "vidEndSmp": first + round(44100 * RUNS_ON * act.span), "mediaFile": CLIPS[(plan.trial - 1) % 20]}
    root = ElementTree.Element("session", {name: str(value) for name, value in attributes.items()})
    ElementTree.SubElement(root, "subject", {"id": str(plan.participant), "gender": "female", "age": "25"})
    if plan.kind in ("S", "N"):
        for film, colour in (("grey", "0"), ("colour", "1")):
            if film == "colour" or plan.trial == 1:
                about = {"type": "Video", "filename": names[film], "color": colour}
                track = ElementTree.SubElement(root, "track", about)
                ElementTree.SubElement(track, "annotation", {"type": "Gaze", "filename": names["gaze"]})
                ElementTree.SubElement(track, "annotation", {"type": "GuideCut", "filename": names["guide"]})
        ElementTree.SubElement(root, "track", {"type": "Audio", "filename": names["sound"]})
    ElementTree.SubElement(root, "track", {"type": "Physiological", "filename": names["bdf"]})
    sheets.xml(path, root)


def _gaze(path: Path, span: float) -> None:
    rows = [f"Header line {k}:\tvalue" for k in range(1, 24)]
    rows.append("Timestamp\tDateTimeStamp\tGazePointX\tGazePointY\tEvent")
    rows += [f"{round(1000 * t)}\t00:00:{t:06.3f}\t640\t512\t{event}" for t, event in
             ((0.0, "MovieStart"), (span / 2, ""), (span, "MovieEnd"))]
    sheets.lines(path, rows)


def _item(root: Path, base: Path, plan: Plan) -> Item:
    act, names = plan.act, _names(plan)
    folder = (base / str(plan.session)).relative_to(root)
    labels: dict[str, float | str] = {}
    if plan.kind == "S":
        labels = {"valence": round(act.valence), "arousal": round(act.arousal), "emotion": plan.felt}
    filmed = plan.kind in ("S", "N")
    return Item(
        str(plan.session), act.who.name, plan.number, labels,
        video=(folder / names["colour"]).as_posix() if filmed else None,
        signals=(folder / names["bdf"]).as_posix() if plan.kind != "incomplete" else None, event=plan.event,
        span=act.span, beats=act.beats[(act.beats >= -MARGIN) & (act.beats < act.span + MARGIN)],
        heart_rate=act.heart_rate, rest=act.who.rest, responses=act.responses, aus=act.tops(),
        frames=round(RUNS_ON * act.span * FPS) if filmed else 0, traps=plan.traps, usable=plan.kind == "S")


def _traps(variant: str, plans: list[Plan]) -> dict[str, str]:
    out = {"runs on": f"the colour avi lasts {RUNS_ON} stimuli: after the stimulus its pictures show number + {AFTER}",
           "margins": f"the BDF has {MARGIN:g} s before and after the stimulus, with marks of other numbers",
           "status": f"Status is {PULSE} in the low 16 bits at the two edges; the high 8 bits are noise",
           "grey": "first trials also have a grey avi, which sorts before the colour one",
           "decoys": f"the steepest edges of GSR1 and Temp lie in the margins and say {DECOY}: cut first"}
    for trap in ("no ratings", "tagging", "incomplete", "rating on a threshold", "respiration belt is off"):
        where = [str(plan.session) for plan in plans if trap in plan.traps]
        if where:
            out[trap] = f"sessions {', '.join(where)}"
    if variant == "reordered":
        out["reordered"] = "the avi hold frames that refer to later ones, and avi keeps no times of presentation"
    return out
