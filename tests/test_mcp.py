"""The MCP server, asked by the SDK's own client: in process, over standard input and output, and of a mien serve."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
import time
from contextlib import suppress

import pytest
from mcp import Client, StdioServerParameters

import live_server
from live_films import write
from mien.inference.live.camera_thread import Live
from mien.inference.live.session import LiveSession
from mien.reporting.llm import parse
from mien.reporting.llm.templates import languages, no_picture
from mien.server import mcp
from mien.server.mcp import tools as mcp_tools

CEILING = 300.0


def call_tools(server, *calls, wait=None):
    """Connect, call each -> what came."""

    async def run():
        async with Client(server) as client:
            if wait is not None:
                await wait(client)
            return [await call(client) for call in calls]

    return asyncio.run(run())


def tool(name=mcp.NOW, **arguments):
    return lambda client: client.call_tool(name, arguments)


def resource(client):
    return client.read_resource(mcp.RESOURCE)


class Said:
    """A provider that gives what it was made with."""

    def __init__(self, said, history=None):
        self.said, self.kept, self.lengths = said, history, []

    def now(self, language):
        return self.said[language]

    def history(self, seconds):
        self.lengths.append(seconds)
        return self.kept

    def close(self):
        pass


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write(tmp_path_factory.mktemp("mcp") / "clip.mp4", 4.0)


@pytest.fixture
def fresh(monkeypatch):
    """The clip may be over before it is asked: everything counts as now."""
    monkeypatch.setattr("mien.server.mcp.provider.FRESH", 1e6)
    return 1e6


def test_the_tools_and_the_resource_say_what_is_read():
    said = {"en": {"text": "The person looks happy.", "observation": {"label": "happy"}, "event": {"t": 1.5}},
            "de": {"text": "Die Person wirkt fröhlich.", "observation": None, "event": None}}
    person = Said(said, {"changes": [{"ago": 3.0}], "summary": {"steps": 20}})
    tools, resources, english, german, wrong, text, history, summary, far = call_tools(
        mcp.server(person), lambda client: client.list_tools(), lambda client: client.list_resources(), tool(),
        tool(language="de"), tool(language="xx"), resource, tool(mcp.HISTORY, seconds=30), tool(mcp.SUMMARY),
        tool(mcp.SUMMARY, seconds=1e9))
    assert [each.name for each in tools.tools] == [mcp.NOW, mcp.HISTORY, mcp.SUMMARY]
    assert all(each.annotations.read_only_hint for each in tools.tools)
    assert tools.tools[0].input_schema["properties"]["language"]["enum"] == list(languages())
    assert [str(each.uri) for each in resources.resources] == [mcp.RESOURCE]
    assert english.structured_content == said["en"]
    assert german.structured_content == said["de"]
    assert wrong.is_error
    assert far.is_error
    assert text.contents[0].text == "The person looks happy."
    assert history.structured_content == {"changes": [{"ago": 3.0}]}
    assert summary.structured_content == {"summary": {"steps": 20}}
    assert person.lengths == [30, 60]


def test_a_call_during_the_start_waits_and_answers(clip, fresh):
    """The camera and the model take as long as they take: here, until the call has come."""
    called, replies = threading.Event(), []

    def slow():
        assert called.wait(CEILING)
        return Live(str(clip))

    person = mcp.LiveProvider(slow, wait=CEILING)
    thread = threading.Thread(target=lambda: replies.extend(call_tools(mcp.server(person), tool())))
    thread.start()
    time.sleep(0.2)
    assert not replies
    called.set()
    thread.join(CEILING)
    person.close()
    assert not replies[0].is_error
    assert replies[0].structured_content["event"]["schema"] == "mien.event/1"


def test_a_start_that_takes_too_long_is_told_and_the_next_call_may_answer(clip, fresh):
    release = threading.Event()

    def slow():
        assert release.wait(CEILING)
        return Live(str(clip))

    person = mcp.LiveProvider(slow, wait=0.1)
    with pytest.raises(ConnectionError, match="ask again"):
        person.now("en")
    release.set()
    until = time.monotonic() + CEILING
    while time.monotonic() < until:
        try:
            if person.now("en")["event"]:
                break
        except ConnectionError:
            pass
    assert person.now("en")["event"]
    person.close()


def test_of_a_camera_in_this_process(clip, fresh):
    person = mcp.LiveProvider(lambda: Live(str(clip)))
    until = time.monotonic() + CEILING
    while (person.now("en")["event"] or {}).get("face_id") is None and time.monotonic() < until:
        time.sleep(0.05)
    now = person.now("en")
    assert now["event"]["face_id"] == 1
    assert parse(now["text"]) == now["observation"]
    history = person.history(60)
    assert history["changes"][0]["text"].startswith("The person ")
    assert history["summary"]["person"] == 1.0
    assert sum(history["summary"]["labels"].values()) == pytest.approx(1)
    person._live.last_event_at -= fresh + 1  # and then nothing more came
    assert person.now("de") == {"text": no_picture("de"), "observation": None, "event": None}
    person.close()
    assert not person._live._thread.is_alive()


def test_a_camera_that_is_not_there_is_told_by_each_call(tmp_path):
    person = mcp.LiveProvider(lambda: Live(str(tmp_path / "none.mp4")))
    for answer in call_tools(mcp.server(person), tool(), tool(mcp.SUMMARY)):
        assert answer.is_error
        assert "does not exist" in answer.content[0].text
    person.close()


def test_a_fault_in_the_following_is_reported_and_not_taken_for_an_empty_room(clip):
    class Broken(LiveSession):
        def push(self, frame, arrived=None):
            raise ValueError("planted")

    person = mcp.LiveProvider(lambda: Live(str(clip), session=Broken()))
    answer = call_tools(mcp.server(person), tool())[0]
    assert answer.is_error
    assert "planted" in answer.content[0].text
    person.close()


def test_of_a_server_that_runs_and_of_one_that_does_not(clip, monkeypatch):
    monkeypatch.setattr("mien.server.state.FRESH", float("inf"))
    token = "a-token-for-the-tests"
    with live_server.mien(source=str(clip), token=token, workers=1) as (address, _):
        person = mcp.ServerProvider(f"http://{address}", token)
        until = time.monotonic() + CEILING
        while person.now("en")["event"] is None and time.monotonic() < until:
            time.sleep(0.05)
        assert person.now("en")["event"]["schema"] == "mien.event/1"
        assert person.history(60)["summary"]["steps"] >= 1
        with pytest.raises(ConnectionError, match="Unauthorized"):
            mcp.ServerProvider(f"http://{address}", "wrong").now("en")
    failed = call_tools(mcp.server(person), tool())[0]
    assert failed.is_error
    assert "check that it runs" in failed.content[0].text
    with pytest.raises(ValueError, match="expected an address"):
        mcp.ServerProvider("localhost")


def test_a_file_is_analysed_and_none_outside_of_the_folder(clip, tmp_path):
    (clip.parent / "text.mp4").write_text("no video")
    (tmp_path / "other.mp4").write_bytes(clip.read_bytes())
    tools, good, broken, *refused = call_tools(
        mcp.server(Said({}), files=clip.parent), lambda client: client.list_tools(), tool(mcp.FILE, path="clip.mp4"),
        tool(mcp.FILE, path="text.mp4"), tool(mcp.FILE, path=str(tmp_path / "other.mp4")),
        tool(mcp.FILE, path="none.mp4"), tool(mcp.FILE, path="a\0b"), tool(mcp.FILE, path=1000 * "x"))
    assert tools.tools[-1].name == mcp.FILE
    content = good.structured_content
    assert content["seconds"] == pytest.approx(4.0, abs=0.2)
    assert [each["face_id"] for each in content["people"]] == [1]
    assert content["people"][0]["heart_rate_reason"] == "too_short"
    assert len(refused) == 4
    for answer in refused:
        assert answer.is_error
        assert "expected a file below" in answer.content[0].text
    assert broken.is_error
    assert "text.mp4" in broken.content[0].text
    assert "Traceback" not in broken.content[0].text


def linger(path):
    time.sleep(10 * CEILING)


def test_a_file_that_holds_its_reader_up_is_given_up(clip, monkeypatch):
    monkeypatch.setattr(mcp_tools, "START", 3.0)
    monkeypatch.setattr(mcp_tools, "length_of", linger)
    [answer] = call_tools(mcp.server(Said({}), files=clip.parent), tool(mcp.FILE, path="clip.mp4"))
    assert answer.is_error
    assert "its reader needed more than 3 s" in answer.content[0].text


def test_the_command_speaks_the_protocol_over_standard_input_and_output(clip):
    """The first call comes while the camera and the model start: it waits and answers."""
    command = StdioServerParameters(command=sys.executable, env=dict(os.environ), args=[
        "-m", "mien.cli", "mcp", "--source", str(clip), "--files", str(clip.parent)])
    both = []

    async def until_read(client):
        both.append(await tool()(client))
        until = time.monotonic() + CEILING
        while time.monotonic() < until:  # both within the three seconds after an event, which the clip gives often
            both[1:] = await tool()(client), await resource(client)
            said = both[2].contents[0].text
            if (both[1].structured_content["event"] or {}).get("face_id") and said.startswith("The person "):
                return
            await asyncio.sleep(0.05)

    file = call_tools(command, tool(mcp.FILE, path=clip.name), wait=until_read)[0]
    first, answer, text = both
    assert not first.is_error
    assert first.structured_content["event"] is not None
    assert answer.structured_content["event"]["face_id"] == 1
    assert json.loads(answer.content[0].text)["text"].startswith("The person ")
    assert text.contents[0].text.startswith("The person ")
    assert len(file.structured_content["people"]) == 1


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{port}/other\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}", b"HTTP/1.1 200 OK\r\n\r\n" + 100_000 * b"[",
    b"no HTTP\r\n\r\n", b"",
])
def test_whatever_another_server_answers_is_one_sentence_and_the_token_stays_here(answer):
    seen = []

    def serve(listening):
        for _ in range(2):
            with suppress(OSError), listening.accept()[0] as received:
                seen.append(received.recv(65536))
                received.sendall(answer.replace(b"{port}", str(listening.getsockname()[1]).encode()))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        person = mcp.ServerProvider(f"http://127.0.0.1:{listening.getsockname()[1]}", "secret-token")
        with pytest.raises(ConnectionError, match="expected an answer from mien serve"):
            person.history(60)
        assert len(seen) == 1
        listening.shutdown(socket.SHUT_RDWR)
