"""MVP's parts on two events 40 s apart: both modalities, long input, and how the two meet."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mien.evaluation.studies.experiment import Claim, EvidenceStudy, Values
from mien.evaluation.studies.mvp_data import (
    APART,
    SECONDS,
    SyntheticTrials,
    cut_windows,
    exchanged_modality,
    first_trials,
    shuffled_patches,
    trials,
)
from mien.models.mvp.config import MVPConfig
from mien.models.mvp.model import MVP

NEW, STEPS = "new people", "training steps, share of the limit"
RATE_OF_LEARNING, WARM, CALM = 2e-3, 50, 100  # the rate, steps in which it rises, and in which it falls
DONE = 0.1  # training loss at which the rate starts to fall


@dataclass(frozen=True)
class MvpStudySizes:
    """`learn`, `judge`: number of training and test people, and trials of each; `few`: the smaller number of training
    people; at most `steps` of `batch` trials."""

    learn: tuple[int, int] = (80, 24)
    few: int = 20
    judge: tuple[int, int] = (20, 12)
    steps: int = 600
    batch: int = 24


TINY = MvpStudySizes(learn=(2, 4), few=1, judge=(1, 4), steps=2, batch=4)
SMALL = MVPConfig(signals=("ppg", "eda"), seconds=SECONDS, width=64, layers=1, video_layers=1, fusion_layers=1,
                attention_heads=2, inner=128, dropout=0.0, head_dropout=0.0, noise=0.0, forget=0.0, smoothing=0.0)

LONG, SHORT, VIDEO, BODY = "MVP, 60 s", "MVP, 10 s", "video alone", "physiology alone"
FEW, FEW_CONCAT = "MVP, 60 s, fewer training people", "concatenation, fewer training people"
CONCAT, LATE, SWAPPED, WAYS = "concatenation", "late fusion", "queries from video", "queries from both"
ARMS: dict[str, MVPConfig] = {
    LONG: SMALL, SHORT: replace(SMALL, seconds=10.0), VIDEO: replace(SMALL, modality="video"),
    BODY: replace(SMALL, modality="physio"), CONCAT: replace(SMALL, fusion="concat"),
    LATE: replace(SMALL, fusion="late"), SWAPPED: replace(SMALL, fusion="swapped"), WAYS: replace(SMALL, fusion="both"),
    FEW: SMALL, FEW_CONCAT: replace(SMALL, fusion="concat")}


def sizes(tiny: bool) -> MvpStudySizes:
    """Sizes of the full study or of the tiny one."""
    if tiny:
        return TINY
    return MvpStudySizes()


def settings(tiny: bool) -> dict[str, Any]:
    """All settings that affect the results."""
    return asdict(sizes(tiny)) | {"model": asdict(SMALL), "rate": RATE_OF_LEARNING, "warm": WARM, "calm": CALM,
                                  "done": DONE}


def evaluate_arm(arm: str, seed: int, tiny: bool, shared: Path) -> Values:
    """Train one arm and return its scores on new people, intact and with parts removed."""
    of, options = sizes(tiny), ARMS[arm]
    train, test = _people(seed, of)
    if arm in (FEW, FEW_CONCAT):
        train = first_trials(train, of.few * of.learn[1])
    model, steps = train_model(options, train, seed, of)
    rng, scores = np.random.default_rng([seed, 4]), {NEW: accuracy(model, test), STEPS: steps / of.steps}
    if options.modality != "physio":
        scores["video of other trials"] = accuracy(model, exchanged_modality(test, "video", rng))
    if options.modality != "video":
        scores["physiology of other trials"] = accuracy(model, exchanged_modality(test, "signals", rng))
    if len(model.fusion.ways) or len(model.fusion.joint):
        scores["uniform attention in fusion"] = accuracy(even(model), test)
    return scores | {"patches shuffled": accuracy(model, shuffled_patches(test, options, rng))}


def train_model(options: MVPConfig, train: SyntheticTrials, seed: int, of: MvpStudySizes) -> tuple[MVP, int]:
    """Train from scratch on windows at random positions -> the model and its number of steps.

    The rate is constant until the loss stays below `DONE` or only `CALM` steps are left; it then falls to 0 in `CALM`
    steps.
    """
    torch.manual_seed(seed)
    rng, model = np.random.default_rng(seed), MVP(options)
    adam = torch.optim.AdamW(model.parameters(), RATE_OF_LEARNING, weight_decay=0.01)
    order: list[int] = []
    losses: list[float] = []
    last = of.steps
    for step in range(of.steps):
        if last == of.steps and step >= 30 and np.mean(losses[-30:]) < DONE:
            last = min(step + CALM, of.steps)
        if step >= last:
            break
        for group in adam.param_groups:
            group["lr"] = RATE_OF_LEARNING * min((step + 1) / WARM, (last - step) / CALM, 1)
        if len(order) < of.batch:
            order = rng.permutation(len(train)).tolist()
        rows, order = torch.tensor(order[:of.batch]), order[of.batch:]
        starts = rng.integers(0, int(SECONDS - options.seconds) * 5 + 1, len(rows)) / 5
        adam.zero_grad()
        loss = model.loss(cut_windows(train, rows, starts, options.seconds))["cross_entropy"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        losses.append(float(loss.detach()))
    return model.eval(), len(losses)


@torch.no_grad()
def accuracy(model: MVP, test: SyntheticTrials) -> float:
    """Share of trials with the correct class; shorter windows are averaged over the trial."""
    seconds, rows = model.options.seconds, torch.arange(len(test))
    probs = [model(cut_windows(test, rows, np.full(len(rows), start), seconds)).softmax(dim=-1)
             for start in np.arange(0, SECONDS - seconds + 1e-6, seconds)]
    return float((torch.stack(probs).mean(dim=0).argmax(dim=-1) == test.target).float().mean())


@torch.no_grad()
def even(model: MVP) -> MVP:
    """A copy with uniform attention in the fusion: its queries are zero."""
    changed = copy.deepcopy(model)
    for layer in (layer for layers in (*changed.fusion.ways, changed.fusion.joint) for layer in layers):
        layer.q.weight.zero_()
        layer.q.bias.zero_()
    return changed


@lru_cache(1)
def _people(seed: int, of: MvpStudySizes) -> tuple[SyntheticTrials, SyntheticTrials]:
    """The training and test trials of a seed."""
    number = 10_000 * seed
    return trials(number, *of.learn), trials(number + 5_000, *of.judge)


CLAIMS = (
    Claim("both modalities against video alone", (LONG, NEW), (VIDEO, NEW)),
    Claim("both modalities against physiology alone", (LONG, NEW), (BODY, NEW)),
    Claim("60 s against 10 s", (LONG, NEW), (SHORT, NEW)),
    Claim("cross-attention against concatenation", (LONG, NEW), (CONCAT, NEW)),
    Claim("cross-attention against concatenation, fewer training people", (FEW, NEW), (FEW_CONCAT, NEW)),
    Claim("training steps: concatenation against cross-attention", (CONCAT, STEPS), (LONG, STEPS)),
    Claim("training people: many against fewer", (LONG, NEW), (FEW, NEW)),
    Claim("cross-attention against late fusion", (LONG, NEW), (LATE, NEW)),
    Claim("queries from physiology against queries from video", (LONG, NEW), (SWAPPED, NEW)),
    Claim("queries from physiology against queries from both", (LONG, NEW), (WAYS, NEW)),
    *(Claim(f"as trained against {what}", (LONG, NEW), (LONG, what)) for what in (
        "video of other trials", "physiology of other trials", "uniform attention in fusion", "patches shuffled")))

STUDY = EvidenceStudy(
    name="mvp",
    title="MVP: face and physiology over a minute",
    world=f"""
The sequences of action units and signals are generated directly, without rendering. A smile may occur, and a skin
conductance response may occur, {APART:g} s apart and in either order. A trial is high if exactly one of the two
occurs, so neither modality alone carries information about the class. People differ in pulse, conductance level,
resting face and strength of response. Brows, lids and lips also move independently of the class. All models train
from scratch on {MvpStudySizes().learn[0]} people, or on {MvpStudySizes().few} for "fewer training people". The rule
is the same for all: at most {MvpStudySizes().steps} steps, and fewer once the loss is low. The 10 s model trains on
windows at random positions, and the mean over its six windows is the prediction for a trial.""",
    arms=dict.fromkeys(ARMS, "two events 40 s apart"),
    claims=CLAIMS,
    settings=settings,
    evaluate=evaluate_arm,
    marks={NEW: 0.5},
)
