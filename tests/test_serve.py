"""The server, as a client sees it: uploads, frames over a WebSocket, limits, who may ask; on this machine only."""

from __future__ import annotations

import asyncio
import json
import math
import socket
import struct
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import av
import cv2
import httpx
import numpy as np
import pytest
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed, InvalidStatus

import live_server
from live_films import write
from live_server import CEILING, connect
from mien.core.settings import Settings
from mien.inference.live.event import FRESH
from mien.reporting.llm import parse
from mien.server.application import app
from mien.server.config import ServerConfig
from mien.server.frame_codec import FrameDecodeError, decode, encode
from mien.server.upload_validation import detect_suffix
from mien.server.workers import WAITING, WorkerPool

TOKEN = "a-token-for-the-tests-only"


@pytest.fixture(scope="module")
def server():
    with live_server.mien(upload=3_000_000, seconds=6.0, rate=1000, burst=1000) as result:
        yield result


@pytest.fixture(scope="module")
def guarded():
    with live_server.mien(token=TOKEN, rate=1000, burst=1000) as result:
        yield result


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write(tmp_path_factory.mktemp("serve") / "clip.mp4", 3.0).read_bytes()


def reported(ws, kind, others=None, seconds=CEILING):
    """The next message of that type; others go where they may be wanted."""
    while True:
        message = json.loads(ws.recv(timeout=seconds))
        if message["type"] == kind:
            return message
        if others is not None:
            others.append(message)


def drained(ws, count=10**6, message=None):
    """Read, and send a message before each, until the connection ends -> how it ended."""
    try:
        for _ in range(count):
            if message is not None:
                ws.send(message)
            ws.recv(timeout=CEILING)
    except ConnectionClosed as closed:
        return closed.rcvd.code
    raise AssertionError("still open")


# ---------------------------------------------------------------- frames


def test_frames_go_in_and_events_come_out_with_the_times_of_capture(server):
    address, _ = server
    rows = []
    with connect(f"ws://{address}/v1/stream?frames=true&language=de") as ws:
        hello = reported(ws, "hello")
        for i, frame in enumerate(live_server.film(2.3)):
            ws.send(encode(5000 + frame.time, frame.rgb, quality=0 if i % 2 else 92))  # raw and JPEG
            seen = reported(ws, "frame", rows)
            assert seen["t"] == pytest.approx(5000 + frame.time)
        now = httpx.get(f"http://{address}/v1/now", params={"client": hello["client"], "language": "de"}).json()
        other = httpx.get(f"http://{address}/v1/now", params={"client": "nobody"}).json()
    assert [row["t"] for row in rows if row["type"] == "event"] == pytest.approx([5000.5, 5001.0, 5001.5, 5002.0])
    assert seen["faces"][0]["state"] == "tracked"
    assert seen["size"] == [320, 240]
    assert now["event"]["t"] == pytest.approx(5002.0)
    assert now["event"]["schema"] == "mien.event/1"
    assert now["text"].startswith("Die Person wirkt")
    assert (other["event"], other["text"]) == (None, "There is no current picture.")
    assert hello["classes"][0] == "happy"


def test_stream_reports_malformed_frames_and_reads_the_next(server):
    address, state = server
    rgb = next(live_server.film()).rgb
    jpeg = encode(1.0, rgb)
    bad = [b"", b"1234567", jpeg[:8], jpeg[:200], struct.pack("<d", math.nan) + jpeg[8:], jpeg[:8] + b"GIF89a0123456",
           struct.pack("<d", 2.0) + b"RGB8" + struct.pack("<HH", 60000, 60000) + b"x",
           struct.pack("<d", 2.0) + b"RGB8" + struct.pack("<HH", 4, 4) + bytes(48), bomb()]
    with connect(f"ws://{address}/v1/stream?frames=true") as ws:
        for message in bad:
            ws.send(message)
            assert "expected" in reported(ws, "error")["reason"]
        ws.send(jpeg)
        assert reported(ws, "frame")["t"] == 1.0
        ws.send(encode(0.5, rgb))
        assert "0.001 s after the last frame's" in reported(ws, "error")["reason"]
    assert gone(state)
    text = httpx.get(f"http://{address}/metrics").text
    assert f"mien_frames_malformed_total {len(bad)}.0" in text
    assert "mien_failures_total 0.0" in text


def bomb():
    """A JPEG of some hundred bytes whose header claims 65 500 by 65 500 px."""
    _, jpeg = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))
    content = bytearray(jpeg.tobytes())
    at = content.find(b"\xff\xc0")
    content[at + 5 : at + 9] = struct.pack(">HH", 65500, 65500)
    return struct.pack("<d", 2.0) + bytes(content)


def test_nothing_but_malformed_frames_ends_the_connection(server):
    address, _ = server
    with connect(f"ws://{address}/v1/stream") as ws:
        assert drained(ws, 200, b"nonsense") == 1007


@pytest.mark.parametrize(("send", "code"), [("text", 1003), (bytes(7_000_000), 1009)])
def test_messages_of_another_kind_or_size_end_the_connection(server, send, code):
    with connect(f"ws://{server[0]}/v1/stream") as ws:
        ws.send(send)
        assert drained(ws) == code


@pytest.mark.parametrize("query", ["step=nan", "step=0.001", "step=1e9", "language=xx"])
def test_impossible_wishes_are_refused(server, query):
    with pytest.raises((InvalidStatus, ConnectionClosed)), connect(f"ws://{server[0]}/v1/stream?{query}") as ws:
        ws.recv(timeout=CEILING)


def test_stream_closes_idle_clients_and_limits_their_number():
    with live_server.mien(idle=2.0, clients=2, workers=1) as (address, state):
        started = time.monotonic()
        with connect(f"ws://{address}/v1/stream") as single, connect(f"ws://{address}/v1/stream") as other:
            with pytest.raises((InvalidStatus, ConnectionClosed)), connect(f"ws://{address}/v1/stream") as ws:
                ws.recv(timeout=CEILING)
            assert (drained(single), drained(other)) == (1001, 1001)
        assert time.monotonic() - started > 1.9
        assert gone(state)


def test_stream_counts_clients_that_connect_at_once():
    kinds = []

    async def greet(address):
        try:
            async with connect_async(f"ws://{address}/v1/stream", open_timeout=CEILING) as ws:
                kinds.append(json.loads(await ws.recv())["type"])
                while len(kinds) < 16:  # nobody leaves before all have their answer
                    await asyncio.sleep(0.02)
        except (InvalidStatus, ConnectionClosed):
            kinds.append("refused")

    async def all_at_once(address):
        await asyncio.gather(*(greet(address) for _ in range(16)))

    with live_server.mien(clients=2, workers=1) as (address, state):
        asyncio.run(all_at_once(address))
        assert sorted(kinds) == ["hello"] * 2 + ["refused"] * 14
        assert gone(state)
        until = time.monotonic() + CEILING
        while state.clients and time.monotonic() < until:
            time.sleep(0.02)
        assert state.clients == 0
        assert greeted(f"ws://{address}/v1/stream")


def test_a_connection_that_asks_for_nothing_is_let_go(monkeypatch):
    from mien.server import http_timeout

    monkeypatch.setattr(http_timeout, "HEAD", 3.0)  # long enough for the clients that do ask, on a busy machine
    made = app(ServerConfig(workers=1))
    with live_server.uvicorn_of(made, http=http_timeout.TimeoutHTTPProtocol) as (address, _):
        host, port = address.split(":")
        with connect(f"ws://{address}/v1/stream") as ws, httpx.Client(base_url=f"http://{address}") as client:
            assert client.get("/healthz").status_code == 200
            silent, slow = (socket.create_connection((host, int(port)), CEILING) for _ in range(2))
            with silent, slow:
                slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: ")
                assert (silent.recv(1000), slow.recv(1000)) == (b"", b"")
            assert client.get("/healthz").status_code == 200  # over the same connection
            assert reported(ws, "hello")
            ws.send(encode(1.0, np.zeros((64, 64, 3), np.uint8)))  # and one that was upgraded stays
            assert ws.ping().wait(CEILING)


def greeted(address, **options):
    with connect(address, **options) as ws:
        return reported(ws, "hello")["client"]


def gone(state):
    until = time.monotonic() + CEILING
    while state.connections and time.monotonic() < until:
        time.sleep(0.02)
    return not state.connections


class Counting:
    """A connection whose work is noted, once `gate` is open."""

    def __init__(self, name, took, gate):
        from collections import deque

        self.name, self.took, self.gate, self.waiting = name, took, gate, deque()
        self.in_turn = self.gone = False
        self.busy = threading.Lock()
        self.dropped = 0

    def work(self, message, at):
        assert self.gate.wait(CEILING)
        self.took.append(self.name)
        return []


def test_the_crew_takes_turns_whoever_sends_most():
    took, failed, gate, done = [], [], threading.Event(), threading.Semaphore(0)
    pool = WorkerPool(1, lambda connection, events: done.release(), lambda connection, error: failed.append(error))
    connections = [Counting(i, took, gate) for i in range(5)]
    for connection in connections:
        for _ in range(1000 if connection.name == 0 else WAITING):  # one floods
            pool.post(connection, b"")
    assert all(len(connection.waiting) <= WAITING for connection in connections)
    gate.set()
    assert all(done.acquire(timeout=CEILING) for _ in range(WAITING * len(connections)))
    pool.close()
    assert not failed
    assert connections[0].dropped in (1000 - WAITING, 1000 - WAITING - 1)  # one may have been under way already
    for start in range(0, WAITING * len(connections), len(connections)):
        assert sorted(took[start : start + len(connections)]) == [0, 1, 2, 3, 4]


# ---------------------------------------------------------------- uploads


def ended(client, id_):
    until = time.monotonic() + CEILING
    while time.monotonic() < until:
        work = client.get(f"/v1/analyze/{id_}").json()
        if work["status"] not in ("queued", "running"):
            return work
        time.sleep(0.1)
    raise AssertionError("never ended")


def test_an_upload_is_analysed_and_its_results_can_be_had_and_forgotten(server, clip):
    address, state = server
    with httpx.Client(base_url=f"http://{address}", timeout=CEILING) as client:
        work = client.post("/v1/analyze", content=clip)
        assert work.status_code == 202
        id_ = work.json()["id"]
        job = state.jobs.find(id_)
        done = ended(client, id_)
        assert (done["status"], done["people"], done["progress"]) == ("done", 1, 1.0)
        assert not job.upload.exists()  # the video itself is not kept
        summary = client.get(f"/v1/analyze/{id_}/summary.json").json()
        assert summary["source"]["duration_s"] == pytest.approx(3.0, abs=0.2)
        report = client.get(f"/v1/analyze/{id_}/report.html")
        assert report.headers["content-disposition"].startswith("attachment")
        assert "sandbox" in report.headers["content-security-policy"]
        assert "data:image/jpeg" not in report.text  # no face unless asked for
        assert len(client.get(f"/v1/analyze/{id_}/events.jsonl").text.splitlines()) >= 5
        assert client.get(f"/v1/analyze/{id_}/upload.mp4").status_code == 422
        assert client.get(f"/v1/analyze/{id_}/..%2f..%2fupload").status_code in (404, 422)
        assert client.delete(f"/v1/analyze/{id_}").status_code == 204
        assert client.get(f"/v1/analyze/{id_}").status_code == 404
    assert not job.folder.exists()



def test_an_upload_is_analysed_with_the_settings_of_the_server(clip):
    settings = Settings(pictures=False, step=1.0, pulse_method="pos")
    with (live_server.mien(settings=settings, workers=1) as (address, _),
          httpx.Client(base_url=f"http://{address}", timeout=CEILING) as client):
        id_ = client.post("/v1/analyze", content=clip).json()["id"]
        assert ended(client, id_)["status"] == "done"
        used = client.get(f"/v1/analyze/{id_}/summary.json").json()["settings"]
    assert (used["step"], used["pulse_method"]) == (1.0, "pos")


def test_uploads_that_are_no_video_too_long_too_large_or_broken_are_reported(server, clip):
    long = b"" if clip is None else video_of(8.0)
    with httpx.Client(base_url=f"http://{server[0]}", timeout=CEILING) as client:
        assert client.post("/v1/analyze", content=b"#!/bin/sh\n" * 100).status_code == 415
        assert client.post("/v1/analyze", content=b"").status_code == 415
        assert client.post("/v1/analyze", content=clip + bytes(3_000_000)).status_code == 413
        assert client.post("/v1/analyze", content=(bytes(100_000) for _ in range(40))).status_code == 415
        chunks = (clip[:1000], *(bytes(100_000) for _ in range(40)))
        assert client.post("/v1/analyze", content=iter(chunks)).status_code == 413  # no length is announced
        for content, words in ((clip[:2000], "expected"), (long, "6 s or less")):
            work = ended(client, client.post("/v1/analyze", content=content).json()["id"])
            assert work["status"] == "failed"
            assert words in work["reason"]
            assert "mien-serve-" not in work["reason"]  # nothing of our folders


def crash(*_):
    import ctypes

    ctypes.string_at(0)


def test_a_video_that_crashes_its_decoder_fails_alone(monkeypatch, clip):
    with live_server.mien(workers=1) as (address, state), httpx.Client(base_url=f"http://{address}") as client:
        with monkeypatch.context() as patch:
            patch.setattr("mien.server.jobs.check_upload", crash)  # it runs in the child
            work = ended(client, client.post("/v1/analyze", content=clip).json()["id"])
        assert work["status"] == "failed"
        assert "crashed (SIGSEGV" in work["reason"]
        assert client.get("/healthz").status_code == 200
        work = ended(client, client.post("/v1/analyze", content=clip[:2000]).json()["id"])
        assert "expected a whole mp4" in work["reason"]  # a new child reads the next one
        assert not list(state.jobs._folder.rglob("upload*"))


def test_an_upload_that_is_deleted_while_it_is_analysed_stops(monkeypatch, clip):
    with live_server.mien(workers=1) as (address, state), httpx.Client(base_url=f"http://{address}") as client:
        monkeypatch.setattr("mien.server.jobs.check_upload", linger)
        id_ = client.post("/v1/analyze", content=clip).json()["id"]
        while client.get(f"/v1/analyze/{id_}").json()["status"] != "running":
            time.sleep(0.02)
        assert client.delete(f"/v1/analyze/{id_}").status_code == 204
        until = time.monotonic() + CEILING
        while list(state.jobs._folder.iterdir()) and time.monotonic() < until:
            time.sleep(0.05)
        assert not list(state.jobs._folder.iterdir())


def linger(*_):
    time.sleep(CEILING)


def test_an_upload_that_stalls_gives_its_place_back():
    with live_server.mien(idle=4.0, jobs=1, workers=1) as (address, state):
        host, _, port = address.partition(":")
        head = f"POST /v1/analyze HTTP/1.1\r\nHost: {address}\r\nContent-Length: 5000\r\n\r\n".encode()
        end = time.monotonic() + CEILING
        with socket.create_connection((host, int(port)), 10) as raw:
            raw.sendall(head + b"\0\0\0\x20ftypisom" + bytes(1000))
            while httpx.post(f"http://{address}/v1/analyze", content=b"x").status_code != 503:
                assert time.monotonic() < end
            raw.settimeout(CEILING)
            assert b" 408 " in raw.recv(1000).split(b"\r\n")[0]
        assert httpx.post(f"http://{address}/v1/analyze", content=b"x").status_code == 415
        assert not list(state.jobs._folder.iterdir())


def video_of(seconds):
    import io

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=2)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(round(seconds * 2)):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        out.mux(stream.encode())
    return buffer.getvalue()


def test_a_file_that_names_other_files_is_no_video():
    for head in (b"#EXTM3U\nhttp://127.0.0.1/x", b"ffconcat version 1.0\nfile /etc/passwd", b"v=0\no=- 0 0", b"", b"G"):
        assert detect_suffix(head) == ""
    assert detect_suffix(b"\0\0\0\x20ftypisom") == ".mp4"
    assert detect_suffix(b"\x1aE\xdf\xa3rest") == ".webm"


# ---------------------------------------------------------------- who may ask


def test_without_the_token_there_is_nothing_but_the_page(guarded):
    address, _ = guarded
    with httpx.Client(base_url=f"http://{address}") as client:
        for path in ("/", "/page.js", "/page.css", "/reference", "/healthz"):
            assert client.get(path).status_code == 200
        for path in ("/v1/now", "/metrics", "/openapi.json", "/v1/models", "/v1/analyze/x", "/none"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers={"authorization": "Bearer wrong"}).status_code == 401
        assert client.get("/v1/now", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert client.get("/v1/now", params={"token": TOKEN}).status_code == 401  # addresses end up in logs
    for query in ("", "?token=", "?token=wrong", "?token=%ff%00é"):
        with pytest.raises(InvalidStatus):
            greeted(f"ws://{address}/v1/stream{query}")
    assert greeted(f"ws://{address}/v1/stream?token={TOKEN}")
    assert greeted(f"ws://{address}/v1/stream", additional_headers={"Authorization": f"Bearer {TOKEN}"})


def test_the_token_is_compared_in_constant_time(monkeypatch, guarded):
    from mien.server import middleware

    requests = []
    monkeypatch.setattr(middleware.hmac, "compare_digest", lambda given, known: bool(requests.append((given, known))))
    assert httpx.get(f"http://{guarded[0]}/v1/now", headers={"authorization": "Bearer x"}).status_code == 401
    assert requests == [(b"x", TOKEN.encode())]


def test_middleware_limits_requests_per_address():
    """By a clock of the test's own: a bucket of 3 requests that fills by 2 a second."""
    from starlette.responses import PlainTextResponse

    from mien.server.middleware import AccessMiddleware

    now = 100.0
    guard = AccessMiddleware(PlainTextResponse("here"), ServerConfig(rate=2.0, burst=3), clock=lambda: now)

    async def ask(count, path="/v1/now"):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://127.0.0.1") as client:
            return [await client.get(path) for _ in range(count)]

    def codes(count, path="/v1/now"):
        return [answer.status_code for answer in asyncio.run(ask(count, path))]

    assert codes(5) == [200, 200, 200, 429, 429]
    assert asyncio.run(ask(1))[0].headers["retry-after"] == "1"
    assert codes(2, "/healthz") == [200, 200]  # open to all, and not counted
    now += 0.4
    assert codes(1) == [429]
    now += 0.6
    assert codes(3) == [200, 200, 429]
    now += 1000.0
    assert codes(4) == [200, 200, 200, 429]  # the bucket holds no more than its burst


def test_a_server_counts_the_requests_of_all_its_connections():
    with live_server.mien(rate=1e-6, burst=3, workers=1) as (address, _):  # fills by one in eleven days
        assert [httpx.get(f"http://{address}/v1/now", timeout=CEILING).status_code for _ in range(5)] == \
            [200, 200, 200, 429, 429]


def test_pages_of_others_and_names_of_others_are_refused(server, clip):
    address, _ = server
    for origin in ("http://evil.example", "null", "https://127.0.0.1", f"http://{address}.evil.example"):
        assert httpx.post(f"http://{address}/v1/analyze", content=clip, headers={"origin": origin}).status_code == 403
        with pytest.raises(InvalidStatus) as refused:
            greeted(f"ws://{address}/v1/stream", origin=origin)
        assert refused.value.response.status_code == 403
    assert greeted(f"ws://{address}/v1/stream", origin=f"http://{address}")
    for host in ("evil.example", "", "127.0.0.1.evil.example:80", "a b", "[::1"):  # DNS rebinding
        assert httpx.get(f"http://{address}/v1/now", headers={"host": host}).status_code in (400, 403)
    port = address.rpartition(":")[2]
    assert httpx.get(f"http://{address}/v1/now", headers={"host": f"localhost:{port}"}).status_code == 200


def test_the_page_may_load_nothing_from_elsewhere(server):
    for path in ("/", "/page.js", "/page.css", "/reference", "/reference.js"):
        answer = httpx.get(f"http://{server[0]}{path}")
        assert answer.status_code == 200
        assert "http://" not in answer.text
        assert "https://" not in answer.text.replace('"https:" ? "wss"', "")
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_beyond_this_machine_a_token_is_demanded():
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org"):
        with pytest.raises(ValueError, match="expected a token"):
            ServerConfig(host=host)
        with pytest.raises(ValueError, match="expected a token"):
            ServerConfig(host=host, token="short")
        assert not ServerConfig(host=host, token=TOKEN).local
    assert all(ServerConfig(host=host).local for host in ("127.0.0.1", "localhost", "::1", "127.0.0.5"))
    assert TOKEN not in repr(ServerConfig(token=TOKEN))


# ---------------------------------------------------------------- the server's own camera; the command


def test_the_servers_own_camera_is_read_by_many(clip, tmp_path, monkeypatch):
    monkeypatch.setattr("mien.server.state.FRESH", math.inf)  # the clip may be over before it is asked
    (tmp_path / "clip.mp4").write_bytes(clip)
    with live_server.mien(source=str(tmp_path / "clip.mp4")) as (address, state):
        until = time.monotonic() + CEILING
        while time.monotonic() < until:
            result = [httpx.get(f"http://{address}/v1/now").json() for _ in range(2)]
            if all(each["event"] and each["event"]["face_id"] for each in result):
                break
            time.sleep(0.1)
        assert result[0]["event"]["face_id"] == result[1]["event"]["face_id"] == 1
        assert result[0]["text"].startswith("The person ")
        assert parse(result[0]["prompt"]) == result[0]["observation"]
        text = httpx.get(f"http://{address}/metrics", timeout=CEILING).text
        assert "mien_latency_seconds_bucket" in text
    assert not state.live._thread.is_alive()


def test_server_withholds_old_events(monkeypatch):
    with live_server.mien(workers=1) as (_, state):
        event, now = object(), time.perf_counter()
        connection = SimpleNamespace(id="a", last_event_at=now + 1e6, session=SimpleNamespace(latest=event))
        monkeypatch.setattr(state, "connections", {"a": connection})
        assert state.now()[0] is event
        connection.last_event_at = now - FRESH - 0.1
        assert state.now()[0] is None
        assert state.sentence() == ""


def test_the_command_says_where_it_listens_and_ends_with_ctrl_c(tmp_path):
    process = subprocess.Popen([sys.executable, "-m", "mien.cli", "serve", "--port", "0"], stderr=subprocess.PIPE,
                               text=True)
    try:
        line = process.stderr.readline()
        address = line.split()[1]
        assert httpx.get(f"{address}healthz", timeout=CEILING).json()["status"] == "ok"
        with socket.create_connection(("127.0.0.1", int(address.rstrip("/").rpartition(":")[2])), CEILING):
            process.send_signal(2)
            assert process.wait(CEILING) is not None
    finally:
        process.kill()
        rest = process.stderr.read()
        process.stderr.close()
    assert "Traceback" not in rest


def test_a_port_that_is_taken_is_reported():
    with socket.create_server(("127.0.0.1", 0)) as received:
        done = subprocess.run([sys.executable, "-m", "mien.cli", "serve", "--port", str(received.getsockname()[1])],
                              capture_output=True, text=True, timeout=CEILING, check=False)
    assert done.returncode == 1
    assert "Address already in use" in done.stderr
    assert len(done.stderr.splitlines()) == 1


# ---------------------------------------------------------------- pictures


def test_a_frame_goes_through_the_wire_unchanged():
    rgb = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    frame = decode(encode(1.5, rgb, quality=0), 10_000)
    assert frame.time == 1.5
    assert np.array_equal(frame.rgb, rgb)
    smooth = cv2.GaussianBlur(rgb, (0, 0), 5)
    assert np.abs(decode(encode(1.5, smooth), 10_000).rgb.astype(int) - smooth).mean() < 3
    with pytest.raises(FrameDecodeError, match="at most 100 px"):
        decode(encode(1.5, rgb), 100)


def test_bytes_at_random_are_frames_or_malformed_and_nothing_else():
    rng = np.random.default_rng(0)
    base = encode(1.0, next(live_server.film()).rgb)
    heads = (base[:8] + b"\xff\xd8\xff", base[:8] + b"RGB8", b"")
    for i in range(600):
        message = bytearray(base) if i % 2 else bytearray(heads[i % 3] + rng.bytes(int(rng.integers(0, 400))))
        for at in rng.integers(0, max(len(message), 1), rng.integers(1, 30)) if message else []:
            message[at] = rng.integers(256)
        if i % 4 == 1:
            message = message[: rng.integers(len(message))]
        try:
            frame = decode(bytes(message), 1_000_000)
        except FrameDecodeError as error:
            assert "expected" in str(error)  # noqa: PT017
        else:
            assert frame.rgb.ndim == 3
    assert threading.active_count() < 50
