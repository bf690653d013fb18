"""What finds faces and landmarks, behind a protocol of two functions of a picture; the default runs on onnxruntime.

The default's models are the full-range BlazeFace detector (Bazarevsky et al. 2019, arXiv 1907.05047) and the attention
face mesh with irises (Kartynnik et al. 2019, arXiv 1907.06724; Grishchenko et al. 2020, arXiv 2006.10962). The mesh is
run on a region that we choose, so it is a pure function of a picture and a region: several people, small faces and
missing frames need no second mode.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from mien.face.detector import THRESHOLD, FaceDetector
from mien.face.inference import session
from mien.face.mesh import FaceMesh
from mien.face.region import Detection, Region
from mien.face.weights.locate import ModelsError, paths, remedy

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


class FaceBackend(Protocol):
    """What a face library must do for us. Both are pure functions of their arguments."""

    name: str

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """Find all faces of a picture.

        Args:
            rgb: uint8 (H, W, 3).

        Returns:
            The faces, highest score first.
        """

    def mesh(self, rgb: np.ndarray, region: Region) -> np.ndarray | None:
        """Find the landmarks of the face in a region.

        Args:
            rgb: uint8 (H, W, 3).
            region: where a face is expected.

        Returns:
            Landmarks (478, 3) px; None if the region shows no face.
        """

    def close(self) -> None:
        """Free what the library holds."""


class OnnxFaceBackend:
    """Full-range detector and attention face mesh on onnxruntime; safe to call from several threads.

    Args:
        detection_threshold: The lowest score, 0..1, of a face.
        threads: Of one run of a model.

    Raises:
        ModelsMissing: The models are not installed.
        ModelsError: The files are not these two models.
        ValueError: The threshold is not above 0 and below 1.
    """

    name = "full-range BlazeFace and attention face mesh on onnxruntime"

    def __init__(self, detection_threshold: float = THRESHOLD, threads: int = 1) -> None:
        files = paths()
        detector = _session(files.detector, threads, ["boxes", "logits"])
        mesh = _session(files.landmarks, threads, ["landmarks", "presence"])
        self._detector: FaceDetector | None = FaceDetector(detector, detection_threshold)
        self._mesh: FaceMesh | None = FaceMesh(mesh)

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """Find all faces of a picture.

        Args:
            rgb: uint8 (H, W, 3).

        Returns:
            The faces, highest score first.

        Raises:
            ValueError: the backend was closed.
        """
        if self._detector is None:
            raise ValueError("detect: expected an open backend, got one that was closed: make another")
        return self._detector(rgb)

    def mesh(self, rgb: np.ndarray, region: Region) -> np.ndarray | None:
        """Find the landmarks of the face in a region.

        Args:
            rgb: The picture, uint8 (H, W, 3).
            region: Where the face is expected.

        Returns:
            The landmarks (478, 3) in px; None where there is no face.

        Raises:
            ValueError: The backend is closed.
        """
        if self._mesh is None:
            raise ValueError("mesh: expected an open backend, got one that was closed: make another")
        return self._mesh(rgb, region)

    def close(self) -> None:
        """Free the models. Safe to call twice."""
        self._detector = self._mesh = None


def _session(model: Path, threads: int, outputs: list[str]) -> InferenceSession:
    """A model with these outputs. Raises ModelsError for another one, such as two files that were swapped."""
    loaded = session(model, threads)
    names = [output.name for output in loaded.get_outputs()]
    if names != outputs:
        raise ModelsError(f"{model}: expected a model with the outputs {' and '.join(outputs)}, got "
                          f"{', '.join(names)}; {remedy()}")
    return loaded
