"""A stand-in for a camera driver of ROS 2: publishes a video as `image`, and prints what the mien node publishes.

    python mien_node.py &
    python film_camera.py talk.mp4

Publishes sensor_msgs/Image (rgb8) in real time, with the time of each frame in the header. Prints each message of
`person/text` and, at the end, the number of images sent and of events received. Ends with 1 where no event came.
"""

from __future__ import annotations

import json
import sys
import threading
import time

import rclpy
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import String

from mien import video


class FilmCamera(Node):
    """Publishes images and collects the events of the mien node."""

    def __init__(self) -> None:
        super().__init__("film_camera")
        self.images = self.create_publisher(Image, "image", qos_profile_sensor_data)
        self.events: list[dict] = []
        self.create_subscription(String, "person/event", lambda text: self.events.append(json.loads(text.data)), 10)
        self.create_subscription(String, "person/text", lambda text: print(text.data, flush=True), 10)

    def send(self, frame: video.Frame) -> None:
        """Publish one frame with its own time in the header."""
        image = Image(height=frame.rgb.shape[0], width=frame.rgb.shape[1], encoding="rgb8", step=3 * frame.rgb.shape[1])
        image.header.stamp.sec = int(frame.time)
        image.header.stamp.nanosec = round(frame.time % 1 * 1e9)
        image.data.frombytes(frame.rgb.tobytes())
        self.images.publish(image)


def main(path: str) -> int:
    """Send the video once the node listens, and wait for its last events."""
    rclpy.init()
    camera = FilmCamera()
    spinning = threading.Thread(target=rclpy.spin, args=(camera,), daemon=True)
    spinning.start()
    while not camera.images.get_subscription_count():
        time.sleep(0.1)
    sent, start = 0, time.monotonic()
    with video.open_video(path) as frames:
        for frame in frames:
            time.sleep(max(0.0, frame.time - (time.monotonic() - start)))
            camera.send(frame)
            sent += 1
    time.sleep(2.0)  # the node may still be reading the last images
    events = list(camera.events)
    rclpy.shutdown()
    spinning.join()
    print(f"{sent} images sent, {len(events)} events, dropped {events[-1]['dropped'] if events else 'unknown'}")
    return 0 if events else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
