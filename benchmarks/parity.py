"""The onnxruntime backend beside the mediapipe one that it replaced, on every clip of a folder.

    python benchmarks/parity.py FOLDER --old-python PYTHON --old-source SRC

FOLDER holds videos of people (searched through all its folders). PYTHON is an interpreter with mediapipe 0.10.21 and
what the old code needs, SRC the `src` folder of the last commit that used mediapipe; this interpreter runs the new one.

Both look for faces in every frame. The mesh is compared on the same regions, those of the old detector: a face that
both detectors find is one whose boxes overlap by half. Then both analyse the whole clip with the defaults.
"""

from __future__ import annotations

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

VIDEO_SUFFIXES = (".avi", ".gif", ".mkv", ".mov", ".mp4", ".webm")

LOOK = """
import pickle, sys
import numpy as np
from mien import face, video
backend = (getattr(face, "OnnxFaceBackend", None) or getattr(face, "MediapipeFinder"))()
open_video = getattr(video, "open_video", None) or getattr(video, "read")
path, answer, regions = sys.argv[1:]
given = pickle.load(open(regions, "rb")) if regions else None
frames = []
for index, frame in enumerate(open_video(path)):
    found = backend.detect(frame.rgb)
    places = given[index]["regions"] if given else [face.Region.of_detection(one) for one in found]
    places = [face.Region(*place) if isinstance(place, tuple) else place for place in places]
    meshes = [backend.mesh(frame.rgb, place) for place in places]
    frames.append({"boxes": [one.box for one in found], "scores": [one.score for one in found],
                   "regions": [(place.x, place.y, place.side, place.angle) for place in places], "meshes": meshes})
pickle.dump(frames, open(answer, "wb"))
"""

ANALYZE = """
import pickle, sys
import mien
path, answer, _ = sys.argv[1:]
timeline = mien.analyze(path, pictures=False)
rows = {(round(row.start, 3), row.face): (row.aus, row.probs, row.pose) for row in timeline.emotions}
rates = {person.id: (person.heart_rate.value, person.heart_rate.reason) for person in timeline.faces}
pickle.dump({"rows": rows, "rates": rates}, open(answer, "wb"))
"""


class Side:
    """One of the two: an interpreter and the source of the package that it runs."""

    def __init__(self, python: str, source: Path, folder: Path) -> None:
        self.python, self.source, self.folder = python, source, folder
        folder.mkdir()

    def run(self, code: str, recording: Path, regions: Path | None = None) -> Path:
        """Run the code on a video -> the file with its pickled answer."""
        answer = self.folder / f"{len(list(self.folder.iterdir()))}.pickle"
        done = subprocess.run([self.python, "-c", code, str(recording), str(answer), str(regions or "")],
                              env={**os.environ, "PYTHONPATH": str(self.source)}, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{self.python} on {recording.name}: {done.stderr[-2000:]}")
        return answer


def load(answer: Path) -> object:
    """What a child of this program pickled."""
    return pickle.loads(answer.read_bytes())


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes (4,)."""
    shared = float(np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)))
    return shared / float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared)


def looks(old: list, new: list) -> tuple[str, np.ndarray, tuple[int, int, int]]:
    """Frames of both -> cells of the table, distances of landmarks (N,) px, and faces of both, the old and the new."""
    both = total_old = total_new = 0
    distance, boxes = [], []
    for before, after in zip(old, new, strict=True):
        total_old, total_new = total_old + len(before["boxes"]), total_new + len(after["boxes"])
        for box in before["boxes"]:
            likest = max(after["boxes"], key=lambda first: overlap(first, box), default=None)
            if likest is not None and overlap(likest, box) >= 0.5:
                both += 1
                boxes.append(np.abs(likest - box).max())
        for first, second in zip(before["meshes"], after["meshes"], strict=True):
            if first is not None and second is not None:
                distance.append(np.hypot(*(first - second)[:, :2].T))
    distances = np.concatenate(distance) if distance else np.zeros(0)
    meshes = [sum(mesh is not None for frame in side for mesh in frame["meshes"]) for side in (old, new)]
    place = f"{distances.mean():.3f}, {distances.max():.2f}" if len(distances) else "-"
    box = f"{max(boxes):.2f}" if boxes else "-"
    cells = f"{total_old} | {total_new} | {both} | {box} | {meshes[0]}, {meshes[1]} | {place}"
    return cells, distances, (both, total_old, total_new)


def analyses(old: dict, new: dict) -> tuple[str, list[float]]:
    """Answers of both -> cells of the table, and the largest differences of units, probabilities, pose and rate."""
    largest = [0.0, 0.0, 0.0]
    silent = 0  # rows that only one of both could read
    for key in old["rows"].keys() & new["rows"].keys():
        for index, (first, other) in enumerate(zip(old["rows"][key], new["rows"][key], strict=True)):
            silent += index == 1 and bool(np.isnan(first).any() != np.isnan(other).any())
            if not np.isnan(first).any() and not np.isnan(other).any():
                largest[index] = max(largest[index], float(np.abs(first - other).max()))
    silent += len(old["rows"].keys() ^ new["rows"].keys())
    rates, rate = [], 0.0
    for face in sorted(old["rates"].keys() | new["rates"].keys()):
        pair = [side["rates"].get(face, (None, "no such face")) for side in (old, new)]
        rates.append(" / ".join(reason if value is None else f"{value:.2f}" for value, reason in pair))
        if pair[0][0] is not None and pair[1][0] is not None:
            rate = max(rate, abs(pair[0][0] - pair[1][0]))
    cells = f"{largest[0]:.3f} | {largest[1]:.4f} | {largest[2]:.3f} | {silent} | {'; '.join(rates) or '-'}"
    return cells, [*largest, rate]


def main() -> None:
    ask = argparse.ArgumentParser()
    ask.add_argument("folder", type=Path)
    ask.add_argument("--old-python", required=True)
    ask.add_argument("--old-source", type=Path, required=True)
    options = ask.parse_args()
    recordings = sorted(path for path in options.folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    if not recordings:
        sys.exit(f"{options.folder}: expected videos ({', '.join(VIDEO_SUFFIXES)}), got none: name another folder")
    print("`python benchmarks/parity.py FOLDER --old-python PYTHON --old-source SRC`\n")
    print("| clip | faces, old | new | in both | boxes apart, max px | meshes, old and new | landmarks apart, mean and "
          "max px | action units, max | probabilities, max | pose, max ° | rows of one alone | heart rate, old / new |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    distances, counts, worst = [], np.zeros(3, int), []
    with tempfile.TemporaryDirectory() as temporary:
        before = Side(options.old_python, options.old_source, Path(temporary, "old"))
        after = Side(sys.executable, Path(__file__).parent.parent / "src", Path(temporary, "new"))
        for recording in recordings:
            seen = before.run(LOOK, recording)
            cells, distance, result = looks(load(seen), load(after.run(LOOK, recording, seen)))
            read, largest = analyses(load(before.run(ANALYZE, recording)), load(after.run(ANALYZE, recording)))
            print(f"| {recording.relative_to(options.folder)} | {cells} | {read} |", flush=True)
            distances.append(distance)
            worst.append(largest)
            counts += result
    every = np.concatenate(distances)
    largest = np.max(worst, axis=0)
    print(f"\nFaces: {counts[0]} of the old {counts[1]} are found again, {counts[2]} in all. Landmarks: mean "
          f"{every.mean():.3f}, max {every.max():.2f} px. Largest differences: action units {largest[0]:.3f} of 5, "
          f"probabilities {largest[1]:.4f}, pose {largest[2]:.3f}°, heart rate {largest[3]:.2f} bpm.")


if __name__ == "__main__":
    main()
