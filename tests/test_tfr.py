"""Time-frequency images against PyWavelets and SciPy, and against tones and chirps whose course is planted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mien.signals import tfr

RATE, COUNT = 30.0, 300
FREQUENCIES = tfr.frequency_grid(64)
CENTRE = tfr.MORLET_OMEGA / (2 * np.pi)


def pulses(count: int = 3, seconds: float = 10.0, rate: float = RATE) -> np.ndarray:
    """(count, N) waves like a pulse: a wandering rate, a harmonic, noise."""
    rng = np.random.default_rng(1)
    times = np.arange(int(seconds * rate)) / rate
    start = rng.uniform(0.9, 2.0, (count, 1))
    phase = 2 * np.pi * (start * times + 0.05 * np.sin(2 * np.pi * 0.1 * times))
    return np.sin(phase) + 0.3 * np.sin(2 * phase + 1) + 0.5 * rng.standard_normal((count, len(times)))


def alike(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def by_pywavelets(wave: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Magnitudes (F, N); the name of the wavelet holds omega0 / 2 pi in full, and precision 14 its whole shape."""
    pywt = pytest.importorskip("pywt")
    scales = CENTRE * RATE / frequencies
    result, _ = pywt.cwt(wave, scales, f"cmor2.0-{CENTRE!r}", 1 / RATE, method="fft", precision=14)
    return np.abs(result) / np.sqrt(scales)[:, None]  # equal tones, equal heights


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_wavelet_transform_is_that_of_pywavelets(dtype):
    waves = pulses()
    ours = tfr.cwt(torch.tensor(waves, dtype=dtype), RATE, FREQUENCIES).abs().numpy()
    for wave, result in zip(waves, ours, strict=True):
        reference = by_pywavelets(wave, FREQUENCIES)
        assert alike(result, reference) >= 0.9999
        ratio = result.max() / reference.max()
        assert abs(result / ratio - reference).max() < 0.03 * reference.max()  # PyWavelets steps through its integral


def test_the_image_is_that_of_pywavelets_made_by_hand():
    waves = pulses()
    ours = tfr.tfr_image(torch.tensor(waves, dtype=torch.float32), RATE, (64, 224)).numpy()
    assert ours.shape == (3, 1, 64, 224)
    tone = by_pywavelets(np.sin(2 * np.pi * 2.0 * np.arange(3000) / RATE), np.array([2.0]))[0, 1500]
    for wave, result in zip(waves, ours, strict=True):
        magnitude = by_pywavelets((wave - wave.mean()) / wave.std(), FREQUENCIES)
        times = (np.arange(224) + 0.5) * COUNT / 224 - 0.5
        reference = np.log1p(np.stack([np.interp(times, np.arange(COUNT), row) for row in magnitude / tone]))
        assert alike(result[0], reference) >= 0.9995


def test_the_short_time_transform_is_that_of_scipy():
    signal = pytest.importorskip("scipy.signal")
    window = signal.windows.hann(int(tfr.STFT_SECONDS * RATE) + 1)
    short = signal.ShortTimeFFT(window, 1, RATE, mfft=1024)
    inside = (short.f >= tfr.LOW) & (short.f <= tfr.HIGH)
    for wave in pulses():
        reference = np.abs(short.stft(wave, p0=0, p1=COUNT))[inside]
        result = tfr.stft(torch.tensor(wave[None]), RATE, short.f[inside])[0].abs().numpy()
        assert alike(result, reference) >= 0.9999
        assert result.max() == pytest.approx(2 / window.sum() * reference.max(), rel=1e-3)


@pytest.mark.parametrize("kind", ["cwt", "stft"])
@pytest.mark.parametrize("columns", [100, 20])
def test_fewer_columns_are_exact_values_at_their_middles(kind, columns):
    waves = torch.tensor(pulses())
    part = COUNT // columns
    full = tfr.TRANSFORMS[kind](waves, RATE, FREQUENCIES, None)[..., part // 2 :: part]  # 3 and 15: odd
    few = tfr.TRANSFORMS[kind](waves, RATE, FREQUENCIES, columns)
    assert few.shape == full.shape
    torch.testing.assert_close(few, full, atol=2e-3 if kind == "stft" else 1e-4, rtol=0)


@pytest.mark.parametrize("kind", ["cwt", "stft"])
@pytest.mark.parametrize("rate", [0.9, 1.4, 2.5, 3.8])
def test_a_tone_reads_its_amplitude_at_its_frequency(kind, rate):
    times = np.arange(1800) / RATE
    wave = torch.tensor(1.7 * np.sin(2 * np.pi * rate * times)[None])
    result = tfr.TRANSFORMS[kind](wave, RATE, np.array([rate / 1.5, rate, 1.5 * rate]), None)[0, :, 900].abs()
    assert result[1] == pytest.approx(1.7, rel=1e-3)
    assert max(result[0], result[2]) < 0.5 * 1.7


def test_synchrosqueezing_puts_a_chirp_on_its_course_and_adds_up_to_it():
    times = np.arange(1800) / RATE
    course = 1.0 + 1.5 * times / times[-1]
    wave = np.sin(2 * np.pi * np.cumsum(course) / RATE)
    frequencies = tfr.frequency_grid(224, 0.3, 8.0)
    result = tfr.ssq(torch.tensor(wave[None]), RATE, frequencies)[0]
    inner = slice(150, 1650)
    ridge = frequencies[result.abs().argmax(dim=0)][inner]
    gap = frequencies[1] / frequencies[0]
    assert np.abs(np.log(ridge / course[inner])).max() < 2 * np.log(gap)
    power = result.abs().square()[:, inner].numpy()
    near = np.abs(np.log(frequencies[:, None] / course[inner])) < 2.5 * np.log(gap)
    spread = tfr.cwt(torch.tensor(wave[None]), RATE, frequencies)[0].abs().square()[:, inner].numpy()
    assert (power * near).sum() > 0.95 * power.sum()
    assert (spread * near).sum() < 0.3 * spread.sum()
    assert np.abs(result.real.sum(dim=0).numpy() - wave)[inner].max() < 0.02


def test_synchrosqueezing_has_the_ridge_of_ssqueezepy():
    """Waves like a pulse, with harmonic and noise: where each brings most together, within a row of the other's."""
    ssqueezepy = pytest.importorskip("ssqueezepy")
    frequencies = tfr.frequency_grid(224)
    waves = pulses(3, seconds=20.0)
    ours = tfr.ssq(torch.tensor(waves), RATE, frequencies).abs().numpy()
    inner = slice(100, 500)  # ssqueezepy mirrors what lies before and behind, here it is zero
    for wave, result in zip(waves, ours, strict=True):
        made, _, rows, *_ = ssqueezepy.ssq_cwt(wave, ("morlet", {"mu": tfr.MORLET_OMEGA}), fs=RATE, nv=32)
        band = (rows >= tfr.LOW) & (rows <= tfr.HIGH)
        theirs = rows[band][np.abs(made[band]).argmax(axis=0)][inner]
        ratio = np.abs(np.log(frequencies[result.argmax(axis=0)][inner] / theirs))
        assert np.mean(ratio < np.log(2) / 32) > 0.9  # a row of theirs
        assert np.median(ratio) < np.log(2) / 64


def test_synchrosqueezing_keeps_two_tones_apart():
    times = np.arange(1800) / RATE
    wave = np.sin(2 * np.pi * 1.1 * times) + 0.5 * np.sin(2 * np.pi * 3.3 * times)
    frequencies = tfr.frequency_grid(224, 0.3, 8.0)
    result = tfr.ssq(torch.tensor(wave[None]), RATE, frequencies)[0, :, 300:1500].numpy()
    near = [np.abs(np.log(frequencies / tone)) < 0.05 for tone in (1.1, 3.3)]
    power = (np.abs(result) ** 2).sum(axis=1)
    assert (near[0] | near[1]) @ power > 0.95 * power.sum()
    assert [np.abs(result[rows].sum(axis=0)).mean() for rows in near] == pytest.approx([1.0, 0.5], rel=0.05)


@pytest.mark.parametrize("kind", ["cwt", "stft", "ssq", "wave"])
def test_images_are_between_0_and_1_and_a_batch_of_three_is_three_of_one(kind):
    waves = torch.tensor(pulses(), dtype=torch.float32)
    full = tfr.tfr_image(waves, RATE, (32, 48), kind)
    assert full.shape == (3, 1, 32, 48)
    assert torch.equal(full.amin(dim=(1, 2, 3)), torch.zeros(3))
    torch.testing.assert_close(full.amax(dim=(1, 2, 3)), torch.ones(3))
    each = torch.cat([tfr.tfr_image(wave[None], RATE, (32, 48), kind) for wave in waves])
    if kind == "ssq":  # a value at the border of two rows may fall into either
        assert ((full - each).abs() < 1e-4).float().mean() > 0.99
    else:
        torch.testing.assert_close(full, each, rtol=1e-4, atol=1e-5)
    # neither offset nor size of the waveform is in its image
    torch.testing.assert_close(
        tfr.tfr_image(5 + 100 * waves, RATE, (32, 48), "cwt"),
        tfr.tfr_image(waves, RATE, (32, 48)),
        rtol=1e-3,
        atol=1e-3,
    )


def test_a_faster_pulse_is_higher_in_the_image():
    times = np.arange(COUNT) / RATE
    waves = torch.tensor(np.stack([np.sin(2 * np.pi * rate * times) for rate in (1.0, 1.1, 2.0)]), dtype=torch.float32)
    rows = tfr.tfr_image(waves, RATE, (224, 224))[:, 0].mean(dim=-1).argmax(dim=1)
    expected = np.log(np.array([1.0, 1.1, 2.0]) / tfr.LOW) / np.log(tfr.HIGH / tfr.LOW) * 223
    assert np.abs(rows.numpy() - expected).max() <= 3


def test_a_flat_wave_is_an_empty_image_not_nan():
    for kind in ("cwt", "stft", "ssq", "wave"):
        assert not tfr.tfr_image(torch.ones(2, COUNT), RATE, (8, 8), kind).any()


def test_tfr_image_refuses_bad_waves():
    waves = torch.zeros(1, COUNT)
    for bad, reported in ((torch.zeros(COUNT), "B, N"), (waves + torch.nan, "finite"), (waves.long(), "float")):
        with pytest.raises(ValueError, match=reported):
            tfr.tfr_image(bad, RATE, (8, 8))
    with pytest.raises(ValueError, match="more than 8 samples a second, got 5"):
        tfr.tfr_image(waves, 5.0, (8, 8))
    with pytest.raises(ValueError, match="expected cwt, stft, ssq, wave, got 'dwt'"):
        tfr.tfr_image(waves, RATE, (8, 8), "dwt")
    with pytest.raises(ValueError, match="log-spaced"):
        tfr.ssq(waves, RATE, np.linspace(1, 2, 9))
