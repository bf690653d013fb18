"""Convert the two face models from TFLite to ONNX."""

from __future__ import annotations

from typing import Any

from . import attention, tflite
from .graph import Graph
from .locate import DETECTOR, LANDMARKS
from .translate import Translation

CONVERTER = "2"  # raised with every change of the files that it writes
CELLS = 2304  # 48 x 48 places of the detector


def convert_detector(content: bytes) -> Any:
    """Convert the full-range face detector.

    Args:
        content: bytes of face_detection_full_range_sparse.tflite.

    Returns:
        onnx.ModelProto. Input `image` float32 (1, 3, 192, 192), RGB, -1..1. Outputs: `boxes` float32 (1, 2304, 16), by
        cell of a 48 x 48 grid, row by row, in px of the input from the cell's centre: x, y, width, height, then x and
        y of right eye, left eye, nose tip, mouth, right ear, left ear; `logits` float32 (1, 2304, 1).
    """
    model = tflite.parse(content)
    graph = Graph("face_detector")
    translation = Translation(model, graph, "image")
    translation.run({})
    by_channels = {translation.shape(index)[2]: translation.values[index] for index in model.outputs}
    graph.node("Identity", by_channels[16], output="boxes")
    graph.node("Identity", by_channels[1], output="logits")
    return graph.model({"image": (1, 3, 192, 192)}, {"boxes": (1, CELLS, 16), "logits": (1, CELLS, 1)},
                       _notes("face_detection_full_range_sparse.tflite"))


def convert_landmarks(content: bytes) -> Any:
    """Convert the face mesh with attention.

    Args:
        content: bytes of face_landmark_with_attention.tflite.

    Returns:
        onnx.ModelProto. Input `image` float32 (1, 3, 192, 192), RGB, 0..1. Outputs: `landmarks` float32 (1, 478, 3),
        x, y and z in sides of the input, x and y from its top left corner, refined at lips, eyes and irises;
        `presence` float32 (1,), the probability that the picture shows a face.
    """
    model = tflite.parse(content)
    graph = Graph("face_landmarks")
    translation = Translation(model, graph, "image")
    translation.run(attention.CUSTOM)
    attention.merge(translation)
    attention.presence(translation)
    return graph.model({"image": (1, 3, attention.CROP, attention.CROP)}, {"landmarks": (1, 478, 3), "presence": (1,)},
                       _notes("face_landmark_with_attention.tflite"))


def _notes(source: str) -> dict[str, str]:
    return {"source": f"{source} of mediapipe 0.10.21", "license": "Apache-2.0", "converter": CONVERTER}


CONVERTERS = {DETECTOR: convert_detector, LANDMARKS: convert_landmarks}
"""ONNX file -> the function that makes it from the content of its TFLite file."""
