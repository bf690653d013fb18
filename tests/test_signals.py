"""Signals: against SciPy, dense algebra and planted tones."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import signal as reference

from mien import signals


def tone(hertz: float, seconds: float = 20.0, rate: float = 30.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


def dense_detrend(values: np.ndarray, lam: float) -> np.ndarray:
    """The closed form of Tarvainen et al. 2002, with full matrices."""
    n = len(values)
    second = np.diff(np.eye(n), n=2, axis=0)
    return (np.eye(n) - np.linalg.inv(np.eye(n) + lam**2 * second.T @ second)) @ values


@pytest.mark.parametrize(("n", "lam"), [(3, 10.0), (4, 1.0), (50, 100.0), (900, 100.0), (900, 500.0)])
def test_detrend_equals_the_dense_solution(n: int, lam: float) -> None:
    values = 128 + np.random.default_rng(n).normal(size=(n, 4)).cumsum(axis=0)
    assert np.abs(signals.detrend(values, lam) - dense_detrend(values, lam)).max() < 1e-8


def test_detrend_takes_each_channel_by_itself() -> None:
    values = np.random.default_rng(0).normal(size=(200, 2, 3))
    together = signals.detrend(values, 50.0)
    assert np.allclose(together[:, 1, 2], signals.detrend(values[:, 1, 2], 50.0), atol=1e-12)


def test_detrend_removes_a_line_and_keeps_the_band() -> None:
    line = 100 + 0.3 * np.arange(600)
    assert np.abs(signals.detrend(line, 100.0)).max() < 1e-8
    wave = tone(1.2)
    out = signals.detrend(wave + line, signals.smoothness(0.3, 30.0))
    assert np.abs(out - wave)[60:-60].max() < 0.05


def test_smoothness_puts_half_gain_at_the_cutoff() -> None:
    rate, cutoff = 30.0, 0.5
    wave = tone(cutoff, seconds=120, rate=rate)
    out = signals.detrend(wave, signals.smoothness(cutoff, rate))
    assert out[900:-900].std() / wave[900:-900].std() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_detrend_of_almost_nothing(n: int) -> None:
    assert np.array_equal(signals.detrend(np.full(n, 7.0), 100.0), np.zeros(n))


def test_bandpass_equals_scipy() -> None:
    values = np.random.default_rng(1).normal(size=(600, 3))
    sos = reference.butter(2, [0.7, 4.0], btype="bandpass", fs=30.0, output="sos")
    expected = reference.sosfiltfilt(sos, values, axis=0, padlen=int(30 / 0.7))
    assert np.allclose(signals.bandpass(values, 30.0, 0.7, 4.0), expected, atol=1e-12)


def test_bandpass_keeps_phase_and_stops_what_is_outside() -> None:
    inside, slow, fast = tone(1.5, 60), tone(0.1, 60), tone(9.0, 60)
    out = signals.bandpass(inside + slow + fast, 30.0, 0.7, 4.0)[150:-150]
    assert np.abs(out - inside[150:-150]).max() < 0.06


@pytest.mark.parametrize("n", [0, 1, 2, 20])
def test_bandpass_of_a_short_signal_has_its_shape(n: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert signals.bandpass(np.ones(n), 30.0, 0.7, 4.0).shape == (n,)


@pytest.mark.parametrize(("low", "high"), [(0.0, 4.0), (4.0, 0.7), (0.7, 15.0)])
def test_bandpass_refuses_an_impossible_band(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        signals.bandpass(np.ones(100), 30.0, low, high)


def test_resample_of_irregular_times_recovers_the_curve() -> None:
    rng = np.random.default_rng(2)
    times = np.sort(rng.uniform(0, 20, 900))
    out = signals.resample(times, np.sin(2 * np.pi * 0.8 * times), 30.0)
    assert out.seen.all()
    assert not out.gaps
    assert np.abs(out.values - np.sin(2 * np.pi * 0.8 * out.times)).max() < 0.1
    assert np.sqrt(np.mean((out.values - np.sin(2 * np.pi * 0.8 * out.times)) ** 2)) < 0.02


def test_resample_on_its_own_grid_changes_nothing() -> None:
    values = np.random.default_rng(3).normal(size=(100, 2, 3))
    out = signals.resample(5 + np.arange(100) / 25, values, 25.0)
    assert np.allclose(out.values, values, atol=1e-9)
    assert out.start == 5.0
    assert np.allclose(out.times, 5 + np.arange(100) / 25)


def test_short_gaps_are_bridged_and_long_gaps_stay() -> None:
    times = np.arange(600) / 30
    values = np.stack([times, 2 * times], axis=1)
    values[60:70, 1] = np.nan  # 0.33 s
    values[300:390] = np.nan  # 3 s
    out = signals.resample(times, values, 30.0)
    assert np.allclose(out.values[60:70], np.stack([times, 2 * times], axis=1)[60:70])
    assert len(out.gaps) == 1
    assert out.gaps[0] == pytest.approx((10.0, 13.0), abs=0.1)
    assert np.isnan(out.values[310:380]).all()
    assert np.isfinite(out.values[out.seen]).all()


def test_resample_drops_times_that_are_no_times() -> None:
    times = np.array([0.0, 0.1, np.nan, 0.05, 0.2, 0.2, np.inf, 0.3])
    out = signals.resample(times, np.array([0.0, 1.0, 99.0, 99.0, 2.0, 99.0, 99.0, 3.0]), 10.0)
    assert np.allclose(out.values, [0, 1, 2, 3])


def test_resample_downwards_does_not_alias() -> None:
    times = np.arange(0, 20, 1 / 300)
    out = signals.resample(times, np.sin(2 * np.pi * 29.0 * times), 30.0)  # would alias to 1 Hz at full height
    assert np.abs(out.values[1:-1]).max() < 0.1  # the ends have half a step to average


@pytest.mark.parametrize("values", [np.zeros((0, 3)), np.full((1, 3), 2.0), np.full((40, 3), np.nan)])
def test_resample_of_almost_nothing(values: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = signals.resample(np.arange(len(values)) / 10, values, 10.0)
    assert out.values.shape == values.shape
    assert len(out.seen) == len(values)


def test_resample_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="one time a row"):
        signals.resample(np.arange(3), np.zeros((4, 1)), 30.0)
    with pytest.raises(ValueError, match="positive rate"):
        signals.resample(np.arange(3), np.zeros((3, 1)), 0.0)


@pytest.mark.parametrize("bpm", [50.3, 72.0, 97.7, 149.1])
def test_peak_between_bins(bpm: float) -> None:
    rng = np.random.default_rng(4)
    frequencies, power = signals.spectrum(tone(bpm / 60) + 0.1 * rng.normal(size=600), 30.0, 0.7, 4.0)
    assert frequencies[0] >= 0.7
    assert frequencies[-1] <= 4.0
    assert 60 * signals.peak(frequencies, power) == pytest.approx(bpm, abs=0.15)


def test_peak_of_no_power_is_nan() -> None:
    frequencies, power = signals.spectrum(np.zeros(300), 30.0, 0.7, 4.0)
    assert np.isnan(signals.peak(frequencies, power))


def test_snr_counts_fundamental_and_harmonic_as_pulse() -> None:
    frequencies = np.arange(0.7, 4.0, 0.01)
    power = np.ones_like(frequencies)
    near = (np.abs(frequencies - 1.2) <= 0.1) | (np.abs(frequencies - 2.4) <= 0.2)
    assert signals.snr(frequencies, power, 1.2) == pytest.approx(10 * np.log10(near.sum() / (~near).sum()), abs=0.01)
    assert signals.snr(frequencies, np.zeros_like(power), 1.2) == float("-inf")


def test_quality_is_the_share_of_signal() -> None:
    assert signals.quality(0.0) == pytest.approx(0.5)
    assert signals.quality(10.0) == pytest.approx(10 / 11)
    assert signals.quality(float("-inf")) == pytest.approx(0.0, abs=1e-5)
    assert signals.quality(float("nan")) == 0.0


def test_time_frequency_follows_a_rate_that_changes() -> None:
    rate = 30.0
    times = np.arange(0, 40, 1 / rate)
    wave = np.where(times < 20, np.sin(2 * np.pi * 1.0 * times), 0.5 * np.sin(2 * np.pi * 2.5 * times))
    at, frequencies, image = signals.time_frequency(wave, rate)
    assert image.shape == (len(frequencies), len(at))
    for second, hertz, height in ((10.0, 1.0, 1.0), (30.0, 2.5, 0.5)):
        column = image[:, np.argmin(np.abs(at - second))]
        assert frequencies[np.argmax(column)] == pytest.approx(hertz, rel=0.03)
        assert column.max() == pytest.approx(height, rel=0.03)


def test_time_frequency_of_almost_nothing() -> None:
    for n in (0, 1, 2):
        times, frequencies, image = signals.time_frequency(np.ones(n), 30.0)
        assert image.shape == (len(frequencies), len(times))
        assert np.isfinite(image).all()
