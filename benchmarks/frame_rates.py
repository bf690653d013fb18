"""One scene at 0.5 to 240 frames a second: are people, coverage and action units the same at every rate?

    python benchmarks/frame_rates.py [--seconds 8] [--up-to 240]

A synthetic person smiles for 2 s of every 4; a second one is in the picture for the second half. The scene is
rendered at every rate, below 5 Hz for three times as long, and goes through the live stream. Tolerances (our
choice): two people at every rate, tracked in 90 % of the frames in which they are there, and mean units within 0.5 of
those at 30 Hz. The exit code is 1 if a rate is beyond them.
"""

from __future__ import annotations

import argparse

import numpy as np

from mien import simulation
from mien.core.settings import Settings
from mien.core.tasks import ACTION_UNITS
from mien.inference.stream import Stream

RATES = (0.5, 1, 2, 5, 10, 15, 24, 25, 29.97, 30, 50, 60, 120, 240)
REFERENCE, UNITS, COVERAGE = 30, 0.5, 0.9


def analyse(rate: float, seconds: float) -> tuple[int, list[float], np.ndarray]:
    """Number of people; share of the frames in which each was tracked while there; mean units of the first (A,)."""
    seconds *= 3 if rate < 5 else 1
    middle = seconds / 2
    smile = simulation.Actor(simulation.identity(1), {"AU12": lambda time: 3.0 * (time % 4 >= 2)}, position=(100, 110),
                             scale=0.7)
    visitor = simulation.Actor(simulation.identity(2), position=(240, 110), scale=0.7, present=(middle - 1,
                                                                                               2 * seconds))
    scene = simulation.Scene((smile, visitor), size=(340, 240), fps=rate, seconds=seconds, coarse=2)
    times = []
    with Stream(settings=Settings(pictures=False), keep_all=True) as stream:
        for frame in scene.frames():
            times.append(frame.time)
            stream.push(frame)
        stream.close()
    shares = []
    result = sorted(stream.people.values(), key=lambda person: person.first)
    for person, begin in zip(result, (0.0, middle + 0.5), strict=False):  # the visitor walks in for a while
        seen = person.seen.window(begin, np.inf)
        shares.append(float(np.isfinite(seen.position[:, 0]).sum() / (np.array(times) >= begin).sum()))
    units = result[0].seen.window(-np.inf, np.inf).aus if result else np.full((1, len(ACTION_UNITS)), np.nan)
    return len(result), shares, np.nanmean(units, axis=0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--up-to", type=float, default=240.0, help="Hz of the highest rate; the higher, the slower")
    options = parser.parse_args()
    seconds = options.seconds
    _, _, usual = analyse(REFERENCE, seconds)
    print("| Hz | people | tracked, first and second person | mean AU12 | largest difference of a mean unit to 30 Hz |"
          " within |\n|---|---|---|---|---|---|")
    wrong = 0
    for rate in (rate for rate in RATES if rate <= options.up_to):
        people, shares, units = analyse(rate, seconds)
        distance = float(np.nanmax(np.abs(units - usual)))
        good = people == 2 and min(shares) >= COVERAGE and distance <= UNITS
        wrong += not good
        print(f"| {rate:g} | {people} | {', '.join(f'{share:.0%}' for share in shares)} | "
              f"{units[ACTION_UNITS.index('AU12')]:.2f} | {distance:.2f} | {'yes' if good else 'NO'} |", flush=True)
    print(f"\n{wrong} rates are beyond the tolerances.")
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
