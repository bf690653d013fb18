"""CPU time of the detector and of the mesh, the mediapipe backend against the onnxruntime one, interleaved.

    python benchmarks/face_speed.py VIDEO --old-python PYTHON --old-source SRC [--rounds 12]

VIDEO shows one face. PYTHON and SRC as in parity.py. Both live in processes of their own and take turns, some calls
each, so that what else the machine does falls on both; the median over the rounds counts, in CPU ms a call, for the
process with all its threads. The old library chooses its threads itself; the new one runs with one and with two.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

CHILD = """
import os, sys, time
path, threads, source = sys.argv[1:]
sys.path.insert(0, source)
from itertools import islice
from mien import face, video
old = not hasattr(face, "OnnxFaceBackend")
backend = getattr(face, "MediapipeFinder")() if old else face.OnnxFaceBackend(threads=int(threads))
open_video = getattr(video, "open_video", None) or getattr(video, "read")
frames = [frame.rgb for frame in islice(open_video(path), 40)]
region = face.Region.of_detection(backend.detect(frames[0])[0])
calls = {"detect": lambda rgb: backend.detect(rgb), "mesh": lambda rgb: backend.mesh(rgb, region)}
for line in sys.stdin:
    call = calls[line.strip()]
    started, wall = time.process_time(), time.perf_counter()
    for rgb in frames:
        call(rgb)
    print((time.process_time() - started) / len(frames) * 1e3, (time.perf_counter() - wall) / len(frames) * 1e3,
          flush=True)
"""


def main() -> None:
    ask = argparse.ArgumentParser()
    ask.add_argument("video", type=Path)
    ask.add_argument("--old-python", required=True)
    ask.add_argument("--old-source", type=Path, required=True)
    ask.add_argument("--rounds", type=int, default=12)
    options = ask.parse_args()
    ours = Path(__file__).parent.parent / "src"
    sides = {"old": (options.old_python, "1", options.old_source), "new, one thread": (sys.executable, "1", ours),
             "new, two threads": (sys.executable, "2", ours)}
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    children = {name: subprocess.Popen([python, "-c", CHILD, str(options.video), threads, str(source)], text=True,
                                       env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL)
                for name, (python, threads, source) in sides.items()}
    print("`python benchmarks/face_speed.py VIDEO --old-python PYTHON --old-source SRC`\n")
    print("| CPU ms a call (wall ms) | " + " | ".join(sides) + " |\n|---|" + "---|" * len(sides))
    for what in ("detect", "mesh"):
        spent: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
        for turn in range(options.rounds + 1):
            for name, child in children.items():
                print(what, file=child.stdin, flush=True)
                cpu, wall = map(float, child.stdout.readline().split())
                if turn:  # the first warms up
                    spent[name].append((cpu, wall))
        cells = [f"{median(cpu for cpu, _ in each):.2f} ({median(wall for _, wall in each):.2f})"
                 for each in spent.values()]
        print(f"| {what} | {' | '.join(cells)} |", flush=True)
    for child in children.values():
        child.stdin.close()
        child.wait()


if __name__ == "__main__":
    main()
