"""The landmarks of the one face, or the largest, in a picture that stands alone."""

from __future__ import annotations

import cv2
import numpy as np

from mien.face.backend import FaceBackend
from mien.face.region import Region

# our choice: px of the longer side below which a picture is enlarged before a face is looked for.
_SMALL = 256


def still_landmarks(rgb: np.ndarray, backend: FaceBackend, single: bool = False) -> np.ndarray | None:
    """Find the landmarks of a face in a picture.

    A small picture is enlarged. Where the face fills the picture the detector misses it; it is then looked for with a
    black border around.

    Args:
        rgb: uint8 (H, W, 3).
        backend: Finds faces and landmarks.
        single: Refuse a picture of several faces.

    Returns:
        (478, 3) px of the picture; None where no face is found.

    Raises:
        ValueError: `single`, and there are several faces.
    """
    scale = max(_SMALL / max(rgb.shape[:2]), 1.0)
    large = rgb if scale == 1 else cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    for width in (0, max(large.shape[:2]) // 2):
        wide = cv2.copyMakeBorder(large, *(width,) * 4, cv2.BORDER_CONSTANT) if width else np.ascontiguousarray(large)
        detections = backend.detect(wide)
        if single and len(detections) > 1:
            raise ValueError(f"expected one face, got {len(detections)}; crop the picture to the person")
        for face in sorted(detections, key=lambda each: each.score, reverse=True):
            first = backend.mesh(wide, Region.of_detection(face))
            second = None if first is None else backend.mesh(wide, Region.of_landmarks(first))
            if second is not None:
                return (second - (width, width, 0)) / scale
    return None
