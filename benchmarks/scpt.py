"""What the parts of SCPT do, on synthesised people with known truth: no video is rendered, towers are tiny and random.

    python benchmarks/scpt.py [--quick] [--seeds N] [--first SEED] [--only confound | pulse] [--processes N]

Identity as a confound: each person has a texture of their own in the face and shows one class four times as often as
the other; the class is a weaker texture that all share; a third, as strong as the class, is drawn anew for every
window, and noise for every pixel. People who are judged are new and show both classes alike. Fresh probes, a linear one
and an MLP, read the person from the codes of other windows of the people learnt from, in which they show both classes
alike, so that the class tells nothing of the person: half of these teach the probe, half judge it. Chance is one in
the number of people. "less without": differences seed by seed.

Textures repeat patch by patch: a tower drawn at random makes a mean over patches of its class token, and anything else
would be lost on it. What is in that token at most, the first row says.

The pulse: each person has a resting rate of 55 to 90 bpm; high arousal is a rise of 20 bpm over it, windows vary by 3
bpm. The faces say nothing. People who are judged are new, their rest is not told: so the rate alone, cut where it is
best in training, says about how far any of these models can come; it stands beside them. In standard deviations: the
rise is 1.9 of the rates of one class.

All figures are means over seeds with 95 % confidence intervals (Student's t); a seed draws people, tower and training.
Defaults were found on seeds from 100 on; the table is that of 0 to 4.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from joblib import Parallel, delayed
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mien import tfr
from mien.batch import Batch
from mien.models.scpt import ABLATIONS, SCPT, Options
from mien.towers import Plan, Tower

SIDE, PATCH, FRAMES, RATE = 32, 8, 2, 30.0
PLAN = Plan("vit", 48, 3, 4, 96, size=SIDE, patch=PATCH)
PEOPLE, NEW, MANY = 8, 16, 100
SMALL = {"bottleneck": 16, "rank": 16, "tokens": 4, "dropout": 0.1, "smoothing": 0.0}
FULL = Options(**SMALL)
FACE = {name: replace(options, **SMALL) for name, options in ABLATIONS.items()}
LESS = "DSSA, its losses switched off"
"""Two branches as in DSSA, of which nothing asks anything; the ablation of the recipes lets both feed the stream."""

Values = dict[str, dict[str, float]]
"""Row -> column -> value, of one seed."""


@dataclass(frozen=True)
class World:
    """What is planted: how often a person shows their class; how strong identity, class and what changes from window to
    window are in the face; the rise of the heart rate in bpm with the class, 0: none."""

    lean: float = 0.8
    identity: float = 1.0
    shown: float = 0.5
    vary: float = 0.5
    rise: float = 0.0


@dataclass(frozen=True, eq=False)
class People:
    """N of them: `looks` (N, 3, S, S), `rest` (N,) bpm."""

    looks: np.ndarray
    rest: np.ndarray


def textures(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 3, S, S), the same in every patch, deviation 1."""
    one = rng.standard_normal((count, 3, PATCH, PATCH))
    one = one / one.std(axis=(1, 2, 3), keepdims=True)
    return np.tile(one, (1, 1, SIDE // PATCH, SIDE // PATCH))


def people(rng: np.random.Generator, count: int) -> People:
    return People(textures(rng, count), rng.uniform(55, 90, count))


def windows(world: World, rng: np.random.Generator, signs: np.ndarray, who: People, each: int, lean: float
            ) -> tuple[Batch, np.ndarray]:
    """`each` windows of every person -> batch, and the heart rates (N,) in bpm."""
    subject = np.repeat(np.arange(len(who.rest)), each)
    often = np.where(np.arange(len(who.rest)) % 2, lean, 1 - lean)
    target = (rng.random(len(subject)) < often[subject]).astype(np.int64)
    face = (world.identity * who.looks[subject] + world.vary * textures(rng, len(subject))
            + world.shown * np.where(target, 1, -1)[:, None, None, None] * signs)
    frames = face[:, None] + 0.5 * rng.standard_normal((len(subject), FRAMES, 3, SIDE, SIDE))
    bpm = who.rest[subject] + world.rise * target + 3 * rng.standard_normal(len(subject))
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
    kind = MLPClassifier((64,), max_iter=400, random_state=seed) if deep else LogisticRegression(max_iter=2000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the MLP would go on: 400 rounds are enough to read what is there
        found = make_pipeline(StandardScaler(), kind).fit(codes[::2], subject[::2])
    return float(found.score(codes[1::2], subject[1::2]))


def told(values: list[float]) -> str:
    """Mean and half of the confidence interval, in %."""
    mean = 100 * float(np.mean(values))
    if len(values) < 2:
        return f"{mean:.1f}"
    half = 100 * float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)
    return f"{mean:.1f} +- {half:.1f}"


def best(signs: np.ndarray, world: World, rng: np.random.Generator, judged: Batch, seed: int) -> float:
    """What a linear reading of the untouched tower's class token reaches on new people, taught on many, no confound."""
    torch.manual_seed(seed)
    plain = SCPT(Tower(PLAN), 2, 0, FACE["face only"]).eval()
    many, _ = windows(world, rng, signs, people(rng, MANY), 10, 0.5)
    with torch.no_grad():
        taught, given = (plain.read(batch).feature.numpy() for batch in (many, judged))
    reader = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(taught, many.target)
    return float(reader.score(given, judged.target))


def confound(seed: int, steps: int) -> Values:
    kinds = {"single adapter": FACE["+ single adapter"], LESS: replace(FULL, decouple=False),
             "DSSA": FULL, "DSSA, class token classified": replace(FULL, read="stream"),
             "DSSA, a learned adversary": replace(FULL, adversary="head", adversarial=0.25)}
    torch.set_num_threads(1)
    rng, world = np.random.default_rng(seed), World()
    signs, known = textures(rng, 1), people(rng, PEOPLE)
    taught, _ = windows(world, rng, signs, known, 60, world.lean)
    other, _ = windows(world, rng, signs, known, 60, 0.5)
    judged, _ = windows(world, rng, signs, people(rng, NEW), 30, 0.5)
    found: Values = {f"the plain tower, {MANY} people without the confound": {
        "new people": best(signs, world, rng, judged, seed)}}
    for name, options in kinds.items():
        model = trained(options, taught, steps, seed)
        found[name] = {"new people": accuracy(model, judged), "same people": accuracy(model, other)}
        if options.adapter == "dssa":
            for where, codes in zip(("shared", "specific"), model.codes(other), strict=True):
                for kind in ("linear", "MLP"):
                    found[name][f"{where}, {kind}"] = probe(codes.flatten(1).numpy(), other.subject.numpy(),
                                                            kind == "MLP", seed)
    with_, without = found["DSSA"], found[LESS]
    found["DSSA less without"] = {column: with_[column] - without[column] for column in with_}
    return found


def pulses(seed: int, steps: int) -> Values:
    kinds = {"face only": FACE["face only"], "+ time-frequency prompts": FACE["+ time-frequency prompts"],
             "SCPT": FULL, "SCPT, cross-attention": replace(FULL, prompts="xattn"),
             "SCPT, prepended tokens": replace(FULL, prompts="vpt"), "late fusion": FACE["late fusion"]}
    torch.set_num_threads(1)
    rng, world = np.random.default_rng(seed), World(lean=0.5, shown=0.0, rise=20.0)
    signs = textures(rng, 1)
    train, bpm = windows(world, rng, signs, people(rng, PEOPLE), 60, 0.5)
    judged, later = windows(world, rng, signs, people(rng, NEW), 30, 0.5)
    target, new = train.target.numpy().astype(bool), judged.target.numpy().astype(bool)
    cut = max(np.unique(bpm), key=lambda at: ((bpm > at) == target).mean())
    found: Values = {"the rate alone, cut as is best in training": {"new people": float(((later > cut) == new).mean())}}
    for name, options in kinds.items():
        model = trained(options, train, steps, seed)
        hidden = replace(judged, pulse_quality=torch.zeros(len(judged)))
        found[name] = {"new people": accuracy(model, judged), "the same, pulse missing": accuracy(model, hidden)}
    return found


def over(seeds: list[int], make: Callable[[int, int], Values], steps: int, processes: int
         ) -> dict[str, dict[str, list[float]]]:
    """Row -> column -> a value each seed."""
    each = Parallel(n_jobs=processes)(delayed(make)(seed, steps) for seed in seeds)
    return {name: {column: [one[name][column] for one in each] for column in row} for name, row in each[0].items()}


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
    parser.add_argument("--first", type=int, default=0, help="of the seeds")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--only", choices=("confound", "pulse"), default="")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    seeds, steps = (2, 40) if options.quick else (options.seeds, options.steps)
    chosen = list(range(options.first, options.first + seeds))
    start = time.perf_counter()
    print(f"`python benchmarks/scpt.py{' --quick' if options.quick else ''}`: seeds {chosen[0]} to {chosen[-1]}, "
          f"{steps} steps, {PEOPLE} people to learn from, {NEW} new ones, accuracy in %\n")
    if options.only != "pulse":
        table(f"identity planted as a confound (chance of a probe {100 / PEOPLE:.1f})",
              over(chosen, confound, steps, options.processes))
    if options.only != "confound":
        table("arousal only in a rise of 20 bpm (chance 50.0)", over(chosen, pulses, steps, options.processes))
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
