"""How good predictions are, within what limits, and whether one of two is better.

Everything that counts right and wrong answers takes confusion matrices (..., K, K), rows the truth, columns what was
predicted, and works on many at once, so that a bootstrap is one call. Shares are 0..1. Names as in the field: WAR is
accuracy, UAR the mean recall of the classes that are there. Guessed ratings are judged by `mien.rating`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from mien.tasks import Task

RESAMPLES = 2000
"""Of a bootstrap. Our choice: the ends of an interval then stand within about a tenth of its length."""

BINS = 15
"""Of confidence, equally wide: Guo et al. 2017, On calibration of modern neural networks, arXiv 1706.04599."""

TEMPERATURES = np.geomspace(0.1, 10.0, 161)
"""Those that are tried, 3 % apart. Our choice: bounded, as validation that is all right, or all wrong, would ask for 0
or infinity; a grid, since its costs add up over batches and devices."""

Measure = Callable[[np.ndarray], np.ndarray]
"""Confusion matrices (..., K, K) -> (...)."""


def confusion(target: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """target, predicted (N,) in 0..K-1 -> counts (K, K). ValueError for other lengths or classes."""
    target, predicted = np.asarray(target), np.asarray(predicted)
    if target.shape != predicted.shape or target.ndim != 1:
        raise ValueError(f"confusion: expected target and predicted (N,), got {target.shape} and {predicted.shape}")
    both = np.concatenate([target, predicted])
    if both.size and not (both.min() >= 0 and both.max() < classes):
        raise ValueError(f"confusion: expected classes 0 to {classes - 1}, got {both.min()} to {both.max()}")
    cells = target.astype(np.int64) * classes + predicted.astype(np.int64)
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def war(counts: np.ndarray) -> np.ndarray:
    """Accuracy: the share of right answers, NaN without any."""
    return _share(np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1)))


def recall(counts: np.ndarray) -> np.ndarray:
    """(..., K): of each class, NaN for one that the truth lacks."""
    return _share(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1))


def uar(counts: np.ndarray) -> np.ndarray:
    """Mean recall of the classes that the truth has."""
    found = recall(counts)
    there = np.isfinite(found)
    return _share(np.where(there, found, 0.0).sum(axis=-1), there.sum(axis=-1))


def f1(counts: np.ndarray) -> np.ndarray:
    """(..., K): of each class; 0 where it is never right, NaN where neither the truth nor the predictions have it."""
    return _share(2 * np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1) + counts.sum(axis=-2))


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """Mean F1 of the classes that are there."""
    found = f1(counts)
    there = np.isfinite(found)
    return _share(np.where(there, found, 0.0).sum(axis=-1), there.sum(axis=-1))


def weighted_f1(counts: np.ndarray) -> np.ndarray:
    """Mean F1, each class by how often the truth has it."""
    return _share((np.nan_to_num(f1(counts)) * counts.sum(axis=-1)).sum(axis=-1), counts.sum(axis=(-2, -1)))


def positive_f1(counts: np.ndarray) -> np.ndarray:
    """F1 of the second of two classes (high). ValueError for more than two."""
    if counts.shape[-1] != 2:
        raise ValueError(f"positive_f1: expected two classes, got {counts.shape[-1]}: take macro_f1")
    return f1(counts)[..., 1]


def measures(classes: int) -> dict[str, Measure]:
    """Name -> what is reported of K classes, recalls apart."""
    found: dict[str, Measure] = {"uar": uar, "war": war, "macro_f1": macro_f1, "weighted_f1": weighted_f1}
    return found | ({"positive_f1": positive_f1} if classes == 2 else {})


def dimensions(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Of `tasks.QUADRANTS` (4, 4) -> valence and arousal, each low and high (2, 2). ValueError for another shape."""
    if counts.shape != (4, 4):
        raise ValueError(f"dimensions: expected a confusion (4, 4) of valence and arousal, got {counts.shape}")
    apart = counts.reshape(2, 2, 2, 2)
    return {"valence": apart.sum(axis=(1, 3)), "arousal": apart.sum(axis=(0, 2))}


@dataclass(frozen=True, eq=False)
class Scores:
    """`confusion` (K, K) over the task's classes, rows are truth; `a + b` pools two of the same task."""

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
        """Every measure by name, and the recall of each class as recall_CLASS."""
        found = {name: float(measure(self.confusion)) for name, measure in measures(len(self.confusion)).items()}
        names = (f"recall_{name}" for name in self.task.classes)
        return found | dict(zip(names, recall(self.confusion).tolist(), strict=True))


def bootstrap(measure: Measure, target: np.ndarray, predicted: np.ndarray, classes: int,
              group: Sequence[str] | np.ndarray | None = None, level: float = 0.95, resamples: int = RESAMPLES,
              seed: int = 0) -> tuple[float, float]:
    """Percentile interval of a measure, drawing whole groups (people) with replacement; None: single answers.

    Efron & Tibshirani 1993, An introduction to the bootstrap, ch. 13. NaN, NaN where nothing can be drawn, or for one
    group alone, of whose like nothing is known.
    """
    rng = np.random.default_rng(seed)
    whole = confusion(target, predicted, classes)
    if group is None:  # drawing answers is drawing cells of the matrix
        size, parts = int(whole.sum()), np.eye(classes**2)
        chances = whole.ravel() / max(size, 1)
    else:
        names, who = np.unique(np.asarray(group), return_inverse=True)
        size, chances = len(names), np.full(len(names), 1 / max(len(names), 1))
        cells = np.asarray(target) * classes + np.asarray(predicted)
        parts = np.zeros((size, classes**2))
        np.add.at(parts, (who, cells), 1)
    drawn = rng.multinomial(size, chances, resamples) @ parts if size > 1 else np.zeros((0, classes**2))
    found = measure(drawn.reshape(-1, classes, classes))
    found = found[np.isfinite(found)]
    if not found.size:
        return float("nan"), float("nan")
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def reliability(probs: np.ndarray, target: np.ndarray, bins: int = BINS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """probs (N, K), target (N,) -> count, mean confidence and accuracy (bins,) of answers by their confidence."""
    sure = probs.max(axis=1)
    right = probs.argmax(axis=1) == target
    place = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    sums = [np.bincount(place, values, minlength=bins) for values in (sure, right)]
    return count, _share(sums[0], count), _share(sums[1], count)


def ece(probs: np.ndarray, target: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error 0..1: how far confidence is from accuracy, on average (Guo et al. 2017)."""
    count, sure, right = reliability(probs, target, bins)
    gaps = np.abs(np.nan_to_num(sure) - np.nan_to_num(right))
    return float(_share((count * gaps).sum(), count.sum()))


def costs(logits: np.ndarray, target: np.ndarray) -> np.ndarray:
    """logits (N, K), target (N,) -> the summed cross-entropy at each of `TEMPERATURES`; of several batches they add up.
    """
    told = special.log_softmax(np.asarray(logits, np.float64) / TEMPERATURES[:, None, None], axis=-1)
    return -told[:, np.arange(len(target)), target].sum(axis=1)


def temperature(costs: np.ndarray) -> float:
    """The number that logits are to be divided by so that their probabilities fit best: temperature scaling, Guo et al.
    2017. `costs`: on validation."""
    return float(TEMPERATURES[np.argmin(costs)])


def cooled(probs: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (..., K) as their logits divided by the temperature would have them."""
    return special.softmax(np.log(np.maximum(probs, 1e-300)) / temperature, axis=-1)


def mcnemar(first: np.ndarray, second: np.ndarray) -> tuple[int, int, float]:
    """Right or wrong (N,) of two on the same items -> only the first right, only the second, two-sided exact p.

    McNemar 1947, 10.1007/BF02295996, with the binomial itself.
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    if first.shape != second.shape:
        raise ValueError(f"mcnemar: expected answers to the same items, got {first.shape} and {second.shape}")
    one, other = int((first & ~second).sum()), int((second & ~first).sum())
    return one, other, float(stats.binomtest(one, one + other).pvalue) if one + other else 1.0


def wilcoxon(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """A score of each person by two (N,) -> median difference, two-sided p of the signed ranks (Wilcoxon 1945).

    People who do equally well by both are left out; p is 1 where all do.
    """
    gaps = np.round(np.asarray(first, np.float64) - np.asarray(second, np.float64), 9)  # 2/3 - 1/3 ties with 1/3 - 0
    if not gaps.size:
        raise ValueError("wilcoxon: expected a score of each of several people, got none")
    return float(np.median(gaps)), float(stats.wilcoxon(gaps).pvalue) if np.any(gaps) else 1.0


def _share(part: np.ndarray | float, whole: np.ndarray | float) -> np.ndarray:
    """part / whole, NaN where there is no whole."""
    whole = np.asarray(whole, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, np.asarray(part, np.float64) / whole, np.nan)
