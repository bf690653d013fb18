"""Training logs: a CSV table with a row for each step, and the same for TensorBoard; both resume with the training."""

from __future__ import annotations

import csv
import importlib.util
import io
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

LOG_FILE, TENSORBOARD_FILE = "log.csv", "events.out.tfevents.mien"


def _opened(path: Path, size: int | None) -> BinaryIO:
    """Open a file truncated to `size` bytes, its size in the saved state; None empties it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.open("ab").close()
    file = path.open("r+b")
    file.truncate(size or 0)
    file.seek(size or 0)
    return file


def _kept(file: BinaryIO) -> int:
    """Write everything to the disk and return the size in bytes."""
    file.flush()
    os.fsync(file.fileno())
    return file.tell()


class CsvLog:
    """A CSV file with a row for each step; a resumed training continues after the last row of the saved state."""

    def __init__(self, path: Path, columns: Sequence[str], size: int | None) -> None:
        self.path, self.columns = path, tuple(columns)
        self._file = _opened(path, size)
        if size is None:
            self.write(dict(zip(columns, columns, strict=True)))

    def write(self, row: Mapping[str, object]) -> None:
        """Write a row; missing columns stay empty."""
        text = io.StringIO()
        csv.DictWriter(text, self.columns, restval="", lineterminator="\n").writerow(row)
        self._file.write(text.getvalue().encode())

    def flush(self) -> int:
        """Write all rows to the disk and return the size of the file in bytes."""
        return _kept(self._file)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class TensorBoardLog:
    """The rows as TensorBoard's scalars, by step.

    TensorBoard's own writer cannot continue a file, and a second file would repeat the points after the last saved
    state. Therefore this file is truncated as the CSV file is; its records are TensorBoard's.
    """

    def __init__(self, path: Path, size: int | None) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        self.path, self._event, self._file = path, Event, _opened(path, size)
        self._records = RecordWriter(self._file)
        if not size:
            self._records.write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())

    def write(self, row: Mapping[str, object]) -> None:
        """Write a point for each number of the row."""
        event = self._event(wall_time=time.time(), step=int(str(row["step"])))
        for tag, value in scalars(row):
            event.summary.value.add(tag=tag, simple_value=value)
        self._records.write(event.SerializeToString())

    def flush(self) -> int:
        """Write all points to the disk and return the size of the file in bytes."""
        return _kept(self._file)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def scalars(row: Mapping[str, object]) -> Iterator[tuple[str, float]]:
    """(name, number) of each scalar of a log row.

    The names are `loss`, `loss/NAME` and `gradient/NAME` for each loss, `rate`, `val/MEASURE` and so on.
    """
    for name, value in row.items():
        if name == "parts":
            for part, number in (text.rsplit("=", 1) for text in str(value).split()):
                tag = f"loss/{part}"
                if part.startswith("|"):
                    tag = f"gradient/{part.strip('|')}"
                yield tag, float(number)
        elif name not in ("step", "note") and value != "":
            yield name.replace("val_", "val/"), float(str(value))


def expect_tensorboard(required: bool) -> None:
    """Raise ModuleNotFoundError if TensorBoard is required and not installed."""
    if required and importlib.util.find_spec("tensorboard") is None:
        raise ModuleNotFoundError('--tensorboard: expected the package tensorboard, got none: pip install '
                                  '"mien[tensorboard]", or leave the option out; log.csv has the same numbers')
