"""MVP: what length costs.

    python benchmarks/mvp.py [--quick]

Forward and backward of a batch of 16 trials, the model of the recipes, each length measured in a process of its own.
What its parts do: `mien bench evidence/mvp`.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import torch

from mien.core.batch import Batch
from mien.models.mvp.config import MVPConfig
from mien.models.mvp.model import MVP

BATCH = 16


def measure(seconds: float) -> dict[str, float]:
    """Forward and backward of one batch -> s (the best of three) and MiB by which the process grew."""
    torch.manual_seed(0)
    model, options = MVP(MVPConfig(seconds=seconds)), MVPConfig(seconds=seconds)
    samples, rows = round(seconds * options.rate), round(seconds / options.step)
    batch = Batch(signals=torch.randn(BATCH, 3, samples), signals_mask=torch.ones(BATCH, samples, dtype=torch.bool),
                  video=torch.rand(BATCH, rows, options.features), video_mask=torch.ones(BATCH, rows, dtype=torch.bool),
                  target=torch.arange(BATCH) % 2)
    model.train()
    before, times = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
    for _ in range(4):
        model.zero_grad()
        start = time.perf_counter()
        model.loss(batch)["cross_entropy"].backward()
        times.append(time.perf_counter() - start)
    return {"time": min(times[1:]), "growth": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}


def length(quick: bool) -> None:
    """The table of what length costs."""
    result = {}
    for seconds in (60, 120) if quick else (30, 60, 120, 240):
        command = [sys.executable, __file__, "--measure", str(seconds)]
        reported = subprocess.run(command, check=True, capture_output=True,
                              text=True).stdout
        result[seconds] = json.loads(reported)
    print(f"\nForward and backward, batch {BATCH}, {torch.get_num_threads()} threads\n")
    print("| input | time, s | against half of it | growth of memory, MiB | against half of it |\n"
          "|---|---|---|---|---|")
    for seconds, first in result.items():
        half = result.get(seconds // 2)
        ratio = [f"{first[name] / half[name]:.2f}" if half else "" for name in ("time", "growth")]
        print(f"| {seconds} s | {first['time']:.2f} | {ratio[0]} | {first['growth']:.0f} | {ratio[1]} |")
    print("\nAsked for: 120 s at most 2.5 times the time and 2.2 times the growth of 60 s.", flush=True)



def main() -> None:
    """Print the table; with --measure, one length in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--measure", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure)))
        return
    start = time.perf_counter()
    length(given.quick)
    print(f"\n{time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
