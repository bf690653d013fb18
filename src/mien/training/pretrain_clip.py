"""Pre-train a small CLIP from scratch on pictures of synthetic people and phrases that hold for them or not.

A sigmoid loss compares each phrase, and each caption composed of several, with each picture (Zhai et al. 2023, Sigmoid
loss for language image pre-training, 2303.15343). Its offset is the share of pictures that the text holds for. We know
the truth of every pair, so a caption does not count as false for another picture with the same movements. The towers
are the open ones, saved in the format of transformers' CLIP, and `mien.backbones` loads them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import joblib
import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import rankdata
from torch import Tensor

from mien.backbones.bpe import train_bpe
from mien.backbones.config import BackboneConfig
from mien.backbones.save import save
from mien.backbones.tower import Tower, normalise_pixels
from mien.checkpoints.factory import resolve_device
from mien.core.atomic_folders import staging
from mien.core.class_texts import split_texts
from mien.core.hashing import version
from mien.core.parallel.outcome import ProgressCallback
from mien.core.parallel.supervised import local_processes
from mien.core.tasks import TASKS
from mien.recipes.clip import AugmentConfig, Pretraining
from mien.simulation import captioned_pictures
from mien.simulation.captioned_pictures import FIRST, MIRRORED, PHRASES, Pictures
from mien.training.caption_sampler import CaptionSampler
from mien.training.clip_init import POSITION_SHARE, Regression, whiten

CARD = "pretraining.json"
HOLDOUT_EVERY = 20  # one in so many people is held out for the test
REGRESSION_VIEWS = 4  # views of each picture for the initial regression
TEXT_STEPS = 150  # steps that align the text tower with the initial image tower
DRAWING_SHARE = 0.3  # approximate share of the time for drawing the pictures


@dataclass(frozen=True)
class Pretrained:
    """A pre-trained CLIP in `folder`; `auc`: area under the ROC curve of each phrase on held-out people, chance is 0.5;
    `loss`: the last training loss."""

    folder: Path
    auc: dict[str, float]
    loss: float


def pretrain(recipe: Pretraining, out: str | Path, *, seed: int = 0, device: str = "auto", workers: int = 1,
             progress: ProgressCallback | None = None, seen: Pictures | None = None) -> Pretrained:
    """Draw synthetic people, train a CLIP on them, and write it atomically into a folder.

    Args:
        recipe: sizes and schedule.
        out: the folder, new or empty.
        seed: random seed of the training.
        device: as in `factory.resolve_device`.
        workers: processes that draw pictures.
        progress: receives the finished share, 0..1.
        seen: the pictures of this recipe, if `draw` has drawn them already.

    Raises:
        FileExistsError: the folder has files in it.
    """
    folder, where, report = Path(out), torch.device(resolve_device(device)), progress or (lambda share: None)
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"--out {folder}: expected a new or empty folder, got one with files in it: name another")
    folder.parent.mkdir(parents=True, exist_ok=True)
    seen = seen or draw_pictures(recipe, workers, lambda share: report(DRAWING_SHARE * share))
    generators = [where] if where.type == "cuda" else []
    with torch.random.fork_rng(devices=generators), staging(folder.parent) as parent:
        torch.manual_seed(seed)
        made = parent / "clip"
        made.mkdir()
        texts = [text for task in TASKS.values() for text in split_texts(task)[0]]  # so that they need few tokens
        train_bpe([words for phrase in PHRASES for words in phrase] + texts, made)
        learner = PretrainModule(recipe, made, seen, where, seed)
        loss = learner.learn(lambda share: report(DRAWING_SHARE + (1 - DRAWING_SHARE) * share))
        auc = learner.evaluate()
        learner.save(made)
        (made / CARD).write_text(json.dumps(
            {"recipe": asdict(recipe), "seed": seed, "version": version(), "loss": round(loss, 4),
             "auc": {name: round(value, 4) for name, value in auc.items()}}, indent=1) + "\n", encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        made.rename(folder)
    return Pretrained(folder, auc, loss)


def draw_pictures(recipe: Pretraining, workers: int = 1, progress: ProgressCallback | None = None) -> Pictures:
    """Draw the recipe's pictures in `workers` processes; `progress` receives the finished share, 0..1."""
    jobs = (
        joblib.delayed(captioned_pictures.draw)(FIRST + k, recipe.pictures, recipe.size) for k in range(recipe.people)
    )
    pictures = []
    for done, part in enumerate(local_processes(n_jobs=workers, return_as="generator")(jobs), 1):
        pictures.append(part)
        if progress is not None:
            progress(done / recipe.people)
    return captioned_pictures.join(pictures)


class PretrainModule:
    """Both towers with their training and held-out pictures; the tokenizer is in `folder`."""

    def __init__(self, recipe: Pretraining, folder: Path, seen: Pictures, device: torch.device, seed: int) -> None:
        self.recipe, self.seed, self.device = recipe, seed, device
        rest = seen.people % HOLDOUT_EVERY == 0
        rgb = torch.from_numpy(seen.rgb).permute(0, 3, 1, 2)
        self.rgb, self.kept = rgb[torch.from_numpy(~rest)].to(device), rgb[torch.from_numpy(rest)].to(device)
        self.holds, self.kept_holds = seen.holds[~rest], seen.holds[rest]
        self.wording = CaptionSampler(folder, self.holds)
        self.image, self.text = towers(recipe, self.wording.end)
        self._begin()
        self.image.to(device)
        self.text.to(device)

    def _begin(self) -> None:
        """Initialise the image tower as `clip_init` describes, then align the text tower with it."""
        rng, rgb = np.random.default_rng([self.seed, 1]), self.rgb.cpu()
        whiten(self.image, rgb[:: max(len(rgb) // 1500, 1)])
        regression = Regression(self.image)
        for rows in _batches(len(rgb), 500, -(-REGRESSION_VIEWS * len(rgb) // 500), rng):
            regression.add(
                *random_view(rgb[torch.from_numpy(rows)].float() / 255, self.holds[rows], self.recipe.views, rng)
            )
        regression.plant()
        adam = torch.optim.AdamW(self.text.parameters(), 2e-3)
        rate = torch.optim.lr_scheduler.OneCycleLR(adam, 2e-3, total_steps=TEXT_STEPS, pct_start=0.1)
        for rows in _batches(len(rgb), 16, TEXT_STEPS, rng):
            ids, named = self.wording.name(self.holds[rows], self.recipe.captions, rng)
            features = self.text(ids)
            target = F.pad(named, (0, features.shape[1] - named.shape[1]))
            loss = (1 - F.cosine_similarity(features, target)).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            rate.step()

    def learn(self, progress: ProgressCallback) -> float:
        """Do all training steps and return the last loss; `progress` receives the finished share, 0..1."""
        recipe, rng = self.recipe, np.random.default_rng(self.seed)
        values = [*self.image.parameters(), *self.text.parameters()]
        adam = torch.optim.AdamW(values, recipe.rate, weight_decay=recipe.weight_decay)
        rate = torch.optim.lr_scheduler.OneCycleLR(adam, recipe.rate, total_steps=recipe.steps, pct_start=0.1)
        loss = torch.zeros(())
        for step, rows in enumerate(_batches(len(self.rgb), recipe.batch, recipe.steps, rng)):
            frames, seen = random_view(
                self.rgb[torch.from_numpy(rows)].float() / 255, self.holds[rows], recipe.views, rng
            )
            ids, true, prior = self.wording.draw(seen, recipe.captions, rng)
            like = recipe.scale * self._cosines(frames, ids.to(self.device))
            loss = F.binary_cross_entropy_with_logits(like + prior.to(self.device), true.to(self.device))
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(values, 1.0)
            adam.step()
            rate.step()
            progress((step + 1) / recipe.steps)
        return float(loss.detach())

    def _cosines(self, frames: Tensor, ids: Tensor) -> Tensor:
        """frames (B, 3, S, S) uint8 or 0..1, ids (K, L) -> (B, K)."""
        image = self.image(normalise_pixels(frames, self.image.plan))
        return F.normalize(image, dim=-1) @ F.normalize(self.text(ids), dim=-1).T

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """The AUC of each phrase on held-out people; only phrases that hold for some of their pictures and not all."""
        rows = self.wording.rows([np.array([k]) for k in range(len(PHRASES))], np.random.default_rng(self.seed))
        like = torch.cat([self._cosines(part, rows.to(self.device)) for part in self.kept.split(256)]).cpu().numpy()
        both = self.kept_holds.any(axis=0) & ~self.kept_holds.all(axis=0)
        return {PHRASES[k][0]: auc(like[:, k], self.kept_holds[:, k]) for k in np.flatnonzero(both)}

    def save(self, folder: Path) -> None:
        """Save the towers in the format of transformers' CLIP."""
        save(self.image, self.text, folder, start=self.wording.start, scale=float(np.log(self.recipe.scale)))


def towers(recipe: Pretraining, end: int) -> tuple[Tower, Tower]:
    """New towers for images and texts; `end`: the id of the end token, the highest of the tokenizer."""
    width, words, out, phrases = recipe.width, recipe.text_width, recipe.features, len(PHRASES)
    if min(out, width // recipe.heads) < phrases or width // POSITION_SHARE < recipe.heads + 1:
        raise ValueError(f"Pretraining: expected {phrases} features or more and a width of {phrases * recipe.heads} or "
                         f"more, for {phrases} phrases and {recipe.heads} patches, got {out} and {width}")
    image = BackboneConfig("clip-image", width, recipe.layers, recipe.heads, 4 * width, out=out, size=recipe.size,
                 patch=recipe.patch)
    text = BackboneConfig(
        "clip-text",
        words,
        recipe.text_layers,
        max(words // 32, 1),
        4 * words,
        out=out,
        vocab=end + 1,
        end=end,
        pool="end",
    )
    return Tower(image), Tower(text)


def random_view(
    frames: Tensor, holds: np.ndarray, how: AugmentConfig, rng: np.random.Generator
) -> tuple[Tensor, np.ndarray]:
    """Draw a random view of each picture.

    Args:
        frames: (B, 3, S, S) 0..1.
        holds: bool (B, P), which phrases hold.
        how: strength of the augmentation.
        rng: random generator.

    Returns:
        The views, and which phrases hold for them; a mirrored picture swaps left and right.
    """
    count = len(frames)
    mirror = rng.random(count) < how.mirror
    zoom = 1 + rng.uniform(-how.zoom, how.zoom, count)
    turn = np.radians(rng.uniform(-how.turn, how.turn, count))
    cos, sin, sign = np.cos(turn) / zoom, np.sin(turn) / zoom, np.where(mirror, -1, 1)
    shift = 2 * rng.uniform(-how.shift, how.shift, (2, count))  # the grid runs from -1 to 1
    where = np.stack([np.stack([sign * cos, -sign * sin, shift[0]], -1), np.stack([sin, cos, shift[1]], -1)], 1)
    grid = F.affine_grid(torch.from_numpy(where).float().to(frames.device), list(frames.shape), align_corners=False)
    moved = F.grid_sample(frames, grid, padding_mode="border", align_corners=False)
    gain = 1 + rng.uniform(-how.light, how.light, (count, 1)) + rng.uniform(-how.tint, how.tint, (count, 3))
    lit = moved * torch.from_numpy(gain).float().to(frames.device)[..., None, None]
    return lit.clamp(0, 1), np.where(mirror[:, None], holds[:, MIRRORED], holds)


def auc(score: np.ndarray, true: np.ndarray) -> float:
    """The area under the ROC curve of scores (N,) for labels bool (N,), which must contain both values."""
    hits = int(true.sum())
    return float((rankdata(score)[true].sum() - hits * (hits + 1) / 2) / (hits * (len(true) - hits)))


def _batches(count: int, size: int, steps: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The row numbers of `steps` batches, in a new random order for each epoch."""
    order = np.empty(0, int)
    for _ in range(steps):
        while len(order) < min(size, count):
            order = np.concatenate([order, rng.permutation(count)])
        yield order[:size]
        order = order[size:]
