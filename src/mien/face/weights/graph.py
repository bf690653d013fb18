"""An ONNX graph under construction: nodes, constants, and the form they are stored in."""

from __future__ import annotations

from typing import Any

import numpy as np

OPSET = 17
IR_VERSION = 8  # the one that opset 17 came with: every onnxruntime of this decade reads it


class Graph:
    """Collects nodes and constants; `model` makes the ONNX file of them.

    Constants that are float16 in the source stay float16 in the file, half the size, and a Cast makes them float32; a
    runtime folds that Cast when it loads the file, so it costs nothing later.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.constants: dict[str, np.ndarray] = {}
        self._nodes: list[Any] = []
        self._names: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def node(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add an operator with one output.

        Args:
            kind: ONNX operator.
            inputs: names of its inputs.
            output: name of its output; a number is given where it is absent.
            attributes: of the operator.

        Returns:
            The name of its output.
        """
        from onnx import helper

        output = output or f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def _widened(self, name: str) -> str:
        from onnx import helper

        self._nodes.append(helper.make_node("Cast", [name], [name + ".float32"], name=name + ".float32", to=1))
        return name + ".float32"

    def constant(self, name: str, values: np.ndarray) -> str:
        """Add a constant; equal constants are stored once.

        Args:
            name: of the constant, where no equal one exists.
            values: float16, float32 or int64.

        Returns:
            The name to use as a node's input, always float32 or int64.
        """
        values = np.ascontiguousarray(values)
        key = (values.dtype.str, values.shape, values.tobytes())
        if key not in self._names:
            if name in self.constants:
                raise ValueError(f"constant {name}: expected one set of values, got two")
            self.constants[name] = values
            self._names[key] = self._widened(name) if values.dtype == np.float16 else name
        return self._names[key]

    def integers(self, *values: int) -> str:
        """A constant int64 vector."""
        array = np.array(values, np.int64)
        count = sum(constant.dtype == np.int64 for constant in self.constants.values())
        return self.constant(f"integers_{count}", array)

    def model(self, inputs: dict[str, tuple[int, ...]], outputs: dict[str, tuple[int, ...]],
              notes: dict[str, str]) -> Any:
        """The finished ONNX model.

        Args:
            inputs: name -> shape, float32.
            outputs: name -> shape, float32.
            notes: metadata to write into the file.

        Returns:
            The checked onnx.ModelProto.
        """
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        nodes = self._needed(set(outputs))
        used = {name for node in nodes for name in node.input}
        graph = helper.make_graph(
            nodes, self.name,
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
            [numpy_helper.from_array(values, name) for name, values in self.constants.items() if name in used])
        model = helper.make_model(graph, producer_name="mien", ir_version=IR_VERSION,
                                 opset_imports=[helper.make_opsetid("", OPSET)])
        helper.set_model_props(model, notes)
        onnx.checker.check_model(model, full_check=True)
        return model

    def _needed(self, names: set[str]) -> list[Any]:
        """The nodes that the wanted values depend on, in order."""
        kept = []
        for node in reversed(self._nodes):
            if node.output[0] in names:
                kept.append(node)
                names |= set(node.input)
        return kept[::-1]
