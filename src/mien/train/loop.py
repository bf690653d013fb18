"""The loop: batches in, steps of Adam, validation after each epoch, a state on disk now and then.

What is random depends on the seed and the number of the step alone, never on what was drawn before: so a training that
was stopped anywhere, by a kill too, ends with the same weights (on a CPU bit for bit; a GPU's own kernels may add in
another order). Test data have no way in.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor

from mien import checkpoint, recipes
from mien.batch import Batch
from mien.checkpoint.parts import Precision, pick, trainable
from mien.data.augment import Augmenter
from mien.data.loader import Clips, Mixed, Source, Steps, scoring, training
from mien.labels import Targets
from mien.models.scpt import gradient_norms
from mien.recipes import Recipe
from mien.towers import Tower
from mien.train.devices import cast, expect_learning, fabric_on
from mien.train.judging import MEASURED, better, judged
from mien.train.state import LOG, Log, restore, save

LAST, CHOSEN = "last", "chosen"
COLUMNS = ("step", "epoch", "rate", "loss", "gradient", "parts", *(f"val_{name}" for name in MEASURED))


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a training left: checkpoints of the `last` epoch and of the one `chosen` on validation, and the `log`.

    `scores`: {"last": {"uar", "war", ..., "epoch"}, "chosen": ...} on validation, 0..1; None where nothing validates.
    """

    last: Path
    chosen: Path
    log: Path
    steps: int
    scores: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class _Run:
    """What does not change in a training."""

    fabric: Fabric
    model: Any  # what Fabric makes of the module
    optimiser: Any
    recipe: Recipe
    steps: Steps
    seed: int
    card: checkpoint.Card
    out: Path
    precision: str


def fit(recipe: Recipe, train: Targets, val: Targets, source: Source, out: str | Path, *, seed: int = 0,
        device: str = "auto", devices: int = 1, nodes: int = 1, strategy: str = "auto", precision: Precision = "auto",
        workers: int = 0, save_every: float = 60.0, compile: bool = False, parts: checkpoint.Clip | None = None,
        data: Mapping[str, Any] | None = None, tick: Callable[[int, int, float], None] | None = None) -> Fitted:
    """Train a recipe on `train`, choose the epoch on `val` (which may be empty), write everything to `out`.

    What stands in `out` half-way goes on. `source`: trial -> its window; `parts`: the towers, where they are loaded
    already; `data`: what the card says of the trials; a state is written every `save_every` s; `tick` hears step, steps
    and loss.
    `device`, `devices`, `nodes`, `strategy`: as in Lightning Fabric. `precision`: "32"; "bf16": frozen towers in
    bfloat16, all that learns in float32; "16": torch's autocast in float16 with scaled gradients; "auto": bf16 where
    the device computes in it, else 32. Raises ValueError for data that cannot be learnt from and for a loss that is not
    finite: the message names step and trials.
    """
    out = Path(out)
    _check(train, val)
    kind = pick(device)
    fabric = fabric_on(kind, devices, nodes, strategy, precision)
    with torch.random.fork_rng(devices=[]):
        parts = parts or checkpoint.towers(recipe)
        hashes = (parts.image.hash if parts else "", parts.text.hash if parts and parts.text is not None else "")
        people = {(trial.dataset, trial.subject) for trial in train.trials}
        model = checkpoint.build(recipe, recipe.task, parts, seed, len(people))
        card = checkpoint.make_card(recipe, recipe.task, model, hashes, seed=seed, data=dict(data or {}))
        clips = _clips(train, source, model.needs, seed)
        computes = cast(model, kind, precision)
        if compile:
            for block in (block for part in model.children() if isinstance(part, Tower) for block in part.blocks):
                block.compile()
        steps = _steps(recipe, clips, seed, fabric)
        learning = expect_learning(recipe, model)
        adam = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.schedule.optimiser](
            learning, recipe.schedule.rate, weight_decay=recipe.schedule.weight_decay)
        module, optimiser = fabric.setup(model, adam)
        module.mark_forward_method("loss")
        run = _Run(fabric, module, optimiser, recipe, steps, seed, card, out, computes)
        judge = scoring(_clips(val, source, model.needs), recipe.schedule.batch, workers) if len(val.trials) else None
        return _loop(run, clips, judge, workers, save_every, tick)


def _loop(run: _Run, clips: Clips, judge: Any, workers: int, save_every: float,
          tick: Callable[[int, int, float], None] | None) -> Fitted:
    fabric, total = run.fabric, len(run.steps)
    state = restore(run.out, _same(run, clips))
    step, best, scores = 0, {}, {}
    if state is not None:
        step, best, scores = state["step"], state["best"], state["scores"]
        run.model.module.load_state_dict(state["trained"], strict=False)
        run.optimiser.load_state_dict(state["optimiser"])
        fabric.strategy.precision.load_state_dict(state["scaler"])
    log = Log(run.out / LOG, COLUMNS, None if state is None else state["log"]) if fabric.is_global_zero else None
    change = Augmenter(clips.needs.size or 0, run.recipe.augment)
    steps, saved = replace(run.steps, start=step), time.monotonic()
    taught = np.array([clips.target[trial.id] for trial in clips.trials])
    for batch in training(clips, steps, workers, pin=fabric.device.type == "cuda"):
        try:
            row = _step(run, change, batch.to(fabric.device, non_blocking=True), step)
        except ValueError:  # what was learnt up to here is kept
            if log is not None:
                save(run.out, _state(run, clips, step, best, scores, log.flush()))
            raise
        step += 1
        if step % steps.per_epoch == 0:
            epoch = step // steps.per_epoch
            scores = judged(run.fabric, run.model, judge, run.recipe.task, run.recipe.windowed, taught)
            scores = {**scores, "epoch": epoch}
            row |= {f"val_{name}": f"{scores[name]:.6f}" for name in MEASURED if name in scores}
            if better(scores, best, run.recipe.schedule.choose):
                best = scores
                _write(run, CHOSEN, step, {"val": best})
        if log is not None:
            log.write(row)
            if step % steps.per_epoch == 0 or time.monotonic() - saved >= save_every:
                save(run.out, _state(run, clips, step, best, scores, log.flush()))
                saved = time.monotonic()
        if tick is not None:
            tick(step, total, float(row["loss"]))
    _write(run, LAST, step, {"val": scores})
    if log is not None:
        log.close()
    fabric.barrier()
    known = {"last": scores, "chosen": best} if judge is not None else {}
    return Fitted(run.out / LAST, run.out / CHOSEN, run.out / LOG, step, known)


def _step(run: _Run, change: Augmenter, batch: Batch, step: int) -> dict[str, Any]:
    """One step of Adam -> its row in the log."""
    drawn = np.random.SeedSequence([run.seed, step, run.fabric.global_rank]).generate_state(2)
    if batch.frames is not None:
        batch = replace(batch, frames=change(batch.frames, int(drawn[0])))
    torch.manual_seed(int(drawn[1]))
    epoch = step // run.steps.per_epoch
    rate = _rate(run.recipe, epoch)
    for group in run.optimiser.param_groups:
        group["lr"] = rate
    run.optimiser.zero_grad()
    run.model.module.progress = step / len(replace(run.steps, start=0))
    with run.fabric.autocast():  # Fabric has it around forward alone where there is one device
        losses = run.model.loss(batch)
    norms = _each_norm(run, losses) if step % run.steps.per_epoch == 0 else {}
    total = torch.stack(list(losses.values())).sum()
    losses, loss = {name: value.detach() for name, value in losses.items()}, total.detach()
    _expect_finite(loss, losses, "loss", batch, step)
    run.fabric.backward(total)
    norm, scaler = _gradient(run.optimiser), getattr(run.fabric.strategy.precision, "scaler", None)
    if scaler is None:
        _expect_finite(norm, losses, "gradient", batch, step)
    else:
        norm = norm / scaler.get_scale()  # an overflow is skipped and mended
    if run.recipe.schedule.clip:
        run.fabric.clip_gradients(run.model, run.optimiser, max_norm=run.recipe.schedule.clip)
    run.optimiser.step()
    told = " ".join(f"{name}={float(value):.6g}" for name, value in losses.items())
    told += "".join(f" |{name}|={value:.6g}" for name, value in norms.items())
    return {"step": step + 1, "epoch": epoch + 1, "rate": f"{rate:g}", "loss": f"{float(loss):.6g}",
            "gradient": f"{float(norm):.6g}", "parts": told}


def _expect_finite(value: Tensor, losses: Mapping[str, Tensor], what: str, batch: Batch, step: int) -> None:
    if not math.isfinite(float(value)):
        told = ", ".join(f"{name} {float(part):g}" for name, part in losses.items())
        raise ValueError(f"step {step + 1}: expected a finite {what}, got {float(value)} ({told}) for the trials "
                         f"{', '.join(batch.trial)}: look at these, or lower schedule.rate; the weights before this "
                         "step are kept")


def _each_norm(run: _Run, losses: Mapping[str, Tensor]) -> dict[str, float]:
    """Norm of each loss's own gradient, where there are several; on one device, where nothing waits for others."""
    if len(losses) < 2 or run.fabric.world_size > 1:
        return {}
    return gradient_norms(losses, run.model.parameters())


def _gradient(optimiser: Any) -> Tensor:
    """Norm of the whole gradient."""
    found = [value.grad for group in optimiser.param_groups for value in group["params"] if value.grad is not None]
    return torch.nn.utils.get_total_norm(found)


def _rate(recipe: Recipe, epoch: int) -> float:
    """The learning rate in an epoch, counted from 0."""
    schedule = recipe.schedule
    if schedule.curve == "cosine":
        if epoch < schedule.warmup:
            return schedule.rate * (epoch + 1) / (schedule.warmup + 1)
        share = (epoch - schedule.warmup) / (schedule.epochs - schedule.warmup)
        return schedule.rate * 0.5 * (1 + math.cos(math.pi * share))
    passed = sum(epoch >= round(share * schedule.epochs) for share in schedule.milestones)
    return schedule.rate * schedule.gamma**passed


def _write(run: _Run, name: str, step: int, scores: Mapping[str, Any]) -> None:
    if run.fabric.is_global_zero:
        card = replace(run.card, step=step, scores=dict(scores))
        checkpoint.Trained(run.model.module, run.recipe.task, run.recipe.seconds, card).save_pretrained(run.out / name)
        run.model.module.train()


def _same(run: _Run, clips: Clips) -> dict[str, Any]:
    """What must be equal for a training to go on."""
    trials = hashlib.sha256(repr([(trial.id, clips.target[trial.id]) for trial in clips.trials]).encode()).hexdigest()
    return {"recipe": recipes.to_json(run.recipe), "seed": run.seed, "trials": trials, "image": run.card.image,
            "text": run.card.text, "version": run.card.version, "precision": run.precision}


def _state(run: _Run, clips: Clips, step: int, best: Mapping, scores: Mapping, log: int) -> dict[str, Any]:
    return {"step": step, "best": dict(best), "scores": dict(scores), "log": log, "same": _same(run, clips),
            "trained": {name: value.cpu() for name, value in trainable(run.model.module).items()},
            "optimiser": run.optimiser.state_dict(), "scaler": run.fabric.strategy.precision.state_dict()}


def _steps(recipe: Recipe, clips: Clips, seed: int, fabric: Fabric) -> Steps:
    schedule = recipe.schedule
    place: dict[str, Any] = {"seed": seed, "rank": fabric.global_rank, "ranks": fabric.world_size}
    if not schedule.people:
        return Steps(len(clips), schedule.batch, schedule.epochs, **place)
    subject = tuple(clips.subjects[trial.subject] for trial in clips.trials)
    return Mixed(len(clips), schedule.batch, schedule.epochs, **place, subject=subject, people=schedule.people)


def _clips(targets: Targets, source: Source, needs: Any, seed: int | None = None) -> Clips:
    known = dict(zip((trial.id for trial in targets.trials), targets.taught.tolist(), strict=True))
    return Clips(targets.trials, source, needs, known, seed)


def _check(train: Targets, val: Targets) -> None:
    there = [name for name, count in train.counts.items() if count]
    if train.rule.task.scale is not None:
        if len(set(train.taught)) < 2:
            raise ValueError(f"fit: expected different ratings to learn from, got {len(train.trials)} trials alike")
    elif len(there) < 2:
        raise ValueError(f"fit: expected two or more classes to learn from, got {', '.join(there) or 'no trial'}")
    both = {(trial.dataset, trial.id) for trial in train.trials} & {(trial.dataset, trial.id) for trial in val.trials}
    if both:
        raise ValueError(f"fit: expected validation apart from training, got {len(both)} trials on both sides")
