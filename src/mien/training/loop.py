"""The training loop: optimiser steps, validation after each epoch, and a saved state at intervals.

Random draws depend on the seed, the step and the place in the global batch, not on earlier draws or on the number of
processes (`models.distributed_loss`). So an interrupted training, even after SIGKILL, ends with the same weights:
bit for bit on a CPU, while a GPU's kernels may sum in another order. The loop never sees test data.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from mien import checkpoints, recipes
from mien.checkpoints.factory import Precision, resolve_device
from mien.core.observations import MIEN_AUS
from mien.datasets.labels import Targets
from mien.models.method import trainable
from mien.models.registry import method
from mien.preprocessing.augmentation import Augmenter
from mien.preprocessing.data_loader import TrialDataset, WindowReader, evaluation_loader, training_loader
from mien.recipes.recipe import Recipe, Schedule
from mien.training.datasets import expect_learnable, make_sampler, train_dataset, val_dataset
from mien.training.fabric import (
    cast_towers,
    deterministic_algorithms,
    expect_learning,
    fabric_on,
    own_folder,
    share_batch,
)
from mien.training.loggers import TrainingLogger, expect_loggers, open_logger
from mien.training.logs import LOG_FILE, TENSORBOARD_FILE, CsvLog, TensorBoardLog
from mien.training.memory import MemoryPlan, expect_parts, set_checkpointing
from mien.training.progress import EpochCallback, Progress
from mien.training.setup import choose_memory, compile_towers, make_optimiser, new_model
from mien.training.state import restore_state, save_state
from mien.training.step import TrainingRun, training_step
from mien.training.validation import LOGGED_MEASURES

LAST, CHOSEN = "last", "chosen"
COLUMNS = ("step", "epoch", "rate", "loss", "gradient", "parts", *(f"val_{name}" for name in LOGGED_MEASURES), "note")


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """The result of a training: checkpoints of the `last` and the `chosen` (best on validation) epoch, and the `log`.

    `scores`: {"last": {"uar", "war", ..., "epoch"}, "chosen": ...} on validation, 0..1; empty without validation
    trials. `stopped`: the reason of an early stop, otherwise ""; `deterministic`: whether it was deterministic.
    """

    last: Path
    chosen: Path
    log: Path
    steps: int
    scores: Mapping[str, Any]
    stopped: str = ""
    deterministic: bool = False


def fit(recipe: Recipe, train: Targets, val: Targets, source: WindowReader, out: str | Path, *, seed: int = 0,
        device: str = "auto", devices: int = 1, nodes: int = 1, strategy: str = "auto", precision: Precision = "auto",
        workers: int = 0, save_every: float = 60.0, compile: bool = False,
        parts: checkpoints.ClipEncoders | None = None, data: Mapping[str, Any] | None = None,
        progress: Callable[[int, int, float], None] | None = None, log: Callable[[str], None] | None = None,
        deterministic: bool | Literal["warn"] = False, tensorboard: bool = False, loggers: Sequence[str] = (),
        memory: MemoryPlan | None = None, each_epoch: EpochCallback | None = None) -> TrainingResult:
    """Train a recipe and select the best epoch on the validation side.

    An interrupted training in `out` resumes. Two trainings in one folder exclude each other.

    Args:
        recipe: the recipe.
        train, val: trials, or windows, with their targets; `val` may be empty.
        source: reads the window of a trial.
        out: folder of the checkpoints, the log and the state.
        seed: random seed.
        device: as in `checkpoints.factory.resolve_device`.
        devices, nodes, strategy: as in Lightning Fabric. Their numbers change only the order of sums.
        precision: "32"; "bf16": frozen towers in bfloat16, trainable parameters in float32; "16": torch's autocast in
            float16 with scaled gradients; "auto": bf16 if the device is fast in it, otherwise 32.
        workers: processes that load data.
        save_every: s between two saved states.
        compile: whether to compile the blocks of the towers.
        parts: the towers, if they are loaded already.
        data: description of the trials for the card.
        progress, log: receive step, number of steps and loss; a line for every epoch.
        each_epoch: receives the model and the number of every epoch that has ended; it must change neither.
        deterministic: see `fabric.deterministic_algorithms`.
        tensorboard, loggers: whether to write the log for TensorBoard, and names of `training.loggers` that get it.
        memory: how a step uses memory; None chooses from the free memory of a GPU. It changes only the order of sums.

    Raises:
        FolderLockedError: another training is under way in `out`.
        ValueError: the data are not suitable for training, or a loss is not finite; the message names step and trials.
    """
    out, kind, val_batches, schedule = Path(out), resolve_device(device), None, recipe.schedule
    expect_learnable(schedule, train, val)
    expect_loggers(tensorboard, loggers)
    with ExitStack() as locked, deterministic_algorithms(deterministic), torch.random.fork_rng(devices=[]):
        fabric = fabric_on(kind, devices, nodes, strategy, precision, unread=method(recipe.method).partial_gradients)
        locked.enter_context(own_folder(fabric, out, log))
        parts = parts or checkpoints.load_towers(recipe)
        about = {**(data or {}), **({"deterministic": deterministic} if deterministic else {})}
        model, card = new_model(recipe, train, parts, seed, about)
        share_batch(fabric, model)
        clips = train_dataset(recipe, train, source, model.needs, seed)
        computes = cast_towers(model, kind, precision)
        if compile:
            compile_towers(model)
        steps = make_sampler(schedule, train, clips, seed, fabric.global_rank, fabric.world_size)
        module, optimiser = fabric.setup(model, make_optimiser(schedule, expect_learning(recipe.name, model)))
        module.mark_forward_method("loss")
        memory = memory or choose_memory(model, clips, fabric.device, schedule.batch // fabric.world_size)
        expect_parts(recipe.method, memory)
        set_checkpointing(model, memory.checkpointing)
        run = TrainingRun(fabric, module, optimiser, recipe, steps, seed, card, out, computes, deterministic, memory)
        if val.trials:
            val_batches = evaluation_loader(val_dataset(val, source, model.needs), schedule.batch, workers)
        return _loop(run, clips, val_batches, workers, save_every, (tensorboard, loggers), progress, log, each_epoch)


def _loop(run: TrainingRun, clips: TrialDataset, val_batches: Any, workers: int, save_every: float,
          logging: tuple[bool, Sequence[str]], progress: Callable[[int, int, float], None] | None,
          log: Callable[[str], None] | None, each_epoch: EpochCallback | None) -> TrainingResult:
    state = restore_state(run.out, _same(run, clips)) or {}
    now, logs = Progress(run, state), _Logs(run, state, *logging)
    change = Augmenter(clips.needs.size or 0, run.recipe.augment)
    steps, saved = replace(run.steps, start=now.done), time.monotonic()
    trained = np.array([clips.target[trial.id] for trial in clips.trials])
    stopped = _exhausted(run.recipe.schedule, now.scores, now.best)
    batches_left = () if stopped else training_loader(clips, steps, workers, pin=run.fabric.device.type == "cuda")
    for batch in batches_left:
        try:
            row = training_step(run, change, batch.to(run.fabric.device, non_blocking=True), now.done)
        except ValueError:  # keep the progress up to this step
            logs.save(clips, now)
            raise
        now.done += 1
        now.average.update()
        ended = now.done % steps.per_epoch == 0
        if ended:
            now.end_epoch(run, val_batches, trained,
                          save=lambda: _write(run, CHOSEN, now.done, {"val": now.best}), each_epoch=each_epoch)
            row |= {f"val_{name}": f"{now.scores[name]:.6f}" for name in LOGGED_MEASURES if name in now.scores}
            stopped = row["note"] = _exhausted(run.recipe.schedule, now.scores, now.best)
            if log is not None:
                log(_epoch_line(run.recipe.schedule, row))
        logs.write(row)
        if ended or time.monotonic() - saved >= save_every:
            logs.save(clips, now)
            saved = time.monotonic()
        if progress is not None:
            progress(now.done, len(run.steps), float(row["loss"]))
        if stopped:
            break
    with now.average.applied():
        _write(run, LAST, now.done, {"val": now.scores})
    logs.close()
    run.fabric.barrier()
    known = {}
    if val_batches is not None:
        known = {"last": now.scores, "chosen": now.best}
    return TrainingResult(run.out / LAST, run.out / CHOSEN, run.out / LOG_FILE, now.done, known, stopped,
                          bool(run.exact))


def _epoch_line(schedule: Schedule, row: Mapping[str, Any]) -> str:
    """The log line of an epoch, from the row of its last step."""
    line = f"epoch {row['epoch']} of {schedule.epochs}: loss {row['loss']}"
    scores = [f"{name} {float(row[f'val_{name}']):.3f}" for name in LOGGED_MEASURES if f"val_{name}" in row]
    if scores:
        line += f"; validation {', '.join(scores)}"
    return line


def _exhausted(schedule: Schedule, scores: Mapping[str, Any], best: Mapping[str, Any]) -> str:
    """The reason of an early stop, no better epoch for `patience` epochs; "" if the training goes on."""
    patience, epoch = schedule.patience, scores.get("epoch", 0)
    if not patience or epoch - best.get("epoch", 0) < patience or epoch >= schedule.epochs:
        return ""
    return (f"stopped after epoch {epoch}: no better {schedule.choose} on validation for {patience} epochs; the "
            f"best is epoch {best['epoch']}")


class _Logs:
    """The log files and the state that the first process writes; the other processes write nothing."""

    def __init__(self, run: TrainingRun, state: Mapping[str, Any], tensorboard: bool, loggers: Sequence[str]) -> None:
        self.run, self.sizes = run, {name: state[name] for name in ("log", "points") if name in state}
        self.files: dict[str, CsvLog | TensorBoardLog | TrainingLogger] = {}
        if run.fabric.is_global_zero:
            self.files["log"] = CsvLog(run.out / LOG_FILE, COLUMNS, self.sizes.get("log"))
            if tensorboard:
                self.files["points"] = TensorBoardLog(run.out / TENSORBOARD_FILE, self.sizes.get("points"))
            self.files |= {f"logger {name}": open_logger(name, run.out) for name in loggers}

    def write(self, row: Mapping[str, Any]) -> None:
        for file in self.files.values():
            file.write(row)

    def save(self, clips: TrialDataset, now: Progress) -> None:
        if not self.files:
            return
        run, self.sizes = self.run, self.sizes | {name: file.flush() for name, file in self.files.items()}
        save_state(run.out, {
            **now.state, **self.sizes, "same": _same(run, clips),
            "trained": {name: value.cpu() for name, value in trainable(run.model.module).items()},
            "optimiser": run.optimiser.state_dict(), "scaler": run.fabric.strategy.precision.state_dict()})

    def close(self) -> None:
        for file in self.files.values():
            file.close()


def _write(run: TrainingRun, name: str, step: int, scores: Mapping[str, Any]) -> None:
    if run.fabric.is_global_zero:
        card = replace(run.card, step=step, scores=dict(scores))
        checkpoints.Predictor(run.model.module, run.recipe.task, run.recipe.seconds, card).save_pretrained(
            run.out / name
        )
        run.model.module.train()


def _same(run: TrainingRun, clips: TrialDataset) -> dict[str, Any]:
    """The properties that must be equal for a training to resume."""
    trials = hashlib.sha256(repr([(trial.id, clips.target[trial.id]) for trial in clips.trials]).encode()).hexdigest()
    return {"recipe": recipes.to_json(run.recipe), "seed": run.seed, "trials": trials, "image": run.card.image,
            "text": run.card.text, "version": run.card.version, "precision": run.precision, "determinism": run.exact,
            "source of action units": run.card.data.get("aus", {}).get("by", MIEN_AUS)}
