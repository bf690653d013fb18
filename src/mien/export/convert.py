"""Convert a model from torch to files of OpenVINO or ONNX, in float32 or with the tower in int8, calibrated by NNCF.

The head after the frame features and the first and last layer of the tower are not quantised.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from mien.checkpoints.exported import missing_package
from mien.checkpoints.formats import FORMATS
from mien.models.method import Method

INT8 = ("nncf",)
"""Packages that int8 needs beside those of the format."""


def check_packages(to: str, int8: bool) -> None:
    """Check the format and its packages.

    Raises:
        ValueError: the format is unknown or has no int8, or a package cannot be imported; the message names the extra.
    """
    if to not in WRITERS:
        raise ValueError(f"--to: expected {' or '.join(WRITERS)}, got {to!r}")
    if int8 and not FORMATS[to].int8:
        able = " or ".join(name for name, form in FORMATS.items() if form.int8)
        raise ValueError(f"--int8: expected the format {able}, got {to}: leave --int8 out, or take another format")
    with in_subprocess():
        for name in (*FORMATS[to].packages, *(INT8 if int8 else ())):
            try:
                import_module(name)
            except ImportError as error:
                raise ValueError(missing_package(name)) from error


@contextlib.contextmanager
def in_subprocess() -> Iterator[None]:
    """Disable the telemetry of OpenVINO and NNCF, their output and torch's, inside the context.

    Both packages report their use over the network unless they run in CI. Their errors are still raised.
    """
    variables = {"CI": "true", "NNCF_CI": "1"}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(level)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def write_model(model: Method, to: str, clips: Sequence[np.ndarray], folder: Path) -> None:
    """Write the model files.

    Args:
        model: a model with an `export_graph`.
        to: "openvino" or "onnx".
        clips: uint8 (T, 3, S, S), to calibrate an int8 tower; empty for float32.
        folder: the folder to write into.

    Raises:
        ValueError: the conversion fails, or the disk is full.
    """
    needs = model.needs
    frames = torch.zeros(1, needs.frames or 0, 3, needs.size or 0, needs.size or 0, dtype=torch.uint8)
    path = folder / FORMATS[to].files[0]
    with in_subprocess(), torch.no_grad():
        program = torch.export.export(cast(nn.Module, model.export_graph()), (frames,))
        try:
            WRITERS[to](program, clips, path)
        except RuntimeError as error:
            if path.exists():
                raise ValueError(f"{path.name}: expected to write it, got {error}: free space on the disk") from error
            raise


def _openvino(program: Any, clips: Sequence[np.ndarray], path: Path) -> None:
    openvino = import_module("openvino")
    model = openvino.convert_model(program)
    model.inputs[0].set_names({"frames"})
    for output, name in zip(model.outputs, ("logits", "features"), strict=True):
        output.set_names({name})
    if clips:
        head = _behind_openvino(model.output("features").get_node().input_value(0))
        ordered = [(op.get_friendly_name(), op.get_type_name()) for op in model.get_ordered_ops()]
        model = _int8(model, clips, _kept(ordered, head), lambda clip: clip[None])
    openvino.save_model(model, path, compress_to_fp16=False)


def _behind_openvino(source: Any) -> list[str]:
    """Names of the operations that use this output directly or indirectly."""
    names: dict[str, None] = {}
    left = [source]
    while left:
        for target in left.pop().get_target_inputs():
            node = target.get_node()
            if node.get_type_name() != "Result" and node.get_friendly_name() not in names:
                names[node.get_friendly_name()] = None
                left += node.outputs()
    return list(names)


def _onnx(program: Any, clips: Sequence[np.ndarray], path: Path) -> None:
    onnx = import_module("onnx")
    written = torch.onnx.export(program, (), dynamo=True, input_names=["frames"], output_names=["logits", "features"],
                                verbose=False)
    if written is None:
        raise ValueError("onnx: expected a model from torch.onnx.export, got None: install another version of torch")
    if clips:
        model = written.model_proto
        ordered = [(node.name, node.op_type) for node in model.graph.node]
        model = _int8(model, clips, _kept(ordered, _behind_onnx(model)), lambda clip: {"frames": clip[None]})
        onnx.save_model(model, path)
    else:
        written.save(path, external_data=False)


def _behind_onnx(model: Any) -> list[str]:
    """Names of the nodes that use `features` directly or indirectly; the graph has its nodes in execution order."""
    values, names = {"features"}, []
    for node in model.graph.node:
        if values & set(node.input):
            values |= set(node.output)
            names.append(node.name)
    return names


def _kept(ordered: Sequence[tuple[str, str]], head: Sequence[str]) -> list[str]:
    """Names of the operations that are not quantised: the head, the patch embedding and the projection.

    Our choice: the last two are 3 % of the operations of B/32, and in float32 the error of the logits is a quarter
    smaller on random weights. `ordered`: (name, kind) of all operations in execution order.
    """
    tower = [(name, kind) for name, kind in ordered if name not in head]
    patches = [name for name, kind in tower if kind in ("Convolution", "Conv")]
    projection = [name for name, kind in tower if kind in ("MatMul", "Gemm")][-1:]
    return [*head, *patches, *projection]


def _int8(model: Any, clips: Sequence[np.ndarray], kept: list[str], to_input: Any) -> Any:
    """Quantise all operations but `kept` after training, with smoothing for transformers.

    References:
        Xiao et al. 2023, arXiv 2211.10438.
    """
    nncf = import_module("nncf")
    return nncf.quantize(model, nncf.Dataset(list(clips), to_input), model_type=nncf.ModelType.TRANSFORMER,
                         subset_size=len(clips), ignored_scope=nncf.IgnoredScope(names=kept, validate=False))


WRITERS: dict[str, Callable[[Any, Sequence[np.ndarray], Path], None]] = {"openvino": _openvino, "onnx": _onnx}
"""Format -> how it is written: an exported program of torch, clips uint8 (T, 3, S, S) to calibrate int8 with or none,
the path of the first file of `checkpoints.formats.FORMATS`."""
