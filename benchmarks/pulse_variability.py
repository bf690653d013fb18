"""Errors of the camera's RMSSD and respiration, on skin traces with a planted heart and breath.

    python benchmarks/pulse_variability.py [--count 12]

No pictures: `pulse_disturbances.Draw` makes the traces at 30 Hz, with slow light, sensor noise, and a head that moves
with the breath. The heart's intervals hold respiratory and slow waves and random steps, scaled to an RMSSD of 15 to
80 ms; breath also moves the pulse's height and the skin's brightness, 8 to 24 a minute. Three levels of noise, three
lengths. What the camera keeps of a pulse after video coding is not in these figures.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from mien import rppg
from pulse_disturbances import RATE, Draw

LENGTHS = (60.0, 120.0, 300.0)
NOISES = (0.05, 0.15, 0.4)
"""Grey levels of noise of a region's mean, each frame."""


@dataclass(frozen=True)
class Planted:
    """Beats (B,) s, RMSSD in ms and breaths a minute."""

    beats: np.ndarray
    rmssd: float
    breaths: float


def heart(rng: np.random.Generator, seconds: float) -> Planted:
    """A heart with a planted RMSSD and breath."""
    target, breaths = rng.uniform(0.015, 0.080), rng.uniform(8, 24)
    mean, share = 60 / rng.uniform(52, 85), rng.uniform(0.3, 0.9)
    count = int(seconds / mean) + 12
    index = np.arange(count) * mean
    breath = np.sin(2 * np.pi * breaths / 60 * index)
    swings = share * breath / np.sqrt(np.mean(np.diff(breath) ** 2)) + \
        np.sqrt(1 - share**2) * rng.normal(size=count) / np.sqrt(2)
    gaps = mean + swings * target / np.sqrt(np.mean(np.diff(swings) ** 2)) + 0.02 * np.sin(2 * np.pi * 0.07 * index)
    beats = np.cumsum(gaps) - 4
    inside = beats[(beats > 0) & (beats < seconds)]
    return Planted(beats, 1000 * float(np.sqrt(np.mean(np.diff(inside, 2) ** 2))), breaths)


def read(seed: int, seconds: float, noise: float) -> tuple[Planted, rppg.Vitals]:
    """One draw and what the camera reads of it."""
    draw = Draw(seed, seconds)
    draw.noise = noise
    planted = heart(draw.rng, seconds)
    breath = np.sin(2 * np.pi * planted.breaths / 60 * draw.times)
    phase = 2 * np.pi * np.interp(draw.times, planted.beats, np.arange(len(planted.beats)))
    size = draw.rng.uniform(0.005, 0.012) * (1 + 0.12 * breath)
    pulse = size * (np.cos(phase) + 0.3 * np.cos(2 * phase - 0.5)) / 1.3 + 0.0015 * breath
    draw.place[:, 1] += 0.8 * breath
    draw.pose[:, 0] += 0.2 * breath
    return planted, rppg.vitals(draw.window(pulse))


def cell(errors: list[float], count: int, unit: str) -> str:
    """Coverage, mean absolute error and bias."""
    if not errors:
        return f"0 of {count}"
    return f"{len(errors)} of {count}, {np.mean(np.abs(errors)):.1f} {unit}, bias {np.mean(errors):+.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=12)
    options = parser.parse_args()
    print(f"`python benchmarks/pulse_variability.py --count {options.count}`: answered, mean absolute error, bias.\n")
    print(f"| length s | noise, grey levels at {RATE:g} Hz | RMSSD | respiration | breath wrong by more than 3 |")
    print("|---|---|---|---|---|")
    for seconds in LENGTHS:
        for noise in NOISES:
            beats, breaths = [], []
            for seed in range(options.count):
                planted, result = read(7000 + seed, seconds, noise)
                rmssd, breath = result.hrv["rmssd"].value, result.respiration.value
                beats += [] if rmssd is None else [rmssd - planted.rmssd]
                breaths += [] if breath is None else [breath - planted.breaths]
            wrong = sum(abs(error) > 3 for error in breaths)
            print(f"| {seconds:g} | {noise} | {cell(beats, options.count, 'ms')} | "
                  f"{cell(breaths, options.count, 'a minute')} | {wrong} |", flush=True)


if __name__ == "__main__":
    main()
