"""MAHNOB."""

from __future__ import annotations

from pathlib import Path

from mien.types import Signal, Trial

from . import searching
from .survey import Problem, Survey

TREE = ""


def survey(root: str | Path) -> Survey:
    """What is there of MAHNOB below root."""
    root = searching.checked(root)
    return Survey("mahnob", root, "", (), (Problem("missing", "MAHNOB", "nothing of it was found", root),), ())


def signals(trial: Trial) -> Signal:
    """The trial's signals."""
    raise ValueError(f"expected a trial of MAHNOB, got {trial.id}")
