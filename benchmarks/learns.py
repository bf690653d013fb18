"""Does DuSE learn? A small CLIP, pre-trained on captions of synthetic people, then DuSE on the DFEW lookalike.

    python benchmarks/learns.py [--quick]

The small CLIP is that of `mien train clip/synthetic`: it sees people that the lookalike does not have and reads
captions that name single movements, pose and light, never an expression. Its towers then stay frozen. DuSE learns from
the clips of four parts of the lookalike and is judged on those of the fifth, whose people it has not seen. A control
learns the same clips with their labels exchanged at random: it must stay at chance. --quick: fewer people, no control.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from mien import checkpoints
from mien.datasets.labels import Targets
from mien.preprocessing.cache import Cache
from mien.recipes import RECIPES
from mien.recipes.clip import PRETRAINING
from mien.recipes.overrides import override
from mien.recipes.recipe import Recipe
from mien.simulation import datasets
from mien.training.data_module import DataModule, load_data
from mien.training.loop import fit
from mien.training.pretrain_clip import pretrain

LEARN = {"augment.on": "False", "schedule.batch": "8", "schedule.epochs": "55", "schedule.rate": "0.005",
         "schedule.milestones": "0.85"}
"""Of DuSE: every clip as it is, a rate for few steps; chosen on people that neither the CLIP nor the lookalike has, the
size of a batch by what is right in train."""


def right(model: checkpoints.Predictor, targets: Targets, cache: Cache) -> np.ndarray:
    """Whether each clip is named right (N,) bool."""
    result = [model.predict_window(cache.clip(trial)).argmax() for trial in targets.trials]
    return np.array(result) == targets.target


def reported(name: str, train: np.ndarray, test: np.ndarray, seconds: float) -> str:
    """A row of the table: accuracies, and the interval of Wilson (1927) on test."""
    low, high = wilson(int(test.sum()), len(test))
    return (f"| {name} | {train.mean():.1%} of {len(train)} | {test.mean():.1%} of {len(test)} "
            f"| {low:.0%} to {high:.0%} | {seconds:.0f} s |")


def wilson(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share."""
    middle = hits / count + z * z / (2 * count)
    width = z * float(np.sqrt(hits * (count - hits) / count**3 + z * z / (4 * count**2)))
    return (middle - width) / (1 + z * z / count), (middle + width) / (1 + z * z / count)


def shuffled(targets: Targets) -> Targets:
    """The same trials, their labels exchanged at random."""
    return replace(targets, target=np.random.default_rng(0).permutation(targets.target))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--size", type=int, default=105)
    parser.add_argument("--seed", type=int, default=0, help="of the lookalike, the small CLIP and DuSE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        run(Path(place), arguments.quick, 70 if arguments.quick else arguments.size, arguments.seed)


def run(place: Path, quick: bool, size: int, seed: int) -> None:
    """All of it, below `place`."""
    started, workers = time.perf_counter(), min(os.cpu_count() or 1, 2)
    recipe = override(RECIPES["duse/dfew"], {**LEARN, "tower": str(place / "clip")})
    datasets.LOOKALIKES["dfew"](place / "dfew", size=size, seed=seed, variant="peers", workers=workers)
    training_data = load_data(recipe, place / "dfew", place / "cache", "1", workers=workers)
    pictured = [trial for trial in training_data.fold.test if training_data.cache.entries[trial.id].pictures]
    test = training_data.train.rule(pictured)
    made = time.perf_counter()
    small = override(PRETRAINING["clip/synthetic"], {"people": "200"} if quick else {})
    clip = pretrain(small, place / "clip", seed=seed, device="cpu", workers=workers)
    pretrained = time.perf_counter()
    print("| model | right in train | right on people not seen | 95 % interval | learning took |")
    print("| --- | --- | --- | --- | --- |")
    cache = training_data.cache
    zero = checkpoints.zero_shot(str(clip.folder), precision="32")
    print(reported("small CLIP, zero-shot", right(zero, training_data.train, cache), right(zero, test, cache),
               pretrained - made))
    learn("DuSE", recipe, training_data, training_data.train, test, place / "duse", seed)
    if not quick:
        learn("DuSE, labels exchanged", recipe, training_data, shuffled(training_data.train), test, place / "control",
              seed)
    most, curve = np.bincount(test.target).max() / len(test.target), np.mean(list(clip.auc.values()))
    print(f"\nChance is {1 / 7:.1%}, the most frequent class {most:.1%}. The lookalike was drawn and prepared in "
          f"{made - started:.0f} s. The small CLIP: {small.people * small.pictures} pictures of {small.people} people; "
          f"on people not learnt from, area under the curve {curve:.2f}, mean over {len(clip.auc)} phrases. All of it "
          f"took {time.perf_counter() - started:.0f} s on {workers} cores. Command: python benchmarks/learns.py"
          f"{' --quick' if quick else ''}{f' --seed {seed}' if seed else ''}")


def learn(name: str, recipe: Recipe, data: DataModule, train: Targets, test: Targets, out: Path, seed: int) -> None:
    """Train, score the last epoch, print a row."""
    started = time.perf_counter()
    result = fit(recipe, train, replace(train, trials=(), target=np.empty(0, np.int64)), data.cache.clip, out,
                seed=seed, device="cpu", precision="32")
    seconds = time.perf_counter() - started
    model = checkpoints.load(result.last, precision="32")
    print(reported(name, right(model, train, data.cache), right(model, test, data.cache), seconds), flush=True)


if __name__ == "__main__":
    main()
