"""Streaming estimate of expression, action units, head pose and gaze from face landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.core.tasks import ACTION_UNITS, EXPRESSION
from mien.face.au_regression import CLOSURE, SLIT, STRONGEST, solve
from mien.face.distances import MEASURES, POINTS, distances
from mien.face.expression_head import FEATURES, ExpressionHead, default_head, features
from mien.face.head_pose import angles, head_frame
from mien.face.neutral_face import STEP, NeutralFace

LANDMARKS = 478
WIDTHS = len(ACTION_UNITS), 3, 2, len(EXPRESSION.classes), FEATURES, len(MEASURES)
_TOGETHER = 256  # frames of a second reading that are solved together
_NEUTRAL = EXPRESSION.classes.index("neutral")
_TIGHT, _SHUT = ACTION_UNITS.index("AU07"), ACTION_UNITS.index("AU45")
# our choice: beyond these angles (degrees) the camera does not see half of the face, and the mesh only guesses it
# (docs/action_units.md).
FURTHEST_YAW, FURTHEST_PITCH = 40.0, 35.0
# our choice: if more than this share of the landmarks is outside the picture, the mesh guesses too much of the face.
MOST_OUTSIDE = 0.05


@dataclass(frozen=True, eq=False)
class FaceMeasurements:
    """Measurements of a face, one row for each frame.

    Rows without landmarks are NaN. `aus` and `gaze` are NaN if the head is turned too far or the picture cuts the face.
    `gaze` is NaN if the eyes are closed.

    Attributes:
        aus: (T, A) intensities 0..5 in the order of `ACTION_UNITS`.
        pose: (T, 3) in degrees, as in `Window`.
        gaze: (T, 2) in degrees, as in `Window`.
        expression: (T, K) probabilities of the classes of `tasks.EXPRESSION`.
        features: (T, F) what heads of other classes read (`expression_head.features`).
        measured: (T, M) mm, in the order of `MEASURES`.
    """

    aus: np.ndarray
    pose: np.ndarray
    gaze: np.ndarray
    expression: np.ndarray
    features: np.ndarray
    measured: np.ndarray


class AUEstimator:
    """Estimator of the action units, head pose and gaze of one person.

    It keeps the neutral face of the person, and the frames of the current second.

    Args:
        neutral: (N, 478, 3) px landmarks of frames in which the person's face is neutral. None: the neutral face is
            estimated from the recording.
        head: Reads expressions and action units; None: the one in the package.

    Raises:
        ValueError: `neutral` has a wrong shape or no frame with a face.
    """

    def __init__(self, neutral: np.ndarray | None = None, head: ExpressionHead | None = None) -> None:
        self.head = head or default_head()
        self.neutral = NeutralFace(self.head.population, self.head.effects)
        if neutral is not None:
            landmarks = _check(neutral)
            seen = np.isfinite(landmarks).all(axis=(1, 2))
            if not seen.any():
                raise ValueError("AUEstimator: expected neutral landmarks of at least one frame with a face, got none; "
                                 "choose a stretch in which the face is seen")  # fmt: skip
            points, rotation = head_frame(landmarks[seen], POINTS)
            self.neutral.fix(distances(points)[0], angles(rotation))
        self._step: int | None = None
        self._pending: list[tuple[np.ndarray, ...]] = []
        self._before: float | None = None  # the time of the last frame that changed the neutral face, s

    def measure(self, times: np.ndarray, landmarks: np.ndarray, size: tuple[int, int]) -> FaceMeasurements:
        """Process the next frames. The result does not depend on how the frames are divided among calls.

        Args:
            times: (T,) in s, increasing over all calls.
            landmarks: (T, 478, 3) px, NaN for frames without a face.
            size: (width, height) of the picture in px.

        Returns:
            The measurements of the T frames.

        Raises:
            ValueError: the arrays have wrong shapes.
        """
        times, landmarks = np.asarray(times, dtype=np.float64), _check(landmarks)
        if times.shape != landmarks.shape[:1]:
            raise ValueError(f"AUEstimator.measure: expected one time a frame, got {len(times)} times, "
                             f"{len(landmarks)} frames")
        result = FaceMeasurements(*(np.full((len(times), n), np.nan) for n in WIDTHS))
        seen = np.flatnonzero(np.isfinite(landmarks).all(axis=(1, 2)))
        if not len(seen):
            return result
        points, rotation = head_frame(landmarks[seen], POINTS)
        pose = angles(rotation)
        result.pose[seen] = pose
        inside = _outside(landmarks[seen], size) <= MOST_OUTSIDE
        facing = inside & (abs(pose[:, 1]) <= FURTHEST_YAW) & (abs(pose[:, 0]) <= FURTHEST_PITCH)
        seen, pose = seen[facing], pose[facing]
        if not len(seen):
            return result
        measured, gaze = distances(points[facing])
        result.measured[seen] = measured
        steps = np.floor(times[seen] / STEP).astype(int)
        for step in dict.fromkeys(steps.tolist()):
            here = steps == step
            aus, read, probs, shown = self._read_step(step, times[seen[here]], measured[here], pose[here])
            result.aus[seen[here]], result.features[seen[here]], result.expression[seen[here]] = aus, read, probs
            result.gaze[seen[here]] = np.where(shown[:, None] > 0, gaze[here], np.nan)
        return result

    def measure_again(self, times: np.ndarray, measured: np.ndarray, pose: np.ndarray, resting: np.ndarray | None = None
                   ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read a whole recording again, all of it relative to one neutral face, after `measure` has seen it to its end.

        Args:
            times: (T,) in s.
            measured: (T, M) mm, NaN rows where the face cannot be read.
            pose: (T, 3) degrees.
            resting: (T,) bool, frames in which the face is known to be neutral; None: the neutral face of the whole
                recording is estimated, each second by what the first reading leaves of it.

        Returns:
            Intensities (T, A), probabilities (T, K) and features (T, F), NaN where the face cannot be read.
        """
        out = tuple(np.full((len(times), width), np.nan) for width in (WIDTHS[0], WIDTHS[3], WIDTHS[4]))
        seen = np.isfinite(measured).all(axis=1)
        if not seen.any():
            return out  # type: ignore[return-value]
        if not self.neutral.fixed:
            neutral = NeutralFace(self.head.population, self.head.effects, drifts=False)
            if resting is not None and (seen & resting).any():
                neutral.fix(measured[seen & resting], pose[seen & resting])
            else:
                self._learn_again(neutral, times[seen], measured[seen], pose[seen])
            neutral.fixed = True
            self.neutral = neutral
        rows = np.flatnonzero(seen)
        for part in np.split(rows, range(_TOGETHER, len(rows), _TOGETHER)):
            aus, features_, probs, _ = self._read_rows(measured[part], pose[part])
            out[0][part], out[1][part], out[2][part] = aus, probs, features_
        return out  # type: ignore[return-value]

    def _learn_again(self, neutral: NeutralFace, times: np.ndarray, measured: np.ndarray, pose: np.ndarray) -> None:
        """Learn `own` from every second's median face, relative to the neutral face that the first reading ended with.
        """
        steps = np.floor(times / STEP).astype(int)
        for step in dict.fromkeys(steps.tolist()):
            here = steps == step
            middle, turned = np.median(measured[here], axis=0)[None], np.median(pose[here], axis=0)[None]
            deviation, spread = self.neutral.deviation(middle, turned)
            probs = self.head.predict(deviation, self.neutral.known, turned[:, :2])
            neutral.learn(middle, turned, solve(deviation, spread, self.head.effects), probs[:, _NEUTRAL], share=1.0)

    def _read_step(self, step: int, times: np.ndarray, measured: np.ndarray, pose: np.ndarray
                   ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """times (T,) s, measured (T, M) mm, pose (T, 3) of one step -> intensities (T, A), features (T, F),
        probabilities (T, K), and the eye opening (T,) 0..1.

        All are relative to the neutral face before the step.
        """
        if self._step is not None and step != self._step:
            self._learn()
        self._step = step
        aus, read, probs, intensities = self._read_rows(measured, pose)
        self._pending.append((times, measured, pose, intensities, probs[:, _NEUTRAL]))
        return aus, read, probs, self.neutral.open(measured)

    def _read_rows(self, measured: np.ndarray, pose: np.ndarray
                   ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """measured (T, M) mm, pose (T, 3) -> intensities (T, A), features (T, F), probabilities (T, K), and the most
        probable movement (T, A + 1), which the neutral face is cleared of."""
        deviation, spread = self.neutral.deviation(measured, pose)
        read = features(deviation, self.head.population, self.neutral.known, pose[:, :2])
        probs = self.head.of_features(read)
        intensities = solve(deviation, spread, self.head.effects)
        aus = intensities[:, : len(ACTION_UNITS)].copy()
        aus[:, _TIGHT] *= self.neutral.open(measured)  # AU07 is not visible in a closed eye
        aus[:, _SHUT] *= CLOSURE / max(self.neutral.aperture - SLIT, CLOSURE / 2)  # a closed eye is 5, small or not
        return np.minimum(aus, STRONGEST), read, probs, intensities

    def _learn(self) -> None:
        columns = (np.concatenate(rows) for rows in zip(*self._pending, strict=True))
        times, measured, pose, intensities, neutral = columns
        self._pending = []
        # a frame stands for the time since the one before, or below 2 frames a second nothing would ever be learned
        before = times[0] if self._before is None else max(self._before, times[0] - STEP)
        self.neutral.learn(measured, pose, intensities, neutral, share=min((times[-1] - before) / STEP, 1.0))
        self._before = float(times[-1])


class PoseReader:
    """Reads the head's pose alone, where no expression is asked for; what a `AUEstimator` reads beside it is NaN."""

    def measure(self, times: np.ndarray, landmarks: np.ndarray, size: tuple[int, int]) -> FaceMeasurements:
        """Measure the head pose; action units, gaze and expression are NaN.

        Args:
            times: (T,) s.
            landmarks: (T, 478, 3) px; rows without a face are NaN.
            size: size of the picture; not used.

        Returns:
            The measurements.
        """
        landmarks = _check(landmarks)
        result = FaceMeasurements(*(np.full((len(times), n), np.nan) for n in WIDTHS))
        seen = np.flatnonzero(np.isfinite(landmarks).all(axis=(1, 2)))
        if len(seen):
            _, rotation = head_frame(landmarks[seen], POINTS)
            result.pose[seen] = angles(rotation)
        return result


def _outside(landmarks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """landmarks (T, L, 3) px, size (width, height) px -> (T,) share of the `POINTS` that are outside the picture."""
    spots = landmarks[:, POINTS, :2]
    return ((spots < 0) | (spots >= size)).any(axis=2).mean(axis=1)


def _check(landmarks: np.ndarray) -> np.ndarray:
    landmarks = np.asarray(landmarks, dtype=np.float64)
    if landmarks.ndim != 3 or landmarks.shape[1:] != (LANDMARKS, 3):
        raise ValueError(f"landmarks: expected (T, {LANDMARKS}, 3) px with irises, got {landmarks.shape}; "
                         "use the refined mesh")  # fmt: skip
    return landmarks
