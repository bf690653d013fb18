"""VideoMAE: does pre-training lower the loss, and does the fine-tuned tower beat the same tower from scratch?

    python benchmarks/videomae.py [--task turn|mouth|smile|brows] [--quick]

Clips of rendered people in which the head turns, the mouth opens or closes, a smile comes or goes, brows rise or fall,
all four in every clip, each in either direction. A task is the direction of one of them, the others disturb. A clip
backwards is as likely as forwards: the pictures without their order tell nothing, but which of them come first does.
Three groups of people: without labels for pre-training, with labels for fine-tuning, and those judged. Size of picture,
rates, steps and the task were chosen on the labels of people numbered 2000 to 2159 and 3000 to 3039, who are in none of
the three. Every tower is given the same clips, cuts, steps and rate; only where it begins differs.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import cv2
import joblib
import numpy as np
import torch
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from mien import simulation
from mien.backbones.config import BackboneConfig
from mien.backbones.tower import Tower, normalise_pixels
from mien.core.batch import Batch
from mien.models.videomae import MaskedVideoMAE, VideoMAEClassifier, pretrain_step
from mien.simulation.datasets import acted_video

SIDE, DRAWN, FRAMES = 32, 36, 8  # px seen, px drawn (what is seen is cut at random places), frames
PLAN = BackboneConfig("videomae", 64, 4, 2, 256, size=SIDE, patch=8, frames=FRAMES, pool="norm-mean")
SHARE = 0.75  # our choice: of 16 places; nine tenths, the paper's of 196, would leave 2
TASKS = ("turn", "mouth", "smile", "brows")
FIRST = {"pre-training": 0, "labelled": 5000, "test": 7000}
RATES = {"pre-training": 2e-3, "fine-tuning": 1e-3}
LONGER = 3  # times the steps, so that a tower from scratch is not merely unfinished


@dataclass(frozen=True)
class Size:
    """How many people of each group, clips of each, steps, seeds."""

    unlabelled: int = 150
    each: int = 16
    labelled: int = 8
    few: int = 8
    test: int = 40
    steps: int = 2200
    tuning: int = 250
    many: int = 1000
    seeds: int = 5


QUICK = Size(unlabelled=8, each=4, labelled=2, few=4, test=4, steps=30, tuning=8, many=10, seeds=2)


# ------------------------------------------------------------------------------------------------------------- videos
def path(rng: np.random.Generator, low: float, high: float, rises: bool) -> np.ndarray:
    """(T,) from low to high, or the other way round, at a moment and a pace of its own."""
    middle, width = rng.uniform(0.4, 0.6), rng.uniform(0.2, 0.4)
    done = np.clip((np.linspace(0, 1, FRAMES) - middle) / (2 * width) + 0.5, 0, 1)
    risen = low + (high - low) * done**2 * (3 - 2 * done)
    return risen if rises else risen[::-1]


def render(number: int, each: int) -> tuple[np.ndarray, np.ndarray]:
    """Clips of one person (each, T, 3, S, S), and the directions (each, tasks)."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng([11, number])
    labels = np.stack([rng.permutation(np.arange(each) % 2) for _ in TASKS], 1)
    aus = {name: np.zeros((each, FRAMES)) for name in ("AU26", "AU12", "AU01", "AU02")}
    pose = np.zeros((each, FRAMES, 3))
    for k, (turn, mouth, smile, brows) in enumerate(labels):
        middle, swing = rng.uniform(-8, 8), rng.uniform(4, 12)
        pose[k, :, 1] = path(rng, middle - swing, middle + swing, turn)
        for axis, drift in ((0, 3), (2, 2)):
            pose[k, :, axis] = rng.normal(0, 3) + np.linspace(-1, 1, FRAMES) * rng.normal(0, drift)
        aus["AU26"][k] = path(rng, rng.uniform(0, 0.8), rng.uniform(2.5, 5), mouth)
        aus["AU12"][k] = path(rng, 0, rng.uniform(2.5, 5), smile)
        aus["AU01"][k] = aus["AU02"][k] = path(rng, 0, rng.uniform(2.5, 5), brows)
    place = np.repeat(rng.normal(0, 1, (each, 2)), FRAMES, axis=0) + [DRAWN / 2, 0.47 * DRAWN]
    actor = simulation.Actor(simulation.identity(number), aus={name: value.ravel() for name, value in aus.items()},
                            pose=pose.reshape(-1, 3), pulse=None, respiration=None, position=place,
                            scale=1.25 * acted_video.ALIGNED * SIDE / 480 * rng.uniform(0.92, 1.08))
    count = each * FRAMES
    scene = simulation.Scene((actor,), size=(DRAWN, DRAWN), fps=12.5, seconds=count / 12.5, noise=0.5, coarse=3,
                            light=float(rng.uniform(0.7, 1.1)), seed=number)
    pictures = np.stack([frame.rgb for frame in scene.frames()])[:count]
    return pictures.reshape(each, FRAMES, DRAWN, DRAWN, 3).transpose(0, 1, 4, 2, 3), labels


def render_clips(first: int, count: int, each: int, task: int) -> Batch:
    """Clips of the people numbered first, first + 1, ...; the target is the direction of one motion."""
    result = joblib.Parallel(n_jobs=2)(joblib.delayed(render)(number, each) for number in range(first, first + count))
    clips, labels = (torch.from_numpy(np.concatenate(part)) for part in zip(*result, strict=True))
    return Batch(frames=clips, target=labels[:, task])


def cut(clips: torch.Tensor, rng: np.random.Generator | None = None) -> torch.Tensor:
    """What is seen of each clip: its middle, or a place drawn for each."""
    edge = DRAWN - SIDE
    where = np.full((len(clips), 2), edge // 2) if rng is None else rng.integers(0, edge + 1, (len(clips), 2))
    return torch.stack([clip[..., y : y + SIDE, x : x + SIDE] for clip, (y, x) in zip(clips, where, strict=True)])


def batches(of: Batch, size: int, seed: int, shuffled: bool = False) -> Iterator[Batch]:
    """For ever, every clip once a round; `shuffled`: the frames of each in an order of its own."""
    rng = np.random.default_rng(seed)
    while True:
        order = torch.from_numpy(rng.permutation(len(of.frames)))
        for rows in order.split(size)[: max(len(order) // size, 1)]:
            clips = cut(of.frames[rows], rng)
            if shuffled:
                clips = torch.stack([clip[torch.from_numpy(rng.permutation(FRAMES))] for clip in clips])
            yield Batch(frames=clips, target=of.target[rows])


# ------------------------------------------------------------------------------------------------------------ towers
def sines(plan: BackboneConfig, width: int) -> torch.Tensor:
    """(L, width) sines and cosines of time, row and column, a third of the channels each."""
    side, times, half = plan.size // plan.patch, plan.frames // plan.tubelet, width // 6
    where = np.stack(np.meshgrid(np.arange(times), np.arange(side), np.arange(side), indexing="ij")).reshape(3, -1)
    parts = []
    for at, length in zip(where, (times, side, side), strict=True):
        angle = np.pi * at[:, None] / 2 ** np.linspace(0, np.log2(length) + 0.5, half)
        parts += [np.sin(angle), np.cos(angle)]
    result = np.concatenate(parts, axis=1)
    return torch.from_numpy(np.pad(result, ((0, 0), (0, width - result.shape[1]))).astype(np.float32))


def fresh(model: nn.Module) -> None:
    """Begin as MCG-NJU/VideoMAE does: linear maps drawn after Glorot and Bengio 2010, no bias. In place."""
    for part in model.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def new_tower() -> Tower:
    """From scratch. Our choice: its places are given by `sines`, not by one row of numbers through the clip, because of
    so small a tower that learns for minutes; every tower here is reported them so, also those from scratch."""
    tower = Tower(PLAN)
    tower.embed.positions.copy_(sines(PLAN, PLAN.width))
    fresh(tower)
    return tower


def pretrain(of: Batch, steps: int, shuffled: bool) -> tuple[Tower, list[float]]:
    """Without labels -> tower, losses."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = MaskedVideoMAE(new_tower(), SHARE, width=48, layers=2, heads=1)
    model.positions.copy_(sines(PLAN, 48))
    fresh(model)
    losses = pretrain_step(model, batches(of, 32, 0, shuffled), steps, RATES["pre-training"])
    return model.tower, losses


@torch.no_grad()
def judge(model: VideoMAEClassifier, of: Batch) -> float:
    """% of clips that are right."""
    result = torch.cat([model(Batch(frames=cut(part))).argmax(dim=-1) for part in of.frames.split(64)])
    return 100 * float((result == of.target).float().mean())


def tune(start: Tower | None, few: Batch, test: Batch, seed: int, steps: int) -> tuple[float, float, float]:
    """Fine-tune in full -> the last training loss, % right of training clips, of test clips."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model = VideoMAEClassifier(new_tower() if start is None else copy.deepcopy(start))
    losses = pretrain_step(model, batches(few, 16, seed), steps, RATES["fine-tuning"], beta=0.999)
    return float(np.mean(losses[-20:])), judge(model, few), judge(model, test)


@torch.no_grad()
def probe(start: Tower | None, few: Batch, test: Batch, seed: int) -> tuple[float, float, float]:
    """A logistic regression on the features of the frozen tower, of each time apart -> as `tune`, without a loss."""
    torch.manual_seed(seed)
    tower = new_tower() if start is None else start

    def seen(of: Batch) -> np.ndarray:
        tokens = tower.embed(normalise_pixels(cut(of.frames), PLAN))
        for block in tower.blocks:
            tokens = block(tokens)
        return tower.finish.norm(tokens).unflatten(1, (FRAMES // PLAN.tubelet, -1)).mean(dim=2).flatten(1).numpy()

    line = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    line.fit(seen(few), few.target)
    return float("nan"), *(100 * line.score(seen(of), of.target) for of in (few, test))


# ------------------------------------------------------------------------------------------------------------- table
def interval(gain: np.ndarray) -> str:
    """Paired differences (seeds,) -> mean and 95 % interval of Student's t."""
    half = student.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / len(gain) ** 0.5
    return f"{gain.mean():+.1f} ({gain.mean() - half:+.1f} to {gain.mean() + half:+.1f})"


def run(task: int, size: Size) -> None:
    """Print the tables."""
    begin = time.perf_counter()
    torch.set_num_threads(1)
    unlabelled = render_clips(FIRST["pre-training"], size.unlabelled, size.each, task)
    labelled = [render_clips(FIRST["labelled"] + seed * size.labelled, size.labelled, size.few, task)
                for seed in range(size.seeds)]
    test = render_clips(FIRST["test"], size.test, size.few, task)
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        (tower, losses), (mixed, mixed_losses) = pool.map(pretrain, [unlabelled] * 2, [size.steps] * 2, [False, True])
        arms = {"pre-trained": (tune, tower, 1), "pre-trained on shuffled frames": (tune, mixed, 1),
                "from scratch": (tune, None, 1),
                f"pre-trained, {LONGER} times the steps": (tune, tower, LONGER),
                f"from scratch, {LONGER} times the steps": (tune, None, LONGER),
                "frozen, pre-trained": (probe, tower, 0), "frozen, pre-trained on shuffled frames": (probe, mixed, 0),
                "frozen, from scratch": (probe, None, 0)}
        jobs = {(name, seed): pool.submit(how, start, few, test, seed, *([size.tuning * times] if times else []))
                for seed, few in enumerate(labelled) for name, (how, start, times) in arms.items()}
        many = pool.submit(tune, None, unlabelled, test, 0, size.many)
        result = {name: np.array([jobs[name, seed].result() for seed in range(size.seeds)]) for name in arms}
        above = np.array([many.result()])
    print(f"\nPre-training: {len(unlabelled.frames)} clips of {size.unlabelled} people, {size.steps} steps\n")
    print("| clips | loss of hidden pixels, first tenth | last tenth |\n|---|---|---|")
    for name, each in (("as recorded", losses), ("frames shuffled", mixed_losses)):
        tenth = max(len(each) // 10, 1)
        print(f"| {name} | {np.mean(each[:tenth]):.3f} | {np.mean(each[-tenth:]):.3f} |")
    chance = 100 * float(test.target.bincount().max()) / len(test.target)
    print(f"\nTask: {TASKS[task]}, {size.labelled * size.few} clips of {size.labelled} people with labels, others for "
          f"each of {size.seeds} seeds; {len(test.target)} clips of {size.test} people judged; {size.tuning} steps; "
          f"chance {chance:.1f}\n")
    print("| tower | loss at last | training clips, % | people not seen, % | lowest | highest | against from scratch |"
          "\n|---|---|---|---|---|---|---|")
    for name, each in (result | {f"from scratch, {len(unlabelled.frames)} clips, {size.many} steps": above}).items():
        how = arms.get(name, (None, None, 0))
        base = next((arm for arm, (*_, times) in arms.items() if times == how[2] and arms[arm][1] is None), "")
        gain = interval(each[:, 2] - result[base][:, 2]) if name in arms and name != base else ""
        loss = "" if np.isnan(each[0, 0]) else f"{each[:, 0].mean():.3f}"
        print(f"| {name} | {loss} | {each[:, 1].mean():.1f} | {each[:, 2].mean():.1f} | {each[:, 2].min():.1f} | "
              f"{each[:, 2].max():.1f} | {gain} |")
    print("\nLast column: mean of the paired differences and 95 % interval over the seeds; the rest are means over "
          f"them. {time.perf_counter() - begin:.0f} s", flush=True)


def main() -> None:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=TASKS, default="turn")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    print(f"`python benchmarks/videomae.py --task {given.task}{' --quick' if given.quick else ''}`")
    run(TASKS.index(given.task), QUICK if given.quick else Size())


if __name__ == "__main__":
    main()
