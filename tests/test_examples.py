"""The examples, as far as they run here: the ROS 2 node on stand-ins for the few names of ROS that it uses."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest

import live_server

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent


class Message:
    """Any ROS message: what it is given."""

    def __init__(self, **fields):
        self.__dict__.update(fields)


class Publisher:
    def __init__(self):
        self.said = []

    def publish(self, message):
        self.said.append(message.data)


class Shutdown(Exception):
    """Raised by `rclpy.spin` after a signal."""


class Node:
    """What the node uses of rclpy.node.Node."""

    def __init__(self, name):
        self.publishers_by_name, self.subscribed = {}, {}

    def declare_parameter(self, name, value):
        return Message(value=value)

    def create_publisher(self, kind, topic, depth):
        return self.publishers_by_name.setdefault(topic, Publisher())

    def create_subscription(self, kind, topic, callback, quality):
        self.subscribed[topic] = callback

    def get_logger(self):
        return self

    def error(self, text, throttle_duration_sec):
        self.reported = text

    def destroy_node(self):
        self.destroyed = True


@pytest.fixture
def ros(monkeypatch):
    """The example as a module."""
    for name, what in {"rclpy": {}, "rclpy.executors": {"ExternalShutdownException": Shutdown},
                       "rclpy.node": {"Node": Node}, "rclpy.qos": {"qos_profile_sensor_data": None},
                       "sensor_msgs": {}, "sensor_msgs.msg": {"Image": Message}, "std_msgs": {},
                       "std_msgs.msg": {"String": Message}}.items():
        module = types.ModuleType(name)
        module.__dict__.update(what)
        monkeypatch.setitem(sys.modules, name, module)
    spec = importlib.util.spec_from_file_location("mien_node", ROOT / "examples" / "ros2" / "mien_node.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def image(frame, encoding="rgb8", padding=0):
    """A sensor_msgs/Image, its rows padded as drivers do."""
    rgb = {"rgb8": frame.rgb, "bgr8": frame.rgb[..., ::-1], "mono8": frame.rgb[..., :1]}[encoding]
    rows = rgb.reshape(len(rgb), -1)
    seconds = 100 + frame.time
    stamp = Message(sec=int(seconds), nanosec=round(seconds % 1 * 1e9))
    return Message(header=Message(stamp=stamp), height=rgb.shape[0], width=rgb.shape[1], encoding=encoding,
                   step=rows.shape[1] + padding, data=np.pad(rows, ((0, 0), (0, padding))).tobytes())


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "mono8"])
def test_images_of_ros_become_frames(ros, encoding):
    source = next(live_server.film())
    result = ros.frame(image(source, encoding, padding=5))
    expected = np.repeat(source.rgb[..., :1], 3, 2) if encoding == "mono8" else source.rgb
    assert np.array_equal(result.rgb, expected)
    assert result.time == pytest.approx(100 + source.time)
    with pytest.raises(ValueError, match="got bayer"):
        ros.frame(Message(encoding="bayer"))


def test_the_node_reads_pictures_and_publishes(ros):
    node = ros.Mien()
    for i, frame in enumerate(live_server.film(1.6)):
        if i == 3:  # a picture that is none does not end it
            node.subscribed["image"](Message(encoding="bayer"))
        node.subscribed["image"](image(frame))
        while len(node._queue):
            time.sleep(0.005)
    node.destroy_node()
    events = [json.loads(text) for text in node.publishers_by_name["person/event"].said]
    assert [event["t"] for event in events] == pytest.approx([100.5, 101.0, 101.5])
    assert node.publishers_by_name["person/text"].said[-1].startswith("The person ")
    assert "got bayer" in node.reported
    assert node.destroyed


@pytest.mark.parametrize("stopped_by", [KeyboardInterrupt, Shutdown])
def test_a_stopped_node_ends_without_a_traceback(ros, stopped_by):
    calls = []

    def spin(node):
        calls.append(node)
        raise stopped_by

    ros.rclpy.init = lambda: calls.append("init")
    ros.rclpy.spin = spin
    ros.rclpy.try_shutdown = lambda: calls.append("shutdown")
    ros.main()
    first, node, last = calls
    assert (first, last) == ("init", "shutdown")
    assert node.destroyed


def test_the_container_copies_what_there_is_and_listens_with_a_token():
    text = (ROOT / "Containerfile").read_text()
    copied = [name for line in re.findall(r"^COPY (.+) \./", text, re.M) for name in line.split()]
    assert copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert "USER mien" in text
    assert '"--host", "0.0.0.0"' in text  # which mien serve refuses without a token
