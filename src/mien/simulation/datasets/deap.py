"""A lookalike of DEAP: pickles of Python 2, ratings with two orders of trials, and face videos.

The formats follow the readme of the dataset. Signals and labels are in the order of the stimuli (`Experiment_id`). Face
videos are in the order of presentation (`Trial`). `participant_ratings.csv` relates the two. The first 3 s of each
trial are baseline.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from scipy.io import savemat

from mien.simulation.datasets import (
    acted_video,
    contact_signals,
    markers,
    media_files,
    output,
    participants,
    py2_pickle,
    table_writers,
)
from mien.simulation.datasets.truth import DatasetTruth, Item

RATE, SAMPLES, BASELINE = 128, 8064, 384
GSR, RESPIRATION, PLETHYSMOGRAPH, TEMPERATURE = 36, 37, 38, 39
SPAN = (SAMPLES - BASELINE) / RATE   # 60 s, length of the stimulus
FPS = 50
SIZE = (240, 192)                    # px, a third of the real 720 x 576
SUBJECTS = (1, 2, 3, 4, 23)
UNFAMILIAR = (2, 15, 23)             # participants without a rating of familiarity
CUT_SHORT = (3, 5, 11, 14)           # participants without the last face video

VARIANTS = ("official", "parent", "flat", "matlab", "reordered")


@dataclass(frozen=True, eq=False)
class DeapTrialScript:
    """One trial.

    Attributes:
        participant: number of the participant.
        order: order of presentation, from 1.
        id: number of the stimulus, from 1.
        act: simulated body and face.
        event: time of the event in s after the onset.
        rest: dominance, liking, familiarity.
        filmed: there is a face video.
        traps: faults of this trial.
    """

    participant: int
    order: int
    id: int
    act: participants.SimulatedTrial
    event: float
    rest: tuple[float, float, int]
    filmed: bool
    traps: tuple[str, ...] = ()

    @property
    def video(self) -> str:
        """Path of the face video relative to the folder of the videos."""
        return f"s{self.participant:02d}/s{self.participant:02d}_trial{self.order:02d}.avi"


@output.marked
def write_deap(root: str | Path, size: int = 4, seed: int = 0, variant: str = "official", workers: int = 1, *,
          subjects: tuple[int, ...] = SUBJECTS, seconds: float = 12.0, marked: bool = True) -> DatasetTruth:
    """Write a lookalike of DEAP.

    Layouts: `official`; `parent` (in a subfolder DEAP); `flat` (pickles, csv and the folders of the videos in the
    root); `matlab` (data_preprocessed_matlab instead of the pickles); `reordered` (frames of the videos refer to later
    frames, the default of encoders; an avi has no times to order them by).

    Args:
        root: folder to write, new or empty.
        size: number of trials for each participant, 4..40.
        seed: seed of the random content.
        variant: layout.
        workers: number of processes.
        subjects: numbers of the participants, 1..32. There are no videos of participants from 23 on.
        seconds: length of the face videos in s; the real ones have about 59 s. Signals have the full 63 s.
        marked: add the marks to pictures and signals.

    Returns:
        The ground truth.

    Raises:
        ValueError: an option is out of range.
        FileExistsError: the folder is not empty.
    """
    root = output.fresh(root, "deap", variant, VARIANTS, size, 4, seed)
    if size > 40 or not set(subjects) <= set(range(1, 33)) or not 8 <= seconds <= SPAN:
        raise ValueError(f"simulation.datasets.deap: expected up to 40 trials, participants 1..32, 8..{SPAN:g} s of "
                         f"video, got {size}, {subjects}, {seconds}")
    base = {"parent": root / "DEAP"}.get(variant, root)
    plans = _plans(size, seed, subjects, seconds)
    for participant in subjects:
        _signals(base, variant, [plan for plan in plans if plan.participant == participant], seed, marked)
    _ratings(_folder(base, variant, "metadata_csv"), plans)
    filmed = [plan for plan in plans if plan.filmed]
    output.each(partial(_film, base, variant, seconds, marked), filmed, workers)
    items = tuple(_item(root, base, variant, seconds, plan) for plan in plans)
    return DatasetTruth("deap", root, variant, seed, items, _traps(variant, plans))


def _plans(size: int, seed: int, subjects: tuple[int, ...], seconds: float) -> list[DeapTrialScript]:
    out: list[DeapTrialScript] = []
    for participant in subjects:
        rng = np.random.default_rng([seed, 103, participant])
        who = participants.subject(f"s{participant:02d}", participant, seed)
        shown = participants.deranged(rng, size)
        for id, (valence, arousal) in enumerate(participants.ratings(rng, size), 1):
            traps = []
            if participant == 2 and id <= 2:  # exactly on the usual thresholds, 4.5 and 5
                valence, arousal = ((5.0, 4.5), (4.5, 5.0))[id - 1]
                traps.append("rating on a threshold")
            order = int(np.flatnonzero(shown == id - 1)[0]) + 1
            filmed = participant <= 22 and not (participant in CUT_SHORT and order == size)
            if participant <= 22 and not filmed:
                traps.append("last video is missing")
            act = participants.trial(who, float(valence), float(arousal), SPAN, BASELINE / RATE, 0.0, rng)
            rest = (round(float(rng.uniform(1, 9)), 2), round(float(rng.uniform(1, 9)), 2), int(rng.integers(1, 6)))
            out.append(DeapTrialScript(participant, order, id, act, participants.event(len(out), seconds), rest, filmed,
                                       tuple(traps)))
    return out


def _signals(base: Path, variant: str, plans: list[DeapTrialScript], seed: int, marked: bool) -> None:
    """Write the pickle or .mat file of one participant, with the trials in the order of `id`."""
    participant = plans[0].participant
    rng = np.random.default_rng([seed, 113, participant])
    data = np.stack([_trial(plan, rng, marked) for plan in plans])
    labels = np.array([(plan.act.valence, plan.act.arousal, *plan.rest[:2]) for plan in plans])
    if variant == "matlab":
        path = base / "data_preprocessed_matlab" / f"s{participant:02d}.mat"
        path.parent.mkdir(parents=True, exist_ok=True)
        savemat(path, {"data": data, "labels": labels})
    else:
        folder = _folder(base, variant, "data_preprocessed_python")
        py2_pickle.dump_py2(folder / f"s{participant:02d}.dat", {"labels": labels, "data": data})


def _trial(plan: DeapTrialScript, rng: np.random.Generator, marked: bool) -> np.ndarray:
    """Simulate the signals of a trial, (40, 8064). Channel k of the first 36 has a tone of 5 + k Hz to identify it."""
    times = (np.arange(SAMPLES) - BASELINE) / RATE
    act, who = plan.act, plan.act.who
    data = rng.normal(0, 2.0, (40, SAMPLES))
    tones = 5 + np.arange(36)[:, None]
    data[:36] += 8 * np.sin(2 * np.pi * tones * times + rng.uniform(0, 2 * np.pi, (36, 1)))
    mark = np.zeros(SAMPLES)
    if marked:
        mark = markers.rectangle(times, plan.event, plan.id)
    siemens = contact_signals.skin_conductance(times, act.responses, act.sizes, who.tonic, rng.normal(0, 0.2)) + mark
    data[GSR] = 1000 * siemens + rng.normal(0, 1.0, SAMPLES)  # nS
    if plan.participant > 22:
        data[GSR] = 1e9 / data[GSR]  # Ohm
    data[RESPIRATION] += 400 * contact_signals.breath(times, who.breath)
    data[PLETHYSMOGRAPH] += 900 * (contact_signals.ppg(times, act.beats) - 0.4)
    warm = contact_signals.temperature(times, who.skin, rng.normal(0, 0.05)) + 0.5 * mark
    data[TEMPERATURE] = warm + rng.normal(0, 0.002, SAMPLES)
    return data


def _ratings(folder: Path, plans: list[DeapTrialScript]) -> None:
    rows = ["Participant_id,Trial,Experiment_id,Start_time,Valence,Arousal,Dominance,Liking,Familiarity"]
    for plan in sorted(plans, key=lambda plan: (plan.participant, plan.order)):
        dominance, liking, familiarity = plan.rest
        known = str(familiarity)
        if plan.participant in UNFAMILIAR:
            known = ""
        rows.append(f"{plan.participant},{plan.order},{plan.id},{1695918 + 96_000_000 * (plan.order - 1)},"
                    f"{plan.act.valence:g},{plan.act.arousal:g},{dominance:g},{liking:g},{known}")
    table_writers.lines(folder / "participant_ratings.csv", rows)


def _folder(base: Path, variant: str, name: str) -> Path:
    """The folder `name` of the dataset, or its root where the variant has no folders."""
    if variant == "flat":
        return base
    return base / name


def _film(base: Path, variant: str, seconds: float, marked: bool, plan: DeapTrialScript) -> None:
    shot = acted_video.Shot(SIZE, FPS, 0.0, seconds, plan.id, plan.event, 1000 * plan.participant + plan.id, marked,
                       drawn=2)
    folder = _folder(base, variant, "face_video")
    media_files.video(folder / plan.video, acted_video.frames([plan.act], shot), FPS, reordered=variant == "reordered")


def _item(root: Path, base: Path, variant: str, seconds: float, plan: DeapTrialScript) -> Item:
    videos = _folder(base, variant, "face_video")
    folder, suffix = {"matlab": ("data_preprocessed_matlab", "mat"), "flat": (".", "dat")}.get(
        variant, ("data_preprocessed_python", "dat"))
    labels: dict[str, float | str] = {"valence": plan.act.valence, "arousal": plan.act.arousal,
                                      "dominance": plan.rest[0], "liking": plan.rest[1]}
    if plan.participant not in UNFAMILIAR:
        labels["familiarity"] = plan.rest[2]
    act = plan.act
    video, frames = None, 0
    if plan.filmed:
        video, frames = (videos / plan.video).relative_to(root).as_posix(), round(seconds * FPS)
    return Item(
        f"{act.who.name}/{plan.id}", act.who.name, plan.id, labels, video=video,
        signals=(base / folder / f"{act.who.name}.{suffix}").relative_to(root).as_posix(), event=plan.event, span=SPAN,
        beats=act.beats[(act.beats >= -BASELINE / RATE) & (act.beats < SPAN)], heart_rate=act.heart_rate,
        rest=act.who.rest, responses=act.responses, aus=act.tops(), frames=frames, traps=plan.traps)


def _traps(variant: str, plans: list[DeapTrialScript]) -> dict[str, str]:
    first = plans[0]
    out = {"order": f"{first.video} shows Experiment_id {first.id}: the numbers of videos are not Experiment_ids",
           "units": "GSR of participants 1-22 is in nS, of 23-32 in Ohm",
           "encoding": "the pickles are from Python 2 and need encoding='latin1'"}
    missing = [plan.video for plan in plans if "last video is missing" in plan.traps]
    if missing:
        out["missing"] = f"no {', '.join(missing)}"
    if any(plan.participant > 22 for plan in plans):
        out["no video"] = "participants from 23 on have no videos"
    if any("rating on a threshold" in plan.traps for plan in plans):
        out["threshold"] = "s02 rates 4.5 and 5 exactly"
    if variant == "reordered":
        out["reordered"] = "frames in the avi files refer to later frames, and avi stores no presentation times"
    return out
