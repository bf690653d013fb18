"""Faces in a whole picture: pre- and postprocessing of the full-range BlazeFace detector.

The model looks at the picture as a square of 192 px and answers, for each cell of 4 px, how sure it is that a face's
centre lies there, and the face's box and six points relative to the cell.

References:
    Bazarevsky, Kartynnik, Vakunov, Raveendran, Grundmann, "BlazeFace: sub-millisecond neural face detection on mobile
    GPUs", 2019, arXiv 1907.05047; section 3.4 for the weighted mean in place of plain non-maximum suppression.
    Liu et al., "SSD: single shot multibox detector", 2016, arXiv 1512.02325, for boxes relative to anchors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from mien.face.region import Detection

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

INPUT = 192
"""px: the side of the square that the model takes."""

STRIDE = 4
"""px: the distance of two anchors. One layer of them, one anchor a cell, all of them of the unit size."""

OVERLAP = 0.3
"""Intersection over union from which on two candidates are the same face, as in the published graph of this model."""

CLIP = 100.0
"""The bound of a logit before the sigmoid, as in the published graph."""

THRESHOLD = 0.6
"""The score below which a candidate is no face, as in the published graph."""

_BLACK = (0.0, 0.0, 0.0)


class FaceDetector:
    """The detector as a function of a picture; safe to call from several threads.

    Args:
        session: The model: RGB picture float32 (1, 3, 192, 192) in -1..1 -> boxes and points (1, 2304, 16) in px of the
            square, and logits (1, 2304, 1).
        threshold: The lowest score, 0..1, of a face.
    """

    def __init__(self, session: InferenceSession, threshold: float = THRESHOLD) -> None:
        if not 0 < threshold < 1:
            raise ValueError(f"detection_threshold: expected a score above 0 and below 1, got {threshold}")
        self.threshold = threshold
        self._session = session
        self._input = session.get_inputs()[0].name
        self._anchors = anchors()

    def __call__(self, rgb: np.ndarray) -> list[Detection]:
        """Every face of a picture.

        Args:
            rgb: uint8 (H, W, 3).

        Returns:
            The faces, the surest first; the person's right eye is the first of `eyes`.
        """
        square, scale, corner = letterbox(rgb)
        regressors, logits = self._session.run(None, {self._input: square})
        scores, values = candidates(logits.reshape(-1), regressors.reshape(-1, 16), self._anchors, self.threshold)
        return [Detection((row[:4].reshape(2, 2) / scale + corner).reshape(4), float(score),
                          row[4:8].reshape(2, 2) / scale + corner)
                for score, row in weighted_suppression(scores, values)]


def letterbox(rgb: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """The whole picture in the middle of a black square, its aspect ratio kept.

    Args:
        rgb: uint8 (H, W, 3).

    Returns:
        float32 (1, 3, 192, 192) in -1..1; the scale, px of the square a px of the picture; and the square's upper left
        corner (2,), x and y in px of the picture.
    """
    height, width = rgb.shape[:2]
    side = max(height, width)
    scale = INPUT / side
    corner = np.array([(width - side) / 2, (height - side) / 2])
    matrix = np.array([[scale, 0.0, -scale * corner[0]], [0.0, scale, -scale * corner[1]]])
    square = cv2.warpAffine(rgb, matrix, (INPUT, INPUT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT,
                            borderValue=_BLACK)
    return cv2.dnn.blobFromImage(square, 2 / 255, mean=(127.5, 127.5, 127.5)), scale, corner


def anchors() -> np.ndarray:
    """(2304, 2): the middle of every cell, x and y in px of the square, row after row."""
    middles = (np.arange(INPUT // STRIDE) + 0.5) * STRIDE
    y, x = np.meshgrid(middles, middles, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1)


def candidates(logits: np.ndarray, regressors: np.ndarray, anchors: np.ndarray,
               threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """What the model thinks may be a face.

    Args:
        logits: (A,).
        regressors: (A, 16): centre x and y from the anchor, width, height, then x and y of points from the anchor.
        anchors: (A, 2) px.
        threshold: The lowest score.

    Returns:
        Scores (N,) in 0..1, and (N, 16): x0, y0, x1, y1 and the points, in px of the square.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -CLIP, CLIP)))
    kept = np.flatnonzero((scores >= threshold) & (regressors[:, 2:4] >= 0).all(axis=1))
    rows, cells = regressors[kept].astype(np.float64), anchors[kept]
    centre, half = rows[:, :2] + cells, rows[:, 2:4] / 2
    points = rows[:, 4:] + np.tile(cells, rows.shape[1] // 2 - 2)
    return scores[kept], np.concatenate([centre - half, centre + half, points], axis=1)


def weighted_suppression(scores: np.ndarray, values: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """Many candidates of one face -> one, their mean weighted by score.

    Args:
        scores: (N,) in 0..1.
        values: (N, C): x0, y0, x1, y1 and points.

    Returns:
        Score, the highest of the face's candidates, and values (C,) of each face, the surest first.
    """
    order = np.argsort(-scores, kind="stable")
    faces = []
    while len(order):
        same = overlaps(values[order[0], :4], values[order, :4]) > OVERLAP
        same[0] = True
        weights = scores[order[same]]
        faces.append((float(scores[order[0]]), weights @ values[order[same]] / weights.sum()))
        order = order[~same]
    return faces


def overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """box (4,), boxes (N, 4), x0 y0 x1 y1 -> intersection over union (N,), 0 where neither has an area."""
    shared = np.maximum(np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2]), 0).prod(axis=1)
    union = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - shared
    return np.divide(shared, union, out=np.zeros(len(boxes)), where=union > 0)
