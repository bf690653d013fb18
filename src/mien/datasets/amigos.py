"""AMIGOS."""

from __future__ import annotations

from pathlib import Path

from mien.types import Signal, Trial

from . import searching
from .survey import Problem, Survey

TREE = ""


def survey(root: str | Path) -> Survey:
    """What is there of AMIGOS below root."""
    root = searching.checked(root)
    return Survey("amigos", root, "", (), (Problem("missing", "AMIGOS", "nothing of it was found", root),), ())


def signals(trial: Trial) -> Signal:
    """The trial's signals."""
    raise ValueError(f"expected a trial of AMIGOS, got {trial.id}")
