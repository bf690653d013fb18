"""Time-frequency images of pulses: a batch here against a loop over PyWavelets (and ssqueezepy) in the same run.

    python benchmarks/tfr.py [--quick] [--threads N]

PyWavelets makes the same image: 224 log-spaced rows from 0.7 to 4 Hz, magnitude, log(1 + m), 224 columns, 0..1.
ssqueezepy chooses its rows itself, 234 over all frequencies at 32 an octave; columns and the rest are the same.
Windows of 10 s at 30 Hz. Each figure is the best of several rounds, taken in turns.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable

import numpy as np
import pywt
import torch

from mien.signals import tfr

RATE, SIZE = 30.0, (224, 224)
CENTRE = tfr.MORLET_OMEGA / (2 * np.pi)


def waves(count: int) -> np.ndarray:
    """(count, 300): a tone of 50 to 130 bpm, its harmonic and noise."""
    rng = np.random.default_rng(0)
    phase = 2 * np.pi * rng.uniform(0.8, 2.2, (count, 1)) * np.arange(300) / RATE
    return np.sin(phase) + 0.3 * np.sin(2 * phase) + 0.5 * rng.standard_normal(phase.shape)


def scaled(wave: np.ndarray) -> np.ndarray:
    return (wave - wave.mean()) / wave.std()


def finish(magnitude: np.ndarray) -> np.ndarray:
    """(F, N) -> the image (F, T)."""
    result = np.log1p(magnitude)
    at = (np.arange(SIZE[1]) + 0.5) * result.shape[1] / SIZE[1] - 0.5
    low = np.clip(at.astype(int), 0, result.shape[1] - 2)
    part = np.clip(at - low, 0, 1)
    result = result[:, low] * (1 - part) + result[:, low + 1] * part
    return (result - result.min()) / (result.max() - result.min())


def by_pywavelets(wave: np.ndarray) -> np.ndarray:
    frequencies = tfr.frequency_grid(SIZE[0])
    scales = CENTRE * RATE / frequencies
    result, _ = pywt.cwt(scaled(wave), scales, f"cmor2.0-{CENTRE!r}", 1 / RATE, method="fft", precision=14)
    return finish(2.01 * np.abs(result) / np.sqrt(scales)[:, None])  # 2.01: a tone of 1 reads 1


def by_ssqueezepy(wave: np.ndarray) -> np.ndarray:
    import ssqueezepy

    result, *_ = ssqueezepy.ssq_cwt(scaled(wave), ("morlet", {"mu": tfr.MORLET_OMEGA}), fs=RATE, nv=32)
    return finish(np.abs(result))


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0: as many as it likes")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    count, rounds = (16, 3) if options.quick else (64, 9)
    made = waves(count)
    batch = torch.tensor(made, dtype=torch.float32)
    loops = {"PyWavelets": ("cwt", by_pywavelets)}
    if importlib.util.find_spec("ssqueezepy"):
        loops["ssqueezepy"] = ("ssq", by_ssqueezepy)
    print(f"`python benchmarks/tfr.py{' --quick' if options.quick else ''}`: {count} windows of 10 s, {rounds} rounds, "
          f"torch {torch.__version__} with {torch.get_num_threads()} threads\n")
    print("| image | batch here, ms a window | loop over | ms a window | times faster | correlation, lowest |")
    print("|---|---|---|---|---|---|")
    for name, (kind, reference) in loops.items():
        reference(made[0]), tfr.tfr_image(batch, RATE, SIZE, kind)  # caches and threads are warm
        pairs = [(seconds(lambda k=kind: tfr.tfr_image(batch, RATE, SIZE, k)),
                  seconds(lambda r=reference: [r(wave) for wave in made])) for _ in range(rounds)]
        ours, theirs = (1e3 * min(column) / count for column in zip(*pairs, strict=True))
        reported = "other rows"
        if kind == "cwt":
            images = tfr.tfr_image(batch, RATE, SIZE, kind)[:, 0].numpy()
            result = [np.corrcoef(a.ravel(), reference(w).ravel())[0, 1] for a, w in zip(images, made, strict=True)]
            reported = f"{min(result):.5f}"
        print(f"| {kind} | {ours:.2f} | {name} | {theirs:.2f} | {theirs / ours:.1f} | {reported} |")
    for kind in ("stft", "ssq"):
        received = [seconds(lambda k=kind: tfr.tfr_image(batch, RATE, SIZE, k)) for _ in range(rounds + 1)][1:]
        print(f"| {kind} | {1e3 * min(received) / count:.2f} | - | - | - | - |")


if __name__ == "__main__":
    main()
