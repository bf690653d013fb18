"""Plots of a training, as figures 3 to 5 of MVP's paper: ratings, compared runs, and correctly predicted trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mien import checkpoints
from mien.checkpoints.card import CARD, Card, read_card
from mien.core import atomic_files
from mien.core.observations import Window
from mien.core.tasks import ACTION_UNITS
from mien.datasets.labels import Targets
from mien.metrics.classification import probabilities
from mien.models.registry import method
from mien.recipes.recipe import Recipe
from mien.training.data_module import DataModule
from mien.training.loop import CHOSEN, TrainingResult

LABELS, COMPARED, CASES = "labels.png", "compared.png", "cases.png"
MAX_TRIALS, MAX_UNITS = 3, 3
"""Number of trials in a figure, and of action units in each: those with the largest deviation."""

ATTENTION_CAUTION = "Attention says where the model looked; it does not show what the prediction depends on."
"""Jain & Wallace 2019, Attention is not Explanation, arXiv 1902.10186."""

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee")
"""Tol's bright scheme (personal.sron.nl/~pault), which colour-blind people can distinguish too."""


@dataclass(frozen=True, eq=False)
class ExampleTrial:
    """A correctly predicted trial.

    `window`: the model's input; `truth`: the class; `confidence`: its probability, 0..1; `attention` (S,) to the face,
    if any; `seconds`: length of the part at the end of the trial that the model sees; `step`: s between its rows.
    """

    name: str
    window: Window
    truth: str
    confidence: float
    attention: np.ndarray | None
    seconds: float
    step: float


def write_plots(recipe: Recipe, data: DataModule, fitted: TrainingResult) -> tuple[Path, ...]:
    """Write the plots of the recipe's method next to the checkpoints.

    Args:
        recipe: the recipe.
        data: the data of the fold.
        fitted: the result of the training.

    Returns:
        Paths of the plots.
    """
    out, made, shown = fitted.chosen.parent, [], method(recipe.method).figures
    if "labels" in shown:
        plot_labels(out / LABELS, {"train": data.train, "val": data.val})
        made.append(out / LABELS)
    if "compared" in shown:
        runs, left = other_runs(out)
        if len(runs) > 1:
            plot_comparison(out / COMPARED, runs, caption=_caption(data, left, recipe.doubt))
            made.append(out / COMPARED)
    if "cases" in shown and (right := plot_successes(data, fitted, recipe)):
        example_trials(out / CASES, right, recipe.doubt)
        made.append(out / CASES)
    return tuple(made)


def plot_labels(path: Path, sides: Mapping[str, Targets]) -> None:
    """Plot the histogram of the ratings, coloured by class, for each side of the fold (the paper's figure 3)."""
    shown = {name: targets for name, targets in sides.items() if len(targets.trials)}
    rated: tuple[str, ...] = ("",)
    if shown:
        rated = next(iter(shown.values())).rule.labels
    figure, panels = _figure(len(shown), len(rated), (3.6 * max(len(shown), 1), 2.9 * len(rated)))
    for row, label in zip(panels, rated, strict=True):
        for axes, (name, targets) in zip(row, shown.items(), strict=False):
            ratings = np.array([float(trial.labels[label]) for trial in targets.trials])
            classes = targets.rule.task.classes
            axes.hist([ratings[targets.target == k] for k in range(len(classes))], bins=np.arange(0.75, 9.5, 0.5),
                      stacked=True, color=COLOURS[: len(classes)], label=[
                          f"{kind}: {count} ({count / len(ratings):.0%})" for kind, count in targets.counts.items()])
            axes.set_title(f"{name}: {len(ratings)} trials", fontsize=9)
            axes.set_xlabel(f"rating of {label}")
            axes.legend(fontsize=7)
        row[0].set_ylabel("trials")
    _save(figure, path)


def other_runs(out: Path) -> tuple[dict[str, Mapping[str, float]], int]:
    """The validation scores of this run and of comparable runs in the neighbouring folders.

    Runs are comparable if they have the same recipe, split, validation trials and size.

    Returns:
        Changed settings -> scores, this run first; and the number of runs of the recipe that are not comparable.
    """
    this = out / CHOSEN / CARD
    paths = [this, *(path for path in sorted(out.parent.glob(f"*/{CHOSEN}/{CARD}")) if path.parent.parent != out)]
    cards = [(path.parent.parent.name, read_card(path)) for path in paths]
    first = cards[0][1]
    alike = [(name, card) for name, card in cards
             if card.recipe.name == first.recipe.name and "macro_f1" in card.scores.get("val", {})]
    same = [(name, card) for name, card in alike if _comparison_key(card) == _comparison_key(first)]
    titles = [", ".join(f"{path.removeprefix('options.')}={value}" for path, value in card.recipe.changed.items())
              or "as it is" for _, card in same]
    if len({card.seed for _, card in same}) > 1:
        titles = [f"{title}, seed {card.seed}" for title, (_, card) in zip(titles, same, strict=True)]
    runs = {}
    for title, (name, card) in zip(titles, same, strict=True):
        if titles.count(title) > 1:
            title = f"{title} ({name})"
        runs[title] = card.scores["val"]
    return runs, len(alike) - len(same)


def _comparison_key(card: Card) -> tuple[Any, ...]:
    """Runs with equal keys are comparable."""
    return (*(card.data.get(name) for name in ("split", "judged", "val")), card.recipe.tiny)


def _caption(data: DataModule, left: int, doubt: str) -> str:
    people = len({trial.subject for trial in data.val.trials})
    parts = [f"n = {len(data.val.trials)} trials of {people} people"]
    if left:
        parts.append(f"{left} runs of other trials or size are not shown")
    if doubt:
        parts.append(doubt)
    return "; ".join(parts)


def plot_comparison(path: Path, runs: Mapping[str, Mapping[str, float]], caption: str = "") -> None:
    """Plot the macro F1 of each run, with its chance level as a line across the bar (the paper's figure 4)."""
    figure, panels = _figure(1, 1, (6.4, 1.2 + 0.34 * len(runs)))
    axes = panels[0][0]
    for row, scores in enumerate(runs.values()):
        axes.barh(row, 100 * scores["macro_f1"], color=COLOURS[0], height=0.6)
        axes.plot([100 * scores["chance_macro_f1"]] * 2, [row - 0.38, row + 0.38], color="black", linewidth=1.2)
        axes.text(100 * scores["macro_f1"] + 1, row, f"{100 * scores['macro_f1']:.1f}", va="center", fontsize=7)
    axes.set_yticks(range(len(runs)), list(runs), fontsize=7)
    axes.invert_yaxis()
    axes.set_xlim(0, 105)
    axes.set_xlabel(f"macro-F1 on validation, %; the line is chance\n{caption}".rstrip("\n"), fontsize=8)
    _save(figure, path)


def plot_successes(data: DataModule, fitted: TrainingResult, recipe: Recipe) -> list[ExampleTrial]:
    """The correctly predicted validation trials with the highest confidence, alternating between the classes."""
    if recipe.task.scale is not None:  # a predicted rating is neither correct nor wrong
        return []
    model: Any = checkpoints.load(fitted.chosen, task=recipe.task)
    right: dict[int, list[ExampleTrial]] = {k: [] for k in range(len(recipe.task.classes))}
    for trial, target in zip(data.val.trials, data.val.target.tolist(), strict=True):
        window = data.source(trial, None)
        output = model.predict([window], attention=True)
        probs = probabilities(output.logits.numpy())[0]
        if int(probs.argmax()) == target and (output.known is None or bool(output.known[0])):
            attention: np.ndarray | None = None
            step = 0.0
            if (face := output.attention.get("face")) is not None:
                attention, step = face.values[0].numpy(), face.step
            right[target].append(
                ExampleTrial(
                    trial.id,
                    window,
                    recipe.task.classes[target],
                    float(probs.max()),
                    attention,
                    float(model.needs.seconds or recipe.seconds),
                    step,
                )
            )
    ranked = [sorted(cases, key=lambda case: -case.confidence) for cases in right.values()]
    turns = [case for k in range(MAX_TRIALS) for cases in ranked for case in cases[k : k + 1]]
    return turns[:MAX_TRIALS]


def example_trials(path: Path, trials: Sequence[ExampleTrial], doubt: str = "") -> None:
    """Plot trials in columns: action units with the largest deviation, signals, and attention (the paper's figure 5).

    `doubt`: why the predictions are not meaningful, as in `Recipe.doubt`.
    """
    figure, panels = _figure(len(trials), 3, (max(3.6 * len(trials), 5.2), 5.6))
    title = ["Correct validation trials with the highest confidence", doubt]
    figure.suptitle(" - ".join(filter(None, title)), fontsize=9)
    figure.supxlabel(ATTENTION_CAUTION, fontsize=7)
    for (face, signals, attention), case in zip(zip(*panels, strict=True), trials, strict=True):
        face.set_title(f"{case.name}: {case.truth}, {case.confidence:.0%} sure", fontsize=8)
        _plot_units(face, case.window)
        _plot_signals(signals, case.window)
        signals.set_yticks([])
        if case.attention is not None:
            even = 1.0
            if case.attention.any():
                even = case.attention[case.attention > 0].mean()
            attention.fill_between(plot_attention(case), case.attention / even, color=COLOURS[1], alpha=0.6)
        attention.set_xlabel("s")
        for axes in (face, signals, attention):
            axes.set_xlim(case.window.start, case.window.end)
    for row, name in zip(panels, ("action units", "signals", "attention to the face"), strict=True):
        row[0].set_ylabel(name, fontsize=8)
    _save(figure, path)


def _spread(values: np.ndarray) -> float:
    """The deviation of the finite values; 0 if there are none."""
    return float(np.nanstd(values)) if np.isfinite(values).any() else 0.0


def _plot_units(axes: Any, window: Window) -> None:
    moved = np.nan_to_num(np.array([_spread(row) for row in window.aus.T]))
    for unit, colour in zip(np.argsort(-moved)[:MAX_UNITS], COLOURS, strict=False):
        axes.plot(window.times, window.aus[:, unit], color=colour, linewidth=0.7, label=ACTION_UNITS[unit])
    axes.legend(fontsize=6, loc="upper right")


def _plot_signals(axes: Any, window: Window) -> None:
    signal = window.signals
    if signal is None:
        return
    for k, name in enumerate(signal.names):
        values = np.asarray(signal.values[k], dtype=np.float64)
        spread = _spread(values)
        if spread:
            values = values - np.nanmean(values)
        axes.plot(signal.times, values / (6 * (spread or 1.0)) - k, color=COLOURS[k % len(COLOURS)],
                  linewidth=0.4, label=name)
    axes.legend(fontsize=6, loc="upper right")


def plot_attention(case: ExampleTrial) -> np.ndarray:
    """The middles (S,) in s of the rows that the model attends to, as `sequences.to_series` lays them out."""
    window, count = case.window, 0
    if case.attention is not None:
        count = len(case.attention)
    start = max(window.end - case.seconds, window.start)
    if window.clips is not None:  # a clip starts at a whole number of steps
        start = window.start + np.ceil((start - window.start) / case.step - 1e-9) * case.step
    return start + (np.arange(count) + 0.5) * case.step


def _figure(columns: int, rows: int, size: tuple[float, float]) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # slow to import

    figure = Figure(figsize=size, dpi=150, layout="constrained")
    return figure, figure.subplots(rows, max(columns, 1), squeeze=False)


def _save(figure: Any, path: Path) -> None:
    with atomic_files.replacing(path) as temporary:
        figure.savefig(temporary, format="png")
