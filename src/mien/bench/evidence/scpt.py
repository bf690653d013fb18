"""SCPT's parts on synthetic windows: the decoupled adapter against a planted subject confound, the prompts of a pulse.

Fresh probes, a linear one and an MLP, read the person from the codes of other windows of the people learnt from, in
which they show both classes alike, so that the class tells nothing of the person: half of these teach the probe, half
judge it.
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

from mien.batch import Batch
from mien.bench.evidence import windows
from mien.bench.evidence.study import Claim, Study, Values
from mien.bench.evidence.windows import CONFOUND, PULSE, Drawn, World, draw, other_images, people, rows
from mien.models.scpt import ABLATIONS, SCPT, Options
from mien.towers import Tower

NEW, SAME = "new people", "same people"
MANY = 100


@dataclass(frozen=True)
class Sizes:
    """`known` people to learn from, `new` ones to judge by; windows of `each`, and of each `judged`; `steps`."""

    known: int = 8
    new: int = 16
    each: int = 60
    judged: int = 30
    steps: int = 400


WHERE_PULSE = Sizes(known=24, each=20, steps=600)
"""Of the second world. Our choice, on seeds from 100 on: of eight people each one's own rates are learnt by heart."""

TINY = Sizes(known=4, new=2, each=8, judged=4, steps=2)
SMALL = {"bottleneck": 16, "rank": 16, "tokens": 4, "dropout": 0.1, "smoothing": 0.0}
FULL = Options(**SMALL)  # type: ignore[arg-type]
FACE = {name: replace(options, **SMALL) for name, options in ABLATIONS.items()}  # type: ignore[arg-type]

PLAIN, SINGLE, OFF, DSSA = "the plain tower, no confound", "single adapter", "DSSA, its losses switched off", "DSSA"
TOKEN, LEARNED = "DSSA, class token classified", "DSSA, a learned adversary"
RATE, NONE, RAW, TFR = ("the true rate, cut as is best in training", "face alone", "prompts of the raw waveform",
                        "prompts of the time-frequency image")
WHOLE, CROSS, VPT, LATE = "SCPT: prompts and DSSA", "SCPT, cross-attention", "SCPT, prepended tokens", "late fusion"
IDENTITY: dict[str, Options] = {
    SINGLE: FACE["+ single adapter"], OFF: replace(FULL, decouple=False), DSSA: FULL,
    TOKEN: replace(FULL, read="stream"),
    LEARNED: replace(FULL, adversary="head", adversarial=0.25)}
PULSES: dict[str, Options] = {
    NONE: FACE["face only"], RAW: FACE["+ waveform prompts"], TFR: FACE["+ time-frequency prompts"], WHOLE: FULL,
    CROSS: replace(FULL, prompts="xattn"), VPT: replace(FULL, prompts="vpt"), LATE: FACE["late fusion"]}


def sizes(tiny: bool, arm: str = "") -> Sizes:
    """Of the whole study where this arm is judged, or of a trial of it."""
    return TINY if tiny else WHERE_PULSE if arm in (RATE, *PULSES) else Sizes()


def settings(tiny: bool) -> dict[str, Any]:
    """What decides what comes out."""
    return {"identity": [asdict(sizes(tiny)), asdict(CONFOUND)], "pulse": [asdict(sizes(tiny, RATE)), asdict(PULSE)],
            "model": asdict(FULL)}


def judge(arm: str, seed: int, tiny: bool, shared: Path) -> Values:
    """Train one arm -> its scores on people not learnt from, whole and with parts taken away."""
    of = sizes(tiny, arm)
    if arm in (PLAIN, *IDENTITY):
        drawn = _drawn(CONFOUND, seed, of)
        return (_plain(drawn, seed) if arm == PLAIN else _identity(IDENTITY[arm], drawn, seed, of))
    if arm == RATE:
        return _rate(_drawn(PULSE, seed, of))
    options = PULSES[arm]
    return _pulse(options, _drawn(replace(PULSE, image=options.image), seed, of), seed, of)


def learn(options: Options, world: World, train: Batch, seed: int, of: Sizes) -> SCPT:
    """AdamW, 4 people x 4 windows a batch."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = SCPT(Tower(world.plan), 2, of.known, options).train()
    learning = [value for value in model.parameters() if value.requires_grad]
    adam = torch.optim.AdamW(learning, 3e-3, weight_decay=0.01)
    curve = torch.optim.lr_scheduler.CosineAnnealingLR(adam, of.steps)
    own = [np.flatnonzero(train.subject.numpy() == who) for who in range(of.known)]  # type: ignore[union-attr]
    for step in range(of.steps):
        model.progress = step / of.steps
        chosen = rng.choice(of.known, 4, replace=False)
        index = np.concatenate([rng.choice(own[who], 4, replace=False) for who in chosen])
        adam.zero_grad()
        torch.stack(list(model.loss(rows(train, index)).values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        adam.step()
        curve.step()
    return model.eval()


@torch.no_grad()
def accuracy(model: SCPT, batch: Batch) -> float:
    """Share of windows that are judged right."""
    return float((model(batch).argmax(dim=1) == batch.target).float().mean())


def probe(codes: np.ndarray, subject: np.ndarray, deep: bool, seed: int) -> float:
    """A fresh probe of the person, taught on every other window -> accuracy on the others."""
    kind = MLPClassifier((64,), max_iter=400, random_state=seed) if deep else LogisticRegression(max_iter=2000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the MLP would go on: 400 rounds are enough to read what is there
        found = make_pipeline(StandardScaler(), kind).fit(codes[::2], subject[::2])
    return float(found.score(codes[1::2], subject[1::2]))


@lru_cache(3)
def _drawn(world: World, seed: int, of: Sizes) -> Drawn:
    return draw(world, seed, of.known, of.new, of.each, of.judged)


def _plain(drawn: Drawn, seed: int) -> Values:
    """What a linear reading of the untouched tower's class token reaches on new people, taught on many, no confound."""
    torch.manual_seed(seed)
    plain = SCPT(Tower(CONFOUND.plan), 2, 0, FACE["face only"]).eval()
    rng = np.random.default_rng([seed, 8])
    many, _ = windows.windows(CONFOUND, rng, drawn.signs, people(CONFOUND, rng, MANY), 10, 0.5)
    with torch.no_grad():
        taught, given = (plain.read(batch).feature.numpy() for batch in (many, drawn.judged))
    reader = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(taught, many.target)
    return {NEW: float(reader.score(given, drawn.judged.target))}


def _identity(options: Options, drawn: Drawn, seed: int, of: Sizes) -> Values:
    model = learn(options, CONFOUND, drawn.taught, seed, of)
    found = {NEW: accuracy(model, drawn.judged), SAME: accuracy(model, drawn.other)}
    if options.adapter != "dssa":
        return found
    who = drawn.other.subject.numpy()  # type: ignore[union-attr]
    for where, codes in zip(("shared", "specific"), model.codes(drawn.other), strict=True):
        for kind in ("linear", "MLP"):
            found[f"person from {where} codes, {kind}"] = probe(codes.flatten(1).numpy(), who, kind == "MLP", seed)
    for branch in ("shared", "specific"):
        found[f"{branch} branches zeroed"] = accuracy(zeroed(model, branch), drawn.judged)
    return found


def _pulse(options: Options, drawn: Drawn, seed: int, of: Sizes) -> Values:
    model = learn(options, PULSE, drawn.taught, seed, of)
    found = {NEW: accuracy(model, drawn.judged), SAME: accuracy(model, drawn.other)}
    if options.seen:
        hidden = replace(drawn.judged, pulse_quality=torch.zeros(len(drawn.judged)))
        found["pulse missing"] = accuracy(model, hidden)
        found["images of other windows"] = accuracy(model, other_images(drawn.judged, np.random.default_rng([seed, 9])))
    if model.prompts is not None:
        found["prompts zeroed"] = accuracy(zeroed(model, "prompts"), drawn.judged)
    if options.adapter == "dssa":
        found["shared branches zeroed"] = accuracy(zeroed(model, "shared"), drawn.judged)
    return found


def _rate(drawn: Drawn) -> Values:
    """The true rate cut where it is best in training. Nobody's rest is told, so any of these models comes about so far.
    """
    (bpm, later), target = drawn.bpm, drawn.taught.target.numpy().astype(bool)  # type: ignore[union-attr]
    cut = max(np.unique(bpm), key=lambda at: ((bpm > at) == target).mean())
    new = drawn.judged.target.numpy().astype(bool)  # type: ignore[union-attr]
    return {NEW: float(((later > cut) == new).mean())}


@torch.no_grad()
def zeroed(model: SCPT, part: str) -> SCPT:
    """A copy in which all values of a part are zero: `prompts`, or the `shared` or `specific` branches."""
    found = copy.deepcopy(model)
    chosen = [found.prompts] if part == "prompts" else [getattr(one, part) for one in found.adapters]
    for value in (value for one in chosen if one is not None for value in one.parameters()):
        value.zero_()
    return found


def _after(arm: str, *changes: str) -> tuple[Claim, ...]:
    return tuple(Claim(f"{arm}: as trained against {change}", (arm, NEW), (arm, change)) for change in changes)


WHO = "person from {} codes, {}".format
_BRANCHES = ("shared branches zeroed", "specific branches zeroed")
CLAIMS = (
    Claim("the person in the shared codes, a linear probe: DSSA without its losses against DSSA",
          (OFF, WHO("shared", "linear")), (DSSA, WHO("shared", "linear"))),
    Claim("the person in the shared codes, an MLP: DSSA without its losses against DSSA",
          (OFF, WHO("shared", "MLP")), (DSSA, WHO("shared", "MLP"))),
    Claim("the person left in DSSA's shared codes, a linear probe against chance",
          (DSSA, WHO("shared", "linear")), 1 / Sizes().known),
    Claim("the person in DSSA's specific codes, a linear probe against chance",
          (DSSA, WHO("specific", "linear")), 1 / Sizes().known),
    Claim("new people: DSSA against DSSA without its losses", (DSSA, NEW), (OFF, NEW)),
    Claim("new people: the plain tower without the confound against a single adapter with it", (PLAIN, NEW),
          (SINGLE, NEW)),
    Claim("new people: DSSA against a single adapter", (DSSA, NEW), (SINGLE, NEW)),
    Claim("new people: DSSA, shared codes against class token classified", (DSSA, NEW), (TOKEN, NEW)),
    Claim("the person in the shared codes, an MLP: a learned adversary against DSSA's kernel",
          (LEARNED, WHO("shared", "MLP")), (DSSA, WHO("shared", "MLP"))),
    *_after(DSSA, *_BRANCHES),
    Claim("time-frequency image against raw waveform", (TFR, NEW), (RAW, NEW)),
    Claim("time-frequency image against raw waveform, on the people learnt from", (TFR, SAME), (RAW, SAME)),
    Claim("raw waveform against the face alone", (RAW, NEW), (NONE, NEW)),
    Claim("time-frequency image against the face alone", (TFR, NEW), (NONE, NEW)),
    Claim("the whole, SCPT, against the face alone", (WHOLE, NEW), (NONE, NEW)),
    Claim("the whole, SCPT, against its prompts without DSSA", (WHOLE, NEW), (TFR, NEW)),
    Claim("prompts against late fusion, both of the time-frequency image", (TFR, NEW), (LATE, NEW)),
    *(Claim(f"SCPT's prompts against {name}", (WHOLE, NEW), (name, NEW)) for name in (CROSS, VPT)),
    *_after(TFR, "pulse missing", "images of other windows", "prompts zeroed"),
    *_after(WHOLE, "pulse missing", "images of other windows", "prompts zeroed", "shared branches zeroed"))

STUDY = Study(
    name="scpt", title="SCPT: the pulse beside the face, and the person out of it",
    world=f"""
Faces are textures, drawn directly. Identity as a confound: each of {Sizes().known} people who are learnt from
has a texture of their own, and shows one class nine times as often as the other; the class is a weaker texture
that all share, and a third one is drawn anew for every window. The {Sizes().new} who are judged are new and
show both alike. The pulse: each of {WHERE_PULSE.known} people has a resting rate of {PULSE.rest[0]:g} to
{PULSE.rest[1]:g} bpm, high arousal is a rise of {PULSE.rise:g} bpm over it, windows vary by 3 bpm and the face
says nothing; nobody's rest is told, so the true rate, cut where it is best in training, says about how far any
of these models can come. The first row of the first table says what a linear reading of the untouched tower
gets that learnt from many people without the confound. Towers are transformers of three layers, drawn at random
and frozen. Probes of the person are fresh, and taught on other windows of the people learnt from.""",
    arms=(dict.fromkeys((PLAIN, *IDENTITY), "identity as a confound")
          | dict.fromkeys((RATE, *PULSES), "only the pulse tells")),
    claims=CLAIMS, settings=settings, judge=judge,
    marks={NEW: 0.5, SAME: 0.5} | {WHO(code, kind): 1 / Sizes().known for code in ("shared", "specific")
                                   for kind in ("linear", "MLP")})
