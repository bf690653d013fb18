"""`mien stream --to`: events arrive at real receivers: LSL inlets, a subscriber of MQTT, an OSC server."""

from __future__ import annotations

import getpass
import json
import math
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from typer.testing import CliRunner

import fake_timeline
from live_films import write
from mien.cli import app
from mien.core.tasks import ACTION_UNITS, EXPRESSION
from mien.inference.live import outputs
from mien.inference.live.event import LiveEvent
from mien.inference.live.outputs.output import channels, numbers
from mien.reporting.llm import NO_PERSON, make_utterance, render

CEILING = 120.0
"""s that a test waits for what must come."""

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin")


def event(row, latency=0.25):
    said = make_utterance(row)
    return LiveEvent(row.start, row.end, row, said, row.start, "expression", render(said), latency)


ROWS = [row for row in fake_timeline.timeline(seconds=20).emotions if not row.abstained]
EVENT = event(ROWS[0])


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write(tmp_path_factory.mktemp("outputs") / "clip.mp4", 3.0)


def until(condition):
    deadline = time.monotonic() + CEILING
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as result:
        result.bind(("127.0.0.1", 0))
        return result.getsockname()[1]


def stream(clip, *addresses):
    """`mien stream` of the clip to these addresses, until it ends."""
    to = [word for address in addresses for word in ("--to", address)]
    return subprocess.run([sys.executable, "-m", "mien.cli", "stream", "--source", str(clip), "--format", "none", "-q",
                           *to], capture_output=True, text=True, timeout=CEILING, check=False)


# ---------------------------------------------------------------- the numbers


def test_the_numbers_are_those_of_the_json_event_in_one_order():
    named = channels(EXPRESSION.classes)
    data = EVENT.json()
    values = dict(zip([each.label for each in named], numbers(EVENT, named), strict=True))
    assert len(values) == len(named)  # no label twice
    assert values["expression.happy"] == data["expression"]["happy"]
    assert values["head_pose.yaw"] == data["head_pose"]["yaw"]
    assert values["gaze.yaw"] == data["gaze"]["yaw"]
    assert [values[f"action_units.{name}"] for name in ACTION_UNITS] == pytest.approx(
        [math.nan if value is None else value for value in data["action_units"].values()], nan_ok=True)


def test_an_event_without_a_person_has_no_numbers_but_a_confidence_of_0():
    nobody = LiveEvent(0, 0.5, None, NO_PERSON, 0, "person", "No person is visible.", 0.0)
    named = channels(EXPRESSION.classes)
    finite = {each.label: value for each, value in zip(named, numbers(nobody, named), strict=True)
              if math.isfinite(value)}
    assert finite == {"confidence": 0.0}


# ---------------------------------------------------------------- LSL


@pytest.fixture
def lsl(tmp_path_factory, monkeypatch):
    """pylsl on this machine alone: no multicast to a network."""
    config = tmp_path_factory.mktemp("lsl") / "lsl_api.cfg"
    config.write_text("[multicast]\nResolveScope = machine\n[ports]\nIPv6 = disable\n[log]\nlevel = -2\n")
    monkeypatch.setenv("LSLAPICFG", str(config))
    return pytest.importorskip("pylsl")


def test_lsl_two_streams_with_named_channels(lsl):
    name = f"mien-test-{time.time_ns()}"
    output = outputs.open_output(f"lsl:{name}", EXPRESSION.classes)
    result = [lsl.resolve_byprop("name", each, 1, CEILING)[0] for each in (name, f"{name}-text")]
    inlets = [lsl.StreamInlet(each) for each in result]
    for inlet in inlets:
        inlet.open_stream(CEILING)
    before = lsl.local_clock()
    for row in ROWS[:3]:
        output.send(event(row))
    got = [inlets[0].pull_sample(CEILING) for _ in range(3)]
    labels = inlets[0].info(CEILING).get_channel_labels()
    assert labels == [each.label for each in channels(EXPRESSION.classes)]
    for row, (sample, stamp) in zip(ROWS, got, strict=False):
        assert sample == pytest.approx(numbers(event(row), channels(EXPRESSION.classes)), rel=1e-6, nan_ok=True)
        assert stamp >= before - 0.25 - 1e-3  # the arrival of the frame, 0.25 s before the event
    assert inlets[1].pull_sample(CEILING)[0] == [EVENT.text]
    output.close()


# ---------------------------------------------------------------- MQTT


@contextmanager
def broker(folder, port, *lines):
    config = folder / "mosquitto.conf"
    always = (f"listener {port} 127.0.0.1", "persistence false", f"user {getpass.getuser()}")
    config.write_text("\n".join([*always, *(lines or ("allow_anonymous true",)), ""]))
    with subprocess.Popen([MOSQUITTO, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as running:
        until(lambda: listens(port) or running.poll() is not None)
        assert running.poll() is None, running.stderr.read()
        try:
            yield
        finally:
            running.terminate()


def listens(port):
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
        return True
    return False


@contextmanager
def subscriber(port):
    """All messages of the broker as (topic, text, retained)."""
    import paho.mqtt.client as mqtt

    got, ready = [], threading.Event()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.on_connect = lambda *_: client.subscribe("#", qos=1)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _c, _d, message: got.append((message.topic, message.payload.decode(), message.retain))
    client.connect("127.0.0.1", port)
    client.loop_start()
    assert ready.wait(CEILING)
    yield got
    client.disconnect()
    client.loop_stop()


mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="expected Debian's mosquitto, got none: "
                               "apt install mosquitto")


@mosquitto
def test_mqtt_events_the_sentence_and_the_status(clip, tmp_path):
    pytest.importorskip("paho.mqtt.client")
    port = free_port()
    with broker(tmp_path, port):
        with subscriber(port) as got:
            done = stream(clip, f"mqtt://127.0.0.1:{port}/lab/face")
            assert done.returncode == 0, done.stderr
            assert done.stdout == ""
            until(lambda: ("lab/face/status", "offline", False) in got)
        events = [json.loads(text) for topic, text, _ in got if topic == "lab/face/event"]
        assert [each["t"] for each in events] == sorted(each["t"] for each in events)
        assert events[-1]["schema"] == "mien.event/1"
        assert ("lab/face/status", "online", False) in got
        texts = [text for topic, text, _ in got if topic == "lab/face/text"]
        assert texts[-1].startswith("The person ")
        with subscriber(port) as later:  # the broker keeps the newest sentence and the status
            until(lambda: len(later) == 2)
        assert {topic: text for topic, text, kept in later if kept} == {"lab/face/text": texts[-1],
                                                                       "lab/face/status": "offline"}


@mosquitto
def test_mqtt_goes_on_when_the_broker_comes_back(tmp_path):
    pytest.importorskip("paho.mqtt.client")
    port = free_port()
    with broker(tmp_path, port):
        output = outputs.open_output(f"mqtt://127.0.0.1:{port}/face", EXPRESSION.classes)
        output.send(EVENT)
    until(lambda: not output._client.is_connected())
    output.send(EVENT)  # nobody is there: no wait and no error
    with broker(tmp_path, port), subscriber(port) as got:
        until(output._client.is_connected)
        output.send(event(ROWS[1]))
        until(lambda: any(topic == "face/event" for topic, _, _ in got))
        output.close()
    assert [json.loads(text)["t"] for topic, text, _ in got if topic == "face/event"] == [ROWS[1].end]


@mosquitto
def test_mqtt_with_a_password(tmp_path, monkeypatch):
    pytest.importorskip("paho.mqtt.client")
    secret, port = tmp_path / "passwords", free_port()
    subprocess.run([MOSQUITTO.replace("sbin", "bin") + "_passwd", "-b", "-c", str(secret), "robot", "s3cret"],
                   check=True)
    secret.chmod(0o644)
    with broker(tmp_path, port, "allow_anonymous false", f"password_file {secret}"):
        with pytest.raises(outputs.OutputError, match="lets mien in, got: Not authorized"):
            outputs.open_output(f"mqtt://127.0.0.1:{port}/face", ())
        monkeypatch.setenv("MIEN_MQTT_PASSWORD", "s3cret")
        outputs.open_output(f"mqtt://robot@127.0.0.1:{port}/face", ()).close()


def test_mqtt_without_a_broker_ends_the_command_in_one_line(clip):
    pytest.importorskip("paho.mqtt.client")
    done = stream(clip, f"mqtt://127.0.0.1:{free_port()}/face")
    assert done.returncode == 1
    assert "expected an MQTT broker at 127.0.0.1" in done.stderr
    assert len(done.stderr.splitlines()) == 1


# ---------------------------------------------------------------- OSC


@contextmanager
def osc_server():
    """A server of python-osc on a free port -> its address and what it got, as (path, value)."""
    dispatcher = pytest.importorskip("pythonosc.dispatcher").Dispatcher()
    from pythonosc.osc_server import BlockingOSCUDPServer

    got = []
    dispatcher.set_default_handler(lambda path, value: got.append((path, value)))
    with BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"osc://127.0.0.1:{server.server_address[1]}", got
        server.shutdown()


def test_osc_a_message_a_quantity_and_the_time_last(clip):
    with osc_server() as (address, got):
        done = stream(clip, address, f"{address}/second")
        assert done.returncode == 0, done.stderr
        until(lambda: any(path == "/second/t" for path, _ in got))
    first = dict(got[: next(i for i, (path, _) in enumerate(got) if path == "/mien/t") + 1])
    assert first["/mien/text"].startswith("The person ")
    assert sum(first[f"/mien/expression/{name}"] for name in EXPRESSION.classes) == pytest.approx(1, abs=1e-5)
    assert 0 <= first["/mien/action_units/AU12"] <= 5
    assert -90 <= first["/mien/head_pose/yaw"] <= 90
    assert "/mien/heart_rate/value" not in first  # too short for one
    assert first["/mien/t"] == 0.5


def test_osc_characters_that_it_reserves_are_replaced():
    with osc_server() as (address, got):
        output = outputs.open_output(address, ("a little #1, *sad*/{low}",))
        assert "/expression/a_little_1_sad_low_" in output._paths
        output.send(EVENT)
        until(lambda: got and got[-1][0] == "/mien/t")
        output.close()


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(("address", "words"), [
    ("lsl", "expected an address such as"), ("lsl:", "expected lsl:NAME"), ("fax:1", "expected one of lsl, mqtt"),
    ("mqtt://host", "mqtt://host/topic"), ("mqtt:///topic", "mqtt://host/topic"), ("mqtt://host/a/#", "host/topic"),
    ("osc://host", "osc://127.0.0.1:9000"), ("osc://127.0.0.1:x", "osc://127.0.0.1:9000")])
def test_an_address_that_is_wrong_is_named_with_a_right_one(address, words, clip):
    done = CliRunner().invoke(app, ["stream", "--source", str(clip), "--to", address])
    assert done.exit_code == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_installed_package_adds_an_output(plugin, clip, tmp_path):
    assert "file" in outputs.names()
    output = outputs.open_output(f"file:{tmp_path / 'texts.txt'}", EXPRESSION.classes)
    output.send(EVENT)
    output.close()
    assert (tmp_path / "texts.txt").read_text() == f"{EVENT.text}\n"


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pylsl", None)
    with pytest.raises(ValueError, match=r'pip install "mien\[outputs\]"'):
        outputs.open_output("lsl:name", ())
