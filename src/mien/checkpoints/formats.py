"""Formats of exported models: the files of each, and how they are loaded. `export.convert.WRITERS` writes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np

from mien.checkpoints.factory import Precision
from mien.core import telemetry

Run = Callable[[np.ndarray], np.ndarray]
"""Frames uint8 (1, T, 3, S, S) -> logits (1, K)."""


@dataclass(frozen=True)
class ExportFormat:
    """A format that an exported model has on disk.

    Args:
        files: names of its files in the model's folder, all of them; the first is given to `load`.
        load: path of the first file, precision -> the function that computes logits of frames.
        packages: names of the modules without which it cannot be written.
        precisions: what `load` can be asked for.
        int8: whether it can be written with an int8 backbone.
    """

    files: tuple[str, ...]
    load: Callable[[Path, Precision], Run]
    packages: tuple[str, ...] = ()
    precisions: tuple[Precision, ...] = ("auto", "32")
    int8: bool = False


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


def _onnx(path: Path, precision: Precision) -> Run:
    session = telemetry.onnxruntime().InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda frames: session.run(["logits"], {"frames": frames})[0]


FORMATS: dict[str, ExportFormat] = {
    "openvino": ExportFormat(("model.xml", "model.bin"), _openvino, ("openvino",), ("auto", "32", "bf16"), int8=True),
    "onnx": ExportFormat(("model.onnx",), _onnx, ("onnx", "onnxscript", "onnxruntime"), int8=True),
}
"""What `mien export --to` may name. A format needs a row here and one in `export.convert.WRITERS`."""
