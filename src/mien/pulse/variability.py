"""From a pulse waveform to its beats, and from beats to heart rate variability.

Task Force of the ESC and NASPE 1996, 10.1161/01.CIR.93.5.1043: definitions, bands, lengths. A camera sees a beat some
ten milliseconds wide of where it is, so both values demand a cleaner signal than the rate does.
"""

from __future__ import annotations

import numpy as np
from scipy import signal as scipy_signal
from scipy.interpolate import CubicSpline

from .. import signals
from ..types import Reading
from .methods import BAND

RMSSD_SECONDS, LF_HF_SECONDS = 60.0, 120.0
"""s: the shortest stretch for each. The Task Force asks for a minute for HF, whose swings RMSSD measures, too, and for
two for LF. Shaffer & Ginsberg 2017, 10.3389/fpubh.2017.00258: norms from 5 minutes do not hold for less."""

LF, HF = (0.04, 0.15), (0.15, 0.40)
"""Hz, Task Force 1996, table 2."""

JITTER = 0.010
"""s: the largest timing error of a beat at which variability is still read. Our choice: an error of s adds sqrt(6) s
to RMSSD in quadrature, so 10 ms make 47 ms of 40, about what healthy adults have (Shaffer & Ginsberg 2017)."""

FINE = 240.0
"""Hz of the grid on which beats are sought before the parabola. Our choice: steps of 4 ms, small against any crest."""

LF_HF_METHOD = "Welch; weak evidence: LF/HF from video does not measure sympatho-vagal balance (Billman 2013)"
"""What the reading of LF/HF says of itself: 10.3389/fphys.2013.00026."""


def beats(wave: np.ndarray, rate: float, frequency: float) -> np.ndarray:
    """wave (N,) up is systole, rate Hz, pulse `frequency` Hz -> times (B,) s of the systolic peaks, first sample at 0.

    Band-passed from half the pulse's frequency to 2.5 times it, so that its harmonic shapes the crest; peaks at least
    0.6 periods apart, placed between samples by cubic spline and parabola.
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
    """Beat times (B,) s -> intervals (B - 1,) s between beats, and which of them to believe (B - 1,).

    An interval that differs by more than 30 % from the median of its nine neighbours holds a missed or an extra beat
    (our choice: between the 20 % often used for ECG and what respiration does in the young).
    """
    gaps = np.diff(beat_times)
    if len(gaps) < 3:
        return gaps, np.zeros(len(gaps), dtype=bool)
    middle = scipy_signal.medfilt(np.pad(gaps, 4, mode="reflect" if len(gaps) > 4 else "edge"), 9)[4:-4]
    return gaps, np.abs(gaps - middle) <= 0.3 * middle


def jitter(first: np.ndarray, second: np.ndarray) -> float:
    """Beat times (A,) and (B,) s of one heart as two regions show it -> standard deviation s of a beat's time.

    What the two see differently is error, about as much in each; the mean of both is wrong by half the difference.
    A beat that only one shows counts as far off as it is from the other's nearest. inf without beats.
    """
    if not len(first) or not len(second):
        return float("inf")
    apart = [_nearest(a, b) for a, b in ((first, second), (second, first))]
    return float(np.sqrt(np.mean(np.concatenate([d - np.median(d) for d in apart]) ** 2)) / 2)


def _nearest(times: np.ndarray, others: np.ndarray) -> np.ndarray:
    """times (A,) ascending, others (B,) ascending -> signed distance (A,) s of each to the nearest of the others."""
    right = np.clip(np.searchsorted(others, times), 1, max(len(others) - 1, 1))
    left, right = times - others[right - 1], times - others[np.minimum(right, len(others) - 1)]
    return np.where(np.abs(left) < np.abs(right), left, right)


def rmssd(beat_times: np.ndarray, error: float, seconds: float) -> Reading:
    """Beat times (B,) s over a stretch of `seconds`, each wrong by `error` s -> RMSSD in ms."""
    method = "RMSSD"
    reason = _refusal(beat_times, error, seconds, RMSSD_SECONDS)
    if reason:
        return Reading(None, "ms", 0.0, method, reason)
    gaps, good = intervals(beat_times)
    pairs = good[1:] & good[:-1]
    value = 1000 * float(np.sqrt(np.mean(np.diff(gaps)[pairs] ** 2)))
    return Reading(value, "ms", _quality(error) * float(pairs.mean()), method)


def lf_hf(beat_times: np.ndarray, error: float, seconds: float) -> Reading:
    """Beat times (B,) s over a stretch of `seconds`, each wrong by `error` s -> LF/HF, a ratio.

    The intervals, evenly sampled at 4 Hz by cubic spline, detrended with lambda 500 (Tarvainen et al. 2002: 0.035 Hz),
    Welch's spectrum of at most 120 s. Half the quality of RMSSD: see `LF_HF_METHOD`.
    """
    reason = _refusal(beat_times, error, seconds, LF_HF_SECONDS)
    if reason:
        return Reading(None, "ratio", 0.0, LF_HF_METHOD, reason)
    gaps, good = intervals(beat_times)
    middle = beat_times[1:][good]
    grid = np.arange(middle[0], middle[-1], 0.25)
    even = signals.detrend(CubicSpline(middle, gaps[good])(grid), 500.0)
    frequencies, power = scipy_signal.welch(even, 4.0, nperseg=min(len(even), 480), nfft=2048)
    low, high = (float(power[(frequencies >= a) & (frequencies < b)].sum()) for a, b in (LF, HF))
    if not high > 0:
        return Reading(None, "ratio", 0.0, LF_HF_METHOD, "low_snr")
    return Reading(low / high, "ratio", 0.5 * _quality(error) * float(good.mean()), LF_HF_METHOD)


def _quality(error: float) -> float:
    """0..1: half at `JITTER`."""
    return 1.0 / (1.0 + (error / JITTER) ** 2)


def _refusal(beat_times: np.ndarray, error: float, seconds: float, needed: float) -> str:
    if seconds < needed:
        return "too_short"
    if not error <= JITTER:
        return "low_snr"
    gaps, good = intervals(beat_times)
    whole = len(gaps) > 3 and float(gaps[good].sum()) >= 0.8 * seconds  # our choice: a fifth may be lost
    return "" if whole else "low_snr"
