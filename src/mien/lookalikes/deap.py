"""A lookalike of DEAP: Python 2's pickles, ratings with the two orders of trials, face videos.

Formats: the data set's readme. Signals and labels are in the order of the videos (`Experiment_id`), face videos in the
order of presentation (`Trial`); `participant_ratings.csv` joins them. Of each trial the first 3 s are baseline.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from scipy.io import savemat

from mien.lookalikes import acting, bodies, films, ground, marks, people, python2, sheets
from mien.lookalikes.truth import Item, Truth

RATE, SAMPLES, BASELINE = 128, 8064, 384
GSR, RESPIRATION, PLETHYSMOGRAPH, TEMPERATURE = 36, 37, 38, 39
SPAN = (SAMPLES - BASELINE) / RATE   # 60 s
FPS = 50
SIZE = (240, 192)                    # 720 x 576 in small
SUBJECTS = (1, 2, 3, 4, 23)
UNFAMILIAR = (2, 15, 23)             # participants whose familiarity is empty
CUT_SHORT = (3, 5, 11, 14)           # participants whose last video is missing

VARIANTS = ("official", "parent", "flat", "matlab", "reordered")


@dataclass(frozen=True, eq=False)
class Plan:
    """One trial: participant, `order` of presentation and `id` of the video shown, both from 1, and what happens."""

    participant: int
    order: int
    id: int
    act: people.Trial
    event: float
    rest: tuple[float, float, int]   # dominance, liking, familiarity
    filmed: bool
    traps: tuple[str, ...] = ()

    @property
    def video(self) -> str:
        return f"s{self.participant:02d}/s{self.participant:02d}_trial{self.order:02d}.avi"


def write(root: str | Path, size: int = 4, seed: int = 0, variant: str = "official", workers: int = 1, *,
          subjects: tuple[int, ...] = SUBJECTS, seconds: float = 12.0, marked: bool = True) -> Truth:
    """Write a lookalike of DEAP with `size` trials (4..40) for each of `subjects` (1..32; from 23 on without video).

    Signals last the full 63 s; videos only `seconds` (the real ones about 59 s) to keep it small. `marked=False` leaves
    out numbers and events. Layouts: `official`; `parent` (one folder down, in DEAP); `flat` (pickles, csv and the
    videos' folders at the root); `matlab` (data_preprocessed_matlab instead of the pickles); `reordered` (the videos'
    frames refer to later frames, as encoders do by default: an avi then has no times to order them by).

    Raises:
        ValueError, FileExistsError: see `ground.fresh`.
    """
    root = ground.fresh(root, "deap", variant, VARIANTS, size, 4, seed)
    if size > 40 or not set(subjects) <= set(range(1, 33)) or not 8 <= seconds <= SPAN:
        raise ValueError(f"lookalikes.deap: expected up to 40 trials, participants 1..32, 8..{SPAN:g} s of video, "
                         f"got {size}, {subjects}, {seconds}")
    base = root / "DEAP" if variant == "parent" else root
    plans = _plans(size, seed, subjects, seconds)
    for participant in subjects:
        _signals(base, variant, [plan for plan in plans if plan.participant == participant], seed, marked)
    _ratings(base if variant == "flat" else base / "metadata_csv", plans)
    filmed = [plan for plan in plans if plan.filmed]
    ground.each(partial(_film, base, variant, seconds, marked), filmed, workers)
    items = tuple(_item(root, base, variant, seconds, plan) for plan in plans)
    return Truth("deap", root, variant, seed, items, _traps(variant, plans))


def _plans(size: int, seed: int, subjects: tuple[int, ...], seconds: float) -> list[Plan]:
    out: list[Plan] = []
    for participant in subjects:
        rng = np.random.default_rng([seed, 103, participant])
        who = people.subject(f"s{participant:02d}", participant, seed)
        shown = people.deranged(rng, size)
        for id, (valence, arousal) in enumerate(people.ratings(rng, size), 1):
            traps = []
            if participant == 2 and id <= 2:  # on the thresholds that are in use, 4.5 and 5
                valence, arousal = ((5.0, 4.5), (4.5, 5.0))[id - 1]
                traps.append("rating on a threshold")
            order = int(np.flatnonzero(shown == id - 1)[0]) + 1
            filmed = participant <= 22 and not (participant in CUT_SHORT and order == size)
            if participant <= 22 and not filmed:
                traps.append("last video is missing")
            act = people.trial(who, float(valence), float(arousal), SPAN, BASELINE / RATE, 0.0, rng)
            rest = (round(float(rng.uniform(1, 9)), 2), round(float(rng.uniform(1, 9)), 2), int(rng.integers(1, 6)))
            out.append(Plan(participant, order, id, act, people.event(len(out), seconds), rest, filmed, tuple(traps)))
    return out


def _signals(base: Path, variant: str, plans: list[Plan], seed: int, marked: bool) -> None:
    """Write one participant's pickle or .mat, trials in the order of `id`."""
    participant = plans[0].participant
    rng = np.random.default_rng([seed, 113, participant])
    data = np.stack([_trial(plan, rng, marked) for plan in plans])
    labels = np.array([(plan.act.valence, plan.act.arousal, *plan.rest[:2]) for plan in plans])
    if variant == "matlab":
        path = base / "data_preprocessed_matlab" / f"s{participant:02d}.mat"
        path.parent.mkdir(parents=True, exist_ok=True)
        savemat(path, {"data": data, "labels": labels})
    else:
        folder = base if variant == "flat" else base / "data_preprocessed_python"
        python2.dump(folder / f"s{participant:02d}.dat", {"labels": labels, "data": data})


def _trial(plan: Plan, rng: np.random.Generator, marked: bool) -> np.ndarray:
    """-> (40, 8064). Channel k of the first 36 carries a tone of 5 + k Hz, so that each can be told from the others."""
    times = (np.arange(SAMPLES) - BASELINE) / RATE
    act, who = plan.act, plan.act.who
    data = rng.normal(0, 2.0, (40, SAMPLES))
    tones = 5 + np.arange(36)[:, None]
    data[:36] += 8 * np.sin(2 * np.pi * tones * times + rng.uniform(0, 2 * np.pi, (36, 1)))
    mark = marks.rectangle(times, plan.event, plan.id) if marked else np.zeros(SAMPLES)
    siemens = bodies.conductance(times, act.responses, act.sizes, who.tonic, rng.normal(0, 0.2)) + mark
    nano = 1000 * siemens + rng.normal(0, 1.0, SAMPLES)
    data[GSR] = nano if plan.participant <= 22 else 1e9 / nano
    data[RESPIRATION] += 400 * bodies.breath(times, who.breath)
    data[PLETHYSMOGRAPH] += 900 * (bodies.ppg(times, act.beats) - 0.4)
    warm = bodies.temperature(times, who.skin, rng.normal(0, 0.05)) + 0.5 * mark
    data[TEMPERATURE] = warm + rng.normal(0, 0.002, SAMPLES)
    return data


def _ratings(folder: Path, plans: list[Plan]) -> None:
    rows = ["Participant_id,Trial,Experiment_id,Start_time,Valence,Arousal,Dominance,Liking,Familiarity"]
    for plan in sorted(plans, key=lambda plan: (plan.participant, plan.order)):
        dominance, liking, familiarity = plan.rest
        known = "" if plan.participant in UNFAMILIAR else str(familiarity)
        rows.append(f"{plan.participant},{plan.order},{plan.id},{1695918 + 96_000_000 * (plan.order - 1)},"
                    f"{plan.act.valence:g},{plan.act.arousal:g},{dominance:g},{liking:g},{known}")
    sheets.lines(folder / "participant_ratings.csv", rows)


def _film(base: Path, variant: str, seconds: float, marked: bool, plan: Plan) -> None:
    shot = acting.Shot(SIZE, FPS, 0.0, seconds, plan.id, plan.event, 1000 * plan.participant + plan.id, marked,
                       drawn=2)
    folder = base if variant == "flat" else base / "face_video"
    films.video(folder / plan.video, acting.frames([plan.act], shot), FPS, reordered=variant == "reordered")


def _item(root: Path, base: Path, variant: str, seconds: float, plan: Plan) -> Item:
    videos = base if variant == "flat" else base / "face_video"
    folder, suffix = {"matlab": ("data_preprocessed_matlab", "mat"), "flat": (".", "dat")}.get(
        variant, ("data_preprocessed_python", "dat"))
    labels: dict[str, float | str] = {"valence": plan.act.valence, "arousal": plan.act.arousal,
                                      "dominance": plan.rest[0], "liking": plan.rest[1]}
    if plan.participant not in UNFAMILIAR:
        labels["familiarity"] = plan.rest[2]
    act = plan.act
    return Item(
        f"{act.who.name}/{plan.id}", act.who.name, plan.id, labels,
        video=(videos / plan.video).relative_to(root).as_posix() if plan.filmed else None,
        signals=(base / folder / f"{act.who.name}.{suffix}").relative_to(root).as_posix(), event=plan.event, span=SPAN,
        beats=act.beats[(act.beats >= -BASELINE / RATE) & (act.beats < SPAN)], heart_rate=act.heart_rate,
        rest=act.who.rest, responses=act.responses, aus=act.tops(), frames=round(seconds * FPS) if plan.filmed else 0,
        traps=plan.traps)


def _traps(variant: str, plans: list[Plan]) -> dict[str, str]:
    first = plans[0]
    out = {"order": f"{first.video} shows Experiment_id {first.id}: no trial's video has its Experiment_id's number",
           "units": "GSR of participants 1-22 is in nS, of 23-32 in Ohm",
           "encoding": "the pickles are Python 2's: they need encoding='latin1'"}
    missing = [plan.video for plan in plans if "last video is missing" in plan.traps]
    if missing:
        out["missing"] = f"no {', '.join(missing)}"
    if any(plan.participant > 22 for plan in plans):
        out["no video"] = "participants from 23 on have no videos"
    if any("rating on a threshold" in plan.traps for plan in plans):
        out["threshold"] = "s02 rates 4.5 and 5 exactly"
    if variant == "reordered":
        out["reordered"] = "the avi hold frames that refer to later ones, and avi keeps no times of presentation"
    return out
