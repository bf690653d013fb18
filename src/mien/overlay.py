"""The recording again, with what was read of everyone drawn on it, at the original time stamps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream
from PIL import Image, ImageDraw, ImageFont

from mien import privacy, video, writing
from mien.timeline import Timeline, Track
from mien.types import Emotion

CLOCK = Fraction(1, 90_000)
"""s; the grain of the written time stamps, MPEG's own."""

COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0), (204, 121, 167), (0, 114, 178))
"""RGB, a person each: the palette of Okabe & Ito 2008, which colour-blind people tell apart."""

ENCODERS = ("libx264", "h264", "mpeg4")
LINGER = 0.5
"""s that a blurred face stays covered before it was first and after it was last seen; it is found a moment late."""


@dataclass(frozen=True, eq=False)
class Journey:
    """Where a person's face was: boxes (N, 4) px at `times` (N,) s; `track` their rows, None where there are none."""

    track: Track | None
    times: np.ndarray
    boxes: np.ndarray

    def box(self, time: float) -> np.ndarray:
        """(4,) px, linear between times and still beyond them."""
        return np.array([np.interp(time, self.times, self.boxes[:, i]) for i in range(4)])


def write(video_path: str | Path, timeline: Timeline, out_path: str | Path, blur: bool = False,
          progress: Callable[[float], None] | None = None) -> None:
    """Write the annotated video, whole or not at all; the format is that of `out_path`'s suffix, such as .mp4.

    Boxes are those of every frame, where the timeline has them; else they move in a straight line from row to row. With
    `blur` every face that was found is covered, also through gaps; one that was never found is not. Sound is copied
    where the format can hold it and left out with `blur`, for a voice shows who speaks. `progress` is called with 0..1
    now and then.

    Raises video.VideoError for a recording that cannot be read, ValueError for a format that holds no video, OSError
    where it cannot be written.
    """
    people = journeys(timeline)
    with (writing.replacing(out_path) as temporary, video.read(video_path) as frames,
          _open(temporary, Path(out_path)) as out, av.open(str(video_path)) as original):
        picture = _picture_stream(out, frames.width, frames.height, timeline.source.fps_mean)
        sound = _Sound(original, None if blur else _sound_stream(out, original))
        for number, frame in enumerate(frames):
            sound.mux(out, frame.time)
            rgb = np.array(frame.rgb)
            draw(rgb, people, frame.time, blur)
            out.mux(picture.encode(_encodable(rgb, frame.time)))
            if progress is not None and number % 30 == 0 and timeline.source.frames:
                progress(min(number / timeline.source.frames, 1.0))
        out.mux(picture.encode(None))
        sound.mux(out, np.inf)
    if progress is not None:
        progress(1.0)


def draw(rgb: np.ndarray, people: dict[int, Journey], time: float, blur: bool = False) -> None:
    """Draw, in place on rgb uint8 (H, W, 3), what is known of everyone at `time` s."""
    if blur:  # everyone first, so that no cover hides another's words
        for journey in people.values():
            if journey.times[0] - LINGER <= time <= journey.times[-1] + LINGER:
                privacy.hide(rgb, journey.box(time))
    for journey in people.values():
        row = None if journey.track is None else journey.track.at(time)
        if row is not None and row.state != "lost":
            _annotate(rgb, journey.box(time), row)


def journeys(timeline: Timeline) -> dict[int, Journey]:
    """Everybody's way through the picture: frame by frame for people who carry it, else from the ends of their rows."""
    found = {}
    for face, track in timeline.tracks.items():
        seen = [row for row in track.rows if row.state != "lost"] or list(track.rows)
        # A row's box is where the face was at the row's end.
        found[face] = Journey(track, np.array([row.end for row in seen]), np.array([row.box for row in seen]))
    for person in timeline.faces:
        if person.times is not None and person.boxes is not None and len(person.times):
            found[person.id] = Journey(timeline.tracks.get(person.id), person.times, person.boxes)
    return found


def words(row: Emotion) -> tuple[str, str]:
    """What is written beside a face: the expression, then the heart rate, or in a word why there is none."""
    expression = f"no expression: {_plain(row.reason)}" if row.abstained else f"{row.label} {row.confidence:.0%}"
    rate = row.heart_rate
    pulse = f"no pulse: {_plain(rate.reason)}" if rate.value is None else f"{rate.value:.0f} {rate.unit}"
    return f"{row.face}  {expression}", pulse


def _plain(reason: str) -> str:
    return {"low_snr": "too weak", "low_rate": "too few frames", "disagree": "regions disagree"}.get(
        reason, reason.replace("_", " "))


def _annotate(rgb: np.ndarray, box: np.ndarray, row: Emotion) -> None:
    height, width = rgb.shape[:2]
    colour = COLOURS[row.face % len(COLOURS)]
    thick = max(2, round(height / 240))
    x0, y0, x1, y1 = (round(float(v)) for v in box)
    for left, top, right, bottom in ((x0, y0, x1, y0 + thick), (x0, y1 - thick, x1, y1),
                                     (x0, y0, x0 + thick, y1), (x1 - thick, y0, x1, y1)):
        rgb[max(top, 0):max(bottom, 0), max(left, 0):max(right, 0)] = colour
    plate = _plate(*words(row), colour, max(12, round(height / 28)))
    tall, wide = plate.shape[:2]
    top = y0 - tall - thick if y0 - tall - thick >= 0 else min(y1 + thick, height - tall)
    left = int(np.clip(x0, 0, max(width - wide, 0)))
    part = rgb[max(top, 0):max(top, 0) + tall, left:left + wide]
    plate = plate[: part.shape[0], : part.shape[1]]
    alpha = plate[..., 3:].astype(np.uint16)
    part[:] = (part * (255 - alpha) + plate[..., :3] * alpha) // 255


@lru_cache(maxsize=256)
def _plate(first: str, second: str, colour: tuple[int, int, int], size: int) -> np.ndarray:
    """Two lines of text on a dark plate with a coloured edge: RGBA uint8 (h, w, 4)."""
    font = ImageFont.load_default(size)
    pad, line = size // 3, round(size * 1.25)
    wide = round(max(font.getlength(first), font.getlength(second))) + 3 * pad
    image = Image.new("RGBA", (wide, 2 * line + pad), (16, 18, 22, 200))
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, max(2, pad // 2), image.height), fill=(*colour, 255))
    pen.text((2 * pad, pad // 2), first, font=font, fill=(255, 255, 255, 255))
    pen.text((2 * pad, pad // 2 + line), second, font=font, fill=(205, 212, 220, 255))
    return np.asarray(image)


def _open(temporary: Path, path: Path) -> OutputContainer:
    try:
        return av.open(str(temporary), "w")
    except ValueError as error:  # FFmpeg: no format of that name
        raise ValueError(f"overlay: expected a name that ends in .mp4, .mkv or .mov, got {path.name!r}") from error


def _picture_stream(out: OutputContainer, width: int, height: int, rate: float) -> VideoStream:
    names = [name for name in ENCODERS if name in av.codecs_available and name in out.supported_codecs]
    if not names:
        raise ValueError(f"overlay: expected a format that holds H.264 or MPEG-4, got {out.format.name}; "
                         "choose a name that ends in .mp4")
    hint = Fraction(rate).limit_denominator(1001) if np.isfinite(rate) and rate > 0 else Fraction(30)
    stream = cast(VideoStream, out.add_stream(names[0], rate=hint))
    stream.width, stream.height = width + width % 2, height + height % 2  # colour at half resolution needs even sides
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = CLOCK
    if names[0] == "libx264":
        stream.options = {"preset": "veryfast", "crf": "20"}
    else:
        stream.bit_rate = 4_000_000
    return stream


def _encodable(rgb: np.ndarray, time: float) -> av.VideoFrame:
    height, width = rgb.shape[:2]
    if width % 2 or height % 2:
        rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    frame.pts, frame.time_base = round(time / CLOCK), CLOCK
    return frame


def _sound_stream(out: OutputContainer, original: InputContainer) -> AudioStream | None:
    """A stream for the original's first sound, where this format can hold it."""
    for stream in original.streams.audio[:1]:
        if stream.codec_context.name in out.supported_codecs:
            return cast(AudioStream, out.add_stream_from_template(stream))
    return None


class _Sound:
    """Copies the original's sound, a stretch at a time, so that it lies beside its pictures in the file."""

    def __init__(self, original: InputContainer, copy: AudioStream | None) -> None:
        pictures = original.streams.video[0]
        self._first = float((pictures.start_time or 0) * (pictures.time_base or 0))  # s, of the first picture
        self._packets = original.demux(original.streams.audio[0]) if copy else iter(())
        self._copy = copy
        self._waiting = self._next()

    def mux(self, out: OutputContainer, until: float) -> None:
        """Write the packets up to `until` s after the first picture."""
        while self._waiting is not None and self._waiting[0] <= until:
            out.mux(self._waiting[1])
            self._waiting = self._next()

    def _next(self) -> tuple[float, av.Packet] | None:
        for packet in self._packets:
            if packet.dts is None or packet.pts is None or packet.time_base is None:
                continue  # the end of the stream
            shift = round(self._first / packet.time_base)
            if packet.pts >= shift and self._copy is not None:
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = self._copy
                return float(packet.dts * packet.time_base), packet
        return None
