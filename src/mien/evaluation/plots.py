"""Plots of a benchmark: confusion matrix, calibration, predicted ratings, and t-SNE of the features."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from mien.core import atomic_files
from mien.metrics import classification

MAX_POINTS = 2000
"""Largest number of points of a t-SNE. Our choice: a fold of DFEW has 2,340, and more points hide each other."""

PERPLEXITY = 30.0
"""van der Maaten & Hinton 2008, Visualizing data using t-SNE, JMLR 9: 5 to 50."""

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#222222")
"""Tol's bright scheme (personal.sron.nl/~pault), which colour-blind people tell apart too, black in place of grey."""


def plot_confusion(path: Path, counts: np.ndarray, classes: Sequence[str]) -> None:
    """Plot a confusion matrix as shares of each row in %, with the number of trials below each share.

    Args:
        path: the PNG to write.
        counts: (K, K) trials, one row for each true class.
        classes: (K,) names.
    """
    shares = 100 * np.nan_to_num(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    size = len(classes)
    figure = Figure(figsize=(2.2 + 0.75 * size, 1.8 + 0.7 * size), dpi=150, layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    for row, column in np.ndindex(size, size):
        share = shares[row, column]
        axes.text(column, row, f"{share:.0f}\n({counts[row, column]:.0f})", ha="center", va="center", fontsize=7,
                  color="white" if share > 55 else "black")
    axes.set_xticks(range(size), classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(size), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("truth")
    figure.colorbar(image, label="% of the truth's trials", shrink=0.8)
    _save(figure, path)


def plot_calibration(path: Path, kinds: dict[str, np.ndarray], target: np.ndarray) -> None:
    """Plot reliability diagrams: accuracy over confidence, and the number of trials for each confidence.

    Args:
        path: the PNG to write.
        kinds: title -> probabilities (N, K), one panel each.
        target: (N,) true classes.
    """
    figure = Figure(figsize=(4.2 * len(kinds), 5.2), dpi=150, layout="constrained")
    grid = figure.subplots(2, len(kinds), sharex=True, squeeze=False, height_ratios=(3, 1))
    edges = np.linspace(0, 1, classification.CALIBRATION_BINS + 1)
    for (title, probs), (upper, lower) in zip(kinds.items(), grid.T, strict=True):
        count, sure, right = classification.reliability(probs, target)
        filled = count > 0
        upper.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="--")
        upper.plot(sure[filled], right[filled], marker="o", markersize=4, color=COLOURS[0])
        upper.set_title(f"{title}: ECE {100 * classification.ece(probs, target):.1f} %", fontsize=10)
        upper.set_xlim(0, 1)
        upper.set_ylim(0, 1)
        upper.set_ylabel("accuracy")
        lower.bar(
            edges[:-1],
            count,
            width=1 / classification.CALIBRATION_BINS,
            align="edge",
            color=COLOURS[0],
            edgecolor="white",
        )
        lower.set_ylabel("trials")
        lower.set_xlabel("confidence")
    _save(figure, path)


def plot_regression(path: Path, truth: np.ndarray, guess: np.ndarray, scale: tuple[float, float]) -> None:
    """Plot predicted over true ratings, `guess` and `truth` (N,) in points of `scale`; on the line they agree."""
    figure = Figure(figsize=(4.6, 4.4), dpi=150, layout="constrained")
    axes = figure.subplots()
    axes.plot(scale, scale, color="#999999", linewidth=1, linestyle="--")
    axes.scatter(truth, guess, s=12, alpha=0.5, linewidths=0, color=COLOURS[0])
    axes.set(xlim=scale, ylim=scale, aspect="equal", xlabel="rating, points", ylabel="guess, points")
    _save(figure, path)


def plot_ablation(path: Path, frame: pd.DataFrame, measure: str, title: str, note: str = "") -> None:
    """Plot the scores of an ablation: mean of the folds and standard deviation over them, a panel for each group.

    Args:
        path: the PNG to write.
        frame: as `ablation.to_table` returns it; rows that are not evaluated yet stay empty.
        measure: the measure of the bars, in %.
        title: its name.
        note: a line above the figure, of a run that is not comparable with the paper; the paper's scores are left out.
    """
    groups = list(frame.groupby("group", sort=False))
    heights = [0.8 + 0.34 * len(part) for _, part in groups]
    figure = Figure(figsize=(7.2, sum(heights) + 0.5), dpi=150, layout="constrained")
    panels = figure.subplots(len(groups), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (group, part) in zip(panels, groups, strict=True):
        mean = part[f"{measure}_folds_chosen"]
        printed = part[f"{measure}_paper"] * (np.nan if note else 1.0)
        axes.barh(part["row"], mean.fillna(0), xerr=part[f"{measure}_deviation_chosen"].fillna(0), height=0.6,
                  color=COLOURS[0], ecolor=COLOURS[6], capsize=2)
        axes.plot(printed, part["row"], "D", color=COLOURS[1], markersize=5, label="paper")
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.set_title(group, fontsize=10, loc="left")
        axes.tick_params(labelsize=8)
        if printed.notna().any():
            axes.legend(fontsize=8, frameon=False, loc="lower right")
    if note:
        figure.suptitle(note, fontsize=8, wrap=True)
    panels[-1].set_xlabel(f"{title}, %: mean of folds, and their standard deviation")
    _save(figure, path)


def plot_tsne(path: Path, features: np.ndarray, target: np.ndarray, classes: Sequence[str], title: str, seed: int = 0
         ) -> None:
    """Plot a t-SNE: all classes in one panel, then one panel for each class with the others in grey.

    Args:
        path: the PNG to write.
        features: (N, d); at most `MOST` random rows are used.
        target: (N,) true classes.
        classes: (K,) names.
        title: title of the figure.
        seed: random seed.
    """
    if len(features) > MAX_POINTS:
        kept = np.random.default_rng(seed).choice(len(features), MAX_POINTS, replace=False)
        features, target = features[kept], target[kept]
    points = embed_tsne(features, seed)
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
        colour, of_class = COLOURS[k % len(COLOURS)], target == k
        grid[0].scatter(*points[of_class].T, color=colour, label=name, **shape)
        axes.scatter(*points[~of_class].T, color="#d8d8d8", **shape)
        axes.scatter(*points[of_class].T, color=colour, **shape)
        axes.set_title(f"{name} ({of_class.sum()})", fontsize=9, color=colour)
    grid[0].set_title(f"all ({len(points)})", fontsize=9)
    _save(figure, path)


def embed_tsne(features: np.ndarray, seed: int = 0) -> np.ndarray:
    """Embed features (N, d) as points (N, 2) by t-SNE, initialised with the principal components.

    Returns zeros for fewer than three rows and for constant features, where scikit-learn crashes.
    """
    count = len(features)
    if count < 3 or features.shape[1] < 2 or not np.ptp(features, axis=0).any():
        return np.zeros((count, 2))
    model = TSNE(perplexity=min(PERPLEXITY, (count - 1) / 3), init="pca", random_state=seed, n_jobs=1)
    with threadpool_limits(1):  # on a busy machine the threads wait for each other longer than they work
        return model.fit_transform(np.asarray(features, np.float64))


def _save(figure: Figure, path: Path) -> None:
    with atomic_files.replacing(path) as temporary:
        figure.savefig(temporary)
