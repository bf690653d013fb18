"""Can DuSE learn the order of events, and from which initial amplitude of the frame's sinusoid?

    python benchmarks/order.py [--seeds 2] [--steps 400]

Six classes: two of three textures, one after the other, in two of eight frames of noise. The tower is the tiny random
CLIP, so the sinusoid of the first visual prompts is the only carrier of time. Accuracy on new clips in %, the same with
the frames in reverse, and the amplitude after training. Chance is 16.7 %.
"""

from __future__ import annotations

import argparse
from itertools import permutations

import numpy as np
import torch

from mien import checkpoints
from mien.core.batch import Batch
from mien.recipes import RECIPES, tiny_recipe
from mien.recipes.overrides import override

FRAMES, SIDE, TRAIN, TEST, BATCH, RATE = 8, 32, 480, 240, 16, 3e-3
PAIRS = tuple(permutations(range(3), 2))
PHASES = (0.03, 0.3, 1.0)


def clips(rng: np.random.Generator, count: int, textures: np.ndarray) -> Batch:
    """Clips in which two textures appear in the order of the class."""
    target, frames = rng.integers(0, len(PAIRS), count), np.full((count, FRAMES, 3, SIDE, SIDE), 128.0)
    for clip, label in zip(frames, target, strict=True):
        for place, texture in zip(np.sort(rng.choice(FRAMES, 2, replace=False)), PAIRS[label], strict=True):
            clip[place] += 45 * textures[texture]
    frames += rng.normal(0, 10, frames.shape)
    return Batch(frames=torch.tensor(np.clip(frames, 0, 255), dtype=torch.uint8), target=torch.tensor(target))


def run(phase: float, seed: int, steps: int) -> list[str]:
    """Train one model -> the cells of its row."""
    rng = np.random.default_rng(seed)
    textures = rng.normal(0, 1, (3, 3, SIDE, SIDE))
    train, test = (clips(rng, count, textures) for count in (TRAIN, TEST))
    recipe = override(tiny_recipe(RECIPES["duse/dfew"]), {"options.phase": str(phase)})
    model = checkpoints.build_model(recipe, recipe.task, checkpoints.load_towers(recipe), seed).train()
    adam = torch.optim.Adam([value for value in model.parameters() if value.requires_grad], RATE)
    order = np.random.default_rng(seed)
    for _ in range(steps):
        rows = order.choice(TRAIN, BATCH)
        adam.zero_grad()
        model.loss(Batch(frames=train.frames[rows], target=train.target[rows]))["cross_entropy"].backward()
        adam.step()
    model.eval()
    with torch.no_grad():
        right = [100 * float((model(Batch(frames=frames)).argmax(dim=1) == test.target).float().mean())
                 for frames in (test.frames, test.frames.flip(1))]
    return [str(seed), f"{phase:g}", *(f"{value:.1f}" for value in right), f"{model.htpc.phase.item():.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| seed | initial amplitude | new clips | reversed | amplitude after training |\n|" + " --- |" * 5)
    for seed in range(options.seeds):
        for phase in PHASES:
            print(f"| {' | '.join(run(phase, seed, options.steps))} |", flush=True)


if __name__ == "__main__":
    main()
