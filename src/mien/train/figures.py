"""The pictures of a training of MVP, as figures 3 to 5 of its paper: labels, runs compared, trials it got right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mien import checkpoint, writing
from mien.checkpoint.card import CARD, Card, read
from mien.labels import Targets
from mien.recipes import Recipe
from mien.tasks import ACTION_UNITS
from mien.train.loop import CHOSEN, Fitted
from mien.train.material import Material
from mien.types import Window

LABELS, COMPARED, CASES = "labels.png", "compared.png", "cases.png"
SHOWN, UNITS = 3, 3
"""Trials of a figure, and action units of each: those that move most."""

CAUTION = "Attention says where the model looked; it does not show what the answer depends on."
"""Jain & Wallace 2019, Attention is not Explanation, arXiv 1902.10186."""

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee")
"""Tol's bright scheme (personal.sron.nl/~pault): told apart by colour-blind people too."""


@dataclass(frozen=True, eq=False)
class Case:
    """A trial that was answered: what was seen and heard, the class, how sure, and attention to the face (S,), if any.

    `seconds`: what the model looked at, the end of the trial; `step`: s from one row of it to the next.
    """

    name: str
    window: Window
    truth: str
    confidence: float
    attention: np.ndarray | None
    seconds: float
    step: float


def write(recipe: Recipe, material: Material, fitted: Fitted) -> tuple[Path, ...]:
    """What can be drawn, beside the checkpoints -> the files."""
    out = fitted.chosen.parent
    sides = {"train": material.train, "val": material.val}
    labels(out / LABELS, sides)
    made = [out / LABELS]
    runs, left = others(out)
    if len(runs) > 1:
        compared(out / COMPARED, runs, told=_told(material, left, recipe.doubt))
        made.append(out / COMPARED)
    found = successes(material, fitted, recipe)
    if found:
        cases(out / CASES, found, recipe.doubt)
        made.append(out / CASES)
    return tuple(made)


def labels(path: Path, sides: Mapping[str, Targets]) -> None:
    """Figure 3: how often each rating was given, in the colour of its class, for each side of the fold."""
    shown = {name: targets for name, targets in sides.items() if len(targets.trials)}
    rated = next(iter(shown.values())).rule.labels if shown else ("",)
    figure, panels = _figure(len(shown), len(rated), (3.6 * max(len(shown), 1), 2.9 * len(rated)))
    for row, label in zip(panels, rated, strict=True):
        for axes, (name, targets) in zip(row, shown.items(), strict=False):
            ratings = np.array([float(trial.labels[label]) for trial in targets.trials])
            classes = targets.rule.task.classes
            axes.hist([ratings[targets.target == k] for k in range(len(classes))], bins=np.arange(0.75, 9.5, 0.5),
                      stacked=True, color=COLOURS[: len(classes)], label=[
                          f"{one}: {count} ({count / len(ratings):.0%})" for one, count in targets.counts.items()])
            axes.set_title(f"{name}: {len(ratings)} trials", fontsize=9)
            axes.set_xlabel(f"rating of {label}")
            axes.legend(fontsize=7)
        row[0].set_ylabel("trials")
    _save(figure, path)


def others(out: Path) -> tuple[dict[str, Mapping[str, float]], int]:
    """This run and those in the folder beside it, of the same recipe, split, trials of validation and size -> scores on
    validation by what was changed, this one first; and how many of the same recipe cannot be compared with it."""
    own = out / CHOSEN / CARD
    paths = [own, *(path for path in sorted(out.parent.glob(f"*/{CHOSEN}/{CARD}")) if path.parent.parent != out)]
    cards = [(path.parent.parent.name, read(path)) for path in paths]
    first = cards[0][1]
    alike = [(name, card) for name, card in cards
             if card.recipe.name == first.recipe.name and "macro_f1" in card.scores.get("val", {})]
    same = [(name, card) for name, card in alike if _which(card) == _which(first)]
    told = [", ".join(f"{one.removeprefix('options.')}={value}" for one, value in card.recipe.changed.items())
            or "as it is" for _, card in same]
    if len({card.seed for _, card in same}) > 1:
        told = [f"{text}, seed {card.seed}" for text, (_, card) in zip(told, same, strict=True)]
    told = [f"{text} ({name})" if told.count(text) > 1 else text for text, (name, _) in zip(told, same, strict=True)]
    return {text: card.scores["val"] for text, (_, card) in zip(told, same, strict=True)}, len(alike) - len(same)


def _which(card: Card) -> tuple[Any, ...]:
    """What must be equal for scores to stand side by side."""
    return (*(card.data.get(name) for name in ("split", "judged", "val")), card.recipe.tiny)


def _told(material: Material, left: int, doubt: str) -> str:
    people = len({trial.subject for trial in material.val.trials})
    others = f"; {left} runs of other trials or size are not shown" if left else ""
    return f"n = {len(material.val.trials)} trials of {people} people{others}{'; ' + doubt if doubt else ''}"


def compared(path: Path, runs: Mapping[str, Mapping[str, float]], told: str = "") -> None:
    """Figure 4: macro-F1 of each run, its chance level as a line across the bar; crops, lengths or modalities. `told`:
    of how many trials, and what else is to be said."""
    figure, panels = _figure(1, 1, (6.4, 1.2 + 0.34 * len(runs)))
    axes = panels[0][0]
    for row, scores in enumerate(runs.values()):
        axes.barh(row, 100 * scores["macro_f1"], color=COLOURS[0], height=0.6)
        axes.plot([100 * scores["chance_macro_f1"]] * 2, [row - 0.38, row + 0.38], color="black", linewidth=1.2)
        axes.text(100 * scores["macro_f1"] + 1, row, f"{100 * scores['macro_f1']:.1f}", va="center", fontsize=7)
    axes.set_yticks(range(len(runs)), list(runs), fontsize=7)
    axes.invert_yaxis()
    axes.set_xlim(0, 105)
    axes.set_xlabel("macro-F1 on validation, %; the line is chance" + f"\n{told}" * bool(told), fontsize=8)
    _save(figure, path)


def successes(material: Material, fitted: Fitted, recipe: Recipe) -> list[Case]:
    """The trials of validation that were right and surest, of each class in turn."""
    if recipe.task.scale is not None:  # no guess is right or wrong
        return []
    model: Any = checkpoint.load(fitted.chosen, task=recipe.task)
    right: dict[int, list[Case]] = {k: [] for k in range(len(recipe.task.classes))}
    for trial, target in zip(material.val.trials, material.val.target.tolist(), strict=True):
        window = material.source(trial, None)
        found = model.evidence([window])
        probs = found.logits.softmax(dim=-1)[0].numpy()
        if int(probs.argmax()) == target and not bool(found.nothing[0]):
            face = None if found.face is None else found.face[0].numpy()
            right[target].append(Case(trial.id, window, recipe.task.classes[target], float(probs.max()), face,
                                      float(model.needs.seconds), model.card.recipe.options.step))
    ranked = [sorted(cases, key=lambda case: -case.confidence) for cases in right.values()]
    turns = [case for k in range(SHOWN) for cases in ranked for case in cases[k : k + 1]]
    return turns[:SHOWN]


def cases(path: Path, found: Sequence[Case], doubt: str = "") -> None:
    """Figure 5: a column a trial: the units that move most, the signals, and where the model looked. `doubt`: why the
    model is not to be believed, as `Recipe.doubt`."""
    figure, panels = _figure(len(found), 3, (max(3.6 * len(found), 5.2), 5.6))
    figure.suptitle("Trials of validation that were right and surest" + f" - {doubt}" * bool(doubt), fontsize=9)
    figure.supxlabel(CAUTION, fontsize=7)
    for (face, wires, looked), case in zip(zip(*panels, strict=True), found, strict=True):
        window = case.window
        face.set_title(f"{case.name}: {case.truth}, {case.confidence:.0%} sure", fontsize=8)
        moved = np.nan_to_num(np.array([np.nanstd(row) if np.isfinite(row).any() else 0.0 for row in window.aus.T]))
        for unit, colour in zip(np.argsort(-moved)[:UNITS], COLOURS, strict=False):
            face.plot(window.times, window.aus[:, unit], color=colour, linewidth=0.7, label=ACTION_UNITS[unit])
        face.legend(fontsize=6, loc="upper right")
        signal = window.signals
        for k, name in enumerate(signal.names if signal is not None else ()):
            values = np.asarray(signal.values[k], dtype=np.float64)  # type: ignore[union-attr]
            spread = np.nanstd(values) if np.isfinite(values).any() else 0.0
            middle = np.nanmean(values) if spread else 0.0
            wires.plot(signal.times, (values - middle) / (6 * (spread or 1.0)) - k,  # type: ignore[union-attr]
                       color=COLOURS[k % len(COLOURS)], linewidth=0.4, label=name)
        if signal is not None:
            wires.legend(fontsize=6, loc="upper right")
        wires.set_yticks([])
        if case.attention is not None:
            rows = looked_at(case)
            even = case.attention[case.attention > 0].mean() if case.attention.any() else 1.0
            looked.fill_between(rows, case.attention / even, color=COLOURS[1], alpha=0.6)
        looked.set_xlabel("s")
        for axes in (face, wires, looked):
            axes.set_xlim(window.start, window.end)
    for row, name in zip(panels, ("action units", "signals", "attention to the face"), strict=True):
        row[0].set_ylabel(name, fontsize=8)
    _save(figure, path)


def looked_at(case: Case) -> np.ndarray:
    """(S,) s: the middles of the rows that attention was paid to, as `data.series` lays them."""
    window, count = case.window, 0 if case.attention is None else len(case.attention)
    start = max(window.end - case.seconds, window.start)
    if window.clips is not None:  # a clip begins at a whole number of steps
        start = window.start + np.ceil((start - window.start) / case.step - 1e-9) * case.step
    return start + (np.arange(count) + 0.5) * case.step


def _figure(columns: int, rows: int, size: tuple[float, float]) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # slow to load, and only drawn with

    figure = Figure(figsize=size, dpi=150, layout="constrained")
    return figure, figure.subplots(rows, max(columns, 1), squeeze=False)


def _save(figure: Any, path: Path) -> None:
    with writing.replacing(path) as temporary:
        figure.savefig(temporary, format="png")
