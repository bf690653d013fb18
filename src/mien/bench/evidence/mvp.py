"""MVP's parts on two events 40 s apart: both modalities, long input, and how the two meet."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mien.bench.evidence.study import Claim, Study, Values
from mien.bench.evidence.trials import APART, SECONDS, Trials, cut, exchanged, first, reordered, trials
from mien.models.mvp import MVP, Options

NEW, STEPS = "new people", "steps needed, of those allowed"
RATE_OF_LEARNING, WARM, CALM = 2e-3, 50, 100  # the rate, steps in which it rises, and in which it falls
DONE = 0.1  # loss of training at which all is learnt


@dataclass(frozen=True)
class Sizes:
    """`learn` from so many people with so many trials each, or from a `few` of them, `judge` on others; at most `steps`
    of `batch` trials."""

    learn: tuple[int, int] = (80, 24)
    few: int = 20
    judge: tuple[int, int] = (20, 12)
    steps: int = 600
    batch: int = 24


TINY = Sizes(learn=(2, 4), few=1, judge=(1, 4), steps=2, batch=4)
SMALL = Options(signals=("ppg", "eda"), seconds=SECONDS, width=64, layers=1, video_layers=1, fusion_layers=1,
                attention_heads=2, inner=128, dropout=0.0, head_dropout=0.0, noise=0.0, forget=0.0, smoothing=0.0)

LONG, SHORT, VIDEO, BODY = "MVP, 60 s", "MVP, 10 s", "video alone", "physiology alone"
FEW, FEW_CONCAT = "MVP, 60 s, fewer people to learn from", "concatenation, fewer people to learn from"
CONCAT, LATE, SWAPPED, WAYS = "concatenation", "late average", "video asks", "both ask"
ARMS: dict[str, Options] = {
    LONG: SMALL, SHORT: replace(SMALL, seconds=10.0), VIDEO: replace(SMALL, modality="video"),
    BODY: replace(SMALL, modality="physio"), CONCAT: replace(SMALL, fusion="concat"),
    LATE: replace(SMALL, fusion="late"), SWAPPED: replace(SMALL, fusion="swapped"), WAYS: replace(SMALL, fusion="both"),
    FEW: SMALL, FEW_CONCAT: replace(SMALL, fusion="concat")}


def sizes(tiny: bool) -> Sizes:
    """Of the whole study, or of a trial of it."""
    return TINY if tiny else Sizes()


def settings(tiny: bool) -> dict[str, Any]:
    """What decides what comes out."""
    return asdict(sizes(tiny)) | {"model": asdict(SMALL), "rate": RATE_OF_LEARNING, "warm": WARM, "calm": CALM,
                                  "done": DONE}


def judge(arm: str, seed: int, tiny: bool, shared: Path) -> Values:
    """Train one arm -> its scores on people not learnt from, whole and with parts taken away."""
    of, options = sizes(tiny), ARMS[arm]
    train, test = _people(seed, of)
    if arm in (FEW, FEW_CONCAT):
        train = first(train, of.few * of.learn[1])
    model, steps = learn(options, train, seed, of)
    rng, found = np.random.default_rng([seed, 4]), {NEW: accuracy(model, test), STEPS: steps / of.steps}
    if options.modality != "physio":
        found["video of other trials"] = accuracy(model, exchanged(test, "video", rng))
    if options.modality != "video":
        found["physiology of other trials"] = accuracy(model, exchanged(test, "signals", rng))
    if len(model.fusion.ways) or len(model.fusion.joint):
        found["even attention in fusion"] = accuracy(even(model), test)
    return found | {"order of patches mixed": accuracy(model, reordered(test, options, rng))}


def learn(options: Options, train: Trials, seed: int, of: Sizes) -> tuple[MVP, int]:
    """-> what was trained, and in how many steps. From nothing, on windows at random places: at one rate until the loss
    stays below `DONE` or the steps but the last `CALM` are over, then down to nothing in these."""
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
        order = order if len(order) >= of.batch else rng.permutation(len(train)).tolist()
        rows, order = torch.tensor(order[:of.batch]), order[of.batch:]
        starts = rng.integers(0, int(SECONDS - options.seconds) * 5 + 1, len(rows)) / 5
        adam.zero_grad()
        loss = model.loss(cut(train, rows, starts, options.seconds))["cross_entropy"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        losses.append(float(loss.detach()))
    return model.eval(), len(losses)


@torch.no_grad()
def accuracy(model: MVP, test: Trials) -> float:
    """Share of trials that are right; shorter windows, one after the other, are averaged over the trial."""
    seconds, rows = model.options.seconds, torch.arange(len(test))
    probs = [model(cut(test, rows, np.full(len(rows), start), seconds)).softmax(dim=-1)
             for start in np.arange(0, SECONDS - seconds + 1e-6, seconds)]
    return float((torch.stack(probs).mean(dim=0).argmax(dim=-1) == test.target).float().mean())


@torch.no_grad()
def even(model: MVP) -> MVP:
    """A copy whose fusion looks at all tokens alike: its questions are zero."""
    found = copy.deepcopy(model)
    for layer in (layer for layers in (*found.fusion.ways, found.fusion.joint) for layer in layers):
        layer.q.weight.zero_()
        layer.q.bias.zero_()
    return found


@lru_cache(1)
def _people(seed: int, of: Sizes) -> tuple[Trials, Trials]:
    """Whom a seed learns from, and others."""
    number = 10_000 * seed
    return trials(number, *of.learn), trials(number + 5_000, *of.judge)


CLAIMS = (
    Claim("both modalities against video alone", (LONG, NEW), (VIDEO, NEW)),
    Claim("both modalities against physiology alone", (LONG, NEW), (BODY, NEW)),
    Claim("60 s against 10 s", (LONG, NEW), (SHORT, NEW)),
    Claim("cross-attention against concatenation", (LONG, NEW), (CONCAT, NEW)),
    Claim("cross-attention against concatenation, fewer people to learn from", (FEW, NEW), (FEW_CONCAT, NEW)),
    Claim("steps needed: concatenation against cross-attention", (CONCAT, STEPS), (LONG, STEPS)),
    Claim("people to learn from: many against fewer", (LONG, NEW), (FEW, NEW)),
    Claim("cross-attention against the late average", (LONG, NEW), (LATE, NEW)),
    Claim("physiology asks against video asks", (LONG, NEW), (SWAPPED, NEW)),
    Claim("physiology asks against both ask", (LONG, NEW), (WAYS, NEW)),
    *(Claim(f"as trained against {what}", (LONG, NEW), (LONG, what)) for what in (
        "video of other trials", "physiology of other trials", "even attention in fusion", "order of patches mixed")))

STUDY = Study(
    name="mvp", title="MVP: face and body over a minute",
    world=f"""
Series of action units and of signals are drawn directly, nothing is rendered. A smile comes or not and a
response of skin conductance comes or not, {APART:g} s apart, in either order; a trial is high when exactly one
of the two happens, so that neither modality alone says anything of it. People have a pulse, a level of
conductance, a face at rest and strengths of their own, and move brows, lids and lips anyway. All models are
trained from nothing, from {Sizes().learn[0]} people, the fewer are {Sizes().few}, by the same rule: at most
{Sizes().steps} steps, fewer where the loss is down before; with 10 s, windows from anywhere are learnt from,
and a trial is judged by the mean of its six windows.""",
    arms=dict.fromkeys(ARMS, "two events 40 s apart"), claims=CLAIMS, settings=settings,
    judge=judge, marks={NEW: 0.5})
