"""Read BioSemi's 24-bit BDF files with pyEDFlib: channels by label, and the pulses of the status channel.

A child process reads them: a damaged file can crash EDFlib.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mien.core.parallel.supervised import WorkerError
from mien.datasets.readers import native

Result = TypeVar("Result")

STATUS = "Status"

_LOCK = threading.Lock()
"""EDFlib refuses to open a file twice, so threads wait for each other."""


class BdfError(ValueError):
    """One line: what was expected, what the file holds, and what to do about it."""


@dataclass(frozen=True)
class BdfRecording:
    """The header of a file; the samples are read on demand.

    Args:
        path: The file.
        labels: Label of each channel (C).
        rates: Hz of each channel (C).
        units: Unit of each channel (C), as the header states it.
        lengths: Number of samples of each channel (C).
    """

    path: Path
    labels: tuple[str, ...]
    rates: tuple[float, ...]
    units: tuple[str, ...]
    lengths: tuple[int, ...]

    def find(self, *labels: str) -> str:
        """The first of `labels` that the file has, ignoring case. Raises BdfError if it has none of them."""
        known = {label.casefold(): label for label in self.labels}
        for label in labels:
            if label.casefold() in known:
                return known[label.casefold()]
        raise BdfError(f"expected a channel {' or '.join(labels)} in {self.path}, got {', '.join(self.labels)}")

    def rate(self, label: str) -> float:
        """Hz of a channel."""
        return self.rates[self.labels.index(label)]

    def unit(self, label: str) -> str:
        """Unit of a channel in the header, without surrounding blanks."""
        return self.units[self.labels.index(label)]

    def length(self, label: str) -> int:
        """Number of samples of a channel."""
        return self.lengths[self.labels.index(label)]

    def read(self, label: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Samples start..stop of a channel in its unit, float64 (N,)."""
        if stop is None:
            stop = self.length(label)
        return _in_child(self.path, _samples, self.labels.index(label), start, stop - start, False)

    def codes(self) -> np.ndarray:
        """(N,) low 16 bits of the status channel, written by the stimulus computer. The other bits are the device's."""
        index = self.labels.index(self.find(STATUS))
        return _in_child(self.path, _samples, index, 0, None, True).astype(np.int64) & 0xFFFF


def open_bdf(path: Path) -> BdfRecording:
    """Read the header of the recording at `path`.

    Raises:
        BdfError: the file is missing, truncated or no BDF, or pyEDFlib is not installed.
    """
    return BdfRecording(path, *_in_child(path, _header))


def _in_child(path: Path, function: Callable[..., Result], *args: object) -> Result:
    try:
        return native.call(_opened, path, function, *args)
    except WorkerError as error:
        raise BdfError(f"expected a whole BDF, got {path}, at which {error}: it is damaged; copy or unzip it "
                       "again") from error


def _opened(path: Path, function: Callable[..., Result], *args: object) -> Result:
    """Run in the child: `function` of the open reader and `args`."""
    try:
        import pyedflib
    except ImportError as error:
        raise BdfError(f"expected pyEDFlib to read {path}: pip install pyedflib") from error
    with _LOCK:
        try:
            reader = pyedflib.EdfReader(str(path), pyedflib.DO_NOT_READ_ANNOTATIONS, pyedflib.CHECK_FILE_SIZE)
            try:
                return function(reader, *args)
            finally:
                reader.close()
        except (OSError, ValueError, MemoryError) as error:
            raise BdfError(f"expected a whole BDF, got {path} ({error}): copy or unzip it again") from error


def _header(reader: Any) -> tuple[tuple, tuple, tuple, tuple]:
    count = range(reader.signals_in_file)
    return (tuple(str(label).strip() for label in reader.getSignalLabels()),
            tuple(float(reader.getSampleFrequency(index)) for index in count),
            tuple(str(reader.getPhysicalDimension(index)).strip() for index in count),
            tuple(int(length) for length in reader.getNSamples()))


def _samples(reader: Any, index: int, start: int, count: int | None, digital: bool) -> np.ndarray:
    return reader.readSignal(index, start, count, digital=digital)


def status_edges(on: np.ndarray) -> np.ndarray:
    """Samples (E,) at which a bool (N,) becomes true; a start that is already true does not count."""
    return np.flatnonzero(~on[:-1] & on[1:]) + 1
