"""The loop: batches in, steps of Adam, validation after each epoch, a state on disk now and then.

What is random depends on the seed, the number of the step and the place in the batch, never on what was drawn before or
on how many processes share a batch (`models.shared`): so a training that was stopped anywhere, by a kill too, ends with
the same weights (on a CPU bit for bit; a GPU's own kernels may add in another order). Test data have no way in.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from mien import checkpoint, recipes
from mien.checkpoint.parts import Precision, pick, trainable
from mien.data.augment import Augmenter
from mien.data.loader import Clips, Source, scoring, training
from mien.labels import Targets
from mien.recipes import Recipe
from mien.towers import Tower
from mien.train.devices import cast, exact, expect_learning, fabric_on, shared
from mien.train.judging import MEASURED, better, judged
from mien.train.lessons import batches, exams, lessons
from mien.train.logs import LOG, POINTS, Log, Points, expect_tensorboard
from mien.train.state import restore, save
from mien.train.step import Run, step
from mien.types import OWN_AUS

LAST, CHOSEN = "last", "chosen"
COLUMNS = ("step", "epoch", "rate", "loss", "gradient", "parts", *(f"val_{name}" for name in MEASURED), "note")


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a training left: checkpoints of the `last` epoch and of the one `chosen` on validation, and the `log`.

    `scores`: {"last": {"uar", "war", ..., "epoch"}, "chosen": ...} on validation, 0..1; None where nothing validates.
    `stopped`: why it ended before its last epoch, "" where it did not; `deterministic`: as it was asked for.
    """

    last: Path
    chosen: Path
    log: Path
    steps: int
    scores: Mapping[str, Any]
    stopped: str = ""
    deterministic: bool = False


def fit(recipe: Recipe, train: Targets, val: Targets, source: Source, out: str | Path, *, seed: int = 0,
        device: str = "auto", devices: int = 1, nodes: int = 1, strategy: str = "auto", precision: Precision = "auto",
        workers: int = 0, save_every: float = 60.0, compile: bool = False, parts: checkpoint.Clip | None = None,
        data: Mapping[str, Any] | None = None, tick: Callable[[int, int, float], None] | None = None,
        told: Callable[[str], None] | None = None, deterministic: bool | Literal["warn"] = False,
        tensorboard: bool = False) -> Fitted:
    """Train a recipe on `train`, choose the epoch on `val` (which may be empty), write everything to `out`.

    What stands in `out` half-way goes on. `source`: trial -> its window; `parts`: the towers, where they are loaded
    already; `data`: what the card says of the trials; a state is written every `save_every` s; `tick` hears step, steps
    and loss, `told` a line of every epoch.
    `device`, `devices`, `nodes`, `strategy`: as in Lightning Fabric; what is learnt is the same however many share a
    batch, but for the order of sums. `precision`: "32"; "bf16": frozen towers in bfloat16, all that learns in float32;
    "16": torch's autocast in float16 with scaled gradients; "auto": bf16 where the device computes in it, else 32.
    `deterministic`: see `devices.exact`; `tensorboard`: what the log has, for TensorBoard too.
    Raises ValueError for data that cannot be learnt from and for a loss that is not finite: the message names step and
    trials.
    """
    out = Path(out)
    _check(recipe, train, val)
    expect_tensorboard(tensorboard)
    kind = pick(device)
    with exact(deterministic), torch.random.fork_rng(devices=[]):
        fabric = fabric_on(kind, devices, nodes, strategy, precision, unread=recipe.method == "scpt")
        parts = parts or checkpoint.towers(recipe)
        hashes = (parts.image.hash if parts else "", parts.text.hash if parts and parts.text is not None else "")
        people = {(trial.dataset, trial.subject) for trial in train.trials}
        model = checkpoint.build(recipe, recipe.task, parts, seed, len(people))
        shared(fabric, model)
        about = dict(data or {}) | ({"deterministic": deterministic} if deterministic else {})
        card = checkpoint.make_card(recipe, recipe.task, model, hashes, seed=seed, data=about)
        clips = lessons(recipe, train, source, model.needs, seed)
        computes = cast(model, kind, precision)
        if compile:
            for block in (block for part in model.children() if isinstance(part, Tower) for block in part.blocks):
                block.compile()
        steps = batches(recipe, train, clips, seed, fabric.global_rank, fabric.world_size)
        learning = expect_learning(recipe, model)
        adam = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.schedule.optimiser](
            learning, recipe.schedule.rate, weight_decay=recipe.schedule.weight_decay)
        module, optimiser = fabric.setup(model, adam)
        module.mark_forward_method("loss")
        run = Run(fabric, module, optimiser, recipe, steps, seed, card, out, computes, deterministic)
        judge = scoring(exams(val, source, model.needs), recipe.schedule.batch, workers) if len(val.trials) else None
        return _loop(run, clips, judge, workers, save_every, tensorboard, tick, told)


def _loop(run: Run, clips: Clips, judge: Any, workers: int, save_every: float, tensorboard: bool,
          tick: Callable[[int, int, float], None] | None, told: Callable[[str], None] | None) -> Fitted:
    total = len(run.steps)
    state = restore(run.out, _same(run, clips)) or {}
    done, best, scores = state.get("step", 0), state.get("best", {}), state.get("scores", {})
    if state:
        run.model.module.load_state_dict(state["trained"], strict=False)
        run.optimiser.load_state_dict(state["optimiser"])
        run.fabric.strategy.precision.load_state_dict(state["scaler"])
    logs = _Logs(run, state, tensorboard)
    change = Augmenter(clips.needs.size or 0, run.recipe.augment)
    steps, saved = replace(run.steps, start=done), time.monotonic()
    trained = np.array([clips.target[trial.id] for trial in clips.trials])
    stopped = _exhausted(run.recipe, scores, best)
    for batch in training(clips, steps, workers, pin=run.fabric.device.type == "cuda") if not stopped else ():
        try:
            row = step(run, change, batch.to(run.fabric.device, non_blocking=True), done)
        except ValueError:  # what was learnt up to here is kept
            logs.save(clips, done, best, scores)
            raise
        done += 1
        if done % steps.per_epoch == 0:
            scores = judged(run.fabric, run.model, judge, run.recipe.task, run.recipe.windowed, trained)
            scores = {**scores, "epoch": done // steps.per_epoch}
            row |= {f"val_{name}": f"{scores[name]:.6f}" for name in MEASURED if name in scores}
            if better(scores, best, run.recipe.schedule.choose):
                best = scores
                _write(run, CHOSEN, done, {"val": best})
            stopped = row["note"] = _exhausted(run.recipe, scores, best)
            if told is not None:
                told(_words(run.recipe, row))
        logs.write(row)
        if done % steps.per_epoch == 0 or time.monotonic() - saved >= save_every:
            logs.save(clips, done, best, scores)
            saved = time.monotonic()
        if tick is not None:
            tick(done, total, float(row["loss"]))
        if stopped:
            break
    _write(run, LAST, done, {"val": scores})
    logs.close()
    run.fabric.barrier()
    known = {"last": scores, "chosen": best} if judge is not None else {}
    return Fitted(run.out / LAST, run.out / CHOSEN, run.out / LOG, done, known, stopped, bool(run.exact))


def _words(recipe: Recipe, row: Mapping[str, Any]) -> str:
    """What is told of an epoch, from the row of its last step."""
    found = [f"{name} {float(row[f'val_{name}']):.3f}" for name in MEASURED if f"val_{name}" in row]
    judged = f"; validation {', '.join(found)}" if found else ""
    return f"epoch {row['epoch']} of {recipe.schedule.epochs}: loss {row['loss']}{judged}"


def _exhausted(recipe: Recipe, scores: Mapping[str, Any], best: Mapping[str, Any]) -> str:
    """Why a training ends after the epoch of these scores, "" where it goes on: no better one for `patience` epochs."""
    patience, epoch = recipe.schedule.patience, scores.get("epoch", 0)
    if not patience or epoch - best.get("epoch", 0) < patience or epoch >= recipe.schedule.epochs:
        return ""
    return (f"stopped after epoch {epoch}: no better {recipe.schedule.choose} on validation for {patience} epochs, the "
            f"best is of epoch {best['epoch']}")


class _Logs:
    """What the first process writes of every step, and the state that knows how far; the others write nothing."""

    def __init__(self, run: Run, state: Mapping[str, Any], tensorboard: bool) -> None:
        self.run, self.sizes = run, {name: state[name] for name in ("log", "points") if name in state}
        self.files: dict[str, Log | Points] = {}
        if run.fabric.is_global_zero:
            self.files["log"] = Log(run.out / LOG, COLUMNS, self.sizes.get("log"))
            if tensorboard:
                self.files["points"] = Points(run.out / POINTS, self.sizes.get("points"))

    def write(self, row: Mapping[str, Any]) -> None:
        for file in self.files.values():
            file.write(row)

    def save(self, clips: Clips, done: int, best: Mapping[str, Any], scores: Mapping[str, Any]) -> None:
        if not self.files:
            return
        run, self.sizes = self.run, self.sizes | {name: file.flush() for name, file in self.files.items()}
        save(run.out, {
            "step": done, "best": dict(best), "scores": dict(scores), **self.sizes, "same": _same(run, clips),
            "trained": {name: value.cpu() for name, value in trainable(run.model.module).items()},
            "optimiser": run.optimiser.state_dict(), "scaler": run.fabric.strategy.precision.state_dict()})

    def close(self) -> None:
        for file in self.files.values():
            file.close()


def _write(run: Run, name: str, step: int, scores: Mapping[str, Any]) -> None:
    if run.fabric.is_global_zero:
        card = replace(run.card, step=step, scores=dict(scores))
        checkpoint.Trained(run.model.module, run.recipe.task, run.recipe.seconds, card).save_pretrained(run.out / name)
        run.model.module.train()


def _same(run: Run, clips: Clips) -> dict[str, Any]:
    """What must be equal for a training to go on."""
    trials = hashlib.sha256(repr([(trial.id, clips.target[trial.id]) for trial in clips.trials]).encode()).hexdigest()
    return {"recipe": recipes.to_json(run.recipe), "seed": run.seed, "trials": trials, "image": run.card.image,
            "text": run.card.text, "version": run.card.version, "precision": run.precision, "determinism": run.exact,
            "source of action units": run.card.data.get("aus", {}).get("by", OWN_AUS)}


def _check(recipe: Recipe, train: Targets, val: Targets) -> None:
    there = [name for name, count in train.counts.items() if count]
    if train.rule.task.scale is not None:
        if len(set(train.taught)) < 2:
            raise ValueError(f"fit: expected different ratings to learn from, got {len(train.trials)} trials alike")
    elif len(there) < 2:
        raise ValueError(f"fit: expected two or more classes to learn from, got {', '.join(there) or 'no trial'}")
    both = {(trial.dataset, trial.id) for trial in train.trials} & {(trial.dataset, trial.id) for trial in val.trials}
    if both:
        raise ValueError(f"fit: expected validation apart from training, got {len(both)} trials on both sides")
    if recipe.schedule.patience and not val.trials:
        raise ValueError("schedule.patience: expected a side to validate on, which says when to stop, got none: leave "
                         "it at 0, or take a protocol that has one")
