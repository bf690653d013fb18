"""Counts of what happened while a recording was read, its time line, and a description of what it lost."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from mien.core.recording_timeline import ClockJump, FrameCounts, RecordedSegment, RecordingTimeline, TimeGap
from mien.video.timestamps import count_of, gap_mask, gaps


@dataclass
class DecodeStats:
    """Counts of what happened while a recording was read. The reading thread writes them; read them after it ends."""

    times: array = field(default_factory=lambda: array("d"))  # s, of each returned frame
    time_base: float = 0.0  # s, resolution of the container's clock
    last_duration: float = 0.0  # s, of the newest returned frame; 0: unknown
    packets: int = 0
    decoded: int = 0
    undecodable: int = 0  # packets
    damaged: int = 0  # frames that the decoder or the container marks as damaged
    discarded: int = 0  # packets that the file marks as not to be shown (an edit list, VP8's references)
    hidden_later: int = 0  # of these, the ones after the first picture
    first_pts: float = math.inf  # ticks, of the first picture
    unstamped: int = 0
    backwards: int = 0
    outside: int = 0
    interlaced: int = 0
    resized: int = 0
    skipped: int = 0  # live only: dropped from the full queue
    why: str = ""  # the latest decoding error of FFmpeg
    rate: float = 0.0  # Hz, of a stream without time stamps; 0: it has them
    origin: float = 0.0  # s, of the container's clock at which the player's clock is 0
    read_to: int = 0  # bytes, end of the last packet of any stream
    streams_end: float = -math.inf  # s, on the container's clock: end of the latest packet of any stream
    announced_later: int = 0  # frames that the headers of joined recordings announce
    ended: bool = False  # the decoder holds no packet any more
    is_part: bool = False  # a later start was asked for
    jumps: list[ClockJump] = field(default_factory=list)  # their times are on the container's clock
    notes: list[str] = field(default_factory=list)  # sentences: no time stamps, read error, cut short

    def note_hidden(self, hidden: bool, pts: int | None) -> None:
        """Count a packet that an edit list hides. Only those after the first picture are reported."""
        self.discarded += hidden
        if pts is not None and not hidden:
            self.first_pts = min(self.first_pts, pts)
        self.hidden_later += hidden and pts is not None and pts > self.first_pts

    def skip(self) -> None:
        """Count a frame that was skipped because the camera was faster."""
        self.skipped += 1

    def restart(self) -> None:
        """Forget the counts of the frames before a seek."""
        self.packets = self.decoded = self.undecodable = self.damaged = self.discarded = 0
        self.unstamped = self.backwards = self.outside = self.hidden_later = 0
        self.jumps.clear()

    def finish(self, ended: bool) -> None:
        """The pass is over: decoded frames that were neither dropped nor returned lie outside the requested part.

        Args:
            ended: Whether the file ended; otherwise the requested part did, and the decoder still holds packets.
        """
        self.ended = True
        if not ended:
            self.packets = self.discarded + self.undecodable + self.decoded
        self.outside = self.decoded - self.damaged - self.unstamped - self.backwards - len(self.times)

    def stamps(self) -> np.ndarray:
        """A copy (N,) of the times in s: the reading thread may still append to `times`."""
        return np.asarray(self.times[:])

    def counts(self) -> FrameCounts:
        """What became of every packet and frame so far."""
        silent = self.packets - self.discarded - self.undecodable - self.decoded
        return FrameCounts(self.packets, self.discarded, self.undecodable, silent, self.decoded, self.damaged,
                           self.unstamped, self.backwards, self.outside, self.skipped, len(self.times) - self.skipped)

    def timeline(self) -> RecordingTimeline:
        """The time line of the frames returned so far."""
        times = self.stamps()
        if not len(times):
            return RecordingTimeline(counts=self.counts())
        jumps = [replace(jump, time=jump.time - self.origin) for jump in self.jumps]
        return lay_out(times, self.time_base, self.last_duration, jumps, self.counts())

    def lost(self) -> str:
        """Describe everything that is missing or changed; empty when nothing is."""
        phrases = [
            count_of(self.undecodable, "packet", "could not be decoded"),
            count_of(self.counts().silent * self.ended, "packet", "without a picture"),
            count_of(self.hidden_later, "frame", "hidden by the file's edit list, as in a player"),
            count_of(self.damaged, "frame", "damaged and dropped"),
            count_of(self.unstamped, "frame", "without a time stamp dropped"),
            count_of(self.backwards, "frame", "dropped: the time stamp repeats or goes backwards"),
            count_of(self.skipped, "frame", "skipped: the camera was faster than the analysis"),
            count_of(self.resized, "frame", "of another size scaled to the first frame's"),
            count_of(self.interlaced, "frame", "interlaced: moving edges are combed"),
            gaps(self.stamps(), self.time_base),
            "" if self.is_part else self.timeline().start_remark(),
            self.timeline().jump_remark(),
            *self.notes,
        ]
        return "; ".join(each for each in phrases if each)


def lay_out(times: np.ndarray, time_base: float, last_duration: float, jumps: Iterable[ClockJump],
            counts: FrameCounts) -> RecordingTimeline:
    """Cut the times of frames into segments at the gaps and jumps.

    Args:
        times: (N,) in s, increasing, N >= 1.
        time_base: Resolution of the container's clock in s.
        last_duration: Duration of the last frame in s; 0: the usual interval.
        jumps: The leaps of the file's clock.
        counts: What became of every packet and frame.
    """
    intervals = np.diff(times)
    is_gap = gap_mask(times, time_base)
    usual = float(np.median(intervals[~is_gap])) if (~is_gap).any() else 0.0
    last = last_duration or usual
    inside = tuple(jump for jump in jumps if times[0] < jump.time <= times[-1])
    leapt = np.searchsorted(times, [jump.time for jump in inside]) - 1
    cuts = sorted({*np.flatnonzero(is_gap).tolist(), *leapt.tolist()})
    edges = [0, *(cut + 1 for cut in cuts), len(times)]
    segments = []
    for first, stop in pairwise(edges):
        end = float(times[stop - 1]) + (last if stop == len(times) else usual)
        if stop < len(times):
            end = min(end, float(times[stop]))
        segments.append(RecordedSegment(float(times[first]), end, stop - first))
    gaps_found = tuple(TimeGap(float(times[k]), float(times[k + 1])) for k in np.flatnonzero(is_gap))
    return RecordingTimeline(float(times[0]), float(times[-1]) + last, usual, tuple(segments), gaps_found, inside,
                             counts)
