"""Read a participant's file (preprocessed pickle or .mat, or original BDF): labels and peripheral channels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mien.datasets import eda_units
from mien.datasets.readers import bdf, mat, restricted_pickle
from mien.datasets.readers.cached_file import RecordingError, file_stamp

RATE, BASELINE = 128.0, 384
"""Hz and samples before the stimulus of the preprocessed files: sample 384 is time 0 of the film."""

CHANNELS = {"eda": 36, "respiration": 37, "ppg": 38, "temperature": 39}
LABELS = ("valence", "arousal", "dominance", "liking")
BOTH = ("data", "labels")

IN_BDF = {"eda": ("GSR1", "GSR"), "respiration": ("Resp",), "ppg": ("Plet",), "temperature": ("Temp",)}
"""Channel labels of the originals: BioSemi's names; the dataset's description states none, so we try several."""
START, END = 4, 5
"""Codes of the original's status channel at the stimulus' start and end."""

KEPT = 4
"""Participants kept in memory, 5 MB each with 40 trials. Our choice: a loop over trials needs one at a time."""


@dataclass(frozen=True, eq=False)
class DeapRecording:
    """`values` (T, 4, N) in the order of `CHANNELS`; `gsr`: factor from the first channel to uS (`unit_factor`);
    `labels` (T, 4)."""

    values: np.ndarray
    gsr: float | None
    labels: np.ndarray

    @property
    def seconds(self) -> float:
        """Length of the stimulus."""
        return (self.values.shape[2] - BASELINE) / RATE


def gsr_unit(participant: int) -> str:
    """The reported unit, checked against the values: participants 1..22 were recorded in Twente, the others in
    Geneva."""
    return "nS" if participant <= 22 else "Ohm"


def load_recording(path: Path, participant: int) -> DeapRecording:
    """Read a preprocessed file, cached for the next call. Raises RecordingError."""
    return _load(path, participant, *file_stamp(path))


def _array(content: dict, name: str, axes: int, path: Path) -> np.ndarray:
    """The array of numbers of this name. Raises RecordingError where there is none with so many axes."""
    array = content.get(name)
    if isinstance(array, np.ndarray) and array.ndim == axes and array.dtype.kind in "fiu":
        return array
    got = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
    raise RecordingError(f"expected {name} with {axes} axes in {path}, got {got}: unzip it again")


@lru_cache(maxsize=KEPT)
def _load(path: Path, participant: int, changed: int, size: int) -> DeapRecording:
    try:
        content = _content(path)
    except (restricted_pickle.UnpickleError, mat.MatError, OSError) as error:
        raise RecordingError(str(error)) from error
    if not isinstance(content, dict):
        content = {}
    data, labels = (_array(content, name, axes, path) for name, axes in zip(BOTH, (3, 2), strict=True))
    if len(data) != len(labels) or data.shape[1] != 40 or data.shape[2] <= BASELINE or labels.shape[1] != 4:
        raise RecordingError(f"expected (trials, 40, 8064) and (trials, 4) in {path}, got {data.shape} and "
                             f"{labels.shape}: this is not the file that DEAP's authors made")
    values = np.array(data[:, list(CHANNELS.values())], np.float64)
    gsr = eda_units.unit_factor(values[:, 0].ravel(), gsr_unit(participant))
    return DeapRecording(values.astype(np.float32), gsr, np.array(labels, np.float64))


def _content(path: Path) -> Any:
    if path.suffix.lower() == ".dat":
        return restricted_pickle.load(path)
    return mat.load(path, BOTH)


@dataclass(frozen=True)
class Stimuli:
    """The stimuli of an original recording: (start, end) in s in the order of presentation; factor and unit of eda."""

    times: tuple[tuple[float, float], ...]
    gsr: float | None
    unit: str


def stimuli(path: Path, participant: int) -> Stimuli:
    """Read the status channel, cached for the next call. Raises RecordingError if a start has no end."""
    return _stimuli(path, participant, *file_stamp(path))


@lru_cache(maxsize=64)
def _stimuli(path: Path, participant: int, changed: int, size: int) -> Stimuli:
    try:
        recording = bdf.open_bdf(path)
        codes, rate = recording.codes(), recording.rate(recording.find(bdf.STATUS))
        label = recording.find(*IN_BDF["eda"])
        unit, gsr = recording.unit(label), recording.read(label)
    except bdf.BdfError as error:
        raise RecordingError(str(error)) from error
    # some files have an offset: subtract the base of the low 16 bits; the codes are then the low byte
    codes = (codes - codes.min()) & 0xFF
    begins, ends = bdf.status_edges(codes == START), bdf.status_edges(codes == END)
    times = []
    for begin, following in zip(begins, [*begins[1:], len(codes)], strict=True):
        inside = ends[(ends > begin) & (ends < following)]
        if not len(inside):
            raise RecordingError(f"expected an end (code {END}) after the start at {begin / rate:.1f} s in {path}, got "
                                 "none: it is cut short or another kind of file")
        times.append((float(begin / rate), float(inside[0] / rate)))
    if unit.casefold() not in (*eda_units.TO_MICROSIEMENS, *eda_units.FROM_OHM):
        unit = gsr_unit(participant)
    return Stimuli(tuple(times), eda_units.unit_factor(gsr, unit), unit)


def read_original(path: Path, participant: int, number: int,
             before: float) -> tuple[np.ndarray, float, tuple[str, ...], float]:
    """Read stimulus `number` and `before` s of baseline: values (4, N), Hz, units, start in s. Raises
    RecordingError."""
    timing = stimuli(path, participant)
    if not 1 <= number <= len(timing.times):
        raise RecordingError(f"expected stimulus {number} of {len(timing.times)} in {path}: survey it again")
    start, end = timing.times[number - 1]
    try:
        recording = bdf.open_bdf(path)
        labels = [recording.find(*names) for names in IN_BDF.values()]
        rate = recording.rate(labels[0])
        first, last = max(0, round((start - before) * rate)), round(end * rate)
        values = [recording.read(label, first, last) for label in labels]
        units = [recording.unit(label) for label in labels]
    except bdf.BdfError as error:
        raise RecordingError(str(error)) from error
    values[0], units[0] = eda_units.to_conductance(values[0], timing.unit, timing.gsr)
    return np.stack(values), rate, tuple(units), first / rate - start
