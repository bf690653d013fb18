"""The trained reader of expressions: a small network over the measures, in NumPy.

It was trained on simulated measures (`mien train expression/simulated`); its card says how and what it gives. The
network sees the difference from what is known of the person's neutral face, how well that is known, and the head pose.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np

from mien.core.tasks import EXPRESSION
from mien.face.au_regression import NOISE
from mien.face.distances import MEASURES
from mien.face.population import Population

# How long the neutral face was observed in s, as the head is trained for: not at all, in part, given.
KNOWN_SECONDS = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0, np.inf)
# our choice: standard deviation of a neutral face that is given, in units of the noise of one frame.
GIVEN = 0.6
_DEGREES = 20.0

HEAD_FILE = "head.npz"
"""Name of the head in a folder of `mien train expression --data`; its card is beside it, head.json."""

FEATURES = len(MEASURES) + 5
"""F: how many numbers of a frame a head reads."""


def observed(population: Population, index: int) -> tuple[np.ndarray, np.ndarray]:
    """The observation of a neutral face over `KNOWN_SECONDS[index]` s, index 1 or more.

    Returns:
        The gain (M, M) that pulls the population's mean to it, and its standard deviation (M,) in mm.
    """
    seconds = KNOWN_SECONDS[index]
    spread = NOISE * max(GIVEN, seconds**-0.5)
    return population.covariance @ np.linalg.inv(population.covariance + np.diag(spread**2)), spread


def known_share(population: Population) -> np.ndarray:
    """(len(KNOWN_SECONDS),) how much of the neutral face is known, 0..1."""
    shares = [0.0]
    for index in range(1, len(KNOWN_SECONDS)):
        gain, _ = observed(population, index)
        left = np.diag(population.covariance - gain @ population.covariance)
        shares.append(share_known(left, population))
    return np.array(shares)


def share_known(variance: np.ndarray, population: Population) -> float:
    """How much of a neutral face is known, 0..1, by what is left of the variance (M,) in mm² of each measure."""
    return float(1 - np.sqrt(np.clip(variance / np.diag(population.covariance), 0, 1)).mean())


def features(deviation: np.ndarray, population: Population, known: np.ndarray | float, pose: np.ndarray) -> np.ndarray:
    """What the head reads.

    Args:
        deviation: (T, M) mm, from the neutral face as it is known.
        population: Neutral faces.
        known: (T,) share of the neutral face that is known, 0..1.
        pose: (T, 2) pitch and yaw in degrees.

    Returns:
        (T, F).
    """
    turn = pose / _DEGREES
    known = np.broadcast_to(np.asarray(known, dtype=np.float64), (len(deviation),))
    scale = np.sqrt(np.diag(population.covariance))
    return np.concatenate([deviation / scale, known[:, None], turn, turn**2], axis=1)


@dataclass(frozen=True, eq=False)
class ExpressionHead:
    """A network with two hidden layers and a linear reading beside them.

    Attributes:
        weights: Matrices (F, H), (H, G), (G, K).
        biases: Vectors (H,), (G,), (K,).
        temperature: Divides the logits of the classes.
        population: Neutral faces.
        effects: (M, A + 1) in mm for each unit of intensity; the last column is for each mm of vertical gaze.
        classes: Names of the classes (K).
        skip: (F, K) what the features add to the logits directly.
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    temperature: float
    population: Population
    effects: np.ndarray
    classes: tuple[str, ...] = EXPRESSION.classes
    skip: np.ndarray | float = 0.0

    def predict(self, deviation: np.ndarray, known: np.ndarray | float, pose: np.ndarray) -> np.ndarray:
        """Read frames; the arguments are as in `features`.

        Returns:
            (T, K) probabilities of the classes.
        """
        return self.of_features(features(deviation, self.population, known, pose))

    def of_features(self, rows: np.ndarray) -> np.ndarray:
        """The same from what `features` returns."""
        logits = (self.hidden(rows) @ self.weights[-1] + self.biases[-1] + rows @ self._skip) / self.temperature
        probs = np.exp(logits - logits.max(axis=1, keepdims=True))
        return probs / probs.sum(axis=1, keepdims=True)

    def hidden(self, rows: np.ndarray) -> np.ndarray:
        """rows (T, F) of `features` -> the last hidden layer (T, G)."""
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            rows = np.tanh(rows @ weight + bias)
        return rows

    @property
    def _skip(self) -> np.ndarray:
        return np.broadcast_to(self.skip, (FEATURES, len(self.classes)))

    def save(self, path: Path, card: dict[str, object]) -> None:
        """Write the head to `path` (.npz) and its card beside it (.json)."""
        arrays = {f"weight{i}": weight.astype(np.float32) for i, weight in enumerate(self.weights)}
        arrays |= {f"bias{i}": bias.astype(np.float32) for i, bias in enumerate(self.biases)}
        np.savez(path, temperature=self.temperature, mean=self.population.mean, count=self.population.count,
                 covariance=self.population.covariance, effects=self.effects, classes=np.array(self.classes),
                 skip=self._skip.astype(np.float32), **arrays)  # type: ignore[arg-type]
        path.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def load_head(path: Path) -> ExpressionHead:
    """Read a head that `ExpressionHead.save` wrote.

    Raises:
        ValueError: The file is of other measures.
    """
    with np.load(path) as file:
        arrays = {name: file[name].astype(np.float64) for name in file.files if name != "classes"}
        classes = tuple(file["classes"].tolist())
    layers = range(sum(name.startswith("weight") for name in arrays))
    if arrays["mean"].shape != (len(MEASURES),):
        raise ValueError(f"{path.name}: expected a head over {len(MEASURES)} measures, got one over "
                         f"{arrays['mean'].size}: train it again with mien train expression/simulated")
    population = Population(arrays["mean"], arrays["covariance"], int(arrays["count"]))
    return ExpressionHead(tuple(arrays[f"weight{i}"] for i in layers), tuple(arrays[f"bias{i}"] for i in layers),
                          float(arrays["temperature"]), population, arrays["effects"], classes, arrays["skip"])


@lru_cache(maxsize=1)
def default_head() -> ExpressionHead:
    """The head in the package."""
    with resources.as_file(resources.files("mien.face") / "heads" / "simulated.npz") as path:
        return load_head(path)
