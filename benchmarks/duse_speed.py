"""DuSE against a straightforward reference on `transformers` (`duse_reference.py`): reading a clip, a training step.

    python benchmarks/duse_speed.py [--sizes B/32 B/16 L/14] [--part make|inference|step] [--keep DIR] [--full]
                                    [--repeat 5] [--quick]

The reference is float32, eager, its text tower run for every clip. Here: float32, bfloat16 where a run-time check of
the processor finds it fast, and the exported model through OpenVINO in bfloat16 and in int8 (calibrated by NNCF). Each
part runs in processes of its own; the ways of reading take turns in one, so that a disturbance meets all of them.
Random weights and noise: figures of speed and of rounding, not of recognition; `mien export` prints them for one's own
clips. Measure with nothing else running. L/14 in int8 needs 8 GB and minutes: `--full`; with `--keep DIR` the models
are made once (`--part make`) and measured later. Step: B/16 unless --sizes says otherwise.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers

import mien
from duse_reference import Reference, clip
from mien import checkpoints, export
from mien.backbones.config import CLIP
from mien.backbones.load import load
from mien.backbones.tower import fast_dtype, normalise_pixels
from mien.core.batch import Batch
from mien.models.duse.model import DuSE
from mien.recipes import RECIPES
from mien.recipes.overrides import override
from towers import FRAMES, TEXTS, ids, line

SEEN, JUDGED = 12, 4  # clips given to the export, of which every second calibrates, and others to compare by
BARS = {"bf16": 3.5, "OpenVINO bf16": 4.5, "OpenVINO int8": 7.0}
WITHIN = {"OpenVINO int8": 0.05}  # of a probability; 0.02 for all others
STEP_BAR, MEMORY_BAR = 2.5, 0.6


class Seconds(NamedTuple):
    """Least wall time, and least processor time of all threads together, which other processes disturb less."""

    wall: float
    work: float

    def __str__(self) -> str:
        return f"{self.wall:.3g} ({self.work:.3g})"


def seconds(runs: dict[str, Callable[[], object]], repeat: int) -> dict[str, Seconds]:
    """Seconds by name, each run once to warm up and then in turns."""
    received: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for number in range(repeat + 1):
        for name, run in runs.items():
            start, began = time.perf_counter(), time.process_time()
            run()
            if number:
                received[name].append((time.perf_counter() - start, time.process_time() - began))
    return {name: Seconds(*map(min, zip(*values, strict=True))) for name, values in received.items()}


# ---------------------------------------------------------------------------------------------- what is measured

def make(size: str, place: Path) -> None:
    """A random CLIP in the published format, and a checkpoint of DuSE on it."""
    torch.manual_seed(0)
    clip(CLIP[size]["image"], CLIP[size]["text"]).save_pretrained(place / "clip")
    recipe = override(RECIPES["duse/dfew"], {"tower": str(place / "clip")})
    model = built(place)
    hashes = model.image.hash, model.text.hash if model.text else ""
    card = checkpoints.make_card(recipe, recipe.task, model, hashes)
    checkpoints.Predictor(model, recipe.task, recipe.seconds, card).save_pretrained(place / "model")


def built(place: Path) -> DuSE:
    """DuSE with both towers, its trained values at their beginning."""
    return DuSE(load(place / "clip", "clip-image"), load(place / "clip", "clip-text"), words())


def words() -> torch.Tensor:
    """(7, 77) token ids, always the same."""
    torch.manual_seed(1)
    return ids()


def noise(place: Path) -> list[export.ExampleClip]:
    return export.noise_clips(mien.load(place / "model").needs, SEEN + JUDGED)


def exported(place: Path, int8: bool) -> None:
    out = place / ("int8" if int8 else "openvino")
    export.export(place / "model", "openvino", out, int8=int8, clips=noise(place)[:SEEN])


def reference(place: Path, ours: DuSE) -> Reference:
    model = transformers.CLIPModel.from_pretrained(place / "clip").eval().requires_grad_(False)
    return Reference(model, ours, words())


def job(name: str, size: str, place: Path, repeat: int) -> dict[str, Any]:
    """Do one thing in a process of its own -> what it printed."""
    command = [sys.executable, __file__, "--job", name, "--sizes", size, "--keep", str(place), "--repeat", str(repeat)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(printed.splitlines()[-1])


def prepared(size: str, place: Path, names: list[str], repeat: int) -> None:
    """What of `names` is not there yet."""
    for name, folder in (("make", "model"), ("openvino", "openvino"), ("int8", "int8")):
        if name in names and not (place / folder / "card.json").is_file():
            job(name, size, place, repeat)


# ---------------------------------------------------------------------------------------------- inference

@torch.inference_mode()
def measure(place: Path, repeat: int) -> dict[str, Any]:
    """Seconds and probabilities by way of reading."""
    exact, fast = (mien.load(place / "model", precision=kind) for kind in ("32", "auto"))
    theirs = reference(place, exact.model)
    text = exact.model.cached_text.clone()
    clips = noise(place)[SEEN:]
    frames = np.stack([item.frames for item in clips])
    batches = [Batch(frames=torch.from_numpy(item[None])) for item in frames]
    normal = [normalise_pixels(batch.frames, exact.model.image.plan) for batch in batches]
    reads: dict[str, Callable[[int], Any]] = {
        "reference": lambda i: theirs(normal[i]), "fp32": lambda i: exact.model(batches[i]),
        "bf16": lambda i: fast.model(batches[i])}
    for name in ("openvino", "int8"):
        if (place / name / "card.json").is_file():
            model = mien.load(place / name)
            way = {"openvino": "OpenVINO bf16", "int8": "OpenVINO int8"}[name]
            reads[way] = lambda i, model=model: torch.from_numpy(model.run(frames[i : i + 1]))
    probs = {name: [read(i).softmax(-1)[0].tolist() for i in range(JUDGED)] for name, read in reads.items()}
    received = seconds({name: lambda read=read: read(0) for name, read in reads.items()} | {"text": theirs.text},
                       repeat)
    drift = float((theirs.text() - text).abs().max() / text.abs().max())
    return {"seconds": received, "probs": probs, "text": drift, "fast": str(fast_dtype())}


def inference(size: str, place: Path, repeat: int) -> None:
    result = job("measure", size, place, repeat)
    received = {name: Seconds(*value) for name, value in result["seconds"].items()}
    probs = {name: np.array(value) for name, value in result["probs"].items()}
    base, text, expected = received["reference"], received["text"], probs["reference"]
    cached = base.wall / (base.wall - text.wall)
    margin = np.diff(np.sort(expected, axis=1)[:, -2:], axis=1)[:, 0]
    line(size, "transformers fp32, eager", base, "1", "", "", "", "", "", f"text tower {text} s of it")
    for name in ("fp32", "bf16", "OpenVINO bf16", "OpenVINO int8"):
        if name not in received:
            line(size, name, "not measured: --full", "", "", "", BARS.get(name, ""), "", "", "")
            continue
        gain, tolerance = base.wall / received[name].wall, WITHIN.get(name, 0.02)
        sure = margin > 2 * tolerance
        same = probs[name].argmax(1) == expected.argmax(1)
        line(size, name, received[name], f"{gain:.2f}", f"{gain / cached:.2f}", f"{cached:.2f}",
             f"{BARS[name]}: {_met(gain >= BARS[name])}" if name in BARS else "",
             f"{np.abs(probs[name] - expected).max():.1e}",
             f"{tolerance}: {_met(bool((np.abs(probs[name] - expected) <= tolerance).all()))}",
             f"{int(same[sure].sum())} of {int(sure.sum())} sure, {int(same.sum())} of {JUDGED}")
    print(f"{size}: the processor's fast type is {result['fast']}; text features differ from the reference's by "
          f"{result['text']:.0e} of the largest; probabilities from {expected.min():.3f} to {expected.max():.3f}, "
          f"change "
          f"over clips up to {np.ptp(expected, axis=0).max():.3f}", file=sys.stderr)


def _met(yes: bool) -> str:
    return "met" if yes else "missed"


def head(repeat: int) -> None:
    print(f"\n### One clip of {FRAMES} frames, {TEXTS} texts, {torch.get_num_threads()} threads: wall (processor) "
          f"seconds, best of {repeat}\n\n`python benchmarks/duse_speed.py --part inference`. Gain = by the tower x by "
          "cached text; the last is what the reference itself would gain by running its text tower once.\n")
    line("CLIP", "way", "seconds", "gain", "by the tower", "by cached text", "bar", "largest change of a probability",
         "tolerance", "same label")
    line(*["---"] * 10)


# ---------------------------------------------------------------------------------------------- a training step

def _memory() -> dict[str, float]:
    """Resident now and at most since the last reset, in GB."""
    status = dict(row.split(":", 1) for row in Path("/proc/self/status").read_text().splitlines() if ":" in row)
    return {name: int(status[name].split()[0]) / 1e6 for name in ("VmRSS", "VmHWM")}


def one_step(who: str, place: Path, repeat: int) -> dict[str, Any]:
    """Seconds of a step, and growth of memory over the loaded model, all of whose weights have been touched."""
    model: DuSE | Reference = built(place)
    plan = model.image.plan
    if who == "reference step":
        model = reference(place, model)
    else:
        for tower in (model.image, model.text):
            tower.to(fast_dtype())
    frames = torch.from_numpy(noise(place)[0].frames[None])
    batch, normal, target = (
        Batch(frames=frames, target=torch.tensor([2])),
        normalise_pixels(frames, plan),
        torch.tensor([2]),
    )
    optimiser = torch.optim.Adam([value for value in model.parameters() if value.requires_grad], lr=1e-3)
    for value in model.parameters():
        value.detach().sum()
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark starts again here
    before = _memory()["VmRSS"]

    def step() -> None:
        optimiser.zero_grad()
        logits = model(batch if isinstance(model, DuSE) else normal)
        torch.nn.functional.cross_entropy(logits, target).backward()
        optimiser.step()

    received = seconds({"step": step}, repeat)["step"]
    return {"seconds": received, "growth": _memory()["VmHWM"] - before, "loaded": before, "fast": str(fast_dtype())}


def steps(size: str, place: Path, repeat: int) -> None:
    print(f"\n### One training step, CLIP {size}, one clip of {FRAMES} frames, {torch.get_num_threads()} threads, best "
          f"of {repeat}\n\n`python benchmarks/duse_speed.py --part step`. A process each.\n")
    line("", "wall (processor) seconds", "gain", "bar", "memory over the loaded model, GB", "share", "bar")
    line(*["---"] * 7)
    base = job("reference step", size, place, repeat)
    ours = job("our step", size, place, repeat)
    line("transformers fp32", Seconds(*base["seconds"]), "1", "", base["growth"], "100%", "")
    gain, share = base["seconds"][0] / ours["seconds"][0], ours["growth"] / base["growth"]
    line(f"here, towers {ours['fast']}", Seconds(*ours["seconds"]), f"{gain:.2f}",
         f"{STEP_BAR}: {_met(gain >= STEP_BAR)}", ours["growth"], f"{share:.0%}",
         f"{MEMORY_BAR:.0%}: {_met(share <= MEMORY_BAR)}")


# ---------------------------------------------------------------------------------------------- all of it

def run(name: str, size: str, place: Path, repeat: int) -> None:
    """A job, in this process; its last line is JSON."""
    done: dict[str, Any] = {}
    if name == "make":
        make(size, place)
    elif name in ("openvino", "int8"):
        exported(place, name == "int8")
    else:
        done = measure(place, repeat) if name == "measure" else one_step(name, place, repeat)
    print(json.dumps(done))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=sorted(CLIP), help="instead of B/32 and B/16, with --full L/14")
    parser.add_argument("--part", choices=("make", "inference", "step"), help="only this")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the models here, and use what is there")
    parser.add_argument("--full", action="store_true", help="L/14 too, and its int8")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="B/32 only, two repetitions")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if options.job:
        return run(options.job, options.sizes[0], options.keep, options.repeat)
    sizes = options.sizes or (["B/32"] if options.quick else ["B/32", "B/16"] + ["L/14"] * options.full)
    stepped = options.sizes or (["B/32"] if options.quick else ["B/16"])
    repeat = 2 if options.quick else options.repeat
    with tempfile.TemporaryDirectory() as temporary:
        places = {size: (options.keep or Path(temporary)) / size.replace("/", "-") for size in {*sizes, *stepped}}
        for number, size in enumerate(sizes if options.part != "step" else []):
            int8 = ["int8"] if size != "L/14" or options.full else []
            prepared(size, places[size], ["make", "openvino", *int8], repeat)
            if options.part != "make":
                if number == 0:
                    head(repeat)
                inference(size, places[size], repeat)
        for size in stepped if options.part in (None, "step") else []:
            prepared(size, places[size], ["make"], repeat)
            steps(size, places[size], repeat)
    return None


if __name__ == "__main__":
    main()
