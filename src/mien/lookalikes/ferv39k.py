"""A lookalike of FERV39k: face crops in folders by scene and emotion, headerless csv with blanks.

Formats and numbers: lists and preprocessing of people who hold the data. One official split; the label is a word, and
the folder says it too. Clips have 8..47 frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mien.lookalikes import acting, films, ground, sheets
from mien.lookalikes.truth import Item, Truth

EMOTIONS = ("Happy", "Sad", "Neutral", "Angry", "Surprise", "Disgust", "Fear")  # the order of the baselines' ids
SCENES = ("Action", "DailyLife", "Interview", "Terror", "ElegantArt")
LENGTHS = (8, 30, 12, 8, 20, 17, 26)
SIDE = 224
FPS = 25

VARIANTS = ("official", "nested", "peers", "ids", "lists", "windows")


@dataclass(frozen=True)
class Plan:
    """One clip: `key` Scene/Emotion/NNNN, whether the split tests it, what is seen; `there`: its folder exists."""

    key: str
    test: bool
    shot: acting.Clip
    there: bool = True


def write(root: str | Path, size: int = 70, seed: int = 0, variant: str = "official", workers: int = 1) -> Truth:
    """Write a lookalike of FERV39k with `size` clips (14 or more) in a layout; one line more names a missing folder.

    Layouts: `official`; `nested` (FERV39k/FERV39k/...); `peers` (FERV39K/2_ClipsforFaceCrop beside
    FERV39K/Annotation/train.csv and test.csv); `ids` (alphabetical numbers, Angry = 0 .. Surprise = 6, in place of the
    word); `lists` (text lists of path, number of frames and id, Happy = 0 .. Fear = 6); `windows` (byte order mark,
    CR LF).

    Raises:
        ValueError, FileExistsError: see `ground.fresh`.
    """
    root = ground.fresh(root, "ferv39k", variant, VARIANTS, size, 14, seed)
    base = {"nested": root / "FERV39k" / "FERV39k", "peers": root / "FERV39K"}.get(variant, root)
    plans = _plans(size, seed)
    ground.each(partial(_clip, base), plans, workers)
    _splits(base, variant, plans)
    items = tuple(_item(root, base, plan) for plan in plans)
    return Truth("ferv39k", root, variant, seed, items, _traps(variant, plans))


def _plans(size: int, seed: int) -> list[Plan]:
    rng = np.random.default_rng([seed, 102])
    number = dict.fromkeys(SCENES, 0)
    out = []
    for k in range(size + 1):
        round, emotion = divmod(k, 7)
        scene = SCENES[round % len(SCENES)]
        number[scene] += int(rng.integers(1, 60))
        word = EMOTIONS[emotion]
        shot = acting.clip(int(rng.integers(40)), word.lower(), LENGTHS[(k + round) % 7], k, rng)
        # Two rounds of seven in ten are tested, so that both parts know every emotion, in changing scenes.
        test = round % 5 == (round // 5 + 1) % 5
        out.append(Plan(f"{scene}/{word}/{number[scene]:04d}", test, shot, there=k < size))
    return sorted(out, key=lambda plan: plan.key)


def _clip(base: Path, plan: Plan) -> None:
    if not plan.there:
        return
    for number, rgb in enumerate(acting.clip_frames(plan.shot, SIDE, FPS), 1):
        films.jpeg(base / "2_ClipsforFaceCrop" / plan.key / f"{number:04d}.jpg", rgb)


def _line(variant: str, plan: Plan) -> str:
    word = plan.key.split("/")[1]
    if variant == "ids":
        return f"{plan.key} {sorted(EMOTIONS).index(word)}"
    if variant == "lists":
        return f"/data/somebody/FERV39K/2_ClipsforFaceCrop/{plan.key} {plan.shot.count} {EMOTIONS.index(word)}"
    return f"{plan.key} {word}"


def _splits(base: Path, variant: str, plans: list[Plan]) -> None:
    windows = variant == "windows"
    for part in ("train", "test"):
        chosen = [plan for plan in plans if plan.test == (part == "test")]
        rows = [_line(variant, plan) for plan in chosen]
        if variant == "peers":
            sheets.lines(base / "Annotation" / f"{part}.csv", rows)
        elif variant == "lists":
            sheets.lines(base / "annotation" / f"FERV39K_{part}.txt", rows)
        else:
            sheets.lines(base / "4_setups" / "All_scenes" / f"{part}_All.csv", rows, windows)
            for scene in SCENES:
                mine = [row for row in rows if row.startswith(f"{scene}/")]
                if mine:
                    sheets.lines(base / "4_setups" / scene / f"{part}_{scene}.csv", mine, windows)


def _item(root: Path, base: Path, plan: Plan) -> Item:
    word = plan.key.split("/")[1]
    traps = [trap for trap, there in (("shorter than 16 frames", plan.shot.count < 16),
                                      ("folder is missing", not plan.there)) if there]
    folder = (base / "2_ClipsforFaceCrop" / plan.key).relative_to(root).as_posix()
    return Item(plan.key, "", plan.shot.number, {"expression": word.lower(), "scene": plan.key.split("/")[0]},
                video=folder if plan.there else None, aus=dict(plan.shot.look), split="test" if plan.test else "train",
                frames=plan.shot.count if plan.there else 0, traps=tuple(traps), usable=plan.there)


def _traps(variant: str, plans: list[Plan]) -> dict[str, str]:
    lost = next(plan.key for plan in plans if not plan.there)
    short = sum(plan.shot.count < 16 for plan in plans)
    out = {"missing": f"{lost} is in the list, its folder is not there",
           "short": f"{short} of {len(plans)} clips have fewer than 16 frames, the shortest 8"}
    if variant == "ids":
        out["labels"] = "numbers in alphabetical order of the words: Angry 0 .. Surprise 6"
    if variant == "lists":
        out["labels"] = "numbers in the baselines' order: Happy 0 .. Fear 6; paths of another machine"
    if variant == "windows":
        out["windows"] = "every csv begins with a byte order mark and has CR LF"
    return out
