"""From labelled pictures and clips to what a head reads of them, without and with each person's own neutral face."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien import video
from mien.core.observations import Frame
from mien.datasets.labelled_faces import VIDEO_SUFFIXES, LabelledFace, LabelledFaces
from mien.face.au_estimator import AUEstimator
from mien.face.backend import FaceBackend
from mien.face.still import still_landmarks

CLIP_FRAMES = 8
"""Frames of a clip that are read, evenly spaced. Our choice: clips of such sets last two to five seconds."""

RESTING = ("neutral",)
"""Labels, in lower case, of a face at rest: it is taken as the neutral face of its person."""


@dataclass(frozen=True, eq=False)
class MeasuredFaces:
    """What heads read of labelled faces, a row a frame and state of knowledge.

    Attributes:
        features: (N, F), as `expression_head.features`.
        target: (N,) indices of the classes.
        file: (N,) indices of the pictures or clips.
        person: (N,) names.
        given: (N,) bool: the person's own neutral face was given.
        classes: Names of the classes (K).
        missed: Files without a face that can be read, damaged files among them.
    """

    features: np.ndarray
    target: np.ndarray
    file: np.ndarray
    person: np.ndarray
    given: np.ndarray
    classes: tuple[str, ...]
    missed: tuple[Path, ...]


@dataclass(frozen=True, eq=False)
class _Seen:
    """Landmarks (N, 478, 3) px of one file, and the size (width, height) px of its picture."""

    landmarks: np.ndarray
    size: tuple[int, int]


def measure_faces(faces: LabelledFaces, backend: FaceBackend, progress: Callable[[float], None] = lambda share: None
                  ) -> MeasuredFaces:
    """Find the face in every file and measure it.

    Args:
        faces: The set.
        backend: Finds faces and landmarks.
        progress: Is called with 0..1.

    Returns:
        Rows of every file that shows a face; twice where the person's own neutral face is known from another file.

    Raises:
        ValueError: Fewer than two classes or people are left.
    """
    seen: dict[Path, _Seen | None] = {}
    for index, face in enumerate(faces.faces):
        for path in filter(None, (face.path, face.neutral)):
            if path not in seen:
                seen[path] = _look(path, backend)
        progress((index + 1) / len(faces.faces))
    rows: list[tuple[np.ndarray, int, int, str, bool]] = []
    for index, face in enumerate(faces.faces):
        measured = seen[face.path]
        if measured is None:
            continue
        for neutral in (None, _neutral(face, faces, seen)):
            if neutral is None and rows and rows[-1][2] == index:
                continue
            read = _read(measured, neutral)
            rows += [(row, faces.classes.index(face.label), index, face.person, neutral is not None) for row in read]
    if len({row[1] for row in rows}) < 2 or len({row[3] for row in rows}) < 2:
        raise ValueError(f"expected faces of two classes and two people or more, got {len({row[1] for row in rows})} "
                         f"and {len({row[3] for row in rows})} in {len(faces.faces)} files: add files")
    features, target, file, person, given = zip(*rows, strict=True)
    missed = tuple(face.path for face in faces.faces if seen[face.path] is None)
    return MeasuredFaces(np.array(features), np.array(target), np.array(file), np.array(person), np.array(given),
                         faces.classes, missed)


def _look(path: Path, backend: FaceBackend) -> _Seen | None:
    landmark_sets, size = [], (0, 0)
    with contextlib.suppress(video.VideoError):  # a damaged file shows no face, or the faces before the damage
        for frame in _frames(path):
            landmarks = still_landmarks(frame.rgb, backend)
            size = (frame.rgb.shape[1], frame.rgb.shape[0])
            if landmarks is not None:
                landmark_sets.append(landmarks)
    return _Seen(np.stack(landmark_sets), size) if landmark_sets else None


def _frames(path: Path) -> Iterator[Frame]:
    """The picture, or `CLIP_FRAMES` of the clip."""
    with video.open_video(path) as frames:
        gap = (frames.duration_hint or 0.0) / CLIP_FRAMES if path.suffix.lower() in VIDEO_SUFFIXES else 0.0
        due = gap / 2
        for frame in frames:
            if frame.time >= due:
                yield frame
                due += gap
                if not gap:
                    return


def _neutral(face: LabelledFace, faces: LabelledFaces, seen: dict[Path, _Seen | None]) -> np.ndarray | None:
    """Landmarks of the person's neutral face from other files, None where there are none."""
    resting = [other.path for other in faces.faces if other.person == face.person and other.label.lower() in RESTING]
    chosen = [face.neutral] if face.neutral else [path for path in resting if path != face.path]
    neutrals = [known.landmarks for path in chosen if path != face.path and (known := seen.get(path)) is not None]
    return np.concatenate(neutrals) if neutrals else None


def _read(measured: _Seen, neutral: np.ndarray | None) -> np.ndarray:
    """(N, F) of the frames that can be read, each by itself."""
    read = np.concatenate([AUEstimator(neutral).measure(np.zeros(1), landmarks[None], measured.size).features
                           for landmarks in measured.landmarks])
    return read[np.isfinite(read).all(axis=1)]
