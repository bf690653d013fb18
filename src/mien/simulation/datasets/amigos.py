"""A lookalike of AMIGOS: .mat files with cells in a different order for each participant, and face videos in mov.

The formats follow the readme of the dataset and the code of its users. The first 5 s of each trial are baseline. The
labels list arousal before valence.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from scipy.io import savemat

from mien.simulation.datasets import acted_video, mat73, media_files, output
from mien.simulation.datasets import participants as volunteers
from mien.simulation.datasets.amigos_signals import BASELINE, RATE, annotation, self_assessment, signals
from mien.simulation.datasets.truth import DatasetTruth, Item

SHORT = ("4", "5", "9", "10", "13", "18", "19", "20", "23", "30", "31", "34", "36", "58", "80", "138")
LONG = ("N1", "P1", "B1", "U1")
VIDEOS = SHORT + LONG
FPS = 25
SIZE = (320, 180)                    # px, the aspect ratio of the real videos
GROUP_SIZE = (480, 160)
PARTICIPANTS = (1, 7, 8, 32, 40)
NO_LONG = (8, 24, 28)                # participants without long videos
ALONE = (40,)                        # participants alone in their long videos; the others of 1..40 sat in groups
GROUPS = ((7, 1, 2, 16), (6, 32, 4, 3))

VARIANTS = ("official", "parent", "flat", "v73", "baseline_filmed")


@dataclass(frozen=True, eq=False)
class AmigosTrialScript:
    """One trial.

    Attributes:
        participant: number of the participant.
        video: name of the stimulus.
        place: index in the participant's cells, from 0.
        act: simulated body and face.
        event: time of the event in s after the onset.
        film: path of the face video relative to the root; empty if there is none.
        lost: missing signals: `all`, `left` (ECG left is NaN), `some` (a few samples of GSR are NaN), or empty.
        rated: the participant filled in the self-assessment.
        traps: faults of this trial.
    """

    participant: int
    video: str
    place: int
    act: volunteers.SimulatedTrial
    event: float
    film: str = ""
    lost: str = ""
    rated: bool = True
    traps: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        """Number in the marks, from 1."""
        return VIDEOS.index(self.video) + 1


@output.marked
def write_amigos(root: str | Path, size: int = 4, seed: int = 0, variant: str = "official", workers: int = 1, *,
          participants: tuple[int, ...] = PARTICIPANTS, seconds: float = 12.0, marked: bool = True) -> DatasetTruth:
    """Write a lookalike of AMIGOS with 20 cells for each participant.

    Layouts: `official`; `parent` (in a subfolder AMIGOS); `flat` (all files in the root); `v73` (.mat files in the
    format of MATLAB 7.3); `baseline_filmed` (the face videos start with the baseline too; the description does not say
    where they start, their length does).

    Args:
        root: folder to write, new or empty.
        size: number of short videos with a face video, 4..16.
        seed: seed of the random content.
        variant: layout.
        workers: number of processes.
        participants: numbers of the participants, 1..40.
        seconds: length of every video in s after its 5 s of baseline, 8 or more. The real ones have 57..1420 s, so the
            number of annotated segments is smaller than in the real dataset.
        marked: add the marks to pictures and signals.

    Returns:
        The ground truth.

    Raises:
        ValueError: an option is out of range.
        FileExistsError: the folder is not empty.
    """
    root = output.fresh(root, "amigos", variant, VARIANTS, size, 4, seed)
    if size > 16 or not set(participants) <= set(range(1, 41)) or seconds < 8:
        raise ValueError(f"simulation.datasets.amigos: expected up to 16 films, participants 1..40 and 8 s or more, "
                         f"got {size}, {participants}, {seconds}")
    base = {"parent": root / "AMIGOS"}.get(variant, root)
    plans = _plans(size, seed, participants, seconds)
    for participant in participants:
        _signals(base, variant, [plan for plan in plans if plan.participant == participant], seed, marked)
    start = -BASELINE / RATE if variant == "baseline_filmed" else 0.0
    scenes = _scenes(plans, seed, seconds)
    output.each(partial(_film, base, variant, start, seconds, marked), scenes, workers)
    items = tuple(_item(root, base, variant, seconds - start, plan) for plan in plans)
    return DatasetTruth("amigos", root, variant, seed, items, _traps(plans, variant))


def _plans(size: int, seed: int, participants: tuple[int, ...], seconds: float) -> list[AmigosTrialScript]:
    out: list[AmigosTrialScript] = []
    for participant in participants:
        rng = np.random.default_rng([seed, 104, participant])
        who = volunteers.subject(f"P{participant:02d}", participant, seed)
        place = volunteers.deranged(rng, len(VIDEOS))
        filmed = rng.permutation(len(SHORT))[:size]
        rating = np.empty((len(VIDEOS), 2))
        rating[filmed] = volunteers.ratings(rng, size)
        rating[~np.isin(np.arange(len(VIDEOS)), filmed)] = volunteers.ratings(rng, len(VIDEOS) - size)
        third = int(np.flatnonzero(place == 2)[0])
        for k, video in enumerate(VIDEOS):
            valence, arousal = rating[k].tolist()
            act = volunteers.trial(who, valence, arousal, seconds, BASELINE / RATE, 0.0, rng)
            nth = -1
            if k in filmed:
                nth = int(np.flatnonzero(filmed == k)[0])
            film, lost, rated, traps = _fate(participant, video, nth, k == third)
            event = next((plan.event for plan in out if film and plan.film == film),
                         volunteers.event(len(out), seconds))
            out.append(AmigosTrialScript(participant, video, int(place[k]), act, event, film, lost, rated, traps))
    return out


def _fate(participant: int, video: str, nth: int, third: bool) -> tuple[str, str, bool, tuple[str, ...]]:
    """Decide the faults of a trial -> film, lost, rated, traps.

    Args:
        participant: number of the participant.
        video: name of the stimulus.
        nth: index among the filmed short videos; -1 if it is not filmed.
        third: the trial is in the third cell.
    """
    film, long = _film_path(participant, video, nth), video in LONG
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
    if participant == 32 and long and film:
        return film, "", False, ("no self-assessment", "film is cut off")
    if participant == 32 and long:
        return film, "", False, ("no self-assessment",)
    if participant == 40 and nth == 3:
        return "", "", True, ("film is missing",)
    return film, "", True, ()


def _film_path(participant: int, video: str, nth: int) -> str:
    """Path of the face video of a trial relative to the root; empty if the trial is not filmed."""
    for group, shown in zip(GROUPS, ("N1", "B1"), strict=True):
        if participant in group and video == shown:
            return f"Exp2_groups_face/P({','.join(map(str, group))})_{shown}_face.mov"
    if participant in ALONE and video == "N1":
        return f"Exp2_P{participant:02d}_face/P{participant}_N1_face.mov"
    if nth >= 0:
        return f"Exp1_P{participant:02d}_face/P{participant}_{video}_face.mov"
    return ""


def _signals(base: Path, variant: str, plans: list[AmigosTrialScript], seed: int, marked: bool) -> None:
    participant = plans[0].participant
    rng = np.random.default_rng([seed, 114, participant])
    cells = {name: np.empty((1, len(VIDEOS)), object)
             for name in ("joined_data", "labels_selfassessment", "labels_ext_annotation", "VideoIDs")}
    for plan in plans:
        at = 0, plan.place
        cells["joined_data"][at] = signals(plan, rng, marked)
        cells["labels_selfassessment"][at] = self_assessment(plan, rng)
        cells["labels_ext_annotation"][at] = annotation(plan, rng)
        cells["VideoIDs"][at] = plan.video
    path = _mat(base, variant, participant)
    if variant == "v73":
        mat73.save_mat73(path, cells)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        savemat(path, cells)


def _mat(base: Path, variant: str, participant: int) -> Path:
    letter = "p" if participant == 8 else "P"  # both spellings occur
    name = f"Data_{letter}reprocessed_P{participant:02d}"
    if variant == "flat":
        return base / f"{name}.mat"
    return base / name / f"{name}.mat"


@dataclass(frozen=True, eq=False)
class FilmScript:
    """One face video.

    Attributes:
        path: path relative to the root.
        acts: simulated trial of each person; members of a group without a script act a calm trial.
        number: number in the marks.
        event: time of the event in s after the onset.
        seed: seed of the scene.
        cut: the file is truncated.
    """

    path: str
    acts: tuple[volunteers.SimulatedTrial, ...]
    number: int
    event: float
    seed: int
    cut: bool


def _scenes(plans: list[AmigosTrialScript], seed: int, seconds: float) -> list[FilmScript]:
    out = []
    for path in dict.fromkeys(plan.film for plan in plans if plan.film):
        trials = [plan for plan in plans if plan.film == path]
        acts = {plan.participant: plan.act for plan in trials}
        group = next((group for group in GROUPS if f"({','.join(map(str, group))})" in path), tuple(acts))
        for member in group:
            if member not in acts:
                rng = np.random.default_rng([seed, 124, member])
                who = volunteers.subject(f"P{member:02d}", member, seed)
                acts[member] = volunteers.trial(who, 5.0, 2.0, seconds, BASELINE / RATE, 0.0, rng)
        first = trials[0]
        out.append(FilmScript(path, tuple(acts[member] for member in group), first.number, first.event,
                              100 * first.participant + first.number,
                              any("film is cut off" in plan.traps for plan in trials)))
    return out


def _place(base: Path, variant: str, film: str) -> Path:
    """Where a film lies: below the folders of its name, or in the root where the variant has no folders."""
    if variant == "flat":
        return base / Path(film).name
    return base / film


def _film(base: Path, variant: str, start: float, seconds: float, marked: bool, scene: FilmScript) -> None:
    size = GROUP_SIZE if len(scene.acts) > 1 else SIZE
    shot = acted_video.Shot(size, FPS, start, seconds, scene.number, scene.event, scene.seed, marked, drawn=2)
    path = _place(base, variant, scene.path)
    media_files.video(path, acted_video.frames(scene.acts, shot), FPS, audio=True)
    if scene.cut:  # the index of a mov is at its end, so a truncated file cannot be decoded
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size * 6 // 10)


def _item(root: Path, base: Path, variant: str, filmed: float, plan: AmigosTrialScript) -> Item:
    act = plan.act
    labels: dict[str, float | str] = {}
    if plan.rated:
        labels = {"valence": act.valence, "arousal": act.arousal}
    traps = plan.traps
    if "(" in plan.film:
        traps = (*traps, "group film")
    video, frames, signals = None, 0, None
    if plan.film:
        path = _place(base, variant, plan.film)
        video = path.relative_to(root).as_posix()
        if "film is cut off" not in traps:
            frames = round(filmed * FPS)
    if plan.lost != "all":
        signals = _mat(base, variant, plan.participant).relative_to(root).as_posix()
    return Item(
        f"{act.who.name}/{plan.video}", act.who.name, plan.number, labels, video=video, signals=signals,
        event=plan.event, span=act.span, beats=act.beats[(act.beats >= -BASELINE / RATE) & (act.beats < act.span)],
        heart_rate=act.heart_rate, rest=act.who.rest, responses=act.responses, aus=act.tops(), frames=frames,
        traps=traps, usable=plan.rated and plan.lost in ("", "some"))


def _traps(plans: list[AmigosTrialScript], variant: str) -> dict[str, str]:
    out = {"order": "the order of the cells differs between participants; VideoIDs gives it",
           "labels": "arousal is the first column of the self-assessment, valence the second",
           "padding": "Exp1_P01_face/P1_4_face.mov: the folder is padded, the file is not"}
    for trap in ("(0, 0) cell", "long videos not seen", "a channel is NaN", "a few samples are NaN",
                 "no self-assessment", "film is missing", "film is cut off"):
        trials = [f"{plan.act.who.name}/{plan.video}" for plan in plans if trap in plan.traps]
        if trials:
            out[trap] = ", ".join(trials)
    if variant == "baseline_filmed":
        out["baseline"] = "the face videos start with the 5 s of baseline"
    return out
