"""Run an exported model: a model file of OpenVINO or ONNX with its card, used like a checkpoint, on the CPU.

The file contains `Method.export_graph`. For DuSE this is the image tower with its prompts, LSEA, and the text features,
but no text tower. Its outputs are `logits` (1, K) and `features` (1, T, d) of the frames.
"""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mien.checkpoints.card import CARD, Card, decode_card, parse_card
from mien.checkpoints.factory import Precision
from mien.checkpoints.formats import FORMATS, Run
from mien.core import atomic_files, parallel
from mien.core.observations import Window
from mien.core.parallel.supervised import SupervisedWorker, WorkerError
from mien.core.requirements import ModelRequirements
from mien.core.tasks import Task
from mien.metrics.classification import probabilities
from mien.preprocessing.model_inputs import prepare_batch

SCHEMA = "mien.export/1"

TRIAL = 600.0
"""s within which a model must load and run once. Our choice: the largest takes some seconds."""

_TRIALS = SupervisedWorker()
atexit.register(_TRIALS.close)


@dataclass(frozen=True, eq=False)
class ExportCard:
    """The card of an exported model.

    `files`: name -> sha256; `shape`: of the input; `source`: sha256 of the checkpoint's weights; `parity`: differences
    from the checkpoint's probabilities; `checkpoint`: the card of the checkpoint.
    """

    format: str
    precision: Literal["32", "int8"]
    files: Mapping[str, str]
    shape: tuple[int, ...]
    source: str
    parity: Mapping[str, Any]
    checkpoint: Card

    @property
    def needs(self) -> ModelRequirements:
        """The inputs that `prepare_batch` must make from a window."""
        inputs = self.checkpoint.preprocessing
        return ModelRequirements(inputs["frames"], inputs["size"], tuple(inputs["mean"]), tuple(inputs["std"]))

    def save(self, path: Path) -> None:
        """Write the card as JSON, atomically."""
        values = {name: value for name, value in vars(self).items() if name != "checkpoint"}
        data = {"schema": SCHEMA, "licence": self.checkpoint.recipe.licence, "tiny": self.checkpoint.recipe.tiny,
                "labels": self.checkpoint.classes, **values, "checkpoint": self.checkpoint.to_json()}
        atomic_files.text(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")


class Exported:
    """An exported model for prediction; `Stream(model)` accepts it.

    `needs`: the inputs of a window; `seconds`: its length; `doubt`: why the predictions are not meaningful, "" if they
    are.
    """

    def __init__(self, run: Run, card: ExportCard) -> None:
        self.run, self.card, self.doubt = run, card, card.checkpoint.recipe.doubt
        self.task, self.seconds, self.needs = card.checkpoint.task, card.checkpoint.recipe.seconds, card.needs

    def predict_window(self, window: Window) -> np.ndarray:
        """Probabilities (K,) for a window of one person. Raises ValueError for a window without a picture."""
        return self.predict_proba([window])[0]

    def predict_proba(self, windows: Sequence[Window]) -> np.ndarray:
        """Probabilities (N, K) for windows (N,)."""
        frames: Any = prepare_batch(windows, self.needs).frames
        return self.probs(frames.numpy())

    def probs(self, frames: np.ndarray) -> np.ndarray:
        """Probabilities (N, K) for frames uint8 (N, T, 3, S, S)."""
        logits = np.concatenate([self.run(frames[i : i + 1]) for i in range(len(frames))]).astype(np.float64)
        return probabilities(logits, self.card.checkpoint.temperature)


def is_exported(folder: Path) -> bool:
    """Whether a folder has the card or a file of an exported model, complete or not."""
    card = folder / CARD
    if card.is_file() and f'"{SCHEMA.split("/")[0]}/'.encode() in card.read_bytes():
        return True
    return any((folder / name).exists() for form in FORMATS.values() for name in form.files)


def load_exported(folder: str | Path, *, task: Task | None = None, labels: Task | None = None, device: str = "cpu",
         precision: Precision = "auto") -> Exported:
    """Load the exported model in a folder.

    Args:
        folder: the folder that mien export wrote.
        task: the labels that the model must have.
        labels: other labels; an exported model rejects them.
        device: "auto" or "cpu".
        precision: "32", for OpenVINO also "bf16"; "auto" uses the fast type of the CPU.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the files are damaged or have other labels; the device or the precision is not available; or a
            package is missing.
    """
    folder = Path(folder)
    card = read_export_card(folder / CARD)
    if labels is not None:
        raise ValueError("--labels: expected a checkpoint with a text tower for other labels, got an exported model, "
                         f"which has none: give --model the checkpoint of {folder.name}, or leave --labels out")
    if task is not None and task.classes != card.checkpoint.classes:
        raise ValueError(f"{folder}: expected the labels {', '.join(task.classes)}, got a model for "
                         f"{', '.join(card.checkpoint.classes)}, in this order: use another model, or export one")
    if device not in ("auto", "cpu"):
        raise ValueError(f"--device: expected auto or cpu for an exported model, got {device!r}: give the checkpoint")
    form = FORMATS[card.format]
    if precision not in form.precisions:
        raise ValueError(f"precision: expected {' or '.join(form.precisions)} for {card.format}, got {precision!r}")
    _check_files(folder, card)
    expect_runnable(card.format, folder / form.files[0], precision, tuple(card.shape))
    try:
        run = form.load(folder / form.files[0], precision)
    except ImportError as error:
        raise ValueError(missing_package(error.name)) from error
    return Exported(run, card)


def expect_runnable(name: str, path: Path, precision: Precision, shape: tuple[int, ...]) -> None:
    """Load a model and run it once in a child process, since native code reads the file and may crash.

    Args:
        name: one of `FORMATS`.
        path: the model.
        precision: as in `load_exported`.
        shape: of the input.

    Raises:
        ValueError: the model cannot be loaded, or its reader crashed or needed too long; or a package is missing.
    """
    try:
        _TRIALS.call(_run_once, FORMATS[name].load, path, precision, shape, seconds=TRIAL)
    except WorkerError as error:
        raise ValueError(f"{path}: expected a model that runs, got one at which {error}: export it again") from error


def _run_once(load: Callable[[Path, Precision], Run], path: Path, precision: Precision, shape: tuple[int, ...]) -> None:
    os.environ.setdefault("CI", "true")  # of this child: OpenVINO then sends no telemetry
    try:
        load(path, precision)(np.zeros(shape, np.uint8))
    except ImportError as error:
        raise ValueError(missing_package(error.name)) from error
    except Exception as error:  # noqa: BLE001 - each library has its own
        raise ValueError(f"{path}: expected a whole model, got {' '.join(str(error).split())[:200]}: export "
                         "it again") from None


def read_export_card(path: Path) -> ExportCard:
    """Read the card that `ExportCard.save` wrote. Raises FileNotFoundError or ValueError for any other file."""
    if not path.is_file():
        raise FileNotFoundError(f"{path.parent}: expected an exported model with its {CARD}, got none: copy all files "
                                "of the folder that mien export wrote")
    data = decode_card(path, "export it again")
    if not isinstance(data, dict) or data.get("schema") != SCHEMA or data.get("format") not in list(FORMATS):
        got: Any = type(data).__name__
        if isinstance(data, dict):
            got = [data.get(name) for name in ("schema", "format")]
        raise ValueError(f"{path}: expected the schema {SCHEMA}, of {' or '.join(FORMATS)}, got {got}: use a "
                         "matching version of mien, or export it again")
    names = ("format", "precision", "files", "shape", "source", "parity", "checkpoint")
    if lost := [name for name in names if name not in data]:
        raise ValueError(f"{path}: expected the fields of a card, these are missing: {', '.join(lost)}")
    values = {name: data[name] for name in names}
    return ExportCard(**{**values, "shape": tuple(data["shape"]), "checkpoint": parse_card(data["checkpoint"], path)})


def missing_package(package: str | None) -> str:
    """The message for a missing package of an extra."""
    extra = "int8" if package == "nncf" else "export"
    return (f"expected the packages that exported models need, {package} is missing: install them with "
            f'pip install "mien[{extra}]"')


def _check_files(folder: Path, card: ExportCard) -> None:
    for name in FORMATS[card.format].files:
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(f"{path}: expected the model next to its {CARD}, got nothing: copy all files of "
                                    "the folder")
        if parallel.sha256(path) != card.files.get(name):
            raise ValueError(f"{path}: expected the file that its {CARD} names by sha256, got another or part of it "
                             f"({path.stat().st_size} bytes): copy or export it again")
