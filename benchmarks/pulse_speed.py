"""Time and memory of the pulse: POS + detrend on 60 s, one live reading, a long recording.

    OMP_NUM_THREADS=1 python benchmarks/pulse_speed.py [--quick]

The times are those of the processor, so that other programs on the machine count less.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable

import numpy as np

from mien import rppg, signals
from mien.core.observations import Window

RATE = 30.0


def made(seconds: float) -> Window:
    """A face with a pulse of 72 bpm, noise and a little movement, as traces."""
    rng = np.random.default_rng(0)
    count = int(seconds * RATE)
    times = np.arange(count) / RATE
    wave = np.sin(2 * np.pi * 1.2 * times)[:, None, None] * np.array([0.43, 1.0, 0.69])
    skin = np.array([180.0, 130.0, 105.0]) * (1 - 0.006 * wave) + 0.1 * rng.normal(size=(count, 4, 3))
    skin[:, 3] = 120 + 0.1 * rng.normal(size=(count, 3))
    place = np.array([320.0, 240.0, 160.0]) + 0.2 * rng.normal(size=(count, 3))
    return Window(0.0, seconds, times, skin.astype(np.float32), place.astype(np.float32), np.zeros((count, 18)),
                  0.1 * rng.normal(size=(count, 3)), np.zeros((count, 2)))


def best(work: Callable[[], object], times: int) -> tuple[float, float]:
    """Least and median ms of processor time of a call."""
    spent = []
    for _ in range(times):
        start = time.process_time_ns()
        work()
        spent.append(1e-6 * (time.process_time_ns() - start))
    return min(spent), float(np.median(spent))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    minute, live = made(60), made(20)
    skin = minute.skin[:, :3].mean(axis=1).astype(np.float64)
    lam = signals.smoothness(0.5, RATE)
    rows = [("POS + detrend, 60 s at 30 Hz", "5",
             best(lambda: signals.detrend(rppg.METHODS["POS"](skin, RATE), lam), 100)),
            ("`heart_rate`, 20 s at 30 Hz (live, every 0.5 s a face)", "5", best(lambda: rppg.heart_rate(live), 100))]
    rows += [(f"{name}, 60 s", "", best(lambda method=method: method(skin, RATE), 20))
             for name, method in rppg.installed().items()]
    for minutes in (5, 10) if quick else (5, 30, 120):
        long = made(60 * minutes)
        bar = "5000" * (minutes == 120)
        rows.append((f"`vitals`, {minutes} min", bar, best(lambda long=long: rppg.vitals(long), 3)))
    print(f"`OMP_NUM_THREADS=1 python benchmarks/pulse_speed.py{' --quick' * quick}`\n")
    print("| what | bar, ms | best, ms | median, ms |\n|---|---|---|---|")
    for name, bar, (least, median) in rows:
        print(f"| {name} | {bar} | {least:.2f} | {median:.2f} |")
    tracemalloc.start()
    for minutes in (1, 10):
        long = made(60 * minutes)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        rppg.vitals(long)
        peak = (tracemalloc.get_traced_memory()[1] - before) / 1e6
        print(f"\npeak of `vitals` over its input, {minutes} min: {peak:.1f} MB")


if __name__ == "__main__":
    main()
