"""A network camera: RTSP from GStreamer's own server, and the output of a GStreamer pipeline over TCP.

Debian: gir1.2-gst-rtsp-server-1.0, python3-gi, gstreamer1.0-tools, gstreamer1.0-plugins-good.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time

import pytest

from live_films import write

PYTHON = "/usr/bin/python3"
CEILING = 120.0
SERVER = """
import sys, gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
media = GstRtspServer.RTSPMediaFactory()
media.set_launch(f"( filesrc location={sys.argv[2]} ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 )")
server.get_mount_points().add_factory("/camera", media)
if not all(map(Gst.ElementFactory.find, ("qtdemux", "h264parse", "rtph264pay"))):
    sys.exit(3)
server.attach(None)
GLib.MainLoop().run()
"""


@pytest.fixture
def camera(tmp_path):
    """The address of a camera that plays a clip."""
    clip = write(tmp_path / "clip.mp4", 8.0)
    with socket.socket() as result:
        result.bind(("127.0.0.1", 0))
        port = result.getsockname()[1]
    try:
        running = subprocess.Popen([PYTHON, "-c", SERVER, str(port), str(clip)], stderr=subprocess.PIPE, text=True)
    except OSError:
        pytest.skip(f"expected {PYTHON}, got none")
    until = time.monotonic() + CEILING
    while running.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            break
        except OSError:
            time.sleep(0.1)
    if running.poll() is not None:
        pytest.skip(f"expected GStreamer's RTSP server, got: {running.stderr.read()[-200:]}")
    yield f"rtsp://127.0.0.1:{port}/camera"
    running.terminate()
    running.wait(CEILING)


@pytest.fixture
def pipeline(tmp_path):
    """The address of a GStreamer pipeline that plays a clip in real time, as docs/live.md writes it."""
    launch = shutil.which("gst-launch-1.0")
    if launch is None:
        pytest.skip("expected gst-launch-1.0, got none: apt install gstreamer1.0-tools gstreamer1.0-plugins-good")
    # Longer than a slow machine needs to connect; a client of tcpserversink waits for the next keyframe.
    clip = write(tmp_path / "clip.mp4", CEILING, keyframes=10)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    elements = (f"filesrc location={clip} ! qtdemux ! h264parse config-interval=1 ! identity sync=true ! "
                f"matroskamux streamable=true ! tcpserversink host=127.0.0.1 port={port} sync=false")
    with subprocess.Popen([launch, "-q", *elements.split()], stderr=subprocess.PIPE, text=True) as running:
        yield f"tcp://127.0.0.1:{port}"
        running.terminate()


@pytest.mark.parametrize("source", ["camera", "pipeline"])
def test_a_network_camera_is_followed(source, request):
    address = request.getfixturevalue(source)
    command = [sys.executable, "-m", "mien.cli", "stream", "--source", address, "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        seen = [json.loads(running.stdout.readline()) for _ in range(6)]
        running.terminate()
    assert [event["t"] for event in seen] == sorted(event["t"] for event in seen)
    assert any(event["face_id"] == 1 and event["said"]["label"] for event in seen)
