"""DuSE's parts on rendered faces, with a small CLIP trained on other synthetic people: HTPC, LSEA, both, neither.

The small CLIP is that of `mien train clip/synthetic`. DuSE trains on videos of `faces` and is tested on those of other
people. After training, its parts are removed or permuted, one at a time.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import joblib
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from mien import checkpoints
from mien.backbones.tower import Tower
from mien.core import atomic_files
from mien.core.batch import Batch
from mien.core.tasks import EXPRESSION
from mien.evaluation.studies.duse_data import FIRST, FRAMES, LONGEST, SHORTEST, TALKING, SyntheticClips, render_clips
from mien.evaluation.studies.experiment import Claim, EvidenceStudy, Values
from mien.evaluation.studies.interventions import CHANGES
from mien.models.duse.config import DuSEConfig
from mien.models.duse.model import DuSE
from mien.models.zero_shot import ZERO_SHOT_CONFIG
from mien.recipes.clip import PRETRAINING, Pretraining, tiny_pretraining
from mien.simulation.captioned_pictures import Pictures
from mien.training.pretrain_clip import draw_pictures, pretrain

NEW = "new people"
WEIGHT, SHARE = "LSEA's weight on expression frames", "share of expression frames"


@dataclass(frozen=True)
class DuseStudySizes:
    """`learn`, `judge`: number of training and test people, seven videos each, or of clips; `steps` of `batch` videos
    at `rate`, a tenth of it in the last `calm` share of the steps."""

    learn: int = 96
    judge: int = 48
    steps: int = 600
    batch: int = 12
    rate: float = 5e-3
    calm: float = 0.3


TINY = DuseStudySizes(learn=1, judge=1, steps=2, batch=4)

WHOLE = DuSEConfig(depth=2)
"""Our choice: prompts in both layers that the small towers have; a third of two layers would be the input alone."""

BOTH, HTPC, LSEA, COOP, FROZEN = "HTPC and LSEA", "HTPC alone", "LSEA alone", "neither (CoOp)", "the frozen tower"
CEILING = "linear reading of the expression frames"
ARMS: dict[str, DuSEConfig] = {
    BOTH: WHOLE, HTPC: replace(WHOLE, lsea=False), LSEA: replace(WHOLE, htpc=False),
    COOP: replace(WHOLE, htpc=False, lsea=False), FROZEN: ZERO_SHOT_CONFIG}


def sizes(tiny: bool) -> DuseStudySizes:
    """Sizes of the full study or of the tiny one."""
    if tiny:
        return TINY
    return DuseStudySizes()


def settings(tiny: bool) -> dict[str, Any]:
    """All settings that affect the results."""
    return asdict(sizes(tiny)) | {"model": asdict(WHOLE), "clip": asdict(recipe(tiny)),
                                  "films": [FIRST, SHORTEST, LONGEST, TALKING]}


def recipe(tiny: bool) -> Pretraining:
    """The pre-training recipe of the small CLIP."""
    full = PRETRAINING["clip/synthetic"]
    if tiny:
        return tiny_pretraining(full)
    return full


def prepare(seeds: Sequence[int], tiny: bool, shared: Path, workers: int) -> None:
    """Train a small CLIP for each seed on the same pictures, and render the people of each seed."""
    of, how = sizes(tiny), recipe(tiny)
    lacking = [seed for seed in seeds if not _clip_of(shared, seed).exists()]
    if lacking:
        seen = draw_pictures(how, workers)
        joblib.Parallel(n_jobs=workers)(joblib.delayed(_pretrain)(how, _clip_of(shared, seed), seed, seen)
                                        for seed in lacking)
    every = of.learn + of.judge
    for seed in seeds:
        if not _videos_of(shared, seed).is_file():
            videos = render_clips(seed * every, every, how.size, workers)
            with atomic_files.replacing(_videos_of(shared, seed)) as path:
                np.savez(path, frames=videos.frames.numpy(), target=videos.target.numpy(), shown=videos.shown.numpy())


def _pretrain(how: Pretraining, folder: Path, seed: int, seen: Pictures) -> None:
    torch.set_num_threads(1)
    writable = Pictures(*(np.array(value) for value in (seen.rgb, seen.holds, seen.people)))  # joblib's are read-only
    pretrain(how, folder, seed=seed, device="cpu", seen=writable)


def evaluate_arm(arm: str, seed: int, tiny: bool, shared: Path) -> Values:
    """Train one arm and return its scores on new people, intact and with parts removed."""
    of = sizes(tiny)
    videos, clip = _read(_videos_of(shared, seed)), _clip(_clip_of(shared, seed))
    cut = of.learn * len(EXPRESSION.classes)
    train, test = _part(videos, slice(0, cut)), _part(videos, slice(cut, None))
    if arm == CEILING:
        return _ceiling(clip, train, test)
    model = train_model(ARMS[arm], clip, train, seed, of)
    scores = {NEW: accuracy(model, test)}
    for name, change in CHANGES.items():
        changed = change(copy.deepcopy(model))
        if changed is not None:
            scores[name] = accuracy(changed, test)
    if model.lsea is not None:
        scores |= _weights(model, test)
    return scores


def train_model(
    options: DuSEConfig, clip: checkpoints.ClipEncoders, train: SyntheticClips, seed: int, of: DuseStudySizes
) -> DuSE:
    """Train with Adam on whole videos, each once an epoch."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = DuSE(clip.image, cast(Tower, clip.text), clip.tokens(EXPRESSION), options)
    order: list[int] = []

    def draw() -> Batch:
        nonlocal order
        if len(order) < of.batch:
            order = rng.permutation(len(train)).tolist()
        rows, order = torch.tensor(order[:of.batch]), order[of.batch:]
        return Batch(frames=train.frames[rows], target=train.target[rows])

    return train_steps(model, draw, of)


def train_steps(model: DuSE, draw: Callable[[], Batch], of: DuseStudySizes) -> DuSE:
    """Train with Adam on the batches that `draw` gives; a model without trainable parts stays as it is."""
    learning = [value for value in model.parameters() if value.requires_grad]
    if not learning:
        return model.eval()
    adam = torch.optim.Adam(learning, of.rate)
    for step in range(of.steps):
        if step == round((1 - of.calm) * of.steps):
            for group in adam.param_groups:
                group["lr"] = of.rate / 10
        adam.zero_grad()
        model.loss(draw())["cross_entropy"].backward()
        adam.step()
    return model.eval()


def accuracy(model: DuSE, of: SyntheticClips) -> float:
    """Share of videos with the correct class."""
    return float((_logits(model, of).argmax(dim=1) == of.target).float().mean())


@torch.no_grad()
def _ceiling(clip: checkpoints.ClipEncoders, train: SyntheticClips, test: SyntheticClips) -> Values:
    """Logistic regression on the mean frozen feature of the frames that show the expression, all of a neutral clip."""
    model = DuSE(clip.image, cast(Tower, clip.text), clip.tokens(EXPRESSION), ARMS[COOP])
    read = []
    for part in (train, test):
        features = torch.cat([model.frame_features(some) for some in part.frames.split(70)])
        weight = (part.shown | ~part.shown.any(dim=1, keepdim=True)).float()[..., None]
        read.append(((features * weight).sum(dim=1) / weight.sum(dim=1)).numpy())
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000)).fit(read[0], train.target)
    return {NEW: float(classifier.score(read[1], test.target))}


@torch.no_grad()
def _logits(model: DuSE, of: SyntheticClips) -> Tensor:
    return torch.cat([model.infer(part).logits for part in of.frames.split(70)])


@torch.no_grad()
def _weights(model: DuSE, of: SyntheticClips) -> Values:
    """LSEA's weight on the frames that show the expression, and the share of these frames, over videos with such
    frames."""
    weight = torch.cat([model.infer(part).frames for part in of.frames.split(70)])
    expressive = of.shown.any(dim=1)
    return {WEIGHT: float((weight * of.shown).sum(dim=1)[expressive].mean()),
            SHARE: float(of.shown.float().mean(dim=1)[expressive].mean())}


def _clip_of(shared: Path, seed: int) -> Path:
    return shared / f"clip-seed{seed}"


def _videos_of(shared: Path, seed: int) -> Path:
    return shared / f"films-seed{seed}.npz"


@lru_cache(2)
def _read(path: Path) -> SyntheticClips:
    with np.load(path) as arrays:
        return SyntheticClips(*(torch.from_numpy(arrays[name]) for name in ("frames", "target", "shown")))


@lru_cache(2)
def _clip(folder: Path) -> checkpoints.ClipEncoders:
    return checkpoints.load_clip(str(folder))


def _part(of: SyntheticClips, rows: slice) -> SyntheticClips:
    return SyntheticClips(of.frames[rows], of.target[rows], of.shown[rows])


CHANCE = 1 / len(EXPRESSION.classes)


def _compared(text: str, first: str, second: str) -> Claim:
    return Claim(text, (first, NEW), (second, NEW), room=((CEILING, NEW), (second, NEW)))


CLAIMS = (
    _compared("faces: both against HTPC alone", BOTH, HTPC),
    _compared("faces: both against LSEA alone", BOTH, LSEA),
    _compared("faces: HTPC alone against neither", HTPC, COOP),
    _compared("faces: LSEA alone against neither", LSEA, COOP),
    _compared("faces: both against the frozen tower", BOTH, FROZEN),
    _compared("faces: both against a linear reading that knows the expression frames", BOTH, CEILING),
    Claim("faces: LSEA's weight on expression frames against their share of all frames", (BOTH, WEIGHT),
          (BOTH, SHARE), room=(1.0, (BOTH, SHARE))),
    *(Claim(f"faces: both as trained against {part}", (BOTH, NEW), (BOTH, part), room=((BOTH, NEW), CHANCE))
      for part in ("text prompts zeroed", "mean of frames instead of LSEA", "equal frame weights",
                   "no class texts in LSEA")))

STUDY = EvidenceStudy(
    name="duse-faces",
    title="DuSE: expressions of rendered faces",
    world=f"""
The clips have {FRAMES} frames and are rendered directly, without video encoding or face detection. Each person shows
each of seven expressions once, for {SHORTEST} to {LONGEST} frames at a random time, with a face at rest before and
after. Head pose, light and a talking mouth vary and carry no information about the class. DuSE trains on
{DuseStudySizes().learn} people and is tested on {DuseStudySizes().judge} others. Its CLIP is the small one of
`mien train clip/synthetic`. Each seed trains it anew on pictures of other people and captions of single movements.
It stays frozen. "Neither" is the baseline of the paper's table III: prompts at the text input alone (CoOp), and
the mean over frames. "The frozen tower" trains nothing and gets the class texts. The ceiling is a logistic regression
on the frozen features of the frames that show the expression. This world says nothing about visual prompts or order:
each head of this tower attends to one patch, so visual prompts move nothing, and no class depends on order.""",
    arms=dict.fromkeys((CEILING, *ARMS), "expression accuracy"),
    claims=CLAIMS,
    settings=settings,
    evaluate=evaluate_arm,
    prepare=prepare,
    marks={NEW: CHANCE},
)
