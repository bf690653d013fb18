"""A small CLIP from nothing: pictures of synthetic people, and phrases that hold for them or not.

Each phrase, and each caption composed of several, is held against each picture by a sigmoid of its own (Zhai et al.
2023, Sigmoid loss for language image pre-training, 2303.15343), its offset the share of pictures that it holds for.
What is true of a pair is known, so no caption counts as false for another picture whose face does the same. The towers
are the open ones, written as transformers publishes a CLIP: `mien.towers`, and all that is built on it, loads them.
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

from mien.checkpoint.parts import pick
from mien.lookalikes import captions
from mien.lookalikes.captions import FIRST, MIRRORED, PHRASES, Pictures
from mien.recipes.clip import Pretraining, Views
from mien.tasks import TASKS
from mien.towers import Plan, Tower, pixels
from mien.towers.save import save
from mien.towers.spelling import spell
from mien.train.beginning import PLACES, Regression, whiten
from mien.train.wording import Wording
from mien.work import Tick, staging, version

CARD = "pretraining.json"
KEPT_OUT = 20  # of so many people one is not learnt from but judged by
LOOKS = 4  # views of each picture that the regression sees at first
WORDS = 150  # steps in which the text tower learns to name what the image tower begins with
SHARE = 0.3  # of the time that drawing takes, nearly


@dataclass(frozen=True)
class Pretrained:
    """The `folder`; `auc`: how well each phrase tells pictures of people apart that were not learnt from (0.5: chance);
    `loss`: the last one."""

    folder: Path
    auc: dict[str, float]
    loss: float


def pretrain(recipe: Pretraining, out: str | Path, *, seed: int = 0, device: str = "auto", workers: int = 1,
             tick: Tick | None = None, seen: Pictures | None = None) -> Pretrained:
    """Draw the people, learn, and write a CLIP into the folder `out`: everything or nothing.

    `seen`: what `draw` drew before for this recipe. `tick` hears the share that is done, 0..1. Raises FileExistsError
    for a folder with files in it.
    """
    folder, where, tell = Path(out), torch.device(pick(device)), tick or (lambda share: None)
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"--out {folder}: expected a new or empty folder, got one with files in it: name another")
    folder.parent.mkdir(parents=True, exist_ok=True)
    seen = seen or draw(recipe, workers, lambda share: tell(SHARE * share))
    with torch.random.fork_rng(devices=[where] if where.type == "cuda" else []), staging(folder.parent) as making:
        torch.manual_seed(seed)
        made = making / "clip"
        made.mkdir()
        texts = [text for task in TASKS.values() for text in task.texts or ()]  # they are to be spelled in few tokens
        spell([words for phrase in PHRASES for words in phrase] + texts, made)
        learner = Learner(recipe, made, seen, where, seed)
        loss = learner.learn(lambda share: tell(SHARE + (1 - SHARE) * share))
        auc = learner.judge()
        learner.save(made)
        (made / CARD).write_text(json.dumps(
            {"recipe": asdict(recipe), "seed": seed, "version": version(), "loss": round(loss, 4),
             "auc": {name: round(value, 4) for name, value in auc.items()}}, indent=1) + "\n", encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        made.rename(folder)
    return Pretrained(folder, auc, loss)


def draw(recipe: Pretraining, workers: int = 1, tick: Tick | None = None) -> Pictures:
    """The recipe's pictures, in `workers` processes."""
    jobs = (joblib.delayed(captions.draw)(FIRST + k, recipe.pictures, recipe.size) for k in range(recipe.people))
    found = []
    for done, part in enumerate(joblib.Parallel(n_jobs=workers, return_as="generator")(jobs), 1):
        found.append(part)
        if tick is not None:
            tick(done / recipe.people)
    return captions.join(found)


class Learner:
    """Both towers, and what they learn from; the tokenizer stands in `folder`."""

    def __init__(self, recipe: Pretraining, folder: Path, seen: Pictures, device: torch.device, seed: int) -> None:
        self.recipe, self.seed, self.device = recipe, seed, device
        rest = seen.people % KEPT_OUT == 0
        rgb = torch.from_numpy(seen.rgb).permute(0, 3, 1, 2)
        self.rgb, self.kept = rgb[torch.from_numpy(~rest)].to(device), rgb[torch.from_numpy(rest)].to(device)
        self.holds, self.kept_holds = seen.holds[~rest], seen.holds[rest]
        self.wording = Wording(folder, self.holds)
        self.image, self.text = towers(recipe, self.wording.end)
        self._begin()
        self.image.to(device)
        self.text.to(device)

    def _begin(self) -> None:
        """See `beginning`; then the text tower learns to point where the image tower points."""
        rng, rgb = np.random.default_rng([self.seed, 1]), self.rgb.cpu()
        whiten(self.image, rgb[:: max(len(rgb) // 1500, 1)])
        regression = Regression(self.image)
        for rows in _batches(len(rgb), 500, -(-LOOKS * len(rgb) // 500), rng):
            regression.add(*view(rgb[torch.from_numpy(rows)].float() / 255, self.holds[rows], self.recipe.views, rng))
        regression.plant()
        adam = torch.optim.AdamW(self.text.parameters(), 2e-3)
        rate = torch.optim.lr_scheduler.OneCycleLR(adam, 2e-3, total_steps=WORDS, pct_start=0.1)
        for rows in _batches(len(rgb), 16, WORDS, rng):
            ids, named = self.wording.name(self.holds[rows], self.recipe.captions, rng)
            told = self.text(ids)
            loss = (1 - F.cosine_similarity(told, F.pad(named, (0, told.shape[1] - named.shape[1])))).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            rate.step()

    def learn(self, tick: Tick) -> float:
        """All steps -> the last loss."""
        recipe, rng = self.recipe, np.random.default_rng(self.seed)
        values = [*self.image.parameters(), *self.text.parameters()]
        adam = torch.optim.AdamW(values, recipe.rate, weight_decay=recipe.weight_decay)
        rate = torch.optim.lr_scheduler.OneCycleLR(adam, recipe.rate, total_steps=recipe.steps, pct_start=0.1)
        loss = torch.zeros(())
        for step, rows in enumerate(_batches(len(self.rgb), recipe.batch, recipe.steps, rng)):
            frames, seen = view(self.rgb[torch.from_numpy(rows)].float() / 255, self.holds[rows], recipe.views, rng)
            ids, true, prior = self.wording.draw(seen, recipe.captions, rng)
            like = recipe.scale * self._cosines(frames, ids.to(self.device))
            loss = F.binary_cross_entropy_with_logits(like + prior.to(self.device), true.to(self.device))
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(values, 1.0)
            adam.step()
            rate.step()
            tick((step + 1) / recipe.steps)
        return float(loss.detach())

    def _cosines(self, frames: Tensor, ids: Tensor) -> Tensor:
        """frames (B, 3, S, S) uint8 or 0..1, ids (K, L) -> (B, K)."""
        image = self.image(pixels(frames, self.image.plan))
        return F.normalize(image, dim=-1) @ F.normalize(self.text(ids), dim=-1).T

    @torch.no_grad()
    def judge(self) -> dict[str, float]:
        """Area under the curve of each phrase, on people not learnt from; of phrases that some of them show."""
        rows = self.wording.rows([np.array([k]) for k in range(len(PHRASES))], np.random.default_rng(self.seed))
        like = torch.cat([self._cosines(part, rows.to(self.device)) for part in self.kept.split(256)]).cpu().numpy()
        both = self.kept_holds.any(axis=0) & ~self.kept_holds.all(axis=0)
        return {PHRASES[k][0]: auc(like[:, k], self.kept_holds[:, k]) for k in np.flatnonzero(both)}

    def save(self, folder: Path) -> None:
        """As transformers publishes it."""
        save(self.image, self.text, folder, start=self.wording.start, scale=float(np.log(self.recipe.scale)))


def towers(recipe: Pretraining, end: int) -> tuple[Tower, Tower]:
    """New towers of the image and of the text; `end`: the highest id of the tokenizer, the end token's."""
    width, words, out, phrases = recipe.width, recipe.text_width, recipe.features, len(PHRASES)
    if min(out, width // recipe.heads) < phrases or width // PLACES < recipe.heads + 1:
        raise ValueError(f"Pretraining: expected {phrases} features or more and a width of {phrases * recipe.heads} or "
                         f"more, for {phrases} phrases and {recipe.heads} patches, got {out} and {width}")
    image = Plan("clip-image", width, recipe.layers, recipe.heads, 4 * width, out=out, size=recipe.size,
                 patch=recipe.patch)
    text = Plan("clip-text", words, recipe.text_layers, max(words // 32, 1), 4 * words, out=out, vocab=end + 1, end=end,
                pool="end")
    return Tower(image), Tower(text)


def view(frames: Tensor, holds: np.ndarray, how: Views, rng: np.random.Generator) -> tuple[Tensor, np.ndarray]:
    """frames (B, 3, S, S) 0..1, holds bool (B, P) -> another view of each picture, and what holds for it."""
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
    """score (N,), true bool (N,), both kinds there -> the share of pairs that the score orders right."""
    hits = int(true.sum())
    return float((rankdata(score)[true].sum() - hits * (hits + 1) / 2) / (hits * (len(true) - hits)))


def _batches(count: int, size: int, steps: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Rows of `steps` batches, every epoch in another order."""
    order = np.empty(0, int)
    for _ in range(steps):
        while len(order) < min(size, count):
            order = np.concatenate([order, rng.permutation(count)])
        yield order[:size]
        order = order[size:]
