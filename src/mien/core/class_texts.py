"""The texts of classes for models with a text encoder: their kinds, and several texts for a class."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from mien.core.tasks import EXPRESSION, Task

TextKind = Literal["described", "names", "averaged"]

SEPARATOR = " | "
"""Stands between several texts of a class; a model averages their features (prompt ensembling, arXiv 2103.00020)."""

_ADJECTIVES = ("happy", "sad", "neutral", "angry", "surprised", "disgusted", "fearful")


def class_texts(kind: TextKind) -> tuple[str, ...]:
    """The texts (K) of the expressions.

    Args:
        kind: "described": the class and four or five cues; "names": the class alone; "averaged": the described text
            and two short sentences with the class. The words are our choice.

    Returns:
        One entry for each class; several texts of a class have `SEPARATOR` between them.
    """
    described = EXPRESSION.texts or ()
    if kind == "names":
        return EXPRESSION.classes
    if kind == "described":
        return described
    return tuple(SEPARATOR.join((text, f"a photo of a {word} face", f"a person who looks {word}"))
                 for text, word in zip(described, _ADJECTIVES, strict=True))


def with_texts(task: Task, kind: TextKind) -> Task:
    """The task with texts of this kind. Raises ValueError for other classes than the expressions, which have none."""
    if kind == "described":
        return task
    if task.classes != EXPRESSION.classes:
        raise ValueError(f"Recipe.texts: expected described for {task.name}, got {kind}: only expressions have {kind}")
    return replace(task, texts=class_texts(kind))


def split_texts(task: Task) -> tuple[list[str], tuple[int, ...]]:
    """All texts of a task in the order of its classes, and how many each class (K) has."""
    parts = [[part.strip() for part in text.split(SEPARATOR.strip())] for text in task.texts or ()]
    return [part for each in parts for part in each], tuple(map(len, parts))
