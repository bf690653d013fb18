"""Camera and contact sensor of one video: the offset of their clocks, and the heart rates of both in each window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from mien import rppg, signals
from mien.core.observations import Signal, Window
from mien.datasets.pulse import ContactPulse, PulseRecording
from mien.rppg.methods import band
from mien.rppg.respiration import belt_rate
from mien.signals import ecg, ppg
from mien.signals.clock_comparison import compare_clocks

WINDOW = 30.0
"""s: length of the windows that are compared, one after the other. Our choice: usual in the field; the last, shorter
one counts from `SHORTEST` s on."""

SHORTEST = 10.0

ENOUGH = 0.5
"""Least share of a window, or of a recording, that accepted intervals of the contact sensor must cover. Our choice."""

LENGTHS = (0.8, 1.25)
"""Least length of the contact signal and latest end of it, over the length of the video, without `SPARE`: outside, its
sampling rate cannot be right (our choice). A wrong rate stretches every interval."""

SPARE = 40.0
"""s that a contact sensor may begin before the video or end after it (our choice: MAHNOB has 30 s)."""


@dataclass(frozen=True, eq=False)
class RecordingComparison:
    """What camera and contact sensor say of one video.

    Attributes:
        id: name of the video.
        person: name of the person.
        problem: why the video was left out: `sensor_off`, `rate_mismatch`, `no_face`, or what its reader says; else "".
        offset: s to add to the times of the contact sensor; NaN where the beats fit no offset.
        windows: one line per window: start, end, truth, camera, forced, quality, reason, snr, correlation.
        rmssd: ms by the contact sensor and by the camera, NaN without.
        respiration: breaths a minute by the sensor and by the camera, NaN without.
        unread: windows in which the contact sensor itself has no rate.
        about: skin tone, motion and such.
    """

    id: str
    person: str
    problem: str = ""
    offset: float = float("nan")
    windows: pd.DataFrame = field(default_factory=pd.DataFrame)
    rmssd: tuple[float, float] = (float("nan"), float("nan"))
    respiration: tuple[float, float] = (float("nan"), float("nan"))
    unread: int = 0
    about: dict[str, str] = field(default_factory=dict)

    def with_predictions(self, table: pd.DataFrame) -> RecordingComparison:
        """The same windows with the rates of another program: the mean of its rates in each window."""
        if not len(self.windows):
            return self
        first = table.get("start", pd.Series(-np.inf, table.index))
        last = table.get("end", pd.Series(np.inf, table.index))
        quality = table.get("quality", pd.Series(1.0, table.index))
        rows = []
        for line in self.windows.to_dict("records"):
            inside = (first < line["end"] - 1e-6) & (last > line["start"] + 1e-6) & table.heart_rate.notna()
            rate, sure, reason = float("nan"), 0.0, "no_prediction"
            if inside.any():
                rate, sure, reason = float(table.heart_rate[inside].mean()), float(quality[inside].mean()), ""
            rows.append({**line, "camera": rate, "forced": rate, "reason": reason, "quality": sure,
                         "snr": float("nan"), "correlation": float("nan")})
        return replace(self, windows=pd.DataFrame(rows), rmssd=(self.rmssd[0], float("nan")),
                       respiration=(self.respiration[0], float("nan")))


@dataclass(frozen=True, eq=False)
class _Beats:
    """Beats (B,) s on the video's clock, and which intervals (B - 1,) to accept."""

    times: np.ndarray
    good: np.ndarray

    def rate(self, start: float, end: float) -> float:
        """bpm from `start` to `end` s; NaN where accepted intervals cover too little."""
        inside = self.good & (self.times[:-1] >= start) & (self.times[1:] <= end)
        gaps = np.diff(self.times)[inside]
        if not gaps.sum() >= ENOUGH * (end - start):
            return float("nan")
        return 60 / float(gaps.mean())

    def rmssd(self) -> float:
        steps = np.diff(np.diff(self.times))[self.good[1:] & self.good[:-1]]
        if len(steps) < 30:  # our choice: half a minute
            return float("nan")
        return 1000 * float(np.sqrt(np.mean(steps**2)))


def compare_recording(recording: PulseRecording, observe: Callable[[PulseRecording], Window | None], method: str
                      ) -> RecordingComparison:
    """Compare camera and contact sensor in one video. A video that cannot be used is returned with its problem."""
    empty = RecordingComparison(recording.id, recording.person, about=recording.about)
    try:
        contact = recording.read_contact(recording.path)
        seen = observe(recording)
    except (ValueError, OSError, KeyError, IndexError) as error:
        return replace(empty, problem=" ".join(str(error).split()) or type(error).__name__)
    if seen is None or len(seen.times) < 2:
        return replace(empty, problem="no_face")
    end = float(seen.times[-1])
    if contact.heart_rate is not None:
        vitals = _vitals(recording, seen, method)
        return replace(empty, windows=pd.DataFrame([_line(vitals, 0.0, end, contact.heart_rate, None)]))
    problem, beats = _beats_of(contact, end)
    if problem:
        return replace(empty, problem=problem)
    vitals = _vitals(recording, seen, method)
    clocks = compare_clocks(beats.times, vitals.beats)
    offset, shift = float("nan"), 0.0
    if clocks is not None:
        offset = shift = clocks.offset
    moved = _Beats(beats.times + shift, beats.good)
    starts = np.arange(0.0, max(end - SHORTEST, 0.0) + 1e-6, WINDOW)
    lines = [_line(vitals, start, min(start + WINDOW, end), moved.rate(start, min(start + WINDOW, end)),
                   replace(contact, start=contact.start + shift)) for start in starts]
    table = pd.DataFrame(lines)
    known = table[np.isfinite(table.truth)].reset_index(drop=True) if len(table) else table
    return replace(empty, offset=offset, windows=known, unread=len(table) - len(known),
                   rmssd=(moved.rmssd(), vitals.hrv["rmssd"].number),
                   respiration=(_breath(contact, -shift, end - shift), vitals.respiration.number))


def _vitals(recording: PulseRecording, seen: Window, method: str) -> rppg.Vitals:
    """The vital signs of the person; a method that looks at pictures reads the video again."""
    wave = None
    if rppg.names_frames(method):
        frames = recording.open_frames(recording.path)
        wave = rppg.frame_waves(frames, {0: seen}, rppg.frame_method(method))[0]
    return rppg.vitals(seen, method, wave)


def _breath(contact: ContactPulse, start: float, end: float) -> float:
    """Breaths a minute of the sensor from `start` to `end` s of its own clock; NaN without."""
    if not len(contact.respiration):
        return float("nan")
    first, last = (max(round((time - contact.start) * contact.rate), 0) for time in (start, end))
    return belt_rate(contact.respiration[first:last], contact.rate)


def _beats_of(contact: ContactPulse, seconds: float) -> tuple[str, _Beats]:
    """Why the contact sensor cannot be used, or "" and its beats around the video."""
    none = _Beats(np.empty(0), np.empty(0, bool))
    times = contact.start + np.arange(len(contact.values)) / contact.rate
    around = (times >= -SPARE) & (times <= seconds + SPARE)
    length = float(around.sum()) / contact.rate
    end = contact.start + len(contact.values) / contact.rate
    if length < LENGTHS[0] * seconds or end > LENGTHS[1] * seconds + SPARE:
        return "rate_mismatch", none
    detector = ecg if contact.kind == "ecg" else ppg
    values = contact.values[around]
    if contact.rate <= detector.SLOWEST_RATE:
        return "rate_mismatch", none
    known = np.isfinite(values)
    if known.mean() < ENOUGH or not np.std(values[known]) > 0:
        return "sensor_off", none
    detected = detector.beats_of(values, contact.rate)
    count = int(np.isfinite(detected.times[0]).sum())
    beats = _Beats(times[around][0] + detected.times[0, :count], detected.believed[0, : max(count - 1, 0)])
    if count < 2 or not np.diff(beats.times)[beats.good].sum() >= ENOUGH * length:
        return "sensor_off", none
    return "", beats


def _line(vitals: rppg.Vitals, start: float, end: float, truth: float, contact: ContactPulse | None
          ) -> dict[str, object]:
    """One window of both."""
    reading = vitals.heart_rate_between(start, end)
    forced = float("nan")
    if not isinstance(vitals.reading, str):
        half = vitals.reading.posterior.length.min() / 2
        forced = vitals.reading.posterior.between(start + half - 1e-6, end - half + 1e-6).answer()[0]
    decibel, correlation = float("nan"), float("nan")
    if vitals.waveform is not None and np.isfinite(truth):
        decibel, correlation = _waves_alike(vitals.waveform, contact, start, end, truth)
    return {"start": start, "end": end, "truth": truth, "camera": reading.number, "forced": forced,
            "quality": reading.quality, "reason": reading.reason, "snr": decibel, "correlation": correlation}


def _waves_alike(wave: Signal, contact: ContactPulse | None, start: float, end: float, truth: float
                 ) -> tuple[float, float]:
    """SNR in dB of the camera's waveform at the true rate, and its correlation with a photoplethysmogram."""
    inside = (wave.times >= start) & (wave.times < end)
    values = wave.values[0][inside]
    if len(values) < SHORTEST * wave.rate:
        return float("nan"), float("nan")
    decibel = float(signals.snr(*signals.spectrum(values, wave.rate, *rppg.BAND), truth / 60))
    if contact is None or contact.kind != "ppg":
        return decibel, float("nan")
    times = contact.start + np.arange(len(contact.values)) / contact.rate
    known = np.isfinite(contact.values)
    other = band(np.interp(wave.times, times[known], contact.values[known]), wave.rate)[inside]
    lags = range(-round(0.5 * wave.rate), round(0.5 * wave.rate) + 1)  # the pulse reaches the finger later
    return decibel, max(float(np.corrcoef(values, np.roll(other, lag))[0, 1]) for lag in lags)
