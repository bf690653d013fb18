"""Read a TFLite model: its tensors, constants (dense or sparse) and operators.

Only what the two face models use is read: one subgraph, float and integer tensors, no quantisation.

References:
    The TFLite schema, tensorflow/compiler/mlir/lite/schema/schema.fbs (field indices, operator numbers, sparsity).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .flatbuffer import Table, flexbuffer_map

# Schema: enum TensorType -> NumPy type.
_TYPES = {0: "<f4", 1: "<f2", 2: "<i4"}
# Schema: enum BuiltinOperator.
_OPERATORS = {
    0: "ADD", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D", 5: "DEPTH_TO_SPACE", 6: "DEQUANTIZE", 17: "MAX_POOL_2D", 18: "MUL",
    22: "RESHAPE", 23: "RESIZE_BILINEAR", 32: "CUSTOM", 34: "PAD", 45: "STRIDED_SLICE", 54: "PRELU", 124: "DENSIFY"}
# Schema: option name -> (field index, struct letter), by operator. Absent fields are 0; padding 0 is SAME, 1 is VALID;
# activation 0 is none, 1 is ReLU; a dilation is 1 where it is absent and is not read: neither model dilates.
_OPTIONS = {
    "ADD": {"activation": (0, "b")},
    "MUL": {"activation": (0, "b")},
    "CONV_2D": {"padding": (0, "b"), "stride_w": (1, "i"), "stride_h": (2, "i"), "activation": (3, "b")},
    "DEPTHWISE_CONV_2D": {"padding": (0, "b"), "stride_w": (1, "i"), "stride_h": (2, "i"), "multiplier": (3, "i"),
                          "activation": (4, "b")},
    "MAX_POOL_2D": {"padding": (0, "b"), "stride_w": (1, "i"), "stride_h": (2, "i"), "filter_w": (3, "i"),
                    "filter_h": (4, "i"), "activation": (5, "b")},
    "RESIZE_BILINEAR": {"align_corners": (2, "?"), "half_pixel_centers": (3, "?")},
    "DEPTH_TO_SPACE": {"block": (0, "i")},
}


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of the model: `data` is None where it is computed."""

    name: str
    shape: tuple[int, ...]
    data: np.ndarray | None


@dataclass(frozen=True)
class Operator:
    """A node: its kind, the indices of its tensors, and its options by name."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Model:
    """A TFLite model with one subgraph."""

    tensors: list[Tensor]
    operators: list[Operator]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def parse(content: bytes) -> Model:
    """Read a TFLite file.

    Args:
        content: the file's bytes.

    Returns:
        The model, sparse constants made dense.

    Raises:
        ValueError: the bytes are no TFLite file, or hold what the two face models do not use.
    """
    if content[4:8] != b"TFL3":
        raise ValueError(f"model file: expected a TFLite file (mark TFL3), got {len(content)} bytes with the mark "
                         f"{content[4:8]!r}; name the .tflite file of the mediapipe wheel")
    root = Table.root(content)
    (graph,) = root.tables(2)
    buffers = [table.array(0, "u1") for table in root.tables(4)]
    return Model(
        tensors=[_tensor(table, buffers) for table in graph.tables(0)],
        operators=[_operator(table, root.tables(1)) for table in graph.tables(3)],
        inputs=_indices(graph, 1), outputs=_indices(graph, 2))


def _indices(table: Table, index: int) -> tuple[int, ...]:
    return tuple(int(i) for i in table.array(index, "<i4"))


def _tensor(table: Table, buffers: list[np.ndarray]) -> Tensor:
    shape, name = _indices(table, 0), table.text(3)
    number = table.scalar(1, "b")
    raw = buffers[table.scalar(2, "I")]
    if not len(raw):
        return Tensor(name, shape, None)
    if number not in _TYPES:
        raise ValueError(f"tensor {name}: expected float32, float16 or int32, got TFLite type {number}")
    values = raw.tobytes()
    numbers = np.frombuffer(values, _TYPES[number])
    sparsity = table.table(6)
    return Tensor(name, shape, numbers.reshape(shape) if sparsity is None else dense(numbers, shape, sparsity))


def dense(values: np.ndarray, shape: tuple[int, ...], sparsity: Table) -> np.ndarray:
    """Spread the stored values of a sparse tensor over its full shape.

    A tensor of n dimensions is stored as n + b levels in the traversal order, the last b being blocks of the
    dimensions in the block map. A dense level lists all its places; a compressed one lists, for each place of the level
    above, the segment of its indices.

    Args:
        values: (stored,), in traversal order.
        shape: of the tensor.
        sparsity: the SparsityParameters table.

    Returns:
        The tensor, 0 where nothing is stored.
    """
    order, blocks = _indices(sparsity, 0), _indices(sparsity, 1)
    levels = sparsity.tables(2)
    coordinates = np.zeros((1, 0), np.int64)  # (places so far, levels so far)
    for level in levels:
        if level.scalar(0, "b") == 0:
            size = level.scalar(1, "i")
            inner = np.tile(np.arange(size), len(coordinates))
            repeats = np.full(len(coordinates), size)
        else:
            segments, inner = _segments(level, 2), _segments(level, 4)
            repeats = np.diff(segments)
        coordinates = np.column_stack([np.repeat(coordinates, repeats, axis=0), inner])
    by_dimension = np.zeros_like(coordinates)
    by_dimension[:, list(order)] = coordinates
    places = by_dimension[:, :len(shape)].copy()
    for i, dimension in enumerate(blocks):
        size = levels[order.index(len(shape) + i)].scalar(1, "i")
        places[:, dimension] = places[:, dimension] * size + by_dimension[:, len(shape) + i]
    full = np.zeros(shape, values.dtype)
    # Storage is padded to whole blocks, with zeros.
    inside = np.all(places < np.array(shape), axis=1)
    full[tuple(places[inside].T)] = values[:len(places)][inside]
    return full


def _segments(level: Table, index: int) -> np.ndarray:
    """A vector of a compressed level: a union of three integer widths, its type and then its table."""
    dtype = {1: "<i4", 2: "<u2", 3: "u1"}[level.scalar(index, "B")]
    segment = level.table(index + 1)
    assert segment is not None
    return segment.array(0, dtype).astype(np.int64)


def _operator(table: Table, codes: list[Table]) -> Operator:
    code = codes[table.scalar(0, "I")]
    # Numbers up to 126 stand in the old one-byte field, later ones in the new field.
    number = max(code.scalar(0, "b"), code.scalar(3, "i"))
    if number not in _OPERATORS:
        raise ValueError(f"expected the operators of the two face models, got TFLite operator {number}")
    kind = _OPERATORS[number]
    options: dict[str, Any] = {}
    if kind == "CUSTOM":
        kind = code.text(1)
        stored = table.array(5, "u1").tobytes()
        options = flexbuffer_map(stored) if stored else {}
    elif (custom := table.table(4)) is not None:
        options = {name: custom.scalar(*place) for name, place in _OPTIONS.get(kind, {}).items()}
    return Operator(kind, _indices(table, 1), _indices(table, 2), options)
