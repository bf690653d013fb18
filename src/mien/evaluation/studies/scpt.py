"""SCPT's parts on synthetic windows: the decoupled adapter with identity as a confound, and the pulse prompts.

New probes, a linear one and an MLP, predict the identity from the codes of other windows of the training people. In
these windows both classes are equally frequent, so the class carries no identity. Half of the windows train the probe,
half test it.
"""

from __future__ import annotations

import copy
import warnings
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mien.backbones.tower import Tower
from mien.core.batch import Batch
from mien.evaluation.studies import scpt_data
from mien.evaluation.studies.experiment import Claim, EvidenceStudy, Values
from mien.evaluation.studies.scpt_data import (
    CONFOUND,
    PULSE,
    SimulationParams,
    SyntheticBatch,
    draw,
    other_images,
    people,
    rows,
)
from mien.models.scpt.config import ABLATIONS, BASELINES, KERNEL, SCPTConfig
from mien.models.scpt.model import SCPT

NEW, SAME = "new people", "training people"
MANY = 100


@dataclass(frozen=True)
class ScptStudySizes:
    """`known`, `new`: number of training and test people; `each`, `judged`: windows of each of them; `steps`."""

    known: int = 8
    new: int = 16
    each: int = 60
    judged: int = 30
    steps: int = 400


WHERE_PULSE = ScptStudySizes(known=24, each=20, steps=600)
"""Sizes of the second world. Our choice, on seeds from 100 on: with eight people the model memorises their rates."""

TINY = ScptStudySizes(known=4, new=2, each=8, judged=4, steps=2)
SMALL = {"bottleneck": 16, "rank": 16, "tokens": 4, "dropout": 0.1, "smoothing": 0.0, "encoder": "patch"}
FULL = replace(KERNEL, **SMALL)  # type: ignore[arg-type]
FACE = {name: replace(options, **SMALL)  # type: ignore[arg-type]
        for name, options in (BASELINES | ABLATIONS).items()}

PLAIN, SINGLE, OFF, DSSA = "plain tower, no confound", "single adapter", "DSSA without its losses", "DSSA"
TOKEN, LEARNED = "DSSA, classifying the class token", "DSSA, a learned adversary"
RATE, NONE, RAW, TFR = ("true rate, best training threshold", "face alone", "prompts of the raw waveform",
                        "prompts of the time-frequency image")
WHOLE, CROSS, VPT, LATE = "SCPT: prompts and DSSA", "SCPT, cross-attention", "SCPT, prepended tokens", "late fusion"
IDENTITY: dict[str, SCPTConfig] = {
    SINGLE: replace(FACE["+ single adapter"], form="bottleneck"), OFF: replace(FULL, decouple=False), DSSA: FULL,
    TOKEN: replace(FULL, read="stream"),
    LEARNED: replace(FULL, adversary="head", adversarial=0.25)}
PULSES: dict[str, SCPTConfig] = {
    NONE: FACE["face only"], RAW: FACE["+ waveform prompts"], TFR: FACE["+ time-frequency prompts"], WHOLE: FULL,
    CROSS: replace(FULL, prompts="xattn"), VPT: replace(FULL, prompts="vpt"), LATE: FACE["late fusion"]}


def sizes(tiny: bool, arm: str = "") -> ScptStudySizes:
    """Sizes of the full study for this arm, or of the tiny one."""
    if tiny:
        return TINY
    if arm in (RATE, *PULSES):
        return WHERE_PULSE
    return ScptStudySizes()


def settings(tiny: bool) -> dict[str, Any]:
    """All settings that affect the results."""
    return {"identity": [asdict(sizes(tiny)), asdict(CONFOUND)], "pulse": [asdict(sizes(tiny, RATE)), asdict(PULSE)],
            "model": asdict(FULL)}


def evaluate_arm(arm: str, seed: int, tiny: bool, shared: Path) -> Values:
    """Train one arm and return its scores on new people, intact and with parts removed."""
    of = sizes(tiny, arm)
    if arm in (PLAIN, *IDENTITY):
        drawn = _drawn(CONFOUND, seed, of)
        if arm == PLAIN:
            return _plain(drawn, seed)
        return _identity(IDENTITY[arm], drawn, seed, of)
    if arm == RATE:
        return _rate(_drawn(PULSE, seed, of))
    options = PULSES[arm]
    return _pulse(options, _drawn(replace(PULSE, image=options.image), seed, of), seed, of)


def train_model(options: SCPTConfig, world: SimulationParams, train: Batch, seed: int, of: ScptStudySizes) -> SCPT:
    """AdamW, 4 people x 4 windows a batch."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = SCPT(Tower(world.plan), 2, of.known, options).train()
    learning = [value for value in model.parameters() if value.requires_grad]
    adam = torch.optim.AdamW(learning, 3e-3, weight_decay=0.01)
    curve = torch.optim.lr_scheduler.CosineAnnealingLR(adam, of.steps)
    windows_of = [np.flatnonzero(train.subject.numpy() == who) for who in range(of.known)]  # type: ignore[union-attr]
    for step in range(of.steps):
        model.progress = step / of.steps
        chosen = rng.choice(of.known, 4, replace=False)
        index = np.concatenate([rng.choice(windows_of[who], 4, replace=False) for who in chosen])
        adam.zero_grad()
        torch.stack(list(model.loss(rows(train, index)).values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        adam.step()
        curve.step()
    return model.eval()


@torch.no_grad()
def accuracy(model: SCPT, batch: Batch) -> float:
    """Share of windows with the correct class."""
    return float((model(batch).argmax(dim=1) == batch.target).float().mean())


def probe(codes: np.ndarray, subject: np.ndarray, deep: bool, seed: int) -> float:
    """Train a new identity probe on every other window -> accuracy on the remaining windows."""
    classifier: Any = LogisticRegression(max_iter=2000)
    if deep:
        classifier = MLPClassifier((64,), max_iter=400, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the MLP warns that it has not converged; 400 rounds are enough for a probe
        fitted = make_pipeline(StandardScaler(), classifier).fit(codes[::2], subject[::2])
    return float(fitted.score(codes[1::2], subject[1::2]))


@lru_cache(3)
def _drawn(world: SimulationParams, seed: int, of: ScptStudySizes) -> SyntheticBatch:
    return draw(world, seed, of.known, of.new, of.each, of.judged)


def _plain(drawn: SyntheticBatch, seed: int) -> Values:
    """Accuracy on new people of a linear classifier on the frozen tower's class token, trained without the confound."""
    torch.manual_seed(seed)
    plain = SCPT(Tower(CONFOUND.plan), 2, 0, FACE["face only"]).eval()
    rng = np.random.default_rng([seed, 8])
    many, _ = scpt_data.windows(CONFOUND, rng, drawn.signs, people(CONFOUND, rng, MANY), 10, 0.5)
    with torch.no_grad():
        train, test = (plain.infer(batch).feature.numpy() for batch in (many, drawn.test))
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(train, many.target)
    return {NEW: float(classifier.score(test, drawn.test.target))}


def _identity(options: SCPTConfig, drawn: SyntheticBatch, seed: int, of: ScptStudySizes) -> Values:
    model = train_model(options, CONFOUND, drawn.train, seed, of)
    scores = {NEW: accuracy(model, drawn.test), SAME: accuracy(model, drawn.other)}
    if options.adapter != "dssa":
        return scores
    who = drawn.other.subject.numpy()  # type: ignore[union-attr]
    for where, codes in zip(("shared", "specific"), model.codes(drawn.other), strict=True):
        for kind in ("linear", "MLP"):
            scores[f"identity from {where} codes, {kind}"] = probe(codes.flatten(1).numpy(), who, kind == "MLP", seed)
    for branch in ("shared", "specific"):
        scores[f"{branch} branches zeroed"] = accuracy(zeroed(model, branch), drawn.test)
    return scores


def _pulse(options: SCPTConfig, drawn: SyntheticBatch, seed: int, of: ScptStudySizes) -> Values:
    model = train_model(options, PULSE, drawn.train, seed, of)
    scores = {NEW: accuracy(model, drawn.test), SAME: accuracy(model, drawn.other)}
    if options.seen:
        hidden = replace(drawn.test, pulse_quality=torch.zeros(len(drawn.test)))
        scores["pulse missing"] = accuracy(model, hidden)
        mixed = other_images(drawn.test, np.random.default_rng([seed, 9]))
        scores["pulse images of other windows"] = accuracy(model, mixed)
    if model.prompts is not None:
        scores["prompts zeroed"] = accuracy(zeroed(model, "prompts"), drawn.test)
    if options.adapter == "dssa":
        scores["shared branches zeroed"] = accuracy(zeroed(model, "shared"), drawn.test)
    return scores


def _rate(drawn: SyntheticBatch) -> Values:
    """Accuracy of the true rate with its best training threshold: about the limit without the resting rates."""
    (bpm, test_bpm), target = drawn.bpm, drawn.train.target.numpy().astype(bool)  # type: ignore[union-attr]
    cut = max(np.unique(bpm), key=lambda at: ((bpm > at) == target).mean())
    new = drawn.test.target.numpy().astype(bool)  # type: ignore[union-attr]
    return {NEW: float(((test_bpm > cut) == new).mean())}


@torch.no_grad()
def zeroed(model: SCPT, part: str) -> SCPT:
    """A copy of the model with all parameters of a part set to zero: `prompts`, `shared` or `specific`."""
    changed = copy.deepcopy(model)
    modules = [changed.prompts]
    if part != "prompts":
        modules = [getattr(adapter, part) for adapter in changed.adapters]
    for value in (value for module in modules if module is not None for value in module.parameters()):
        value.zero_()
    return changed


def _after(arm: str, *changes: str) -> tuple[Claim, ...]:
    return tuple(Claim(f"{arm}: as trained against {change}", (arm, NEW), (arm, change)) for change in changes)


WHO = "identity from {} codes, {}".format
_BRANCHES = ("shared branches zeroed", "specific branches zeroed")
CLAIMS = (
    Claim("identity in the shared codes, linear probe: DSSA without its losses against DSSA",
          (OFF, WHO("shared", "linear")), (DSSA, WHO("shared", "linear"))),
    Claim("identity in the shared codes, MLP probe: DSSA without its losses against DSSA",
          (OFF, WHO("shared", "MLP")), (DSSA, WHO("shared", "MLP"))),
    Claim("identity left in DSSA's shared codes, linear probe: accuracy against chance",
          (DSSA, WHO("shared", "linear")), 1 / ScptStudySizes().known),
    Claim("identity in DSSA's specific codes, linear probe: accuracy against chance",
          (DSSA, WHO("specific", "linear")), 1 / ScptStudySizes().known),
    Claim("new people: DSSA against DSSA without its losses", (DSSA, NEW), (OFF, NEW)),
    Claim("new people: plain tower without the confound against a single adapter with it", (PLAIN, NEW),
          (SINGLE, NEW)),
    Claim("new people: DSSA against a single adapter", (DSSA, NEW), (SINGLE, NEW)),
    Claim("new people: DSSA classifying the shared codes against the class token", (DSSA, NEW), (TOKEN, NEW)),
    Claim("identity in the shared codes, MLP probe: a learned adversary against DSSA's kernel",
          (LEARNED, WHO("shared", "MLP")), (DSSA, WHO("shared", "MLP"))),
    *_after(DSSA, *_BRANCHES),
    Claim("time-frequency image against raw waveform", (TFR, NEW), (RAW, NEW)),
    Claim("time-frequency image against raw waveform, training people", (TFR, SAME), (RAW, SAME)),
    Claim("raw waveform against the face alone", (RAW, NEW), (NONE, NEW)),
    Claim("time-frequency image against the face alone", (TFR, NEW), (NONE, NEW)),
    Claim("full SCPT against the face alone", (WHOLE, NEW), (NONE, NEW)),
    Claim("full SCPT against its prompts without DSSA", (WHOLE, NEW), (TFR, NEW)),
    Claim("prompts against late fusion, both with the time-frequency image", (TFR, NEW), (LATE, NEW)),
    *(Claim(f"SCPT's prompts against {name}", (WHOLE, NEW), (name, NEW)) for name in (CROSS, VPT)),
    *_after(TFR, "pulse missing", "pulse images of other windows", "prompts zeroed"),
    *_after(WHOLE, "pulse missing", "pulse images of other windows", "prompts zeroed", "shared branches zeroed"))

STUDY = EvidenceStudy(
    name="scpt",
    title="SCPT: pulse prompts and identity removal",
    world=f"""
The faces are textures, not renderings. Identity as a confound: each of {ScptStudySizes().known} training people has a
texture of their own and shows one class nine times as often as the other. The class is a weaker texture that all
people share. A third texture is random in every window. The {ScptStudySizes().new} test people are new and show both
classes equally often.
Class only in the pulse: each of {WHERE_PULSE.known} people has a resting rate of {PULSE.rest[0]:g} to
{PULSE.rest[1]:g} bpm, and high arousal raises it by {PULSE.rise:g} bpm. Windows vary by 3 bpm, and the face carries no
information about the class. No model knows the resting rates. The true rate with its best training threshold is
therefore about the upper limit for these models. "Plain tower, no confound" is a linear classifier on the untrained
tower's class token, trained on {MANY} people without the confound. The towers are transformers of three layers, random
and frozen. "Training people" are scores on other windows of the training people. New identity probes train on half of
these windows and are tested on the other half.""",
    arms=(
        dict.fromkeys((PLAIN, *IDENTITY), "identity as a confound")
        | dict.fromkeys((RATE, *PULSES), "class only in the pulse")
    ),
    claims=CLAIMS,
    settings=settings,
    evaluate=evaluate_arm,
    marks={NEW: 0.5, SAME: 0.5}
    | {WHO(code, kind): 1 / ScptStudySizes().known for code in ("shared", "specific") for kind in ("linear", "MLP")},
)
