"""One participant's file: the preprocessed pickle or .mat, or the original BDF -> labels and peripheral channels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from .. import bdf, mat, sweat, unpickle
from ..recording import RecordingError, stamp

RATE, BASELINE = 128.0, 384
"""Hz and samples before the stimulus of the preprocessed files: sample 384 is time 0 of the film."""

CHANNELS = {"eda": 36, "respiration": 37, "ppg": 38, "temperature": 39}
LABELS = ("valence", "arousal", "dominance", "liking")
BOTH = ("data", "labels")

IN_BDF = {"eda": ("GSR1", "GSR"), "respiration": ("Resp",), "ppg": ("Plet",), "temperature": ("Temp",)}
"""What the original's channels are called: BioSemi's own names; the description has none, so they are looked for."""
START, END = 4, 5
"""Codes of the original's status channel at the stimulus' start and end."""

KEPT = 4
"""Participants whose channels stay in memory: 5 MB each with 40 trials. Our choice: a loop over trials has one."""


@dataclass(frozen=True, eq=False)
class Recording:
    """`values` (T, 4, N) in the order of `CHANNELS`, `gsr` what makes uS of the first (`sweat`), `labels` (T, 4)."""

    values: np.ndarray
    gsr: float | None
    labels: np.ndarray

    @property
    def seconds(self) -> float:
        """Of the stimulus."""
        return (self.values.shape[2] - BASELINE) / RATE


def gsr_unit(participant: int) -> str:
    """By hearsay, so held against the values: participants 1..22 were recorded in Twente, the others in Geneva."""
    return "nS" if participant <= 22 else "Ohm"


def load(path: Path, participant: int) -> Recording:
    """A preprocessed file, kept for the next call. Raises RecordingError."""
    return _load(path, participant, *stamp(path))


@lru_cache(maxsize=KEPT)
def _load(path: Path, participant: int, changed: int, size: int) -> Recording:
    try:
        held: Any = unpickle.load(path) if path.suffix.lower() == ".dat" else mat.load(path, BOTH)
    except (unpickle.UnpickleError, mat.MatError, OSError) as error:
        raise RecordingError(str(error)) from error
    data: Any
    labels: Any
    data, labels = ((held.get(name) for name in BOTH) if isinstance(held, dict) else (None, None))
    for name, array, axes in (("data", data, 3), ("labels", labels, 2)):
        if not (isinstance(array, np.ndarray) and array.ndim == axes and array.dtype.kind in "fiu"):
            got = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
            raise RecordingError(f"expected {name} with {axes} axes in {path}, got {got}: unzip it again")
    if len(data) != len(labels) or data.shape[1] != 40 or data.shape[2] <= BASELINE or labels.shape[1] != 4:
        raise RecordingError(f"expected (trials, 40, 8064) and (trials, 4) in {path}, got {data.shape} and "
                             f"{labels.shape}: this is not the file that DEAP's authors made")
    values = np.array(data[:, list(CHANNELS.values())], np.float64)
    gsr = sweat.factor(values[:, 0].ravel(), gsr_unit(participant))
    return Recording(values.astype(np.float32), gsr, np.array(labels, np.float64))


@dataclass(frozen=True)
class Stimuli:
    """Of an original recording: (start, end) s of each stimulus in the order of presentation, and as in `Recording`."""

    times: tuple[tuple[float, float], ...]
    gsr: float | None
    unit: str


def stimuli(path: Path, participant: int) -> Stimuli:
    """What the status channel says, kept for the next call. Raises RecordingError where a start has no end."""
    return _stimuli(path, participant, *stamp(path))


@lru_cache(maxsize=64)
def _stimuli(path: Path, participant: int, changed: int, size: int) -> Stimuli:
    try:
        with bdf.opened(path) as recording:
            codes, rate = recording.codes(), recording.rate(recording.find(bdf.STATUS))
            label = recording.find(*IN_BDF["eda"])
            unit, gsr = recording.unit(label), recording.read(label)
    except bdf.BdfError as error:
        raise RecordingError(str(error)) from error
    # some files carry an offset: mask the low 16 bits, subtract the base, and the codes are the low byte
    codes = (codes - codes.min()) & 0xFF
    begins, ends = bdf.edges(codes == START), bdf.edges(codes == END)
    times = []
    for begin, following in zip(begins, [*begins[1:], len(codes)], strict=True):
        inside = ends[(ends > begin) & (ends < following)]
        if not len(inside):
            raise RecordingError(f"expected an end (code {END}) after the start at {begin / rate:.1f} s in {path}, got "
                                 "none: it is cut short or of another make")
        times.append((float(begin / rate), float(inside[0] / rate)))
    known = unit.casefold() in (*sweat.TO_MICROSIEMENS, *sweat.FROM_OHM)
    unit = unit if known else gsr_unit(participant)
    return Stimuli(tuple(times), sweat.factor(gsr, unit), unit)


def original(path: Path, participant: int, number: int,
             before: float) -> tuple[np.ndarray, float, tuple[str, ...], float]:
    """Stimulus `number` and `before` s of baseline -> values (4, N), Hz, units, start in s. Raises RecordingError."""
    found = stimuli(path, participant)
    if not 1 <= number <= len(found.times):
        raise RecordingError(f"expected stimulus {number} of {len(found.times)} in {path}: survey it again")
    start, end = found.times[number - 1]
    try:
        with bdf.opened(path) as recording:
            labels = [recording.find(*names) for names in IN_BDF.values()]
            rate = recording.rate(labels[0])
            first, last = max(0, round((start - before) * rate)), round(end * rate)
            values = [recording.read(label, first, last) for label in labels]
            units = [recording.unit(label) for label in labels]
    except bdf.BdfError as error:
        raise RecordingError(str(error)) from error
    values[0], units[0] = sweat.conductance(values[0], found.unit, found.gsr)
    return np.stack(values), rate, tuple(units), first / rate - start
