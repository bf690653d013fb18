"""Translate the operators of a TFLite model to ONNX.

Pictures are (batch, height, width, channels) in TFLite and (batch, channels, height, width) in ONNX. Every tensor of
four dimensions is turned once, at the constants and at the input; tensors of fewer dimensions keep their order.

References:
    TensorFlow Lite operators, https://ai.google.dev/edge/litert/models/ops_compatibility
    ONNX operators, opset 17, https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from .graph import Graph
from .tflite import Model, Operator

_SAME, _RELU = 0, 1
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


class Translation:
    """A TFLite model on its way into a graph.

    Args:
        model: the source.
        graph: where the nodes go.
        input_name: name of the graph's one input, float32 (1, channels, height, width).
    """

    def __init__(self, model: Model, graph: Graph, input_name: str) -> None:
        self.model, self.graph = model, graph
        self.values = {model.inputs[0]: input_name}  # tensor index -> ONNX name
        self.constants = {i: tensor.data for i, tensor in enumerate(model.tensors) if tensor.data is not None}
        self._count: Counter[str] = Counter()
        self._pads: dict[int, tuple[int, list[int]]] = {}  # output of a PAD -> its input and its padding

    def run(self, custom: dict[str, Callable[[Translation, Operator], str]]) -> None:
        """Translate every operator.

        Args:
            custom: how to translate the custom operators, by name.

        Raises:
            ValueError: an operator that no translator knows, or an option that differs from the known models'.
        """
        translators = {**_TRANSLATORS, **custom}
        for operator in self.model.operators:
            if operator.kind in ("DEQUANTIZE", "DENSIFY"):
                # Constants were made dense when they were read; the widening to float32 happens in the graph.
                self.constants[operator.outputs[0]] = self.constants[operator.inputs[0]]
        for operator in self.model.operators:
            if operator.kind not in ("DEQUANTIZE", "DENSIFY"):
                if operator.kind not in translators:
                    raise ValueError(f"no translation of the TFLite operator {operator.kind}: expected the operators "
                                     "of the two face models")
                self.values[operator.outputs[0]] = translators[operator.kind](self, operator)

    def name(self, kind: str) -> str:
        """The next name of a kind: conv_0, conv_1 ..."""
        self._count[kind] += 1
        return f"{kind}_{self._count[kind] - 1}"

    def shape(self, index: int) -> tuple[int, ...]:
        """Shape of a tensor in TFLite's order."""
        return self.model.tensors[index].shape

    def activated(self, value: str, operator: Operator) -> str:
        """`value` after the operator's built-in activation."""
        return self.graph.node("Relu", value) if operator.options.get("activation") == _RELU else value

    def padded(self, index: int) -> tuple[int, list[int]]:
        """A tensor before an explicit PAD of its picture, and that padding [top, left, bottom, right]."""
        return self._pads.get(index, (index, [0, 0, 0, 0]))


def _same(size: int, window: int, stride: int) -> tuple[int, int]:
    """TFLite's SAME padding before and after one side: the output is ceil(size / stride)."""
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def _pads(made: Translation, operator: Operator, window: tuple[int, int]) -> tuple[int, list[int]]:
    source, pads = made.padded(operator.inputs[0])
    if operator.options["padding"] != _SAME:
        return source, pads
    _, height, width, _ = made.shape(operator.inputs[0])
    top, bottom = _same(height, window[0], operator.options["stride_h"])
    left, right = _same(width, window[1], operator.options["stride_w"])
    return source, [a + b for a, b in zip(pads, [top, left, bottom, right], strict=True)]


def _convolution(made: Translation, operator: Operator) -> str:
    _, kernel, bias = operator.inputs
    # Kernels: (out, height, width, in), or (1, height, width, out) for depthwise -> (out, in per group, height, width).
    kind, axes, groups = "conv", (0, 3, 1, 2), 1
    if operator.kind == "DEPTHWISE_CONV_2D":
        kind, axes, groups = "depthwise", (3, 0, 1, 2), made.shape(operator.inputs[0])[3]
    weights = made.constants[kernel].transpose(axes)
    name = made.name(kind)
    source, pads = _pads(made, operator, weights.shape[2:])
    value = made.graph.node(
        "Conv", made.values[source], made.graph.constant(name + ".weight", weights),
        made.graph.constant(name + ".bias", made.constants[bias]), kernel_shape=weights.shape[2:], pads=pads,
        strides=[operator.options["stride_h"], operator.options["stride_w"]],
        group=groups)
    return made.activated(value, operator)


def _pooling(made: Translation, operator: Operator) -> str:
    window = (operator.options["filter_h"], operator.options["filter_w"])
    source, pads = _pads(made, operator, window)
    value = made.graph.node("MaxPool", made.values[source], kernel_shape=window, pads=pads,
                            strides=[operator.options["stride_h"], operator.options["stride_w"]])
    return made.activated(value, operator)


def _pad(made: Translation, operator: Operator) -> str:
    index, table = operator.inputs
    amounts = made.constants[table].reshape(4, 2)  # (batch, height, width, channels) x (before, after)
    consumers = {other.kind for other in made.model.operators if operator.outputs[0] in other.inputs}
    if not amounts[[0, 3]].any() and consumers <= set(_CONVOLUTIONS):
        # A convolution pads by itself.
        made._pads[operator.outputs[0]] = (index, [int(v) for v in (*amounts[1:3, 0], *amounts[1:3, 1])])
        return made.values[index]
    channels = made.shape(index)[3]
    if not amounts[:3].any() and tuple(amounts[3]) == (0, channels):
        # Zeros beside the channels, made by a convolution: Pad would leave onnxruntime's blocked channel layout.
        zeros = made.graph.constant(f"zeros_{channels}", np.zeros((channels, 1, 1, 1), np.float32))
        empty = made.graph.node("Conv", made.values[index], zeros, kernel_shape=[1, 1], group=channels)
        return made.graph.node("Concat", made.values[index], empty, axis=1)
    turned = amounts[[0, 3, 1, 2]]
    return made.graph.node("Pad", made.values[index], made.graph.integers(*turned[:, 0], *turned[:, 1]))


def _binary(kind: str) -> Callable[[Translation, Operator], str]:
    def translate(made: Translation, operator: Operator) -> str:
        value = made.graph.node(kind, *(_operand(made, index) for index in operator.inputs))
        return made.activated(value, operator)
    return translate


def _operand(made: Translation, index: int) -> str:
    if index not in made.constants:
        return made.values[index]
    return made.graph.constant(made.name("factor"), made.constants[index])


def _prelu(made: Translation, operator: Operator) -> str:
    """PReLU as slope * x + (1 - slope) * relu(x): two depthwise convolutions of one pixel.

    onnxruntime keeps convolutions, ReLU and sums in its blocked channel layout, and adds the second product inside the
    second convolution; its PRelu leaves that layout twice and took half of the mesh's time. Where no slope is above 1,
    the ReLU follows its factor, and is computed inside that convolution.
    """
    index, slope = operator.inputs
    graph, channels = made.graph, made.shape(index)[3]
    slopes = made.constants[slope].reshape(channels, 1, 1, 1)
    weights = graph.constant(made.name("prelu") + ".slope", slopes)
    rest = graph.node("Sub", graph.constant("one", np.array(1.0, np.float32)), weights)
    value = made.values[index]
    scaled = graph.node("Conv", value, weights, kernel_shape=[1, 1], group=channels)
    if (slopes <= 1).all():
        lifted = graph.node("Relu", graph.node("Conv", value, rest, kernel_shape=[1, 1], group=channels))
    else:
        lifted = graph.node("Conv", graph.node("Relu", value), rest, kernel_shape=[1, 1], group=channels)
    return graph.node("Add", scaled, lifted)


def _resize(made: Translation, operator: Operator) -> str:
    if not operator.options["half_pixel_centers"] or operator.options["align_corners"]:
        raise ValueError("RESIZE_BILINEAR: expected half-pixel centres; the model file is not the one mien knows")
    _, height, width, channels = made.shape(operator.outputs[0])
    sizes = made.graph.integers(1, channels, height, width)
    return made.graph.node("Resize", made.values[operator.inputs[0]], "", "", sizes, mode="linear",
                           coordinate_transformation_mode="half_pixel")


def _depth_to_space(made: Translation, operator: Operator) -> str:
    # TFLite orders the channels as (row in block, column in block, channel): ONNX calls that DCR.
    value = made.values[operator.inputs[0]]
    return made.graph.node("DepthToSpace", value, blocksize=operator.options["block"], mode="DCR")


def _reshape(made: Translation, operator: Operator) -> str:
    index, shape = operator.inputs[0], made.shape(operator.outputs[0])
    value, before = made.values[index], made.shape(index)
    if len(before) == 4 and before[1:3] != (1, 1):
        value = made.graph.node("Transpose", value, perm=[0, 2, 3, 1])
    return made.graph.node("Reshape", value, made.graph.integers(*shape))


def _whole_slice(made: Translation, operator: Operator) -> str:
    if made.shape(operator.inputs[0]) != made.shape(operator.outputs[0]):
        raise ValueError("STRIDED_SLICE: expected one of the whole tensor; the model file is not the one mien knows")
    return made.values[operator.inputs[0]]


_TRANSLATORS: dict[str, Callable[[Translation, Operator], str]] = {
    "CONV_2D": _convolution, "DEPTHWISE_CONV_2D": _convolution, "MAX_POOL_2D": _pooling, "PAD": _pad, "PRELU": _prelu,
    "ADD": _binary("Add"), "MUL": _binary("Mul"), "RESIZE_BILINEAR": _resize, "DEPTH_TO_SPACE": _depth_to_space,
    "RESHAPE": _reshape, "STRIDED_SLICE": _whole_slice}
