"""How fast frames are read, and how much memory that takes, against a bare PyAV loop.

    python benchmarks/video.py [--quick]

Makes a 640x480 h264 file of 10 minutes (`--quick`: 1 minute) in a temporary folder: a textured ellipse moving over a
smooth background with noise, crf 23. Every run is a fresh process; the ways take turns, and the median of 5 counts.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np

from mien import video
from mien.video.open import THREADS, cores

RATE, CLIP = 30, 20  # Hz, s: the clip that is repeated without encoding it again


def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:480, :640]
    background = 100 + 60 * np.sin(x / 90)[..., None] * np.cos(y / 70)[..., None] + np.array([10, 0, -10])
    texture = rng.normal(0, 12, (480, 640, 3))
    frames = []
    for n in range(RATE * CLIP):
        centre = 320 + 120 * np.sin(n / 40)
        inside = ((x - centre) / 110) ** 2 + ((y - 240) / 150) ** 2 < 1
        face = np.array([190, 140, 120]) + np.roll(texture, int(centre), axis=1)
        frames.append(np.where(inside[..., None], face, background) + rng.integers(-5, 6, (480, 640, 3)))
    return [np.clip(frame, 0, 255).astype(np.uint8) for frame in frames]


def write(folder: Path, minutes: list[int]) -> list[Path]:
    """One clip, encoded once, its packets repeated."""
    clip = folder / "clip.mp4"
    with av.open(str(clip), "w") as out:
        stream = out.add_stream("libx264", rate=RATE, options={"crf": "23", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for frame in pictures():
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        out.mux(stream.encode())
    paths = []
    for minute in minutes:
        path = folder / f"{minute}min.mp4"
        with av.open(str(path), "w") as out:
            target = None
            for repeat in range(minute * 60 // CLIP):
                with av.open(str(clip)) as source:
                    stream = source.streams.video[0]
                    target = target or out.add_stream_from_template(stream)
                    shift = round(repeat * CLIP / stream.time_base)
                    for packet in source.demux(stream):
                        if packet.dts is not None:
                            packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, target
                            out.mux(packet)
        paths.append(path)
    return paths


def bare(path: Path, convert: bool, work: bool, threads: int = min(cores(), THREADS), scaling: int = 1) -> int:
    count = 0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = threads
        for frame in container.decode(stream):
            count += 1
            if convert:
                rgb = frame.to_ndarray(format="rgb24", threads=scaling)
                if work:
                    consume(rgb)
    return count


def read(path: Path, work: bool) -> int:
    count = 0
    with video.open_video(path) as recording:
        for frame in recording:
            count += 1
            if work:
                consume(frame.rgb)
    return count


def consume(rgb: np.ndarray) -> None:
    """A step of analysis that keeps one core busy for a millisecond or two."""
    rgb[::2, ::2].mean(axis=(0, 1))


WAYS = {
    "bare PyAV, decode only": lambda path: bare(path, False, False),
    "bare PyAV, to rgb24": lambda path: bare(path, True, False),
    "mien.video.open_video": lambda path: read(path, False),
    "bare PyAV, to rgb24, then work": lambda path: bare(path, True, True),
    "mien.video.open_video, then work": lambda path: read(path, True),
}
THREADING = {
    f"bare PyAV, to rgb24, {threads} decoding, {scaling} converting":
        lambda path, threads=threads, scaling=scaling: bare(path, True, False, threads, scaling)
    for threads in (1, 2, 4, 8) for scaling in (1, 2)
}


def measure(way: str, path: Path) -> dict[str, float]:
    """In this process: frames, s, and MiB by which its peak memory grew."""
    before = peak()
    begin = time.perf_counter()
    frames = (WAYS | THREADING)[way](path)
    seconds = time.perf_counter() - begin
    return {"fps": frames / seconds, "frames": frames, "mib": peak() - before}


def peak() -> float:
    """Most memory that this process ever had, MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would keep the parent's peak
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 2**20)


def fresh(way: str, path: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", way, str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--one", nargs=2, metavar=("WAY", "PATH"), help="measure in this process and print JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one[0], Path(options.one[1]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = write(Path(folder), [1] if options.quick else [1, 10])
        size = paths[-1].stat().st_size / 2**20
        command = "python benchmarks/video.py" + (" --quick" if options.quick else "")
        print(f"`{command}`: {paths[-1].stem}, 640x480, {RATE} fps, h264 crf 23, {size:.0f} MiB, {cores()} cores, "
              f"PyAV {av.__version__}\n")
        tabulate(list(WAYS), paths[-1])
        print("\nThreads, 1 minute of the same:\n")
        tabulate(list(THREADING), paths[0])
        if len(paths) == 2:
            short, long = (fresh("mien.video.open_video", path)["mib"] for path in paths)
            print(f"\nmien.video.read: peak memory of 10 minutes less that of 1 minute: {long - short:+.1f} MiB")


def tabulate(ways: list[str], path: Path) -> None:
    print("| way | fps | times real time | peak memory grew by, MiB |\n|---|---|---|---|")
    runs = [{way: fresh(way, path) for way in ways} for _ in range(5)]
    for way in ways:
        fps, mib = (statistics.median(run[way][key] for run in runs) for key in ("fps", "mib"))
        print(f"| {way} | {fps:.0f} | {fps / RATE:.0f} | {mib:.0f} |", flush=True)


if __name__ == "__main__":
    main()
