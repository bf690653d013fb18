"""BioSemi's 24-bit files through pyEDFlib: channels by label, the times of the status channel's pulses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

STATUS = "Status"


_ONE = threading.Lock()
"""EDFlib refuses a file that is open already, so that threads wait for each other."""


class BdfError(ValueError):
    """One line: what was expected, what the file holds, and what to do about it."""


class Recording:
    """An open file: what its channels are called, and parts of them. Nothing is read before it is asked for."""

    def __init__(self, path: Path, reader: Any) -> None:
        self.path, self._reader = path, reader
        self.labels = tuple(str(label).strip() for label in reader.getSignalLabels())

    def find(self, *labels: str) -> str:
        """The first of `labels` that the file has, without regard to case. Raises BdfError when it has none."""
        known = {label.casefold(): label for label in self.labels}
        for label in labels:
            if label.casefold() in known:
                return known[label.casefold()]
        raise BdfError(f"expected a channel {' or '.join(labels)} in {self.path}, got {', '.join(self.labels)}")

    def rate(self, label: str) -> float:
        """Hz of a channel."""
        return float(self._reader.getSampleFrequency(self.labels.index(label)))

    def unit(self, label: str) -> str:
        """The physical dimension in the header, without blanks."""
        return str(self._reader.getPhysicalDimension(self.labels.index(label))).strip()

    def length(self, label: str) -> int:
        """Samples of a channel."""
        return int(self._reader.getNSamples()[self.labels.index(label)])

    def read(self, label: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Samples start..stop of a channel in its unit, float64 (N,)."""
        count = (self.length(label) if stop is None else stop) - start
        return self._reader.readSignal(self.labels.index(label), start, count)

    def codes(self) -> np.ndarray:
        """(N,) the low 16 bits of the status channel: what the stimulus computer wrote. The others are the device's."""
        index = self.labels.index(self.find(STATUS))
        return self._reader.readSignal(index, 0, None, digital=True).astype(np.int64) & 0xFFFF


@contextmanager
def opened(path: Path) -> Iterator[Recording]:
    """The recording at path, open for as long as the block lasts.

    Raises:
        BdfError: it is missing, cut short, no BDF, or pyEDFlib is not there.
    """
    try:
        import pyedflib
    except ImportError as error:
        raise BdfError(f"expected pyEDFlib to read {path}: pip install 'mien[data]'") from error
    with _ONE:
        try:
            reader = pyedflib.EdfReader(str(path), pyedflib.DO_NOT_READ_ANNOTATIONS, pyedflib.CHECK_FILE_SIZE)
        except (OSError, ValueError, MemoryError) as error:
            raise BdfError(f"expected a whole BDF, got {path} ({error}): copy or unzip it again") from error
        try:
            yield Recording(path, reader)
        finally:
            reader.close()


def edges(on: np.ndarray) -> np.ndarray:
    """(N,) bool -> (E,) samples at which it becomes true; one that is true from the first sample on does not count."""
    return np.flatnonzero(~on[:-1] & on[1:]) + 1
