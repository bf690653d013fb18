"""A training step of DuSE on a GPU as `mien train --compile` takes it: L/14, normal, batch 16, bfloat16.

    python benchmarks/duse_gpu.py [--batch 16] [--steps 20] [--no-compile] [--peak TFLOPS] [--tiny]

Random weights and noise: figures of speed. Samples a second, achieved TFLOP/s and their share of the card's peak, peak
memory, and what one fold of DFEW would take. Floating-point operations are those that the step executes, counted by
torch in its matrix products and attention; frozen weights get no gradient, so a step is less than three forward passes.
`--tiny`: small towers on the processor, to see that it runs where there is no GPU.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from mien.batch import Batch
from mien.checkpoint import Clip, build, place
from mien.data.augment import Augmenter
from mien.models.duse import DuSE
from mien.recipes import RECIPES, TINY
from mien.towers import CLIP, Tower, tiny, tiny_tokens

PEAKS = {"H200": 989.0, "H100 PCIe": 756.0, "H100": 989.0, "A100": 312.0, "L4": 121.0}
"""TFLOP/s in bfloat16, dense, of NVIDIA's data sheets; of any other card by --peak."""
TRAIN = 9356  # trials of the first fold of DFEW
RECIPE = RECIPES["duse/dfew"]


class Texts(Clip):
    """Both towers with random weights: ids of made-up texts stand for a tokenizer."""

    def tokens(self, task):
        return tiny_tokens(task.texts) if self.source == TINY else self._ids(len(task.classes))

    def _ids(self, count: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        found = torch.randint(1, 49000, (count, 28), generator=generator)
        found[:, 0], found[:, -1] = 49406, 49407
        return found


def model(small: bool, device: str) -> DuSE:
    torch.manual_seed(0)
    parts = (Texts(TINY, tiny("clip-image"), tiny("clip-text")) if small else
             Texts("L/14", Tower(CLIP["L/14"]["image"]), Tower(CLIP["L/14"]["text"])))
    found = build(RECIPE, RECIPE.task, parts)
    place(found, device, "bf16")
    return found


def timed(run: Callable[[], object], steps: int, device: str) -> float:
    """Seconds of one, over `steps` of them after three to warm up; a GPU works on while the program goes on."""
    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    for _ in range(3):
        run()
    wait()
    start = time.perf_counter()
    for _ in range(steps):
        run()
    wait()
    return (time.perf_counter() - start) / steps


def attention(run: Callable[[], object], device: str) -> str:
    """Which kernels of attention a step runs, by the names that torch's profiler gives."""
    on = [torch.profiler.ProfilerActivity.CPU] + [torch.profiler.ProfilerActivity.CUDA] * (device == "cuda")
    with torch.profiler.profile(activities=on) as profile:
        run()
    names = {event.key.removeprefix("aten::") for event in profile.key_averages()}
    kinds = [name for name in sorted(names) if "attention" in name and name.startswith("_") and "backward" not in name]
    return ", ".join(kinds) or "none by that name"


def measure(options: argparse.Namespace, device: str) -> None:
    found = model(options.tiny, device)
    size, batch = found.image.plan.size, options.batch
    frames = torch.randint(0, 256, (batch, 16, 3, size, size), dtype=torch.uint8, device=device)
    target = torch.randint(0, 7, (batch,), device=device)
    adam = torch.optim.Adam([value for value in found.parameters() if value.requires_grad], RECIPE.schedule.rate)
    change = Augmenter(size, RECIPE.augment)

    def step(pictures: torch.Tensor = frames) -> None:
        adam.zero_grad()
        sum(found.loss(Batch(frames=pictures, target=target)).values()).backward()
        adam.step()

    with FlopCounterMode(display=False) as counter:
        step()
    work = counter.get_total_flops() / 1e12
    if options.compile:
        for tower in (found.image, found.text):
            for block in tower.blocks:
                block.compile()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    alone = timed(step, options.steps, device)
    whole = timed(lambda: step(change(frames, 0)), options.steps, device)
    peak = options.peak or next((value for name, value in PEAKS.items() if name in options.card), None)
    memory = f"{torch.cuda.max_memory_allocated() / 2**30:.2f} GiB" if device == "cuda" else "not on a GPU"
    share = f"{work / alone / peak:.0%} of {peak:g}" if peak else "unknown: name its TFLOP/s with --peak"
    epochs = RECIPE.schedule.epochs
    rows = {
        "work of a step": f"{work:.3g} TFLOP",
        "a step": f"{alone * 1e3:.1f} ms, with augmentation {whole * 1e3:.1f} ms",
        "samples a second": f"{batch / alone:.1f}, with augmentation {batch / whole:.1f}",
        "achieved": f"{work / alone:.3g} TFLOP/s", "share of the card's peak (goal 50 %)": share, "peak memory": memory,
        "attention": attention(step, device),
        f"one fold of DFEW, {TRAIN} trials, {epochs} epochs, without reading and validation":
            f"{TRAIN * epochs * whole / batch / 3600:.2f} h"}
    print("| | |\n| --- | --- |")
    for name, value in rows.items():
        print(f"| {name} | {value} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    parser.add_argument("--peak", type=float, metavar="TFLOPS", help="the card's, dense, in bfloat16")
    parser.add_argument("--tiny", action="store_true", help="small towers on the processor")
    options = parser.parse_args()
    if not options.tiny and not torch.cuda.is_available():
        sys.exit("no GPU here: nothing was measured. On a machine with one: python benchmarks/duse_gpu.py; to see that "
                 "it runs: --tiny")
    device = "cpu" if options.tiny else "cuda"
    options.card = platform.processor() or "processor" if options.tiny else torch.cuda.get_device_name()
    name = "tiny towers, no measurement" if options.tiny else "L/14, normal"
    how = "compiled" if options.compile else "not compiled"
    print(f"\n### A training step, {name}, batch {options.batch}, bfloat16, {how}, {options.card}, torch "
          f"{torch.__version__}\n\n`python benchmarks/duse_gpu.py`\n")
    measure(options, device)


if __name__ == "__main__":
    main()
