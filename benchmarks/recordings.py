"""Read recordings of many kinds and compare the result with the expected one: the table of docs/recordings.md.

    python benchmarks/recordings.py

Every video is written here with numbered pictures, so that each shown frame is known. It needs only FFmpeg's encoders
in PyAV. The exit code is 1 if a row is wrong.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from mien import video
from mien.core.results import Source

BITS, SIZE, RATE = 8, (160, 96), 25


def picture(number: int) -> np.ndarray:
    """Eight grey blocks that say a number, above red in the lower left and green in the lower right corner."""
    rgb = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    for bit in range(BITS):
        rgb[: SIZE[1] // 2, bit * 20 : bit * 20 + 20] = 210 if number >> bit & 1 else 40
    rgb[-24:, :24], rgb[-24:, -24:] = (210, 30, 30), (30, 210, 30)
    return rgb


def number(rgb: np.ndarray) -> int:
    """The number that a picture of any size says."""
    height, width = rgb.shape[:2]
    wide = width / BITS
    means = [rgb[height // 8 : height * 3 // 8, int(bit * wide + wide / 4) : int(bit * wide + wide * 3 / 4)].mean()
             for bit in range(BITS)]
    return sum(int(mean > 128) << bit for bit, mean in enumerate(means))


def upright(rgb: np.ndarray) -> bool:
    """Whether the red corner is at the lower left and the green one at the lower right."""
    left, right = rgb[-10, 6].astype(int), rgb[-10, -6].astype(int)
    return left[0] > left[1] + 80 and right[1] > right[0] + 80


def write(path: Path, codec: str = "libx264", pixels: str = "yuv420p", count: int = 60, first: int = 0,
          rate: Fraction = Fraction(RATE), stamps: list[int] | None = None, clock: Fraction | None = None,
          options: dict[str, str] | None = None, container: dict[str, str] | None = None, rotation: int = 0,
          turned: int = 0, **fields: object) -> Path:
    """A video of `count` numbered pictures. `first` is the first time stamp; `turned` quarters turn the stored ones."""
    clock = clock or 1 / rate
    with av.open(str(path), "w", options=container or {}) as out:
        stream = out.add_stream(codec, rate=rate, options=options or {})
        shape = np.rot90(picture(0), turned).shape
        stream.width, stream.height, stream.pix_fmt = shape[1], shape[0], pixels
        stream.codec_context.time_base = clock
        stream.codec_context.thread_count = 1
        if rotation:
            stream.set_display_rotation(rotation)
        for name, value in fields.items():
            setattr(stream.codec_context, name, value)
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.rot90(picture(index), turned)), "rgb24")
            frame.pts = stamps[index] if stamps else first + index
            frame.time_base = clock
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


@dataclass
class Read:
    """What mien read: frames, their times and numbers, and the source."""

    frames: list[np.ndarray]
    times: np.ndarray
    source: Source

    @property
    def numbers(self) -> list[int]:
        return [number(rgb) for rgb in self.frames]

    @property
    def lost(self) -> str:
        return self.source.lost

    def all_of(self, count: int, first: int = 0) -> bool:
        return self.numbers == list(range(first, first + count)) and not self.source.timeline.counts.mismatch


def read(path: Path) -> Read:
    with video.open_video(path) as recording:
        shown = list(recording)
    return Read([frame.rgb for frame in shown], np.array([frame.time for frame in shown]), recording.source)


Case = tuple[str, str, Callable[[Path], Path], Callable[[Read], bool]]


def steady(rate: float, start: float = 0.0) -> Callable[[Read], bool]:
    def check(got: Read) -> bool:
        return (got.all_of(60) and not got.lost
                and np.allclose(got.times, start + np.arange(60) / rate, atol=1.1e-3, rtol=0))
    return check


def patched(path: Path, mark: bytes, offset: int, value: bytes) -> Path:
    """Other bytes after a mark."""
    data = bytearray(path.read_bytes())
    at = data.index(mark) + offset
    data[at : at + len(value)] = value
    path.write_bytes(data)
    return path


def cases() -> Iterator[Case]:
    yield ("h264, interlaced, mp4", "every frame; reported as interlaced",
           lambda at: write(at / "a.mp4", options={"x264-params": "interlaced=1"}),
           lambda got: got.all_of(60) and "60 frames interlaced" in got.lost)
    for pixels in ("yuv420p10le", "yuv422p10le", "yuv444p", "gray"):
        yield f"h264, {pixels}, mkv", "every frame, in 8 bits", lambda at, pixels=pixels: write(
            at / "a.mkv", pixels=pixels), steady(RATE)
    for transfer, name in ((16, "PQ"), (18, "HLG")):
        yield (f"hevc, 10 bits, HDR by {name}, mp4", "every frame; the missing tone mapping is reported",
               lambda at, transfer=transfer: write(at / "a.mp4", "libx265", "yuv420p10le", color_trc=transfer, options={
                   "preset": "ultrafast", "x265-params": f"log-level=none:transfer={transfer}"}),
               lambda got, name=name: got.all_of(60) and f"({name}) is not tone-mapped" in got.lost)
    for degrees in (90, 180, 270):
        yield (f"h264, display matrix of {degrees} degrees, mp4", "every frame upright",
               lambda at, degrees=degrees: write(at / "a.mp4", rotation=degrees, turned=-degrees // 90),
               lambda got: got.all_of(60) and all(map(upright, got.frames)) and not got.lost)
    yield ("ProRes 4444 with transparency, mov", "every frame; transparency is reported",
           transparent, lambda got: len(got.frames) == 60 and "transparent parts" in got.lost)
    yield ("h264, pixels of 4:3, mp4", "every frame, 213 px wide",
           lambda at: write(at / "a.mp4", sample_aspect_ratio=Fraction(4, 3)),
           lambda got: got.all_of(60) and got.frames[0].shape == (96, 213, 3))
    for frames in (57, 58, 59, 60):
        yield (f"h264, {frames} frames that end in B frames, mp4", "every frame",
               lambda at, frames=frames: write(at / "a.mp4", count=frames, options={"bf": "4", "b_strategy": "0"}),
               lambda got, frames=frames: got.all_of(frames) and not got.lost)
    yield ("h264, an edit list that hides 10 frames, mp4", "frames 10 to 59 from time 0 on; 10 packets hidden",
           lambda at: patched(write(at / "a.mp4", options={"bf": "0"}), b"elst", 12, struct.pack(">ii", 2000, 5120)),
           lambda got: got.all_of(50, 10) and got.times[0] == 0 and got.source.timeline.counts.hidden == 10)
    yield ("h264, an edit list with a late picture, mp4", "every frame, from time 0 on",
           lambda at: write(at / "a.mp4", first=50), steady(RATE))
    for seconds in (3600, 95000, 1_760_000_000):
        yield (f"mjpeg, time stamps from {seconds:,} s on, mkv", "every frame from time 0 on; the start is reported",
               lambda at, seconds=seconds: write(at / "a.mkv", "mjpeg", "yuvj420p", first=seconds * RATE),
               lambda got: got.all_of(60) and got.times[0] == 0 and "begin at" in got.lost)
    wrap = round(2**33 / 90000 * RATE)
    yield ("h264, the 33-bit clock begins anew after 1 s, ts", "every frame",
           lambda at: write(at / "a.ts", first=wrap - RATE),
           lambda got: got.all_of(60) and abs(np.diff(got.times) - 0.04).max() < 1e-3)
    for suffix in ("mp4", "mov"):
        yield (f"h264, time stamps from -2 s on, {suffix}", "10 frames from time 0 on, as players show",
               lambda at, suffix=suffix: negative(at / f"a.{suffix}"),
               lambda got: got.all_of(10, 50) and got.times[0] == 0 and not got.lost)
    yield ("h264, time stamps from -2 s on, which FFmpeg does not hand on, mkv", "every frame by number; reported",
           lambda at: negative(at / "a.mkv"), lambda got: got.all_of(60) and "no time stamps" in got.lost)
    for rate in map(Fraction, ("1/2", "1", "5", "24000/1001", "60", "120", "240")):
        for suffix in ("mp4", "mkv"):
            yield (f"h264, {rate} frames a second, {suffix}", "every frame at its time",
                   lambda at, rate=rate, suffix=suffix: write(at / f"a.{suffix}", rate=rate), steady(float(rate)))
    uneven = np.cumsum(np.random.default_rng(0).integers(20, 90, 60)).tolist()
    yield ("h264, uneven time stamps, mkv", "every frame at its time; the rate varies", lambda at: write(
        at / "a.mkv", stamps=uneven, clock=Fraction(1, 1000)), lambda got: got.all_of(60)
        and got.source.variable_frame_rate and np.allclose(got.times, (np.array(uneven) - uneven[0]) / 1000, atol=1e-3))
    yield ("h264 whose first key frame is missing, ts",
           "the frames from the next key frame on; the missing ones are reported",
           headless, lambda got: got.numbers[-1] == 59 and 0 < len(got.frames) < 60 and bool(got.lost))


def transparent(at: Path) -> Path:
    """A ProRes video of half opaque pictures."""
    path = at / "a.mov"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("prores_ks", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuva444p10le"
        for index in range(60):
            rgba = np.dstack([picture(index), np.full(SIZE[::-1], 128, np.uint8)])
            frame = av.VideoFrame.from_ndarray(rgba, "rgba").reformat(format="yuva444p10le")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def negative(path: Path) -> Path:
    """A video with 50 frames before time 0."""
    return write(path, first=-50, options={"bf": "0"}, container={"avoid_negative_ts": "disabled"})


def headless(at: Path) -> Path:
    """A transport stream without the packets of its first third."""
    path = write(at / "a.ts", options={"g": "20", "bf": "0"})
    data = path.read_bytes()
    path.write_bytes(data[: 188 * 3] + data[len(data) // 3 // 188 * 188 :])
    return path


def main() -> int:
    wrong = 0
    print("| recording | expected | read | what mien reports |\n|---|---|---|---|")
    for name, right, make, check in cases():
        with tempfile.TemporaryDirectory() as folder:
            try:
                got = read(make(Path(folder)))
                good, said = check(got), got.lost
            except (video.VideoError, ValueError, av.FFmpegError) as error:
                good, said = False, f"{type(error).__name__}: {error}"
        wrong += not good
        print(f"| {name} | {right} | {'yes' if good else 'NO'} | {said} |", flush=True)
    print(f"\n{wrong} rows are wrong.")
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
