"""Save and restore the state of a training, so that it resumes after an interruption at any moment."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mien.core import atomic_files

STATE = "state.pt"


def save_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Write the state atomically."""
    with atomic_files.replacing(folder / STATE) as temporary:
        torch.save(dict(state), temporary)


def restore_state(folder: Path, same: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read what `save` wrote; None if there is no state.

    Raises:
        ValueError: the file is damaged, or its training differs from `same`.
    """
    path = folder / STATE
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise ValueError(f"{path}: expected the state of a training, got {error}: name another --out") from error
    other = [name for name, value in same.items() if state["same"].get(name) != value]
    if other:
        raise ValueError(f"--out {folder}: expected a new folder or this same training, interrupted, got one with "
                         f"another {' and '.join(other)}: name another --out")
    return state
