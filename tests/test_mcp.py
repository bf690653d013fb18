"""The MCP server, asked by the SDK's own client: in process, over standard input and output, and of a mien serve."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

import pytest
from mcp import Client, StdioServerParameters

import live_server
from live_films import write
from mien.inference.live.camera_thread import Live
from mien.inference.live.session import LiveSession
from mien.reporting.llm.templates import languages, no_picture
from mien.server import mcp


def asked(server, *calls, wait=None):
    """Connect, call each -> what came."""

    async def run():
        async with Client(server) as client:
            if wait is not None:
                await wait(client)
            return [await call(client) for call in calls]

    return asyncio.run(run())


def tool(**arguments):
    return lambda client: client.call_tool(mcp.TOOL, arguments)


def resource(client):
    return client.read_resource(mcp.RESOURCE)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write(tmp_path_factory.mktemp("mcp") / "clip.mp4", 4.0)


def test_the_tool_and_the_resource_say_what_is_read():
    said = {"en": {"text": "The person looks happy.", "event": {"t": 1.5}},
            "de": {"text": "Die Person wirkt fröhlich.", "event": None}}
    server = mcp.server(said.__getitem__)
    tools, resources, english, german, wrong, text = asked(
        server, lambda client: client.list_tools(), lambda client: client.list_resources(), tool(), tool(language="de"),
        tool(language="xx"), resource)
    assert [each.name for each in tools.tools] == [mcp.TOOL]
    assert tools.tools[0].annotations.read_only_hint
    assert tools.tools[0].input_schema["properties"]["language"]["enum"] == list(languages())
    assert [str(each.uri) for each in resources.resources] == [mcp.RESOURCE]
    assert english.structured_content == said["en"]
    assert german.structured_content == said["de"]
    assert wrong.is_error
    assert text.contents[0].text == "The person looks happy."


def test_of_a_camera_in_this_process(clip, monkeypatch):
    fresh = 1e6  # s: the clip may be over before it is asked
    monkeypatch.setattr("mien.server.mcp.provider.FRESH", fresh)
    with Live(str(clip)) as live:
        now = mcp.from_live(live)
        assert now("de") == {"text": no_picture("de"), "event": None}
        until = time.monotonic() + 300
        while (now("en")["event"] or {}).get("face_id") is None and time.monotonic() < until:
            time.sleep(0.05)
        assert now("en")["event"]["face_id"] == 1
        assert now("en")["text"].startswith("The person ")
        live.last_event_at -= fresh + 1  # and then nothing more came
        assert now("en")["event"] is None


def test_a_fault_in_the_following_is_told_and_not_taken_for_an_empty_room(clip):
    class Broken(LiveSession):
        def push(self, frame, arrived=None):
            raise ValueError("planted")

    with Live(str(clip), session=Broken()) as live:
        with pytest.raises(ValueError, match="planted"):
            list(live.events())
        answer = asked(mcp.server(mcp.from_live(live)), tool())[0]
    assert answer.is_error
    assert "planted" in answer.content[0].text


def test_of_a_server_that_runs_and_of_one_that_does_not(clip, monkeypatch):
    monkeypatch.setattr("mien.server.state.FRESH", float("inf"))
    token = "a-token-for-the-tests"
    with live_server.mien(source=str(clip), token=token, workers=1) as (address, _):
        now = mcp.from_server(f"http://{address}", token)
        until = time.monotonic() + 300
        while now("en")["event"] is None and time.monotonic() < until:
            time.sleep(0.05)
        assert now("en")["event"]["schema"] == "mien.event/1"
        with pytest.raises(ConnectionError, match="Unauthorized"):
            mcp.from_server(f"http://{address}", "wrong")("en")
    failed = asked(mcp.server(now), tool())[0]
    assert failed.is_error
    assert "check that it runs" in failed.content[0].text
    with pytest.raises(ValueError, match="expected an address"):
        mcp.from_server("localhost")


def test_the_command_speaks_the_protocol_over_standard_input_and_output(clip):
    command = StdioServerParameters(command=sys.executable, args=["-m", "mien.cli", "mcp", "--source", str(clip)],
                                    env=dict(os.environ))

    async def until_read(client):
        until = time.monotonic() + 300
        while time.monotonic() < until:  # both within the three seconds after an event, which the clip gives often
            both[:] = await tool()(client), await resource(client)
            said = both[1].contents[0].text
            if (both[0].structured_content["event"] or {}).get("face_id") and said.startswith("The person "):
                return
            await asyncio.sleep(0.05)

    both = []
    asked(command, wait=until_read)
    answer, text = both
    event = answer.structured_content["event"]
    assert event["face_id"] == 1
    assert json.loads(answer.content[0].text)["text"].startswith("The person ")
    assert text.contents[0].text.startswith("The person ")
