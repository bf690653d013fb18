"""Translate the three custom operators of the attention mesh, and merge its parts into one set of landmarks.

The mesh finds 468 points, then looks again at the lips and at each eye: a turned rectangle around the part's points is
cut out of an early feature map, and a branch of the network finds the part's points in it (Grishchenko et al. 2020,
arXiv 2006.10962). In the graph below an affine map of the plane is a (1, 2, 3) matrix; the source's (1, 4, 4) matrices
hold the same numbers in rows 0 and 1, columns 0, 1 and 3.

References:
    The operators' public definitions: mediapipe/util/tflite/operations in the mediapipe project.
    The order of the points: mediapipe/modules/face_landmark/tensors_to_face_landmarks_with_attention.pbtxt.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .graph import Graph
from .tflite import Operator
from .translate import Translation

CROP = 192  # px: side of the picture the mesh takes
_EYE_CONTOUR = 16  # points: the first of an eye's points are its contour
_FLOAT, _INT32 = 1, 6  # of ONNX's types


def _plane(made: Translation, index: int) -> str:
    """Landmarks (1, n, 3) -> their x and y (1, 2, n)."""
    graph = made.graph
    flat = graph.node("Slice", made.values[index], graph.integers(0), graph.integers(2), graph.integers(2))
    return graph.node("Transpose", flat, perm=[0, 2, 1])


def _float(made: Translation, name: str, values: object) -> str:
    return made.graph.constant(name, np.array(values, np.float32))


def _transform_matrix(made: Translation, operator: Operator) -> str:
    """Landmarks2TransformMatrix: the affine map from an upright cut-out, in px, to the turned rectangle around points.

    The rectangle is upright when the line from the left to the right reference point has the target angle; its sides
    are those of the points' bounding box in that turned frame, times the scales.
    """
    graph, options = made.graph, operator.options
    name = made.name("region")
    points = _plane(made, operator.inputs[0])
    left, right = options["left_rotation_idx"], options["right_rotation_idx"]
    ends = graph.node("Gather", points, graph.integers(left, right), axis=2)
    line = graph.node("MatMul", ends, _float(made, "difference", [[-1.0], [1.0]]))  # (1, 2, 1)
    # Two landmarks in one place have no angle: the length is kept above 0 so that the map stays finite.
    length = graph.node("ReduceL2", line, axes=[1], keepdims=1)
    length = graph.node("Max", length, _float(made, "least_length", [1e-12]))
    unit = graph.node("Div", line, length)  # cosine and sine of the line's angle
    cos, sin = math.cos(options["target_rotation_radians"]), math.sin(options["target_rotation_radians"])
    # The rotation by (target - angle) and its inverse, each row by row, as linear maps of (cosine, sine).
    turn = np.array([[cos, sin], [-sin, cos], [sin, -cos], [cos, sin]])
    square = graph.integers(1, 2, 2)
    upright = graph.node("Reshape", graph.node("MatMul", _float(made, "turn", turn), unit), square)
    back = graph.node("Reshape", graph.node("MatMul", _float(made, "turn_back", turn[[0, 2, 1, 3]]), unit), square)
    subset = graph.node("Gather", points, graph.integers(*options["subset_idxs"]), axis=2)
    turned = graph.node("MatMul", upright, subset)
    high = graph.node("ReduceMax", turned, axes=[2], keepdims=1)  # (1, 2, 1)
    low = graph.node("ReduceMin", turned, axes=[2], keepdims=1)
    # Cut-out px -> turned frame: (high - low) * scale / size * (px - size / 2) + (high + low) / 2, as a 2 x 3 matrix.
    width, height = options["output_width"], options["output_height"]
    stretch = np.array([[options["scale_x"] / width], [options["scale_y"] / height]])
    spread = stretch * np.array([[1, 0, -width / 2], [0, 1, -height / 2]])
    middle = np.array([[0, 0, 0.5], [0, 0, 0.5]])
    frame = graph.node("Add", graph.node("Mul", high, _float(made, name + ".high", spread + middle)),
                       graph.node("Mul", low, _float(made, name + ".low", middle - spread)))
    return graph.node("MatMul", back, frame)


def _cut_out(made: Translation, operator: Operator) -> str:
    """TransformTensorBilinear: a cut-out of a feature map by an affine map, 0 where it leaves the map.

    Pixel centres lie at halves: pixel p of the cut-out takes the value at map(p + 0.5) - 0.5. The four neighbours of
    each place are gathered, all channels at once; GridSample takes each channel by itself and was three times slower.
    """
    graph, options = made.graph, operator.options
    features, matrix = operator.inputs
    _, height, width, channels = made.shape(features)
    rows, columns = options["output_height"], options["output_width"]
    y, x = np.mgrid[:rows, :columns] + 0.5
    pixels = np.stack([x.ravel(), y.ravel(), np.ones(rows * columns)])
    places = graph.node("MatMul", made.values[matrix], _float(made, f"pixels_{rows}x{columns}", pixels))
    places = graph.node("Sub", places, _float(made, "half", 0.5))  # (1, 2, rows * columns): x and y
    last = _float(made, f"last_{height}x{width}", [[width - 1], [height - 1]])
    inside = graph.node("Min", graph.node("Max", places, _float(made, "zero", 0.0)), last)
    kept = graph.node("Equal", inside, places)
    kept = graph.node("ReduceMin", graph.node("Cast", kept, to=_FLOAT), axes=[1], keepdims=1)
    corner = graph.node("Floor", graph.node("Min", inside, _float(made, f"corner_{height}x{width}",
                                                                  [[width - 2], [height - 2]])))
    right = graph.node("Sub", inside, corner)
    shares = graph.node("Concat", graph.node("Sub", _float(made, "one", 1.0), right), right, axis=0)  # (2, 2, ...)
    across, down = (graph.node("Gather", shares, graph.integers(axis), axis=1) for axis in (0, 1))  # (2, 1, ...)
    weights = graph.node("Mul", graph.node("Mul", down, graph.node("Transpose", across, perm=[1, 0, 2])), kept)
    weights = graph.node("Reshape", weights, graph.integers(4, rows * columns, 1))
    index = graph.node("MatMul", _float(made, f"row_of_{width}", [[1.0, width]]), corner)  # (1, 1, ...)
    neighbours = np.array([0, 1, width, width + 1]).reshape(4, 1)
    index = graph.node("Add", graph.node("Reshape", index, graph.integers(1, rows * columns)),
                       _float(made, f"neighbours_{width}", neighbours))
    flat = graph.node("Reshape", graph.node("Transpose", made.values[features], perm=[0, 2, 3, 1]),
                      graph.integers(height * width, channels))
    values = graph.node("Gather", flat, graph.node("Cast", index, to=_INT32), axis=0)  # (4, ..., channels)
    mixed = graph.node("ReduceSum", graph.node("Mul", values, weights), graph.integers(0), keepdims=0)
    return graph.node("Reshape", graph.node("Transpose", mixed, perm=[1, 0]),
                      graph.integers(1, channels, rows, columns))


def _apply(made: Translation, operator: Operator) -> str:
    """TransformLandmarks: points (1, n, 2) through an affine map."""
    points, matrix = operator.inputs
    if made.shape(points)[2] != 2:
        raise ValueError(f"TransformLandmarks: expected points in the plane, got {made.shape(points)}")
    graph = made.graph
    homogeneous = graph.node("Pad", made.values[points], graph.integers(0, 0, 0, 0, 0, 1), _float(made, "one", 1.0))
    return graph.node("MatMul", homogeneous, graph.node("Transpose", made.values[matrix], perm=[0, 2, 1]))


def _product(made: Translation, operator: Operator) -> str:
    """MUL of a (1, 4, 4) matrix by a constant one, or of anything else by a factor."""
    index, factor = operator.inputs
    values = made.constants[factor]
    if values.shape == (1, 4, 4):
        values = values[:, :2][:, :, [0, 1, 3]]
    return made.graph.node("Mul", made.values[index], made.graph.constant(made.name("factor"), values))


CUSTOM: dict[str, Callable[[Translation, Operator], str]] = {
    "Landmarks2TransformMatrix": _transform_matrix, "TransformTensorBilinear": _cut_out, "TransformLandmarks": _apply,
    "MUL": _product}


def merge(made: Translation) -> str:
    """Put the refined points of lips, eyes and irises into the mesh.

    The options of Landmarks2TransformMatrix list, for each part, which points of the mesh its refined points replace,
    in their order. x and y are replaced; z stays that of the mesh; the irises, 5 points each behind the mesh's 468,
    take the mean z of their eye's contour.

    Args:
        made: the translated attention mesh; its outputs are mesh, lips, left eye, right eye, left iris and right iris.

    Returns:
        Name of the landmarks (1, 478, 3), in sides of the crop.
    """
    graph = made.graph
    mesh, *parts, left_iris, right_iris = (made.values[index] for index in _sources(made))
    lists = [op.options["subset_idxs"] for op in made.model.operators if op.kind == "Landmarks2TransformMatrix"]
    count = made.shape(made.model.outputs[0])[3] // 3
    order = list(range(count))
    start = count
    for places in lists:
        for i, place in enumerate(places):
            order[place] = start + i
        start += len(places)
    order += range(start, start + 10)
    mesh = graph.node("Reshape", mesh, graph.integers(1, count, 3))
    plane, depth = (graph.node("Slice", mesh, graph.integers(a), graph.integers(b), graph.integers(2))
                    for a, b in ((0, 2), (2, 3)))
    every = graph.node("Concat", plane, *parts, left_iris, right_iris, axis=1)
    contours = graph.integers(*lists[1][:_EYE_CONTOUR], *lists[2][:_EYE_CONTOUR])
    mean = np.kron(np.eye(2), np.full((5, _EYE_CONTOUR), 1 / _EYE_CONTOUR))  # (10, 32): an eye's mean, five times
    irises = graph.node("MatMul", _float(made, "contour_mean", mean), graph.node("Gather", depth, contours, axis=1))
    merged = graph.node("Concat", graph.node("Gather", every, graph.integers(*order), axis=1),
                        graph.node("Concat", depth, irises, axis=1), axis=2)
    return graph.node("Mul", merged, _float(made, "crop_side", 1 / CROP), output="landmarks")


def _sources(made: Translation) -> list[int]:
    """Tensors of the six groups of points, before the reshapes that flatten them for the output.

    The file's outputs are in another order than the graph's parts; they are matched by their names.
    """
    names = ("output_mesh", "output_lips", "output_left_eye", "output_right_eye", "output_left_iris",
             "output_right_iris")
    before = {operator.outputs[0]: operator.inputs[0] for operator in made.model.operators
              if operator.kind in ("RESHAPE", "STRIDED_SLICE")}
    sources = []
    for name in names:
        (index,) = (i for i in made.model.outputs if made.model.tensors[i].name.startswith(name))
        sources.append(before[index])
    return sources


def presence(made: Translation) -> str:
    """Name of the probability (1,) that the crop holds a face: the logistic function of the file's last output."""
    graph: Graph = made.graph
    flag = graph.node("Reshape", made.values[made.model.outputs[-1]], graph.integers(1))
    return graph.node("Sigmoid", flag, output="presence")
