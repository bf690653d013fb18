"""Signals: against SciPy, NeuroKit2, dense algebra, planted tones, beats, responses and breaths."""

from __future__ import annotations

import warnings

import neurokit2 as nk
import numpy as np
import pytest
from scipy import signal as reference

from mien import signals
from mien.core.observations import Signal
from mien.simulation.datasets import contact_signals


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
    assert signals.spectral_quality(0.0) == pytest.approx(0.5)
    assert signals.spectral_quality(10.0) == pytest.approx(10 / 11)
    assert signals.spectral_quality(float("-inf")) == pytest.approx(0.0, abs=1e-5)
    assert signals.spectral_quality(float("nan")) == 0.0


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


# The signals of wires: many trials at once, against planted beats, responses and breaths, and against NeuroKit2.

RATE, SECONDS = 128.0, 60.0
TIMES = np.arange(0, SECONDS, 1 / RATE)


def planted_beats(bpm: float, seed: int = 0, sway: float = 0.03) -> np.ndarray:
    """R peaks from before the start to after the end: a steady heart that breath and chance quicken."""
    rng = np.random.default_rng(seed)
    gaps = 60 / bpm * (1 + sway * np.sin(2 * np.pi * 0.25 * 60 / bpm * np.arange(400)) + rng.normal(0, 0.01, 400))
    beats = np.cumsum(gaps) - 3.0
    return beats[beats < SECONDS + 3]


@pytest.fixture(scope="module")
def hearts() -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Beats, ECG (B, N), PPG (B, N) of hearts from 48 to 150 bpm, with drift, hum and noise."""
    rng = np.random.default_rng(1)
    beats = [planted_beats(bpm, seed) for seed, bpm in enumerate((48, 60, 72, 90, 120, 150))]
    dirt = 0.5 * np.sin(2 * np.pi * 0.2 * TIMES) + 0.05 * np.sin(2 * np.pi * 50 * TIMES)
    ecg = np.stack([contact_signals.ecg(TIMES, b) + dirt + rng.normal(0, 0.05, len(TIMES)) for b in beats])
    ppg = np.stack([contact_signals.ppg(TIMES, b) + 0.3 * dirt + rng.normal(0, 0.02, len(TIMES)) for b in beats])
    return beats, ecg, ppg


def inside(beats: np.ndarray) -> np.ndarray:
    return beats[(beats >= 0.1) & (beats < SECONDS - 0.6)]


def test_every_r_peak_is_found_to_a_fraction_of_a_sample(hearts) -> None:
    beats, ecg, _ = hearts
    result = signals.ecg.beats_of(ecg, RATE)
    for planted, times in zip(beats, result.times, strict=True):
        times = times[np.isfinite(times)]
        nearest = np.abs(inside(planted)[:, None] - times).min(axis=1)
        assert np.median(nearest) < 0.2 / RATE
        assert nearest.max() < 1 / RATE
        assert abs(len(times) - len(planted[(planted > 0) & (planted < SECONDS)])) <= 2  # those at the very ends


@pytest.mark.parametrize("kind", ["ecg", "ppg"])
def test_rate_and_variability_are_those_of_the_planted_beats(hearts, kind) -> None:
    beats, ecg, ppg = hearts
    table = getattr(signals, kind).features({"ecg": ecg, "ppg": ppg}[kind], RATE)
    slack = {"ecg": 1.5, "ppg": 5.0}[kind]  # ms; the crest of a pulse is rounder than an R peak
    for row, planted in zip(table.values, beats, strict=True):
        crests = inside(planted)
        if kind == "ppg":  # each crest a fifth of its own beat after the foot
            crests = crests[:-1] + 0.2 * np.diff(crests)
        gaps = np.diff(crests)
        named = dict(zip(table.names, row, strict=True))
        assert named["mean_hr"] == pytest.approx(60 / gaps.mean(), abs=0.5)
        assert named["median_hr"] == pytest.approx(60 / np.median(gaps), rel=0.02)
        assert named["sdnn"] == pytest.approx(1000 * gaps.std(ddof=1), abs=slack)
        assert named["rmssd"] == pytest.approx(1000 * np.sqrt(np.mean(np.diff(gaps) ** 2)), abs=slack)
        assert named["believed"] > 0.9


@pytest.mark.parametrize("kind", ["ecg", "ppg"])
def test_beats_agree_with_neurokit(hearts, kind) -> None:
    _, ecg, ppg = hearts
    for row in {"ecg": ecg, "ppg": ppg}[kind][1:5]:
        result = getattr(signals, kind).beats_of(row, RATE).times[0]
        if kind == "ecg":
            theirs = nk.ecg_peaks(nk.ecg_clean(row, sampling_rate=128), sampling_rate=128)[1]["ECG_R_Peaks"]
        else:
            theirs = nk.ppg_findpeaks(nk.ppg_clean(row, sampling_rate=128), sampling_rate=128)["PPG_Peaks"]
        theirs = np.asarray(theirs)[2:-2] / RATE
        assert np.abs(theirs[:, None] - result).min(axis=1).max() < 2.5 / RATE


@pytest.mark.parametrize("kind", ["ecg", "ppg", "eda", "respiration"])
def test_a_batch_is_its_rows_one_by_one(hearts, kind) -> None:
    _, ecg, ppg = hearts
    slow = 5 + 0.3 * np.cumsum(ppg - ppg.mean(), axis=1) / RATE
    rows = {"ecg": ecg, "ppg": ppg, "respiration": ppg, "eda": slow}[kind]
    read = getattr(signals, kind).features
    together = read(rows, RATE).values
    alone = np.concatenate([read(row, RATE).values for row in rows])
    np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["ecg", "ppg"])
def test_upside_down_offset_and_gain_change_nothing(hearts, kind) -> None:
    _, ecg, ppg = hearts
    rows = {"ecg": ecg, "ppg": ppg}[kind]
    read = getattr(signals, kind).beats_of
    first, other = read(rows, RATE), read(-250 * rows + 7000, RATE)
    assert np.nanmax(np.abs(first.times - other.times)) < 1e-6
    assert np.array_equal(first.believed, other.believed)


@pytest.mark.parametrize("power", [0, 1, 2])
def test_noise_of_any_colour_has_no_heart_rate(power) -> None:
    rng = np.random.default_rng(power)
    f = np.fft.rfftfreq(len(TIMES), 1 / RATE)
    f[0] = 1
    noise = np.fft.irfft(np.fft.rfft(rng.normal(size=(40, len(TIMES)))) / f ** (power / 2), len(TIMES))
    for kind in ("ecg", "ppg"):
        assert np.isnan(getattr(signals, kind).features(noise, RATE)["mean_hr"]).all()


def test_a_flat_line_and_no_data_have_no_heart_rate_and_raise_no_warning() -> None:
    rows = np.stack([np.zeros(len(TIMES)), np.full(len(TIMES), np.nan), np.full(len(TIMES), 1e6)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in ("ecg", "ppg"):
            table = getattr(signals, kind).features(rows, RATE)
            assert np.isnan(table["mean_hr"]).all()
            assert (table["believed"] == 0).all()
        assert (signals.eda.features(rows, RATE)["scr_count"][[0, 2]] == 0).all()
        assert np.isnan(signals.eda.features(rows, RATE).values[1]).all()
        assert np.isnan(signals.respiration.features(rows, RATE)["rate"]).all()


def test_a_gap_in_the_data_costs_its_intervals_and_no_more(hearts) -> None:
    _, ecg, _ = hearts
    holed = ecg.copy()
    holed[:, 2000:2900] = np.nan  # 15.6 to 22.7 s
    full, table = signals.ecg.features(ecg, RATE), signals.ecg.features(holed, RATE)
    assert np.all(np.abs(table["mean_hr"] - full["mean_hr"]) < 1.5)
    assert np.all(np.abs(table["believed"] - 0.86) < 0.05)
    result = signals.ecg.beats_of(holed, RATE)
    across = (result.times[:, :-1] < 15.6) & (result.times[:, 1:] > 22.7)
    assert not (result.believed & across).any()


def test_a_missed_beat_is_no_long_interval(hearts) -> None:
    beats, _, _ = hearts
    missing = np.delete(beats[1], [20, 40])
    with_gap = contact_signals.ecg(TIMES, beats[1])
    for beat in (beats[1][20], beats[1][40]):
        with_gap[np.abs(TIMES - beat - 0.125) < 0.425] = 0.0
    result = signals.ecg.beats_of(with_gap, RATE)
    assert np.nanmax(result.intervals) > 1.8
    assert np.nanmax(np.where(result.believed, result.intervals, np.nan)) < 1.2
    gaps = np.diff(inside(missing))
    assert signals.ecg.features(with_gap, RATE)["mean_hr"][0] == pytest.approx(60 / gaps[gaps < 1.5].mean(), abs=0.3)


@pytest.mark.parametrize(("kind", "rate"), [("ecg", 50.0), ("ppg", 10.0), ("respiration", 1.0)])
def test_a_rate_too_low_for_the_signal_is_refused(kind, rate) -> None:
    with pytest.raises(ValueError, match="expected"):
        getattr(signals, kind).features(np.zeros((2, 600)), rate)
    with pytest.raises(ValueError, match="expected"):
        getattr(signals, kind).features(np.zeros((2, 3)), 128.0)
    with pytest.raises(ValueError, match="expected"):
        getattr(signals, kind).features(np.zeros((2, 3, 128)), 128.0)


@pytest.fixture(scope="module")
def sweat() -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Onsets, sizes, tonic level and signal of people who sweat now and then."""
    rng = np.random.default_rng(3)
    out = []
    for _ in range(8):
        onsets = np.cumsum(rng.uniform(3, 12, 12))
        onsets = onsets[onsets < 52]
        sizes = rng.uniform(0.15, 0.8, len(onsets))
        level, drift = rng.uniform(2, 10), rng.normal(0, 0.3)
        wave = contact_signals.skin_conductance(TIMES, onsets, sizes, level, drift) + rng.normal(0, 0.005, len(TIMES))
        out.append((onsets, sizes, level + drift * TIMES / 60, wave))
    return out


def test_responses_are_found_where_and_as_large_as_planted(sweat) -> None:
    result = signals.eda.responses(np.stack([wave for *_, wave in sweat]), RATE)
    for k, (onsets, sizes, _, _) in enumerate(sweat):
        seen = np.isfinite(result.onset[k])
        assert seen.sum() == len(onsets)
        assert np.abs(result.onset[k, seen] - onsets).max() < 0.15
        error = result.amplitude[k, seen] - sizes
        alone = np.diff(onsets, prepend=-10) > 6  # one that rises on another's tail is cut short by it
        assert np.abs(error[alone]).max() < 0.06
        assert error.max() < 0.06
        assert np.all(result.peak[k, seen] - result.onset[k, seen] < 2.0)


def test_responses_do_not_lift_the_tonic_level(sweat) -> None:
    """More responses, the same level: a low-passed signal rises with them, this one must not."""
    result = signals.eda.responses(np.stack([wave for *_, wave in sweat]), RATE)
    for k, (_, _, level, wave) in enumerate(sweat):
        error = abs(float((result.tonic[k] - level).mean()))
        assert error < 0.08
        assert error < 0.5 * abs(float((wave - level).mean()))
        np.testing.assert_allclose(result.tonic[k] + result.phasic[k], signals.eda.clean(wave, RATE)[0])


def test_eda_is_cleaned_and_split_as_neurokit_does_it(sweat) -> None:
    for *_, wave in sweat[:3]:
        clean = nk.eda_clean(wave, sampling_rate=128)
        mine = signals.eda.clean(wave, RATE)[0]
        assert np.abs(mine - clean)[64:-64].max() < 0.02
        result = signals.eda.responses(wave, RATE)
        phasic = nk.eda_phasic(clean, sampling_rate=128, method="highpass")["EDA_Phasic"].to_numpy()
        assert np.corrcoef(np.diff(result.phasic[0]), np.diff(phasic))[0, 1] > 0.9
        theirs = np.asarray(nk.eda_peaks(phasic, sampling_rate=128)[1]["SCR_Peaks"]) / RATE
        both = np.abs(theirs[:, None] - result.peak[0][np.isfinite(result.peak[0])]).min(axis=1)
        assert np.median(both) < 0.15


def test_no_responses_in_noise_or_on_a_slope() -> None:
    rng = np.random.default_rng(4)
    rows = np.stack([5 + rng.normal(0, 0.05, len(TIMES)), 5 + TIMES / 20, 5 - TIMES / 20, np.full(len(TIMES), 3.0)])
    for smallest in (signals.eda.SMALLEST, None):
        table = signals.eda.features(rows, RATE, smallest)
        assert table["scr_count"].tolist() == [0, 0, 0, 0]
        assert np.isnan(table["scr_amplitude"]).all()
        assert table["tonic_slope"] == pytest.approx([0, 3, -3, 0], abs=0.05)


def test_responses_of_an_unknown_unit_are_the_same(sweat) -> None:
    wave = sweat[0][-1]
    single = signals.eda.responses(wave, RATE, None)
    other = signals.eda.responses(1000 * wave, RATE, None)
    np.testing.assert_allclose(single.onset, other.onset)
    np.testing.assert_allclose(1000 * single.amplitude, other.amplitude)


def test_eda_of_four_samples_a_second_is_read_too(sweat) -> None:
    onsets, _, _, wave = sweat[1]
    result = signals.eda.responses(wave[::32], 4.0)
    assert np.isfinite(result.onset).sum() == len(onsets)
    assert np.abs(result.onset[0] - onsets).max() < 0.5


@pytest.mark.parametrize("rate", [7.0, 12.0, 15.5, 24.0])
def test_breath_is_counted(rate) -> None:
    rng = np.random.default_rng(5)
    beat = 0.1 * contact_signals.ppg(TIMES, planted_beats(70))
    wave = 40 * contact_signals.breath(TIMES, rate) + 16 + beat + 0.1 * TIMES + rng.normal(0, 2, len(TIMES))
    table = signals.respiration.features(np.stack([wave, -wave]), RATE)
    assert table["rate"] == pytest.approx([rate, rate], abs=0.3)
    assert table["depth"] == pytest.approx([80, 80], rel=0.15)
    assert (table["regularity"] > 0.9).all()
    clean = nk.rsp_clean(wave, sampling_rate=128)
    theirs = np.asarray(nk.rsp_findpeaks(clean, sampling_rate=128)["RSP_Peaks"]) / RATE
    result = signals.respiration.breaths_of(wave, RATE).times[0]
    assert np.abs(theirs[1:-1, None] - result).min(axis=1).max() < 0.5


def test_white_noise_seldom_breathes() -> None:
    noise = np.random.default_rng(6).normal(size=(100, len(TIMES)))
    assert np.isfinite(signals.respiration.features(noise, RATE)["rate"]).mean() < 0.2


def test_features_go_by_the_channels_names(hearts) -> None:
    _, ecg, ppg = hearts
    table = signals.features(np.stack([ecg, ppg], axis=1), RATE, ("ecg_left", "ppg"))
    assert table.values.shape == (6, 14)
    assert np.array_equal(table["ecg_left_mean_hr"], signals.ecg.features(ecg, RATE)["mean_hr"])
    assert np.array_equal(table["ppg_rmssd"], signals.ppg.features(ppg, RATE)["rmssd"], equal_nan=True)
    with pytest.raises(KeyError, match="expected one of"):
        table["ecg_mean_hr"]
    with pytest.raises(ValueError, match="got eeg"):
        signals.features(np.zeros((1, 1, 1280)), RATE, ("eeg",))
    with pytest.raises(ValueError, match="a channel a name"):
        signals.features(np.zeros((1, 2, 1280)), RATE, ("ecg",))
    with pytest.raises(ValueError, match="a column for each"):
        signals.SignalFeatures(("a",), ("s",), np.zeros((3, 2)))


# What is wrong with a signal

def test_nothing_is_wrong_with_what_is_good(hearts, sweat) -> None:
    _, ecg, ppg = hearts
    for kind, rows in (("ecg", ecg), ("ppg", ppg), ("eda", np.stack([wave for *_, wave in sweat]))):
        verdict = signals.quality.check_quality(rows, RATE, kind, times=TIMES)
        assert set(verdict.words) == {()}
        assert verdict.quality.min() == 1
    coarse = np.round(8 * np.sin(2 * np.pi * 0.25 * TIMES))  # few levels, tops of many equal samples: no clipping
    assert signals.quality.check_quality(coarse, RATE, "respiration").words == ((),)


def test_no_data_flat_lines_and_clipping_are_found_where_they_are(hearts) -> None:
    _, ecg, ppg = hearts
    lost, flat = ecg[0].copy(), ecg[0].copy()
    lost[1280:1536] = np.nan
    flat[2560:3840] = flat[2560]
    top, bottom = np.minimum(ppg[0], np.quantile(ppg[0], 0.9)), np.maximum(ppg[0], np.quantile(ppg[0], 0.1))
    expected = (np.isnan(lost), (np.arange(len(TIMES)) >= 2560) & (np.arange(len(TIMES)) < 3840),
                top == top.max(), bottom == bottom.min())
    for kind, row, where, word in zip(("ecg", "ecg", "ppg", "ppg"), (lost, flat, top, bottom), expected,
                                      ("no data 3.3%, longest 2 s from 10 s", "flat line 16.7%, longest 10 s from 20 s",
                                       "clipped", "clipped"), strict=True):
        verdict = signals.quality.check_quality(np.stack([row, row]), RATE, kind)
        assert len(verdict.words[1]) == 1
        assert word in verdict.words[1][0]
        assert not ((verdict.quality[0] == 0) & ~where).any()
        assert (verdict.quality[0] == 0).sum() > 0.7 * where.sum()  # clipped crests of one or two samples are let go


def test_a_wrong_rate_is_reported_by_the_stamps_or_the_length() -> None:
    stamps = np.arange(2750) / 275
    (words,) = signals.quality.check_quality(np.sin(stamps), 250.0, "ppg", times=stamps).words
    assert words == ("wrong rate: 250 Hz stated, 275 Hz by the time stamps",)
    assert "120 Hz by 7200 samples in 60 s" in signals.quality.wrong_rate(7200, 128.0, seconds=60.0)
    assert signals.quality.wrong_rate(7680, 128.0, seconds=60.0) == ""
    assert signals.quality.wrong_rate(7680, 128.0) == ""


def test_a_signal_is_judged_by_its_worst_channel(hearts) -> None:
    _, ecg, ppg = hearts
    values = np.stack([ecg[0], ppg[0]])
    values[1, :640] = np.nan
    judged, words = signals.quality.quality_table(Signal(values, RATE, ("ecg", "ppg"), ("mV", "")))
    assert judged.quality.mean() == pytest.approx(1 - 640 / len(TIMES))
    assert words == ("ppg: no data 8.3%, longest 5 s from 0 s",)
    mended = Signal(np.nan_to_num(values), RATE, ("ecg", "ppg"), ("mV", ""), quality=judged.quality)
    again, _ = signals.quality.quality_table(mended)
    assert again.quality.max() == 1
    assert (again.quality <= judged.quality).all()


@pytest.mark.parametrize(("rate", "mains"), [(128.0, 50.0), (250.0, 60.0), (1000.0, 50.0)])
def test_hum_of_the_mains_is_named_and_clean_or_noisy_signals_have_none(rate, mains) -> None:
    times = np.arange(0, 30, 1 / rate)
    ecg = contact_signals.ecg(times, np.arange(-2.0, 34.0))
    noise = np.random.default_rng(0).normal(0, 0.3, len(times))
    (words,) = signals.quality.check_quality(ecg + 0.3 * np.sin(2 * np.pi * mains * times), rate, "ecg").words
    assert [word.split(",")[0] for word in words] == [f"hum of the mains at {mains:g} Hz"]
    for clean in (ecg, noise, np.sin(2 * np.pi * 1.2 * times)):
        assert signals.quality.mains_hum(clean, rate) is None
    assert signals.quality.mains_hum(ecg, 64.0) is None


@pytest.mark.parametrize(("level", "unit", "is_named"), [
    (0.01, "uS", True), (80.0, "uS", True), (4.0, "uS", False), (0.01, "", False), (80.0, "uS?", False)])
def test_skin_conductance_that_no_skin_has_is_named(level, unit, is_named) -> None:
    values = np.random.default_rng(0).normal(4.0, 0.01, 4000)
    values[1000:2000] = level + np.random.default_rng(1).normal(0, 0.001, 1000)
    _, notes = signals.quality.quality_table(Signal(values[None], 32.0, ("eda",), (unit,)))
    assert any("electrode off or shorted: 25.0% outside of 0.05 to 60 uS" in note for note in notes) is is_named


def test_an_electrode_that_is_off_is_named() -> None:
    times = np.arange(0, 30, 1 / 250)
    ecg = contact_signals.ecg(times, np.arange(-2.0, 34.0))
    ecg[2500:5000] = 3.3  # the amplifier rests at the end of its scale
    (words,) = signals.quality.check_quality(ecg, 250.0, "ecg").words
    assert any(word.startswith("electrode off or amplifier saturated: 33.") for word in words)
    (words,) = signals.quality.check_quality(np.where(times < 10, 0.2, ecg), 250.0, "ecg").words
    assert any(word.startswith("flat line") for word in words)
