"""Where a training stands, on disk: killed at any moment, it goes on from there as if nothing had happened."""

from __future__ import annotations

import csv
import io
import os
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from mien import writing

STATE, LOG = "state.pt", "log.csv"


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


class Log:
    """A CSV file with a row a step; after a stop it goes on behind the last row that the state knows."""

    def __init__(self, path: Path, columns: Sequence[str], size: int | None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.columns = path, tuple(columns)
        path.open("ab").close()
        self._file = path.open("r+b")
        self._file.truncate(size or 0)
        self._file.seek(size or 0)
        if size is None:
            self.write(dict(zip(columns, columns, strict=True)))

    def write(self, row: Mapping[str, object]) -> None:
        """One row; what it does not name stays empty."""
        text = io.StringIO()
        csv.DictWriter(text, self.columns, restval="", lineterminator="\n").writerow(row)
        self._file.write(text.getvalue().encode())

    def flush(self) -> int:
        """All rows on the disk -> its size in bytes."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """No more rows."""
        self._file.close()
