"""From landmarks to action units, head pose and gaze, a few frames at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..tasks import ACTION_UNITS
from .head import angles, head_frame
from .measures import POINTS, measures
from .neutral import STEP, Neutral
from .units import CLOSURE, SLIT, STRONGEST, solve

LANDMARKS = 478
_TIGHT, _SHUT = ACTION_UNITS.index("AU07"), ACTION_UNITS.index("AU45")
# our choice: beyond these angles (degrees) half of the face is hidden and the mesh invents it (docs/action_units.md).
FURTHEST_YAW, FURTHEST_PITCH = 40.0, 35.0
# our choice: where more than this share of the landmarks lies outside the picture, the mesh invents too much of a face.
MOST_OUTSIDE = 0.05


@dataclass(frozen=True, eq=False)
class Measures:
    """A row a frame: `aus` (T, A) 0..5 in the order of `ACTION_UNITS`, `pose` (T, 3), `gaze` (T, 2) of `types.Window`.

    Rows without landmarks are NaN. Where the head is turned too far or the picture cuts the face, `aus` and `gaze` are;
    where the eyes are closed, `gaze` is.
    """

    aus: np.ndarray
    pose: np.ndarray
    gaze: np.ndarray


class Reader:
    """Reads one person. State: what this person's neutral face is, and the frames of the second that is not over.

    `neutral` (N, 478, 3) px: landmarks of frames in which the person is neutral; without it the neutral is learnt.
    """

    def __init__(self, neutral: np.ndarray | None = None) -> None:
        self.neutral = Neutral()
        if neutral is not None:
            landmarks = _check(neutral)
            seen = np.isfinite(landmarks).all(axis=(1, 2))
            if not seen.any():
                raise ValueError("Reader: expected neutral landmarks of at least one frame with a face, got none; "
                                 "choose a stretch in which the face is seen")  # fmt: skip
            points, rotation = head_frame(landmarks[seen], POINTS)
            self.neutral.fix(measures(points)[0], angles(rotation))
        self._step: int | None = None
        self._held: list[tuple[np.ndarray, ...]] = []

    def read(self, times: np.ndarray, landmarks: np.ndarray, size: tuple[int, int]) -> Measures:
        """times (T,) s, increasing over all calls; landmarks (T, 478, 3) px, NaN rows without a face; size of the
        picture (width, height) px -> `Measures`. How the frames are cut into calls changes nothing."""
        times, landmarks = np.asarray(times, dtype=np.float64), _check(landmarks)
        if times.shape != landmarks.shape[:1]:
            raise ValueError(f"Reader.read: expected one time a frame, got {len(times)} times, {len(landmarks)} frames")
        result = Measures(*(np.full((len(times), n), np.nan) for n in (len(ACTION_UNITS), 3, 2)))
        seen = np.flatnonzero(np.isfinite(landmarks).all(axis=(1, 2)))
        if not len(seen):
            return result
        points, rotation = head_frame(landmarks[seen], POINTS)
        pose = angles(rotation)
        result.pose[seen] = pose
        whole = _outside(landmarks[seen], size) <= MOST_OUTSIDE
        facing = whole & (abs(pose[:, 1]) <= FURTHEST_YAW) & (abs(pose[:, 0]) <= FURTHEST_PITCH)
        seen, pose = seen[facing], pose[facing]
        if not len(seen):
            return result
        measured, gaze = measures(points[facing])
        steps = np.floor(times[seen] / STEP).astype(int)
        for step in dict.fromkeys(steps.tolist()):
            here = steps == step
            result.aus[seen[here]], shown = self._units(step, times[seen[here]], measured[here], pose[here])
            result.gaze[seen[here]] = np.where(shown[:, None] > 0, gaze[here], np.nan)
        return result

    def _units(self, step: int, times: np.ndarray, measured: np.ndarray, pose: np.ndarray
               ) -> tuple[np.ndarray, np.ndarray]:
        """times (T,) s, measured (T, M) mm, pose (T, 3) of one step -> intensities (T, A), how open the eyes are (T,);
        both against the neutral from before the step."""
        if self._step is not None and step != self._step:
            self._learn()
        self._step = step
        intensities = solve(*self.neutral.deviation(measured, pose))
        self._held.append((times, measured, pose, intensities))
        shown = self.neutral.open(measured)
        aus = intensities[:, : len(ACTION_UNITS)].copy()
        aus[:, _TIGHT] *= shown  # a closed eye does not show whether its lids are tight
        aus[:, _SHUT] *= CLOSURE / max(self.neutral.aperture - SLIT, CLOSURE / 2)  # 5 is closed, however small the eye
        return np.minimum(aus, STRONGEST), shown

    def _learn(self) -> None:
        times, measured, pose, intensities = (np.concatenate(rows) for rows in zip(*self._held, strict=True))
        self._held = []
        self.neutral.learn(measured, pose, intensities, share=(times[-1] - times[0]) / STEP)


def _outside(landmarks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """landmarks (T, L, 3) px, size (width, height) px -> (T,) share of the used ones that lie outside the picture."""
    spots = landmarks[:, POINTS, :2]
    return ((spots < 0) | (spots >= size)).any(axis=2).mean(axis=1)


def _check(landmarks: np.ndarray) -> np.ndarray:
    landmarks = np.asarray(landmarks, dtype=np.float64)
    if landmarks.ndim != 3 or landmarks.shape[1:] != (LANDMARKS, 3):
        raise ValueError(f"landmarks: expected (T, {LANDMARKS}, 3) px with irises, got {landmarks.shape}; "
                         "use the refined mesh")  # fmt: skip
    return landmarks
