"""What the face models are made of: names, sizes and sha256 of the files."""

from __future__ import annotations

from dataclasses import dataclass

from .locate import DETECTOR, LANDMARKS

PROJECT, VERSION = "mediapipe", "0.10.21"
WHEEL = "mediapipe-0.10.21-cp312-cp312-manylinux_2_28_x86_64.whl"
WHEEL_SHA256 = "956eb1ebc275c629e61b085b2cab89c3a5b9e93bad1bb107348d98dafb5a4bb5"
LICENSE = "Apache-2.0"


@dataclass(frozen=True)
class ModelFile:
    """A TFLite file inside the wheel.

    Attributes:
        member: its path in the wheel.
        bytes: its size.
        sha256: of its content.
    """

    member: str
    bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """Its file name."""
        return self.member.rpartition("/")[2]


SOURCES = {
    DETECTOR: ModelFile("mediapipe/modules/face_detection/face_detection_full_range_sparse.tflite", 676746,
                     "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1"),
    LANDMARKS: ModelFile("mediapipe/modules/face_landmark/face_landmark_with_attention.tflite", 2495106,
                      "e06a804e0144f9929eda782122916b35d60c697c3c9344013ca2bbe76a6ce2b4"),
}
"""ONNX file -> the TFLite file that it is made of."""
