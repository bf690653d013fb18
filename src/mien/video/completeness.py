"""Detect truncated recordings: compare the container's header with the content of the file."""

from __future__ import annotations

import math
import re
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from mien.video.container_structure import fault
from mien.video.decode_stats import DecodeStats

NO_TIMESTAMPS = 0x80
"""AVFMT_NOTIMESTAMPS of FFmpeg's avformat.h: a stream without a container."""

MATROSKA = "matroska,webm"
"""Its streams state their end in a tag. The duration of a stream in FFmpeg is that of the file, sound included."""

ESTIMATED = ("mpeg", "mpegts")
"""Formats without durations; FFmpeg estimates them from the first and the last packets."""

SAME = 1e-3
"""s between two durations that are the same. Our choice: less than any interval between pictures."""

STATE_THE_END = (MATROSKA, "asf", "nut")
"""Formats that state the time stamp of the end. The others state the duration from the first time stamp on."""

LAST = 0.75
"""Share of the usual interval by which the last picture may end before the stated end of the pictures. Our choice: a
missing picture is more, and half an interval is the rounding of frame rates."""

LATE = 1.0
"""s by which all streams may end before the end that the container states for them together. Our choice."""


def announced(container: InputContainer, stream: VideoStream, origin: float) -> tuple[float | None, bool]:
    """End of the recording in s stated by the container, and whether that is surely the end of the pictures.

    Args:
        container: The open container.
        stream: Its picture stream.
        origin: The container's time stamp in s at which the player's clock is 0; the end is on that clock.
    """
    if container.format.flags & NO_TIMESTAMPS:
        return None, False  # FFmpeg guesses from the size of the file
    end, sure = _stated_end(container, stream)
    if end is None or not math.isfinite(end) or end < 0:
        return None, False
    return max(0.0, end - origin), sure


def _stated_end(container: InputContainer, stream: VideoStream) -> tuple[float | None, bool]:
    """The same on the container's clock."""
    starts = (stream.start_time or 0, container.start_time or 0)
    if container.format.name in STATE_THE_END:
        starts = (0, 0)
    tagged = _seconds(stream.metadata.get("DURATION", ""))
    if tagged is not None and container.format.name == MATROSKA:
        return tagged, True
    if stream.duration and stream.time_base and container.format.name != MATROSKA:
        stated = float(stream.duration * stream.time_base)
        return float(starts[0] * stream.time_base) + stated, not _is_of_the_file(container, stated)
    if container.duration:
        sure = len(container.streams) == 1 and container.format.name != "flv"  # its duration has the decoder's delay
        return (starts[1] + container.duration) / av.time_base, sure
    return None, False


def _is_of_the_file(container: InputContainer, seconds: float) -> bool:
    """Whether a duration may be that of the file, which FFmpeg gives to a stream that it did not see at first."""
    if container.format.name not in ESTIMATED or len(container.streams) == 1 or not container.duration:
        return False
    return abs(seconds - container.duration / av.time_base) < SAME


def _seconds(tag: str) -> float | None:
    """A duration such as 00:01:02.5 in s; None for anything else."""
    parts = re.fullmatch(r"(\d{1,6}):(\d{1,2}):(\d{1,2}(?:\.\d+)?)", tag.strip())
    if parts is None:
        return None
    return int(parts[1]) * 3600 + int(parts[2]) * 60 + float(parts[3])


def cut_short(
    container: InputContainer, stream: VideoStream, path: Path, tally: DecodeStats, from_start: bool,
    is_joined: bool = False
) -> list[str]:
    """Describe what the container announces and the file lacks.

    Args:
        container: The open container.
        stream: Its picture stream.
        path: The file.
        tally: Counts of the finished pass.
        from_start: Whether the pass began at the first frame.
        is_joined: Whether the file holds several recordings, of which the structure is not that of one.
    """
    if tally.rate:
        return []
    timeline = tally.timeline()
    end, sure = announced(container, stream, tally.origin)
    slack, reached = max(LAST * timeline.interval, 2 * tally.time_base, 0.005), timeline.end
    if not sure:
        slack, reached = LATE, max(timeline.end, tally.streams_end - tally.origin)
    short = end is not None and end - reached > slack and not timeline.jumps
    expected = stream.frames + tally.announced_later - tally.discarded
    count = tally.decoded + tally.undecodable + max(0, tally.counts().silent)
    if container.format.name == "avi" and stream.average_rate:  # empty chunks are frames too: pictures that stay
        count = round(timeline.end * stream.average_rate)
    if from_start and expected > count:
        return [f"the container announces {expected} frames, {tally.decoded} were found: the file is cut short or "
                "damaged"]
    broken = "" if is_joined else fault(container.format.name, path, tally.packets, tally.read_to)
    if broken:
        return [broken]
    if short:
        return [f"the container announces {end:.2f} s, the pictures end at {timeline.end:.2f} s"]
    return []
