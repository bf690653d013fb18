"""JPEGs from outside: more scans than a picture needs, and frames that are damaged within."""

from __future__ import annotations

import io
import struct
import time
from fractions import Fraction
from functools import partial

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from mien import video
from mien.core.trials import Trial
from mien.preprocessing.trial_reader import TrialFrames
from mien.server.config import ServerConfig
from mien.server.frame_codec import FrameDecodeError, decode
from mien.server.state import ServerState
from mien.server.workers import DECODE_BURST, ClientConnection
from mien.video.errors import VideoError
from mien.video.jpeg import MOST_SCANS, count_scans, has_end


def jpeg(size=(64, 48), **options):
    rng = np.random.default_rng(0)
    rgb = cv2.GaussianBlur(rng.integers(0, 256, (size[1], size[0], 3), np.uint8), (0, 0), 3)
    content = io.BytesIO()
    Image.fromarray(rgb).save(content, "JPEG", quality=90, **options)
    return content.getvalue()


def with_scans(data, count):
    """The last scan of a progressive JPEG, repeated."""
    end = data.rfind(b"\xff\xd9")
    scan = data[data.rfind(b"\xff\xc4", 0, data.rfind(b"\xff\xda")) : end]
    return data[:end] + count * scan + data[end:]


def film(path, frames, rate=20):
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mjpeg", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for number, content in enumerate(frames):
            packet = av.Packet(content)
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, rate)
            out.mux(packet)
    return path


MANY = with_scans(jpeg(progressive=True), MOST_SCANS)


def test_scans_are_counted_as_the_programs_write_them():
    assert count_scans(jpeg()) == 1
    assert count_scans(jpeg(progressive=True)) == 10  # libjpeg's script for a colour picture
    with_thumbnail = jpeg(exif=b"Exif\0\0" + MANY[:20000])  # the scans of a thumbnail are in a segment of their own
    assert count_scans(with_thumbnail) == 1
    assert count_scans(MANY) == MOST_SCANS + 1  # and no further
    assert count_scans(MANY, 10**6) == MOST_SCANS + 10
    assert count_scans(jpeg()[:100]) == 0
    assert count_scans(b"\xff\xd8" + b"\xff\xda\0\2" * 10**5) == MOST_SCANS + 1


def test_a_frame_of_a_stream_may_not_have_many_scans():
    assert decode(struct.pack("<d", 1.0) + jpeg(progressive=True), 10**6).rgb.shape == (48, 64, 3)
    with pytest.raises(FrameDecodeError, match=f"{MOST_SCANS} scans or fewer"):
        decode(struct.pack("<d", 1.0) + MANY, 10**6)


def test_nor_may_a_picture_a_frame_of_a_film_or_of_a_sequence(tmp_path):
    (tmp_path / "a.jpg").write_bytes(MANY)
    with pytest.raises(VideoError, match=f"{MOST_SCANS} scans or fewer"):
        video.open_video(tmp_path / "a.jpg")
    with video.open_video(film(tmp_path / "a.avi", [jpeg(), MANY, jpeg(), jpeg()])) as frames:
        assert [frame.time for frame in frames] == pytest.approx([0, 0.1, 0.15])
        assert "1 packet could not be decoded" in frames.source.lost
    folder = tmp_path / "clip"
    folder.mkdir()
    for number, content in enumerate((jpeg(), MANY, jpeg())):
        (folder / f"{number}.jpg").write_bytes(content)
    reader = TrialFrames(Trial(id="1", subject="1", dataset="test", video=folder))
    assert len(list(reader)) == 2
    assert f"1 of 3 pictures cannot be read, first 1.jpg: expected a JPEG of {MOST_SCANS} scans" in reader.lost


def test_damaged_frames_of_a_jpeg_film_are_counted_and_left_out(tmp_path):
    content = jpeg()
    start = content.find(b"\xff\xda") + 20
    frames = [content[: start + (len(content) - start) // 3] if i % 3 == 1 else content for i in range(30)]
    with video.open_video(film(tmp_path / "a.avi", frames)) as result:
        times = [frame.time for frame in result]
        lost = result.source.lost
    assert times == pytest.approx([i / 20 for i in range(30) if i % 3 != 1])
    assert "10 packets could not be decoded" in lost


def test_a_frame_that_only_lacks_its_end_mark_is_whole(tmp_path):
    sloppy = [jpeg()[:-2], jpeg(), jpeg() + bytes(64), jpeg()]
    with video.open_video(film(tmp_path / "a.avi", sloppy)) as result:
        assert len(list(result)) == 4
        assert not result.source.lost


def test_a_cut_jpeg_is_damaged_at_every_door(tmp_path):
    content = jpeg(exif=b"Exif\0\0" + jpeg())  # the end mark of a thumbnail is not that of the picture
    cut = content[:-40]
    assert has_end(content)
    assert has_end(content + bytes(64))
    assert not has_end(cut)
    sent, session = [], Session()
    guest = ClientConnection(session, sent.append, pixels=10**6, send_frames=False)
    for number, picture in enumerate((content, cut, content)):
        guest.work(struct.pack("<d", number) + picture, float(number))
    assert (session.frames, guest.malformed) == (2, 1)
    assert sent == [{"type": "error", "reason": "expected a whole JPEG, got one without its end", "close": False}]
    folder = tmp_path / "clip"
    folder.mkdir()
    for number, picture in enumerate((content, cut, content)):
        (folder / f"{number}.jpg").write_bytes(picture)
    reader = TrialFrames(Trial(id="1", subject="1", dataset="test", video=folder))
    assert len(list(reader)) == 2
    assert "1 of 3 pictures cannot be read, first 1.jpg: expected a whole picture" in reader.lost
    with video.open_video(folder, fps=10) as frames:
        assert len(list(frames)) == 2
        assert "1 of 3 pictures cannot be read, first 1.jpg" in frames.source.lost


# ---------------------------------------------------------------- a share of the time for each client


class Session:
    """A live session that counts frames."""

    backwards = 0
    faces = ()
    chosen = None

    def __init__(self):
        self.frames = 0

    def push(self, frame, at):
        self.frames += 1
        return []


def test_a_client_whose_frames_take_too_long_to_decode_has_to_wait(monkeypatch):
    sent, session, cpu = [], Session(), [0.0]
    connection = ClientConnection(session, sent.append, pixels=10**6, send_frames=False)
    message = struct.pack("<d", 1.0) + jpeg()

    def costly(*args):
        cpu[0] += 1.0
        return decode(*args)

    monkeypatch.setattr("mien.server.workers.decode", costly)
    monkeypatch.setattr(time, "thread_time", lambda: cpu[0])
    for _ in range(20):
        connection.work(message, at=100.0)  # all arrive at once
    assert session.frames == DECODE_BURST
    assert connection.dropped == 20 - DECODE_BURST
    assert "less time to decode" in sent[-1]["reason"]
    assert not sent[-1]["close"]
    connection.work(message, at=200.0)  # long after: the budget is full again
    assert session.frames == DECODE_BURST + 1


def test_a_client_that_comes_back_has_no_more_time_than_before():
    state = ServerState(ServerConfig(workers=1))
    state.enter = partial(state.enter, lambda message: None, step=None, language="en", person=None, send_frames=False)
    now = time.perf_counter()
    try:
        first, second = state.enter(address="a"), state.enter(address="a")
        first.budget.at(now)
        first.budget.left = -3.0
        for connection in (first, second):
            state.leave(connection)
        again = [state.enter(address="a") for _ in range(3)]
        assert all(connection.budget.left < DECODE_BURST - 2 for connection in again)
        assert state.enter(address="b").budget.left == DECODE_BURST
        state.leave(again[0])  # what it gained in the meantime counts
        assert state.enter(address="a").budget.at(now + 1000) == DECODE_BURST
    finally:
        state._close()
