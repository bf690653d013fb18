"""Every endpoint and the WebSocket under requests that nobody sane sends: no 500, no hang, no growth."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading

import httpx
import hypothesis
import hypothesis.strategies as st
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from websockets.exceptions import ConnectionClosed

import live_server
from live_server import CEILING, connect
from mien.server.frame_codec import encode

LIMITS = hypothesis.settings(max_examples=20, deadline=None, suppress_health_check=list(hypothesis.HealthCheck),
                             phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate])
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def server():
    with live_server.mien(rate=1e6, burst=10**6, workers=1, upload=10**6) as result:
        yield result


@pytest.fixture(scope="module")
def schema(server):
    return schemathesis.openapi.from_url(f"http://{server[0]}/openapi.json")


def test_no_request_is_answered_with_a_fault_of_ours(schema):
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) == 11
    for operation in operations:
        fuzz(operation)


def fuzz(operation):
    @LIMITS
    @hypothesis.given(case=operation.as_strategy())
    def check(case):
        answer = case.call(timeout=CEILING)
        if answer.status_code == 503 and "503" in operation.definition.raw["responses"]:
            assert "expected" in answer.text  # no language server, or too many uploads
        else:
            case.validate_response(answer, checks=CHECKS)

    check()


@pytest.fixture
def idle_schema():
    """Of a server without uploads: the queue of the other one may be full of what earlier tests left there."""
    with live_server.mien(rate=1e6, burst=10**6, workers=1, upload=10**6) as result:
        yield schemathesis.openapi.from_url(f"http://{result[0]}/openapi.json")


def test_upload_links_have_no_server_errors(idle_schema):
    """schemathesis walks along the links: an upload, its progress, its results, its end, in any order and again."""
    seen = []

    class Visit(idle_schema.as_state_machine()):
        def before_call(self, case):
            if (case.method, case.path) == ("POST", "/v1/analyze"):
                case.body = b"\0\0\0\x20ftypisom" + os.urandom(2000)  # begins as an mp4 does

        def get_call_kwargs(self, case):
            return {"timeout": CEILING}

        def validate_response(self, response, case, additional_checks=(), **options):
            seen.append((case.method, case.path, response.status_code))
            if response.status_code != 503:  # too many uploads, or no language server
                case.validate_response(response, checks=CHECKS)

    walk(Visit, seen)
    uploads = {status for method, path, status in seen if (method, path) == ("POST", "/v1/analyze")}
    assert 202 in uploads
    assert {status for method, path, status in seen if path == "/v1/analyze/{id}"} & {200, 204}
    assert {status for _, _, status in seen} <= {200, 202, 204, 400, 404, 405, 413, 415, 422, 502, 503}


def walk(machine, seen, enough=60):
    """Walk until enough requests were sent.

    Hypothesis ends a walk where the same requests are followed by other links than before. A server whose jobs take
    time does that on a busy machine, and it is no fault: the next seed walks on. A failed check is another exception.
    """
    for seed in range(10):
        with contextlib.suppress(hypothesis.errors.FlakyStrategyDefinition):
            hypothesis.seed(seed)(machine).run(
                settings=hypothesis.settings(LIMITS, max_examples=15, stateful_step_count=8))
        if len(seen) >= enough:
            return
    raise AssertionError(f"after ten walks: expected {enough} requests, sent {len(seen)}")


@LIMITS
@hypothesis.given(method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "X"]),
                  path=st.text(st.characters(codec="latin-1", exclude_characters=" #?", exclude_categories=["Cc"]),
                               max_size=30),
                  body=st.binary(max_size=200))
def test_no_path_whatever_it_is_gives_a_file_or_a_fault(server, method, path, body):
    for start in ("/", "/v1/analyze/", "/v1/analyze/../../", "/page.js/../"):
        with socket.create_connection(tuple(_address(server)), 20) as raw:
            head = f"{method} {start}{path} HTTP/1.1\r\nHost: {server[0]}\r\nContent-Length: {len(body)}\r\n" \
                   "Connection: close\r\n\r\n"
            raw.sendall(head.encode("latin-1") + body)
            answer = raw.makefile("rb").read()
        assert b" 500 " not in answer.split(b"\r\n")[0]
        assert b"root:" not in answer


def _address(server):
    host, _, port = server[0].partition(":")
    return host, int(port)


def test_messages_at_random_neither_break_nor_fill_the_server(server):
    address, state = server
    frame = encode(1.0, next(live_server.film()).rgb)
    before = None
    for round_ in range(2):
        _fuzzed(address, frame)
        assert _settled(state)
        now = _memory()
        if round_ == 0:
            before = now
    assert now < before + 30e6  # the second round holds what the first one held
    assert threading.active_count() < 60
    assert httpx.get(f"http://{address}/healthz").status_code == 200
    assert "mien_failures_total 0.0" in httpx.get(f"http://{address}/metrics").text


@LIMITS
@hypothesis.given(messages=st.lists(st.one_of(
    st.binary(max_size=300), st.text(max_size=50),
    st.builds(lambda t, rest: struct.pack("<d", t) + rest, st.floats(), st.binary(max_size=100)),
    st.builds(lambda t, w, h, rest: struct.pack("<d4sHH", t, b"RGB8", w, h) + rest, st.floats(0, 1e9),
              st.integers(0, 65535), st.integers(0, 65535), st.binary(max_size=100)),
    st.builds(lambda t, w, h: struct.pack("<d4sHH", t, b"RGB8", w, h) + bytes(3 * w * h), st.floats(-1e12, 1e12),
              st.integers(16, 40), st.integers(16, 40))), min_size=1, max_size=25))
def _fuzzed_messages(address, messages):
    with connect(f"ws://{address}/v1/stream?frames=true", close_timeout=5) as ws:
        try:
            for message in messages:
                ws.send(message)
            ws.ping().wait(0.5)
        except ConnectionClosed as closed:
            assert closed.rcvd is None or closed.rcvd.code in (1003, 1007, 1008)  # noqa: PT017


def _fuzzed(address, frame):
    _fuzzed_messages(address)
    host, port = address.split(":")
    upgrade = (f"GET /v1/stream HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n").encode()
    for rest in (b"\xff" * 200, b"\x82\xff" + b"\xff" * 8, b"\x81\x05hello", b"\x88\x00", b"\x82\x7e\xff\xff", b""):
        with socket.create_connection((host, int(port)), CEILING) as raw:
            raw.sendall(upgrade + rest)
            raw.recv(1000)  # and gone, in the middle of a frame
    with connect(f"ws://{address}/v1/stream") as ws:
        for at in range(0, len(frame), 997):
            ws.send(frame[:at])
            if at > 15 * 997:
                break


def _settled(state):
    import time

    until = time.monotonic() + CEILING
    while state.connections and time.monotonic() < until:
        time.sleep(0.05)
    return not state.connections


def _memory() -> float:
    """Resident bytes of this process, in which the server runs."""
    with open("/proc/self/statm") as file:
        return float(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
