"""Align the clock of contact signals with that of a video: an offset, a start, or moments that both show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mien.datasets.readers import dates
from mien.datasets.readers.clocks import Clock

LARGEST_DRIFT = 0.02
"""Largest relative difference of two clocks that two anchors may state. Our choice: quartz clocks differ by 0.01 % and
wrong nominal rates by a few percent, which --physio-rate mends; more is a typing error."""

TOLD_DRIFT = 1e-4
"""Smallest drift between two anchors that is reported. Our choice: 0.01 % is 60 ms in ten minutes."""


@dataclass(frozen=True)
class Anchor:
    """A moment that both clocks show: `video` in s of the video, `reading` as the signals' clock writes it."""

    video: float
    reading: str


def parse_anchor(text: str) -> Anchor:
    """Parse `12.3=00:00:02`: VIDEO=SIGNALS, the video's time in s, min:s or h:min:s, and what the signals' clock shows.

    Raises:
        ValueError: the text has another form.
    """
    left, mark, right = text.partition("=")
    try:
        seconds: float | None = float(left)
    except ValueError:
        seconds = dates.duration(left)
    if not mark or not right.strip() or seconds is None or not np.isfinite(seconds):
        raise ValueError(f"--physio-anchor: expected VIDEO=SIGNALS such as 12.3=00:00:02 (s of the video, time of the "
                         f"signals), got {text!r}")
    return Anchor(seconds, right.strip())


@dataclass(frozen=True)
class Alignment:
    """How the two clocks belong together: at most one of the three; with none, the first row is the video's start.

    Attributes:
        offset: position in s of the video at which the signals' time 0 lies, which is the first row for dates, times of
            day and times since 1970.
        start: what the signals' clock shows when the video starts.
        anchors: one or two moments that both clocks show.
    """

    offset: float | None = None
    start: str = ""
    anchors: tuple[Anchor, ...] = ()

    def to_video(self, clock: Clock) -> tuple[float, float]:
        """The slope and the offset in s that turn times of the clock into those of the video.

        Raises:
            ValueError: a reading does not fit the clock, or two anchors contradict each other.
        """
        if self.anchors:
            return self._by_anchors(clock)
        if self.start:
            return 1.0, -_reading(clock, self.start, "--physio-start")
        if self.offset is not None:
            return 1.0, self.offset - clock.origin
        return 1.0, -clock.first

    def _by_anchors(self, clock: Clock) -> tuple[float, float]:
        pairs = sorted((_reading(clock, anchor.reading, "--physio-anchor"), anchor.video) for anchor in self.anchors)
        (signal, video), (later, end) = pairs[0], pairs[-1]
        slope = 1.0
        if len(pairs) > 1:
            slope = (end - video) / (later - signal) if later > signal else np.inf
            if abs(slope - 1) > LARGEST_DRIFT:
                raise ValueError(f"--physio-anchor: expected two anchors as far apart in the video as in the signals, "
                                 "to "
                                 f"{LARGEST_DRIFT:.0%}, got {end - video:g} s and {later - signal:g} s: correct one")
        return slope, video - slope * signal

    def words(self, clock: Clock, slope: float, seconds: float) -> str:
        """What was done, for a note; `seconds` is the length of the video."""
        if self.start:
            return f"the video begins at {self.start} by their clock"
        if self.offset is not None:
            return f"their time 0 lies at {self.offset:g} s of the video"
        if not self.anchors:
            return ("no --physio-offset, --physio-start or --physio-anchor: taken to begin with the video, at their "
                    "first "
                    f"row ({clock.name}: {clock.words})")
        text = " and ".join(f"{anchor.reading} by their clock is {anchor.video:g} s of the video"
                            for anchor in self.anchors)
        if abs(slope - 1) >= TOLD_DRIFT:
            kind = "slow" if slope > 1 else "fast"
            text += (f"; their clock is {abs(slope - 1):.3%} {kind}, {abs(slope - 1) * seconds:.2f} s in the video: "
                     "corrected")
        return text


def alignment(offset: float | None = None, start: str = "", anchors: Sequence[str] = ()) -> Alignment:
    """The alignment of the options --physio-offset, --physio-start and --physio-anchor.

    Raises:
        ValueError: an option is invalid, or two contradict each other.
    """
    if offset is not None and not np.isfinite(offset):
        raise ValueError(f"--physio-offset: expected s, got {offset}: say where in the video the signals' time 0 lies")
    if len(anchors) > 2:
        raise ValueError(f"--physio-anchor: expected one or two, got {len(anchors)}")
    if start and not _readable(start):
        raise ValueError(f"--physio-start: expected a date such as 2026-01-31T12:00:00, got {start!r}")
    return Alignment(offset, start, tuple(parse_anchor(text) for text in anchors))


def _readable(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return dates.find_format([text]) is not None


def _reading(clock: Clock, text: str, option: str) -> float:
    try:
        return clock.reading(text)
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from error
