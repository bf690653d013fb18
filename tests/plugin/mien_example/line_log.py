"""A logger of trainings: the step and the loss of each row as a line of a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


class LineLog:
    """Writes `losses.txt` into the folder of the training.

    Args:
        out: The folder.
    """

    def __init__(self, out: Path) -> None:
        self._path, self._step = out / "losses.txt", 0

    def write(self, row: Mapping[str, object]) -> None:
        """Write a row."""
        self._step = int(str(row["step"]))
        with self._path.open("a", encoding="utf-8") as file:
            print(row["step"], row["loss"], file=file)

    def flush(self) -> int:
        """Every line is written at once."""
        return self._step

    def close(self) -> None:
        """Nothing is open."""
