"""Files with a known content are written here with PyAV; what `mien.video` reads is compared with what was planted."""

import hashlib
import itertools
import os
import re
import socket
import struct
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien import video
from mien.video import open as video_open
from mien.video.decode_stats import DecodeStats
from mien.video.errors import VideoError
from mien.video.prefetch import Prefetcher
from mien.video.timestamps import gaps, in_order, is_variable

REAL = Path(__file__).parents[2] / "shared" / "real"
BITS = 10


def picture(number: int, width: int = 320, height: int = 240) -> np.ndarray:
    """A picture that says its number: ten grey blocks from left to right, the lowest bit first; noise below."""
    rgb = np.random.default_rng(number).integers(90, 110, (height, width, 3), dtype=np.uint8)
    edges = np.arange(BITS + 1) * width // BITS
    for bit in range(BITS):
        rgb[: height // 2, edges[bit] : edges[bit + 1]] = 220 if number >> bit & 1 else 35
    return rgb


def number(rgb: np.ndarray) -> int:
    edges = np.arange(BITS + 1) * rgb.shape[1] // BITS
    blocks = [rgb[: rgb.shape[0] // 3, edges[b] + 1 : edges[b + 1] - 1].mean() for b in range(BITS)]
    return sum(int(mean > 128) << bit for bit, mean in enumerate(blocks))


def write(path, codec="libx264", pix="yuv420p", pictures=None, count=60, size=(320, 240), rate=30, stamps=None,
          clock=None, options=None, container=None, **stream_fields):
    """Pictures -> file. stamps: of each picture in `clock` units (default: numbers at `rate`)."""
    with av.open(str(path), "w", options=container or {}) as out:
        stream = out.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = size[0], size[1], pix
        stream.codec_context.thread_count = 1  # with more, x264 writes another file each time
        if clock:
            stream.codec_context.time_base = clock
        matrix = stream_fields.pop("rotation", None)
        if matrix and not hasattr(stream, "set_display_rotation"):
            pytest.skip("this PyAV writes no display matrix")
        if matrix:
            stream.set_display_rotation(matrix[0], hflip=matrix[1], vflip=matrix[2])
        for name, value in stream_fields.items():
            setattr(stream.codec_context, name, value)
        pictures = pictures or (picture(n, *size) for n in range(count))
        for n, rgb in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24")
            frame.pts = n if stamps is None else stamps[n]
            frame.time_base = clock or Fraction(1, 1) / Fraction(rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def cut(path: Path, share: float) -> Path:
    """The first part of the file's bytes."""
    short = path.with_name("cut_" + path.name)
    short.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return short


def all_of(path, **span):
    with video.open_video(path, **span) as recording:
        frames = list(recording)
    return frames, recording.source


def reading_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("mien-video")]


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    assert not reading_threads()


FORMATS = {
    "h264.mp4": {},
    "h264.mkv": {},
    "h264.ts": {},
    "h264.flv": {},
    "mpeg4.avi": {"codec": "mpeg4"},
    "mjpeg.avi": {"codec": "mjpeg", "pix": "yuvj420p"},
    "ffv1.mkv": {"codec": "ffv1"},
    "vp8.webm": {"codec": "libvpx", "options": {"deadline": "realtime", "cpu-used": "8", "g": "5"}},
    "hevc.mp4": {"codec": "libx265", "options": {"preset": "ultrafast", "x265-params": "log-level=none"}},
    "mpeg2.mpg": {"codec": "mpeg2video"},
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_frame_with_its_time(tmp_path, name):
    path = write(tmp_path / name, **FORMATS[name])
    frames, source = all_of(path)
    assert [number(frame.rgb) for frame in frames] == list(range(60))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(60) / 30, atol=0.00101)
    with av.open(str(path)) as bare:  # and to the last digit what the container says
        pts = np.array([frame.pts * float(frame.time_base) for frame in bare.decode(video=0)])
    np.testing.assert_allclose([frame.time for frame in frames], pts - pts[0], atol=1e-9)
    assert frames[0].time == 0
    assert (source.width, source.height, source.frames, source.name) == (320, 240, 60, name)
    assert source.duration == pytest.approx(2, abs=0.002)
    assert source.fps_mean == pytest.approx(30, abs=0.02)
    assert not source.variable_frame_rate
    assert source.lost == ""
    assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_gif(tmp_path):
    path = write(tmp_path / "a.gif", "gif", "rgb8", rate=12)  # 8.33 hundredths of a second
    frames, source = all_of(path)
    assert [number(frame.rgb) for frame in frames] == list(range(60))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(60) / 12, atol=0.0101)
    assert not source.variable_frame_rate
    assert source.lost == ""
    assert "no end mark" in all_of(cut(path, 0.6))[1].lost


@pytest.mark.parametrize(("name", "clock"), [("a.mkv", Fraction(1, 1000)), ("a.mp4", Fraction(1, 90000))])
def test_variable_frame_rate(tmp_path, name, clock):
    steps = np.random.default_rng(3).uniform(0.02, 0.12, 59)
    times = np.concatenate([[0], np.cumsum(steps)])
    stamps = np.round(times / float(clock)).astype(int).tolist()
    frames, source = all_of(write(tmp_path / name, stamps=stamps, clock=clock))
    assert [number(frame.rgb) for frame in frames] == list(range(60))
    np.testing.assert_allclose([frame.time for frame in frames], times, atol=0.00101)
    assert source.variable_frame_rate
    assert source.fps_mean == pytest.approx(59 / times[-1], rel=1e-3)


def test_rounded_stamps_are_no_variable_rate(tmp_path):
    ntsc = write(tmp_path / "ntsc.mkv", rate=Fraction(30000, 1001))
    assert not all_of(ntsc)[1].variable_frame_rate
    stamps = (np.round(np.arange(60) / 29.97, 3) * 90000).round().astype(int).tolist()  # ms, remuxed to 1/90000 s
    remuxed = write(tmp_path / "remuxed.mp4", stamps=stamps, clock=Fraction(1, 90000))
    assert not all_of(remuxed)[1].variable_frame_rate


@pytest.mark.parametrize(("times", "tick", "variable"), [
    ([0.0], 0.001, False),
    ([0.0, 0.1], 0.001, False),
    (np.arange(100) / 30, 1e-5, False),
    (np.floor(np.arange(100) / 30 * 100) / 100, 0.01, False),  # GIF's clock
    (np.delete(np.arange(200) / 30, [50, 51, 120]), 1e-5, False),  # three frames missing
    (np.cumsum(np.tile([1, 1, 2, 1, 3], 20)) / 60, 1e-5, True),  # a screen recorder: multiples of 1/60 s
    (np.cumsum(np.linspace(0.02, 0.05, 100)), 1e-5, True),
    (np.concatenate([np.arange(50) / 30, 50 / 30 + np.arange(50) / 24]), 1e-5, True),
    ([0.0, 0.1, 0.2, 0.5, 0.51], 1e-5, True),
])
def test_is_variable_decides_by_the_time_stamps(times, tick, variable):
    assert is_variable(np.asarray(times), tick) is variable


def test_a_gap_is_reported_in_frames_and_seconds(tmp_path):
    stamps = [n if n < 30 else n + 6 for n in range(60)]
    single = all_of(write(tmp_path / "b.mp4", stamps=[n + (n > 40) for n in range(60)]))[1]
    assert "1 gap in the time stamps, as long as 1 frame (the longest 0.07 s, from 1.33 s on)" in single.lost
    frames, source = all_of(write(tmp_path / "a.mp4", stamps=stamps))
    assert frames[30].time == pytest.approx(36 / 30)
    assert not source.variable_frame_rate
    assert "1 gap in the time stamps, as long as 6 frames (the longest 0.23 s, from 0.97 s on)" in source.lost
    assert gaps(np.arange(50) / 30, 1e-5) == ""


@pytest.mark.parametrize("flips", [(False, False), (True, False)])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation_and_mirroring_come_upright(tmp_path, degrees, flips):
    stored = np.full((48, 64, 3), 60, np.uint8)
    stored[:16, :16] = (230, 20, 20)  # top left red, top right green
    stored[:16, -16:] = (20, 230, 20)
    path = write(tmp_path / "a.mp4", pictures=[stored] * 3, size=(64, 48), rotation=(degrees, *flips),
                 options={"crf": "1"}, pix="yuv444p")
    frames, source = all_of(path)
    upright = np.rot90(stored, degrees // 90)  # PyAV: counter-clockwise, then mirrored
    upright = upright[:, ::-1] if flips[0] else upright
    assert (source.height, source.width) == upright.shape[:2] == frames[0].rgb.shape[:2]
    assert np.abs(frames[0].rgb.astype(int) - upright).mean() < 6
    assert frames[0].rgb.flags.c_contiguous


def test_a_rotation_written_by_hand_into_tkhd(tmp_path):
    """ISO 14496-12 8.3.2: tkhd's matrix of a phone held upright, a quarter turn clockwise."""
    path = write(tmp_path / "a.mp4", count=3)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 4 + 20 + 8 + 8  # version and flags; times, id, duration; reserved; layer to reserved
    assert struct.unpack(">9i", data[at : at + 36]) == (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    data[at : at + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 240 << 16, 0, 1 << 30)
    path.write_bytes(data)
    frames, source = all_of(path)
    assert (source.width, source.height) == (240, 320)
    assert [number(np.rot90(frame.rgb, 1)) for frame in frames] == [0, 1, 2]


@pytest.mark.parametrize(("aspect", "expected"), [
    (Fraction(4, 3), (427, 240)), (Fraction(1, 2), (320, 480)), (Fraction(1), (320, 240)), (Fraction(9, 1), (320, 240)),
])
def test_pixels_come_square(tmp_path, aspect, expected):
    path = write(tmp_path / "a.mp4", count=3, sample_aspect_ratio=aspect)
    frames, source = all_of(path)
    assert (source.width, source.height) == expected == frames[0].rgb.shape[1::-1]
    assert [number(frame.rgb) for frame in frames] == [0, 1, 2]


@pytest.mark.parametrize(("name", "codec", "pix"), [
    ("a.mp4", "libx264", "yuv444p"), ("a.mkv", "ffv1", "bgr0"), ("a.avi", "mjpeg", "yuvj420p"),
    ("a.gif", "gif", "rgb8"), ("b.mkv", "ffv1", "yuv420p"),
])
def test_odd_sizes(tmp_path, name, codec, pix):
    frames, source = all_of(write(tmp_path / name, codec, pix, count=5, size=(321, 241), rate=25))
    assert (source.width, source.height) == (321, 241)
    assert {frame.rgb.shape for frame in frames} == {(241, 321, 3)}
    assert [number(frame.rgb) for frame in frames] == list(range(5))


@pytest.mark.parametrize(("codec", "pix", "colour"), [
    ("libx264", "yuv420p", (200, 40, 60)),
    ("libx264", "yuv420p10le", (200, 40, 60)),
    ("libx264", "yuv422p10le", (200, 40, 60)),
    ("ffv1", "bgr0", (200, 40, 60)),
    ("ffv1", "gray", (90, 90, 90)),
    ("ffv1", "gray16le", (90, 90, 90)),
    ("mjpeg", "yuvj420p", (200, 40, 60)),
    ("libx264", "yuv420p", (255, 255, 255)),
    ("libx264", "yuv420p", (0, 0, 0)),
])
def test_colours_of_every_depth(tmp_path, codec, pix, colour):
    """Within 3 levels: the rounding of 8-bit YUV with its limited range."""
    flat = np.full((48, 64, 3), colour, np.uint8)
    frames, _ = all_of(write(tmp_path / "a.mkv", codec, pix, pictures=[flat] * 2, size=(64, 48)))
    assert frames[0].rgb.dtype == np.uint8
    assert np.abs(frames[0].rgb.astype(int) - colour).max() <= 3


@pytest.mark.parametrize(("name", "said"), [
    ("h264.mkv", "the container announces 2.00 s, the pictures end at"),
    ("vp8.webm", "the container announces 2.00 s, the pictures end at"),
    ("ffv1.mkv", "the container announces 2.00 s, the pictures end at"),
    ("mpeg4.avi", "the container announces 60 frames"),
    ("mjpeg.avi", "the container announces 60 frames"),
    ("h264.ts", "the file ends in the middle of a packet: it is cut short"),
    ("mpeg2.mpg", "damaged"),
])
def test_a_file_that_is_cut_short(tmp_path, name, said):
    frames, source = all_of(cut(write(tmp_path / name, **FORMATS[name]), 0.6))
    assert source.frames == len(frames)
    if name == "mpeg2.mpg":
        frames.pop()  # half a picture: FFmpeg conceals it and says nothing, and nor can we
    result = [number(frame.rgb) for frame in frames]
    assert 10 < len(frames) < 50
    assert result[:-3] == list(range(len(frames) - 3))  # the newest may stand without the ones before it (B frames)
    assert (np.diff(result) > 0).all()
    np.testing.assert_allclose([frame.time for frame in frames], np.array(result) / 30, atol=0.00101)
    assert said in source.lost


def test_an_mp4_that_is_cut_short(tmp_path):
    full = write(tmp_path / "start.mp4", container={"movflags": "faststart"})
    frames, source = all_of(cut(full, 0.6))
    assert 10 < len(frames) < 50
    assert [number(frame.rgb) for frame in frames] == list(range(len(frames)))
    assert f"the container announces 60 frames, {len(frames)} were found" in source.lost
    with pytest.raises(VideoError, match=r"without its index .the moov atom"):
        video.open_video(cut(write(tmp_path / "end.mp4"), 0.6))


def test_damage_in_the_middle_is_reported(tmp_path):
    path = write(tmp_path / "a.mkv", "ffv1")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = np.random.default_rng(1).bytes(3000)
    path.write_bytes(data)
    frames, source = all_of(path)
    result = [number(frame.rgb) for frame in frames]
    assert 0 < len(result) < 60
    assert result == sorted(result)
    np.testing.assert_allclose([frame.time for frame in frames], np.array(result) / 30, atol=0.00101)
    assert "could not be decoded" in source.lost or "gap" in source.lost


def test_a_stream_without_time_stamps_says_where_its_times_come_from(tmp_path):
    frames, source = all_of(write(tmp_path / "a.h264"))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(60) / 30, atol=1e-9)
    assert [number(frame.rgb) for frame in frames] == list(range(60))
    assert "no time stamps: times are frame numbers at 30 Hz" in source.lost
    assert source.duration == pytest.approx(2)


def patched_stamps(path: Path, stamps: dict[int, int]) -> Path:
    """Other time stamps (ms) for some blocks of a Matroska file of 20 mjpeg frames, 50 ms each."""
    data = bytearray(path.read_bytes())
    blocks = list(re.finditer(rb"\x81(..)\x80\xff\xd8\xff", bytes(data), re.DOTALL))
    assert len(blocks) == 20
    for index, stamp in stamps.items():
        at = blocks[index].start() + 1
        in_cluster = struct.unpack(">h", data[at : at + 2])[0]
        data[at : at + 2] = struct.pack(">h", in_cluster + stamp - 50 * index)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("stamps", "dropped"), [
    ({10: 450}, {10}),  # repeats frame 9
    ({10: 130}, {10}),  # far back
    ({10: 30000}, {10}),  # far ahead, alone: the rest stays
    ({0: 30000}, {0}),
    ({19: 10}, {19}),
])
def test_time_stamps_that_go_wrong(tmp_path, stamps, dropped):
    path = write(tmp_path / "a.mkv", "mjpeg", "yuvj420p", count=20, rate=20)
    frames, source = all_of(patched_stamps(path, stamps))
    kept = [n for n in range(20) if n not in dropped]
    assert [number(frame.rgb) for frame in frames] == kept
    np.testing.assert_allclose([frame.time for frame in frames], (np.array(kept) - kept[0]) / 20, atol=1e-9)
    assert "1 frame dropped: the time stamp repeats or goes backwards" in source.lost


stamp = st.one_of(st.none(), st.just(float("nan")), st.integers(0, 30).map(float))


@given(st.lists(stamp, max_size=40), st.booleans())
def test_in_order_increases_and_accounts_for_everything(stamps, ahead):
    tally = DecodeStats()
    kept = list(in_order(((time, n) for n, time in enumerate(stamps)), tally, ahead))
    times = [time for time, _ in kept]
    assert all(a < b for a, b in itertools.pairwise(times))
    if not tally.jumps:
        assert all(stamps[n] == time for time, n in kept)
    assert tally.unstamped == sum(time is None or time != time for time in stamps)
    assert len(kept) + tally.backwards + tally.unstamped == len(stamps)


def test_live_frames_are_not_held_back():
    received = []

    def stamped():
        for n in range(5):
            received.append(n)
            yield float(n), n

    assert next(in_order(stamped(), DecodeStats(), ahead=False)) == (0.0, 0)
    assert received == [0]


@given(st.lists(st.floats(-4e4, 4e4), unique=True), st.booleans())
def test_in_order_leaves_good_stamps_alone(stamps, ahead):
    stamps = sorted(stamps)
    tally = DecodeStats()
    assert [time for time, _ in in_order(((time, 0) for time in stamps), tally, ahead)] == stamps
    assert tally.lost() == gaps(np.zeros(0), 0) == ""


def test_one_frame_is_a_recording(tmp_path):
    frames, source = all_of(write(tmp_path / "a.mp4", count=1))
    assert [number(frame.rgb) for frame in frames] == [0]
    assert (source.frames, source.fps_mean, source.variable_frame_rate) == (1, 0.0, False)
    assert source.duration == pytest.approx(1 / 30)


def test_a_still_has_no_duration(tmp_path):
    path = tmp_path / "a.jpg"
    av.VideoFrame.from_ndarray(picture(5), "rgb24").save(str(path))
    frames, source = all_of(path)
    assert number(frames[0].rgb) == 5
    assert (source.frames, source.duration, source.lost) == (1, 0.0, "")


def test_interlaced_pictures_are_reported(tmp_path):
    path = write(tmp_path / "a.mp4", count=4, options={"x264-params": "interlaced=1"})
    assert "4 frames interlaced" in all_of(path)[1].lost


def test_a_change_of_size_is_scaled_to_the_first(tmp_path):
    big, small = write(tmp_path / "a.h264", count=5), write(tmp_path / "b.h264", count=5, size=(160, 120))
    both = tmp_path / "both.h264"
    both.write_bytes(big.read_bytes() + small.read_bytes())
    frames, source = all_of(both)
    assert {frame.rgb.shape for frame in frames} == {(240, 320, 3)}
    assert [number(frame.rgb) for frame in frames] == [0, 1, 2, 3, 4] * 2
    assert "5 frames of another size" in source.lost


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "mpeg4.avi"])
def test_a_part_of_a_recording(tmp_path, name):
    codec = "mpeg4" if name.endswith("avi") else "libx264"
    path = write(tmp_path / name, codec, count=600, size=(160, 48), rate=10, options={"g": "50"})
    frames, source = all_of(path, start=42.55, end=44.0)
    assert [number(frame.rgb) for frame in frames] == list(range(426, 440))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(426, 440) / 10, atol=0.00101)
    assert source.duration == pytest.approx(1.4, abs=0.002)
    assert source.lost == ""
    to_the_end, source = all_of(path, start=59.0)
    assert [number(frame.rgb) for frame in to_the_end] == list(range(590, 600))
    assert source.lost == ""
    with pytest.raises(VideoError, match="expected frames from 100 s on, got none"):
        all_of(path, start=100)


@pytest.mark.parametrize("span", [{"start": -1}, {"start": float("nan")}, {"start": 2, "end": 2}, {"end": 0}])
def test_an_impossible_part(tmp_path, span):
    with pytest.raises(VideoError, match="expected 0 <= start < end"):
        video.open_video(tmp_path / "never opened.mp4", **span)


def sound(path: Path, codec: str, cover: bytes = b"") -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=44100, layout="mono")
        for n in range(20):
            samples = np.zeros((1, 1152), np.float32 if codec in ("aac", "libmp3lame") else np.int16)
            frame = av.AudioFrame.from_ndarray(samples, "fltp" if samples.dtype == np.float32 else "s16", "mono")
            frame.sample_rate, frame.pts = 44100, n * 1152
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    if cover:  # ID3v2.3 with an attached picture
        body = b"\0image/jpeg\0\x03\0" + cover
        apic = b"APIC" + struct.pack(">IH", len(body), 0) + body
        size = bytes(len(apic) >> shift & 127 for shift in (21, 14, 7, 0))
        path.write_bytes(b"ID3\x03\0\0" + size + apic + path.read_bytes())
    return path


def without_pixels(path: Path) -> Path:
    """A raw AVI whose BITMAPINFOHEADER says 0x0."""
    data = bytearray(write(path, "rawvideo", "bgr24", count=3).read_bytes())
    at = data.index(b"strf") + 12
    assert struct.unpack("<ii", data[at : at + 8]) == (320, -240)  # upside down
    data[at : at + 8] = bytes(8)
    path.write_bytes(data)
    return path


def without_pictures(path: Path) -> Path:
    """A good container around noise."""
    data = bytearray(write(path, "mjpeg", "yuvj420p", count=3).read_bytes())
    at, end = data.index(b"movi") + 4, data.index(b"idx1")
    for match in re.finditer(rb"00dc(....)", bytes(data[at:end]), re.DOTALL):
        size = struct.unpack("<I", match.group(1))[0]
        begin = at + match.end()
        data[begin : begin + size] = np.random.default_rng(0).bytes(size)
    path.write_bytes(data)
    return path


def jpeg(folder: Path) -> bytes:
    av.VideoFrame.from_ndarray(picture(5), "rgb24").save(str(folder / "cover.jpg"))
    return (folder / "cover.jpg").read_bytes()


def text(path: Path, content: str = "The quick brown fox\n" * 50) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def raw(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


BAD = {
    "missing": (lambda d: d / "none.mp4", "which does not exist"),
    "below a file": (lambda d: text(d / "a") / "b.mp4", "which does not exist"),
    "folder": (lambda d: d, "got the folder"),
    "pipe": (lambda d: (os.mkfifo(d / "p"), d / "p")[1], "device or pipe"),
    "empty": (lambda d: raw(d / "a.mp4", b""), "got the empty file"),
    "text": (lambda d: text(d / "a.mp4"), "got text"),
    "text in UTF-8": (lambda d: text(d / "a.mp4", "Füße " * 400), "got text"),
    "a text file": (lambda d: text(d / "a.txt"), "got text"),
    "a list of files": (lambda d: text(write(d / "b.mp4", count=2).with_name("a.mp4"),
                                       "ffconcat version 1.0\nfile b.mp4\n"), "a list of other files"),
    "noise": (lambda d: raw(d / "a.mp4", np.random.default_rng(0).bytes(5000)), "expected a video that FFmpeg reads"),
    "sound, wav": (lambda d: sound(d / "a.wav", "pcm_s16le"), "got audio only"),
    "sound, m4a": (lambda d: sound(d / "a.m4a", "aac"), "got audio only"),
    "sound with a cover": (lambda d: sound(d / "a.mp3", "libmp3lame", jpeg(d)), "got audio only"),
    "no pixels": (lambda d: without_pixels(d / "a.avi"), "expected pictures with pixels, got 0x0"),
    "nothing decodes": (lambda d: without_pictures(d / "a.avi"), "expected at least one frame, got 3 packets"),
    "a zero byte": (lambda d: Path("a\0b.mp4"), "zero byte"),
    "a name too long": (lambda d: d / ("x" * 300), "expected a readable file"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_with_a_remedy(tmp_path, name):
    make, said = BAD[name]
    with pytest.raises(VideoError, match=re.escape(said)) as caught:
        video.open_video(make(tmp_path))
    message = str(caught.value)
    assert "\n" not in message
    assert re.fullmatch(r"expected .+, got .+[:;] .+", message)


def test_a_file_that_may_not_be_read(tmp_path):
    path = write(tmp_path / "a.mp4", count=2)
    path.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)  # nobody: root reads everything
    try:
        with pytest.raises(VideoError, match="got no permission for"):
            video.open_video(path)
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.parametrize("name", ["a:b.mp4", "file:x.mp4", "%03d.mp4", "-i.mp4", "Größe 中.mp4", "a b?#.mp4"])
def test_names_are_only_names(tmp_path, monkeypatch, name):
    write(tmp_path / "plain.mp4", count=2).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(all_of(name)[0]) == 2


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """2,000 pictures of 640x480: 1.8 GB decoded."""
    flat = [np.full((480, 640, 3), grey, np.uint8) for grey in range(0, 200, 10)]
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    return write(path, pictures=(flat[n % 20] for n in range(2000)), size=(640, 480), options={"preset": "ultrafast"})


def test_leaving_early_ends_the_thread(long):
    recording = video.open_video(long)
    for frame in recording:
        assert reading_threads()
        if frame.time > 0.1:
            break
    assert not reading_threads()
    with pytest.raises(VideoError, match="expected one pass"):
        iter(recording)


def test_a_consumer_that_raises_ends_the_thread(long):
    recording = video.open_video(long)

    def consume():
        with recording:
            for _ in recording:
                raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        consume()
    assert not reading_threads()
    recording.close()  # again: harmless


def test_forgetting_a_recording_lets_go_of_the_file(long):
    files = Path("/proc/self/fd")
    if not files.exists():
        pytest.skip("no /proc here: open files cannot be listed")
    before = len(list(files.iterdir()))
    recording = video.open_video(long)
    assert len(list(files.iterdir())) == before + 1
    del recording
    assert len(list(files.iterdir())) == before


def test_a_slow_consumer_bounds_what_is_decoded(long):
    with video.open_video(long) as recording:
        frames = iter(recording)
        next(frames)
        time.sleep(0.3)
        assert recording.source.frames <= video.WAITING_FRAMES + 2
        frames.close()


def test_memory_stays_bounded(long):
    status = Path("/proc/self/statm")
    if not status.exists():
        pytest.skip("no /proc here: memory cannot be read")
    pages = []
    with video.open_video(long) as recording:
        for frame in recording:
            if round(frame.time * 30) % 100 == 50:
                pages.append(int(status.read_text().split()[1]))
    assert len(pages) == 20
    megabytes = (max(pages[2:]) - pages[0]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    assert megabytes < 100  # 32 MiB wait in the queue, as much again is in the decoder's and the allocator's hands


def test_hints_are_for_progress(tmp_path):
    path = write(tmp_path / "a.mp4")
    with video.open_video(path) as full, video.open_video(path, start=0.5, end=1.5) as part:
        assert (full.duration_hint, full.frames_hint) == (pytest.approx(2), 60)
        assert (part.duration_hint, part.frames_hint) == (pytest.approx(1), 30)


def test_source_asks_for_a_file_that_is_gone(tmp_path):
    path = write(tmp_path / "a.mp4", count=2)
    with video.open_video(path) as recording:
        list(recording)
    path.unlink()
    with pytest.raises(VideoError, match="still to be there"):
        _ = recording.source


def test_ahead_hands_on_errors_in_their_place():
    def items():
        yield 1
        raise KeyError("later")

    ahead = Prefetcher(items(), 2, "mien-video test")
    seen = iter(ahead)
    assert next(seen) == 1
    with pytest.raises(KeyError, match="later"):
        next(seen)
    ahead.close()


def test_ahead_stops_soon_after_it_is_closed():
    made = []

    def items():
        for n in range(2_000):
            made.append(n)
            yield n

    ahead = Prefetcher(items(), 2, "mien-video test")
    assert next(iter(ahead)) == 0
    ahead.close()
    assert len(made) < 100


def test_ahead_live_keeps_the_newest():
    skipped = []
    done = threading.Event()

    def items():
        yield from range(100)
        done.set()

    ahead = Prefetcher(items(), 4, "mien-video test", lambda: skipped.append(1))
    seen = iter(ahead)
    first = next(seen)
    done.wait(5)
    time.sleep(0.05)
    rest = list(seen)
    ahead.close()
    assert rest[-1] == 99
    assert 1 + len(rest) + len(skipped) == 100
    assert first < rest[0]


def test_a_camera_that_is_not_there(monkeypatch):
    if Path("/dev/video97").exists():
        pytest.skip("this machine really has a camera 97")
    monkeypatch.setattr(video_open.sys, "platform", "linux")
    with pytest.raises(VideoError, match="expected camera 97 at /dev/video97"):
        video.webcam(97)
    monkeypatch.setattr(video_open.sys, "platform", "win32")
    with pytest.raises(VideoError, match="got Windows"):
        video.webcam(0)


def test_a_network_camera_that_is_not_there():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(VideoError, match="expected a live picture from rtsp://127") as caught:
        video.rtsp(f"rtsp://me:secret@127.0.0.1:{port}/x")
    assert "secret" not in str(caught.value)
    with pytest.raises(VideoError, match="expected an address"):
        video.rtsp("camera.local")


def test_a_live_stream_keeps_the_senders_clock(tmp_path):
    """MPEG-TS over TCP, sent faster than real time to a slow consumer: times are the sender's, losses are counted."""
    data = write(tmp_path / "a.ts", count=120, options={"tune": "zerolatency"}).read_bytes()
    server = socket.create_server(("127.0.0.1", 0))

    def send():
        connection, _ = server.accept()
        with connection:
            connection.sendall(data)

    sender = threading.Thread(target=send)
    sender.start()
    with video._live("a stream", f"tcp://127.0.0.1:{server.getsockname()[1]}", "none", "mpegts") as recording:
        frames = []
        for frame in recording:
            frames.append(frame)
            time.sleep(0.01)
    sender.join()
    server.close()
    numbers = np.array([number(frame.rgb) for frame in frames])
    assert (np.diff(numbers) > 0).all()
    np.testing.assert_allclose([frame.time for frame in frames], (numbers - numbers[0]) / 30, atol=1e-4)
    source = recording.source
    assert source.sha256 == ""
    skipped = re.search(r"(\d+) frames? skipped", source.lost)
    assert len(frames) + int(skipped.group(1)) == source.frames


@given(st.integers(1, 400), st.integers(1, 40), st.integers(0, 9))
def test_one_frame_of_each_segment(count, expected, seed):
    middle = video.pick_frames(count, expected)
    random = video.pick_frames(count, expected, np.random.default_rng(seed))
    for picked in (middle, random):
        assert picked.shape == (expected,)
        assert (np.diff(picked) >= 0).all()
        assert 0 <= picked[0] <= picked[-1] < count
    if count >= expected:
        ends = np.arange(1, expected + 1) * count // expected
        for picked in (middle, random):
            assert (np.searchsorted(ends, picked, "right") == np.arange(expected)).all()
    else:
        assert middle.tolist() == [*range(count), *[count - 1] * (expected - count)]


def test_segment_sampling_by_hand():
    assert video.pick_frames(32, 16).tolist() == list(range(0, 32, 2))
    assert video.pick_frames(48, 16).tolist() == list(range(1, 48, 3))
    assert video.pick_frames(16, 16).tolist() == list(range(16))
    draws = {tuple(video.pick_frames(160, 16, np.random.default_rng(seed)).tolist()) for seed in range(20)}
    assert len(draws) == 20
    with pytest.raises(ValueError, match="at least one frame"):
        video.pick_frames(0)


@pytest.mark.skipif(not REAL.exists(), reason="the real recordings of ../shared/real are not here")
@pytest.mark.parametrize(("name", "frames", "size", "seconds", "variable"), [
    ("faces/again.mkv", 77, (640, 480), 2.567, False),
    ("faces/face-demographics-walking.gif", 35, (480, 270), 2.91, False),
    ("faces/single_face.mp4", 72, (640, 360), 2.4, False),
    ("gating/no_face.mp4", 95, (960, 540), 4.015, False),
    ("gating/face_noface.mov", 169, (960, 540), 6.402, True),
    ("pulse/50_light.avi", 548, (640, 480), 10.96, False),
])
def test_real_recordings(name, frames, size, seconds, variable):
    read, source = all_of(REAL / name)
    with av.open(str(REAL / name)) as bare:
        times = np.array([frame.time for frame in bare.decode(video=0)])
    np.testing.assert_allclose([frame.time for frame in read], times - times[0], atol=1e-9)
    assert (source.frames, source.width, source.height) == (frames, *size)
    assert source.duration == pytest.approx(seconds, abs=0.001)
    assert source.variable_frame_rate is variable
    assert source.lost == ""
