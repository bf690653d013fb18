"""A lookalike of MAHNOB-HCI: a folder for each session with BDF, session.xml, colour avi, gaze and sound.

The formats follow the metadata and the code of users of the dataset. The BDF has 30 s before and after the stimulus.
Two pulses of 268 in the low 16 bits of Status mark the onset and the end. The colour avi starts at the onset and
continues after the end.
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

from mien.simulation.datasets import acted_video, bdf, media_files, output, table_writers
from mien.simulation.datasets import participants as volunteers
from mien.simulation.datasets.mahnob_physiology import DECOY, MARGIN, PULSE, RATE, channels
from mien.simulation.datasets.truth import DatasetTruth, Item

FPS = Fraction(152427, 2500)         # 60.9708
SIZE = (260, 194)                    # px, a third of the real 780 x 580
PARTICIPANTS = (1, 3, 4, 16)
RUNS_ON = 1.3                        # length of the colour avi relative to the stimulus; the real ones have 1.14-3.25
AFTER = 1000                         # added to the number in the pictures after the stimulus
ANXIOUS = {(True, True): (4, 11), (True, False): (4, 11), (False, True): (1, 3, 12), (False, False): (2, 5)}
CLIPS = ("69.avi", "55.avi", "58.avi", "earworm_f.avi", "53.avi", "80.avi", "52.avi", "79.avi", "73.avi", "90.avi",
         "107.avi", "146.avi", "30.avi", "138.avi", "newyork_f.avi", "111.avi", "detroit_f.avi", "cats_f.avi",
         "dallas_f.avi", "funny_f.avi")

VARIANTS = ("official", "parent", "flat", "reordered")


@dataclass(frozen=True, eq=False)
class MahnobTrialScript:
    """One session.

    Attributes:
        participant: number of the participant.
        trial: number of the trial, from 1.
        kind: `S` (rated stimulus), `N` (the neutral clip before it), `tagging` or `incomplete`.
        act: simulated body and face.
        event: time of the event in s after the onset.
        felt: feltEmo, the self-reported emotion.
        belt: the participant wears the respiration belt.
        traps: faults of this session.
    """

    participant: int
    trial: int
    kind: str
    act: volunteers.SimulatedTrial
    event: float
    felt: int
    belt: bool = True
    traps: tuple[str, ...] = ()

    @property
    def section(self) -> int:
        """Number of the section in the recording."""
        return {"S": 2 * self.trial, "N": 2 * self.trial - 1, "tagging": 41, "incomplete": 2}[self.kind]

    @property
    def session(self) -> int:
        """Number of the session."""
        return (self.participant - 1) * 130 + self.section

    @property
    def number(self) -> int:
        """Number in the marks."""
        if self.kind == "S":
            return self.trial
        return 20 + self.trial

    @property
    def start(self) -> datetime:
        """Date and time of the session."""
        return datetime(2009, 7, 9, 10, 0) + timedelta(days=self.participant, minutes=4 * self.section, seconds=46)

    @property
    def recording(self) -> str:
        """Last part of the name of the BDF file."""
        return {"tagging": "taggingImages1"}.get(self.kind, "emotion")


@output.marked
def write_mahnob(root: str | Path, size: int = 4, seed: int = 0, variant: str = "official", workers: int = 1, *,
          participants: tuple[int, ...] = PARTICIPANTS, seconds: float = 12.0, marked: bool = True) -> DatasetTruth:
    """Write a lookalike of MAHNOB-HCI.

    There are also a neutral clip before the first trial of each participant, a tagging session and an incomplete one.
    Layouts: `official` (Sessions/ in the root); `parent` (MAHNOB-HCI/Sessions/); `flat` (the folders of the sessions in
    the root); `reordered` (frames of the videos refer to later frames, the default of encoders; an avi has no times to
    order them by).

    Args:
        root: folder to write, new or empty.
        size: number of rated sessions for each participant, 4..20.
        seed: seed of the random content.
        variant: layout.
        workers: number of processes.
        participants: numbers of the participants, 1..30.
        seconds: length of the stimuli in s, 8 or more; each is a little longer. The real ones have 34..116 s.
        marked: add the marks to pictures and signals.

    Returns:
        The ground truth.

    Raises:
        ValueError: an option is out of range.
        FileExistsError: the folder is not empty.
    """
    root = output.fresh(root, "mahnob", variant, VARIANTS, size, 4, seed)
    if size > 20 or not set(participants) <= set(range(1, 31)) or seconds < 8:
        raise ValueError(f"simulation.datasets.mahnob: expected up to 20 sessions, participants 1..30 and 8 s or more, "
                         f"got {size}, {participants}, {seconds}")
    base = {"flat": root, "parent": root / "MAHNOB-HCI" / "Sessions"}.get(variant, root / "Sessions")
    plans = _plans(size, seed, participants, seconds)
    output.each(partial(_session, base, variant, seed, marked), plans, workers)
    items = tuple(_item(root, base, plan) for plan in plans)
    return DatasetTruth("mahnob", root, variant, seed, items, _traps(variant, plans))


def _plans(size: int, seed: int, participants: tuple[int, ...], seconds: float) -> list[MahnobTrialScript]:
    out: list[MahnobTrialScript] = []
    for participant in participants:
        rng = np.random.default_rng([seed, 105, participant])
        who = volunteers.subject(str(participant), participant, seed)
        calm = volunteers.trial(who, 5, 1, 3.0, MARGIN, MARGIN, rng)
        out.append(MahnobTrialScript(participant, 1, "N", calm, 1.5, 0, traps=("no ratings",)))
        for trial, rating in enumerate(volunteers.ratings(rng, size), 1):
            valence, arousal = np.clip(np.round(rating), 1, 9).tolist()
            traps = []
            if participant == 3 and trial == 2:
                valence = 5.0
                traps.append("rating on a threshold")
            belt = not (participant == 3 and trial == 3)
            if not belt:
                traps.append("respiration belt is off")
            span = seconds + 0.25 * trial
            act = volunteers.trial(who, valence, arousal, span, MARGIN, MARGIN, rng)
            felt = int(rng.choice(ANXIOUS[valence >= 5, arousal >= 5]))
            out.append(MahnobTrialScript(participant, trial, "S", act, volunteers.event(len(out), seconds), felt, belt,
                                         tuple(traps)))
    rng = np.random.default_rng([seed, 106])
    for participant, kind in ((participants[0], "tagging"), (12, "incomplete")):
        act = volunteers.trial(volunteers.subject(str(participant), participant, seed), 5, 1, 3.0, MARGIN, MARGIN, rng)
        out.append(MahnobTrialScript(participant, 1, kind, act, 1.5, 0, traps=(kind,)))
    return out


def _session(base: Path, variant: str, seed: int, marked: bool, plan: MahnobTrialScript) -> None:
    folder = base / str(plan.session)
    names = _names(plan)
    _describe(folder / "session.xml", plan, names)
    if plan.kind == "incomplete":
        return
    rng = np.random.default_rng([seed, 115, plan.session])
    bdf.write_bdf(folder / names["bdf"], channels(plan.act, plan.event, plan.number, plan.belt, marked, rng), RATE,
              plan.start, recording="BioSemi ActiveTwo")
    if plan.kind == "tagging":
        return
    span = plan.act.span
    shot = acted_video.Shot(
        SIZE,
        float(FPS),
        0.0,
        RUNS_ON * span,
        plan.number,
        plan.event,
        plan.session,
        marked,
        until=span,
        after=plan.number + AFTER,
        drawn=4,
    )
    media_files.video(
        folder / names["colour"], acted_video.frames([plan.act], shot), FPS, reordered=variant == "reordered"
    )
    if plan.trial == 1:
        media_files.video(
            folder / names["grey"], acted_video.frames([plan.act], replace(shot, drawn=8)), FPS, grey=True
        )
    _gaze(folder / names["gaze"], span)
    table_writers.lines(folder / names["guide"], ["Frame\tCut", f"0\t1\n{round(span * FPS)}\t2"])
    with wave.open(str(folder / names["sound"]), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(2 * 8000 * round(span)))


def _names(plan: MahnobTrialScript) -> dict[str, str]:
    recording = {"tagging": 2}.get(plan.kind, 1)
    head = f"P{plan.participant}-Rec{recording}"
    dated, tail = f"{head}-{plan.start:%Y.%m.%d.%H.%M.%S}", f"Section_{plan.section}"
    side = {"S": "S_", "N": "N_", "incomplete": "S_", "tagging": ""}[plan.kind]
    return {"colour": f"{dated}_C1 trigger _C_{tail}.avi", "grey": f"{dated}_BW1 _{tail}.avi",
            "sound": f"{head}-Audio_{tail}.wav", "gaze": f"{head}-All-Data-New_{tail}.tsv",
            "guide": f"{head}-Guide-Cut_{tail}.tsv",
            "bdf": f"Part_{plan.participant}_{side}Trial{plan.trial}_{plan.recording}.bdf"}


def _describe(path: Path, plan: MahnobTrialScript, names: dict[str, str]) -> None:
    """Write session.xml. The attributes felt* exist only in rated sessions."""
    act = plan.act
    experiment = {"tagging": "implicit tagging"}.get(plan.kind, "emotion elicitation")
    attributes = {"sessionId": plan.session, "date": f"{plan.start:%Y-%m-%d}", "time": f"{plan.start:%H:%M:%S}",
                  "experimentType": experiment,
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
                track = ElementTree.SubElement(root, "track", {"type": "Video", "filename": names[film],
                                                               "color": colour})
                ElementTree.SubElement(track, "annotation", {"type": "Gaze", "filename": names["gaze"]})
                ElementTree.SubElement(track, "annotation", {"type": "GuideCut", "filename": names["guide"]})
        ElementTree.SubElement(root, "track", {"type": "Audio", "filename": names["sound"]})
    ElementTree.SubElement(root, "track", {"type": "Physiological", "filename": names["bdf"]})
    table_writers.xml(path, root)


def _gaze(path: Path, span: float) -> None:
    rows = [f"Header line {k}:\tvalue" for k in range(1, 24)]
    rows.append("Timestamp\tDateTimeStamp\tGazePointX\tGazePointY\tEvent")
    rows += [f"{round(1000 * t)}\t00:00:{t:06.3f}\t640\t512\t{event}" for t, event in
             ((0.0, "MovieStart"), (span / 2, ""), (span, "MovieEnd"))]
    table_writers.lines(path, rows)


def _item(root: Path, base: Path, plan: MahnobTrialScript) -> Item:
    act, names = plan.act, _names(plan)
    folder = (base / str(plan.session)).relative_to(root)
    labels: dict[str, float | str] = {}
    if plan.kind == "S":
        labels = {"valence": round(act.valence), "arousal": round(act.arousal), "emotion": plan.felt}
    video, signals, frames = None, None, 0
    if plan.kind in ("S", "N"):
        video, frames = (folder / names["colour"]).as_posix(), round(RUNS_ON * act.span * FPS)
    if plan.kind != "incomplete":
        signals = (folder / names["bdf"]).as_posix()
    return Item(
        str(plan.session), act.who.name, plan.number, labels, video=video, signals=signals, event=plan.event,
        span=act.span, beats=act.beats[(act.beats >= -MARGIN) & (act.beats < act.span + MARGIN)],
        heart_rate=act.heart_rate, rest=act.who.rest, responses=act.responses, aus=act.tops(),
        frames=frames, traps=plan.traps, usable=plan.kind == "S")


def _traps(variant: str, plans: list[MahnobTrialScript]) -> dict[str, str]:
    out = {"runs on": f"the colour avi is {RUNS_ON} times the stimulus; after it, pictures show number + {AFTER}",
           "margins": f"the BDF has {MARGIN:g} s before and after the stimulus, with marks of other numbers",
           "status": f"Status is {PULSE} in the low 16 bits at the two edges; the high 8 bits are noise",
           "grey": "first trials also have a grey avi, which sorts before the colour one",
           "decoys": f"the steepest edges of GSR1 and Temp are in the margins and have number {DECOY}: cut first"}
    for trap in ("no ratings", "tagging", "incomplete", "rating on a threshold", "respiration belt is off"):
        sessions = [str(plan.session) for plan in plans if trap in plan.traps]
        if sessions:
            out[trap] = f"sessions {', '.join(sessions)}"
    if variant == "reordered":
        out["reordered"] = "frames in the avi files refer to later frames, and avi stores no presentation times"
    return out
