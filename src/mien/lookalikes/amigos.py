"""A lookalike of AMIGOS: .mat files of cells in each participant's own order, face films in mov.

Formats: the data set's readme and code of people who hold it. Of each trial the first 5 s are baseline. Arousal comes
before valence.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from scipy.io import savemat

from mien.lookalikes import acting, bodies, films, ground, marks, mat73, people
from mien.lookalikes.truth import Item, Truth

RATE, BASELINE = 128, 640
ECG_RIGHT, ECG_LEFT, GSR = 14, 15, 16
SHORT = ("4", "5", "9", "10", "13", "18", "19", "20", "23", "30", "31", "34", "36", "58", "80", "138")
LONG = ("N1", "P1", "B1", "U1")
VIDEOS = SHORT + LONG
FPS = 25
SIZE = (320, 180)                    # wide, as the films are
GROUP_SIZE = (480, 160)
PARTICIPANTS = (1, 7, 8, 32, 40)
NO_LONG = (8, 24, 28)                # saw no long videos
ALONE = (40,)                        # whose long films show one person; the others of 1..40 sat in groups
GROUPS = ((7, 1, 2, 16), (6, 32, 4, 3))
SEGMENT = 20                         # s, of the external annotation

VARIANTS = ("official", "parent", "flat", "v73", "baseline_filmed")


@dataclass(frozen=True, eq=False)
class Plan:
    """One trial: participant, video, `place` in the participant's cells from 0, and what happens.

    `film`: path of the face film below the root, empty where there is none; `lost`: what is missing of the signals:
    `all`, `left` (ECG left is NaN), `some` (a few samples of GSR are NaN); `rated`: the participant filled the form.
    """

    participant: int
    video: str
    place: int
    act: people.Trial
    event: float
    film: str = ""
    lost: str = ""
    rated: bool = True
    traps: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        return VIDEOS.index(self.video) + 1


def write(root: str | Path, size: int = 4, seed: int = 0, variant: str = "official", workers: int = 1, *,
          participants: tuple[int, ...] = PARTICIPANTS, seconds: float = 12.0, marked: bool = True) -> Truth:
    """Write a lookalike of AMIGOS: 20 cells for each of `participants` (1..40), films of `size` (4..16) short videos.

    Every video lasts `seconds` after its 5 s of baseline (the real ones 57..1420 s), so the number of annotated
    segments is smaller than the real one. Layouts: `official`; `parent` (one folder down, in AMIGOS); `flat` (all files
    at the root); `v73` (.mat in MATLAB 7.3's format); `baseline_filmed` (the films, too, begin with the baseline: the
    description does not say where they begin, their length does).

    Raises:
        ValueError, FileExistsError: see `ground.fresh`.
    """
    root = ground.fresh(root, "amigos", variant, VARIANTS, size, 4, seed)
    if size > 16 or not set(participants) <= set(range(1, 41)) or seconds < 8:
        raise ValueError(f"lookalikes.amigos: expected up to 16 films, participants 1..40 and 8 s or more, got {size}, "
                         f"{participants}, {seconds}")
    base = root / "AMIGOS" if variant == "parent" else root
    plans = _plans(size, seed, participants, seconds)
    for participant in participants:
        _signals(base, variant, [plan for plan in plans if plan.participant == participant], seed, marked)
    start = -BASELINE / RATE if variant == "baseline_filmed" else 0.0
    scenes = _scenes(plans, seed, seconds)
    ground.each(partial(_film, base, variant, start, seconds, marked), scenes, workers)
    items = tuple(_item(root, base, variant, seconds - start, plan) for plan in plans)
    return Truth("amigos", root, variant, seed, items, _traps(plans, variant))


def _plans(size: int, seed: int, participants: tuple[int, ...], seconds: float) -> list[Plan]:
    out: list[Plan] = []
    for participant in participants:
        rng = np.random.default_rng([seed, 104, participant])
        who = people.subject(f"P{participant:02d}", participant, seed)
        place = people.deranged(rng, len(VIDEOS))
        filmed = rng.permutation(len(SHORT))[:size]
        rating = np.empty((len(VIDEOS), 2))
        rating[filmed] = people.ratings(rng, size)
        rating[~np.isin(np.arange(len(VIDEOS)), filmed)] = people.ratings(rng, len(VIDEOS) - size)
        third = int(np.flatnonzero(place == 2)[0])
        for k, video in enumerate(VIDEOS):
            valence, arousal = rating[k].tolist()
            act = people.trial(who, valence, arousal, seconds, BASELINE / RATE, 0.0, rng)
            nth = int(np.flatnonzero(filmed == k)[0]) if k in filmed else -1
            film, lost, rated, traps = _fate(participant, video, nth, k == third)
            event = next((plan.event for plan in out if film and plan.film == film), people.event(len(out), seconds))
            out.append(Plan(participant, video, int(place[k]), act, event, film, lost, rated, traps))
    return out


def _fate(participant: int, video: str, nth: int, third: bool) -> tuple[str, str, bool, tuple[str, ...]]:
    """`nth` of the filmed short videos (-1: not filmed), `third`: in the third cell -> film, lost, rated, traps."""
    film = f"Exp1_P{participant:02d}_face/P{participant}_{video}_face.mov" if nth >= 0 else ""
    long = video in LONG
    if participant in ALONE and video == "N1":
        film = f"Exp2_P{participant:02d}_face/P{participant}_N1_face.mov"
    for group, shown in zip(GROUPS, ("N1", "B1"), strict=True):
        if participant in group and video == shown:
            film = f"Exp2_groups_face/P({','.join(map(str, group))})_{shown}_face.mov"
    if long and participant in NO_LONG:
        return "", "all", False, ("long videos not seen",)
    if participant == 1 and third:
        return film, "all", False, ("(0, 0) cell",)
    if participant == 1 and nth == 1:
        return film, "left", True, ("a channel is NaN",)
    if participant == 7 and nth == 1:
        return film, "some", True, ("a few samples are NaN",)
    if participant == 7 and nth == 2:
        return film, "", False, ("no self-assessment",)
    if participant == 32 and long:
        return film, "", False, ("no self-assessment", *(("film is cut off",) if film else ()))
    if participant == 40 and nth == 3:
        return "", "", True, ("film is missing",)
    return film, "", True, ()


def segments(seconds: float) -> int:
    """s of the video -> annotated segments: the first 20 s with the baseline, others from 5 s on, the last 20 s."""
    return 1 + int(np.ceil(seconds / SEGMENT))


def _signals(base: Path, variant: str, plans: list[Plan], seed: int, marked: bool) -> None:
    participant = plans[0].participant
    rng = np.random.default_rng([seed, 114, participant])
    cells = {name: np.empty((1, len(VIDEOS)), object)
             for name in ("joined_data", "labels_selfassessment", "labels_ext_annotation", "VideoIDs")}
    for plan in plans:
        at = 0, plan.place
        cells["joined_data"][at] = _trial(plan, rng, marked)
        cells["labels_selfassessment"][at] = _form(plan, rng)
        cells["labels_ext_annotation"][at] = _annotation(plan, rng)
        cells["VideoIDs"][at] = plan.video
    path = _mat(base, variant, participant)
    if variant == "v73":
        mat73.save(path, cells)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        savemat(path, cells)


def _mat(base: Path, variant: str, participant: int) -> Path:
    letter = "p" if participant == 8 else "P"  # both spellings occur
    name = f"Data_{letter}reprocessed_P{participant:02d}"
    return base / f"{name}.mat" if variant == "flat" else base / name / f"{name}.mat"


def _trial(plan: Plan, rng: np.random.Generator, marked: bool) -> np.ndarray:
    """-> (N, 17). EEG channel k carries a tone of 5 + k Hz; GSR is a resistance in Ohm."""
    if plan.lost == "all":
        return np.zeros((0, 0))
    act, who = plan.act, plan.act.who
    count = BASELINE + round(act.span * RATE)
    times = (np.arange(count) - BASELINE) / RATE
    data = rng.normal(0, 2.0, (count, 17))
    data[:, :14] += 8 * np.sin(2 * np.pi * (5 + np.arange(14)) * times[:, None] + rng.uniform(0, 2 * np.pi, 14))
    wander = 0.05 * bodies.breath(times, who.breath)
    for column, height in ((ECG_RIGHT, 1.0), (ECG_LEFT, 0.6)):
        data[:, column] = bodies.ecg(times, act.beats, height) + wander + rng.normal(0, 0.01, count)
    mark = marks.rectangle(times, plan.event, plan.number) if marked else np.zeros(count)
    siemens = bodies.conductance(times, act.responses, act.sizes, who.tonic, rng.normal(0, 0.2)) + mark
    data[:, GSR] = 1e6 / (siemens + rng.normal(0, 0.001, count))
    if plan.lost == "left":
        data[:, ECG_LEFT] = np.nan
    if plan.lost == "some":
        data[100:105, GSR] = np.nan
    return data


def _form(plan: Plan, rng: np.random.Generator) -> np.ndarray:
    """-> (1, 12) arousal, valence, dominance, liking, familiarity, seven feelings; (1, 0) or (0, 0) where missing."""
    if not plan.rated:
        return np.zeros((0, 0)) if plan.lost == "all" else np.zeros((1, 0))
    rest = np.round(rng.uniform(1, 9, 3), 2)
    feelings = (rng.random(7) < 0.2).astype(float)
    return np.array([[plan.act.arousal, plan.act.valence, *rest, *feelings]])


def _annotation(plan: Plan, rng: np.random.Generator) -> np.ndarray:
    """-> (segments, 3) index, valence, arousal -1..1."""
    if plan.lost == "all":
        return np.zeros((0, 0))
    count = segments(plan.act.span)
    seen = np.array([plan.act.valence - 5, plan.act.arousal - 5]) / 4 + rng.normal(0, 0.1, (count, 2))
    return np.column_stack([np.arange(1, count + 1), np.clip(seen, -1, 1)])


@dataclass(frozen=True, eq=False)
class Scene:
    """One film: who acts in it (the others of a group without a plan of their own act a calm trial), how it ends."""

    path: str
    acts: tuple[people.Trial, ...]
    number: int
    event: float
    seed: int
    cut: bool


def _scenes(plans: list[Plan], seed: int, seconds: float) -> list[Scene]:
    out = []
    for path in dict.fromkeys(plan.film for plan in plans if plan.film):
        inside = [plan for plan in plans if plan.film == path]
        acts = {plan.participant: plan.act for plan in inside}
        group = next((group for group in GROUPS if f"({','.join(map(str, group))})" in path), tuple(acts))
        for member in group:
            if member not in acts:
                rng = np.random.default_rng([seed, 124, member])
                who = people.subject(f"P{member:02d}", member, seed)
                acts[member] = people.trial(who, 5.0, 2.0, seconds, BASELINE / RATE, 0.0, rng)
        out.append(Scene(path, tuple(acts[member] for member in group), inside[0].number, inside[0].event,
                         100 * inside[0].participant + inside[0].number,
                         any("film is cut off" in plan.traps for plan in inside)))
    return out


def _film(base: Path, variant: str, start: float, seconds: float, marked: bool, scene: Scene) -> None:
    size = GROUP_SIZE if len(scene.acts) > 1 else SIZE
    shot = acting.Shot(size, FPS, start, seconds, scene.number, scene.event, scene.seed, marked, drawn=2)
    path = base / (Path(scene.path).name if variant == "flat" else scene.path)
    films.video(path, acting.frames(scene.acts, shot), FPS, audio=True)
    if scene.cut:  # the index of a mov comes last: nothing of it can be decoded
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size * 6 // 10)


def _item(root: Path, base: Path, variant: str, filmed: float, plan: Plan) -> Item:
    act = plan.act
    film = Path(plan.film).name if variant == "flat" else plan.film
    labels: dict[str, float | str] = {"valence": act.valence, "arousal": act.arousal} if plan.rated else {}
    traps = (*plan.traps, *(("group film",) if "(" in plan.film else ()))
    return Item(
        f"{act.who.name}/{plan.video}", act.who.name, plan.number, labels,
        video=(base / film).relative_to(root).as_posix() if film else None,
        signals=None if plan.lost == "all" else _mat(base, variant, plan.participant).relative_to(root).as_posix(),
        event=plan.event, span=act.span, beats=act.beats[(act.beats >= -BASELINE / RATE) & (act.beats < act.span)],
        heart_rate=act.heart_rate, rest=act.who.rest, responses=act.responses, aus=act.tops(),
        frames=round(filmed * FPS) if film and "film is cut off" not in traps else 0, traps=traps,
        usable=plan.rated and plan.lost in ("", "some"))


def _traps(plans: list[Plan], variant: str) -> dict[str, str]:
    out = {"order": "every participant's cells are in an order of its own: VideoIDs says which",
           "labels": "arousal is the first column of the self-assessment, valence the second",
           "padding": "Exp1_P01_face/P1_4_face.mov: the folder is padded, the file is not"}
    for trap in ("(0, 0) cell", "long videos not seen", "a channel is NaN", "a few samples are NaN",
                 "no self-assessment", "film is missing", "film is cut off"):
        where = [f"{plan.act.who.name}/{plan.video}" for plan in plans if trap in plan.traps]
        if where:
            out[trap] = ", ".join(where)
    if variant == "baseline_filmed":
        out["baseline"] = "the films begin with the 5 s of baseline"
    return out
