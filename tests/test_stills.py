"""Pictures: every format, depth, colour mode and orientation comes as the same upright RGB; large sides are refused."""

import io
import json
import struct
import subprocess
import sys
import tracemalloc
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mien import simulation, video
from mien.core.observations import LARGEST_SIDE, Frame
from mien.inference.analyze import analyze
from mien.inference.batch import find_inputs
from mien.video.errors import VideoError
from mien.video.stills import TURNS

CORNERS = ((230, 20, 20), (20, 230, 20), (20, 20, 230), (230, 230, 20))
"""Top left, top right, bottom left, bottom right."""


def corners(width=64, height=48) -> Image.Image:
    rgb = np.zeros((height, width, 3), np.uint8)
    for index, colour in enumerate(CORNERS):
        y, x = divmod(index, 2)
        rgb[y * height // 2 : (y + 1) * height // 2, x * width // 2 : (x + 1) * width // 2] = colour
    return Image.fromarray(rgb)


def first(path, **options) -> np.ndarray:
    with video.open_video(path, **options) as frames:
        return next(iter(frames)).rgb


def quarters(rgb: np.ndarray) -> np.ndarray:
    h, w = rgb.shape[:2]
    return np.array([rgb[y, x] for y in (h // 4, 3 * h // 4) for x in (w // 4, 3 * w // 4)], dtype=int)


def stored(orientation: int) -> Image.Image:
    """What a camera stores so that the picture is upright after the turn that EXIF states (EXIF 2.32, tag 274)."""
    undo = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
            5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
            8: Image.Transpose.ROTATE_270}
    return corners().transpose(undo[orientation]) if orientation in undo else corners()


def exif(orientation: int) -> Image.Exif:
    block = Image.Exif()
    block[0x0112] = orientation
    return block


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_upright(tmp_path, suffix, orientation):
    path = tmp_path / f"a.{suffix}"
    options = {"quality": 95, "subsampling": 0} if suffix == "jpg" else {"lossless": True} if suffix == "webp" else {}
    stored(orientation).save(path, exif=exif(orientation), **options)
    rgb = first(path)
    assert rgb.shape == (48, 64, 3)
    assert np.abs(quarters(rgb) - CORNERS).max() <= 12
    assert rgb.flags.c_contiguous


@pytest.mark.parametrize("orientation", [1, *TURNS])
def test_a_film_of_jpegs_obeys_the_orientation_too(tmp_path, orientation):
    """Motion JPEG as some cameras write it: an EXIF block in every picture."""
    buffer = io.BytesIO()
    stored(orientation).save(buffer, "JPEG", quality=95, subsampling=0, exif=exif(orientation))
    path = tmp_path / "a.mjpeg"
    path.write_bytes(buffer.getvalue() * 5)
    with video.open_video(path, fps=10) as frames:
        seen = list(frames)
    assert len(seen) == 5
    np.testing.assert_allclose([frame.time for frame in seen], np.arange(5) / 10)
    assert np.abs(quarters(seen[-1].rgb) - CORNERS).max() <= 20
    (tmp_path / "noname").write_bytes(path.read_bytes())
    with video.open_video(tmp_path / "noname") as frames:
        assert len(list(frames)) == 5


@pytest.mark.parametrize("suffix", [".mjpeg", ".MJPG"])
@pytest.mark.parametrize("count", [1, 20])
def test_a_stream_of_large_jpegs_is_a_film(tmp_path, suffix, count):
    """Of pictures this large, FFmpeg sees only one where it guesses the format."""
    noise = np.random.default_rng(0).integers(0, 255, (224, 224, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=95)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(buffer.getvalue() * count)
    assert not video.is_picture(path)
    with video.open_video(path, fps=10) as frames:
        assert [frame.time for frame in frames] == pytest.approx(np.arange(count) / 10)


def deep_png(path: Path, levels: np.ndarray) -> Path:
    """A PNG of 16-bit RGB by hand (PNG specification, third edition): Pillow writes none."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = levels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) +
                     chunk(b"IEND", b""))
    return path


def test_depths_and_colour_modes(tmp_path):
    grey = Image.new("L", (32, 24), 90)
    red = Image.new("RGB", (32, 24), (200, 40, 60))
    made = {
        "grey.png": (grey, 90), "grey.jpg": (grey, 90), "grey.bmp": (grey, 90),
        "bit.png": (Image.new("1", (32, 24), 1), 255),
        "palette.png": (red.convert("P", palette=Image.Palette.ADAPTIVE), (200, 40, 60)),
        "rgb.bmp": (red, (200, 40, 60)), "rgb.webp": (red, (200, 40, 60)), "rgb.tiff": (red, (200, 40, 60)),
        "deep.png": (Image.fromarray(np.full((24, 32), 90 * 257, np.uint16)), 90),
        "deep.tiff": (Image.fromarray(np.full((24, 32), 90 * 257, np.uint16)), 90),
        "cmyk.jpg": (red.convert("CMYK"), (200, 40, 60)), "cmyk.tiff": (red.convert("CMYK"), (200, 40, 60)),
        "opaque.png": (red.convert("RGBA"), (200, 40, 60)),
        "glass.png": (Image.new("RGBA", (32, 24), (0, 0, 0, 0)), 255),
        "half.png": (Image.new("RGBA", (32, 24), (55, 155, 255, 128)), (155, 205, 255)),
        "greyalpha.png": (Image.new("LA", (32, 24), (90, 255)), 90),
    }
    for name, (image, expected) in made.items():
        image.save(tmp_path / name)
        assert np.abs(first(tmp_path / name).astype(int) - expected).max() <= 4, name
    deep = deep_png(tmp_path / "rgb16.png", np.full((24, 32, 3), (200 * 257, 40 * 257, 60 * 257)))
    assert np.abs(first(deep).astype(int) - (200, 40, 60)).max() <= 1


def test_pictures_that_move_keep_their_times(tmp_path):
    frames = [Image.new("RGB", (64, 48), (20 * k, 20 * k, 20 * k)) for k in range(10)]
    for name in ("moving.webp", "moving.png", "moving.gif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=[100, *[40] * 9])
        with video.open_video(tmp_path / name) as read:
            times = [frame.time for frame in read]
        np.testing.assert_allclose(times, [0, *(0.1 + 0.04 * np.arange(9))], atol=1e-6, err_msg=name)
        assert read.source.duration == pytest.approx(0.46, abs=1e-6)
        assert read.source.lost == ""
    frames[0].save(tmp_path / "pages.tiff", save_all=True, append_images=frames[1:])
    with video.open_video(tmp_path / "pages.tiff", fps=5) as read:
        np.testing.assert_allclose([frame.time for frame in read], np.arange(10) / 5)
    with pytest.raises(VideoError, match="give it with --fps"):
        analyze(tmp_path / "pages.tiff")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tif"])
def test_a_picture_that_is_cut_short_is_one_line(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(VideoError, match="expected a whole picture") as caught:
        video.open_video(path)
    assert "\n" not in str(caught.value)
    assert "copy or export the file again" in str(caught.value)


def test_floats_are_refused_with_a_reason(tmp_path):
    Image.fromarray(np.full((24, 32), 0.5, np.float32)).save(tmp_path / "a.tiff")
    with pytest.raises(VideoError, match="got floats"):
        video.open_video(tmp_path / "a.tiff")


def film(path: Path, size: tuple[int, int], codec: str = "mjpeg") -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = *size, "yuvj420p"
        for _ in range(2):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((size[1], size[0], 3), np.uint8), "rgb24")))
        out.mux(stream.encode())
    return path


LARGE = [(33000, 16), (17, 65000), (LARGEST_SIDE + 1, 16)]


@pytest.mark.parametrize("size", LARGE)
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.bmp", "a.tiff", "a.avi", "row/1.png"])
def test_a_side_that_is_too_long_is_one_sentence(tmp_path, name, size):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if name.endswith("avi"):
        film(path, size)
    else:
        Image.new("RGB", size).save(path)
    with pytest.raises(VideoError, match=f"at most {LARGEST_SIDE} px a side") as caught:
        video.open_video(path.parent if name.startswith("row") else path)
    assert f"{size[0]}x{size[1]}" in str(caught.value)


def test_the_limit_holds_at_the_other_doors(tmp_path):
    from mien.server.frame_codec import FrameDecodeError, decode

    Image.new("RGB", (LARGEST_SIDE, 16)).save(tmp_path / "fits.png")
    assert first(tmp_path / "fits.png").shape == (16, LARGEST_SIDE, 3)
    buffer = io.BytesIO()
    Image.new("RGB", (17, 65000)).save(buffer, "JPEG")
    with pytest.raises(FrameDecodeError, match=f"to {LARGEST_SIDE} px a side"):
        decode(struct.pack("<d", 0.0) + buffer.getvalue(), 10**8)
    raw = struct.pack("<d", 0.0) + b"RGB8" + struct.pack("<HH", 33000, 16) + bytes(3 * 33000 * 16)
    with pytest.raises(FrameDecodeError, match=f"to {LARGEST_SIDE} px a side"):
        decode(raw, 10**8)
    with pytest.raises(ValueError, match=f"at most {LARGEST_SIDE} px a side"):
        Frame(0.0, np.zeros((16, 33000, 3), np.uint8))
    wide = tmp_path / "wide.mp4"  # 8,200 px that the header wants shown three times as wide
    with av.open(str(wide), "w") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 8200, 16, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(3)
        out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((16, 8200, 3), np.uint8), "rgb24")))
        out.mux(stream.encode())
    with pytest.raises(VideoError, match="got 24600x16"):
        video.open_video(wide)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = deep_png(tmp_path / "a.png", np.zeros((1, 1, 3)))
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", 16000, 16000)  # 256 million px in 70 bytes
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    path.write_bytes(data)
    with pytest.raises(VideoError, match="px in all, got"):
        video.open_video(path)


def mien(*arguments, cwd) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "mien.cli", *map(str, arguments)], cwd=cwd, capture_output=True,
                          text=True, timeout=300, check=False)


@pytest.mark.parametrize("head", [
    b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heix"])
def test_heic_is_refused_and_not_passed_over_in_a_folder(tmp_path, head):
    path = tmp_path / "photo.HEIC"
    path.write_bytes(head + bytes(600))
    with pytest.raises(VideoError, match=r"got the HEIC picture .*photo\.HEIC: export it as JPEG"):
        video.open_video(path)
    assert [each.path.name for each in find_inputs([tmp_path], tmp_path / "out")] == ["photo.HEIC"]


@pytest.mark.parametrize("suffix", ["avif", "jp2", "mpo"])
def test_pictures_that_ffmpeg_reads_are_found_in_a_folder(tmp_path, suffix):
    path = tmp_path / f"photo.{suffix}"
    if path.suffix not in Image.registered_extensions():
        pytest.skip(f"this Pillow writes no {suffix}")
    corners().save(path, quality=95)
    assert np.abs(quarters(first(path)) - CORNERS).max() < 30
    assert [each.path.name for each in find_inputs([tmp_path], tmp_path / "out")] == [path.name]


def test_the_command_reads_pictures_and_refuses_large_ones_without_an_abort(tmp_path):
    scene = simulation.Scene((simulation.Actor(simulation.identity(1)),), (320, 240), fps=10, seconds=0.1)
    face = Image.fromarray(next(iter(scene.frames())).rgb)
    (tmp_path / "d").mkdir()
    face.rotate(90, expand=True).save(tmp_path / "photo.jpg", exif=exif(6), quality=95)
    face.save(tmp_path / "d/face.webp", quality=95)
    Image.new("RGB", (33000, 16)).save(tmp_path / "d/wide.jpg")
    Image.new("RGB", (17, 65000)).save(tmp_path / "d/tall.jpg")
    done = mien("analyze", "photo.jpg", "d", "--format", "csv,jsonl,srt,elan", "--fex", "--overlay", "--neutral",
                "photo.jpg", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    lines = sorted(line for line in done.stderr.strip().splitlines() if not line.startswith("mien: 4 files: "))
    assert [line.split(":")[1].strip() for line in lines] == ["d/tall.jpg", "d/wide.jpg"], done.stderr
    assert all(f"at most {LARGEST_SIDE} px a side" in line for line in lines)
    people = pd.read_csv(tmp_path / "results/people.csv", keep_default_na=False)
    assert people["folder"].tolist() == ["d/face.webp", "photo.jpg"]
    assert set(people["heart_rate_reason"]) | set(people["blink_rate_reason"]) == {"picture"}
    folder = tmp_path / "results/photo.jpg"
    table = pd.read_csv(folder / "timeline.csv", keep_default_na=False)
    assert table[["start", "end", "pulse_reason"]].values.tolist() == [[0, 0, "picture"]]
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["faces"][0]["heart_rate"]["reason"] == "picture"
    assert (summary["source"]["width"], summary["source"]["height"]) == (320, 240)
    assert "00:00:00,000 --> 00:00:05,000" in (folder / "timeline.srt").read_text()
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert "a single picture" in report
    assert 'data-chart="heart"' not in report
    large = mien("analyze", "photo.jpg", "--neutral", "d/wide.jpg", "--overwrite", cwd=tmp_path)
    assert large.returncode in (1, 2)
    assert large.stderr.startswith("mien: --neutral: expected a picture of at most")


def test_an_animation_that_announces_millions_of_pictures_takes_no_memory_for_them(tmp_path):
    path, announced = tmp_path / "a.png", 50_000_000
    pictures = [Image.new("RGB", (32, 32), (shade, 0, 0)) for shade in (10, 200)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)
    content = path.read_bytes()
    at = content.index(b"acTL")
    chunk = b"acTL" + struct.pack(">II", announced, 0)
    path.write_bytes(content[:at] + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[at + 16 :])
    tracemalloc.start()
    try:
        with video.open_video(path) as result:
            assert [int(frame.rgb[0, 0, 0]) for frame in result] == [10, 200]
            assert f"reading stopped after 2 of {announced} pictures" in result.source.lost
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()
