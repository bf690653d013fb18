"""Pictures of neutral faces that the setting `neutral` names: one for everybody, or a folder of pictures by person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mien import video
from mien.core.settings import Settings, neutral_seconds, neutral_spans
from mien.face import FaceBackend, OnnxFaceBackend
from mien.face.still import still_landmarks
from mien.video.image_sequences import is_picture

_SEPARATORS = "_- ."
"""What may follow a person's name in the name of a recording."""


@dataclass(frozen=True, eq=False)
class NeutralFaces:
    """Landmarks of neutral faces.

    Attributes:
        everybody: (1, 478, 3) px, of each person without one in `by_person`; None where there is none.
        by_person: by the person's number in the recording.
    """

    everybody: np.ndarray | None = None
    by_person: Mapping[int, np.ndarray] = field(default_factory=dict)

    def of(self, person: int) -> np.ndarray | None:
        """The neutral face (1, 478, 3) px of a person, None where it is not known."""
        return self.by_person.get(person, self.everybody)


def neutral_picture_path(neutral: str) -> str:
    """The picture, or the folder of pictures, that the setting names; "" where it names none."""
    if neutral_seconds(neutral) or neutral_spans(neutral):
        return ""
    return neutral


def pictures_of(folder: str | Path, recording: str | Path) -> dict[int, Path]:
    """Choose the pictures of a folder that belong to a recording.

    `P01.jpg` belongs to the recordings `P01.mp4`, `P01_rest.mp4` and so on, and counts for everybody there; the longest
    name wins. `P01_rest/2.jpg` is person 2 of `P01_rest.mp4`; `2.jpg` is person 2 of every recording.

    Args:
        folder: Of pictures, in any format that OpenCV or PyAV reads.
        recording: Its name decides.

    Returns:
        The pictures by the number of the person, 0 for everybody; empty where none belongs to the recording.
    """
    stem, chosen = Path(recording).stem, {}
    files = _pictures(Path(folder))
    for path in files:
        if path.stem.isdecimal() and int(path.stem) > 0:
            chosen[int(path.stem)] = path
    named = [path for path in files if _names(path.stem, stem)]
    if named:
        chosen = {0: max(named, key=lambda path: len(path.stem))}
    chosen |= {int(path.stem): path for path in _pictures(Path(folder, stem)) if path.stem.isdecimal()}
    return chosen


def all_pictures(folder: str | Path) -> list[Path]:
    """Every picture of a folder and of the folders in it.

    Raises:
        ValueError: There is none.
    """
    folders = [Path(folder), *sorted(path for path in Path(folder).iterdir() if path.is_dir())]
    paths = [path for each in folders for path in _pictures(each)]
    if not paths:
        raise ValueError(f"--neutral: expected pictures in the folder {folder}, such as P01.jpg, got none")
    return paths


def _pictures(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of their names; none where there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if is_picture(path.name) and path.is_file())


def neutral_faces(settings: Settings, recording: str | Path = "", backend: FaceBackend | None = None) -> NeutralFaces:
    """Find the neutral faces of a recording in the pictures that `settings.neutral` names.

    Args:
        settings: Of the analysis.
        recording: Its name chooses pictures of a folder.
        backend: What finds landmarks; None: onnxruntime, closed again.

    Returns:
        The landmarks; none where no picture is named or belongs to the recording.

    Raises:
        ValueError: A picture does not hold exactly one face.
    """
    path = neutral_picture_path(settings.neutral)
    if not path:
        return NeutralFaces()
    chosen = {0: Path(path)}
    if Path(path).is_dir():
        chosen = pictures_of(path, recording)
    opened = backend or OnnxFaceBackend(settings.detection_threshold)
    try:
        landmarks = {person: neutral_landmarks(picture, opened) for person, picture in chosen.items()}
    finally:
        if backend is None:
            opened.close()
    return NeutralFaces(landmarks.pop(0, None), landmarks)


def neutral_landmarks(picture: Path, backend: FaceBackend) -> np.ndarray:
    """Find the landmarks (1, 478, 3) px of the one face in a picture.

    Raises:
        ValueError: There is not exactly one face.
    """
    with video.open_video(picture) as frames:
        rgb = next(iter(frames)).rgb
    try:
        landmarks = still_landmarks(rgb, backend, single=True)
    except ValueError as error:
        raise ValueError(f"{picture.name}: {error}") from error
    if landmarks is None:
        raise ValueError(f"{picture.name}: expected one face, got 0; take a picture in which the person looks at the "
                         "camera")
    return landmarks[None]


def _names(person: str, recording: str) -> bool:
    """Whether a recording's name begins with the person's name."""
    return recording == person or (recording.startswith(person) and recording[len(person)] in _SEPARATORS)
