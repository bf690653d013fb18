"""Online estimate of a person's neutral face.

Each measure of a neutral face differs between people and stays constant for one person. A Kalman filter (Kalman 1960,
10.1115/1.3662552) tracks its mean and variance. It starts from the population. Every second of the recording adds one
observation: the measured face minus the part that the action units explain. The more they explain, the larger the
variance of the observation, so that a smile does not become the neutral face. The expression head receives the share of
the neutral face that is known: a deviation that may come from the anatomy counts less as an expression.

The neutral face of a person who never relaxes cannot be estimated.
"""

from __future__ import annotations

import numpy as np

from mien.face.au_regression import NOISE
from mien.face.distances import MEASURES
from mien.face.expression_head import GIVEN, share_known
from mien.face.population import Population

# our choice: spread of the faces of other cameras and people, of that of the population: what is observed of a person
# soon counts more than what is usual.
_UNLIKE = 2.5

STEP = 1.0
"""Time between two observations in s. our choice: longer than a blink, shorter than an expression."""

# our choice: standard deviation of an observation when no action unit is active, in units of the noise of one frame.
# Much of this noise is slow and does not average out.
_SECOND = 1.0
# our choice: the neutral face drifts with posture and distance. The filter forgets over this time in s.
_MEMORY = 60.0
# our choice: from this intensity (grade C) on, a unit is certainly not a trait of the resting face. Only a part of a
# fainter unit is subtracted; otherwise a naturally wide mouth would count as a faint smile forever.
_CLEAR = 3.0
# our choice: effect of a turn of 20 degrees on a measure of a still face, in units of the noise of one frame: by pitch,
# by yaw, by the square of yaw. The sizes come from rendered heads (docs/action_units.md). The prior mean is zero,
# because two real heads disagree with the rendered ones on the sign.
TURNED = np.array([3.0, 1.5, 1.5])
_TURN = 20.0

_UPPER, _LOWER, _GAZE = (MEASURES.index(name) for name in ("lid_upper", "lid_lower", "gaze_rise"))
# our choice: eye opening relative to the neutral one. Below the first value the mesh does not see the iris; above the
# second it does.
_SHUT, _OPEN = 0.35, 0.65


class NeutralFace:
    """Kalman filter for the measures of a person's neutral face, as a function of head pose.

    The state of each measure is its value when the face looks at the camera, and its change with pitch, yaw and the
    square of yaw. The values of all measures share the covariance of the population: once one measure is
    seen, those that correlate with it are known better.

    Args:
        population: Neutral faces.
        effects: (M, A + 1) in mm for each unit of intensity; the last column is for each mm of vertical gaze.
        drifts: It changes slowly, so that what was seen long ago counts less.

    Attributes:
        mean: (M, 4) in mm.
        covariance: (M, 4, M, 4).
        fixed: the value was given; only the changes with pose are estimated.
    """

    def __init__(self, population: Population, effects: np.ndarray, drifts: bool = True) -> None:
        self._population, self._effects, self._drifts = population, effects, drifts
        size, terms = len(MEASURES), 1 + len(TURNED)
        self.mean = np.zeros((size, terms))
        self.mean[:, 0] = population.mean
        self.covariance = np.zeros((size, terms, size, terms))
        self.covariance[:, 0, :, 0] = _UNLIKE**2 * population.covariance
        for term, share in enumerate(TURNED, start=1):
            self.covariance[np.arange(size), term, np.arange(size), term] = (share * NOISE) ** 2
        self.fixed = False

    def fix(self, measured: np.ndarray, pose: np.ndarray) -> None:
        """Set the neutral face from frames in which the face is neutral.

        Args:
            measured: (N, M) in mm.
            pose: (N, 3) in degrees.
        """
        chosen = np.unique(np.linspace(0, len(measured) - 1, 50).astype(int))  # our choice: enough frames, and fast
        for seen, terms in zip(measured[chosen], pose_terms(pose[chosen]), strict=True):
            self._update(seen, terms, len(chosen) * (GIVEN * NOISE) ** 2)
        self.fixed = True

    def deviation(self, measured: np.ndarray, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Subtract the neutral face.

        Args:
            measured: (T, M) in mm.
            pose: (T, 3) in degrees.

        Returns:
            The deviation from the neutral face, (T, M) in mm, and its standard deviation, (T, M) in mm. The iris of a
            closed eye is not visible; its deviation is 0.
        """
        terms = pose_terms(pose)
        deviation = measured - (self.mean @ terms[:, :, None])[:, :, 0]
        deviation[:, _GAZE] *= self.open(measured)
        each = np.einsum("mamb->mab", self.covariance)
        variance = (terms[:, None, None, :] @ each @ terms[:, None, :, None])[:, :, 0, 0]
        return deviation, np.sqrt(variance + NOISE**2)

    @property
    def known(self) -> float:
        """How much of the neutral face is known, 0..1."""
        return share_known(np.einsum("mm->m", self.covariance[:, 0, :, 0]), self._population)

    def open(self, measured: np.ndarray) -> np.ndarray:
        """measured (T, M) mm -> (T,) from 0, the eyes are closed, to 1, the mesh sees the irises."""
        share = (measured[:, _UPPER] - measured[:, _LOWER]) / self.aperture
        return np.clip((share - _SHUT) / (_OPEN - _SHUT), 0, 1)

    @property
    def aperture(self) -> float:
        """Distance between the lids of the person's open eyes, in mm."""
        return float(self.mean[_UPPER, 0] - self.mean[_LOWER, 0])

    def learn(self, measured: np.ndarray, pose: np.ndarray, intensities: np.ndarray, neutral: np.ndarray, share: float
              ) -> None:
        """Update the neutral face with the frames of one step.

        Args:
            measured: (T, M) in mm.
            pose: (T, 3) in degrees.
            intensities: (T, A + 1) action units in these frames; the last column is the vertical gaze in mm.
            neutral: (T,) probability that the face is neutral: a faint unit is then the person's own face.
            share: share of the step in which the face was visible, 0..1.
        """
        sure = np.minimum((intensities / _CLEAR) ** 2, 1)
        sure[:, -1] = 1
        clear = intensities * sure
        explained = (self._effects @ (intensities * np.maximum(sure, 1 - neutral[:, None]))[:, :, None])[:, :, 0]
        rest = np.median(measured - (self._effects @ clear[:, :, None])[:, :, 0], axis=0)
        doubt = ((_SECOND * NOISE) ** 2 + np.median(explained**2, axis=0)) / max(share, 1e-3)
        if self._drifts and not self.fixed:
            self.covariance[:, 0, :, 0] += np.diag((_SECOND * NOISE / _MEMORY) ** 2)
        self._update(rest, pose_terms(np.median(pose, axis=0)), doubt)

    def _update(self, seen: np.ndarray, terms: np.ndarray, variance: np.ndarray) -> None:
        """Kalman update with the observation `seen` (M,) in mm at `terms` (4,), with variance (M,)."""
        size = self.mean.size
        cross = (self.covariance @ terms).reshape(size, -1)  # (M * 4, M): of the state with the observation
        total = np.tensordot(terms, cross.reshape(*self.mean.shape, -1), axes=(0, 1)) + np.diag(variance)
        gain = np.linalg.solve(total, cross.T).T
        if self.fixed:  # a Schmidt-Kalman filter: it uses the variance of the value but does not update the value
            gain.reshape(*self.mean.shape, -1)[:, 0] = 0
        self.mean = self.mean + (gain @ (seen - self.mean @ terms)).reshape(self.mean.shape)
        shared = gain @ cross.T
        covariance = self.covariance.reshape(size, size) - shared - shared.T + gain @ total @ gain.T
        self.covariance = covariance.reshape(self.covariance.shape)


def pose_terms(pose: np.ndarray) -> np.ndarray:
    """pose (..., 3) degrees -> (..., 4) observation vector of the state of a measure."""
    pitch, yaw = pose[..., 0] / _TURN, pose[..., 1] / _TURN
    return np.stack([np.ones_like(pitch), pitch, yaw, yaw**2], axis=-1)
