"""The time line of a recording: where its pictures lie on the player's clock, what is missing, and every frame counted.

`mien.video` fills it while it decodes; the summary, the report, the manifest and the exports read it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class FrameCounts:
    """What became of every packet and frame of the picture stream. The counts add up; `mismatch` says so.

    Args:
        packets: Packets with content that were demuxed, without those in the decoder when the requested part ended.
        hidden: Packets that the file marks as not to be shown (an edit list, reference pictures of VP8).
        undecodable: Packets that the decoder refused.
        silent: Packets without a picture and without an error. Negative where packets hold several pictures.
        decoded: Frames that the decoder returned.
        damaged: Decoded frames that the decoder or the container marks as damaged; they are dropped.
        unstamped: Decoded frames without a time stamp; they are dropped.
        out_of_order: Decoded frames with a time stamp that repeats or stands alone; they are dropped.
        outside: Decoded frames before or after the requested part.
        skipped: Frames of a live source that were dropped because the analysis was slower.
        shown: Frames that were handed on.
    """

    packets: int = 0
    hidden: int = 0
    undecodable: int = 0
    silent: int = 0
    decoded: int = 0
    damaged: int = 0
    unstamped: int = 0
    out_of_order: int = 0
    outside: int = 0
    skipped: int = 0
    shown: int = 0

    @property
    def mismatch(self) -> str:
        """Which sum is wrong, in words; empty where both add up."""
        demuxed = self.hidden + self.undecodable + self.silent + self.decoded
        if demuxed != self.packets:
            return f"{self.packets} packets were demuxed, {demuxed} are accounted for"
        after = self.damaged + self.unstamped + self.out_of_order + self.outside + self.skipped + self.shown
        if after != self.decoded:
            return f"{self.decoded} frames were decoded, {after} are accounted for"
        return ""

    def by_name(self) -> dict[str, int]:
        """The counts by name, in order."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True)
class RecordedSegment:
    """A stretch of the recording without a gap or a jump.

    Args:
        start: Time of its first frame in s.
        end: End of its last frame in s.
        frames: Number of its frames.
    """

    start: float
    end: float
    frames: int


@dataclass(frozen=True)
class TimeGap:
    """A hole: no picture between two frames. It starts at the earlier frame and ends at the later one, in s."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Its length in s."""
        return self.end - self.start


@dataclass(frozen=True)
class ClockJump:
    """A place where the file's clock is set anew. Times continue without the leap.

    Args:
        time: Time of the first frame after it in s.
        by: How far the file's clock leaps in s; negative where it goes back, as in a joined recording.
    """

    time: float
    by: float


@dataclass(frozen=True)
class RecordingTimeline:
    """Where the pictures of a recording lie on the player's clock.

    Time 0 is where a player begins: the earliest stream of the file, which may be the sound.

    Args:
        start: Time of the first frame in s.
        end: End of the last frame in s.
        interval: Usual time between two frames in s; 0 for a single frame.
        segments: The stretches without gap or jump, in order.
        gaps: The holes between frames, in order.
        jumps: The leaps of the file's clock, in order.
        counts: What became of every packet and frame.
    """

    start: float = 0.0
    end: float = 0.0
    interval: float = 0.0
    segments: tuple[RecordedSegment, ...] = ()
    gaps: tuple[TimeGap, ...] = ()
    jumps: tuple[ClockJump, ...] = ()
    counts: FrameCounts = FrameCounts()

    @property
    def duration(self) -> float:
        """From the first frame to the end of the last one in s, with all gaps."""
        return self.end - self.start

    @property
    def missing(self) -> float:
        """Length of all gaps together in s."""
        return sum(gap.seconds for gap in self.gaps)

    def frame_at(self, time: np.ndarray) -> np.ndarray:
        """Index of the frame shown at each time (N,) s, from 0; approximate for a variable frame rate.

        Returns:
            (N,) indices; the frame before a gap for a time in it.
        """
        starts = np.array([segment.start for segment in self.segments])
        counts = np.array([segment.frames for segment in self.segments])
        place = np.clip(np.searchsorted(starts, time, side="right") - 1, 0, None)
        inside = np.round((time - starts[place]) / (self.interval or 1.0))
        return (np.cumsum(counts) - counts)[place] + np.clip(inside, 0, counts[place] - 1).astype(np.int64)

    def start_remark(self) -> str:
        """A sentence on a first picture that is late; empty for one at the start of the player's clock."""
        if self.start < NOTICEABLE:
            return ""
        return f"the first picture is at {self.start:.2f} s of the player's clock, on which all times are"

    def jump_remark(self) -> str:
        """A sentence on the leaps of the file's clock; empty without any."""
        phrases = [f"{_length(abs(jump.by))} {'back' if jump.by < 0 else 'ahead'} at {jump.time:.2f} s"
                for jump in self.jumps[:LISTED]]
        if len(self.jumps) > LISTED:
            phrases.append(f"{len(self.jumps) - LISTED} more times")
        return f"the clock leaps {', '.join(phrases)}: times continue without the leap" if phrases else ""


NOTICEABLE = 0.1
"""s of a late first picture that are worth a remark. Our choice: containers shift sound and picture by up to two frames
against each other."""

LISTED = 5
"""Jumps that are listed in words."""


def _length(seconds: float) -> str:
    for unit, size in (("years", 365.25 * 86400), ("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.2f} s"
