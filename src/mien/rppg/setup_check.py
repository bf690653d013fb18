"""What the camera, the light, the codec and the distance of a recording leave of a pulse, from its own noise floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.core.observations import Window
from mien.rppg.evidence import RATES, pulse_evidence
from mien.rppg.heart_rate import STEPPED, stepped
from mien.rppg.log_ratios import LOADING
from mien.rppg.nuisance import detrended, remove_nuisance
from mien.rppg.rgb_traces import Traces, rgb_traces

USUAL = 0.005
"""AC/DC of green of a face in good light. Our choice: faces show 0.3 to 1 % (Wang et al. 2017,
10.1109/TBME.2016.2609282, give half a percent as an example)."""

NATS = 10.0
"""Power over the noise that a pulse needs to be found among all rates. Our choice: noise reaches it at one rate in
20,000."""

STEP = 0.01
"""Relative change of the background within a fifth of a second that counts as a step of the exposure (our choice)."""


@dataclass(frozen=True)
class RecordingCheck:
    """What a recording can carry.

    Attributes:
        smallest: AC/DC of green of the smallest pulse that its noise lets through.
        rate: Hz, frames a second.
        light: mean green of the skin, 0..255.
        width: px, mean width of the face.
        coded: typical over mean change of the colour from frame to frame; below `heart_rate.STEPPED` the codec hides a
            pulse.
        steps: steps of the exposure a minute.
        moved: share of the green power that movement explains, 0..1.
        lit: share that the light of the background explains, 0..1.
        grey: whether the camera has no colour.
        seconds: length of the stretch that was checked.
    """

    smallest: float
    rate: float
    light: float
    width: float
    coded: float
    steps: float
    moved: float
    lit: float
    grey: bool
    seconds: float

    @property
    def carries(self) -> bool:
        """Whether a pulse of the usual strength is larger than the smallest that can be found."""
        return self.smallest <= USUAL

    @property
    def compressed(self) -> bool:
        """Whether the codec hides a pulse."""
        return self.coded < STEPPED


def check_recording(window: Window) -> RecordingCheck | str:
    """Measure what a recording of a person leaves of a pulse.

    Args:
        window: some seconds of one person; a minute is enough.

    Returns:
        The check, or a reason of `results.REASONS` why there are no traces.
    """
    traces = rgb_traces(window)
    if isinstance(traces, str):
        return traces
    clean = remove_nuisance(traces)
    evidence = pulse_evidence(clean)
    width = float(np.nanmean(np.asarray(window.position)[:, 2]))
    return RecordingCheck(
        smallest=_smallest(clean.values, traces.rate), rate=traces.rate, light=float(np.median(traces.skin[..., 1])),
        width=width, coded=stepped(traces), steps=_exposure_steps(traces),
        moved=clean.moved, lit=clean.lit, grey=evidence.grey, seconds=traces.seconds)


def _smallest(values: np.ndarray, rate: float) -> float:
    """AC/DC of green of a pulse that stands `NATS` above the median noise of all regions together, 50 to 150 bpm."""
    count = len(values)
    green = detrended(values[:, 1::3]).mean(axis=1)
    others = detrended(np.delete(values, np.s_[1::3], axis=1))
    window = np.hanning(count + 2)[1:-1]
    times = np.arange(count) / rate
    usual = RATES[(RATES >= 50) & (RATES <= 150)] / 60
    kernel = np.exp(-2j * np.pi * usual[:, None] * times) * (window / np.sqrt((window**2).sum()))
    noise, shared = kernel @ green, kernel @ others
    gram = (shared.conj().T @ shared).real
    gram += LOADING * np.trace(gram) / len(gram) * np.eye(len(gram)) + 1e-18
    effect = np.linalg.solve(gram, (shared.conj().T @ noise).real)
    rest = noise - 0.5 * (shared @ effect)  # red and blue hold half of the pulse: they may cancel half of the noise
    floor = float(np.median(np.minimum(np.abs(noise), np.abs(rest)) ** 2)) / np.log(2)
    return float(np.sqrt(NATS * floor / (count / 6.0)))


def _exposure_steps(traces: Traces) -> float:
    """Steps of the background's light a minute."""
    level = np.log(np.maximum(traces.light, 1.0)).mean(axis=1)
    count = max(1, round(0.2 * traces.rate))
    mean = np.convolve(level, np.full(count, 1 / count), mode="valid")
    change = np.abs(mean[count:] - mean[:-count])
    noise = float(np.median(np.abs(np.diff(level)))) / np.sqrt(count)  # of such a difference, about
    stepped_here = change > max(STEP, 6 * noise)
    return float(np.sum(np.diff(stepped_here.astype(int)) == 1) / (traces.seconds / 60))
