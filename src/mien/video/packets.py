"""Read the packets of a picture stream and decode them, and count what fails."""

from __future__ import annotations

import time as clock
from collections.abc import Iterator

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from mien.video.decode_stats import DecodeStats
from mien.video.jpeg import MOST_SCANS, count_scans

VP8_SHOWN = 0x10
"""The bit of a VP8 packet's first byte that says it is shown, not only a reference: RFC 6386, section 9.1."""


def read_packets(container: InputContainer, stream: VideoStream, tally: DecodeStats, live: bool) -> Iterator[av.Packet]:
    """Yield every packet of the pictures that has content.

    Args:
        container: the open container.
        stream: its picture stream.
        tally: gets the counts of packets that are refused, and how far all streams were read.
        live: whether the container is a camera, which may have no new picture yet.
    """
    streams = [stream] if live else []  # of a file, how far all streams were read
    packets = container.demux(*streams)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, IndexError):  # PyAV's index error: the end of a file in which a stream appeared late
            return
        except av.error.BlockingIOError:  # the camera has no new picture yet
            clock.sleep(0.001)
            packets = container.demux(*streams)
            continue
        _note_end(packet, tally)
        if packet.stream.index != stream.index or not packet.size:
            continue
        if stream.codec_context.name == "mjpeg" and count_scans(memoryview(packet)) > MOST_SCANS:
            tally.packets += 1
            tally.undecodable += 1
            tally.why = f"more than {MOST_SCANS} scans in a JPEG"
            continue
        yield packet


def _note_end(packet: av.Packet, tally: DecodeStats) -> None:
    """Note how far the file was read, in bytes and in s, by the packets of all streams."""
    if packet.pos is not None:
        tally.read_to = max(tally.read_to, packet.pos + packet.size)
    if packet.pts is not None and packet.time_base:
        tally.streams_end = max(tally.streams_end, float((packet.pts + (packet.duration or 0)) * packet.time_base))


def decode_packets(packets: Iterator[av.Packet], stream: VideoStream, tally: DecodeStats) -> Iterator[av.VideoFrame]:
    """Yield every frame that decodes without damage. Concealed frames are guesses and are left out."""
    damaged: set[int] = set()
    packet: av.Packet | None
    while True:
        try:
            packet = next(packets, None)  # None at the end: the decoder hands out what it still holds
        except av.FFmpegError as error:
            tally.notes.append(f"reading stopped after {tally.decoded} frames: {error.strerror}")
            packet = None
        if packet is not None:
            tally.packets += 1
            tally.note_hidden(packet.is_discard, packet.pts)
            tally.discarded += stream.codec_context.name == "vp8" and not memoryview(packet)[0] & VP8_SHOWN
            if packet.is_corrupt and packet.pts is not None:
                damaged.add(packet.pts)
        try:
            frames = stream.decode(packet)
        except av.FFmpegError as error:
            tally.undecodable += packet is not None
            tally.why = error.strerror or str(error)
            frames = []
        for frame in frames:
            tally.decoded += 1
            if frame.is_corrupt or frame.pts in damaged:
                tally.damaged += 1
            else:
                yield frame
        if packet is None:
            return
