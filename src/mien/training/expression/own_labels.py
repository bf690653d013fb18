"""Heads for other labels, from labelled faces of people: the last layer of the built-in head is fitted anew.

A multinomial logistic regression on the built-in head's last hidden layer and on the features themselves, pulled to the
built-in head's own weights where a class is one of its classes: with few faces it stays near them, with many it leaves
them. The strength of the pull, and the temperature, are chosen on people left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from mien.core.tasks import EXPRESSION
from mien.face.expression_head import ExpressionHead, default_head
from mien.training.expression.fit import calibration_error, softmax
from mien.training.expression.measured_faces import MeasuredFaces

PULLS = (1e-3, 1e-2, 1e-1, 1.0)
"""Weights of the pull to the built-in head. Our choice: from hardly any to nearly all."""

FOLDS = 5

SAME = {"happiness": "happy", "joy": "happy", "smile": "happy", "smiling": "happy", "sadness": "sad", "anger": "angry",
        "surprised": "surprise", "disgusted": "disgust", "fearful": "fear", "afraid": "fear"}
"""Labels that mean a class of the built-in head."""


@dataclass(frozen=True, eq=False)
class HeldOutProbabilities:
    """Probabilities (N, K) for people left out, one row of `MeasuredFaces` each, by a trained head (`trained`) and by
    the built-in one (`built_in`, None unless it has all of the classes)."""

    trained: np.ndarray
    built_in: np.ndarray | None


def same_classes(classes: tuple[str, ...]) -> list[int | None]:
    """For each class its index in `tasks.EXPRESSION`, None where it is none of these."""
    names = [SAME.get(name.lower(), name.lower()) for name in classes]
    return [EXPRESSION.classes.index(name) if name in EXPRESSION.classes else None for name in names]


def fit_labels(faces: MeasuredFaces) -> tuple[ExpressionHead, float]:
    """Fit a head to labelled faces.

    Args:
        faces: Measured.

    Returns:
        The head, and the pull that was chosen.
    """
    base, parts = default_head(), folds_of_people(faces.person)
    rows = _design(base, faces.features)
    losses, logits = [], {}
    for pull in PULLS:
        out = np.zeros((len(rows), len(faces.classes)))
        for part in range(parts.max() + 1):
            out[parts == part] = rows[parts == part] @ _fit(rows, faces, base, pull, parts != part)
        logits[pull] = out
        losses.append(_loss(out, faces))
    best = PULLS[int(np.argmin(losses))]
    temperatures = np.geomspace(0.3, 5.0, 40)
    temperature = float(min(temperatures, key=lambda each: _loss(logits[best] / each, faces)))
    solved = _fit(rows, faces, base, best, np.ones(len(rows), bool))
    hidden = len(base.biases[-2])
    head = replace(base, weights=(*base.weights[:-1], solved[:hidden]), biases=(*base.biases[:-1], solved[-1]),
                   skip=solved[hidden:-1], temperature=temperature, classes=faces.classes)
    return head, best


def judge_labels(faces: MeasuredFaces) -> HeldOutProbabilities:
    """Probabilities for every row by a head that was fitted without its person; all choices are made without them."""
    parts, trained = folds_of_people(faces.person, seed=1), np.zeros((len(faces.target), len(faces.classes)))
    for part in range(parts.max() + 1):
        kept = parts != part
        head, _ = fit_labels(replace(faces, features=faces.features[kept], target=faces.target[kept],
                                     file=faces.file[kept], person=faces.person[kept], given=faces.given[kept]))
        trained[~kept] = head.of_features(faces.features[~kept])
    same = same_classes(faces.classes)
    if None in same:
        return HeldOutProbabilities(trained, None)
    return HeldOutProbabilities(trained, default_head().of_features(faces.features)[:, same])  # type: ignore[index]


def scores(probs: np.ndarray, faces: MeasuredFaces, given: bool) -> tuple[np.ndarray, float, float] | None:
    """Recall of each class (K,), NaN for an absent one, their mean (UAR), and the calibration error.

    A clip is judged by the mean of its frames.

    Args:
        probs: (N, K), a row for each of `faces`.
        faces: Measured.
        given: Judge the rows with the person's own neutral face, else those without.

    Returns:
        None where there is no such row.
    """
    chosen = faces.given == given
    if not chosen.any():
        return None
    files, first = np.unique(faces.file[chosen], return_index=True)
    mean = np.array([probs[chosen & (faces.file == file)].mean(axis=0) for file in files])
    target = faces.target[chosen][first]
    right = mean.argmax(axis=1) == target
    recall = np.array([right[target == each].mean() if (target == each).any() else np.nan
                       for each in range(len(faces.classes))])
    return recall, float(np.nanmean(recall)), calibration_error(mean.max(axis=1), right)


def folds_of_people(person: np.ndarray, seed: int = 0) -> np.ndarray:
    """person (N,) -> (N,) fold; all rows of one person are in the same."""
    people, index = np.unique(person, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(people))
    return order[index] % min(FOLDS, len(people))


def _design(base: ExpressionHead, features: np.ndarray) -> np.ndarray:
    """(N, G + F + 1): the hidden layer, the features, and one."""
    return np.concatenate([base.hidden(features), features, np.ones((len(features), 1))], axis=1)


def _start(base: ExpressionHead, classes: tuple[str, ...]) -> np.ndarray:
    """(G + F + 1, K): the built-in head's weights of the same classes, centred; 0 for other classes."""
    skip = np.broadcast_to(base.skip, (base.weights[0].shape[0], len(base.classes)))
    known = np.concatenate([base.weights[-1], skip, base.biases[-1][None]]) / base.temperature
    known = known - known.mean(axis=1, keepdims=True)
    columns = [np.zeros(len(known)) if same is None else known[:, same] for same in same_classes(classes)]
    return np.stack(columns, axis=1)


def _weights(faces: MeasuredFaces, rows: np.ndarray) -> np.ndarray:
    """(N,) so that classes count alike, and within them files, whatever their number of frames; sum 1."""
    weight = np.zeros(len(faces.target))
    _, inverse, count = np.unique(faces.file[rows], return_inverse=True, return_counts=True)
    weight[rows] = 1 / count[inverse]
    for each in range(len(faces.classes)):
        here = rows & (faces.target == each)
        if here.any():
            weight[here] /= weight[here].sum()
    return weight / weight.sum()


def _fit(rows: np.ndarray, faces: MeasuredFaces, base: ExpressionHead, pull: float, chosen: np.ndarray) -> np.ndarray:
    """(G + F + 1, K) that minimises the cross-entropy of the chosen rows and the distance from the start."""
    start, weight = _start(base, faces.classes), _weights(faces, chosen)[chosen]
    here, truth = rows[chosen], np.eye(len(faces.classes))[faces.target[chosen]]
    penalty = np.append(np.full(rows.shape[1] - 1, pull), 1e-6)[:, None]  # the bias is free

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        """Compute the penalised cross-entropy and its gradient, both for the flattened weights."""
        solved = flat.reshape(start.shape)
        probs, shift = softmax(here @ solved), solved - start
        entropy = -(weight * np.log(np.maximum((probs * truth).sum(axis=1), 1e-12))).sum()
        slope = here.T @ (weight[:, None] * (probs - truth)) + penalty * shift
        return float(entropy + 0.5 * (penalty * shift**2).sum()), slope.ravel()

    return minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 100}).x.reshape(start.shape)


def _loss(logits: np.ndarray, faces: MeasuredFaces) -> float:
    weight = _weights(faces, np.ones(len(logits), bool))
    return float(-(weight * np.log(np.maximum(softmax(logits)[np.arange(len(logits)), faces.target], 1e-12))).sum())
