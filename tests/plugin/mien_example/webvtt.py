"""WebVTT subtitles of a timeline, which browsers show: an export format in one function."""

from __future__ import annotations

from pathlib import Path

from mien.core import atomic_files
from mien.reporting.timeline import Timeline, expression_segments


def write_webvtt(timeline: Timeline, path: Path) -> None:
    """Write a cue for each stretch of rows with the same label of one person.

    Args:
        timeline: The result of an analysis.
        path: The file to write.

    References:
        https://www.w3.org/TR/webvtt1/
    """
    cues = ["WEBVTT\n"]
    for person, track in timeline.tracks.items():
        labels = [row.label or f"unknown: {row.reason}" for row in track.rows]
        for segment in expression_segments(track.begin, track.end, labels):
            cues.append(f"{clock(segment.begin)} --> {clock(segment.end)}\n<v Person {person}>{segment.value}\n")
    atomic_files.text(path, "\n".join(cues))


def clock(seconds: float) -> str:
    """Write a time in s as WebVTT does: hh:mm:ss.mmm."""
    minutes, milliseconds = divmod(max(0, round(1000 * seconds)), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"
