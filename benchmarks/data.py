"""Preparing a dataset and reading it back: speed beside bare decoding and landmarks, frames a second, bytes, memory.

    python benchmarks/data.py [--quick] [--video FILE ...]

The videos are of a synthetic person, 640x480 at 30 fps (h264, crf 23), as in benchmarks/speed.py. "bare" is PyAV to RGB
and the face mesh on every frame, a process a core, each with half of the videos; "prepare" is `mien
data prepare` as a call, its pool of processes included. One worker has one core, two workers have two. They take turns,
and the median of the ratios counts. Pictures are those of the videos and of --video.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from speed import BARE, write_person_video  # beside this file

PREPARE = """
import sys
from pathlib import Path
from mien.core.trials import Trial
from mien.datasets.index import DatasetIndex
from mien.preprocessing.build_cache import build_cache
out, workers, videos = sys.argv[1], int(sys.argv[2]), [Path(name) for name in sys.argv[3:]]
trials = tuple(Trial(path.stem, "videos", video=path) for path in videos)
built = build_cache(DatasetIndex("videos", videos[0].parent, "videos", trials, (), ()), out, workers=workers)
sys.exit(0 if built.complete else f"{built.failed}")
"""
BARES = "import sys; videos = sys.argv[1:]\nfor name in videos:\n    sys.argv = ['', name]\n    exec({bare!r})\n"


def cpu() -> float:
    """Seconds of all cores that the processes have used which have ended so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(commands: list[list[str]], cores: set[int]) -> np.ndarray:
    """Run them side by side on these cores -> wall seconds until the last has ended, seconds of cores."""
    kept, before = os.sched_getaffinity(0), cpu()
    started = time.perf_counter()
    try:
        os.sched_setaffinity(0, cores)
        running = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for command in commands]
    finally:
        os.sched_setaffinity(0, kept)
    for child in running:
        _, error = child.communicate()
        if child.returncode:
            sys.exit(f"{child.args[:2]} failed: {error.decode()[-2000:]}")
    return np.array([time.perf_counter() - started, cpu() - before])


def prepare(videos: list[Path], out: Path, workers: int, cores: set[int]) -> np.ndarray:
    """Seconds, as `timed`, of preparing these videos into an empty cache."""
    shutil.rmtree(out, ignore_errors=True)
    return timed([[sys.executable, "-c", PREPARE, str(out), str(workers), *map(str, videos)]], cores)


def bare(videos: list[Path], cores: set[int]) -> np.ndarray:
    """Seconds, as `timed`, of decoding and landmarks alone, a process a core."""
    code = BARES.format(bare=BARE)
    parts = [videos[start :: len(cores)] for start in range(len(cores))]
    return timed([[sys.executable, "-c", code, *map(str, part)] for part in parts], cores)


def speed(folder: Path, seconds: float, count: int, runs: int) -> None:
    """(a) Beside bare processes, and two workers beside one."""
    single = write_person_video(folder / f"person-{seconds:g}s.mp4", seconds / 60)
    videos = [folder / f"video{number}.mp4" for number in range(count)]
    for path in videos:
        shutil.copyfile(single, path)
    first, second = sorted(os.sched_getaffinity(0))[:2]
    rows = []
    for _ in range(runs):
        rows.append([bare(videos, {first, second}), prepare(videos, folder / "cache", 2, {first, second}),
                     prepare(videos, folder / "cache", 1, {first})])
    table = np.array(rows)  # (runs, what, wall and cores)
    seconds_of, frames = np.median(table, axis=0), round(count * seconds * 30)
    for (wall, cores), what in zip(seconds_of, (
            f"{count} videos of {seconds:g} s: bare decode + landmarks, two processes", "prepare, two workers",
            "prepare, one worker on one core"), strict=True):
        print(f"| {what} | {frames / wall:.0f} frames/s, {cores:.1f} s of cores | |")
    over_bare, over_one = (np.median(table[:, k] / table[:, 1], axis=0) for k in (0, 2))
    print(f"| two workers over bare, median of {runs} | {over_bare[0]:.2f} | >= 0.75 |")
    print(f"| the same by seconds of cores, which other programs disturb less | {over_bare[1]:.2f} | |")
    print(f"| two workers over one, median of {runs} | {over_one[0]:.2f} | >= 1.7 |")


def reading(cache: Path, clips: int) -> None:
    """(b) 16 pictures of a clip at random, in one process on one core; the files are in the system's memory."""
    from mien import video
    from mien.preprocessing.cache import Cache

    kept = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(kept)})
    stored = Cache(cache)
    trials, rng = stored.trials, np.random.default_rng(0)
    best = 0.0
    for _ in range(3):
        started = time.perf_counter()
        for number in range(clips):
            trial = trials[number % len(trials)]
            window = stored.clip(trial, lambda count: video.pick_frames(count, 16, rng))
            if window.faces is None or window.faces.shape != (16, 224, 224, 3):
                sys.exit(f"expected 16 pictures of {trial.id}, got {window.faces}")
        best = max(best, clips * 16 / (time.perf_counter() - started))
    os.sched_setaffinity(0, kept)
    pictures = sum(entry.pictures for entry in stored.entries.values())
    size = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
    print(f"| {len(trials)} trials, reading clips of 16 frames of 224 px | {best:.0f} frames/s a core | >= 2000 |")
    print(f"| on disk, everything | {size / pictures / 1000:.1f} kB a frame | <= 20 |")


def memory(folder: Path, minutes: tuple[float, float]) -> None:
    """(c) Peak resident memory of a process that prepares one video."""
    code = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stderr=subprocess.DEVNULL); "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)")
    peaks = []
    for length in minutes:
        path = write_person_video(folder / f"person-{length * 60:g}s.mp4", length)
        shutil.rmtree(folder / "one", ignore_errors=True)
        command = [sys.executable, "-c", code, sys.executable, "-c", PREPARE, str(folder / "one"), "1", str(path)]
        peaks.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    print(f"| peak memory, videos of {minutes[0]:g} and {minutes[1]:g} minutes | {peaks[0]:.0f} and {peaks[1]:.0f} MB, "
          f"{peaks[1] - peaks[0]:+.0f} | <= +30 |")


def main() -> None:
    """Print the table."""
    ask = argparse.ArgumentParser()
    ask.add_argument("--quick", action="store_true", help="short videos, once")
    ask.add_argument("--video", type=Path, nargs="*", default=[], help="videos whose pictures are measured too")
    options = ask.parse_args()
    folder = Path(tempfile.gettempdir()) / "mien-benchmark-data"
    folder.mkdir(exist_ok=True)
    print(f"`python benchmarks/data.py{' --quick' if options.quick else ''}` on {os.cpu_count()} cores\n")
    print("| what | figure | bar |\n|---|---|---|")
    speed(folder, *((10, 2, 1) if options.quick else (60, 8, 3)))
    reading(folder / "cache", 50 if options.quick else 500)
    for number, path in enumerate(options.video):
        prepare([path], folder / f"given{number}", 1, os.sched_getaffinity(0))
        reading(folder / f"given{number}", 50 if options.quick else 500)
    memory(folder, (1 / 6, 1) if options.quick else (1, 10))


if __name__ == "__main__":
    main()
