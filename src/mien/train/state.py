"""Where a training stands, on disk: killed at any moment, it goes on from there as if nothing had happened."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mien import writing

STATE = "state.pt"


def save(folder: Path, state: Mapping[str, Any]) -> None:
    """Write it; whole or not at all."""
    with writing.replacing(folder / STATE) as temporary:
        torch.save(dict(state), temporary)


def restore(folder: Path, same: Mapping[str, Any]) -> dict[str, Any] | None:
    """What `save` wrote, None where there is nothing. ValueError where it is of another training than `same` says."""
    path = folder / STATE
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise ValueError(f"{path}: expected the state of a training, got {error}: name another --out") from error
    other = [name for name, value in same.items() if state["same"].get(name) != value]
    if other:
        raise ValueError(f"--out {folder}: expected a new folder or this same training, stopped half-way, got one with "
                         f"another {' and '.join(other)}: name another --out")
    return state
