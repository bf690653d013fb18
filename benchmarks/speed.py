"""How long a file takes, everything on, beside bare decoding and landmarks; and how memory grows with length.

    python benchmarks/speed.py [--minutes 5] [--video FILE] [--quick]

The video is a synthetic person, 640x480 at 30 fps (h264, crf 23), 20 s played forth and back until it is long enough.
"bare" is PyAV to RGB and the face mesh on every frame where it was in the one before, in one loop, in a process of its
own; "mien" is `mien analyze` with its report, in a process of its own. They take turns, and the median ratio counts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

BARE = """
import sys, time
started = time.perf_counter()
import av
from mien.face import OnnxFaceBackend, Region
backend = OnnxFaceBackend()
count, region = 0, None
with av.open(sys.argv[1]) as video:
    video.streams.video[0].thread_type = "AUTO"
    for frame in video.decode(video=0):
        rgb = frame.to_ndarray(format="rgb24")
        if region is None:
            region = next(map(Region.of_detection, backend.detect(rgb)), None)
        found = None if region is None else backend.mesh(rgb, region)
        region = None if found is None else Region.of_landmarks(found)
        count += found is not None
print(count, time.perf_counter() - started)
"""


def write_person_video(path: Path, minutes: float) -> Path:
    """A video of that length, made once: 20 s rendered, encoded once, its packets' pictures repeated."""
    import av

    from mien import simulation

    if path.exists():
        return path
    person = simulation.Actor(simulation.identity(3), aus={"AU12": lambda t: 2.0 + 2.0 * (t % 10 > 5)},
                             pulse=simulation.Pulse(bpm=72.0, amplitude=0.008))
    frames = [frame.rgb for frame in simulation.Scene(actors=(person,), size=(640, 480), fps=30.0, seconds=20).frames()]
    there_and_back = frames + frames[-2:0:-1]
    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"crf": "23", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for i in range(round(minutes * 60 * 30)):
            picture = av.VideoFrame.from_ndarray(there_and_back[i % len(there_and_back)], format="rgb24")
            out.mux(stream.encode(picture))
        out.mux(stream.encode())
    part.rename(path)
    return path


def timed(command: list[str]) -> tuple[float, float]:
    """Run it -> wall seconds and the peak resident memory in MB of that process."""
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, error = child.communicate()
    wall = time.perf_counter() - started
    if child.returncode:
        sys.exit(f"{command[:4]} failed: {error.decode()[-2000:]}")
    return wall, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def peak(video: Path, out: Path) -> float:
    """Peak resident memory in MB of `mien analyze` on one file, measured by a process that has no other child."""
    code = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, "
            "stderr=subprocess.DEVNULL); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)")
    command = [sys.executable, "-c", code, *analyze(video, out)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def analyze(video: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "mien.cli", "analyze", str(video), "--out", str(out), "--overwrite", "--quiet"]


def main() -> None:
    ask = argparse.ArgumentParser()
    ask.add_argument("--minutes", type=float, default=5.0)
    ask.add_argument("--runs", type=int, default=3)
    ask.add_argument("--video", type=Path)
    ask.add_argument("--quick", action="store_true", help="half a minute, once")
    options = ask.parse_args()
    minutes, runs = (0.5, 1) if options.quick else (options.minutes, options.runs)
    folder = Path(tempfile.gettempdir()) / "mien-benchmark"
    folder.mkdir(exist_ok=True)
    video = options.video or write_person_video(folder / f"person-{minutes:g}min.mp4", minutes)
    pairs = []
    for _ in range(runs):
        bare, _ = timed([sys.executable, "-c", BARE, str(video)])
        ours, _ = timed(analyze(video, folder / "out"))
        pairs.append((bare, ours))
    summary = json.loads(next(path for path in (folder / "out").rglob("summary.json")
                              if path.parent.name == video.name).read_text())
    long = summary["source"]["duration_s"]
    bare, ours = median(a for a, _ in pairs), median(b for _, b in pairs)
    print(f"`python benchmarks/speed.py --minutes {minutes:g}` on {os.cpu_count()} cores, median of {runs}\n")
    print("| what | figure | bar |\n|---|---|---|")
    print(f"| video | {long:.0f} s, {summary['source']['frames']} frames | |")
    print(f"| bare decode + landmarks | {bare:.1f} s | |")
    print(f"| `mien analyze`, report included | {ours:.1f} s | |")
    print(f"| times real time | {long / ours:.1f} | >= 4 |")
    print(f"| over bare, median of pairs | {median(b / a for a, b in pairs):.2f} | <= 1.5 |")
    print(f"| seconds in its parts | {', '.join(f'{k} {v:.1f}' for k, v in summary['seconds'].items())} | |")
    if not options.quick and not options.video:
        small, large = (peak(write_person_video(folder / f"person-{n}min.mp4", n), folder / "out") for n in (1, 10))
        print(f"| peak memory, 1 and 10 minutes | {small:.0f} and {large:.0f} MB, {large - small:+.0f} | <= +30 |")


if __name__ == "__main__":
    main()
