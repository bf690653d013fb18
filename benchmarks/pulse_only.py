"""The pulse alone beside the whole analysis: CPU time, heart rates and verdicts, on the same videos.

    python benchmarks/pulse_only.py [FOLDER] [--quick] [--rounds 3] [--clips FOLDER]

FOLDER holds videos of real people (searched through all its folders). Six synthetic videos of 15 s with a planted
pulse are added: identities 1 to 6, which were not used to choose the settings of the pulse alone, still, with a nod,
speech, a flicker of the light, or all three. `--clips` keeps them from run to run. Each analysis is a process of its
own, the two take turns, and the least CPU time of the rounds counts (other work on the machine only adds to it). It is
that of all threads, imports aside, once with the start of the models and once without.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from mien import simulation
from pulse import CONDITIONS, Clip, plan

SOURCE = Path(__file__).parent.parent / "src"
IDENTITIES, SECONDS = range(1, 7), 15.0
VIDEO_SUFFIXES = (".avi", ".mp4", ".mkv", ".mov")

CHILD = """
import json, sys, time
import mien
mien.analyze  # loads its module
from mien.face import OnnxFaceBackend
pulse_only = sys.argv[2] == "pulse only"
OnnxFaceBackend().close()  # the libraries are loaded before the clock starts
at = time.process_time()
OnnxFaceBackend().close()
start, at = time.process_time() - at, time.process_time()
timeline = mien.analyze(sys.argv[1], pulse_only=pulse_only, pictures=False)
cpu = time.process_time() - at
print(json.dumps({"cpu": cpu, "start": start, "frames": timeline.source.frames,
                  "rates": [face.heart_rate.value for face in timeline.faces],
                  "reasons": [face.heart_rate.reason for face in timeline.faces]}))
"""


def clips(quick: bool) -> list[Clip]:
    """The recipes, one for each identity."""
    drawn = [plan([i], (CONDITIONS[(i - 1) % len(CONDITIONS)],), True, seed=900 + i)[0] for i in IDENTITIES]
    return [replace(clip, seconds=SECONDS) for clip in drawn[:2 if quick else None]]


def written(clip: Clip, folder: Path) -> Path:
    """The video of a recipe, made where the folder does not have it."""
    path = folder / f"{clip.identity} {clip.condition} {clip.bpm}.mp4"
    if not path.exists():
        part = path.with_suffix(".part.mp4")
        simulation.write_video(clip.scene(), part, crf=clip.crf)
        part.rename(path)
    return path


def analysed(recording: Path, way: str) -> dict:
    """One analysis in a process of its own."""
    done = subprocess.run([sys.executable, "-c", CHILD, str(recording), way], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(SOURCE)})
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def said(answer: dict) -> str:
    """The heart rates or the reasons of all faces."""
    return "; ".join(reason or f"{rate:.1f}" for rate, reason in zip(answer["rates"], answer["reasons"], strict=True))


def agree(full: dict, alone: dict) -> tuple[bool, float]:
    """Whether both abstain on the same faces, and how far their rates are apart at most, in bpm."""
    same = full["reasons"] == alone["reasons"]
    both = [(a, b) for a, b in zip(full["rates"], alone["rates"], strict=False) if a is not None and b is not None]
    return same, max((abs(a - b) for a, b in both), default=0.0)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("folder", type=Path, nargs="?", help="videos of real people")
    ask.add_argument("--quick", action="store_true", help="two identities, one round")
    ask.add_argument("--rounds", type=int, default=3)
    ask.add_argument("--clips", type=Path, help="folder that keeps the synthetic videos")
    options = ask.parse_args()
    rounds = 1 if options.quick else options.rounds
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.clips or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        recordings: list[Path | Clip] = clips(options.quick)
        if options.folder:
            recordings[:0] = sorted(path for path in options.folder.rglob("*") if path.suffix in VIDEO_SUFFIXES)
        print("| video (synthetic: identity, condition, planted bpm) | frames | whole, CPU s | pulse alone, CPU s "
              "| times less | without the start | whole | pulse alone |\n|---|---|---|---|---|---|---|---|")
        sums = [0.0, 0.0, 0.0, 0.0]
        verdicts, furthest = 0, 0.0
        for each in recordings:
            recording = written(each, folder) if isinstance(each, Clip) else each
            runs: dict[str, list[dict]] = {"whole": [], "pulse only": []}
            for _ in range(rounds):
                for way, result in runs.items():
                    result.append(analysed(recording, way))
            cost = [min(first["cpu"] for first in result) for result in runs.values()]
            start = min(first["start"] for result in runs.values() for first in result)
            work = [least - start for least in cost]
            full, alone = (result[0] for result in runs.values())
            same, distance = agree(full, alone)
            sums = [total + first for total, first in zip(sums, (*cost, *work), strict=True)]
            verdicts, furthest = verdicts + same, max(furthest, distance)
            print(f"| {recording.stem} | {full['frames']} | {cost[0]:.2f} | {cost[1]:.2f} | {cost[0] / cost[1]:.1f} "
                  f"| {work[0] / work[1]:.1f} | {said(full)} | {said(alone)} |", flush=True)
        print(f"\nAll videos: {sums[0]:.1f} CPU s whole, {sums[1]:.1f} with the pulse alone, {sums[0] / sums[1]:.1f} "
              f"times less; {sums[2] / sums[3]:.1f} times without the start of the models. Same verdict on {verdicts} "
              f"of {len(recordings)} videos; rates of both ways at most {furthest:.2f} bpm apart.")


if __name__ == "__main__":
    main()
