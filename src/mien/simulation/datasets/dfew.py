"""A lookalike of DFEW: aligned frames, clips, five folds and votes.

The formats and numbers follow the repository jiangxingxun/DFEW and the code of users of the dataset. Ids are 1..16372.
The five folds test overlapping ranges of ids. Clips with neighbouring ids come from one movie; here they show one
person.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mien.simulation.datasets import acted_video, media_files, output, table_writers
from mien.simulation.datasets.truth import DatasetTruth, Item

CLASSES = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")  # labels 1..7
RANGES = ((1, 4342), (2522, 7566), (5566, 10669), (8685, 13528), (12583, 16372))  # ids that a fold tests
LENGTHS = (16, 9, 24, 12, 40, 17, 20)  # frames of a clip; the real ones have 11..847, and 14 have fewer than 16
SIDE = 256
FPS = 25

VARIANTS = ("official", "parent", "train_folders", "train_set", "set_train", "old", "peers", "only_16f", "lists",
            "windows")


@dataclass(frozen=True)
class DfewClipScript:
    """One clip.

    Attributes:
        id: id of the clip.
        label: class, 1..7.
        fold: fold that tests it, 1..5; 0: no csv lists it.
        film: number of the movie.
        shot: the simulated clip.
        votes: votes for each class.
        annotation: value in annotation.xlsx.
    """

    id: int
    label: int
    fold: int
    film: int
    shot: acted_video.SimulatedClip
    votes: tuple[int, ...]
    annotation: int


@output.marked
def write_dfew(
    root: str | Path, size: int = 70, seed: int = 0, variant: str = "official", workers: int = 1
) -> DatasetTruth:
    """Write a lookalike of DFEW.

    Layouts: `official`; `parent` (in a subfolder DFEW-part2); `train_folders` (train/set_1.csv), `train_set`
    (train_set_1.csv), `set_train` (set_1_train.csv): other names of the splits; `old` (single_label/data and
    label/single_trainset_1.csv); `peers` (Clip/jpg_256); `only_16f` (only clip_224x16f); `lists` (text lists with
    labels 0..6 and absolute paths of another machine instead of the csv); `windows` (csv with byte order mark and
    CR LF).

    Args:
        root: folder to write, new or empty.
        size: number of clips, 14 or more.
        seed: seed of the random content.
        variant: layout.
        workers: number of processes.

    Returns:
        The ground truth.

    Raises:
        ValueError: an option is out of range.
        FileExistsError: the folder is not empty.
    """
    root = output.fresh(root, "dfew", variant, VARIANTS, size, 14, seed)
    plans = _plans(size, seed)
    base = {"parent": root / "DFEW-part2", "old": root / "single_label", "peers": root / "DFEW"}.get(variant, root)
    if variant in ("official", "parent"):
        table_writers.xlsx(base / "Annotation" / "annotation.xlsx", {"Sheet1": list(_votes(plans))})
    _splits(base, variant, [plan for plan in plans if plan.fold])
    output.each(partial(_clip, base, variant), plans, workers)
    items = tuple(_item(root, base, variant, plan) for plan in plans)
    return DatasetTruth("dfew", root, variant, seed, items, _traps(variant, plans))


def _plans(size: int, seed: int) -> list[DfewClipScript]:
    """Clips in the order of their ids: blocks of up to three neighbours from one movie, and two that no csv lists."""
    rng = np.random.default_rng([seed, 101])
    out: list[DfewClipScript] = []
    film = 0
    for fold in range(1, 6):
        ids = _ids(rng, fold, size // 5 + (fold <= size % 5), {plan.id for plan in out})
        labels = 1 + (len(out) + rng.permutation(len(ids))) % 7  # balanced classes, in each fold and in all
        for k, (id, label) in enumerate(zip(ids, labels, strict=True)):
            film += k == 0 or id - ids[k - 1] > 2
            out.append(_plan(rng, id, int(label), fold, film, LENGTHS[len(out) % len(LENGTHS)]))
    used = {plan.id for plan in out}
    free = [id for id in range(2, 16372) if id not in used]
    for annotation, label in ((0, 2), (6, 6)):
        film += 1
        id = int(free[rng.integers(len(free))])
        free.remove(id)
        out.append(_plan(rng, id, label, 0, film, 12, annotation))
    return sorted(out, key=lambda plan: plan.id)


def _ids(rng: np.random.Generator, fold: int, count: int, used: set[int]) -> list[int]:
    low, high = RANGES[fold - 1]
    out = set({1: (1,), 5: (16372,)}.get(fold, ()))  # the first and the last id are always there
    while len(out) < count:
        first = int(rng.integers(low, high - 4))
        block = [first, first + 1, first + 3]
        if not used.intersection(block) and not out.intersection(range(first - 3, first + 7)):
            out.update(block[: count - len(out)])
    return sorted(out)


def _plan(rng: np.random.Generator, id: int, label: int, fold: int, film: int, count: int, annotation: int = -1
          ) -> DfewClipScript:
    votes = np.zeros(7, int)
    most = 5
    if annotation:
        most = int(rng.integers(7, 11))
    votes[label - 1] = most
    others = [k for k in range(7) if k != label - 1]
    for k in rng.choice(others, 10 - most):
        votes[k] += 1
    shot = acted_video.clip(film % 40, CLASSES[label - 1], count, id, rng)
    if annotation < 0:
        annotation = label
    return DfewClipScript(id, label, fold, film, shot, tuple(int(v) for v in votes), annotation)


def _clip(base: Path, variant: str, plan: DfewClipScript) -> None:
    name = f"{plan.id:05d}"
    frames = acted_video.clip_frames(plan.shot, SIDE, FPS)
    if variant in ("official", "parent"):
        media_files.video(base / "Clip" / "original" / f"{plan.id}.mp4", frames, FPS, audio=True)
    if plan.fold == 0:
        return
    if variant == "only_16f":
        _sixteen(base / "Clip" / "clip_224x16f" / name, frames)
        return
    for number, rgb in enumerate(frames, 1):
        media_files.jpeg(_folder(base, variant) / name / f"{name}_{number:05d}.jpg", rgb)
    if variant in ("official", "parent"):
        _sixteen(base / "Clip" / "clip_224x224_16f" / name, frames)
        media_files.video(base / "Clip" / "clip_224x224_avi" / f"{name}.avi", frames, FPS)


def _folder(base: Path, variant: str) -> Path:
    names = {"old": "data", "peers": "Clip/jpg_256", "only_16f": "Clip/clip_224x16f"}
    return base / names.get(variant, "Clip/clip_224x224")


def _sixteen(folder: Path, frames: list[np.ndarray]) -> None:
    for number, rgb in enumerate(media_files.spread(frames, 16), 1):
        media_files.jpeg(folder / f"{number}.jpg", rgb)


def _splits(base: Path, variant: str, plans: list[DfewClipScript]) -> None:
    for fold in range(1, 6):
        for part in ("train", "test"):
            chosen = [plan for plan in plans if (plan.fold == fold) == (part == "test")]
            path = base / _split_name(variant, part, fold)
            if variant == "lists":
                rows = [f"/data/somebody/DFEW/DFEW_Frame_Face/{p.id:05d} {p.shot.count} {p.label - 1}" for p in chosen]
                table_writers.lines(path, rows)
            else:
                rows = ["video_name,label", *(f"{p.id:05d},{p.label}" for p in chosen)]
                table_writers.lines(path, rows, windows=variant == "windows")


def _split_name(variant: str, part: str, fold: int) -> str:
    splits = "EmoLabel_DataSplit"
    return {"train_folders": f"{splits}/{part}/set_{fold}.csv", "train_set": f"{splits}/{part}_set_{fold}.csv",
            "set_train": f"{splits}/set_{fold}_{part}.csv", "old": f"label/single_{part}set_{fold}.csv",
            "lists": f"annotation/DFEW_set_{fold}_{part}.txt",
            }.get(variant, f"{splits}/{part}(single-labeled)/set_{fold}.csv")


def _votes(plans: list[DfewClipScript]) -> Iterator[list[object]]:
    yield ["order", *(f"{k}{name}" for k, name in enumerate(CLASSES, 1)), "clip name", "annotation"]
    for plan in plans:
        yield [plan.id, *plan.votes, plan.id, plan.annotation]


def _item(root: Path, base: Path, variant: str, plan: DfewClipScript) -> Item:
    name = f"{plan.id:05d}"
    conditions = (
        ("shorter than 16 frames", plan.shot.count < 16), ("longer than 16 frames", plan.shot.count > 16),
        ("id is padded in the csv, not in the mp4", plan.id < 10000),
        ("not single-labelled", plan.annotation == 0), ("no aligned frames", plan.fold == 0))
    video, frames = None, plan.shot.count
    if plan.fold:
        video = (_folder(base, variant) / name).relative_to(root).as_posix()
        if variant == "only_16f":
            frames = 16
    elif variant in ("official", "parent"):
        video = (base / "Clip" / "original" / f"{plan.id}.mp4").relative_to(root).as_posix()
    return Item(name, "", plan.id, {"expression": CLASSES[plan.label - 1], "label": plan.label}, video=video,
                aus=dict(plan.shot.look), split=str(plan.fold or ""), frames=frames,
                traps=tuple(trap for trap, holds in conditions if holds), usable=plan.fold > 0)


def _traps(variant: str, plans: list[DfewClipScript]) -> dict[str, str]:
    names = [f"{plan.id:05d}" for plan in plans]
    lost = [name for name, plan in zip(names, plans, strict=True) if plan.fold == 0]
    labels = {"lists": "0..6 in the lists"}.get(variant, "1..7 in the csv")
    out = {"labels": labels,
           "padding": f"clip {names[0]} is {names[0]} in the csv and frames, 1.mp4 among the originals",
           "order": "frames of clip_224x224_16f are 1.jpg .. 16.jpg: 10.jpg sorts before 2.jpg as text",
           "neighbours": "clips with neighbouring ids show one person: split off validation in blocks of ids",
           "unlisted": f"{', '.join(lost)} are in annotation.xlsx but in no csv and have no aligned frames"}
    if variant not in ("official", "parent"):
        out = {key: value for key, value in out.items() if key not in ("unlisted", "order")}
    if variant == "windows":
        out["windows"] = "every csv starts with a byte order mark and has CR LF"
    return out
