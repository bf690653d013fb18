"""A live session recorded as a timeline: the same measurements as the analysis of a file, its parts, its limit."""

from __future__ import annotations

from dataclasses import replace

import httpx
import numpy as np
import pytest

import live_server
from live_films import film
from live_server import connect
from mien import simulation, video
from mien.inference.analyze import analyze
from mien.inference.live.recorder import SessionRecorder
from mien.inference.live.session import GAP, LiveSession
from mien.reporting import html, summary
from mien.server.frame_codec import encode


@pytest.fixture(scope="module")
def portrait(tmp_path_factory):
    path = tmp_path_factory.mktemp("recording") / "portrait.avi"
    simulation.write_video(simulation.portrait(pulse=simulation.Pulse(90.0, 0.015), respiration=None, seconds=14.0,
                                               fps=15.0, size=(320, 240), noise=1.0, sway=0.3), path, codec="mjpeg",
                           crf=None)
    return path


def test_a_session_gives_the_measurements_of_the_file(portrait, tmp_path):
    with LiveSession(record=True) as session, video.open_video(portrait) as frames:
        for frame in frames:
            session.push(frame)
        timeline = session.timeline("session")
        assert session.latest.row.heart_rate.value == pytest.approx(90, abs=4)  # live, too
    file = analyze(portrait, pictures=False)
    mine, theirs = timeline.faces[0], file.faces[0]
    assert (mine.id, mine.first, mine.last) == (theirs.id, theirs.first, theirs.last)
    assert mine.coverage == theirs.coverage
    assert mine.heart_rate.value == pytest.approx(theirs.heart_rate.value, abs=0.05)  # a step less
    assert mine.picture is None
    assert [row.start for row in timeline.emotions] == [row.start for row in file.emotions][:len(timeline.emotions)]
    for ours, of_file in zip(timeline.emotions, file.emotions, strict=False):  # the file has one step more
        assert ours.heart_rate.reason == of_file.heart_rate.reason
        assert (ours.heart_rate.value or 0) == pytest.approx(of_file.heart_rate.value or 0, abs=0.05)
    assert timeline.source.duration == pytest.approx(14, abs=0.1)
    assert timeline.source.fps_mean == pytest.approx(15, abs=0.1)
    html.write_report(timeline, tmp_path / "report.html")
    assert summary.summarize(timeline).faces[0].heart_rate.value == mine.heart_rate.value
    timeline.save(tmp_path / "timeline.csv")


def test_after_a_pause_the_recording_goes_on_with_new_ids():
    frames = list(film(2.0))
    later = [replace(frame, time=frame.time + 2 + GAP + 5) for frame in frames]
    with LiveSession(record=True) as session:
        for frame in frames + later:
            session.push(replace(frame, time=frame.time + 100))
        timeline = session.timeline()
    assert [person.id for person in timeline.faces] == [1, 2]
    first, second = timeline.faces
    assert first.last < 2 < GAP < second.first
    assert {row.face for row in timeline.emotions} == {1, 2}
    assert all(person.first <= row.start + 1e-6 and row.end <= person.last + 0.6 for person in timeline.faces
               for row in timeline.emotions if row.face == person.id)
    assert np.all(second.times >= second.first)


def test_a_full_recording_stays_as_it_is_and_the_session_goes_on(monkeypatch):
    monkeypatch.setattr("mien.inference.live.session.SessionRecorder",
                        lambda settings, task: SessionRecorder(settings, task, most=2.0))
    with LiveSession(record=True) as session:
        for frame in film(4.0):
            session.push(frame)
        timeline = session.timeline()
        assert session._stream._keep_all is False
        assert session.latest.end > 3
    assert timeline.source.duration == pytest.approx(2.2, abs=0.11)
    assert max(row.end for row in timeline.emotions) <= 2.2


def test_a_session_that_does_not_record_has_none():
    with LiveSession() as session, pytest.raises(ValueError, match="record=True"):
        session.timeline()
    with LiveSession(record=True) as session, pytest.raises(ValueError, match="none yet"):
        session.timeline()


def test_the_server_makes_the_report_of_a_recorded_session_alone():
    with live_server.mien(workers=1, rate=1000, burst=1000) as (address, _):
        for record, status in (("true", 201), ("false", 409)):
            with connect(f"ws://{address}/v1/stream?frames=true&record={record}") as ws:
                client = live_server.received(ws, "hello")["client"]
                if record == "true":
                    assert httpx.post(f"http://{address}/v1/sessions/{client}/report").status_code == 409
                for frame in film(2.0):
                    ws.send(encode(frame.time, frame.rgb))
                    live_server.received(ws, "frame")
                answer = httpx.post(f"http://{address}/v1/sessions/{client}/report", timeout=live_server.CEILING)
                assert answer.status_code == status, answer.text
            if status == 201:
                work = answer.json()
                assert (work["status"], work["people"]) == ("done", 1)
                page = httpx.get(f"http://{address}/v1/analyze/{work['id']}/report.html", params={"view": True})
                assert page.headers["content-disposition"].startswith("inline")
                assert "sandbox" in page.headers["content-security-policy"]
                assert "<img" not in page.text  # no face
                assert httpx.delete(f"http://{address}/v1/analyze/{work['id']}").status_code == 204
        assert httpx.post(f"http://{address}/v1/sessions/nobody/report").status_code == 404
