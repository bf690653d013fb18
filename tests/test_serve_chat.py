"""The proxy in front of a language model: OpenAI's own client, a real Qwen2 with random weights behind."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from contextlib import contextmanager

import httpx
import openai
import pytest

import live_server
from live_server import CEILING, connect
from mien.reporting import llm
from mien.server.frame_codec import encode
from mien.server.proxy import with_system

pytest.importorskip("transformers")
from tiny_language_server import Language

SECRET = "my darkest secret"
MESSAGES = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": SECRET}]


@pytest.fixture(autouse=True)
def what_was_seen_stays_fresh(monkeypatch):
    """However long the language model takes to answer."""
    monkeypatch.setattr("mien.server.state.FRESH", float("inf"))


@pytest.fixture(scope="module")
def language():
    result = Language()
    with live_server.uvicorn_of(result.app) as (address, _):
        yield result, f"http://{address}/v1"


@pytest.fixture(scope="module")
def proxied(language):
    with live_server.mien(llm=language[1], workers=1, rate=1000, burst=1000) as result:
        yield result


def client(address, key="key-of-the-person"):
    return openai.OpenAI(base_url=f"http://{address}/v1", api_key=key, max_retries=0, timeout=CEILING)


def ask(address, **options):
    return client(address).chat.completions.create(model="tiny-qwen2", messages=MESSAGES, temperature=0.0, seed=3,
                                                   **options)


@contextmanager
def watched(address):
    """Somebody in front of a camera while the block lasts -> the sentences about them."""
    with connect(f"ws://{address}/v1/stream?frames=true") as ws:
        for frame in live_server.film(1.3):
            ws.send(encode(frame.time, frame.rgb))
            while json.loads(ws.recv(timeout=CEILING))["type"] != "frame":
                pass  # the next frame when this one is read
        now = httpx.get(f"http://{address}/v1/now", timeout=CEILING).json()
        assert now["event"]["face_id"]
        yield now["prompt"]


def test_without_a_picture_everything_goes_through_untouched(proxied, language):
    server, upstream = language
    content = json.dumps({"model": "tiny-qwen2", "messages": MESSAGES, "seed": 10**18, "odd": {"nested": [1.0, None]}},
                         indent=3).encode()
    direct = httpx.post(f"{upstream}/chat/completions", content=content)
    through = httpx.post(f"http://{proxied[0]}/v1/chat/completions", content=content)
    assert through.content == direct.content
    assert server.requests[-1] == server.requests[-2] == content
    assert [each.id for each in client(proxied[0]).models.list().data] == ["tiny-qwen2"]


def test_the_person_now_goes_in_as_a_system_message_and_nothing_else_changes(proxied, language):
    server, _ = language
    with watched(proxied[0]) as sentence:
        ask(proxied[0], extra_headers={"X-Mien-Client": "somebody-else"})
        assert json.loads(server.requests[-1])["messages"] == MESSAGES  # of whom there is no picture
        assert "x-mien-client" not in server.headers[-1]
        answer = ask(proxied[0])
        received = json.loads(server.requests[-1])
        full = answer.choices[0].message.content
        windows = [chunk.choices[0].delta.content for chunk in ask(proxied[0], stream=True)]
    expected = [MESSAGES[0], {"role": "system", "content": llm.system_message(sentence)}, MESSAGES[1]]
    assert received["messages"] == expected
    assert {name: value for name, value in received.items() if name != "messages"} == \
        {"model": "tiny-qwen2", "temperature": 0.0, "seed": 3}
    assert full == server.says(expected) != server.says(MESSAGES)  # the model did read it
    assert len(windows) == 12  # each piece came as one
    assert "".join(windows) == full
    assert server.headers[-1]["authorization"] == "Bearer key-of-the-person"  # without a token of ours, theirs


def test_headers_and_queries_go_through_whatever_their_bytes_are(proxied, language):
    answer = httpx.post(f"http://{proxied[0]}/v1/chat/completions?a=1&a=2&b=%FF", headers=[
        (b"x-title", "caf\u00e9".encode("latin-1")), (b"x-title", "\u65e5".encode())],
        json={"model": "tiny-qwen2", "messages": MESSAGES, "max_tokens": 1})
    assert answer.status_code == 200, answer.text
    assert language[0].queries[-1] == "a=1&a=2&b=%FF"
    assert [value for name, value in language[0].raw[-1] if name == b"x-title"] == [b"caf\xe9", "\u65e5".encode()]


def test_the_languages_servers_own_errors_come_through(proxied):
    with pytest.raises(openai.NotFoundError, match="no such model"):
        client(proxied[0]).chat.completions.create(model="other", messages=MESSAGES)


def test_with_a_token_the_key_for_the_language_server_is_another(language):
    token = "a-token-for-the-tests"
    with live_server.mien(llm=language[1], token=token, llm_key="theirs", workers=1) as (address, _):
        client(address, token).chat.completions.create(model="tiny-qwen2", messages=MESSAGES)
        with pytest.raises(openai.AuthenticationError):
            ask(address)
    assert language[0].headers[-1]["authorization"] == "Bearer theirs"
    assert token not in str(language[0].headers[-1])


@pytest.mark.parametrize("how", ["closed", "silent", "breaks"])
def test_a_language_server_that_is_down_is_a_clear_502_and_what_was_said_is_in_no_log(how, caplog, capfd, monkeypatch):
    from mien.server import proxy

    monkeypatch.setattr(proxy, "ANSWER", 1.0)
    caplog.set_level(logging.DEBUG)
    listening = socket.create_server(("127.0.0.1", 0))
    address = listening.getsockname()
    if how == "closed":
        listening.close()
    elif how == "breaks":
        threading.Thread(target=lambda: listening.accept()[0].close(), daemon=True).start()
    with live_server.mien(llm=f"http://127.0.0.1:{address[1]}/v1", workers=1) as (server, _):
        with pytest.raises(openai.APIStatusError) as failed:
            ask(server)
        text = httpx.get(f"http://{server}/metrics").text
    listening.close()
    assert failed.value.status_code == 502
    assert "language server" in failed.value.message
    assert 'mien_chats_total{status="502"} 1.0' in text
    output = capfd.readouterr()
    logs = [record for record in caplog.records if record.name.split(".")[0] in ("mien", "uvicorn", "httpx")]
    assert SECRET not in "".join([output.out, output.err, failed.value.message, *(each.getMessage() for each in logs)])


def test_an_answer_that_breaks_off_is_not_taken_for_whole_and_its_headers_come_as_they_are(caplog, capfd):
    note = "\u65e5".encode()  # no header may hold it, some do

    def answer(listening):
        with listening.accept()[0] as received:
            received.recv(65536)
            received.sendall(b"HTTP/1.1 200 OK\r\nx-note: " + note + b"\r\ncontent-type: text/event-stream\r\n"
                          b"transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")
            time.sleep(0.3)

    caplog.set_level(logging.DEBUG)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer, args=(listening,), daemon=True)
        thread.start()
        with live_server.mien(llm=f"http://127.0.0.1:{listening.getsockname()[1]}/v1", workers=1) as (server, _):
            with httpx.stream("POST", f"http://{server}/v1/chat/completions", json={"messages": MESSAGES}) as reply:
                got = []
                with pytest.raises(httpx.RemoteProtocolError):
                    got.extend(reply.iter_raw())  # keeps what came before it broke
            assert httpx.get(f"http://{server}/healthz").status_code == 200
        thread.join(5)
    assert (reply.status_code, b"".join(got)) == (200, b"half")
    assert dict(reply.headers.raw)[b"x-note"] == note
    output = capfd.readouterr()
    assert SECRET not in "".join([output.out, output.err, *(record.getMessage() for record in caplog.records
                                                            if record.name.split(".")[0] in ("mien", "uvicorn"))])


@pytest.mark.parametrize(("content", "status"), [
    (b"", 400), (b"{", 400), (b"[]", 400), (b'{"messages": 3}', 400), (b"[" * 100_000, 400),
    (bytes(33 * 2**20), 413)])
def test_chat_refuses_other_bodies(proxied, content, status):
    answer = httpx.post(f"http://{proxied[0]}/v1/chat/completions", content=iter([content]))  # no length is announced
    assert answer.status_code == status
    assert "expected" in answer.json()["error"]["message"]


def test_without_a_language_server_that_is_reported():
    with live_server.mien(workers=1) as (address, _):
        answer = httpx.post(f"http://{address}/v1/chat/completions", json={"messages": []})
    assert answer.status_code == 503
    assert "--llm" in answer.json()["error"]["message"]


def test_the_message_stands_behind_the_system_messages_that_come_first():
    user, first, later = {"role": "user"}, {"role": "system", "content": "a"}, {"role": "system", "content": "b"}
    new = {"role": "system", "content": "x"}
    assert with_system([], "x") == [new]
    assert with_system([user], "x") == [new, user]
    assert with_system([first, user, later], "x") == [first, new, user, later]
    assert with_system([first], "x") == [first, new]
    assert with_system(["odd", user], "x") == [new, "odd", user]
