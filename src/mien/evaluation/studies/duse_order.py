"""DuSE's parts on classes that differ in the order of events alone, with a random CLIP whose attention is ordinary."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from mien.core.batch import Batch
from mien.evaluation.studies.duse import DuseStudySizes, train_steps
from mien.evaluation.studies.duse_order_data import (
    CLASSES,
    FRAMES,
    IMAGE,
    LONGEST,
    NOISE,
    ORDERS,
    SHORTEST,
    SIDE,
    STRENGTH,
    TEXT,
    TEXTURES,
    Kind,
    OrderedClips,
    attended_tokens,
    draw_clips,
    matched_filter,
    random_clip,
)
from mien.evaluation.studies.experiment import Claim, EvidenceStudy, Values
from mien.evaluation.studies.interventions import CHANGES
from mien.models.duse.config import DuSEConfig
from mien.models.duse.model import DuSE

NEW, REVERSED, VISUAL = "new clips", "frames reversed", "visual prompts zeroed"
MOVED, ATTENDED = "frame features moved by other visual prompts", "tokens attended to, share"
CHANCE, ORDERLESS = 1 / CLASSES, 1 / ORDERS
SOLVED = (ORDERLESS + 1) / 2


SIZES = DuseStudySizes(learn=480, judge=240, steps=300, batch=16, rate=3e-3)
TINY = replace(SIZES, learn=12, judge=12, steps=2, batch=4)
DEFAULT = DuSEConfig(depth=2)
"""Our choice: prompts in two of three layers, the share that table IV calls deep."""

FILTER, LINEAR, MEAN = "matched filter", "linear reading of the frames in order", "linear reading of their mean"
BOTH, HTPC, LSEA, TIMELESS = "HTPC and LSEA", "HTPC alone", "LSEA alone", "HTPC and LSEA, no sinusoid"
MODELS: dict[str, DuSEConfig] = {
    BOTH: DEFAULT, HTPC: replace(DEFAULT, lsea=False), LSEA: replace(DEFAULT, htpc=False),
    TIMELESS: replace(DEFAULT, phase=0.0, phase_learned=False)}
KINDS: tuple[Kind, ...] = get_args(Kind)
ARMS: dict[str, tuple[str, Kind]] = {
    f"{name}: {kind}": (name, kind) for kind in KINDS for name in (FILTER, LINEAR, MEAN, *MODELS)
    if name != HTPC or kind == KINDS[0]}


def sizes(tiny: bool) -> DuseStudySizes:
    """Sizes of the full study or of the tiny one."""
    if tiny:
        return TINY
    return SIZES


def settings(tiny: bool) -> dict[str, Any]:
    """All settings that affect the results."""
    return asdict(sizes(tiny)) | {"model": asdict(DEFAULT), "image": asdict(IMAGE), "text": asdict(TEXT),
                                  "clips": [FRAMES, SHORTEST, LONGEST, STRENGTH, NOISE]}


@dataclass(frozen=True, eq=False)
class OrderWorld:
    """Clips of one kind and seed, and the CLIP of the seed: image tower, text tower, token ids."""

    train: OrderedClips
    test: OrderedClips
    clip: tuple[Any, Any, Tensor]


@lru_cache(2)
def _world(kind: Kind, seed: int, of: DuseStudySizes) -> OrderWorld:
    rng = np.random.default_rng([seed, 61])
    textures, clip = rng.standard_normal((TEXTURES, 3, SIDE, SIDE)), random_clip(rng)
    return OrderWorld(draw_clips(kind, rng, textures, of.learn), draw_clips(kind, rng, textures, of.judge), clip)


def evaluate_arm(arm: str, seed: int, tiny: bool, shared: Path) -> Values:
    """Train one arm and return its scores on new clips, intact and with parts removed."""
    of = sizes(tiny)
    name, kind = ARMS[arm]
    world = _world(kind, seed, of)
    if name == FILTER:
        return {NEW: float((matched_filter(kind, world.test) == world.test.target.numpy()).mean())}
    if name in (LINEAR, MEAN):
        return _linear(world, seed, ordered=name == LINEAR)
    model = train_model(MODELS[name], world, seed, of)
    scores = {NEW: accuracy(model, world.test), REVERSED: accuracy(model, world.test, reverse=True)}
    if name in (BOTH, HTPC):
        for change_name, change in CHANGES.items():
            changed = change(copy.deepcopy(model))
            if changed is not None:
                scores[change_name] = accuracy(changed, world.test)
    return scores


def train_model(options: DuSEConfig, world: OrderWorld, seed: int, of: DuseStudySizes) -> DuSE:
    """Train with Adam on random batches."""
    torch.manual_seed(seed)
    rng, model = np.random.default_rng(seed), DuSE(*world.clip, options).train()

    def draw() -> Batch:
        rows = torch.from_numpy(rng.choice(len(world.train), of.batch))
        return Batch(frames=world.train.frames[rows], target=world.train.target[rows])

    return train_steps(model, draw, of)


@torch.no_grad()
def accuracy(model: DuSE, clips: OrderedClips, reverse: bool = False) -> float:
    """Share of clips with the correct class; `reverse`: with their frames in reverse order."""
    frames = clips.frames.flip(1) if reverse else clips.frames
    logits = torch.cat([model.infer(part).logits for part in frames.split(60)])
    return float((logits.argmax(dim=1) == clips.target).float().mean())


@torch.no_grad()
def _linear(world: OrderWorld, seed: int, ordered: bool) -> Values:
    """Logistic regression on the frozen tower's frame features, side by side or averaged; and what the tower is like.

    The features move by `MOVED` of their length, on average, if other visual prompts are drawn.
    """
    plain = DuSE(*world.clip, replace(DEFAULT, htpc=False, lsea=False))
    read = [torch.cat([plain.frame_features(part) for part in clips.frames.split(60)])
            for clips in (world.train, world.test)]
    train, test = ((part.flatten(1) if ordered else part.mean(dim=1)).numpy() for part in read)
    classifier = LogisticRegression(max_iter=3000).fit(train, world.train.target)
    scores = {NEW: float(classifier.score(test, world.test.target))}
    if ordered:
        some, prompted = world.test.frames[:20], []
        for draw in range(2):
            torch.manual_seed(1000 * seed + draw)
            prompted.append(DuSE(*world.clip, DEFAULT).frame_features(some))
        moved = (prompted[0] - prompted[1]).norm(dim=-1) / prompted[0].norm(dim=-1)
        scores |= {MOVED: float(moved.mean()),
                   ATTENDED: attended_tokens(world.clip[0], some) / (1 + IMAGE.patches)}
    return scores


def _claims(kind: Kind) -> tuple[Claim, ...]:
    def cell(name: str, measure: str = NEW) -> tuple[str, str]:
        return f"{name}: {kind}", measure

    def compared(text: str, first: str, second: str) -> Claim:
        return Claim(f"{kind}: {text}", cell(first), cell(second), room=(cell(FILTER), cell(second)), solved=SOLVED,
                     expected=second != LINEAR)

    parts = (REVERSED, VISUAL, "text prompts zeroed", "sinusoid zeroed",
             "mean of frames instead of LSEA", "equal frame weights", "no class texts in LSEA")
    return (
        compared("both against LSEA alone", BOTH, LSEA),
        *([compared("both against HTPC alone", BOTH, HTPC)] if kind == KINDS[0] else []),
        compared("both with the sinusoid against both without it", BOTH, TIMELESS),
        compared("both against a linear reading of the frames in order", BOTH, LINEAR),
        Claim(f"{kind}: both against half, the limit without order", cell(BOTH), ORDERLESS,
              room=(cell(FILTER), ORDERLESS)),
        *(Claim(f"{kind}: both as trained against {part}", cell(BOTH), cell(BOTH, part), room=(cell(BOTH), CHANCE),
                solved=SOLVED, expected=part == VISUAL)
          for part in parts))


STUDY = EvidenceStudy(
    name="duse-order",
    title="DuSE: classes that differ in order alone",
    world=f"""
Clips have {FRAMES} frames of noise with textures in them. "A then B": two of {TEXTURES} textures appear, each in one
random frame; the six classes are the ordered pairs. "Onset or offset": one of {TEXTURES} textures grows in
{SHORTEST} to {LONGEST} frames and stays, or the same in reverse; the six classes are texture and direction. A model
without order is right in half of the clips at most. The CLIP is random and frozen, with {IMAGE.layers} layers and
{IMAGE.patches} patches; each seed draws another one, other textures and other class texts. Its attention is that of a
transformer before training: the table says over how many of its tokens the class token spreads it, and how far the
frame features move if other visual prompts are drawn. (In the small CLIP of `mien train clip/synthetic` each head
attends to one patch, so visual prompts move nothing there.) DuSE trains on {SIZES.learn} clips and is tested on
{SIZES.judge} others. The matched filter knows the true textures and is the ceiling. The linear readings are logistic
regressions on the frozen tower's frame features. "Visual prompts zeroed" keeps the text prompts and the sinusoid;
"text prompts zeroed" keeps the visual prompts.""",
    arms={arm: f"DuSE, {kind}" for arm, (_, kind) in ARMS.items()},
    claims=tuple(claim for kind in KINDS for claim in _claims(kind)),
    settings=settings,
    evaluate=evaluate_arm,
    marks={NEW: CHANCE},
)
