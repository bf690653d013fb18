"""Classification metrics, bootstrap intervals and calibration.

The metrics take confusion matrices (..., K, K) with true classes in rows and predicted classes in columns. They work on
many matrices at once, so a bootstrap is one call. Shares are 0..1. WAR is accuracy; UAR is the mean recall of the
classes present. `mien.metrics.regression` has the metrics of predicted ratings, and
`mien.metrics.significance` the tests of two classifiers against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from mien.core.tasks import Task

RESAMPLES = 2000
"""Bootstrap resamples. Our choice: the limits of an interval are then stable to about a tenth of its length."""

CALIBRATION_BINS = 15
"""Equal-width confidence bins: Guo et al. 2017, On calibration of modern neural networks, arXiv 1706.04599."""

TEMPERATURES = np.geomspace(0.1, 10.0, 161)
"""Candidate temperatures, 3 % apart. Our choice: bounded, since a validation set that is all correct or all wrong would
give 0 or infinity. A grid, since its losses add up over batches and devices."""

Measure = Callable[[np.ndarray], np.ndarray]
"""Confusion matrices (..., K, K) -> (...)."""


def confusion(target: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count target, predicted (N,) in 0..K-1 into a confusion matrix (K, K); rows are true classes.

    Raises:
        ValueError: the lengths differ, or a class is out of range.
    """
    target, predicted = np.asarray(target), np.asarray(predicted)
    if target.shape != predicted.shape or target.ndim != 1:
        raise ValueError(f"confusion: expected target and predicted (N,), got {target.shape} and {predicted.shape}")
    both = np.concatenate([target, predicted])
    if both.size and not (both.min() >= 0 and both.max() < classes):
        raise ValueError(f"confusion: expected classes 0 to {classes - 1}, got {both.min()} to {both.max()}")
    cells = target.astype(np.int64) * classes + predicted.astype(np.int64)
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def war(counts: np.ndarray) -> np.ndarray:
    """Accuracy: the share of correct predictions, NaN for an empty matrix."""
    return _share(np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1)))


def recall(counts: np.ndarray) -> np.ndarray:
    """Recall of each class (..., K), NaN for a class without true examples."""
    return _share(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1))


def uar(counts: np.ndarray) -> np.ndarray:
    """Mean recall of the classes with true examples."""
    return _finite_mean(recall(counts))


def f1(counts: np.ndarray) -> np.ndarray:
    """F1 of each class (..., K): 0 if no prediction of it is correct, NaN if it is neither true nor predicted."""
    return _share(2 * np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1) + counts.sum(axis=-2))


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """Mean F1 of the classes that are present."""
    return _finite_mean(f1(counts))


def weighted_f1(counts: np.ndarray) -> np.ndarray:
    """Mean F1, weighted by the number of true examples of each class."""
    return _share((np.nan_to_num(f1(counts)) * counts.sum(axis=-1)).sum(axis=-1), counts.sum(axis=(-2, -1)))


def positive_f1(counts: np.ndarray) -> np.ndarray:
    """F1 of the second of two classes (high). Raises ValueError for more than two."""
    if counts.shape[-1] != 2:
        raise ValueError(f"positive_f1: expected two classes, got {counts.shape[-1]}: take macro_f1")
    return f1(counts)[..., 1]


@dataclass(frozen=True)
class Metric:
    """A reported metric.

    Args:
        function: confusion matrices (..., K, K), rows the truth -> values (...), 0..1, NaN where undefined.
        title: the name in tables.
        classes: the number of classes K that it is for; 0 for any.
    """

    function: Measure
    title: str
    classes: int = 0


METRICS: dict[str, Metric] = {
    "uar": Metric(uar, "UAR"),
    "war": Metric(war, "WAR (accuracy)"),
    "macro_f1": Metric(macro_f1, "macro F1"),
    "weighted_f1": Metric(weighted_f1, "weighted F1"),
    "positive_f1": Metric(positive_f1, "F1 of high", classes=2),
}
"""Name -> metric, in the order of the tables. Training, benchmarks and baselines report every metric of this table,
with intervals; recalls of the classes are apart."""


def measures(classes: int) -> dict[str, Measure]:
    """Name -> function of every metric of K classes."""
    return {name: metric.function for name, metric in METRICS.items() if metric.classes in (0, classes)}


def quadrants_to_dimensions(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Split the confusion (4, 4) of `tasks.QUADRANTS` into valence and arousal, each low and high (2, 2).

    Raises:
        ValueError: the shape is not (4, 4).
    """
    if counts.shape != (4, 4):
        raise ValueError(f"dimensions: expected a confusion (4, 4) of valence and arousal, got {counts.shape}")
    split = counts.reshape(2, 2, 2, 2)
    return {"valence": split.sum(axis=(1, 3)), "arousal": split.sum(axis=(0, 2))}


@dataclass(frozen=True, eq=False)
class Scores:
    """A confusion matrix (K, K) over the classes of `task`; rows are true classes. `a + b` pools two of them."""

    task: Task
    confusion: np.ndarray

    def __post_init__(self) -> None:
        classes = len(self.task.classes)
        if self.confusion.shape != (classes, classes):
            raise ValueError(f"Scores.confusion: expected {(classes, classes)}, got {self.confusion.shape}")

    def __add__(self, other: Scores) -> Scores:
        if self.task.classes != other.task.classes:
            raise ValueError(f"Scores: expected the same classes, got {self.task.name} and {other.task.name}")
        return Scores(self.task, self.confusion + other.confusion)

    def __len__(self) -> int:
        """N."""
        return int(self.confusion.sum())

    def values(self) -> dict[str, float]:
        """Every metric by name, and the recall of each class as recall_CLASS."""
        by_name = {name: float(measure(self.confusion)) for name, measure in measures(len(self.confusion)).items()}
        names = (f"recall_{name}" for name in self.task.classes)
        return by_name | dict(zip(names, recall(self.confusion).tolist(), strict=True))


def bootstrap(measure: Measure, target: np.ndarray, predicted: np.ndarray, classes: int,
              group: Sequence[str] | np.ndarray | None = None, level: float = 0.95, resamples: int = RESAMPLES,
              seed: int = 0) -> tuple[float, float]:
    """Compute the percentile bootstrap interval of a metric.

    Args:
        measure: a metric of confusion matrices.
        target, predicted: (N,) classes, 0..`classes` - 1.
        group: (N,) subjects. Whole subjects are drawn with replacement; None draws single predictions.
        level: nominal coverage, 0..1.
        resamples, seed: number of bootstrap samples and seed of the draws.

    Returns:
        Lower and upper limit; NaN, NaN if there is nothing to draw or only one group, since a single group does not
        show how groups vary.

    References:
        Efron & Tibshirani 1993, An introduction to the bootstrap, ch. 13.
    """
    rng = np.random.default_rng(seed)
    counts = confusion(target, predicted, classes)
    if group is None:  # drawing predictions is drawing cells of the matrix
        size, parts = int(counts.sum()), np.eye(classes**2)
        chances = counts.ravel() / max(size, 1)
    else:
        names, index = np.unique(np.asarray(group), return_inverse=True)
        size, chances = len(names), np.full(len(names), 1 / max(len(names), 1))
        cells = np.asarray(target) * classes + np.asarray(predicted)
        parts = np.zeros((size, classes**2))
        np.add.at(parts, (index, cells), 1)
    if size < 2:
        return float("nan"), float("nan")
    drawn = rng.multinomial(size, chances, resamples) @ parts
    scores = measure(drawn.reshape(-1, classes, classes))
    scores = scores[np.isfinite(scores)]
    if not scores.size:
        return float("nan"), float("nan")
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def reliability(
    probs: np.ndarray, target: np.ndarray, bins: int = CALIBRATION_BINS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bin predictions by confidence, for a reliability diagram.

    Args:
        probs: (N, K).
        target: (N,) true classes.
        bins: number of equal-width bins.

    Returns:
        Count, mean confidence and accuracy of each bin, each (bins,).
    """
    confidence = probs.max(axis=1)
    correct = probs.argmax(axis=1) == target
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(index, minlength=bins)
    sums = [np.bincount(index, values, minlength=bins) for values in (confidence, correct)]
    return count, _share(sums[0], count), _share(sums[1], count)


def ece(probs: np.ndarray, target: np.ndarray, bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error 0..1: mean distance between confidence and accuracy (Guo et al. 2017)."""
    count, confidence, accuracy = reliability(probs, target, bins)
    gaps = np.abs(np.nan_to_num(confidence) - np.nan_to_num(accuracy))
    return float(_share((count * gaps).sum(), count.sum()))


def cross_entropy_by_temperature(logits: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Sum the cross-entropy of logits (N, K), target (N,) at each of `TEMPERATURES`; sums of batches add up."""
    log_probs = special.log_softmax(np.asarray(logits, np.float64) / TEMPERATURES[:, None, None], axis=-1)
    return -log_probs[:, np.arange(len(target)), target].sum(axis=1)


def temperature(costs: np.ndarray) -> float:
    """Choose the divisor of the logits with the lowest `costs` on validation: temperature scaling, Guo et al. 2017."""
    return float(TEMPERATURES[np.argmin(costs)])


def probabilities(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Softmax of logits, calibrated by temperature scaling (Guo et al. 2017).

    Args:
        logits: (..., K), of any float type.
        temperature: divisor of the logits, more than 0; 1 leaves them unchanged.

    Returns:
        (..., K) float64, each row summing to 1.
    """
    return special.softmax(np.asarray(logits, np.float64) / temperature, axis=-1)


def average_windows_per_trial(probs: np.ndarray, trials: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Average the probabilities (N, K) of windows per trial.

    Returns:
        M trials in the order of their first window, and their mean probabilities (M, K).
    """
    names = tuple(dict.fromkeys(trials))
    index = np.array([names.index(trial) for trial in trials], dtype=np.intp)
    if len(index) != len(probs):
        raise ValueError(f"pooled: expected the trial of each of {len(probs)} windows, got {len(index)}")
    total = np.zeros((len(names), probs.shape[1]))
    np.add.at(total, index, probs)
    return names, total / np.bincount(index, minlength=len(names))[:, None]


def apply_temperature(probs: np.ndarray, temperature: float) -> np.ndarray:
    """Apply a temperature to probabilities (..., K), as if their logits were divided by it."""
    return probabilities(np.log(np.maximum(probs, 1e-300)), temperature)


def _finite_mean(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis without NaN; NaN if nothing else is left."""
    finite = np.isfinite(values)
    return _share(np.where(finite, values, 0.0).sum(axis=-1), finite.sum(axis=-1))


def _share(part: np.ndarray | float, total: np.ndarray | float) -> np.ndarray:
    """part / total, NaN where the total is 0."""
    total = np.asarray(total, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, np.asarray(part, np.float64) / total, np.nan)
