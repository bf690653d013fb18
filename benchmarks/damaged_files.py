"""Are damaged recordings read without a crash, and is every lost frame reported? 1,000 mutated files of 12 formats.

    python benchmarks/damaged_files.py [--files 1000] [--keep FOLDER] [--seed 0]

Every file is read in a process of its own with 60 s and 1 GB above the size of an empty process. Its counts of packets
and frames are compared with those of `ffprobe`, which must be installed, and with the sound file. "not reported": files
that have fewer frames, or other counts than ffprobe's, while `Source.lost` is empty; there should be none.
Mutations: `cut` short, some bytes flipped (`flip`), a stretch of `zero` bytes, a stretch `gone`, other `duration`
fields, other time `stamps`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from mien import video

FORMATS = {"h264.mp4": "libx264", "hevc.mov": "libx265", "h264.mkv": "libx264", "vp9.webm": "libvpx-vp9",
           "av1.mkv": "libsvtav1", "mpeg4.avi": "mpeg4", "mjpeg.avi": "mjpeg", "h264.ts": "libx264",
           "mpeg2.mpg": "mpeg2video", "h264.flv": "libx264", "wmv2.wmv": "wmv2", "rgb8.gif": "gif"}
"""Name -> encoder."""

PIXELS = {"mjpeg": "yuvj420p", "gif": "rgb8"}

OPTIONS = {"libx265": {"preset": "ultrafast", "x265-params": "log-level=none"}, "libsvtav1": {"preset": "12"},
           "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"}, "libx264": {"preset": "veryfast"}}

COUNT, RATE, SIZE = 75, 25, (160, 120)
"""Pictures of a video, Hz, px."""

SECONDS, BYTES = 60, 2**30
"""Limits of a process."""

FIELDS = {"mp4": (b"mvhd", b"tkhd", b"mdhd", b"elst"), "mov": (b"mvhd", b"tkhd", b"mdhd", b"elst"),
          "mkv": (b"\x44\x89", b"DURATION"), "webm": (b"\x44\x89", b"DURATION"), "avi": (b"avih", b"strh"),
          "flv": (b"duration",), "wmv": (b"\xa1\xdc\xab\x8c", ), "gif": (b"\x21\xf9\x04",)}
"""Suffix -> marks of fields with durations; the bytes after a mark are overwritten."""

STAMPS = {"mp4": (b"stts", b"ctts"), "mov": (b"stts", b"ctts"), "mkv": (b"\xe7", b"\xa3"), "webm": (b"\xe7", b"\xa3"),
          "avi": (b"idx1",), "ts": (b"\x00\x00\x01\xe0",), "mpg": (b"\x00\x00\x01\xe0", b"\x00\x00\x01\xba"),
          "flv": (b"\x00\x00\x00\x09",), "wmv": (b"\x82\x00\x00",), "gif": (b"\x21\xf9\x04",)}
"""Suffix -> marks before time stamps."""

TAGS = (b"00:00:inf", b"00:00:nan", b"99:99:99.9", b"-1:00:00.0", b"00:00:1e9", b"aa:bb:cc.dd")
"""Values of Matroska's DURATION tag."""


def write(path: Path, codec: str) -> None:
    """A video of noise that moves before a gradient."""
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 80, (SIZE[1], 2 * SIZE[0], 3))
    ramp = np.linspace(0, 150, SIZE[0])[None, :, None]
    with av.open(str(path), "w", options={"movflags": "faststart"} if path.suffix == ".mov" else {}) as out:
        stream = out.add_stream(codec, rate=RATE, options=OPTIONS.get(codec, {}))
        stream.width, stream.height, stream.pix_fmt = *SIZE, PIXELS.get(codec, "yuv420p")
        stream.codec_context.thread_count = 1
        for number in range(COUNT):
            rgb = (ramp + np.roll(noise, 2 * number, axis=1)[:, : SIZE[0]]).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())


def cut(data: bytearray, _: str, rng: np.random.Generator) -> bytearray:
    return data[: int(len(data) * rng.uniform(0.03, 0.995))]


def flip(data: bytearray, _: str, rng: np.random.Generator) -> bytearray:
    for at in rng.integers(0, len(data), int(rng.integers(1, 40))):
        data[at] ^= 1 << int(rng.integers(8))
    return data


def zero(data: bytearray, _: str, rng: np.random.Generator) -> bytearray:
    at, length = int(rng.integers(0, len(data))), int(len(data) * rng.uniform(0.001, 0.2))
    data[at : at + length] = bytes(len(data[at : at + length]))
    return data


def gone(data: bytearray, _: str, rng: np.random.Generator) -> bytearray:
    at, length = int(rng.integers(0, len(data))), int(len(data) * rng.uniform(0.001, 0.2))
    return data[:at] + data[at + length :]


def duration(data: bytearray, suffix: str, rng: np.random.Generator) -> bytearray:
    marks = FIELDS.get(suffix, ())
    tagged = re.search(rb"00:00:\d\d\.\d{9}", bytes(data))
    if tagged and rng.random() < 0.5:
        data[tagged.start() : tagged.end()] = TAGS[int(rng.integers(len(TAGS)))].ljust(18, b"\0")
        return data
    return _overwritten(data, marks, rng, spread=32)


def stamps(data: bytearray, suffix: str, rng: np.random.Generator) -> bytearray:
    return _overwritten(data, STAMPS[suffix], rng, spread=12)


def _overwritten(data: bytearray, marks: tuple[bytes, ...], rng: np.random.Generator, spread: int) -> bytearray:
    """One to three numbers of 4 bytes near marks get another value."""
    places = [match.end() for mark in marks for match in re.finditer(re.escape(mark), bytes(data))]
    for _ in range(int(rng.integers(1, 4))):
        at = (places[int(rng.integers(len(places)))] if places else 0) + int(rng.integers(0, spread))
        value = rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, int(rng.integers(2**32))])
        data[at : at + 4] = struct.pack(">I", int(value))[: max(0, len(data) - at)]
    return data


MUTATIONS: dict[str, Callable[[bytearray, str, np.random.Generator], bytearray]] = {
    "cut": cut, "flip": flip, "zero": zero, "gone": gone, "duration": duration, "stamps": stamps}


@dataclass
class Outcome:
    """What became of a file: the counts, the words, or the error."""

    packets: int = 0
    decoded: int = 0
    shown: int = 0
    lost: str = ""
    refused: str = ""
    broken: str = ""  # a traceback, a signal, a time-out, or counts that do not add up
    megabytes: float = 0.0
    seconds: float = 0.0


def read(path: Path) -> Outcome:
    """Read a file in a process of its own; the parent has loaded every library, so that it starts at once."""
    ours, theirs = os.pipe()
    began = time.perf_counter()
    child = os.fork()
    if child == 0:
        os.close(ours)
        _read_in_child(path, theirs)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        text = pipe.read()
    _, status, used = os.wait4(child, 0)
    out = Outcome(**json.loads(text)) if text else Outcome(broken="no answer")
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        out.broken = "did not end" if name == "SIGALRM" else f"ended by {name}"
    out.megabytes, out.seconds = used.ru_maxrss / 1024, time.perf_counter() - began
    return out


def _read_in_child(path: Path, pipe: int) -> None:
    signal.alarm(SECONDS)
    with open("/proc/self/statm") as file:
        here = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (here + BYTES, here + BYTES))
    out = Outcome()
    try:
        with video.open_video(path) as frames:
            for _ in frames:
                pass
            source = frames.source
        counts = source.timeline.counts
        out = Outcome(counts.packets, counts.decoded, counts.shown, source.lost, broken=counts.mismatch)
    except video.VideoError as error:
        out.refused = str(error)
    except BaseException as error:  # the finding of this benchmark
        out.broken = f"{type(error).__name__}: {error}"
    os.write(pipe, json.dumps(vars(out)).encode())
    os._exit(0)


def probe(path: Path) -> tuple[int, int]:
    """Packets and decoded frames of the picture stream by ffprobe; 0, 0 where it reads none."""
    command = ["ffprobe", "-v", "quiet", "-threads", "1", "-select_streams", "v:0", "-count_packets", "-count_frames",
               "-show_entries", "stream=nb_read_packets,nb_read_frames", "-of", "json", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        stream = (json.loads(done.stdout or "{}").get("streams") or [{}])[0]
    except (subprocess.TimeoutExpired, ValueError):
        return 0, 0
    return int(stream.get("nb_read_packets", 0)), int(stream.get("nb_read_frames", 0))


@dataclass
class Row:
    """The table's row of one format or mutation."""

    files: int = 0
    refused: int = 0
    complete: int = 0  # every frame shown
    reported: int = 0  # fewer or more frames, and Source.lost says something
    unreported: int = 0
    broken: int = 0
    same: int = 0  # packets and frames as ffprobe's
    differs: int = 0  # not, and reported
    differs_unreported: int = 0
    megabytes: float = 0.0
    seconds: float = 0.0
    cases: list[str] = field(default_factory=list)

    def add(self, name: str, out: Outcome, probed: tuple[int, int]) -> None:
        self.files += 1
        self.megabytes, self.seconds = max(self.megabytes, out.megabytes), max(self.seconds, out.seconds)
        if out.broken:
            self.broken += 1
            self.cases.append(f"{name}: {out.broken}")
            return
        if out.refused:
            self.refused += 1
            return
        complete = out.shown == COUNT
        self.complete += complete
        self.reported += not complete and bool(out.lost)
        self.unreported += not complete and not out.lost
        equal = (out.packets, out.decoded) == probed
        self.same += equal
        self.differs += not equal and bool(out.lost)
        self.differs_unreported += not equal and not out.lost
        if not out.lost and (not complete or not equal):
            self.cases.append(f"{name}: packets {out.packets}, frames {out.decoded}, shown {out.shown}; by ffprobe "
                              f"{probed[0]} and {probed[1]}")

    def line(self, name: str) -> str:
        cells = (name, self.files, self.refused, self.complete, self.reported, self.unreported, self.broken, self.same,
                 self.differs, self.differs_unreported, f"{self.megabytes:.0f}", f"{self.seconds:.1f}")
        return "| " + " | ".join(map(str, cells)) + " |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="keep the mutated files of the last lines here")
    options = parser.parse_args()
    if shutil.which("ffprobe") is None:
        sys.exit("expected ffprobe beside this program, got none: install ffmpeg")
    rows: dict[str, Row] = defaultdict(Row)
    each = -(-options.files // (len(FORMATS) * len(MUTATIONS)))
    with tempfile.TemporaryDirectory() as folder:
        for name, codec in FORMATS.items():
            sound = Path(folder) / name
            write(sound, codec)
            rows["sound files"].add(name, read(sound), probe(sound))
            for index, (kind, mutate) in enumerate(MUTATIONS.items()):
                for number in range(each):
                    rng = np.random.default_rng([options.seed, number, index])
                    path = Path(folder) / f"{kind}{number}_{name}"
                    path.write_bytes(mutate(bytearray(sound.read_bytes()), sound.suffix[1:], rng))
                    out, probed = read(path), probe(path)
                    for row in (name, kind, "all"):
                        before = len(rows["all"].cases)
                        rows[row].add(path.name, out, probed)
                    if options.keep and len(rows["all"].cases) > before:
                        options.keep.mkdir(parents=True, exist_ok=True)
                        shutil.copy(path, options.keep)
                    path.unlink()
    head = ("", "files", "refused", "every frame", "fewer, reported", "fewer, not reported", "crashes",
            "counts as ffprobe's", "differ, reported", "differ, not reported", "most MB", "most s")
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for name in ("sound files", *FORMATS, *MUTATIONS, "all"):
        print(rows[name].line(name))
    for case in [*rows["sound files"].cases, *rows["all"].cases]:
        print("-", case)
    bad = rows["all"]
    return int(bool(bad.broken or bad.unreported or bad.differs_unreported))


if __name__ == "__main__":
    raise SystemExit(main())
