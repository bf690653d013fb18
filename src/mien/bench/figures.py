"""The pictures of a benchmark: confusion, calibration, and how the classes lie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from mien import metrics, writing

MOST = 2000
"""Points of a t-SNE. Our choice: a fold of DFEW has 2,340, and more hide each other."""

PERPLEXITY = 30.0
"""van der Maaten & Hinton 2008, Visualizing data using t-SNE, JMLR 9: 5 to 50."""

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#222222")
"""Tol's bright scheme (personal.sron.nl/~pault), which colour-blind people tell apart too, black in place of grey."""


def confusion(path: Path, counts: np.ndarray, classes: Sequence[str]) -> None:
    """counts (K, K), rows the truth: shares of each row in %, the number of trials below."""
    shares = 100 * np.nan_to_num(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    size = len(classes)
    figure = Figure(figsize=(2.2 + 0.75 * size, 1.8 + 0.7 * size), dpi=150, layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    for row, column in np.ndindex(size, size):
        axes.text(column, row, f"{shares[row, column]:.0f}\n({counts[row, column]:.0f})", ha="center", va="center",
                  fontsize=7, color="white" if shares[row, column] > 55 else "black")
    axes.set_xticks(range(size), classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(size), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("truth")
    figure.colorbar(image, label="% of the truth's trials", shrink=0.8)
    _save(figure, path)


def calibration(path: Path, kinds: dict[str, np.ndarray], target: np.ndarray) -> None:
    """Name -> probs (N, K), target (N,): accuracy over confidence, and how many answers are so confident."""
    figure = Figure(figsize=(4.2 * len(kinds), 5.2), dpi=150, layout="constrained")
    grid = figure.subplots(2, len(kinds), sharex=True, squeeze=False, height_ratios=(3, 1))
    edges = np.linspace(0, 1, metrics.BINS + 1)
    for (title, probs), (upper, lower) in zip(kinds.items(), grid.T, strict=True):
        count, sure, right = metrics.reliability(probs, target)
        there = count > 0
        upper.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="--")
        upper.plot(sure[there], right[there], marker="o", markersize=4, color=COLOURS[0])
        upper.set_title(f"{title}: ECE {100 * metrics.ece(probs, target):.1f} %", fontsize=10)
        upper.set_xlim(0, 1)
        upper.set_ylim(0, 1)
        upper.set_ylabel("accuracy")
        lower.bar(edges[:-1], count, width=1 / metrics.BINS, align="edge", color=COLOURS[0], edgecolor="white")
        lower.set_ylabel("trials")
        lower.set_xlabel("confidence")
    _save(figure, path)


def guesses(path: Path, truth: np.ndarray, guess: np.ndarray, scale: tuple[float, float]) -> None:
    """truth, guess (N,) in points: each guess over the rating that it stands for; on the line they agree."""
    figure = Figure(figsize=(4.6, 4.4), dpi=150, layout="constrained")
    axes = figure.subplots()
    axes.plot(scale, scale, color="#999999", linewidth=1, linestyle="--")
    axes.scatter(truth, guess, s=12, alpha=0.5, linewidths=0, color=COLOURS[0])
    axes.set(xlim=scale, ylim=scale, aspect="equal", xlabel="rating, points", ylabel="guess, points")
    _save(figure, path)


def tsne(path: Path, features: np.ndarray, target: np.ndarray, classes: Sequence[str], title: str, seed: int = 0
         ) -> None:
    """features (N, d), target (N,): all classes in one panel, then each in one of its own before the others in grey."""
    if len(features) > MOST:
        kept = np.random.default_rng(seed).choice(len(features), MOST, replace=False)
        features, target = features[kept], target[kept]
    points = embed(features, seed)
    panels = 1 + len(classes)
    columns = min(4, panels)
    rows = -(-panels // columns)
    figure = Figure(figsize=(3 * columns, 3 * rows + 0.6), dpi=150, layout="constrained")
    figure.suptitle(title, fontsize=10)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for number, axes in enumerate(grid):
        axes.set(xticks=[], yticks=[], visible=number < panels)
        for spine in axes.spines.values():
            spine.set_color("#bbbbbb")
    shape = {"s": 9 if len(points) > 200 else 22, "linewidths": 0}
    for k, (name, axes) in enumerate(zip(classes, grid[1:], strict=False)):
        colour, own = COLOURS[k % len(COLOURS)], target == k
        grid[0].scatter(*points[own].T, color=colour, label=name, **shape)
        axes.scatter(*points[~own].T, color="#d8d8d8", **shape)
        axes.scatter(*points[own].T, color=colour, **shape)
        axes.set_title(f"{name} ({own.sum()})", fontsize=9, color=colour)
    grid[0].set_title(f"all ({len(points)})", fontsize=9)
    _save(figure, path)


def embed(features: np.ndarray, seed: int = 0) -> np.ndarray:
    """(N, d) -> (N, 2), by t-SNE from the principal components; zeros for fewer than three, and where all are one and
    the same, as of a model that looks at nothing: scikit-learn crashes there."""
    count = len(features)
    if count < 3 or features.shape[1] < 2 or not np.ptp(features, axis=0).any():
        return np.zeros((count, 2))
    model = TSNE(perplexity=min(PERPLEXITY, (count - 1) / 3), init="pca", random_state=seed, n_jobs=1)
    with threadpool_limits(1):  # on a busy machine its threads wait for each other longer than they work
        return model.fit_transform(np.asarray(features, np.float64))


def _save(figure: Figure, path: Path) -> None:
    with writing.replacing(path) as temporary:
        figure.savefig(temporary)
