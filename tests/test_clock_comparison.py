"""Offset and drift of a sensor's clock from the beats that it and the camera saw, on planted hearts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mien.core.observations import Signal, Window
from mien.core.tasks import ACTION_UNITS
from mien.datasets import readers
from mien.inference import contact_clock
from mien.signals.clock_comparison import compare_clocks
from mien.simulation.datasets import contact_signals


def heart(seconds: float, seed: int) -> np.ndarray:
    """Beats whose intervals follow breathing and slow waves."""
    rng = np.random.default_rng(seed)
    phases = rng.uniform(0, 2 * np.pi, 6)
    beats = [0.0]
    while beats[-1] < seconds:
        t = beats[-1]
        slow = np.sin(2 * np.pi * np.array([0.011, 0.027, 0.05, 0.09, 0.21, 0.26]) * t + phases).sum()
        beats.append(t + 0.85 + 0.03 * slow + rng.normal(0, 0.01))
    return np.array(beats)


def camera(beats: np.ndarray, seed: int, jitter: float = 0.04, lost: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.sort((beats + rng.normal(0, jitter, len(beats)))[rng.random(len(beats)) > lost])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("offset", "drift", "seconds"), [(0.0, 0.0, 600), (0.2, 0.001, 600), (-7.3, -0.001, 600),
                                                          (12.0, 0.0, 240)])
def test_planted_offset_and_drift_are_found_within_the_stated_certainty(offset, drift, seconds, seed) -> None:
    true = heart(seconds, seed)
    sensor = (true - offset) * (1 - drift)  # the sensor's clock loses `drift` s each second
    result = compare_clocks(sensor, camera(true, seed + 10))
    assert result is not None
    middle = seconds / 2
    assert result.offset == pytest.approx(offset + drift * (middle - offset), abs=max(2 * result.offset_error, 0.02))
    assert result.drift == pytest.approx(drift, abs=max(2 * result.drift_error, 2e-5))
    assert result.offset_error < 0.05
    assert result.drift_error < (1e-4 if seconds == 600 else 1e-3)


@pytest.mark.parametrize("seed", range(10))
def test_other_hearts_steady_hearts_and_short_ones_give_no_estimate(seed) -> None:
    assert compare_clocks(heart(300, seed), camera(heart(300, seed + 100), seed)) is None
    steady = np.arange(0, 300, 0.85)
    assert compare_clocks(steady, camera(steady, seed)) is None
    assert compare_clocks(heart(40, seed), camera(heart(40, seed), seed)) is None
    assert compare_clocks(np.zeros(0), np.zeros(0)) is None


def test_a_recording_tells_a_drift_of_a_tenth_of_a_percent_and_corrects_nothing(tmp_path, monkeypatch) -> None:
    """An ECG whose clock runs slow, beside the pulse of the same heart in the camera, over five minutes."""
    true, drift = heart(300.0, 1), 0.001
    times = np.arange(0, 300, 1 / 128)  # by the camera
    wave = contact_signals.ecg(times, true)
    path = tmp_path / "ecg.csv"
    lines = [f"{t * (1 - drift):.4f},{v:.4f}" for t, v in zip(times, wave, strict=True)]
    path.write_text("\n".join(["time,ecg", *lines]))
    contact = readers.contact_signals(path, seconds=300.0)
    at = np.arange(0, 300, 1 / 30)
    pulse = Signal(contact_signals.ppg(at, true)[None], 30.0, ("pulse",), ("",), 0.0, np.ones(len(at)))
    monkeypatch.setattr(contact_clock.rppg, "waveform", lambda window: pulse)
    none = np.zeros((2, 3))
    units = np.zeros((2, len(ACTION_UNITS)))
    window = Window(0.0, 300.0, np.array([0.0, 300.0]), np.zeros((2, 4, 3)), none, units, none,
                    none[:, :2])
    [note] = contact_clock.clock_notes(contact, window)
    assert "its clock is 0.10" in note
    assert "slow: not corrected, give --physio-anchor" in note
    aligned, [note] = contact_clock.align_by_beats(
        contact, window, lambda correction: readers.contact_signals(path, seconds=300.0, correction=correction))
    assert note.endswith("slow: corrected, the pulse's way to the face included")
    assert contact_clock.clock_notes(aligned, window) == []
    beats = aligned.beats("ecg")
    early = true[np.searchsorted(true, beats)] - beats  # the pulse comes later than the heart's beat
    assert np.median(early[:100]) == pytest.approx(np.median(early[-100:]), abs=0.03)
    assert 0 < np.median(early) < 0.5
    steady = replace(pulse, values=np.sin(2 * np.pi * at)[None])
    monkeypatch.setattr(contact_clock.rppg, "waveform", lambda window: steady)
    same, [note] = contact_clock.align_by_beats(contact, window, lambda correction: pytest.fail("corrected"))
    assert same is contact
    assert note.endswith("got none that fit a single offset: not corrected")
    monkeypatch.setattr(contact_clock.rppg, "waveform", lambda window: pulse)
    even = readers.contact_signals(path, seconds=300.0, anchors=("0=0", f"299={299 * (1 - drift):.4f}"))
    assert contact_clock.clock_notes(even, window) == []
