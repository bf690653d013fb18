"""An exported model: one file of OpenVINO or ONNX and its card, read like a checkpoint, on the processor.

It holds the image tower with its prompts and LSEA, and the text features; there is no text tower in it. Its outputs are
`logits` (1, K) and, on the way there, `features` (1, T, d) of the frames.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from mien import work, writing
from mien.checkpoint.card import CARD, Card, decode, parse
from mien.checkpoint.parts import Precision
from mien.data.prepare import prepare
from mien.tasks import Task
from mien.types import Needs, Window

SCHEMA = "mien.export/1"
Format = Literal["openvino", "onnx"]
FILES: dict[str, tuple[str, ...]] = {"openvino": ("model.xml", "model.bin"), "onnx": ("model.onnx",)}

Run = Callable[[np.ndarray], np.ndarray]
"""Frames uint8 (1, T, 3, S, S) -> logits (1, K)."""


@dataclass(frozen=True, eq=False)
class ExportCard:
    """`format`, `precision` of what is written ("32" or "int8"), `files` by sha256, `shape` of the input, `source`: the
    sha256 of the checkpoint's weights, `parity`: how far it is from them, and the checkpoint's own card."""

    format: Format
    precision: Literal["32", "int8"]
    files: Mapping[str, str]
    shape: tuple[int, ...]
    source: str
    parity: Mapping[str, Any]
    checkpoint: Card

    @property
    def needs(self) -> Needs:
        """What `data.prepare` is to make of a window."""
        told = self.checkpoint.preprocessing
        return Needs(told["frames"], told["size"], tuple(told["mean"]), tuple(told["std"]))

    def save(self, path: Path) -> None:
        """Write it as JSON; whole or not at all."""
        told = {name: value for name, value in vars(self).items() if name != "checkpoint"}
        data = {"schema": SCHEMA, "licence": self.checkpoint.recipe.licence, "tiny": self.checkpoint.recipe.tiny,
                "labels": self.checkpoint.classes, **told, "checkpoint": self.checkpoint.to_json()}
        writing.text(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")


class Exported:
    """A model that is ready; `Stream(model)` takes it. `needs` say what a window holds, `seconds` how long it is."""

    def __init__(self, run: Run, card: ExportCard) -> None:
        self.run, self.card, self.doubt = run, card, card.checkpoint.recipe.doubt
        self.task, self.seconds, self.needs = card.checkpoint.task, card.checkpoint.recipe.seconds, card.needs

    def read(self, window: Window) -> np.ndarray:
        """A window of one person -> probabilities (K,). ValueError for one without a picture."""
        return self.read_all([window])[0]

    def read_all(self, windows: Sequence[Window]) -> np.ndarray:
        """Windows (N,) -> probabilities (N, K)."""
        frames: Any = prepare(windows, self.needs).frames
        return self.probs(frames.numpy())

    def probs(self, frames: np.ndarray) -> np.ndarray:
        """Frames uint8 (N, T, 3, S, S) -> probabilities (N, K)."""
        logits = np.concatenate([self.run(frames[i : i + 1]) for i in range(len(frames))]).astype(np.float64)
        logits /= self.card.checkpoint.temperature
        likely = np.exp(logits - logits.max(axis=1, keepdims=True))
        return likely / likely.sum(axis=1, keepdims=True)


def here(folder: Path) -> bool:
    """Whether a folder is, or was to be, an exported model: by its files, or by its card."""
    card = folder / CARD
    if card.is_file() and f'"{SCHEMA.split("/")[0]}/'.encode() in card.read_bytes():
        return True
    return any((folder / name).exists() for names in FILES.values() for name in names)


def load(folder: str | Path, *, task: Task | None = None, labels: Task | None = None, device: str = "cpu",
         precision: Precision = "auto") -> Exported:
    """The exported model in a folder. `precision`: "32", for OpenVINO also "bf16"; "auto": what is fast here.

    Raises FileNotFoundError or ValueError: for what is not whole, for another label map or other labels, for a device
    that is not the processor, and where a package is missing.
    """
    folder = Path(folder)
    card = read(folder / CARD)
    if labels is not None:
        raise ValueError("--labels: expected a checkpoint, whose text tower reads other labels, got an exported model, "
                         f"which has none: give --model the checkpoint of {folder.name}, or leave --labels out")
    if task is not None and task.classes != card.checkpoint.classes:
        raise ValueError(f"{folder}: expected the labels {', '.join(task.classes)}, got a model for "
                         f"{', '.join(card.checkpoint.classes)}, in this order: take another, or export one")
    if device not in ("auto", "cpu"):
        raise ValueError(f"--device: expected auto or cpu for an exported model, got {device!r}: give the checkpoint")
    fits = ("auto", "32", "bf16") if card.format == "openvino" else ("auto", "32")
    if precision not in fits:
        raise ValueError(f"precision: expected {' or '.join(fits)} for {card.format}, got {precision!r}")
    _check_files(folder, card)
    path = folder / FILES[card.format][0]
    try:
        run = _openvino(path, precision) if card.format == "openvino" else _onnx(path)
    except ImportError as error:
        raise ValueError(missing(error.name)) from error
    return Exported(run, card)


def read(path: Path) -> ExportCard:
    """What `ExportCard.save` wrote."""
    if not path.is_file():
        raise FileNotFoundError(f"{path.parent}: expected an exported model with its {CARD}, got none: take the whole "
                                "folder that mien export wrote")
    data = decode(path, "export it again")
    if not isinstance(data, dict) or data.get("schema") != SCHEMA or data.get("format") not in get_args(Format):
        got = [data.get(name) for name in ("schema", "format")] if isinstance(data, dict) else type(data).__name__
        raise ValueError(f"{path}: expected the schema {SCHEMA}, of openvino or onnx, got {got}: take another mien, or "
                         "export it again")
    wanted = ("format", "precision", "files", "shape", "source", "parity", "checkpoint")
    if lost := [name for name in wanted if name not in data]:
        raise ValueError(f"{path}: expected the fields of a card, these are missing: {', '.join(lost)}")
    told = {name: data[name] for name in wanted}
    return ExportCard(**{**told, "shape": tuple(data["shape"]), "checkpoint": parse(data["checkpoint"], path)})


def missing(package: str | None) -> str:
    """What to say where a package of the extra is not installed."""
    return (f"expected the packages that exported models need, {package} is missing: install them with "
            'pip install "mien[export]"')


def _check_files(folder: Path, card: ExportCard) -> None:
    for name in FILES[card.format]:
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(f"{path}: expected the model beside its {CARD}, got nothing: take the whole folder")
        if work.sha256(path) != card.files.get(name):
            raise ValueError(f"{path}: expected the file that its {CARD} names by sha256, got another or part of it "
                             f"({path.stat().st_size} bytes): copy or export it again")


def _openvino(path: Path, precision: Precision) -> Run:
    """The tower in the fast type, what follows its features in float32: cosines divided by 0.01 need more than 8 bits.

    Each has a request of its own, which copies its input: one that shares memory writes into it later.
    """
    openvino, opset = import_module("openvino"), import_module("openvino.opset13")
    core = openvino.Core()
    model = core.read_model(path)
    features = model.output("features").get_node()
    source = features.input_value(0)
    entry = opset.parameter(source.get_shape(), np.float32)
    for target in source.get_target_inputs():
        if target.get_node().get_type_name() != "Result":
            target.replace_source_output(entry.output(0))
    tower = openvino.Model([features], model.get_parameters(), "tower")
    head = openvino.Model([model.output("logits").get_node()], [entry], "head")
    hint = {"32": "f32", "bf16": "bf16"}.get(precision)
    first = core.compile_model(tower, "CPU", {"INFERENCE_PRECISION_HINT": hint} if hint else {}).create_infer_request()
    second = core.compile_model(head, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()

    def run(frames: np.ndarray) -> np.ndarray:
        first.infer({0: frames})
        second.infer({0: first.get_output_tensor(0).data})
        return second.get_output_tensor(0).data.copy()

    return run


def _onnx(path: Path) -> Run:
    session = import_module("onnxruntime").InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda frames: session.run(["logits"], {"frames": frames})[0]
