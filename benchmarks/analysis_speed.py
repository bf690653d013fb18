"""What an analysis costs: before and after the change of backend, the pulse alone, and one, two and four faces.

    python benchmarks/analysis_speed.py VIDEO [--old-python PYTHON --old-source SRC] [--rounds 3] [--seconds 10]

VIDEO shows one face. It is cut to so many s; for two and four faces it is tiled at half its size. PYTHON and SRC as in
parity.py. Each analysis is a process of its own, they take turns, and the median counts: CPU s of the analysis with all
threads, imports aside, and wall s. Parts overlap where threads share the work, so their sum is more than the wall time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from statistics import median

import av
import cv2
import numpy as np

from mien import video

CHILD = """
import json, sys, time
import mien, mien.face as backends
mien.analyze  # loads its module
backend = getattr(backends, "OnnxFaceBackend", None) or getattr(backends, "MediapipeFinder")
backend().close()  # imports the library that runs the models
path, settings = sys.argv[1], json.loads(sys.argv[2])
started, wall = time.process_time(), time.perf_counter()
timeline = mien.analyze(path, **settings)
print(json.dumps({"cpu": time.process_time() - started, "wall": time.perf_counter() - wall,
                  "faces": len(timeline.faces), "parts": timeline.seconds,
                  "rates": [face.heart_rate.value for face in timeline.faces]}))
"""


def tiles(recording: Path, faces: int, seconds: float) -> Iterator[np.ndarray]:
    """The video's pictures uint8 (H, W, 3); two or four of them side by side, each at half its size."""
    with video.open_video(recording, end=seconds) as frames:
        for frame in frames:
            if faces == 1:
                yield frame.rgb
                continue
            small = cv2.resize(frame.rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            row = np.hstack([small, small])
            yield row if faces == 2 else np.vstack([row, row])


def write(path: Path, pictures: Iterator[np.ndarray], rate: int = 30) -> Path:
    """Encode the pictures with x264 at crf 18."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=rate, options={"crf": "18", "preset": "veryfast"})
        first = next(pictures)
        stream.height, stream.width, stream.pix_fmt = *first.shape[:2], "yuv420p"
        for picture in chain([first], pictures):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())
    return path


def run(python: str, source: Path, recording: Path, settings: dict) -> dict:
    """One analysis in a process of its own -> what it cost."""
    done = subprocess.run([python, "-c", CHILD, str(recording), json.dumps(settings)], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(source)})
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    ask = argparse.ArgumentParser()
    ask.add_argument("video", type=Path)
    ask.add_argument("--old-python")
    ask.add_argument("--old-source", type=Path)
    ask.add_argument("--rounds", type=int, default=3)
    ask.add_argument("--seconds", type=float, default=10.0)
    options = ask.parse_args()
    ours = Path(__file__).parent.parent / "src"
    sides = {"whole": (sys.executable, ours, {}), "pulse only": (sys.executable, ours, {"pulse_only": True})}
    if options.old_python:
        sides = {"whole, old": (options.old_python, options.old_source, {})} | sides
    print("`python benchmarks/analysis_speed.py VIDEO --old-python PYTHON --old-source SRC`\n")
    print("| faces | analysis | CPU s | wall s | faces found | parts, s |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for faces in (1, 2, 4):
            recording = write(Path(folder, f"{faces}.mp4"), tiles(options.video, faces, options.seconds))
            replies: dict[str, list[dict]] = {name: [] for name in sides}
            for _ in range(options.rounds):
                for name, (python, source, settings) in sides.items():
                    replies[name].append(run(python, source, recording, {**settings, "pictures": False}))
            for name, result in replies.items():
                parts = ", ".join(f"{part} {median(item['parts'][part] for item in result):.2f}" for part in
                                  result[0]["parts"])
                print(f"| {faces} | {name} | {median(item['cpu'] for item in result):.2f} | "
                      f"{median(item['wall'] for item in result):.2f} | {result[0]['faces']} | {parts} |", flush=True)


if __name__ == "__main__":
    main()
