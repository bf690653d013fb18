"""What the parts of SCPT do, on synthesised people with known truth: no video is rendered, towers are tiny and random.

    python benchmarks/scpt.py [--quick] [--seeds N]

Identity as a confound: each person has a pattern of their own in the face, and shows one class four times as often as
the other; the class itself is a weak pattern that all share. People who are judged are new and show both classes
alike. Fresh probes, a linear one and an MLP, read the person from the codes of windows that nothing was trained on:
half of these windows teach the probe, half judge it. Chance is one in the number of people.

The pulse: each person has a resting rate of 55 to 90 bpm; high arousal is a rise of 20 bpm over it, windows vary by 3
bpm. The faces say nothing. People who are judged are new, their rest is not told: so the rate alone, cut where it is
best, bounds what any of these models can reach; it stands beside them.

All figures are means over seeds with 95 % confidence intervals (Student's t); a seed draws people, tower and training.
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mien import tfr
from mien.batch import Batch
from mien.models.scpt import ABLATIONS, SCPT, Options
from mien.towers import Plan, Tower

SIDE, FRAMES, RATE = 32, 2, 30.0
PLAN = Plan("vit", 48, 3, 4, 96, size=SIDE, patch=8)
PEOPLE, NEW = 8, 16
SMALL = {"bottleneck": 16, "rank": 16, "tokens": 4, "dropout": 0.1, "smoothing": 0.0}


@dataclass(frozen=True)
class World:
    """What is planted: how often a person shows their class, how strong identity and class are in the face; the rise of
    the heart rate in bpm with the class, 0: none."""

    lean: float = 0.8
    identity: float = 1.0
    shown: float = 0.25
    rise: float = 0.0


def smooth(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 3, S, S) patterns of a few waves, deviation 1."""
    coarse = torch.from_numpy(rng.standard_normal((count, 3, 5, 5)))
    fine = torch.nn.functional.interpolate(coarse, SIDE, mode="bicubic").numpy()
    return fine / fine.std(axis=(1, 2, 3), keepdims=True)


def windows(world: World, rng: np.random.Generator, signs: np.ndarray, people: int, each: int, lean: float
            ) -> tuple[Batch, np.ndarray]:
    """`each` windows of every one of new people -> batch, and the heart rates (N,) in bpm."""
    looks, rest = smooth(rng, people), rng.uniform(55, 90, people)
    subject = np.repeat(np.arange(people), each)
    often = np.where(np.arange(people) % 2, lean, 1 - lean)
    target = (rng.random(len(subject)) < often[subject]).astype(np.int64)
    face = world.identity * looks[subject] + world.shown * np.where(target, 1, -1)[:, None, None, None] * signs
    frames = face[:, None] + 0.5 * rng.standard_normal((len(subject), FRAMES, 3, SIDE, SIDE))
    bpm = rest[subject] + world.rise * target + 3 * rng.standard_normal(len(subject))
    phase = 2 * np.pi * (bpm[:, None] / 60 * np.arange(300) / RATE + rng.random((len(subject), 1)))
    waves = np.sin(phase) + 0.3 * np.sin(2 * phase) + 0.5 * rng.standard_normal(phase.shape)
    image = tfr.image(torch.tensor(waves, dtype=torch.float32), RATE, (SIDE, SIDE))
    pixels = torch.tensor(np.clip(128 + 30 * frames, 0, 255), dtype=torch.uint8)
    return Batch(frames=pixels, tfr=image, pulse_quality=torch.ones(len(subject)), target=torch.tensor(target),
                 subject=torch.tensor(subject)), bpm


def rows(batch: Batch, index: np.ndarray) -> Batch:
    """Some rows of a batch, in any order."""
    chosen = torch.from_numpy(index)
    names = ("frames", "tfr", "pulse_quality", "target", "subject")
    return Batch(**{name: getattr(batch, name)[chosen] for name in names})


def trained(options: Options, train: Batch, steps: int, seed: int) -> SCPT:
    """AdamW, P 4 people x K 4 windows a batch."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = SCPT(Tower(PLAN), 2, PEOPLE, options).train()
    learning = [value for value in model.parameters() if value.requires_grad]
    adam = torch.optim.AdamW(learning, 3e-3, weight_decay=0.01)
    curve = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    own = [np.flatnonzero(train.subject.numpy() == who) for who in range(PEOPLE)]
    for step in range(steps):
        model.progress = step / steps
        people = rng.choice(PEOPLE, 4, replace=False)
        index = np.concatenate([rng.choice(own[who], 4, replace=False) for who in people])
        adam.zero_grad()
        torch.stack(list(model.loss(rows(train, index)).values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        adam.step()
        curve.step()
    return model.eval()


@torch.no_grad()
def accuracy(model: SCPT, batch: Batch) -> float:
    return float((model(batch).argmax(dim=1) == batch.target).float().mean())


def probe(codes: np.ndarray, subject: np.ndarray, deep: bool, seed: int) -> float:
    """A fresh probe of the person, taught on every other window -> accuracy on the others."""
    kind = (MLPClassifier((64,), max_iter=400, random_state=seed) if deep
            else LogisticRegression(max_iter=2000))
    found = make_pipeline(StandardScaler(), kind).fit(codes[::2], subject[::2])
    return float(found.score(codes[1::2], subject[1::2]))


def told(values: list[float]) -> str:
    """Mean and half of the confidence interval, in %."""
    mean = 100 * float(np.mean(values))
    if len(values) < 2:
        return f"{mean:.1f}"
    half = 100 * float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)
    return f"{mean:.1f} +- {half:.1f}"


def confound(seeds: int, steps: int) -> dict[str, dict[str, list[float]]]:
    """Row -> column -> a value each seed."""
    full = Options(**SMALL)
    kinds = {"single adapter": replace(ABLATIONS["+ single adapter"], **SMALL),
             "DSSA without its losses": replace(full, decouple=False), "DSSA": full,
             "DSSA, ten times the adversary": replace(full, adversarial=2.5),
             "the same, shared codes classified": replace(full, read="shared", adversarial=2.5)}
    found: dict[str, dict[str, list[float]]] = {}
    for seed in range(seeds):
        rng, world = np.random.default_rng(seed), World()
        signs = smooth(rng, 1)
        taught, _ = windows(world, rng, signs, PEOPLE, 60, world.lean)
        own = taught.subject.numpy()
        late = np.concatenate([np.flatnonzero(own == who)[30:] for who in range(PEOPLE)])  # other trials
        early = np.setdiff1d(np.arange(len(own)), late)
        judged, _ = windows(world, rng, signs, NEW, 30, 0.5)
        for name, options in kinds.items():
            model = trained(options, rows(taught, early), steps, seed)
            row = found.setdefault(name, {})
            values = {"new people": accuracy(model, judged), "same people": accuracy(model, rows(taught, late))}
            if options.adapter == "dssa":
                shared, specific = (code.numpy() for code in model.codes(rows(taught, late)))
                for where, codes in (("shared", shared), ("specific", specific)):
                    for deep in (False, True):
                        kind = "MLP" if deep else "linear"
                        values[f"{where}, {kind}"] = probe(codes.reshape(len(codes), -1), own[late], deep, seed)
            for column, value in values.items():
                row.setdefault(column, []).append(value)
    return found


def pulses(seeds: int, steps: int) -> dict[str, dict[str, list[float]]]:
    """Row -> column -> a value each seed."""
    kinds = {"face only": ABLATIONS["face only"],
             "+ time-frequency prompts": ABLATIONS["+ time-frequency prompts"], "SCPT": Options(),
             "SCPT, cross-attention": Options(prompts="xattn"), "SCPT, prepended tokens": Options(prompts="vpt"),
             "late fusion": ABLATIONS["late fusion"]}
    found: dict[str, dict[str, list[float]]] = {}
    for seed in range(seeds):
        rng, world = np.random.default_rng(seed), World(lean=0.5, shown=0.0, rise=20.0)
        signs = smooth(rng, 1)
        train, bpm = windows(world, rng, signs, PEOPLE, 60, 0.5)
        judged, later = windows(world, rng, signs, NEW, 30, 0.5)
        target, new = train.target.numpy().astype(bool), judged.target.numpy().astype(bool)
        cut = max(np.unique(bpm), key=lambda at: ((bpm > at) == target).mean())
        found.setdefault("the rate alone, cut as is best in training", {}).setdefault("new people", []).append(
            float(((later > cut) == new).mean()))
        for name, options in kinds.items():
            model = trained(replace(options, **SMALL), train, steps, seed)
            row = found.setdefault(name, {})
            row.setdefault("new people", []).append(accuracy(model, judged))
            hidden = replace(judged, pulse_quality=torch.zeros(len(judged)))
            row.setdefault("the same, pulse missing", []).append(accuracy(model, hidden))
    return found


def table(first: str, found: dict[str, dict[str, list[float]]]) -> None:
    columns = list(dict.fromkeys(column for row in found.values() for column in row))
    print(f"| {first} | {' | '.join(columns)} |")
    print("|---" * (len(columns) + 1) + "|")
    for name, row in found.items():
        print(f"| {name} | {' | '.join(told(row[column]) if column in row else '-' for column in columns)} |")
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two seeds and few steps: does it run?")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--only", choices=("confound", "pulse"), default="")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module="sklearn")
    torch.set_num_threads(1)
    seeds, steps = (2, 40) if options.quick else (options.seeds, options.steps)
    start = time.perf_counter()
    print(f"`python benchmarks/scpt.py{' --quick' if options.quick else ''}`: {seeds} seeds, {steps} steps, {PEOPLE} "
          f"people to learn from, {NEW} new ones, accuracy in %\n")
    if options.only != "pulse":
        table(f"identity planted as a confound (chance of a probe {100 / PEOPLE:.1f})", confound(seeds, steps))
    if options.only != "confound":
        table("arousal only in a rise of 20 bpm (chance 50.0)", pulses(seeds, steps))
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
