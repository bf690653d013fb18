"""MVP's fusion on two events, one in the face and one in the wires, whose order or coincidence is the class."""

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
    PERIOD,
    RATE,
    SECONDS,
    MvpWorld,
    SyntheticTrials,
    cut_batch,
    exchanged_modality,
    matched_filter,
    shuffled_patches,
    trials,
)
from mien.models.mvp.config import MVPConfig
from mien.models.mvp.model import MVP

NEW, STEPS = "new people", "training steps, share of the limit"
RATE_OF_LEARNING, WARM, CALM = 2e-3, 50, 100  # the rate, steps in which it rises, and in which it falls
DONE = 0.1  # training loss at which the rate starts to fall
CHANCE, SOLVED = 0.5, 0.75


@dataclass(frozen=True)
class MvpStudySizes:
    """`learn`, `judge`: number of training and test people, and trials of each; at most `steps` of `batch` trials."""

    learn: tuple[int, int] = (80, 24)
    judge: tuple[int, int] = (20, 12)
    steps: int = 400
    batch: int = 24


TINY = MvpStudySizes(learn=(2, 4), judge=(1, 4), steps=2, batch=4)
SMALL = MVPConfig(signals=("ppg", "eda"), rate=RATE, seconds=SECONDS, width=32, layers=1, video_layers=1,
                  fusion_layers=1, attention_heads=2, inner=64, dropout=0.0, head_dropout=0.0, noise=0.0, forget=0.0,
                  smoothing=0.0)

FILTER, CROSS, CONCAT = "matched filter", "cross-attention", "concatenation"
SWAPPED = "queries from video"
WORLDS: dict[str, MvpWorld] = {
    **{f"order, lag {lag:g} s": MvpWorld(True, lag) for lag in (4.0, 2.0)},
    "one of two": MvpWorld(False, 8.0)}
MIDDLE = "order, lag 2 s"
MODELS: dict[str, MVPConfig] = {
    CROSS: SMALL, CONCAT: replace(SMALL, fusion="concat"), SWAPPED: replace(SMALL, fusion="swapped")}
ARMS: dict[str, tuple[str, str]] = {
    f"{name}: {world}": (name, world) for world in WORLDS
    for name in (FILTER, CROSS, CONCAT, *((SWAPPED,) if world == MIDDLE else ()))}


def sizes(tiny: bool) -> MvpStudySizes:
    """Sizes of the full study or of the tiny one."""
    if tiny:
        return TINY
    return MvpStudySizes()


def settings(tiny: bool) -> dict[str, Any]:
    """All settings that affect the results."""
    return asdict(sizes(tiny)) | {"model": asdict(SMALL), "rate": RATE_OF_LEARNING, "warm": WARM, "calm": CALM,
                                  "done": DONE, "worlds": {name: asdict(world) for name, world in WORLDS.items()}}


def evaluate_arm(arm: str, seed: int, tiny: bool, shared: Path) -> Values:
    """Train one arm and return its scores on new people, intact and with parts removed."""
    of, (name, world) = sizes(tiny), ARMS[arm]
    train, test = _people(world, seed, of)
    if name == FILTER:
        return {NEW: _ceiling(WORLDS[world], train, test)}
    options = MODELS[name]
    model, steps = train_model(options, train, seed, of)
    rng, scores = np.random.default_rng([seed, 4]), {NEW: accuracy(model, test), STEPS: steps / of.steps}
    scores["patches shuffled"] = accuracy(model, shuffled_patches(test, options, rng))
    scores["uniform attention in fusion"] = accuracy(even(model), test)
    scores["video of other trials"] = accuracy(model, exchanged_modality(test, "video", rng))
    return scores


def train_model(options: MVPConfig, train: SyntheticTrials, seed: int, of: MvpStudySizes) -> tuple[MVP, int]:
    """Train from scratch on full trials -> the model and its number of steps.

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
        adam.zero_grad()
        loss = model.loss(cut_batch(train, rows))["cross_entropy"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        losses.append(float(loss.detach()))
    return model.eval(), len(losses)


@torch.no_grad()
def accuracy(model: MVP, test: SyntheticTrials) -> float:
    """Share of trials with the correct class."""
    return float((model(cut_batch(test, torch.arange(len(test)))).argmax(dim=-1) == test.target).float().mean())


def _ceiling(world: MvpWorld, train: SyntheticTrials, test: SyntheticTrials) -> float:
    """Accuracy of a reader that knows the true shapes of both events, with thresholds from the training trials."""
    high, read = test.target.numpy() == 1, matched_filter(test)
    if world.order:
        lag = (read.skin_at - read.face_at) % PERIOD
        guess = np.abs(lag - world.lag) < np.abs(lag - (PERIOD - world.lag))
        return float((guess == high).mean())
    known, events = matched_filter(train), []
    for values, new, present in ((known.smile, read.smile, train.smiled), (known.response, read.response,
                                                                           train.responded)):
        steps = np.quantile(values, np.linspace(0.02, 0.98, 97))
        events.append(new > max(steps, key=lambda at: ((values > at) == present.numpy()).mean()))
    return float(((events[0] != events[1]) == high).mean())


@torch.no_grad()
def even(model: MVP) -> MVP:
    """A copy with uniform attention in the fusion: its queries are zero."""
    changed = copy.deepcopy(model)
    for layer in (layer for layers in (*changed.fusion.ways, changed.fusion.joint) for layer in layers):
        layer.q.weight.zero_()
        layer.q.bias.zero_()
    return changed


@lru_cache(1)
def _people(world: str, seed: int, of: MvpStudySizes) -> tuple[SyntheticTrials, SyntheticTrials]:
    """The training and test trials of a seed."""
    number = 10_000 * seed
    return trials(WORLDS[world], number, *of.learn), trials(WORLDS[world], number + 5_000, *of.judge)


def _claims(world: str) -> tuple[Claim, ...]:
    def cell(name: str, measure: str = NEW) -> tuple[str, str]:
        return f"{name}: {world}", measure

    def compared(text: str, first: str, second: str) -> Claim:
        return Claim(f"{world}: {text}", cell(first), cell(second), room=(cell(FILTER), cell(second)), solved=SOLVED,
                     expected=second == CONCAT)

    claims = [
        compared("cross-attention against concatenation", CROSS, CONCAT),
        Claim(f"{world}: training steps, concatenation against cross-attention", cell(CONCAT, STEPS),
              cell(CROSS, STEPS), room=(1.0, cell(CROSS, STEPS))),
        *(Claim(f"{world}: cross-attention as trained against {part}", cell(CROSS), cell(CROSS, part),
                room=(cell(CROSS), CHANCE), solved=SOLVED)
          for part in ("patches shuffled", "uniform attention in fusion"))]
    if world == MIDDLE:
        claims.append(compared("queries from physiology against queries from video", CROSS, SWAPPED))
    return tuple(claims)


STUDY = EvidenceStudy(
    name="mvp",
    title="MVP: an event in the face and one in the wires",
    world=f"""
Trials of {SECONDS:g} s of action units and signals are generated directly, without rendering. "Order": a smile and a
skin conductance response occur in every trial; the response comes 4 or 2 s after the smile, or as much before it, and
which of the two is the class. Times lie on a ring of {PERIOD:g} s, so that the time of one event alone carries no
information. "One of two": each of the two may occur, 8 s apart, and a trial is high if exactly one does. Neither
modality alone carries information about the class. People differ in pulse, conductance level, resting face and strength
of response. Brows, lids and lips also move independently of the class. All models train from scratch on
{MvpStudySizes().learn[0]} people by the same rule: at most {MvpStudySizes().steps} steps, and fewer once the loss is
low. The matched filter knows the shapes of both events and is the ceiling.""",
    arms={arm: f"MVP, {world}" for arm, (_, world) in ARMS.items()},
    claims=tuple(claim for world in WORLDS for claim in _claims(world)),
    settings=settings,
    evaluate=evaluate_arm,
    marks={NEW: CHANCE},
)
