"""Check converted models, tensor by tensor, against the pinned digests.

The digests are of the tensors and the operators, not of the ONNX file: its bytes may change with the library that
writes it. benchmarks/model_parity.py wrote `digests.json`, once the conversion agreed with mediapipe.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from .locate import DIGESTS, ModelsError, remedy

GRAPH = "(graph)"  # the entry for inputs, outputs and operators


def digests(model: Any) -> dict[str, str]:
    """Compute the digests of a model.

    Args:
        model: onnx.ModelProto.

    Returns:
        Name of each constant -> sha256 of its type, shape and little-endian values; "(graph)" -> sha256 of the rest.
    """
    from onnx import numpy_helper

    table = {}
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        values = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        head = f"{values.dtype.name} {values.shape} ".encode()
        table[tensor.name] = hashlib.sha256(head + values.tobytes()).hexdigest()
    table[GRAPH] = hashlib.sha256(json.dumps(_structure(model), sort_keys=True).encode()).hexdigest()
    return table


def _structure(model: Any) -> dict[str, Any]:
    """What a model computes with its constants, as plain data."""
    from onnx import helper

    def plain(value: Any) -> Any:
        if isinstance(value, bytes):
            return value.decode()
        return list(map(plain, value)) if isinstance(value, list | tuple) else value

    def shapes(values: Any) -> list[Any]:
        types = [(value.name, value.type.tensor_type) for value in values]
        return [(name, kind.elem_type, [side.dim_value for side in kind.shape.dim]) for name, kind in types]

    nodes = [(node.op_type, node.domain, list(node.input), list(node.output),
              {attribute.name: plain(helper.get_attribute_value(attribute)) for attribute in node.attribute})
             for node in model.graph.node]
    opset = [(entry.domain, entry.version) for entry in model.opset_import]
    return {"inputs": shapes(model.graph.input), "outputs": shapes(model.graph.output), "nodes": nodes, "opset": opset}


def verify(name: str, model: Any) -> None:
    """Check a model against the pinned digests.

    Args:
        name: file name of the ONNX model.
        model: onnx.ModelProto.

    Raises:
        ModelsError: a tensor or the graph differs.
    """
    expected = json.loads(DIGESTS.read_text(encoding="utf-8"))[name]
    got = digests(model)
    wrong = sorted(key for key in expected.keys() | got.keys() if expected.get(key) != got.get(key))
    if wrong:
        raise ModelsError(f"{name}: expected the {len(expected)} tensors that mien pins, got {len(wrong)} that differ "
                          f"({', '.join(wrong[:3])}{' ...' if len(wrong) > 3 else ''}); the file is damaged or of "
                          f"another version: {remedy()}")
