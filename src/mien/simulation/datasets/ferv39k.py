"""A lookalike of FERV39k: face crops in folders by scene and emotion, and csv without header, separated by blanks.

The formats and numbers follow the lists and the preprocessing code of users of the dataset. There is one official
split. The label is a word, which is also the name of the folder. Clips have 8..47 frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mien.simulation.datasets import acted_video, media_files, output, table_writers
from mien.simulation.datasets.truth import DatasetTruth, Item

EMOTIONS = ("Happy", "Sad", "Neutral", "Angry", "Surprise", "Disgust", "Fear")  # in the order of the baselines' ids
SCENES = ("Action", "DailyLife", "Interview", "Terror", "ElegantArt")
LENGTHS = (8, 30, 12, 8, 20, 17, 26)
SIDE = 224
FPS = 25

VARIANTS = ("official", "nested", "peers", "ids", "lists", "windows")


@dataclass(frozen=True)
class Ferv39kClipScript:
    """One clip.

    Attributes:
        key: Scene/Emotion/NNNN.
        test: the clip is in the test split.
        shot: the simulated clip.
        exists: its folder exists.
    """

    key: str
    test: bool
    shot: acted_video.SimulatedClip
    exists: bool = True


@output.marked
def write_ferv39k(
    root: str | Path, size: int = 70, seed: int = 0, variant: str = "official", workers: int = 1
) -> DatasetTruth:
    """Write a lookalike of FERV39k. One more line of the list names a missing folder.

    Layouts: `official`; `nested` (FERV39k/FERV39k/...); `peers` (FERV39K/2_ClipsforFaceCrop beside
    FERV39K/Annotation/train.csv and test.csv); `ids` (alphabetical numbers instead of words, Angry = 0 ..
    Surprise = 6); `lists` (text lists of path, number of frames and id, Happy = 0 .. Fear = 6); `windows` (byte order
    mark, CR LF).

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
    root = output.fresh(root, "ferv39k", variant, VARIANTS, size, 14, seed)
    base = {"nested": root / "FERV39k" / "FERV39k", "peers": root / "FERV39K"}.get(variant, root)
    plans = _plans(size, seed)
    output.each(partial(_clip, base), plans, workers)
    _splits(base, variant, plans)
    items = tuple(_item(root, base, plan) for plan in plans)
    return DatasetTruth("ferv39k", root, variant, seed, items, _traps(variant, plans))


def _plans(size: int, seed: int) -> list[Ferv39kClipScript]:
    rng = np.random.default_rng([seed, 102])
    number = dict.fromkeys(SCENES, 0)
    out = []
    for k in range(size + 1):
        round, emotion = divmod(k, 7)
        scene = SCENES[round % len(SCENES)]
        number[scene] += int(rng.integers(1, 60))
        word = EMOTIONS[emotion]
        shot = acted_video.clip(int(rng.integers(40)), word.lower(), LENGTHS[(k + round) % 7], k, rng)
        # Two of ten rounds of the seven emotions are test clips, so both parts have every emotion, in different scenes.
        test = round % 5 == (round // 5 + 1) % 5
        out.append(Ferv39kClipScript(f"{scene}/{word}/{number[scene]:04d}", test, shot, exists=k < size))
    return sorted(out, key=lambda plan: plan.key)


def _clip(base: Path, plan: Ferv39kClipScript) -> None:
    if not plan.exists:
        return
    for number, rgb in enumerate(acted_video.clip_frames(plan.shot, SIDE, FPS), 1):
        media_files.jpeg(base / "2_ClipsforFaceCrop" / plan.key / f"{number:04d}.jpg", rgb)


def _line(variant: str, plan: Ferv39kClipScript) -> str:
    word = plan.key.split("/")[1]
    if variant == "ids":
        return f"{plan.key} {sorted(EMOTIONS).index(word)}"
    if variant == "lists":
        return f"/data/somebody/FERV39K/2_ClipsforFaceCrop/{plan.key} {plan.shot.count} {EMOTIONS.index(word)}"
    return f"{plan.key} {word}"


def _splits(base: Path, variant: str, plans: list[Ferv39kClipScript]) -> None:
    windows = variant == "windows"
    for part in ("train", "test"):
        chosen = [plan for plan in plans if plan.test == (part == "test")]
        rows = [_line(variant, plan) for plan in chosen]
        if variant == "peers":
            table_writers.lines(base / "Annotation" / f"{part}.csv", rows)
        elif variant == "lists":
            table_writers.lines(base / "annotation" / f"FERV39K_{part}.txt", rows)
        else:
            table_writers.lines(base / "4_setups" / "All_scenes" / f"{part}_All.csv", rows, windows)
            for scene in SCENES:
                mine = [row for row in rows if row.startswith(f"{scene}/")]
                if mine:
                    table_writers.lines(base / "4_setups" / scene / f"{part}_{scene}.csv", mine, windows)


def _item(root: Path, base: Path, plan: Ferv39kClipScript) -> Item:
    word = plan.key.split("/")[1]
    conditions = (("shorter than 16 frames", plan.shot.count < 16), ("folder is missing", not plan.exists))
    video, frames = None, 0
    if plan.exists:
        video, frames = (base / "2_ClipsforFaceCrop" / plan.key).relative_to(root).as_posix(), plan.shot.count
    return Item(plan.key, "", plan.shot.number, {"expression": word.lower(), "scene": plan.key.split("/")[0]},
                video=video, aus=dict(plan.shot.look), split="test" if plan.test else "train", frames=frames,
                traps=tuple(trap for trap, holds in conditions if holds), usable=plan.exists)


def _traps(variant: str, plans: list[Ferv39kClipScript]) -> dict[str, str]:
    lost = next(plan.key for plan in plans if not plan.exists)
    short = sum(plan.shot.count < 16 for plan in plans)
    out = {"missing": f"{lost} is in the list, but its folder does not exist",
           "short": f"{short} of {len(plans)} clips have fewer than 16 frames, the shortest 8"}
    if variant == "ids":
        out["labels"] = "numbers in alphabetical order of the words: Angry 0 .. Surprise 6"
    if variant == "lists":
        out["labels"] = "numbers in the baselines' order: Happy 0 .. Fear 6; paths of another machine"
    if variant == "windows":
        out["windows"] = "every csv starts with a byte order mark and has CR LF"
    return out
