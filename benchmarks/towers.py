"""The open towers and DuSE against `transformers`: equality at full size, and speed.

    python benchmarks/towers.py [--quick] [--full] [--sizes B/16 ...] [--repeat 5] [--parity | --forward | --step]

Random weights and noise: figures of speed and of rounding, not of recognition. `--full` adds CLIP L/14. Measure with
nothing else running. The reference is `duse_reference.py`: transformers, float32, eager, text tower run every time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
import transformers

from duse_reference import Reference, clip
from mien.batch import Batch
from mien.models.duse import DuSE
from mien.towers import CLIP, VIDEOMAE_B, VIT_B16, fast_dtype, load, pixels

FRAMES, TEXTS, WORDS = 16, 7, 28  # words: tokens of a description of a class, start and end included


def ids() -> torch.Tensor:
    """(7, 77) token ids of made-up texts of 22 to 28 tokens, padded with zeros."""
    found = torch.zeros(TEXTS, 77, dtype=torch.long)
    for row in range(TEXTS):
        end = WORDS - 1 - row
        found[row, : end + 1] = torch.randint(1, 49000, (end + 1,))
        found[row, 0], found[row, end] = 49406, 49407
    return found


def relative(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max())


def line(*cells: object) -> None:
    texts = (f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells)
    print("| " + " | ".join(texts) + " |", flush=True)


# ---------------------------------------------------------------------------------------------- equality

@torch.inference_mode()
def parity(sizes: list[str]) -> None:
    print("\n### Largest difference from transformers on the same random weights, full size, float32\n")
    line("tower", "layers", "tokens", "max difference / max output")
    line("---", "---", "---", "---")
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            model = clip(CLIP[size]["image"], CLIP[size]["text"])
            model.save_pretrained(folder)
            image, text = load(folder, "clip-image"), load(folder, "clip-text")
        x, words = torch.randn(2, 3, 224, 224), ids()
        line(f"CLIP {size} image", image.plan.layers, 1 + image.plan.patches,
             f"{relative(image(x), model.get_image_features(x).pooler_output):.1e}")
        line(f"CLIP {size} text", text.plan.layers, 77,
             f"{relative(text(words), model.get_text_features(words).pooler_output):.1e}")
    vit = transformers.ViTModel(transformers.ViTConfig()).eval()
    line("ViT-B/16", 12, 197, f"{_other(vit, 'vit', torch.randn(2, 3, 224, 224), lambda out: out[:, 0]):.1e}")
    config = transformers.VideoMAEConfig(use_mean_pooling=False)
    video = transformers.VideoMAEModel(config).eval()
    x = torch.randn(1, 16, 3, 224, 224)
    line("VideoMAE-B", 12, 1568, f"{_other(video, 'videomae', x, lambda out: out.mean(1)):.1e}")


def _other(model, kind: str, x: torch.Tensor, pool: Callable) -> float:
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tower = load(folder, kind)
    assert tower.plan == {"vit": VIT_B16, "videomae": VIDEOMAE_B}[kind]
    return relative(tower(x), pool(model(x).last_hidden_state))


# ---------------------------------------------------------------------------------------------- forward

def both(size: str) -> tuple[DuSE, Reference, Batch]:
    """DuSE and its reference with the same random values, and a clip of noise."""
    torch.manual_seed(0)
    model, words = clip(CLIP[size]["image"], CLIP[size]["text"]), ids()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        ours = DuSE(load(folder, "clip-image"), load(folder, "clip-text"), words)
    frames = torch.randint(0, 256, (1, FRAMES, 3, 224, 224), dtype=torch.uint8)
    return ours, Reference(model, ours, words), Batch(frames=frames, target=torch.tensor([2]))


class Seconds(NamedTuple):
    """Least wall time, and least processor time of all threads together, which other processes disturb less."""

    wall: float
    work: float

    def __str__(self) -> str:
        return f"{self.wall:.3g} ({self.work:.3g})"

    def gain(self, other: Seconds) -> str:
        return f"{self.wall / other.wall:.2f} ({self.work / other.work:.2f})"


def seconds(runs: dict[str, Callable[[], object]], repeat: int) -> dict[str, Seconds]:
    """Seconds by name, each run once to warm up and then in turns, so that a disturbance meets all of them."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for number in range(repeat + 1):
        for name, run in runs.items():
            start, began = time.perf_counter(), time.process_time()
            run()
            if number:
                taken[name].append((time.perf_counter() - start, time.process_time() - began))
    return {name: Seconds(*map(min, zip(*values, strict=True))) for name, values in taken.items()}


@torch.inference_mode()
def forward(sizes: list[str], repeat: int) -> None:
    print(f"\n### One clip of {FRAMES} frames, {TEXTS} texts, {torch.get_num_threads()} threads: wall (processor) "
          f"seconds, best of {repeat}; the CPU's fast type: {fast_dtype()}\n")
    line("CLIP", "part", "transformers fp32, s", "here fp32, s", "gain", "transformers, s", "here bf16, s", "gain")
    line(*["---"] * 8)
    for size in sizes:
        _forward_one(size, repeat)


def _forward_one(size: str, repeat: int) -> None:
    ours, reference, batch = both(size)
    normal = pixels(batch.frames, ours.image.plan)
    wanted, exact = reference(normal).softmax(-1), ours(batch).softmax(-1)

    def here() -> object:
        return ours(batch)

    def frames() -> object:
        return ours.frame_features(batch.frames)

    def base() -> object:
        return reference(normal)

    def base_frames() -> object:
        return reference.video(normal)

    taken = seconds({"text": reference.text, "text fp32": ours.text_features}, repeat)
    ours.bake()
    taken |= seconds({"all": base, "image": base_frames, "all fp32": here, "image fp32": frames}, repeat)
    ours.image.to(torch.bfloat16)
    again = seconds({"all": base, "image": base_frames, "all bf16": here, "image bf16": frames}, repeat)
    for part, name in (("image", "image tower with prompts"), ("text", "text tower with prompts"),
                       ("all", "whole; here the text is baked")):
        fp32, bf16 = taken[f"{part} fp32"], again.get(f"{part} bf16")
        line(size, name, taken[part], fp32, taken[part].gain(fp32),
             *((again[part], bf16, again[part].gain(bf16)) if bf16 else ("", "once a checkpoint", "")))
    rough, (first, second) = ours(batch).softmax(-1), wanted.topk(2).values[0].tolist()
    print(f"{size}: largest change of a probability {float((exact - wanted).abs().max()):.1e} in fp32, "
          f"{float((rough - wanted).abs().max()):.1e} in bf16; margin {first - second:.2f}, "
          f"same label {bool(rough.argmax() == wanted.argmax())}", file=sys.stderr)


# ---------------------------------------------------------------------------------------------- a training step

def _memory() -> dict[str, float]:
    """Resident now and at most since the last reset, in GB."""
    status = dict(row.split(":", 1) for row in Path("/proc/self/status").read_text().splitlines() if ":" in row)
    return {name: int(status[name].split()[0]) / 1e6 for name in ("VmRSS", "VmHWM")}


def one_step(who: str, size: str, repeat: int) -> None:
    """In a process of its own: seconds of a step, and growth of memory over the loaded model; prints JSON."""
    ours, reference, batch = both(size)
    normal, target = pixels(batch.frames, ours.image.plan), torch.tensor([2])
    model: DuSE | Reference = reference
    if who == "ours":
        model = ours
        for tower in (ours.image, ours.text):
            tower.to(fast_dtype())
    del reference
    optimiser = torch.optim.Adam([value for value in model.parameters() if value.requires_grad], lr=1e-3)
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark starts again here
    before = _memory()["VmRSS"]

    def step() -> None:
        optimiser.zero_grad()
        logits = model(batch if isinstance(model, DuSE) else normal)
        torch.nn.functional.cross_entropy(logits, target).backward()
        optimiser.step()

    taken = seconds({"step": step}, repeat)["step"]
    print(json.dumps({"seconds": list(taken), "growth": _memory()["VmHWM"] - before}))


def steps(size: str, repeat: int) -> None:
    print(f"\n### One training step, CLIP {size}, one clip of {FRAMES} frames, best of {repeat}\n")
    line("a process each", "wall (processor) seconds", "gain", "memory over the loaded model, GB", "share")
    line(*["---"] * 5)
    found = {}
    for who in ("reference", "ours"):
        command = [sys.executable, __file__, "--one", who, "--size", size, "--repeat", str(repeat)]
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        found[who] = json.loads(printed.splitlines()[-1])
    base = found["reference"]
    for who, name in (("reference", "transformers fp32"), ("ours", f"here, towers {fast_dtype()}")):
        taken, growth = Seconds(*found[who]["seconds"]), found[who]["growth"]
        line(name, taken, Seconds(*base["seconds"]).gain(taken), growth, f"{growth / base['growth']:.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="B/32 only, two repetitions")
    parser.add_argument("--full", action="store_true", help="L/14 too")
    parser.add_argument("--repeat", type=int, default=5)
    for part in ("parity", "forward", "step"):
        parser.add_argument(f"--{part}", action="store_true", help=f"only {part}")
    parser.add_argument("--one", choices=("reference", "ours"), help=argparse.SUPPRESS)
    parser.add_argument("--sizes", nargs="+", choices=sorted(CLIP), help="these instead of B/32 and B/16")
    parser.add_argument("--size", default="B/16", help=argparse.SUPPRESS)
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if options.one:
        return one_step(options.one, options.size, options.repeat)
    sizes = options.sizes or (["B/32"] if options.quick else ["B/32", "B/16"] + ["L/14"] * options.full)
    repeat = 2 if options.quick else options.repeat
    every = not (options.parity or options.forward or options.step)
    if every or options.parity:
        parity(sizes)
    if every or options.forward:
        forward(sizes, repeat)
    if every or options.step:
        steps("B/32" if options.quick else options.size, repeat)
    return None


if __name__ == "__main__":
    main()
