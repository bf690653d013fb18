"""Trainings of three steps for test_train_together: `python together.py OUT` does each with two processes.

Each process writes the losses of its trials, step by step, into OUT/RANK.json.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from mien.core.observations import Signal, Window
from mien.core.tasks import ACTION_UNITS
from mien.core.trials import Trial
from mien.datasets.labels import RULES
from mien.models import distributed_loss
from mien.models.duse.model import DuSE
from mien.recipes import RECIPES, tiny_recipe
from mien.recipes.overrides import override
from mien.recipes.recipe import Recipe
from mien.training import loop
from mien.training.loop import fit

BATCH, STEPS = 8, 3
RECIPE = {"duse": "duse/dfew", "voted": "duse/dfew", "scpt": "scpt/deap-arousal", "head": "scpt/deap-arousal",
          "mvp": "mvp/deap-arousal", "rating": "mvp/deap-arousal-rating"}
CHANGES = {
    "voted": {"labels": "votes", "schedule.weights": "balanced"},
    "scpt": {"schedule.people": "3", "options.drop_pulse": "0.5", "schedule.sampling": "balanced",
             "options.adversarial": "1"},
    "head": {"options.adversary": "head", "options.condition": "balance", "options.stream": "both",
             "options.form": "bottleneck", "options.adversarial": "0.25", "options.reconstruct": "0.01"},
    "mvp": {"options.forget": "0.3"}, "rating": {"options.forget": "0.3"}}
"""Nothing that is drawn is switched off; more is drawn than usual, and what compares rows does so in every way."""


def recipe(method: str) -> Recipe:
    small = tiny_recipe(RECIPES[RECIPE[method]])
    return override(small, {"schedule.batch": str(BATCH), "schedule.epochs": str(STEPS), "schedule.rate": "0.001",
                          **CHANGES.get(method, {})})


def trials(name: str, count: int = BATCH + 3) -> list[Trial]:
    """Of four people, more than a batch but less than two: an epoch is one step."""
    faces = RULES["expression"].task.classes
    return [Trial(f"{name}{n:02d}", "planted", subject=f"p{n % 4}", labels={
        "expression": faces[n % 5 % 3], "arousal": 2.0 + 5 * (n // 4 % 2) + n / 8}, about={
            f"votes_{face}": str(8 - n % 4 if k == n % 3 else 1) for k, face in enumerate(faces)})
        for n in range(count)]


def seen(trial: Trial, pick=None) -> Window:
    """Pictures, a pulse in the skin, action units and signals, all of the trial's own."""
    rng = np.random.default_rng(int(trial.id[-2:]))
    times, count = np.arange(330) / 30, 20
    skin = np.full((330, 4, 3), 150.0) + np.sin(2 * np.pi * (1 + rng.random()) * times)[:, None, None]
    rows = np.arange(count) if pick is None else pick(count)
    wires = ("ppg", "eda")
    signals = Signal(rng.normal(size=(len(wires), 11 * 128)).astype(np.float32), 128.0, wires, ("",) * len(wires))
    faces = rng.integers(0, 255, (count, 32, 32, 3), np.uint8)
    return Window(0.0, 11.0, times, skin, np.zeros((330, 3)), rng.random((330, len(ACTION_UNITS))), np.zeros((330, 3)),
                  np.zeros((330, 2)), faces=faces[rows], pictured=rows / 2, signals=signals)


class Stop(Exception):
    """Pulls the plug."""


def pull(step: int, _: int, __: float) -> None:
    """After the second step."""
    if step == 2:
        raise Stop


def run(method: str, out: Path, devices: int = 1, **how) -> list[list[tuple[str, float]]]:
    """-> step by step this process's trials, each with its loss."""
    reported, plain = [], distributed_loss.per_row_cross_entropy

    def listen(logits, batch, smoothing=0.0):
        result = plain(logits, batch, smoothing)
        reported.append(list(zip(batch.trial, result.tolist(), strict=True)))
        return result

    distributed_loss.per_row_cross_entropy = listen
    try:
        chosen = recipe(method)
        rule = RULES[chosen.rule]
        fit(chosen, rule(trials(method)), rule([]), seen, out, seed=3, device="cpu", devices=devices, precision="32",
            **how)
    finally:
        distributed_loss.per_row_cross_entropy = plain
    return reported


def spoilt(self, batch):
    """DuSE's answer to one trial is none."""
    result = DuSE.infer(self, batch.frames).logits
    return torch.where(torch.tensor([name == "duse07" for name in batch.trial])[:, None], result * torch.nan, result)


def main(out: Path) -> None:
    reported = {method: run(method, out / method, 2, strategy="ddp") for method in RECIPE}
    with suppress(Stop):
        run("duse", out / "pulled", 2, strategy="ddp", save_every=0.0, progress=pull)
    distance, loop.share_batch = loop.share_batch, lambda fabric, model: None
    reported["apart"] = run("scpt", out / "apart", 2, strategy="ddp")
    loop.share_batch = distance
    plain, DuSE.forward = DuSE.forward, spoilt
    try:
        run("duse", out / "spoilt", 2, strategy="ddp")
    except ValueError as error:
        reported["spoilt"] = str(error)
    DuSE.forward = plain
    (out / f"{torch.distributed.get_rank()}.json").write_text(json.dumps(reported))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
