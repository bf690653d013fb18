"""DuSE's parts on a small CLIP that learnt from other synthetic people: HTPC, LSEA, both, none.

The small CLIP is that of `mien train clip/synthetic`; DuSE learns from films of `faces` and is judged on those of other
people. After training its parts are taken away or mixed up, one at a time.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import joblib
import numpy as np
import torch
from torch import Tensor

from mien import checkpoint, writing
from mien.batch import Batch
from mien.bench.evidence.faces import FIRST, FRAMES, LONGEST, SHORTEST, TALKING, Films, films
from mien.bench.evidence.study import Claim, Study, Values
from mien.bench.evidence.undone import CHANGES
from mien.lookalikes.captions import Pictures
from mien.models.duse import DuSE, Options
from mien.models.zeroshot import PLAIN
from mien.recipes import PRETRAINING, Pretraining
from mien.recipes.clip import small
from mien.tasks import EXPRESSION
from mien.towers import Tower
from mien.train import pretrain
from mien.train.pretraining import draw

NEW, ORDER = "new people", "frames in another order"
WEIGHT, SHARE = "weight on frames that show it", "share of these frames"


@dataclass(frozen=True)
class Sizes:
    """`learn` from so many people and `judge` on so many others, seven films each; `steps` of `batch` films at `rate`,
    of which the last `calm` share is at a tenth."""

    learn: int = 96
    judge: int = 48
    steps: int = 600
    batch: int = 12
    rate: float = 5e-3
    calm: float = 0.3


TINY = Sizes(learn=1, judge=1, steps=2, batch=4)

WHOLE = Options(depth=2)
"""Our choice: prompts in both layers that the small towers have; a third of two layers would be the input alone."""

BOTH, HTPC, LSEA, COOP, FROZEN = "HTPC and LSEA", "HTPC alone", "LSEA alone", "neither (CoOp)", "the frozen tower"
ARMS: dict[str, Options] = {
    BOTH: WHOLE, HTPC: replace(WHOLE, lsea=False), LSEA: replace(WHOLE, htpc=False),
    COOP: replace(WHOLE, htpc=False, lsea=False), FROZEN: PLAIN}


def sizes(tiny: bool) -> Sizes:
    """Of the whole study, or of a trial of it."""
    return TINY if tiny else Sizes()


def settings(tiny: bool) -> dict[str, Any]:
    """What decides what comes out."""
    return asdict(sizes(tiny)) | {"model": asdict(WHOLE), "clip": asdict(recipe(tiny)),
                                  "films": [FIRST, SHORTEST, LONGEST, TALKING]}


def recipe(tiny: bool) -> Pretraining:
    """Of the small CLIP."""
    found = PRETRAINING["clip/synthetic"]
    return small(found) if tiny else found


def prepare(seeds: Sequence[int], tiny: bool, shared: Path, workers: int) -> None:
    """A small CLIP for each seed, all from the same pictures, and each seed's own people filmed."""
    of, how = sizes(tiny), recipe(tiny)
    lacking = [seed for seed in seeds if not _clip_of(shared, seed).exists()]
    if lacking:
        seen = draw(how, workers)
        joblib.Parallel(n_jobs=workers)(joblib.delayed(_pretrain)(how, _clip_of(shared, seed), seed, seen)
                                        for seed in lacking)
    every = of.learn + of.judge
    for seed in seeds:
        if not _films_of(shared, seed).is_file():
            found = films(seed * every, every, how.size, workers)
            with writing.replacing(_films_of(shared, seed)) as path:
                np.savez(path, frames=found.frames.numpy(), target=found.target.numpy(), shown=found.shown.numpy())


def _pretrain(how: Pretraining, folder: Path, seed: int, seen: Pictures) -> None:
    torch.set_num_threads(1)
    own = Pictures(*(np.array(value) for value in (seen.rgb, seen.holds, seen.people)))  # joblib's cannot be written
    pretrain(how, folder, seed=seed, device="cpu", seen=own)


def judge(arm: str, seed: int, tiny: bool, shared: Path) -> Values:
    """Train one arm -> its scores on people not learnt from, whole and with parts taken away."""
    of = sizes(tiny)
    found, clip = _read(_films_of(shared, seed)), _clip(_clip_of(shared, seed))
    cut = of.learn * len(EXPRESSION.classes)
    train, test = _part(found, slice(0, cut)), _part(found, slice(cut, None))
    model = learn(ARMS[arm], clip, train, seed, of)
    scores = {NEW: accuracy(model, test)}
    for name, change in CHANGES.items():
        changed = change(copy.deepcopy(model))
        if changed is not None:
            scores[name] = accuracy(changed, test)
    if model.htpc is not None or model.lsea is not None:
        scores[ORDER] = accuracy(model, _mixed(test, np.random.default_rng([seed, 6])))
    return scores | (_weights(model, test) if model.lsea is not None else {})


def learn(options: Options, clip: checkpoint.Clip, train: Films, seed: int, of: Sizes) -> DuSE:
    """Adam on whole films, every one once a round."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = DuSE(clip.image, cast(Tower, clip.text), clip.tokens(EXPRESSION), options)
    learning = [value for value in model.parameters() if value.requires_grad]
    order: list[int] = []
    if not learning:
        return model.eval()
    adam = torch.optim.Adam(learning, of.rate)
    for step in range(of.steps):
        if step == round((1 - of.calm) * of.steps):
            for group in adam.param_groups:
                group["lr"] = of.rate / 10
        order = order if len(order) >= of.batch else rng.permutation(len(train)).tolist()
        rows, order = torch.tensor(order[:of.batch]), order[of.batch:]
        adam.zero_grad()
        model.loss(Batch(frames=train.frames[rows], target=train.target[rows]))["cross_entropy"].backward()
        adam.step()
    return model.eval()


def accuracy(model: DuSE, of: Films) -> float:
    """Share of films that are named right."""
    return float((_answers(model, of).argmax(dim=1) == of.target).float().mean())


@torch.no_grad()
def _answers(model: DuSE, of: Films) -> Tensor:
    return torch.cat([model.read(part).logits for part in of.frames.split(70)])


def _mixed(of: Films, rng: np.random.Generator) -> Films:
    """The frames of each film in another order."""
    order = torch.from_numpy(rng.permuted(np.tile(np.arange(FRAMES), (len(of), 1)), axis=1))
    rows = torch.arange(len(of))[:, None]
    return Films(of.frames[rows, order], of.target, of.shown[rows, order])


@torch.no_grad()
def _weights(model: DuSE, of: Films) -> Values:
    """How much of LSEA's weight lies on frames in which the expression stands, and how many of the frames these are;
    of films that have one."""
    weight = torch.cat([model.read(part).frames for part in of.frames.split(70)])
    there = of.shown.any(dim=1)
    return {WEIGHT: float((weight * of.shown).sum(dim=1)[there].mean()),
            SHARE: float(of.shown.float().mean(dim=1)[there].mean())}


def _clip_of(shared: Path, seed: int) -> Path:
    return shared / f"clip-seed{seed}"


def _films_of(shared: Path, seed: int) -> Path:
    return shared / f"films-seed{seed}.npz"


@lru_cache(2)
def _read(path: Path) -> Films:
    with np.load(path) as found:
        return Films(*(torch.from_numpy(found[name]) for name in ("frames", "target", "shown")))


@lru_cache(2)
def _clip(folder: Path) -> checkpoint.Clip:
    return checkpoint.clip(str(folder))


def _part(of: Films, rows: slice) -> Films:
    return Films(of.frames[rows], of.target[rows], of.shown[rows])


def _after(arm: str, *changes: str) -> tuple[Claim, ...]:
    return tuple(Claim(f"{arm}: as trained against {change}", (arm, NEW), (arm, change)) for change in changes)


_PROMPTS = ("prompts zeroed", "prompts exchanged between layers", "prompts without time")
_LSEA = ("mean of frames for LSEA", "frames weighed alike", "no texts in LSEA")
CLAIMS = (
    Claim("both against HTPC alone", (BOTH, NEW), (HTPC, NEW)),
    Claim("both against LSEA alone", (BOTH, NEW), (LSEA, NEW)),
    Claim("HTPC alone against neither", (HTPC, NEW), (COOP, NEW)),
    Claim("LSEA alone against neither", (LSEA, NEW), (COOP, NEW)),
    Claim("both against neither", (BOTH, NEW), (COOP, NEW)),
    Claim("both against the frozen tower", (BOTH, NEW), (FROZEN, NEW)),
    Claim("LSEA's weight on frames that show the expression against their share", (BOTH, WEIGHT), (BOTH, SHARE)),
    *_after(BOTH, *_PROMPTS, *_LSEA, ORDER, "texts exchanged"), *_after(HTPC, *_PROMPTS, ORDER),
    *_after(LSEA, *_LSEA))

STUDY = Study(
    name="duse", title="DuSE: prompts and the aggregator",
    world=f"""
Films of {FRAMES} frames, drawn directly: each of seven expressions once of each person, standing in the face
for {SHORTEST} to {LONGEST} frames at a drawn moment, at rest before and after. Head, light and a mouth that
talks vary and say nothing of the class. DuSE learns from {Sizes().learn} people and is judged on
{Sizes().judge} others. Its CLIP is the small one of `mien train clip/synthetic`, made anew for each seed from
pictures of other people and captions of single movements, and stays frozen. "Neither" is what the paper's table
III compares with: prompts in the text's input alone (CoOp), and the mean over frames; the frozen tower learns
nothing and is told the class texts.""",
    arms=dict.fromkeys(ARMS, "expression on people not learnt from"), claims=CLAIMS, settings=settings, judge=judge,
    prepare=prepare, marks={NEW: 1 / len(EXPRESSION.classes)})
