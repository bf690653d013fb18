"""MVP: what length costs, whether two events far apart are joined, whether pre-training of VideoMAE helps.

    python benchmarks/mvp.py [length] [xor] [videomae] [--quick]

length: forward and backward of a batch of 16 trials, the model of the recipes, each measured in a process of its own.
xor: people whose face does something or not and whose skin responds or not, 40 s apart; the label is whether exactly
one of the two happens. Neither alone says anything of it. Series are synthesised directly; test people are unseen.
videomae: clips of rendered people who begin to smile or to frown; a small tower is pre-trained on clips without labels
and fine-tuned on few with them, against the same tower from scratch. All three groups are different people.
"""

from __future__ import annotations

import argparse
import copy
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context

import joblib
import numpy as np
import torch

from mien import synthetic
from mien.batch import Batch
from mien.lookalikes import acting
from mien.models.mvp import MVP, Options
from mien.models.videomae import Judging, Masked
from mien.models.videomae import learn as learn_clips
from mien.tasks import ACTION_UNITS
from mien.towers import Plan, Tower

BATCH = 16
SEEDS = range(5)
APART = 40.0  # s from one event to the other


# ------------------------------------------------------------------------------------------------------------ length
def measure(seconds: float) -> dict[str, float]:
    """Forward and backward of one batch -> s (the best of three) and MiB by which the process grew."""
    torch.manual_seed(0)
    model, options = MVP(Options(seconds=seconds)), Options(seconds=seconds)
    samples, rows = round(seconds * options.rate), round(seconds / options.step)
    batch = Batch(signals=torch.randn(BATCH, 3, samples), signals_mask=torch.ones(BATCH, samples, dtype=torch.bool),
                  video=torch.rand(BATCH, rows, options.features), video_mask=torch.ones(BATCH, rows, dtype=torch.bool),
                  target=torch.arange(BATCH) % 2)
    model.train()
    before, times = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
    for _ in range(4):
        model.zero_grad()
        start = time.perf_counter()
        model.loss(batch)["cross_entropy"].backward()
        times.append(time.perf_counter() - start)
    return {"time": min(times[1:]), "growth": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}


def length(quick: bool) -> None:
    """The table of what length costs."""
    found = {}
    for seconds in (60, 120) if quick else (30, 60, 120, 240):
        told = subprocess.run([sys.executable, __file__, "--measure", str(seconds)], check=True, capture_output=True,
                              text=True).stdout
        found[seconds] = json.loads(told)
    print(f"\nForward and backward, batch {BATCH}, {torch.get_num_threads()} threads\n")
    print("| input | time, s | against half of it | growth of memory, MiB | against half of it |\n"
          "|---|---|---|---|---|")
    for seconds, one in found.items():
        half = found.get(seconds // 2)
        ratio = [f"{one[name] / half[name]:.2f}" if half else "" for name in ("time", "growth")]
        print(f"| {seconds} s | {one['time']:.2f} | {ratio[0]} | {one['growth']:.0f} | {ratio[1]} |")
    print("\nAsked for: 120 s at most 2.5 times the time and 2.2 times the growth of 60 s.", flush=True)


# --------------------------------------------------------------------------------------------------------------- xor
RATE, SECONDS = 128.0, 60.0
TRAIN, TEST = (0, 80, 24), (1000, 20, 12)  # first person, people, trials of each
DONE = 0.1  # loss of training at which all is learnt
RATE_OF_LEARNING, WARM, CALM = 2e-3, 50, 100  # the rate, steps in which it rises, and in which it falls


@dataclass(frozen=True, eq=False)
class People:
    """Trials: signals (N, 2, T) ppg and eda, video (N, S, A), target (N,)."""

    signals: torch.Tensor
    video: torch.Tensor
    target: torch.Tensor


@lru_cache
def people(first: int, count: int, each: int) -> People:
    """`each` trials of the people numbered first, first + 1, ...; a person has rate, levels, strengths of their own."""
    parts = [person(number, each) for number in range(first, first + count)]
    return People(*(torch.from_numpy(np.concatenate([part[i] for part in parts])) for i in range(3)))


def person(number: int, each: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trials of one person, all four combinations of the two events equally often."""
    rng = np.random.default_rng([7, number])
    rest, smile = rng.uniform(0, 0.4, len(ACTION_UNITS)), rng.uniform(2, 4)
    pulse, level, response = rng.uniform(55, 95) / 60, rng.uniform(2, 12), rng.uniform(0.4, 1.2)
    t, s = np.arange(int(SECONDS * RATE)) / RATE, np.arange(int(SECONDS * 5)) / 5
    combinations = rng.permutation(np.arange(each) % 4)
    signals, video = np.empty((each, 2, len(t)), np.float32), np.empty((each, len(s), len(rest)), np.float32)
    for k, which in enumerate(combinations):
        early = rng.uniform(4, 14)
        late = early + APART
        face, skin = (early, late) if rng.random() < 0.5 else (late, early)
        phase = 2 * np.pi * np.cumsum(pulse + 0.05 * np.sin(2 * np.pi * 0.1 * t + rng.uniform(0, 6))) / RATE
        signals[k, 0] = np.sin(phase) + 0.4 * np.sin(2 * phase + 1) + 0.1 * rng.standard_normal(len(t))
        drift = np.cumsum(rng.standard_normal(len(t))) * 0.0006
        since = np.clip(t - skin, 0, None)
        rise = (np.exp(-since / 4) - np.exp(-since / 0.8)) * response  # of a skin conductance response
        signals[k, 1] = level + drift + rise * (which % 2) + 0.004 * rng.standard_normal(len(t))
        values = rest + 0.25 * rng.standard_normal((len(s), len(rest)))
        for name in ("AU25", "AU45", "AU04"):  # what faces do anyway
            for when in rng.uniform(0, SECONDS, 4):
                values[:, ACTION_UNITS.index(name)] += 2 * (np.abs(s - when) < 0.5)
        for name in ("AU06", "AU12"):
            values[:, ACTION_UNITS.index(name)] += smile * (which // 2) * np.exp(-(((s - face) / 2.5) ** 2))
        video[k] = np.clip(values, 0, 5)
    return signals, video, (combinations % 2 ^ combinations // 2).astype(np.int64)


ARMS = {
    "MVP, 60 s": {}, "MVP, 10 s": {"seconds": 10.0},
    "video alone, 60 s": {"modality": "video"}, "physiology alone, 60 s": {"modality": "physio"},
}
SMALL = Options(signals=("ppg", "eda"), seconds=SECONDS, width=64, layers=1, video_layers=1, fusion_layers=1,
                attention_heads=2, inner=128, dropout=0.0, head_dropout=0.0, noise=0.0, forget=0.0, smoothing=0.0)


def cut(of: People, rows: torch.Tensor, starts: np.ndarray, seconds: float) -> Batch:
    """Windows of these trials that begin at `starts` s."""
    if seconds == SECONDS:
        return Batch(signals=of.signals[rows], video=of.video[rows], target=of.target[rows])
    sound = [of.signals[row, :, round(start * RATE) :][:, : round(seconds * RATE)]
             for row, start in zip(rows, starts, strict=True)]
    seen = [of.video[row, round(start * 5) :][: round(seconds * 5)] for row, start in zip(rows, starts, strict=True)]
    return Batch(signals=torch.stack(sound), video=torch.stack(seen), target=of.target[rows])


def learn(options: Options, train: People, seed: int, steps: int, size: int = 24) -> MVP:
    """Train from scratch on windows at random places: at one rate until the loss stays below `DONE` or the steps but
    the last `CALM` are over, then down to nothing in these."""
    torch.manual_seed(seed)
    rng, model, losses = np.random.default_rng(seed), MVP(options), []
    adam = torch.optim.AdamW(model.parameters(), RATE_OF_LEARNING, weight_decay=0.01)
    order: list[int] = []
    last = steps
    for step in range(steps):
        if last == steps and step >= 30 and np.mean(losses[-30:]) < DONE:
            last = min(step + CALM, steps)
        if step >= last:
            break
        for group in adam.param_groups:
            group["lr"] = RATE_OF_LEARNING * min((step + 1) / WARM, (last - step) / CALM, 1)
        order = order if len(order) >= size else rng.permutation(len(train.target)).tolist()
        rows, order = torch.tensor(order[:size]), order[size:]
        starts = rng.integers(0, int(SECONDS - options.seconds) * 5 + 1, size) / 5
        adam.zero_grad()
        loss = model.loss(cut(train, rows, starts, options.seconds))["cross_entropy"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        losses.append(float(loss.detach()))
    return model.eval()


def attempt(name: str, seed: int, steps: int) -> float:
    """% of unseen people's trials that are right."""
    torch.set_num_threads(1)
    return 100 * judge(learn(replace(SMALL, **ARMS[name]), people(*TRAIN), seed, steps), people(*TEST))


@torch.no_grad()
def judge(model: MVP, test: People) -> float:
    """Share of trials that are right; shorter windows, one after the other, are averaged over the trial."""
    seconds = model.options.seconds
    rows = torch.arange(len(test.target))
    probs = [model(cut(test, rows, np.full(len(rows), start), seconds)).softmax(dim=-1)
             for start in np.arange(0, SECONDS - seconds + 1e-6, seconds)]
    return float((torch.stack(probs).mean(dim=0).argmax(dim=-1) == test.target).float().mean())


def xor(quick: bool) -> None:
    """The table of the two events."""
    steps, seeds = (300, range(1)) if quick else (600, SEEDS)
    torch.set_num_threads(1)
    people(*TRAIN)
    target = people(*TEST).target
    chance = 100 * max(float((target == k).float().mean()) for k in (0, 1))
    print(f"\nXOR of two events {APART:g} s apart: {TRAIN[1] * TRAIN[2]} trials of {TRAIN[1]} people, {len(target)} of "
          f"{TEST[1]} others, {steps} steps at most\n")
    print("| input | accuracy on unseen people, % | lowest | highest | chance | seeds |\n|---|---|---|---|---|---|")
    jobs = [(name, seed) for name in ARMS for seed in seeds]
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:  # which shares the people that are made here
        scores = list(pool.map(attempt, *zip(*((name, seed, steps) for name, seed in jobs), strict=True)))
    for name in ARMS:
        found = [score for (arm, _), score in zip(jobs, scores, strict=True) if arm == name]
        print(f"| {name} | {np.mean(found):.1f} | {min(found):.1f} | {max(found):.1f} | {chance:.1f} | "
              f"{len(found)} |", flush=True)


# ---------------------------------------------------------------------------------------------------------- videomae
SIDE, FRAMES, EACH = 32, 8, 6  # px, frames of a clip, clips of a person
PLAN = Plan("videomae", 64, 4, 2, 128, size=SIDE, patch=4, frames=FRAMES, pool="norm-mean")
MOVES = (("AU06", "AU12"), ("AU04", "AU15"))


def film(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Clips of one rendered person (EACH, T, S, S, 3), and which of `MOVES` begins in each."""
    rng = np.random.default_rng([11, number])
    target, count = rng.permutation(np.arange(EACH) % 2), EACH * FRAMES
    strengths = {name: np.zeros(count) for names in MOVES for name in names}
    for k, which in enumerate(target):
        for name in MOVES[which]:
            strengths[name][k * FRAMES : (k + 1) * FRAMES] = np.linspace(0, rng.uniform(1.5, 4), FRAMES)
    pose = np.repeat(rng.normal(0, 1, (EACH, 3)), FRAMES, axis=0) * (4, 9, 4)
    actor = synthetic.Actor(synthetic.identity(number), aus=strengths, pose=pose, pulse=None, respiration=None,
                            position=(SIDE / 2, 0.47 * SIDE), scale=acting.ALIGNED * SIDE / 480)
    scene = synthetic.Scene((actor,), size=(SIDE, SIDE), fps=25, seconds=count / 25, light=float(rng.uniform(0.7, 1.1)),
                            seed=number)
    pictures = np.stack([frame.rgb for frame in scene.frames()])[:count]
    return pictures.reshape(EACH, FRAMES, SIDE, SIDE, 3), target


def films(first: int, count: int) -> Batch:
    """Clips of the people numbered first, first + 1, ..."""
    found = joblib.Parallel(n_jobs=2)(joblib.delayed(film)(number) for number in range(first, first + count))
    clips = torch.from_numpy(np.concatenate([one for one, _ in found])).permute(0, 1, 4, 2, 3).contiguous()
    return Batch(frames=clips, target=torch.from_numpy(np.concatenate([target for _, target in found])))


def batches(of: Batch, size: int, seed: int) -> Iterator[Batch]:
    """For ever, every clip once a round."""
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(len(of))
        for first in range(0, max(len(of) - size, 0) + 1, size):
            rows = torch.from_numpy(order[first : first + size])
            yield Batch(frames=of.frames[rows], target=of.target[rows])


def videomae(quick: bool) -> None:
    """The table of the pre-trained tower against the one from scratch."""
    unlabelled, test = films(0, 8 if quick else 80), films(3000, 4 if quick else 40)
    steps, tuning, seeds = (40, 10, range(1)) if quick else (1500, 60, SEEDS)
    torch.manual_seed(0)
    tower = Tower(PLAN)
    losses = learn_clips(Masked(tower, width=32, layers=2, heads=1), batches(unlabelled, 32, 0), steps, 2e-3)
    first, last = np.mean(losses[:20]), np.mean(losses[-20:])
    print(f"\nVideoMAE, {len(unlabelled)} clips without labels, {steps} steps: loss of hidden pixels {first:.3f} "
          f"at first, {last:.3f} at last (1 is what their mean gives)\n")
    print("| clips with labels | tower | accuracy on unseen people, % | lowest | highest | chance | seeds |\n"
          "|---|---|---|---|---|---|---|", flush=True)
    chance = 100 * max(float((test.target == k).float().mean()) for k in (0, 1))
    for labelled in (2, 6):
        found: dict[str, list[float]] = {"pre-trained": [], "from scratch": []}
        for seed in seeds:
            few = films(2000 + 10 * seed, labelled)
            for name, begin in (("pre-trained", tower), ("from scratch", None)):
                torch.manual_seed(seed)
                model = Judging(Tower(PLAN) if begin is None else copy.deepcopy(begin))
                learn_clips(model, batches(few, 12, seed), tuning * labelled // 2, 1e-3, beta=0.999)
                with torch.no_grad():
                    right = model(test).argmax(dim=-1) == test.target
                found[name].append(100 * float(right.float().mean()))
        for name, each in found.items():
            print(f"| {labelled * EACH} of {labelled} people | {name} | {np.mean(each):.1f} | {min(each):.1f} | "
                  f"{max(each):.1f} | {chance:.1f} | {len(each)} |", flush=True)


def main() -> None:
    """What is asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--measure", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure)))
        return
    for name, part in {"length": length, "xor": xor, "videomae": videomae}.items():
        if name in (given.parts or [name]):
            start = time.perf_counter()
            part(given.quick)
            print(f"\n{time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
