"""Loggers of a training besides log.csv: Weights & Biases and MLflow, off line unless their own variables say else.

An installed package adds a logger by an entry point of the group `mien.loggers`, with its name and its class:

    [project.entry-points."mien.loggers"]
    aim = "my_package.aim:AimLogger"
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from mien.core import entry_points
from mien.training.logs import expect_tensorboard, scalars

GROUP = "mien.loggers"


class TrainingLogger(Protocol):
    """What a training writes its rows to. It is made with the folder of the training.

    A training that resumes may repeat the steps since its last saved state: a logger leaves out those that it has.
    """

    def write(self, row: Mapping[str, object]) -> None:
        """Write a row of log.csv."""

    def flush(self) -> int:
        """Make sure that all rows are kept, and return the newest step."""

    def close(self) -> None:
        """End the run."""


class WandbLogger:
    """Weights & Biases: a run below the folder, for `wandb sync`. `WANDB_MODE=online` sends it at once.

    Args:
        out: Folder of the training.
    """

    def __init__(self, out: Path) -> None:
        wandb = _package("wandb")
        mode = os.environ.get("WANDB_MODE", "offline")
        self._step = 0
        self._run = wandb.init(project="mien", name=out.name, id=_identity(out), dir=str(out), mode=mode,
                               resume="allow", settings=wandb.Settings(silent=True, console="off"))

    def write(self, row: Mapping[str, object]) -> None:
        """Write a row of log.csv; W&B leaves out steps that it has."""
        self._step = int(str(row["step"]))
        self._run.log(dict(scalars(row)), step=self._step)

    def flush(self) -> int:
        """W&B writes by itself; the newest step."""
        return self._step

    def close(self) -> None:
        """End the run."""
        self._run.finish()


class MlflowLogger:
    """MLflow: a run in `mlruns` below the folder; `MLFLOW_TRACKING_URI` names another place.

    Args:
        out: Folder of the training.
    """

    def __init__(self, out: Path) -> None:
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # else MLflow 3 asks for a database
        mlflow = _package("mlflow")
        place = os.environ.get("MLFLOW_TRACKING_URI", (out / "mlruns").absolute().as_uri())
        self._client = mlflow.MlflowClient(place)
        experiment = self._client.get_experiment_by_name("mien")
        number = experiment.experiment_id if experiment else self._client.create_experiment("mien")
        runs = self._client.search_runs([number], f"tags.mien = '{_identity(out)}'")
        if runs:
            self._run = runs[0].info.run_id
        else:
            self._run = self._client.create_run(number, run_name=out.name, tags={"mien": _identity(out)}).info.run_id
        history = self._client.get_metric_history(self._run, "loss")
        self._step = max((point.step for point in history), default=0)

    def write(self, row: Mapping[str, object]) -> None:
        """Write a row of log.csv, unless the run has its step."""
        step = int(str(row["step"]))
        if step <= self._step:
            return
        self._step = step
        for name, value in scalars(row):
            # with a slash, a folder of MLflow would have the name of the file `loss`
            self._client.log_metric(self._run, name.replace("/", "."), value, step=step)

    def flush(self) -> int:
        """MLflow writes at once; the newest step."""
        return self._step

    def close(self) -> None:
        """End the run."""
        self._client.set_terminated(self._run)


LOGGERS: dict[str, Callable[[Path], TrainingLogger]] = {"wandb": WandbLogger, "mlflow": MlflowLogger}


def names() -> list[str]:
    """The loggers of this package and of installed ones."""
    return entry_points.names(LOGGERS, GROUP)


def open_logger(name: str, out: Path) -> TrainingLogger:
    """Open a logger.

    Args:
        name: One of `names`.
        out: Folder of the training.

    Returns:
        The logger.

    Raises:
        ValueError: The name is unknown, or the logger's package is missing.
    """
    return entry_points.find("--logger", name, LOGGERS, GROUP)(out)


def expect_loggers(tensorboard: bool, names: Sequence[str]) -> None:
    """Raise ModuleNotFoundError without TensorBoard if it is wanted, and ValueError if a name is none of `names`."""
    expect_tensorboard(tensorboard)
    for name in names:
        entry_points.find("--logger", name, LOGGERS, GROUP)


def _identity(out: Path) -> str:
    """An id of the folder, so that a training that resumes continues its run."""
    return hashlib.sha256(str(out.absolute()).encode()).hexdigest()[:12]


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ValueError(f"--logger {name}: expected its package, got {error}: install it with "
                         'pip install "mien[loggers]"') from error
