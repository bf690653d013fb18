"""The person's own neutral face, learnt on line.

Each measure of a neutral face is a number that differs between people and stays for one person. A Kalman filter
(Kalman 1960, 10.1115/1.3662552) holds its mean and variance: it starts from the population, and every second of the
recording adds one observation, which is what the face measured less what the action units explain. The more they
explain, the less the observation is trusted, so that a smile does not become the neutral face. The variance that is
left is handed to `units.solve`: what may be this person's anatomy, or the head's turn, is not called an action unit.

It cannot be known, and is not: the neutral of a person whose face never rests.
"""

from __future__ import annotations

import numpy as np

from .measures import MEASURES
from .units import MATRIX, NOISE

# Mean and standard deviation (mm) of each measure among neutral faces.
# our choice: mediapipe's mesh on the seven neutral real faces of docs/action_units.md; the spread is theirs. The gap
# between closed lips does not differ between people. The width of the mouth lies between theirs (23.0) and the norms of
# Farkas 1994, Anthropometry of the Head and Face.
POPULATION = {
    "brow_inner": (20.1, 2.4), "brow_outer": (17.0, 1.5), "brow_apart": (13.5, 1.1), "lid_upper": (4.5, 1.0),
    "lid_lower": (-3.4, 0.6), "pouch": (-11.6, 0.9), "cheek": (-30.4, 2.2), "wing": (-40.6, 2.7),
    "nose_width": (19.0, 1.2), "philtrum": (15.1, 1.7), "lip_rise": (-61.2, 4.5), "lip_upper": (6.0, 1.3),
    "lip_gap": (0.5, 0.4), "lip_lower": (8.8, 1.4), "chin_lip": (36.1, 2.0),
    "corner_rise": (1.1, 1.4), "corner_out": (24.0, 2.2), "corner_depth": (14.1, 0.9), "jaw": (112.0, 6.0),
    "gaze_rise": (1.2, 0.7),
}  # fmt: skip

# our choice: times that spread is what is expected of a face not yet known. The range of an eighth, guessed from
# seven, is 1.33 times theirs (Student's t with 6 degrees of freedom, 95 %); more, because theirs are young and of one
# descent.
_FEW = 1.5

STEP = 1.0
"""s between two observations. our choice: longer than a blink, shorter than an expression."""

# our choice: how far the mean of one second lies from a person's neutral when nothing is explained, in units of the
# noise of one frame; much of that noise is slow and does not average out.
_SECOND = 1.0
# our choice: the neutral may wander, with posture and distance, such that it forgets over a minute.
_MEMORY = 60.0
# our choice: the intensity (grade C) from which on a unit is surely no trait of the face at rest. Of a fainter one only
# a part is taken out, or a mouth that is wide by nature would read as a faint smile for ever.
_CLEAR = 3.0
# our choice: a given neutral is as uncertain as a few frames leave it, in units of the noise of one frame.
_GIVEN = 0.5
# our choice: what a turn of 20 degrees does to a measure of an unmoved face, in units of the noise of one frame: by
# pitch, by yaw, by the square of yaw. The size is that of rendered heads (docs/action_units.md); what is expected is
# nothing, because two real heads do not agree with them on the sign.
_TURNED = np.array([3.0, 1.5, 1.5])
_TURN = 20.0

_UPPER, _LOWER, _GAZE = (MEASURES.index(name) for name in ("lid_upper", "lid_lower", "gaze_rise"))
# our choice: shares of the neutral opening of the eye below which the mesh no longer sees the iris, and above which it
# does.
_SHUT, _OPEN = 0.35, 0.65


class Neutral:
    """What the measures of this person's neutral face are, as the head turns.

    For each measure a state: its value towards the camera, and how it changes with pitch, yaw and the square of yaw.
    `mean` (M, 4) mm, `covariance` (M, 4, 4). When `fixed`, the value was given, and only the changes are learnt.
    """

    def __init__(self) -> None:
        self.mean = np.zeros((len(MEASURES), 1 + len(_TURNED)))
        self.mean[:, 0] = [POPULATION[name][0] for name in MEASURES]
        spread = np.hstack([[[_FEW * POPULATION[name][1]] for name in MEASURES], NOISE[:, None] * _TURNED])
        self.covariance = spread[:, :, None] ** 2 * np.eye(spread.shape[1])
        self.fixed = False

    def fix(self, measured: np.ndarray, pose: np.ndarray) -> None:
        """measured (N, M) mm and pose (N, 3) degrees of frames in which the face is neutral: this is the neutral."""
        chosen = np.unique(np.linspace(0, len(measured) - 1, 50).astype(int))  # our choice: enough, and quick
        for seen, turn in zip(measured[chosen], _turn(pose[chosen]), strict=True):
            self._update(seen, turn, len(chosen) * (_GIVEN * NOISE) ** 2)
        self.fixed = True

    def deviation(self, measured: np.ndarray, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """measured (T, M) mm, pose (T, 3) degrees -> (T, M) mm from neutral and (T, M) mm its standard deviation.

        The iris of a closed eye is not seen: it counts as at rest.
        """
        turn = _turn(pose)
        deviation = measured - _at(self.mean, turn)
        deviation[:, _GAZE] *= self.open(measured)
        variance = (turn[:, None, None, :] @ self.covariance @ turn[:, None, :, None])[:, :, 0, 0]
        return deviation, np.sqrt(variance + NOISE**2)

    def open(self, measured: np.ndarray) -> np.ndarray:
        """measured (T, M) mm -> (T,) 0 where the eyes are closed, 1 where the mesh sees what is in them."""
        share = (measured[:, _UPPER] - measured[:, _LOWER]) / self.aperture
        return np.clip((share - _SHUT) / (_OPEN - _SHUT), 0, 1)

    @property
    def aperture(self) -> float:
        """mm between the lids of this person's open eyes."""
        return float(self.mean[_UPPER, 0] - self.mean[_LOWER, 0])

    def learn(self, measured: np.ndarray, pose: np.ndarray, intensities: np.ndarray, share: float) -> None:
        """One step: measured (T, M) mm, pose (T, 3) degrees, intensities (T, A + 1) read from them, share 0..1 seen."""
        explained = (MATRIX @ intensities[:, :, None])[:, :, 0]
        clear = intensities * np.minimum((intensities / _CLEAR) ** 2, 1)
        clear[:, -1] = intensities[:, -1]
        rest = np.median(measured - (MATRIX @ clear[:, :, None])[:, :, 0], axis=0)
        doubt = ((_SECOND * NOISE) ** 2 + np.median(explained**2, axis=0)) / max(share, 1e-3)
        if not self.fixed:
            self.covariance[:, 0, 0] += (_SECOND * NOISE / _MEMORY) ** 2
        self._update(rest, _turn(np.median(pose, axis=0)), doubt)

    def _update(self, seen: np.ndarray, turn: np.ndarray, variance: np.ndarray) -> None:
        """seen (M,) mm at turn (4,), known to variance (M,)."""
        cross = self.covariance @ turn  # (M, 4)
        total = (cross @ turn + variance)[:, None]
        gain = cross / total
        if self.fixed:  # the value is considered, with its doubt, but not changed: the filter of Schmidt and Kalman
            gain[:, 0] = 0
        self.mean = self.mean + gain * (seen - self.mean @ turn)[:, None]
        shared = gain[:, :, None] * cross[:, None, :]
        known = gain[:, :, None] * (gain * total)[:, None, :]
        self.covariance = self.covariance - shared - np.swapaxes(shared, 1, 2) + known


def _turn(pose: np.ndarray) -> np.ndarray:
    """pose (..., 3) degrees -> (..., 4) what the state of a measure is multiplied with."""
    pitch, yaw = pose[..., 0] / _TURN, pose[..., 1] / _TURN
    return np.stack([np.ones_like(pitch), pitch, yaw, yaw**2], axis=-1)


def _at(mean: np.ndarray, turn: np.ndarray) -> np.ndarray:
    return (mean @ turn[:, :, None])[:, :, 0]
