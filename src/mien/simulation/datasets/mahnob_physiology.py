"""The 47 channels of a MAHNOB-HCI session: EEG, ECG, skin conductance, respiration, temperature and Status."""

from __future__ import annotations

import numpy as np

from mien.simulation.datasets import bdf, contact_signals, markers, participants

RATE = 256
MARGIN = 30.0         # s before and after the stimulus
PULSE = 268           # value of Status at the onset and the end of the stimulus
PULSE_LENGTH = 26     # samples; our choice: a tenth of a second
DECOY = 50            # number in the marks of the margins
EEG = ("Fp1", "AF3", "F3", "F7", "FC5", "FC1", "C3", "T7", "CP5", "CP1", "P3", "P7", "PO3", "O1", "Oz", "Pz",
       "Fp2", "AF4", "Fz", "F4", "F8", "FC6", "FC2", "Cz", "C4", "T8", "CP6", "CP2", "P4", "P8", "PO4", "O2")
IDLE = 16.0           # value of Resp without a belt


def channels(
    act: participants.SimulatedTrial, event: float, number: int, belt: bool, marked: bool, rng: np.random.Generator
) -> list[bdf.Channel]:
    """Simulate the channels of a session, from 30 s before to 30 s after the stimulus.

    The ECG electrodes share drift and mains hum; EXG2 - EXG1 is the ECG. EEG channel k has a tone of 5 + k Hz.

    Args:
        act: simulated body.
        event: time of the event in s after the onset.
        number: number in the marks.
        belt: the participant wears the respiration belt.
        marked: add the marks.
        rng: random generator.

    Returns:
        The 47 channels.
    """
    edge = round((MARGIN + act.span) * RATE)
    count = edge + round(MARGIN * RATE)
    times = np.arange(count) / RATE - MARGIN
    mark = np.zeros(count)
    if marked:
        mark = _marks(times, act.span, event, number)
    resp = np.full(count, IDLE)
    if belt:
        resp = resp + 300 * contact_signals.breath(times, act.who.breath) + rng.normal(0, 2, count)
    siemens = (
        contact_signals.skin_conductance(times, act.responses, act.sizes, act.who.tonic, rng.normal(0, 0.2)) + mark
    )
    warm = contact_signals.temperature(times, act.who.skin, rng.normal(0, 0.05)) + 0.5 * mark
    return [
        *_brain(times, rng), *_chest(times, act, rng),
        bdf.Channel("GSR1", 1e6 / (siemens + rng.normal(0, 0.001, count)), "Ohm", (-2097152, 2097151)),
        bdf.Channel("GSR2", rng.normal(0, 1, count), "Ohm", (-2097152, 2097151)),
        bdf.Channel("Erg1", np.zeros(count)), bdf.Channel("Erg2", np.zeros(count)),
        bdf.Channel("Resp", resp, "uV"),
        bdf.Channel("Temp", warm + rng.normal(0, 0.002, count), "degC", (-1000, 1000)),
        _status(count, (round(MARGIN * RATE), edge), rng),
    ]


def _marks(times: np.ndarray, span: float, event: float, number: int) -> np.ndarray:
    """The rectangle of the trial, and steeper ones with another number before the onset and after the end."""
    decoys = markers.rectangle(times, -20.0, DECOY) + markers.rectangle(times, span + 8.0, DECOY)
    return markers.rectangle(times, event, number) + 1.5 * decoys


def _brain(times: np.ndarray, rng: np.random.Generator) -> list[bdf.Channel]:
    tones = 10 * np.sin(2 * np.pi * (5 + np.arange(32))[:, None] * times + rng.uniform(0, 2 * np.pi, (32, 1)))
    waves = tones + rng.normal(0, 3, tones.shape) + rng.uniform(-9000, 9000, (32, 1))
    return [bdf.Channel(name, wave) for name, wave in zip(EEG, waves, strict=True)]


def _chest(times: np.ndarray, act: participants.SimulatedTrial, rng: np.random.Generator) -> list[bdf.Channel]:
    beat = 1000 * contact_signals.ecg(times, act.beats)
    shared = 2000 * np.sin(2 * np.pi * 0.01 * times) + 40 * np.sin(2 * np.pi * 50 * times)
    shared = shared + 80 * contact_signals.breath(times, act.who.breath)
    share = {1: -0.35, 2: 0.65, 3: 0.9}
    return [bdf.Channel(f"EXG{k}", shared + share.get(k, 0.0) * beat + rng.normal(0, 5, len(times)))
            for k in range(1, 9)]


def _status(count: int, edges: tuple[int, int], rng: np.random.Generator) -> bdf.Channel:
    """Status channel: two pulses in the low 16 bits, and the random state of the amplifier in the high 8 bits."""
    codes = np.repeat(rng.integers(0, 256, -(-count // 64)), 64)[:count] << 16
    for edge in edges:
        codes[edge : edge + PULSE_LENGTH] |= PULSE
    return bdf.status(codes)
