"""SCPT's decoupled adapter on synthetic windows in which identity is a confound of the class.

New probes, a linear one and an MLP, predict the identity from the codes of other windows of the training people. In
these windows both classes are equally frequent, so the class carries no identity. Half of the windows train the probe,
half test it.
"""

from __future__ import annotations

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
from mien.evaluation.studies.experiment import Claim, EvidenceStudy, Values
from mien.evaluation.studies.scpt_data import (
    CONFOUND,
    SimulationParams,
    SyntheticBatch,
    draw,
    rows,
)
from mien.models.scpt.config import ABLATIONS, KERNEL, SCPTConfig
from mien.models.scpt.model import SCPT

NEW, SAME = "new people", "training people"


@dataclass(frozen=True)
class ScptStudySizes:
    """`known`, `new`: number of training and test people; `each`, `judged`: windows of each of them; `steps`."""

    known: int = 8
    new: int = 16
    each: int = 60
    judged: int = 30
    steps: int = 300


TINY = ScptStudySizes(known=4, new=2, each=8, judged=4, steps=2)
SMALL = {"bottleneck": 16, "rank": 16, "tokens": 4, "dropout": 0.1, "smoothing": 0.0}

CEILING, SINGLE, OFF, DSSA = "single adapter, no confound", "single adapter", "DSSA without its losses", "DSSA"
KERNELS = "bottlenecks, kernel adversary, classifying the shared codes"
MODELS: dict[str, SCPTConfig] = {name: replace(options, **SMALL) for name, options in {  # type: ignore[arg-type]
    SINGLE: ABLATIONS["+ single adapter"], OFF: ABLATIONS["+ DSSA without its losses"], DSSA: ABLATIONS["full"],
    KERNELS: KERNEL}.items()}
PROBES = "linear", "MLP"


def identity_from(codes: str, kind: str) -> str:
    """The name of the accuracy of an identity probe."""
    return f"identity from {codes} codes, {kind}"


def sizes(tiny: bool) -> ScptStudySizes:
    """Sizes of the full study or of the tiny one."""
    if tiny:
        return TINY
    return ScptStudySizes()


def settings(tiny: bool) -> dict[str, Any]:
    """All settings that affect the results."""
    return {"sizes": asdict(sizes(tiny)), "world": asdict(CONFOUND),
            "models": {name: asdict(options) for name, options in MODELS.items()}}


def evaluate_arm(arm: str, seed: int, tiny: bool, shared: Path) -> Values:
    """Train one arm and return its scores on new people, and those of identity probes on its codes."""
    of, drawn = sizes(tiny), _drawn(CONFOUND, seed, sizes(tiny))
    if arm == CEILING:
        drawn = _drawn(replace(CONFOUND, lean=0.5), seed, of)
        return {NEW: accuracy(train_model(MODELS[SINGLE], CONFOUND, drawn.train, seed, of), drawn.test)}
    return _identity(MODELS[arm], drawn, seed, of)


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


def _identity(options: SCPTConfig, drawn: SyntheticBatch, seed: int, of: ScptStudySizes) -> Values:
    model = train_model(options, CONFOUND, drawn.train, seed, of)
    scores = {NEW: accuracy(model, drawn.test), SAME: accuracy(model, drawn.other)}
    if options.adapter != "dssa":
        return scores
    who = drawn.other.subject.numpy()  # type: ignore[union-attr]
    for where, codes in zip(("shared", "specific"), model.codes(drawn.other), strict=True):
        for kind in PROBES:
            scores[identity_from(where, kind)] = probe(codes.flatten(1).numpy(), who, kind == "MLP", seed)
    return scores


KNOWN = 1 / ScptStudySizes().known
"""Chance of an identity probe."""


def _new_people(first: str, second: str) -> Claim:
    return Claim(f"new people: {first} against {second}", (first, NEW), (second, NEW),
                 room=((CEILING, NEW), (second, NEW)), expected=(first, second) == (DSSA, SINGLE))


def _hidden(first: str, second: str, kind: str) -> Claim:
    measure = identity_from("shared", kind)
    return Claim(f"identity in the shared codes, {kind} probe: {first} against {second}", (first, measure),
                 (second, measure), room=((first, measure), KNOWN))


CLAIMS = (
    *(_new_people(name, SINGLE) for name in (DSSA, KERNELS)), _new_people(DSSA, OFF),
    *(_hidden(OFF, name, kind) for name in (DSSA, KERNELS) for kind in PROBES),
    Claim("identity left in DSSA's shared codes, linear probe: accuracy against chance",
          (DSSA, identity_from("shared", "linear")), KNOWN))

STUDY = EvidenceStudy(
    name="scpt-identity",
    title="SCPT: identity as a confound",
    world=f"""
The faces are textures, not renderings. Each of {ScptStudySizes().known} training people has a texture of their own and
shows one class in {100 * CONFOUND.lean:g} % of the windows. The class is a weaker texture that all people share. A
third texture is random in every window. The {ScptStudySizes().new} test people are new and show both classes equally
often. The pulse carries no information about the class. "Single adapter, no confound" trains on people who show both
classes equally often: the ceiling. The tower is a transformer of three layers, random and frozen. "Training people" are
scores on other windows of the training people, without the confound. New identity probes train on half of these
windows and are tested on the other half.""",
    arms=dict.fromkeys((CEILING, *MODELS), "identity as a confound"),
    claims=CLAIMS,
    settings=settings,
    evaluate=evaluate_arm,
    marks={NEW: 0.5, SAME: 0.5}
    | {identity_from(code, kind): KNOWN for code in ("shared", "specific") for kind in PROBES},
)
