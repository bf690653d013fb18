"""Landmarks of one face: pre- and postprocessing of the face mesh with attention.

References:
    Kartynnik, Ablavatski, Grishchenko, Grundmann, "Real-time facial surface geometry from monocular video on mobile
    GPUs", 2019, arXiv 1907.06724.
    Grishchenko, Ablavatski, Kartynnik, Raveendran, Grundmann, "Attention mesh: high-fidelity face mesh prediction in
    real-time", 2020, arXiv 2006.10962, for lips, eyes and irises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from mien.face.region import Region

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

LANDMARKS = 478
INPUT = 192
"""px: the side of the square that the model takes."""

PRESENCE = 0.5
"""Probability that there is a face, below which there is none, as in the published graph of this model."""


class FaceMesh:
    """The landmark model as a function of a picture and a region; safe to call from several threads.

    Args:
        session: The model: RGB picture float32 (1, 3, 192, 192) in 0..1 -> landmarks (1, 478, 3) in units of the
            square's side, and the probability (1,) that a face is there.
    """

    def __init__(self, session: InferenceSession) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name

    def __call__(self, rgb: np.ndarray, region: Region) -> np.ndarray | None:
        """The landmarks of the face in a region.

        Args:
            rgb: uint8 (H, W, 3).
            region: Where the face is thought to be.

        Returns:
            (478, 3) px of the picture, z by the same scale; None where the region is not in the picture or no face.
        """
        if not region.within(rgb):
            return None
        square = cv2.warpAffine(rgb, region.matrix(INPUT), (INPUT, INPUT), flags=cv2.INTER_LINEAR)
        landmarks, presence = self._session.run(None, {self._input: cv2.dnn.blobFromImage(square, 1 / 255)})
        if not presence.item() >= PRESENCE:
            return None
        return region.to_picture(landmarks[0].astype(np.float64))
