"""A ROS 2 node: camera images in, events and sentences about the person out.

    python mien_node.py --ros-args -r image:=/camera/image_raw

`ros2 run` is not needed. `film_camera.py` beside this file plays a video as a camera, to try the node without one.

Subscribes to `image` (sensor_msgs/Image: rgb8, bgr8 or mono8) and publishes `person/event` (std_msgs/String, JSON as in
docs/live.md) at every step and `person/text` (std_msgs/String, one sentence) when it changes. Parameters: `model`,
`step` (s), `language`, `person` (an id, 0: whoever faces the camera, nearest). Needs rclpy of your ROS 2 distribution
and mien in the same Python: `pip install mien` into a venv made with --system-site-packages.
"""

from __future__ import annotations

import json
import threading

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import String

from mien.core.observations import Frame
from mien.core.settings import Settings
from mien.inference.live.frame_queue import DropOldestQueue
from mien.inference.live.session import LiveSession

CHANNELS = {"rgb8": 3, "bgr8": 3, "mono8": 1}


def frame(message: Image) -> Frame:
    """Convert an image message. The frame has the time of the header, which is the camera's and not that of arrival."""
    channels = CHANNELS.get(message.encoding)
    if channels is None:
        raise ValueError(f"image: expected {', '.join(CHANNELS)}, got {message.encoding}: convert it with image_proc")
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    pixels = rows[:, : message.width * channels].reshape(message.height, message.width, channels)
    rgb = pixels[..., ::-1] if message.encoding == "bgr8" else np.repeat(pixels, 3, 2) if channels == 1 else pixels
    return Frame(message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec, np.ascontiguousarray(rgb))


class Mien(Node):
    """Analyses images in a thread of its own. When they come too fast it drops the oldest: the executor never waits."""

    def __init__(self) -> None:
        super().__init__("mien")
        defaults = {"model": Settings.model, "step": Settings.step, "language": "en", "person": 0}
        chosen = {name: self.declare_parameter(name, value).value for name, value in defaults.items()}
        self._session = LiveSession(Settings(model=chosen["model"], step=chosen["step"], pictures=False),
                                language=chosen["language"], person=chosen["person"] or None)
        self._event = self.create_publisher(String, "person/event", 10)
        self._text = self.create_publisher(String, "person/text", 10)
        self._queue: DropOldestQueue[Image] = DropOldestQueue(15)
        self._last_text = ""
        self.create_subscription(Image, "image", self._queue.put, qos_profile_sensor_data)
        self._worker = threading.Thread(target=self._work, daemon=True)
        self._worker.start()

    def _work(self) -> None:
        while not self._queue.ended:
            message = self._queue.get(0.5)
            if message is None:
                continue
            try:
                self._read(frame(message))
            except ValueError as error:  # an image that cannot be converted; the next may do
                self.get_logger().error(str(error), throttle_duration_sec=10.0)

    def _read(self, picture: Frame) -> None:
        for event in self._session.push(picture):
            self._event.publish(String(data=json.dumps({**event.json(), "dropped": self._queue.dropped})))
            if event.text != self._last_text:
                self._last_text = event.text
                self._text.publish(String(data=event.text))

    def destroy_node(self) -> None:
        """End the worker, then the node."""
        self._queue.close()
        self._worker.join()
        self._session.close()
        super().destroy_node()


def main() -> None:
    """Run until Ctrl-C."""
    rclpy.init()
    node = Mien()
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass  # rclpy's own handler of signals has shut the context down
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
