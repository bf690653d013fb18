"""What a training tells of every step: a CSV table, and the same for TensorBoard. Both go on where the state stands."""

from __future__ import annotations

import csv
import importlib.util
import io
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

LOG, POINTS = "log.csv", "events.out.tfevents.mien"


def _opened(path: Path, size: int | None) -> BinaryIO:
    """A file cut off behind `size` bytes, what the state knows of it; new where it knows nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.open("ab").close()
    file = path.open("r+b")
    file.truncate(size or 0)
    file.seek(size or 0)
    return file


def _kept(file: BinaryIO) -> int:
    """All of it on the disk -> its size in bytes."""
    file.flush()
    os.fsync(file.fileno())
    return file.tell()


class Log:
    """A CSV file with a row a step; after a stop it goes on behind the last row that the state knows."""

    def __init__(self, path: Path, columns: Sequence[str], size: int | None) -> None:
        self.path, self.columns = path, tuple(columns)
        self._file = _opened(path, size)
        if size is None:
            self.write(dict(zip(columns, columns, strict=True)))

    def write(self, row: Mapping[str, object]) -> None:
        """One row; what it does not name stays empty."""
        text = io.StringIO()
        csv.DictWriter(text, self.columns, restval="", lineterminator="\n").writerow(row)
        self._file.write(text.getvalue().encode())

    def flush(self) -> int:
        """All rows on the disk -> its size in bytes."""
        return _kept(self._file)

    def close(self) -> None:
        """No more rows."""
        self._file.close()


class Points:
    """The same rows as TensorBoard's scalars, by step. Its own writer of files cannot go on with one, and a second file
    would have the points behind the last state twice; so the file is kept as the CSV is, in records of TensorBoard."""

    def __init__(self, path: Path, size: int | None) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        self.path, self._event, self._file = path, Event, _opened(path, size)
        self._records = RecordWriter(self._file)
        if not size:
            self._records.write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())

    def write(self, row: Mapping[str, object]) -> None:
        """A point of each number in the row."""
        event = self._event(wall_time=time.time(), step=int(str(row["step"])))
        for tag, value in scalars(row):
            event.summary.value.add(tag=tag, simple_value=value)
        self._records.write(event.SerializeToString())

    def flush(self) -> int:
        """All points on the disk -> the size of the file in bytes."""
        return _kept(self._file)

    def close(self) -> None:
        """No more points."""
        self._file.close()


def scalars(row: Mapping[str, object]) -> Iterator[tuple[str, float]]:
    """A row of the log -> (name, number) of each: `loss`, `loss/NAME` and `gradient/NAME` of each loss, `rate`,
    `val/MEASURE` and so on."""
    for name, value in row.items():
        if name == "parts":
            for part, number in (told.rsplit("=", 1) for told in str(value).split()):
                yield f"gradient/{part.strip('|')}" if part.startswith("|") else f"loss/{part}", float(number)
        elif name not in ("step", "note") and value != "":
            yield name.replace("val_", "val/"), float(str(value))


def expect_tensorboard(wanted: bool) -> None:
    """ModuleNotFoundError where it is wanted and is not there."""
    if wanted and importlib.util.find_spec("tensorboard") is None:
        raise ModuleNotFoundError('--tensorboard: expected the package tensorboard, got none: pip install '
                                  '"mien[tensorboard]", or leave the option out; log.csv has the same numbers')
