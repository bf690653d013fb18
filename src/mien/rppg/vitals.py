"""Heart rate, variability and waveform of a whole recording, in linear time and memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from mien import signals
from mien.core.observations import Signal, Window
from mien.core.results import Measurement
from mien.rppg.heart_rate import METHOD, SURE, PulseReading, read_pulse
from mien.rppg.hrv import beats, jitter, variability
from mien.rppg.methods import AUTO, band, rppg_method
from mien.rppg.respiration import respiration
from mien.rppg.rgb_traces import longest_run

RATE = 30.0
"""Hz of the waveform."""


@dataclass(frozen=True, eq=False)
class Vitals:
    """The vital signs of a recording.

    Attributes:
        heart_rate: bpm.
        respiration: breaths a minute.
        hrv: heart rate variability by name: `rmssd`, `sdnn`, `sd1` and `sd2` in ms, `pnn50` in percent, `lf_hf` as a
            ratio.
        waveform: the pulse over the whole recording; None where no part of it has a pulse.
        beats: (B,) s, the beats of the longest stretch that shows the pulse, from which `hrv` is computed.
        reading: what all of these were read from; a reason where there are no traces.
    """

    heart_rate: Measurement
    respiration: Measurement
    hrv: dict[str, Measurement]
    waveform: Signal | None
    beats: np.ndarray
    reading: PulseReading | str

    def heart_rate_between(self, start: float, end: float) -> Measurement:
        """Compute the heart rate of a part of the recording, from the posterior of the whole.

        Args:
            start: s.
            end: s.

        Returns:
            The heart rate in bpm, or the reason why there is none.
        """
        if isinstance(self.reading, str):
            return self.heart_rate
        return self.reading.heart_rate_between(start, end)


def vitals(window: Window, method: str = AUTO, given: Signal | None = None) -> Vitals:
    """Compute the vital signs of a person over a whole recording.

    Args:
        window: the whole recording.
        method: the rPPG method of the waveform, which gives the beats, the variability and the respiration:
            `methods.AUTO` for the estimator's own mixture, or a name of `methods.rppg_method`. The heart rate, and
            whether there is one, always come from the posterior.
        given: the waveform of a method that looks at pictures (`frame_clips.frame_waves`), where `method` names one.

    Returns:
        The heart rate of the recording. The other values come from the longest stretch whose pieces show the pulse.
    """
    window = _ordered(window)
    reading = read_pulse(window)
    if isinstance(reading, str):
        return _without(reading, reading)
    rate = reading.heart_rate()
    if rate.value is None:
        return _without(rate.reason, reading)
    start, raw, quality = _waves(reading, window, RATE, method, given)
    first, last = longest_run(quality > 0)
    seconds = (last - first) / RATE
    wave = band(raw, RATE)
    beat_times, *twice = (beats(region[first:last], RATE, rate.value / 60) for region in wave)
    error = jitter(*twice)
    sway = _head_motion(window, start, len(quality))
    breath = respiration(beat_times, wave[0, first:last], RATE, raw[0, first:last], sway[first:last])
    hrv = variability(beat_times, error, seconds)
    if method != AUTO:
        rate = replace(rate, method=f"{rate.method}; waveform: {method}")
    return Vitals(rate, breath, hrv, _signal(wave[0], RATE, start, quality), start + first / RATE + beat_times, reading)


def waveform(window: Window, rate: float = RATE, method: str = AUTO) -> Signal:
    """Compute the pulse waveform of a person.

    Args:
        window: skin colours of the person over the recording.
        rate: Hz of the waveform.
        method: the rPPG method, as in `vitals`.

    Returns:
        The waveform in AC/DC within `methods.BAND`; systole is up. The quality of a sample is that of the windows
        around it. Do not use samples of quality 0: they show no pulse.
    """
    window = _ordered(window)
    start, raw, quality = _waves(read_pulse(window), window, rate, method)
    return _signal(band(raw[0], rate), rate, start, quality)


def _signal(wave: np.ndarray, rate: float, start: float, quality: np.ndarray) -> Signal:
    return Signal(wave[None], rate, ("pulse",), ("AC/DC",), start, quality)


def _without(reason: str, reading: PulseReading | str) -> Vitals:
    rate, breath = (Measurement(None, unit, 0.0, METHOD, reason) for unit in ("bpm", "breaths/min"))
    hrv = {name: replace(each, reason=reason) for name, each in variability(np.empty(0), np.inf, 0.0).items()}
    return Vitals(rate, breath, hrv, None, np.empty(0), reading)


def _ordered(window: Window) -> Window:
    """The rows with finite times that are later than all previous ones."""
    times = np.asarray(window.times, dtype=np.float64)
    kept = signals.increasing(times)
    if len(kept) == len(times):
        return window
    names = ("times", "skin", "position", "aus", "pose", "gaze")
    return replace(window, faces=None, **{name: getattr(window, name)[kept] for name in names})


@dataclass(frozen=True, eq=False)
class _Part:
    """A stretch of waves (3, N) of the face, forehead and cheeks from `start` s on at `rate` Hz, and its weight."""

    start: float
    rate: float
    waves: np.ndarray
    weight: float


def _waves(reading: PulseReading | str, window: Window, rate: float, method: str, given: Signal | None = None
           ) -> tuple[float, np.ndarray, np.ndarray]:
    """Overlap-add the parts: start s, waves (3, N) of the face, forehead and cheeks, quality (N,), at `rate` Hz."""
    if not len(window.times):
        return 0.0, np.zeros((3, 0)), np.zeros(0)
    start = float(window.times[0])
    count = int((float(window.times[-1]) - start) * rate) + 1
    total, weight, quality = np.zeros((3, count)), np.full(count, 1e-12), np.zeros(count)
    if isinstance(reading, str):
        return start, total, quality
    sure = _piece_quality(reading)
    for part in _pieces(reading, sure) if method == AUTO or given is not None else _runs(reading, method):
        times = part.start + np.arange(part.waves.shape[1]) / part.rate
        low, high = _samples(times[0], times[-1], start, rate, count)
        place = start + np.arange(low, high) / rate
        taper = part.weight * (np.minimum(place - times[0], times[-1] - place) + 1.0 / rate)  # our choice: a triangle
        total[:, low:high] += taper * np.stack([np.interp(place, times, wave) for wave in part.waves])
        weight[low:high] += taper
    for first, length, good in zip(reading.posterior.starts, reading.posterior.length, sure, strict=True):
        low, high = _samples(first, first + length - 1 / rate, start, rate, count)
        quality[low:high] = np.maximum(quality[low:high], good)
    waves = total / weight
    if given is not None:
        place = start + np.arange(count) / rate
        known = np.interp(place, given.times, given.values[0], np.nan, np.nan)
        waves[0], quality = np.nan_to_num(known), np.where(np.isfinite(known), quality, 0.0)
    return start, waves, quality


def _samples(first: float, last: float, start: float, rate: float, count: int) -> tuple[int, int]:
    """First sample and the end (exclusive) of the time from `first` to `last` s, within 0..count."""
    low, high = int(np.ceil((first - start) * rate - 1e-6)), int((last - start) * rate + 1e-6) + 1
    return max(low, 0), min(high, count)


def _piece_quality(reading: PulseReading) -> np.ndarray:
    """Quality (T,) of the pieces: the probability that each shows its rate, 0 where that is not sure."""
    sure = reading.posterior.present * reading.posterior.visible * reading.posterior.best()[1]
    return np.where((sure >= SURE) & (reading.heart_rate().value is not None), sure, 0.0)


def _pieces(reading: PulseReading, sure: np.ndarray) -> Iterator[_Part]:
    """The estimator's own mixtures, piece by piece; one that shows the pulse outweighs one that does not."""
    segments = ((clean, run, index) for clean, run in zip(reading.clean, reading.evidence, strict=True)
              for index in range(len(run.starts)))
    for (clean, run, index), good in zip(segments, sure, strict=True):
        first = round((run.starts[index] - clean.start) * clean.rate)
        values = clean.values[first : first + round(run.length * clean.rate), run.channels]
        waves = -run.mixtures[:, index] @ (values - values.mean(axis=0)).T  # up is systole
        yield _Part(float(run.starts[index]), clean.rate, waves, max(float(good), 1e-3))


def _runs(reading: PulseReading, method: str) -> Iterator[_Part]:
    """A published method on the mean skin of the face, of the forehead and of the cheeks, run by run."""
    computed = rppg_method(method)
    for run in reading.traces:
        regions = np.stack([run.skin.mean(axis=1), run.skin[:, 0], run.skin[:, 1:].mean(axis=1)])
        yield _Part(run.start, run.rate, computed(np.maximum(regions, 1.0), run.rate), 1.0)


def _head_motion(window: Window, start: float, count: int) -> np.ndarray:
    """Vertical head position (count,) in face widths at `RATE` Hz; gaps are interpolated."""
    height = np.asarray(window.position, dtype=np.float64)[:, 1:]
    known = np.isfinite(height).all(axis=1)
    if not known.any():
        return np.zeros(count)
    place = start + np.arange(count) / RATE
    return np.interp(place, window.times[known], height[known, 0]) / max(float(np.median(height[known, 1])), 1.0)
