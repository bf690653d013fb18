"""Beats of a pulse waveform, and heart rate variability from them.

Task Force of the ESC and NASPE 1996, 10.1161/01.CIR.93.5.1043: definitions, bands, lengths. A camera
locates a beat with an error of some ten milliseconds, so both values need a cleaner signal than the rate does.
"""

from __future__ import annotations

import numpy as np
from scipy import signal as scipy_signal
from scipy.interpolate import CubicSpline

from mien import signals
from mien.core.results import Measurement
from mien.rppg.methods import BAND

RMSSD_SECONDS, LF_HF_SECONDS = 60.0, 120.0
"""s: the shortest stretch for each. The Task Force requires one minute for HF, which RMSSD reflects, too, and two
minutes for LF. Shaffer & Ginsberg 2017, 10.3389/fpubh.2017.00258: norms from 5 minutes do not hold for less."""

LF, HF = (0.04, 0.15), (0.15, 0.40)
"""Hz, Task Force 1996, table 2."""

JITTER = 0.010
"""s: the largest accepted timing error of a beat. Our choice: an error of s adds sqrt(6) s to RMSSD in quadrature. So
10 ms turn 40 ms, about the value of healthy adults (Shaffer & Ginsberg 2017), into 47 ms."""

FINE = 240.0
"""Hz of the grid for the peak search before the parabola. Our choice: steps of 4 ms are small against any peak."""

LF_HF_METHOD = "Welch; weak evidence: LF/HF from video does not measure sympatho-vagal balance (Billman 2013)"
"""The method stated with each LF/HF value. Reference: 10.3389/fphys.2013.00026."""


def beats(wave: np.ndarray, rate: float, frequency: float) -> np.ndarray:
    """Find the systolic peaks of a pulse waveform.

    The band-pass goes from half the pulse's frequency to 2.5 times it, so that the harmonic shapes the peak. Peaks are
    at least 0.6 periods apart; cubic spline and parabola give their sub-sample positions.

    Args:
        wave: (N,) systole is up.
        rate: Hz.
        frequency: of the pulse in Hz.

    Returns:
        (B,) s from the first sample.
    """
    low, high = max(BAND[0], 0.5 * frequency), min(2.5 * frequency, BAND[1], 0.45 * rate)
    if len(wave) < 3 * rate or not low < high:
        return np.empty(0)
    smooth = signals.bandpass(wave, rate, low, high)
    times = np.arange(len(wave)) / rate
    fine = np.arange(0, times[-1], 1 / FINE)
    curve = CubicSpline(times, smooth)(fine)
    peaks, _ = scipy_signal.find_peaks(curve, distance=max(1, int(0.6 * FINE / frequency)), height=0.0)
    peaks = peaks[(peaks > 0) & (peaks < len(curve) - 1)]
    a, b, c = curve[peaks - 1], curve[peaks], curve[peaks + 1]
    return fine[peaks] + 0.5 * (a - c) / np.minimum(a - 2 * b + c, -1e-12) / FINE


def intervals(beat_times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intervals (B - 1,) s between beat times (B,) s, and which of them to accept (B - 1,).

    An interval that differs by more than 30 % from the median of its nine neighbours holds a missed or an extra beat
    (our choice: between the 20 % often used for ECG and the effect of respiration in young people).
    """
    gaps = np.diff(beat_times)
    if len(gaps) < 3:
        return gaps, np.zeros(len(gaps), dtype=bool)
    padded = np.pad(gaps, 4, mode="reflect") if len(gaps) > 4 else np.pad(gaps, 4, mode="edge")
    middle = scipy_signal.medfilt(padded, 9)[4:-4]
    return gaps, np.abs(gaps - middle) <= 0.3 * middle


def jitter(first: np.ndarray, second: np.ndarray) -> float:
    """Estimate the timing error of a beat from the same heart in two skin regions.

    The difference of the regions is error, about equal in both; the mean of both is wrong by half the difference. A
    beat in one region only counts with its distance to the nearest beat of the other region.

    Args:
        first: (A,) beat times in s of one region.
        second: (B,) beat times in s of the other region.

    Returns:
        Standard deviation in s; inf without beats.
    """
    if not len(first) or not len(second):
        return float("inf")
    distances = [_nearest(a, b) for a, b in ((first, second), (second, first))]
    return float(np.sqrt(np.mean(np.concatenate([d - np.median(d) for d in distances]) ** 2)) / 2)


def _nearest(times: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Signed distance (A,) s of each of the ascending times (A,) to the nearest of the ascending others (B,)."""
    right = np.clip(np.searchsorted(others, times), 1, max(len(others) - 1, 1))
    left, right = times - others[right - 1], times - others[np.minimum(right, len(others) - 1)]
    return np.where(np.abs(left) < np.abs(right), left, right)


def rmssd(beat_times: np.ndarray, error: float, seconds: float) -> Measurement:
    """RMSSD in ms of beat times (B,) s with a timing error of `error` s, over `seconds` s."""
    method = "RMSSD"
    reason = _rejection_reason(beat_times, error, seconds, RMSSD_SECONDS)
    if reason:
        return Measurement(None, "ms", 0.0, method, reason)
    gaps, good = intervals(beat_times)
    pairs = good[1:] & good[:-1]
    value = 1000 * float(np.sqrt(np.mean(np.diff(gaps)[pairs] ** 2)))
    return Measurement(value, "ms", _quality(error) * float(pairs.mean()), method)


def variability(beat_times: np.ndarray, error: float, seconds: float) -> dict[str, Measurement]:
    """All measures of variability of beat times (B,) s with a timing error of `error` s, over `seconds` s.

    SD1 and SD2, the spreads of the Poincare plot across and along its diagonal, are those of Brennan, Palaniswami &
    Kamen 2001, 10.1109/10.959330: SD1^2 = RMSSD^2 / 2 and SD2^2 = 2 SDNN^2 - SD1^2.

    Returns:
        `rmssd`, `sdnn`, `sd1` and `sd2` in ms and `pnn50` in percent, from `RMSSD_SECONDS` on; `lf_hf`, a ratio, from
        `LF_HF_SECONDS` on.
    """
    short = rmssd(beat_times, error, seconds)
    measures = {"rmssd": short}
    units = {"sdnn": "ms", "pnn50": "%", "sd1": "ms", "sd2": "ms"}
    if short.value is None:
        measures |= {name: Measurement(None, unit, 0.0, name.upper(), short.reason) for name, unit in units.items()}
    else:
        gaps, good = intervals(beat_times)
        steps = np.diff(gaps)[good[1:] & good[:-1]]
        sdnn = 1000 * float(np.std(gaps[good], ddof=1))
        sd1 = short.value / np.sqrt(2)
        values = {"sdnn": sdnn, "pnn50": 100 * float(np.mean(np.abs(steps) > 0.05)), "sd1": sd1,
                  "sd2": float(np.sqrt(max(2 * sdnn**2 - sd1**2, 0.0)))}
        measures |= {name: Measurement(value, units[name], short.quality, name.upper())
                     for name, value in values.items()}
    return measures | {"lf_hf": lf_hf(beat_times, error, seconds)}


def lf_hf(beat_times: np.ndarray, error: float, seconds: float) -> Measurement:
    """LF/HF ratio of beat times (B,) s with a timing error of `error` s, over `seconds` s.

    A cubic spline resamples the intervals to 4 Hz. They are detrended with lambda 500 (Tarvainen et al. 2002: 0.035 Hz)
    before Welch's method with segments of at most 120 s. The quality is half that of RMSSD: see `LF_HF_METHOD`.
    """
    reason = _rejection_reason(beat_times, error, seconds, LF_HF_SECONDS)
    if reason:
        return Measurement(None, "ratio", 0.0, LF_HF_METHOD, reason)
    gaps, good = intervals(beat_times)
    middle = beat_times[1:][good]
    grid = np.arange(middle[0], middle[-1], 0.25)
    even = signals.detrend(CubicSpline(middle, gaps[good])(grid), 500.0)
    frequencies, power = scipy_signal.welch(even, 4.0, nperseg=min(len(even), 480), nfft=2048)
    low, high = (float(power[(frequencies >= a) & (frequencies < b)].sum()) for a, b in (LF, HF))
    if not high > 0:
        return Measurement(None, "ratio", 0.0, LF_HF_METHOD, "low_snr")
    return Measurement(low / high, "ratio", 0.5 * _quality(error) * float(good.mean()), LF_HF_METHOD)


def _quality(error: float) -> float:
    """Quality 0..1 for a timing error in s: one half at `JITTER`."""
    return 1.0 / (1.0 + (error / JITTER) ** 2)


def _rejection_reason(beat_times: np.ndarray, error: float, seconds: float, needed: float) -> str:
    if seconds < needed:
        return "too_short"
    if not error <= JITTER:
        return "low_snr"
    gaps, good = intervals(beat_times)
    covered = len(gaps) > 3 and float(gaps[good].sum()) >= 0.8 * seconds  # our choice: a fifth may be lost
    if not covered:
        return "low_snr"
    return ""
