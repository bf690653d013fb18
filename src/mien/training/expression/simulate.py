"""Measures of simulated faces with known expression and action units, for simulation-based inference.

A simulated frame is a person from the population of real neutral faces, action units by published prototypes with the
person's own effects, speech, gaze, lids, head pose and noise; and what is known of the person's neutral face by then.
No picture is rendered: the simulation draws the measures themselves.

References:
    Cranmer, Brehmer & Louppe 2020, The frontier of simulation-based inference, PNAS 117:30055-30062
    (10.1073/pnas.1912789117).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from mien.core.tasks import EXPRESSION
from mien.face.au_regression import CLOSURE, GAZE_SPREAD, NOISE, STRONGEST
from mien.face.distances import MEASURES
from mien.face.expression_head import KNOWN_SECONDS, features, known_share, observed
from mien.face.neutral_face import TURNED, pose_terms
from mien.training.expression.prototypes import AU, draw_units
from mien.training.expression.statistics import FITTED, FaceStatistics

NEUTRAL, HAPPY = EXPRESSION.classes.index("neutral"), EXPRESSION.classes.index("happy")

_PART = 20_000

# our choice, all of this: how often, how strong.
# neutral faces and smiles for each face of another class: they are by far the most frequent. The first two numbers hold
# where the neutral face is not given: an odd face is then more often an unusual person than a rare expression.
_NEUTRALS, _HAPPY, _NEUTRALS_GIVEN, _HAPPY_GIVEN = 4.5, 5.0, 3.0, 5.0
_JITTER = (0.35, 0.35, 0.35, 1.0)  # noise of one frame beyond that of the neutral face, in units of the noise of one
# frame: a large picture, and as often as a quarter a small one
_UNLISTED = 0.03  # faces with four units or more that fit no class
_TRACE = 0.5  # the largest faint unit
_FAINT = 0.05  # the share of faint units
_WEAKEST, _FAINTEST = 1.0, 0.3  # intensity of an expression; of a smile, which is often faint
_SPEAKS = 0.15
_BLINKS = 0.06
_TURNS = (0.0, 4.0, 4.0, 12.0)  # degrees, standard deviations of pitch and yaw, equally often
_GAIN = 0.35  # standard deviation of the logarithm of a person's strength of a unit
_AWAY = 0.2  # faces unlike those of the pictures: another lens or distance, other people, a mesh that lies badly
_FAR = 1.6  # spread of these, of the spread between people
_CAMERA, _OTHER = 0.1, 0.7  # spread of a measure from camera to camera, of its spread between people; of these
_LEAK = 0.5  # the largest share of an expression that is taken for the neutral face, where it is partly known


@dataclass(frozen=True, eq=False)
class SimulatedFaces:
    """Simulated frames.

    Attributes:
        features: (N, F) what the head reads.
        target: (N, K) probabilities of the classes: one class, or all alike for a face that fits none.
        aus: (N, A) intensities, 0..5.
        strength: (N,) intensity of the expression, 1..5; 0 for a neutral face.
        known: (N,) index into `KNOWN_SECONDS`.
    """

    features: np.ndarray
    target: np.ndarray
    aus: np.ndarray
    strength: np.ndarray
    known: np.ndarray


def simulate(statistics: FaceStatistics, count: int, seed: int, strength: float | None = None,
             known: int | None = None, balanced: bool = False) -> SimulatedFaces:
    """Draw frames, in parts that fit into memory.

    Args:
        statistics: Of real faces.
        count: Number of frames.
        seed: Of the random numbers.
        strength: Intensity of every expression; None: 1 to 5.
        known: Index into `KNOWN_SECONDS`; None: any.
        balanced: All classes alike, and no face that fits none.

    Returns:
        The frames.
    """
    parts = [_simulate(statistics, min(_PART, count - first), np.random.default_rng([seed, first]), strength, known,
                       balanced) for first in range(0, count, _PART)]
    return SimulatedFaces(*(np.concatenate([getattr(part, field.name) for part in parts])
                            for field in fields(SimulatedFaces)))


def _simulate(statistics: FaceStatistics, count: int, rng: np.random.Generator, strength: float | None,
              known: int | None, balanced: bool) -> SimulatedFaces:
    knows = _known(count, known, rng)
    chances = np.ones((count, len(EXPRESSION.classes)))
    if not balanced:
        given = knows == len(KNOWN_SECONDS) - 1
        chances[:, NEUTRAL] = np.where(given, _NEUTRALS_GIVEN, _NEUTRALS)
        chances[:, HAPPY] = np.where(given, _HAPPY_GIVEN, _HAPPY)
    edges = chances.cumsum(axis=1) / chances.sum(axis=1, keepdims=True)
    target = (rng.random((count, 1)) > edges).sum(axis=1)
    weakest = np.where(target == HAPPY, _FAINTEST, _WEAKEST)
    level = rng.uniform(weakest, STRONGEST, count) if strength is None else np.full(count, strength)
    aus = _intensities(target, level, rng)
    soft = np.eye(chances.shape[1])[target]
    if not balanced:
        _unlisted(aus, soft, rng)
    shown, pose = _measures(statistics, aus, rng)
    neutral = _neutral_estimate(statistics, shown, knows, rng)
    deviation = shown.measures - neutral
    share = known_share(statistics.population)[knows]
    return SimulatedFaces(features(deviation, statistics.population, share, pose), soft, aus,
                          np.where(target == NEUTRAL, 0.0, level), knows)


def _intensities(target: np.ndarray, level: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """target (N,), level (N,) -> (N, A) intensities with speech, faint units and blinks."""
    count = len(target)
    active = draw_units(target, rng)
    aus = active * np.clip(level[:, None] * rng.lognormal(-0.08, 0.4, active.shape), 0, STRONGEST)
    aus[target == NEUTRAL] *= 0.2
    faint = (rng.random(active.shape) < _FAINT) & ~active
    aus = np.where(faint, rng.uniform(0, _TRACE, active.shape), aus)
    speaks = rng.random(count) < _SPEAKS
    for unit, chance, most in (("AU25", 0.9, 4.5), ("AU26", 0.7, 2.5), ("AU20", 0.3, 1.5), ("AU23", 0.3, 1.5),
                               ("AU17", 0.2, 1.5), ("AU10", 0.1, 1.0)):
        says = speaks & (rng.random(count) < chance)
        aus[:, AU[unit]] = np.maximum(aus[:, AU[unit]], says * rng.uniform(0, most, count))
    aus[:, AU["AU25"]] = np.maximum(aus[:, AU["AU25"]], 0.5 * aus[:, AU["AU26"]])  # a dropped jaw parts the lips
    aus[:, AU["AU45"]] = (rng.random(count) < _BLINKS) * rng.uniform(0, STRONGEST, count)
    return aus


def _unlisted(aus: np.ndarray, soft: np.ndarray, rng: np.random.Generator) -> None:
    """Replace some faces, in place, by random units."""
    rows = np.flatnonzero(rng.random(len(aus)) < _UNLISTED)
    order = rng.random((len(rows), aus.shape[1])).argsort(axis=1).argsort(axis=1)
    aus[rows] = (order < rng.integers(4, 9, (len(rows), 1))) * rng.uniform(0.5, STRONGEST, order.shape)
    soft[rows] = 1 / soft.shape[1]


def _known(count: int, known: int | None, rng: np.random.Generator) -> np.ndarray:
    """(N,) how well the neutral face is known: a third not at all, a third in part, a third given."""
    if known is not None:
        return np.full(count, known)
    last = len(KNOWN_SECONDS) - 1
    kind = rng.integers(3, size=count)
    return np.where(kind == 0, 0, np.where(kind == 1, rng.integers(1, last, count), last))


@dataclass(frozen=True, eq=False)
class _Shown:
    """Measures (N, M) mm of frames, of the neutral faces behind them, and what the units add."""

    measures: np.ndarray
    neutral: np.ndarray
    moved: np.ndarray


def _measures(statistics: FaceStatistics, aus: np.ndarray, rng: np.random.Generator) -> tuple[_Shown, np.ndarray]:
    """aus (N, A) -> the measures, and the pose (N, 2) degrees of pitch and yaw."""
    count, size = len(aus), len(MEASURES)
    population = statistics.population
    away = (rng.random((count, 1)) < _AWAY) * 1.0
    identity = rng.multivariate_normal(np.zeros(size), population.covariance, count, method="cholesky")
    identity *= np.sqrt(_predictive(population.count, size) / rng.chisquare(population.count - size, (count, 1)))
    camera = rng.normal(0, 1, (count, size)) * np.sqrt(np.diag(population.covariance))
    neutral = population.mean + (1 + away * (_FAR - 1)) * identity + (_CAMERA + away * (_OTHER - _CAMERA)) * camera
    gaze = rng.normal(0, GAZE_SPREAD * 0.6, (count, 1)) * (rng.random((count, 1)) < 0.7)
    amount = np.concatenate([aus * rng.lognormal(-_GAIN**2 / 2, _GAIN, aus.shape), gaze], axis=1)
    moved = amount @ statistics.effects.T + _own_way(statistics, amount, rng)
    lids = [MEASURES.index("lid_upper"), MEASURES.index("lid_lower")]
    gap = moved[:, lids[0]] - moved[:, lids[1]]
    excess = np.minimum(gap + CLOSURE, 0)  # lids do not pass each other
    moved[:, lids[0]] -= excess / 2
    moved[:, lids[1]] += excess / 2
    pose = rng.normal(0, 1, (count, 2)) * rng.choice(_TURNS, (count, 1))
    bend = rng.normal(size=(count, size, len(TURNED))) * NOISE[:, None] * TURNED
    turned = (bend * pose_terms(np.pad(pose, ((0, 0), (0, 1))))[:, None, 1:]).sum(axis=2)
    noise = NOISE * rng.choice(_JITTER, (count, 1)) * rng.normal(size=(count, size))
    return _Shown(neutral + moved + turned + noise, neutral, moved), pose


def _predictive(count: int, size: int) -> float:
    """What scales draws of the population so that a new person of it is drawn, its statistics being estimated from
    `count` people: the posterior predictive distribution is a multivariate t (Gelman et al. 2013, Bayesian Data
    Analysis, section 3.6)."""
    return (count - 1) * (count + 1) / count


def _own_way(statistics: FaceStatistics, amount: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """amount (N, A + 1) of units -> (N, M) mm: how these people's movements differ from the effects: by the spread
    between people, and by what the published table omits of units that were not estimated."""
    sizes = np.linalg.norm(statistics.effects / NOISE[:, None], axis=0) * statistics.omitted
    sizes[[*FITTED, -1]] = 0
    variance = amount**2 @ (statistics.spread * statistics.effects.T) ** 2
    variance += (amount**2 @ sizes**2)[:, None] * NOISE**2
    deviation = rng.multivariate_normal(np.zeros(len(NOISE)), statistics.together, len(amount), method="cholesky")
    return np.sqrt(variance) * deviation


def _neutral_estimate(statistics: FaceStatistics, shown: _Shown, knows: np.ndarray, rng: np.random.Generator
                      ) -> np.ndarray:
    """(N, M) mm: the neutral face as it is known, from the population and what was observed of the person."""
    leak = rng.uniform(0, _LEAK, (len(knows), 1)) * (rng.random((len(knows), 1)) < 0.3)
    leak[knows == len(KNOWN_SECONDS) - 1] = 0
    estimate = np.tile(statistics.population.mean, (len(knows), 1))
    for index in range(1, len(KNOWN_SECONDS)):
        rows = np.flatnonzero(knows == index)
        gain, spread = observed(statistics.population, index)
        seen = shown.neutral[rows] + leak[rows] * shown.moved[rows] + spread * rng.normal(size=(len(rows), len(spread)))
        estimate[rows] += (seen - statistics.population.mean) @ gain.T
    return estimate
