"""A training step of each method on a GPU, full size, as `mien train --compile` takes it.

    python benchmarks/gpu.py [duse] [scpt] [mvp] [videomae] [--steps 20] [--no-compile] [--peak TFLOPS] [--tiny]

duse: L/14, normal, 16 clips of 16 frames; scpt: ViT-B/16, 16 windows of 16 frames and their pulse; mvp: 16 trials of
two minutes; videomae: pre-training of ViT-B, 16 clips. Random weights and noise: figures of speed. Samples a second,
achieved TFLOP/s and their share of the card's peak in bfloat16, peak memory. Floating-point operations are those that
the step executes, counted by torch in its matrix products and attention; frozen weights get no gradient, so a step of
duse and scpt is less than three forward passes. mvp computes in float32, whose peak is a fraction of the one named.
`--tiny`: small models on the processor, to see that it runs where there is no GPU.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mien.backbones.config import CLIP, VIDEOMAE_B, VIT_B16, BackboneConfig
from mien.backbones.tiny import SOURCE, tiny_tokens, tiny_tower
from mien.backbones.tower import Tower
from mien.checkpoints.factory import ClipEncoders, build_model, to_device
from mien.core.batch import Batch
from mien.models.mvp.model import MVP
from mien.models.scpt.model import SCPT
from mien.models.videomae import MaskedVideoMAE
from mien.preprocessing.augmentation import Augmenter
from mien.recipes import RECIPES

PEAKS = {"H200": 989.0, "H100 PCIe": 756.0, "H100": 989.0, "A100": 312.0, "L4": 121.0}
"""TFLOP/s in bfloat16, dense, of NVIDIA's data sheets; of any other card by --peak."""
BATCH = 16  # of all four recipes
TRAIN, EPOCHS = 9356, RECIPES["duse/dfew"].schedule.epochs  # trials of the first fold of DFEW


@dataclass(frozen=True, eq=False)
class Work:
    """A model on its device, the batch it learns from, what is changed in its pictures; `title` in words."""

    title: str
    model: nn.Module
    batch: Batch
    change: Callable[[torch.Tensor, int], torch.Tensor] | None = None


class Texts(ClipEncoders):
    """Both towers with random weights: ids of made-up texts stand for a tokenizer."""

    def tokens(self, task):
        return tiny_tokens(task.texts) if self.source == SOURCE else self._ids(len(task.classes))

    def _ids(self, count: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        result = torch.randint(1, 49000, (count, 28), generator=generator)
        result[:, 0], result[:, -1] = 49406, 49407
        return result


def clips(size: int, frames: int) -> torch.Tensor:
    return torch.randint(0, 256, (BATCH, frames, 3, size, size), dtype=torch.uint8)


def duse(little: bool, device: str) -> Work:
    recipe = RECIPES["duse/dfew"]
    parts = (Texts(SOURCE, tiny_tower("clip-image"), tiny_tower("clip-text")) if little else
             Texts("L/14", Tower(CLIP["L/14"]["image"]), Tower(CLIP["L/14"]["text"])))
    model = build_model(recipe, recipe.task, parts)
    to_device(model, device, "bf16")
    size = model.image.plan.size
    return Work("DuSE, L/14, normal", model, Batch(frames=clips(size, 16), target=torch.randint(0, 7, (BATCH,))),
                Augmenter(size, recipe.augment))


def scpt(little: bool, device: str) -> Work:
    recipe = RECIPES["scpt/mahnob-valence"]
    plan = BackboneConfig("vit", 32, 2, 2, 64, size=32, patch=8) if little else VIT_B16
    model = SCPT(Tower(plan), 2, 20, recipe.options)
    model.tower.to(torch.bfloat16)
    model.to(device).train()
    who = torch.arange(BATCH) // (BATCH // recipe.schedule.people)
    batch = Batch(frames=clips(plan.size, 16), tfr=torch.rand(BATCH, 1, plan.size, plan.size),
                  pulse_quality=torch.ones(BATCH), target=torch.arange(BATCH) % 2, subject=who)
    return Work("SCPT, ViT-B/16", model, batch, Augmenter(plan.size, recipe.augment))


def mvp(little: bool, device: str) -> Work:
    options = RECIPES["mvp/amigos-valence"].options
    options = MVP.tiny(replace(options, seconds=10.0)) if little else options
    samples, rows = round(options.seconds * options.rate), round(options.seconds / options.step)
    batch = Batch(signals=torch.randn(BATCH, len(options.signals), samples),
                  video=torch.rand(BATCH, rows, options.features), target=torch.arange(BATCH) % 2)
    return Work(f"MVP, {options.seconds:g} s, float32", MVP(options).to(device).train(), batch)


def videomae(little: bool, device: str) -> Work:
    tower = Tower(tiny_tower("videomae").plan if little else VIDEOMAE_B)
    model = MaskedVideoMAE(tower, width=32, layers=2, heads=1) if little else MaskedVideoMAE(tower)
    return Work("VideoMAE, pre-training of ViT-B", model.to(device).train(),
                Batch(frames=clips(tower.plan.size, tower.plan.frames)))


WORKS = {"duse": duse, "scpt": scpt, "mvp": mvp, "videomae": videomae}


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


def measure(name: str, options: argparse.Namespace, device: str) -> dict[str, str]:
    """The figures of one method, by what they are."""
    torch.manual_seed(0)
    work = WORKS[name](options.tiny, device)
    batch, model = work.batch.to(device), work.model
    adam = torch.optim.AdamW([value for value in model.parameters() if value.requires_grad], 1e-4)

    def step(given: Batch = batch) -> None:
        adam.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=name == "videomae"):  # as `models.videomae.learn` on a GPU
            loss = torch.stack(list(model.loss(given).values())).sum()
        loss.backward()
        adam.step()

    with FlopCounterMode(display=False) as counter:
        step()
    flops = counter.get_total_flops() / 1e12
    if options.compile:
        for part in model.modules():
            if isinstance(part, Tower):
                for block in part.blocks:
                    block.compile()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    alone = timed(step, options.steps, device)
    rows = {"work of a step, TFLOP": f"{flops:.3g}", "a step, ms": f"{alone * 1e3:.1f}",
            "samples a second": f"{BATCH / alone:.1f}", "TFLOP/s": f"{flops / alone:.3g}",
            "share of the peak": f"{flops / alone / options.peak:.0%}" if options.peak else "unknown: --peak",
            "peak memory, GiB": f"{torch.cuda.max_memory_allocated() / 2**30:.2f}" if device == "cuda" else "no GPU",
            "with augmentation, samples a second": "", "a fold of DFEW, h": "", "attention": attention(step, device)}
    if work.change is not None:
        change, pictures = work.change, batch.frames
        full = timed(lambda: step(replace(batch, frames=change(pictures, 0))), options.steps, device)
        rows["with augmentation, samples a second"] = f"{BATCH / full:.1f}"
        if name == "duse":  # without reading and validation
            rows["a fold of DFEW, h"] = f"{TRAIN * EPOCHS * full / BATCH / 3600:.2f}"
    return {"method": work.title if not options.tiny else f"{name}, tiny"} | rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(WORKS)}; all when not given")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    parser.add_argument("--peak", type=float, metavar="TFLOPS", help="the card's, dense, in bfloat16")
    parser.add_argument("--tiny", action="store_true", help="small models on the processor")
    options = parser.parse_args()
    if strange := sorted(set(options.names) - set(WORKS)):
        parser.error(f"expected {', '.join(WORKS)}, got {', '.join(strange)}")
    if not options.tiny and not torch.cuda.is_available():
        sys.exit("no GPU here: nothing was measured. On a machine with one: python benchmarks/gpu.py; to see that "
                 "it runs: --tiny")
    device = "cpu" if options.tiny else "cuda"
    card = platform.processor() or "processor" if options.tiny else torch.cuda.get_device_name()
    options.peak = options.peak or next((value for name, value in PEAKS.items() if name in card), None)
    print(f"\n### A training step, batch {BATCH}, {'compiled' if options.compile else 'not compiled'}, {card}, torch "
          f"{torch.__version__}, peak {options.peak or 'unknown'} TFLOP/s\n\n`python benchmarks/gpu.py`"
          f"{'; small models: it runs, nothing is measured' if options.tiny else ''}\n")
    result = [measure(name, options, device) for name in options.names or WORKS]
    print("| " + " | ".join(result[0]) + " |\n|" + " --- |" * len(result[0]))
    for row in result:
        print("| " + " | ".join(row.values()) + " |", flush=True)


if __name__ == "__main__":
    main()
