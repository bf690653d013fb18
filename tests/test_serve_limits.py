"""Limits of the server: clocks for every request and response, a share for every address, headers of the proxy."""

from __future__ import annotations

import asyncio
import errno
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from types import SimpleNamespace

import httpx
import pytest
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from websockets.exceptions import InvalidStatus

import live_server
from live_server import CEILING, connect
from mien.server import http_timeout, request_body, websocket
from mien.server.application import app
from mien.server.config import ServerConfig
from mien.server.middleware import AccessMiddleware
from mien.server.state import address_of

OTHER = "127.0.0.2"
"""A second address of this machine, which Linux has without any setting."""

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a second loopback address")


def opened(address, source=None):
    host, _, port = address.partition(":")
    return socket.create_connection((host, int(port)), CEILING, (source, 0) if source else None)


def answered(raw):
    """Whether a request to /healthz is answered; its answer is read whole."""
    got = b""
    while not got.endswith(b"}"):
        got += raw.recv(65536)
    return b" 200 " in got.split(b"\r\n")[0]


def drip(raw, end=None, byte=b"a"):
    """Send a byte now and then until the server closes the connection, or sent `end` -> all that it sent."""
    raw.settimeout(0.1)
    got, until = b"", time.monotonic() + CEILING
    while time.monotonic() < until:
        try:
            raw.sendall(byte)
            piece = raw.recv(65536)
        except TimeoutError:
            continue
        except OSError:  # reset
            return got
        if not piece:
            return got
        got += piece
        if end is not None and end in got:
            return got
    raise AssertionError("still open")


@pytest.fixture
def clocked(monkeypatch):
    monkeypatch.setattr(http_timeout, "HEAD", 2.0)
    made = app(ServerConfig(workers=1))
    with live_server.uvicorn_of(made, http=http_timeout.TimeoutHTTPProtocol, timeout_keep_alive=1000) as (address, _):
        yield address


@pytest.mark.parametrize("rest", [
    b"GET /healthz HTTP/1.1\r\nx: ",  # the second header never ends
    b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFF\r\n",  # nor does a body
    b"PUT /v1/now HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n",  # that nobody reads
])
def test_every_request_of_a_connection_has_a_clock(clocked, rest):
    with opened(clocked) as raw:
        for _ in range(3):
            raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert answered(raw)
        raw.sendall(rest)
        drip(raw)
    assert httpx.get(f"http://{clocked}/healthz").status_code == 200


def test_a_header_has_a_largest_size_whatever_is_installed():
    code = """if True:
        import sys, types
        sys.modules["httptools"] = types.ModuleType("httptools")
        from uvicorn.protocols.http.h11_impl import H11Protocol
        from mien.server.http_timeout import TimeoutHTTPProtocol
        print(issubclass(TimeoutHTTPProtocol, H11Protocol))
        """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=CEILING)
    assert done.stdout == "True\n"
    with live_server.mien(workers=1) as (address, _), opened(address) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nx: " + 100_000 * b"a")
        assert b" 400 " in raw.recv(1000)


@pytest.mark.parametrize("limits", [{"slowest": 1e6}, {"receive": 1.0}])
def test_an_upload_that_drips_is_ended_and_its_place_is_free(monkeypatch, limits):
    monkeypatch.setattr(request_body, "GRACE", 1.0)
    with live_server.mien(jobs=1, workers=1, **limits) as (address, state):
        head = f"POST /v1/analyze HTTP/1.1\r\nHost: {address}\r\nContent-Length: 500000\r\n\r\n".encode()
        with opened(address) as raw:
            raw.sendall(head + b"\0\0\0\x20ftypisom" + bytes(1000))
            answer = drip(raw, b"\r\n\r\n")
        assert b" 408 " in answer.split(b"\r\n")[0]
        assert httpx.post(f"http://{address}/v1/analyze", content=b"x").status_code == 415
        assert not list(state.jobs._folder.iterdir())


def test_http_closes_clients_that_do_not_read(monkeypatch):
    monkeypatch.setattr(http_timeout, "READ", 1.0)
    ended = threading.Event()

    async def endless(scope, receive, send):
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while (await _without_waiting(receive)) != "http.disconnect":
                await send({"type": "http.response.body", "body": bytes(10**6), "more_body": True})
        finally:
            ended.set()

    with live_server.uvicorn_of(endless, http=http_timeout.TimeoutHTTPProtocol) as (address, _), opened(address) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert ended.wait(CEILING)


async def _without_waiting(receive):
    import asyncio

    try:
        async with asyncio.timeout(0.01):
            return (await receive())["type"]
    except TimeoutError:
        return ""


@linux
def test_no_address_has_all_connections():
    made = app(ServerConfig(workers=1))
    with live_server.uvicorn_of(made, http=http_timeout.TimeoutHTTPProtocol, limit_concurrency=8) as (address, _), \
            ExitStack() as stored:
        for _ in range(6):
            stored.enter_context(opened(address))
        with opened(address) as seventh:
            answer = seventh.recv(1000).lower()
        assert b" 503 " in answer.split(b"\r\n")[0]
        assert b"retry-after: " in answer
        with opened(address, OTHER) as other:
            other.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert answered(other)


def test_the_addresses_of_one_ipv6_network_share_their_limits():
    """A client chooses the last 64 bits of its address as it likes."""
    guard = AccessMiddleware(PlainTextResponse("here"), ServerConfig(rate=1e-9, burst=2))

    async def ask(host):
        transport = httpx.ASGITransport(guard, client=(host, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return (await client.get("/v1/now")).status_code

    hosts = ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:1", "2001:db8:0:1::1", "::ffff:192.0.2.1", "192.0.2.1",
             "192.0.2.1", "192.0.2.2", "fe80::1%lo", "fe80::2", "fe80::3"]
    assert [asyncio.run(ask(host)) for host in hosts] == [200, 200, 429, 200, 200, 200, 429, 200, 200, 200, 429]
    connections = [HTTPConnection({"type": "http", "client": (host, 1)}) for host in hosts]
    assert len({address_of(connection) for connection in connections}) == 5
    protocol = http_timeout.TimeoutHTTPProtocol.__new__(http_timeout.TimeoutHTTPProtocol)
    protocol.client, protocol.connections = (hosts[0], 1), [SimpleNamespace(client=(host, 1)) for host in hosts[:3]]
    assert protocol._is_full(3)
    protocol.client = (hosts[3], 1)
    assert not protocol._is_full(4)


def test_a_client_too_many_learns_when_to_come_back():
    with live_server.mien(clients=2, workers=1) as (address, _), ExitStack() as stored:
        for _ in range(2):
            stored.enter_context(connect(f"ws://{address}/v1/stream"))
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://{address}/v1/stream")
        assert refused.value.response.status_code == 503
        assert int(refused.value.response.headers["retry-after"]) > 0
        if sys.platform == "linux":  # others still have a place
            stored.enter_context(connect(f"ws://{address}/v1/stream", source_address=(OTHER, 0)))
            with pytest.raises(InvalidStatus):
                connect(f"ws://{address}/v1/stream", source_address=("127.0.0.3", 0))


@linux
def test_uploads_of_one_address_leave_a_place_for_others():
    with live_server.mien(jobs=1, workers=1) as (address, _), opened(address) as raw:
        raw.sendall(f"POST /v1/analyze HTTP/1.1\r\nHost: {address}\r\nContent-Length: 5000\r\n\r\n".encode())
        until = time.monotonic() + CEILING
        while httpx.post(f"http://{address}/v1/analyze", content=b"x").status_code != 503:
            assert time.monotonic() < until
        with httpx.Client(transport=httpx.HTTPTransport(local_address=OTHER)) as other:
            assert other.post(f"http://{address}/v1/analyze", content=b"x").status_code == 415


@pytest.mark.parametrize(("token", "origin", "status"), [("", "http://evil.example", 403), ("x" * 16, None, 401)])
def test_a_refused_stream_says_why(token, origin, status):
    with live_server.mien(token=token, workers=1) as (address, _):
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://{address}/v1/stream", origin=origin)
        assert refused.value.response.status_code == status
        assert b"expected" in refused.value.response.body


# ---------------------------------------------------------------- the proxy

FOREIGN = (b"access-control-allow-origin: *\r\naccess-control-allow-credentials: true\r\nset-cookie: a=b\r\n"
           b"content-security-policy: default-src *\r\nx-accel-redirect: /etc/passwd\r\nrefresh: 0; url=/x\r\n"
           b"link: </x>; rel=preload\r\nclear-site-data: \"*\"\r\nx-frame-options: ALLOWALL\r\n"
           b"cache-control: public, max-age=100\r\ncross-origin-resource-policy: cross-origin\r\n")


@pytest.mark.parametrize("path", ["models", "chat/completions"])
def test_proxy_drops_browser_headers_of_the_language_server(path):
    def answer(listening):
        with listening.accept()[0] as received:
            received.recv(65536)
            received.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: 7\r\n" + FOREIGN
                          + b"content-length: 2\r\nconnection: close\r\n\r\n{}")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer, args=(listening,), daemon=True)
        thread.start()
        llm = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        with live_server.mien(llm=llm, llm_key="key", workers=1) as (address, _):
            body = {"json": {"messages": []}} if path.startswith("chat") else {}
            reply = httpx.request("POST" if body else "GET", f"http://{address}/v1/{path}", **body)
        thread.join(CEILING)
    assert (reply.status_code, reply.content) == (200, b"{}")
    assert reply.headers["x-request-id"] == "7"
    assert reply.headers["content-type"] == "application/json"
    foreign = {line.split(b":")[0].decode() for line in FOREIGN.splitlines()}
    ours = {"content-security-policy", "cache-control"}
    assert not set(reply.headers) & (foreign - ours)
    assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("status", [b"999 Odd", b"099 Odd", b"101 Switching Protocols", b"junk", b""])
def test_an_impossible_status_of_the_language_server_is_502(status):
    def answer(listening):
        with listening.accept()[0] as received:
            received.recv(65536)
            received.sendall(status and b"HTTP/1.1 " + status + b"\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=answer, args=(listening,), daemon=True).start()
        llm = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        with live_server.mien(llm=llm, workers=1) as (address, state):
            assert httpx.get(f"http://{address}/v1/models").status_code == 502
            assert not state.proxy._requests


@contextmanager
def silent_language_server():
    """A language server that accepts and never answers -> its address, and the connections that it has."""
    accepted = []
    with socket.create_server(("127.0.0.1", 0)) as listening, ExitStack() as stored:
        def accept():
            with suppress(OSError):
                while True:
                    accepted.append(stored.enter_context(listening.accept()[0]))

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1", accepted
        listening.shutdown(socket.SHUT_RDWR)


def requested(address, path, source=None):
    raw = opened(address, source)
    body = b'{"messages": []}' if path.startswith("chat") else b""
    raw.sendall(f"{'POST' if body else 'GET'} /v1/{path} HTTP/1.1\r\nHost: {address}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return raw


@pytest.mark.parametrize("path", ["models", "chat/completions"])
def test_a_request_of_which_the_client_has_gone_ends_at_the_language_server(path):
    with silent_language_server() as (llm, accepted), live_server.mien(llm=llm, workers=1) as (address, state):
        for _ in range(3):
            raw, before = requested(address, path), len(accepted)
            wait_until(lambda before=before: len(accepted) > before)
            raw.close()
            upstream = accepted[-1]
            upstream.settimeout(CEILING)
            while upstream.recv(65536):  # ends when mien has closed it
                pass
        wait_until(lambda: not state.proxy._requests)


@linux
def test_conversations_of_one_address_leave_a_place_for_others():
    with silent_language_server() as (llm, accepted), ExitStack() as stored, \
            live_server.mien(llm=llm, chats=2, workers=1) as (address, _):
        for path in ("models", "chat/completions"):
            stored.enter_context(requested(address, path))
        wait_until(lambda: len(accepted) == 2)
        refused = httpx.get(f"http://{address}/v1/models")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        stored.enter_context(requested(address, "models", OTHER))
        wait_until(lambda: len(accepted) == 3)


@pytest.mark.parametrize("value", [b"[]", b"{}", b"1"])
def test_a_conversation_of_millions_of_values_is_refused_before_it_is_read(monkeypatch, value):
    monkeypatch.setattr("mien.server.proxy.json", None)
    with live_server.mien(workers=1) as (address, _):
        body = b'{"messages":[' + b",".join([value] * 1_000_001) + b"]}"
        assert httpx.post(f"http://{address}/v1/chat/completions", content=body).status_code == 413


@pytest.mark.parametrize("body", [b'{"messages":[' + 900 * b"[" + 900 * b"]" + b"]}", b'{"messages":[1e400]}',
                                  b'{"messages":[NaN]}', b'{"messages":[' + 9999 * b"9" + b"]}"])
def test_json_that_cannot_be_written_again_is_no_fault_of_mien(monkeypatch, body):
    monkeypatch.setattr(sys.modules["mien.server.state"].ServerState, "sentence", lambda *_: "A person.")
    with live_server.mien(llm="http://127.0.0.1:9/v1", workers=1) as (address, _):
        assert httpx.post(f"http://{address}/v1/chat/completions", content=body).status_code in (400, 502)


# ---------------------------------------------------------------- WebSocket frames


def ws_frame(first, payload):
    return bytes([first, 0x80 | len(payload)]) + bytes(4) + payload


@pytest.mark.parametrize(("first", "flood"), [
    (b"", ws_frame(0x89, b"x" * 125)),  # pings
    (b"", ws_frame(0x8A, b"")),  # pongs
    (ws_frame(0x02, b"ab"), ws_frame(0x00, b"")),  # empty parts of a message
    (ws_frame(0x02, b"ab"), ws_frame(0x00, b"ab")),
    (b"", ws_frame(0x82, b"")),  # empty messages
])
def test_a_flood_of_tiny_frames_ends_the_connection(first, flood):
    with live_server.mien(workers=1) as (address, _), opened(address) as raw:
        raw.sendall(f"GET /v1/stream HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        assert b" 101 " in raw.recv(13)
        raw.sendall(first)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            send_for_ever(raw, 10_000 * flood)
        assert httpx.get(f"http://{address}/healthz").status_code == 200


def test_a_client_with_thousands_of_messages_at_once_lets_others_have_their_turn():
    count, turns = 1000, []

    async def others():
        while True:
            turns.append(len(posted))
            await asyncio.sleep(0)

    class Crowded:
        async def receive(self):  # it never waits, as uvicorn's with a full queue
            if len(posted) == count:
                return {"type": "websocket.disconnect"}
            return {"type": "websocket.receive", "bytes": b""}

    posted = []
    pool = SimpleNamespace(post=lambda connection, content: posted.append(content))
    state = SimpleNamespace(pool=pool, options=ServerConfig())

    async def both():
        other = asyncio.create_task(others())
        assert await websocket._receive(Crowded(), state, None) == (0, "")
        other.cancel()

    asyncio.run(both())
    assert len(set(turns)) >= count / 2


def send_for_ever(raw, block):
    for _ in range(10**6):
        raw.sendall(block)


# ---------------------------------------------------------------- failures of an upload's surroundings


def test_a_full_disk_is_no_fault_of_mien_and_the_place_is_free_again(monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", "/secret/folder")

    with live_server.mien(jobs=1, workers=1) as (address, state):
        for name in ("mien.server.jobs.tempfile.mkdtemp", "mien.server.application._open_upload"):
            with monkeypatch.context() as patch:
                patch.setattr(name, full)
                answer = httpx.post(f"http://{address}/v1/analyze", content=bytes(1000))
            assert answer.status_code == 507
            assert "No space left" in answer.text
            assert "secret" not in answer.text
        assert httpx.post(f"http://{address}/v1/analyze", content=b"x").status_code == 415
        assert not list(state.jobs._folder.iterdir())


def test_whatever_fails_in_an_upload_the_next_one_is_analysed(monkeypatch):
    def broken(self, job):
        raise ZeroDivisionError("a fault of a reader")

    monkeypatch.setattr("mien.server.jobs.UploadQueue._outcome", broken)
    with live_server.mien(workers=1) as (address, _):
        for _ in range(2):
            id_ = httpx.post(f"http://{address}/v1/analyze", content=b"\0\0\0\x20ftypisom" + bytes(600)).json()["id"]
            wait_until(lambda id_=id_: status(address, id_)["status"] == "failed")
            assert "a fault of a reader" in status(address, id_)["reason"]


def status(address, id_):
    return httpx.get(f"http://{address}/v1/analyze/{id_}").json()


def wait_until(condition):
    until = time.monotonic() + CEILING
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
