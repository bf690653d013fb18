"""torch -> the files of OpenVINO and ONNX, in float32 or, calibrated by NNCF, with the tower in int8.

What follows the frames' features, the head, is never quantised, nor are the tower's first and last layer.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mien.checkpoint.exported import FILES, missing
from mien.models.duse import DuSE, similarity

PACKAGES = {"openvino": ("openvino",), "onnx": ("onnx", "onnxscript", "onnxruntime"), "int8": ("nncf",)}


class ImageSide(nn.Module):
    """Frames uint8 (1, T, 3, S, S) -> logits (1, K), features (1, T, d): DuSE whose text is baked."""

    text: Tensor

    def __init__(self, model: DuSE) -> None:
        super().__init__()
        self.model = model.eval().requires_grad_(False)
        self.register_buffer("text", model.text_features())

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        model, options = self.model, self.model.options
        video = model.frame_features(frames)
        v_g = video.mean(dim=1) if model.lsea is None else model.lsea(video, self.text)[0]
        return similarity(v_g, self.text, options.score, options.score_temperature), video


def check(to: str, int8: bool) -> None:
    """ValueError, naming the extra, where a package that is needed for this cannot be imported."""
    if to not in FILES:
        raise ValueError(f"--to: expected {' or '.join(FILES)}, got {to!r}")
    with alone():
        for name in (*PACKAGES[to], *(PACKAGES["int8"] if int8 else ())):
            try:
                import_module(name)
            except ImportError as error:
                raise ValueError(missing(name)) from error


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """OpenVINO and NNCF report their use over the network unless told that nobody is there: nothing leaves the machine.

    They and torch talk a lot, too; what matters of it they raise.
    """
    told = {"CI": "true", "NNCF_CI": "1"}
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
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


def write(model: DuSE, to: str, clips: Sequence[np.ndarray], folder: Path) -> None:
    """The model files of `to` into `folder`; with `clips` uint8 (T, 3, S, S) to calibrate with, the tower is int8."""
    needs = model.needs
    frames = torch.zeros(1, needs.frames or 0, 3, needs.size or 0, needs.size or 0, dtype=torch.uint8)
    path = folder / FILES[to][0]
    with alone(), torch.no_grad():
        program = torch.export.export(ImageSide(model), (frames,))
        try:
            (_openvino if to == "openvino" else _onnx)(program, clips, path)
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
    """Names of the operations that use this output, at once or later."""
    found: dict[str, None] = {}
    left = [source]
    while left:
        for target in left.pop().get_target_inputs():
            node = target.get_node()
            if node.get_type_name() != "Result" and node.get_friendly_name() not in found:
                found[node.get_friendly_name()] = None
                left += node.outputs()
    return list(found)


def _onnx(program: Any, clips: Sequence[np.ndarray], path: Path) -> None:
    onnx = import_module("onnx")
    written = torch.onnx.export(program, (), dynamo=True, input_names=["frames"], output_names=["logits", "features"],
                                verbose=False)
    if written is None:
        raise ValueError("onnx: expected a model from torch.onnx.export, got None: take another version of torch")
    if clips:
        _let_protobuf_4_read_nncf(type(onnx.TensorProto.DataType))
        model = written.model_proto
        ordered = [(node.name, node.op_type) for node in model.graph.node]
        model = _int8(model, clips, _kept(ordered, _behind_onnx(model)), lambda clip: {"frames": clip[None]})
        onnx.save_model(model, path)
    else:
        written.save(path, external_data=False)


def _let_protobuf_4_read_nncf(enumeration: Any) -> None:
    """NNCF's part for ONNX annotates with `DataType | type`; protobuf 4, which mediapipe needs, cannot say that."""
    if any("__or__" in vars(one) for one in enumeration.__mro__):
        return
    enumeration.__or__ = lambda one, other: object
    try:
        import_module("nncf.onnx.quantization.quantizer_parameters")
    finally:
        del enumeration.__or__


def _behind_onnx(model: Any) -> list[str]:
    """Names of the nodes that use `features`, at once or later; nodes are in the order in which they run."""
    values, found = {"features"}, []
    for node in model.graph.node:
        if values & set(node.input):
            values |= set(node.output)
            found.append(node.name)
    return found


def _kept(ordered: Sequence[tuple[str, str]], head: Sequence[str]) -> list[str]:
    """Names of what is not quantised, of operations (name, kind) in the order in which they run: the head, the patches
    and the projection. Our choice: the last two are 3 % of the work of B/32, and without them the logits' error is a
    quarter smaller on random weights."""
    tower = [(name, kind) for name, kind in ordered if name not in head]
    patches = [name for name, kind in tower if kind in ("Convolution", "Conv")]
    projection = [name for name, kind in tower if kind in ("MatMul", "Gemm")][-1:]
    return [*head, *patches, *projection]


def _int8(model: Any, clips: Sequence[np.ndarray], kept: list[str], given: Any) -> Any:
    """Post-training quantisation of all but `kept`, smoothed for transformers (Xiao et al. 2023, 2211.10438)."""
    nncf = import_module("nncf")
    return nncf.quantize(model, nncf.Dataset(list(clips), given), model_type=nncf.ModelType.TRANSFORMER,
                         subset_size=len(clips), ignored_scope=nncf.IgnoredScope(names=kept, validate=False))
