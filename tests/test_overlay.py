"""The annotated video: the same moments, boxes where the faces are, and nobody to be recognised where asked."""

from __future__ import annotations

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from fake_timeline import timeline
from mien.reporting import face_blur, overlay
from mien.reporting.timeline import Timeline

WIDTH, HEIGHT = 321, 241  # odd, as some recordings are
TIMES = np.cumsum(np.tile([1 / 30, 1 / 15, 1 / 24, 0.1], 15)) - 1 / 30  # a variable frame rate


def left(time: float) -> float:
    return 40 + 30 * time


def clip(path: Path, sound: bool = False, start: float = 0.0) -> Path:
    """A chequered square (the face) that moves over grey. `start`: the first time stamp of the file in s."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1" if path.suffix == ".mkv" else "libx264", rate=30)
        stream.width, stream.height = WIDTH // 2 * 2, HEIGHT // 2 * 2
        stream.pix_fmt = "bgr0" if path.suffix == ".mkv" else "yuv420p"
        stream.width, stream.height = (WIDTH, HEIGHT) if path.suffix == ".mkv" else (stream.width, stream.height)
        stream.codec_context.time_base = Fraction(1, 1000)
        tone = out.add_stream("aac", rate=16_000) if sound else None
        y, x = np.mgrid[:stream.height, :stream.width]
        for time in TIMES:
            rgb = np.full((stream.height, stream.width, 3), 128, np.uint8)
            face = (np.abs(x - left(time) - 30) <= 30) & (np.abs(y - 120) <= 35)
            rgb[face] = ((((x // 4) + (y // 4)) % 2)[face] * 255)[:, None]
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = round((time + start) * 1000), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if tone is not None:
            wave = np.sin(2 * np.pi * 440 * np.arange(int(16_000 * TIMES[-1])) / 16_000).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16_000, round(start * 16_000)
            out.mux(tone.encode(frame))
            out.mux(tone.encode(None))
    return path


def reported() -> Timeline:
    """Rows whose boxes follow the square."""
    talk = timeline(people=1, seconds=float(np.ceil(TIMES[-1] * 2) / 2), abstains=False)
    rows = [replace(row, box=np.array([left(row.end), 85, left(row.end) + 60, 155])) for row in talk.emotions]
    return Timeline(tuple(rows), talk.faces, replace(talk.source, frames=len(TIMES)))


def frames(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as file:
        return [(float(f.pts * f.time_base), f.to_ndarray(format="rgb24")) for f in file.decode(video=0)]


def sharpness(rgb: np.ndarray) -> float:
    return float(np.abs(np.diff(rgb.astype(float), axis=1)).mean())


def test_times_sizes_and_boxes(tmp_path):
    source = clip(tmp_path / "in.mkv")
    done: list[float] = []
    overlay.write_overlay(source, reported(), tmp_path / "out.mp4", progress=done.append)
    before, after = frames(source), frames(tmp_path / "out.mp4")
    assert len(after) == len(before) == len(TIMES)
    stamps = np.array([time for time, _ in before]) - before[0][0]
    np.testing.assert_allclose([time for time, _ in after], stamps, atol=1 / 50_000)
    assert after[0][1].shape == (242, 322, 3)  # H.264 wants even sides: the last row and column twice
    assert done[-1] == 1
    assert done == sorted(done)
    for (time, rgb), (_, old) in zip(after[20::7], before[20::7], strict=True):
        edge = round(left(time))
        colour = rgb[100:140, edge:edge + 2].reshape(-1, 3).mean(axis=0)
        assert colour[0] - colour[2] > 60, (time, colour)  # orange, where the picture is grey
        far = rgb[170:235, 250:320].astype(int) - old[170:235, 250:320]
        assert np.abs(far).mean() < 3
        assert sharpness(rgb[95:145, edge + 10:edge + 50]) > 40  # the face itself is left alone


def test_a_blurred_face_is_gone_in_every_frame(tmp_path):
    source = clip(tmp_path / "in.mkv")
    talk = reported()
    gone = [replace(row, state="lost") if 4 <= i <= 5 else row for i, row in enumerate(talk.emotions)]
    overlay.write_overlay(source, Timeline(tuple(gone), talk.faces, talk.source), tmp_path / "out.mp4", blur=True)
    for time, rgb in frames(tmp_path / "out.mp4"):
        edge = round(left(time))
        assert sharpness(rgb[90:150, edge + 5:edge + 55]) < 10, time
    assert sharpness(frames(source)[5][1][90:150, 55:90]) > 40


def test_a_face_is_covered_where_it_was_in_every_frame_however_far_apart_the_rows(tmp_path):
    source = clip(tmp_path / "in.mkv")
    talk = reported()
    times = np.array(TIMES)
    boxes = np.stack([[left(t), 90, left(t) + 60, 150] for t in times]).astype(float)
    wrong = tuple(replace(row, box=row.box + [150, 0, 150, 0]) for row in talk.emotions)  # rows beside the face
    people = tuple(replace(person, times=times, boxes=boxes) for person in talk.faces)
    for rows in (wrong, ()):
        overlay.write_overlay(source, Timeline(rows, people, talk.source), tmp_path / "out.mp4", blur=True)
        for time, rgb in frames(tmp_path / "out.mp4"):
            edge = round(left(time))
            assert sharpness(rgb[90:150, edge + 5:edge + 55]) < 10, time


def test_sound_is_kept_in_step_and_left_out_with_blur(tmp_path):
    source = clip(tmp_path / "in.mp4", sound=True, start=1.5)
    overlay.write_overlay(source, reported(), tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as out, av.open(str(source)) as original:
        assert [s.codec_context.name for s in out.streams.audio] == ["aac"]
        shift = float(original.streams.video[0].start_time * original.streams.video[0].time_base)
        old = [float(f.pts * f.time_base) - shift for f in original.decode(audio=0)]
        new = [float(f.pts * f.time_base) for f in out.decode(audio=0)]
    assert new[-1] == pytest.approx(old[-1], abs=0.07)  # a packet of AAC at 16 kHz lasts 64 ms
    overlay.write_overlay(source, reported(), tmp_path / "blurred.mp4", blur=True)
    with av.open(str(tmp_path / "blurred.mp4")) as out:
        assert not out.streams.audio


def test_formats_that_hold_no_video_are_refused(tmp_path):
    source = clip(tmp_path / "in.mkv")
    with pytest.raises(ValueError, match=r"expected a name that ends in .*, got 'out\.xyz'"):
        overlay.write_overlay(source, reported(), tmp_path / "out.xyz")
    with pytest.raises(ValueError, match=r"expected a format that holds H\.264"):
        overlay.write_overlay(source, reported(), tmp_path / "out.wav")
    assert os.listdir(tmp_path) == ["in.mkv"]


def test_nobody_in_the_picture(tmp_path):
    source = clip(tmp_path / "in.mkv")
    overlay.write_overlay(source, timeline(people=0), tmp_path / "out.mp4")
    assert len(frames(tmp_path / "out.mp4")) == len(TIMES)


@pytest.mark.parametrize("small_disk", ["24k"], indirect=True)
def test_a_full_disk_leaves_the_old_video(small_disk, tmp_path):
    source = clip(tmp_path / "in.mkv")
    (small_disk / "out.mp4").write_bytes(b"old")
    with pytest.raises(OSError, match="expected free space"):
        overlay.write_overlay(source, reported(), small_disk / "out.mp4")
    assert (small_disk / "out.mp4").read_bytes() == b"old"
    assert os.listdir(small_disk) == ["out.mp4"]


def test_words():
    talk = timeline(people=1, seconds=90)
    said = {overlay.caption(row) for row in talk.emotions}
    assert any(first == "0  no expression: turned away" for first, _ in said)
    assert any(second == "no pulse: too short" for _, second in said)
    assert any(second.endswith(" bpm") for _, second in said)


def test_boxes_beyond_the_picture_and_small_pictures():
    talk = timeline(people=1, seconds=5, abstains=False)
    people = overlay.track_overlays(talk)
    for shape in ((8, 8), (60, 2000), (2000, 60), (1, 1)):
        overlay.draw(np.zeros((*shape, 3), np.uint8), people, 1.0, blur=True)


def test_face_blur_removes_the_differences_of_faces():
    """Two pictures with the same few mean colours become the same picture."""
    random = np.random.default_rng(1)
    cells = random.integers(40, 200, (face_blur.BLOCKS, face_blur.BLOCKS, 3))
    flat = np.kron(cells, np.ones((20, 20, 1))).astype(np.uint8)
    detail = flat.astype(int) + np.where(np.indices(flat.shape[:2]).sum(axis=0) % 2, 30, -30)[..., None]
    np.testing.assert_array_equal(face_blur.pixelate(flat), face_blur.pixelate(detail.astype(np.uint8)))
    full = np.zeros((100, 100, 3), np.uint8)
    full[:] = random.integers(0, 255, (100, 100, 1))
    covered = full.copy()
    face_blur.blur_faces(covered, np.array([30, 30, 50, 50]))
    changed = (covered != full).any(axis=2)
    assert changed[24:56, 24:56].mean() > 0.9
    assert not changed[:20].any()
    assert not changed[:, 60:].any()
