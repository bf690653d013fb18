"""The person's own neutral face, learnt on line.

Each measure of a neutral face is a number that differs between people and stays for one person. A Kalman filter
(Kalman 1960, 10.1115/1.3662552) holds its mean and variance: it starts from the population, and every second of the
recording adds one observation, which is what the face measured less what the action units explain. The more they
explain, the less the observation is trusted, so that a smile does not become the neutral face. The variance that is
left is handed to `units.solve`: what may be this person's anatomy is not called an action unit.

It cannot be known, and is not: the neutral of a person whose face never rests.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .measures import MEASURES
from .units import MATRIX, NOISE

# Mean and standard deviation (mm) of each measure among neutral faces.
# our choice: mediapipe's mesh on seven neutral real faces (the recordings named in benchmarks/action_units.py); the
# spread is theirs, a little widened because seven are few. The gap between closed lips does not differ between
# people.
POPULATION = {
    "brow_inner": (20.1, 2.4), "brow_outer": (17.0, 1.5), "brow_apart": (13.5, 1.1), "lid_upper": (4.5, 1.0),
    "lid_lower": (-3.4, 0.6), "pouch": (-11.6, 0.9), "cheek": (-30.4, 2.2), "wing": (-40.6, 2.7),
    "nose_width": (19.0, 1.2), "philtrum": (15.1, 1.7), "lip_upper": (6.0, 1.3), "lip_gap": (0.5, 0.4),
    "lip_lower": (8.8, 1.4), "chin_lip": (36.1, 2.0), "boss": (15.5, 0.9),
    "corner_rise": (1.1, 1.4), "corner_out": (23.0, 1.8), "corner_depth": (14.1, 0.9), "jaw": (111.5, 5.0),
    "gaze_rise": (1.2, 0.7),
}  # fmt: skip

STEP = 1.0
"""s between two observations. our choice: longer than a blink, shorter than an expression."""

# our choice: how far the mean of one second lies from a person's neutral when nothing is explained, in units of the
# noise of one frame; much of that noise is slow and does not average out.
_SECOND = 1.0
# our choice: the neutral may wander, with posture and distance, such that it forgets over a minute.
_MEMORY = 60.0
# our choice: a given neutral is as uncertain as a few frames leave it, in units of the noise of one frame.
_GIVEN = 0.5

_UPPER, _LOWER, _GAZE = (MEASURES.index(name) for name in ("lid_upper", "lid_lower", "gaze_rise"))
# our choice: shares of the neutral opening of the eye below which the mesh no longer sees the iris, and above which it does.
_SHUT, _OPEN = 0.35, 0.65


@dataclass(eq=False)
class Neutral:
    """`mean` and `variance` (M,) of the person's neutral measures; `fixed` when it was given and is not learnt."""

    mean: np.ndarray = field(default_factory=lambda: np.array([POPULATION[name][0] for name in MEASURES]))
    variance: np.ndarray = field(default_factory=lambda: np.array([POPULATION[name][1] for name in MEASURES]) ** 2)
    fixed: bool = False

    @classmethod
    def given(cls, measured: np.ndarray) -> Neutral:
        """measured (N, M) mm of a face that is neutral."""
        return cls(np.median(measured, axis=0), (_GIVEN * NOISE) ** 2, fixed=True)

    @property
    def spread(self) -> np.ndarray:
        """(M,) mm: standard deviation of a measure around the neutral mean."""
        return np.sqrt(self.variance + NOISE**2)

    def deviation(self, measured: np.ndarray) -> np.ndarray:
        """measured (T, M) mm -> (T, M) mm from neutral. The iris of a closed eye is not seen: it counts as at rest."""
        deviation = measured - self.mean
        aperture = measured[:, _UPPER] - measured[:, _LOWER]
        share = aperture / (self.mean[_UPPER] - self.mean[_LOWER])
        deviation[:, _GAZE] *= np.clip((share - _SHUT) / (_OPEN - _SHUT), 0, 1)
        return deviation

    def learn(self, measured: np.ndarray, intensities: np.ndarray, share: float) -> None:
        """One step: measured (T, M) mm, intensities (T, A + 1) that were read from it, share 0..1 of the step seen."""
        if self.fixed or not len(measured):
            return
        explained = (MATRIX @ intensities[:, :, None])[:, :, 0]
        rest = np.median(measured - explained, axis=0)
        doubt = ((_SECOND * NOISE) ** 2 + np.median(explained**2, axis=0)) / max(share, 1e-3)
        prior = self.variance + (_SECOND * NOISE / _MEMORY) ** 2
        gain = prior / (prior + doubt)
        self.mean = self.mean + gain * (rest - self.mean)
        self.variance = (1 - gain) * prior
