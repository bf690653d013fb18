"""Write an annotated copy of the video with the original time stamps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from PIL import Image, ImageDraw, ImageFont

from mien import video
from mien.core import atomic_files
from mien.core.results import Prediction
from mien.reporting import face_blur
from mien.reporting.timeline import Timeline, Track
from mien.video import image_sequences
from mien.video.open import open_file

CLOCK = Fraction(1, 90_000)
"""Resolution of the written time stamps in s, that of MPEG."""

COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0), (204, 121, 167), (0, 114, 178))
"""RGB colour of each person: the palette of Okabe & Ito 2008, which colour-blind people can distinguish."""

ENCODERS = ("libx264", "h264", "mpeg4")
BLUR_MARGIN_SECONDS = 0.5
"""s for which a face is blurred before its first and after its last detection: the detector finds a face with delay."""


@dataclass(frozen=True, eq=False)
class TrackOverlay:
    """The boxes of one person's face.

    Args:
        track: The person's rows; None without any.
        times: Times of the boxes in s (N,).
        boxes: x0 y0 x1 y1 in px (N, 4).
    """

    track: Track | None
    times: np.ndarray
    boxes: np.ndarray

    def box(self, time: float) -> np.ndarray:
        """The box (4,) in px at `time` s: interpolated linearly, constant before the first and after the last time."""
        return np.array([np.interp(time, self.times, self.boxes[:, i]) for i in range(4)])


def write_overlay(video_path: str | Path, timeline: Timeline, out_path: str | Path, blur: bool = False,
          progress: Callable[[float], None] | None = None) -> None:
    """Write the annotated video atomically.

    The boxes are those of every frame if the timeline has them; otherwise they are interpolated between rows. Sound is
    copied if the format supports it.

    Args:
        video_path: The recording.
        timeline: Its analysis.
        out_path: The file to write; its suffix names the format, such as .mp4.
        blur: Whether to cover every detected face, also through gaps. A face that was never detected is not covered.
            The sound is left out, since a voice identifies a person.
        progress: Called with the finished share 0..1 from time to time.

    Raises:
        VideoError: The recording cannot be read.
        ValueError: The format cannot contain video.
        OSError: The file cannot be written.
    """
    people = track_overlays(timeline)
    fps = cast("float | None", timeline.settings.get("fps"))
    with (atomic_files.replacing(out_path) as temporary, video.open_video(video_path, fps=fps) as frames,
          _open(temporary, Path(out_path)) as out, _original(Path(video_path)) as original):
        picture = _picture_stream(out, frames.width, frames.height, timeline.source.fps_mean)
        sound = _Sound(None if blur else original, out, frames.origin)
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


def draw(rgb: np.ndarray, people: dict[int, TrackOverlay], time: float, blur: bool = False) -> None:
    """Draw the annotations of all people, in place.

    Args:
        rgb: The picture, uint8 (H, W, 3).
        people: The boxes and rows of each person, by id.
        time: Time of the picture in s.
        blur: Whether to cover the faces.
    """
    if blur:  # first all faces, so that no cover hides a caption
        for journey in people.values():
            if journey.times[0] - BLUR_MARGIN_SECONDS <= time <= journey.times[-1] + BLUR_MARGIN_SECONDS:
                face_blur.blur_faces(rgb, journey.box(time))
    for journey in people.values():
        row = None if journey.track is None else journey.track.at(time)
        if row is not None and row.state != "lost":
            _annotate(rgb, journey.box(time), row)


def track_overlays(timeline: Timeline) -> dict[int, TrackOverlay]:
    """The boxes of each person, by id: from every frame if the person has them, otherwise from the ends of the rows."""
    people = {}
    for face, track in timeline.tracks.items():
        seen = [row for row in track.rows if row.state != "lost"] or list(track.rows)
        # the box of a row is that at its end
        people[face] = TrackOverlay(track, np.array([row.end for row in seen]), np.array([row.box for row in seen]))
    for person in timeline.faces:
        if person.times is not None and person.boxes is not None and len(person.times):
            people[person.id] = TrackOverlay(timeline.tracks.get(person.id), person.times, person.boxes)
    return people


def caption(row: Prediction) -> tuple[str, str]:
    """The two lines of a caption: expression and heart rate, or the reason why one is missing."""
    expression, rate = f"{row.label} {row.confidence:.0%}", row.heart_rate
    if row.abstained:
        expression = f"no expression: {_plain(row.reason)}"
    pulse = f"{rate.number:.0f} {rate.unit}"
    if rate.abstained:
        pulse = f"no pulse: {_plain(rate.reason)}"
    return f"{row.face}  {expression}", pulse


def _plain(reason: str) -> str:
    short = {"low_snr": "too weak", "low_rate": "too few frames", "disagree": "regions disagree"}
    return short.get(reason, reason.replace("_", " "))


def _annotate(rgb: np.ndarray, box: np.ndarray, row: Prediction) -> None:
    height, width = rgb.shape[:2]
    colour = COLOURS[row.face % len(COLOURS)]
    thick = max(2, round(height / 240))
    x0, y0, x1, y1 = (round(float(v)) for v in box)
    for left, top, right, bottom in ((x0, y0, x1, y0 + thick), (x0, y1 - thick, x1, y1),
                                     (x0, y0, x0 + thick, y1), (x1 - thick, y0, x1, y1)):
        rgb[max(top, 0):max(bottom, 0), max(left, 0):max(right, 0)] = colour
    plate = _plate(*caption(row), colour, max(12, round(height / 28)))
    tall, wide = plate.shape[:2]
    top = y0 - tall - thick
    if top < 0:
        top = min(y1 + thick, height - tall)
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
    except ValueError as error:  # FFmpeg does not know the format
        raise ValueError(f"overlay: expected a name that ends in .mp4, .mkv or .mov, got {path.name!r}") from error


def _picture_stream(out: OutputContainer, width: int, height: int, rate: float) -> VideoStream:
    names = [name for name in ENCODERS if name in av.codecs_available and name in out.supported_codecs]
    if not names:
        raise ValueError(f"overlay: expected a format that holds H.264 or MPEG-4, got {out.format.name}; "
                         "choose a name that ends in .mp4")
    hint = Fraction(30)
    if np.isfinite(rate) and rate > 0:
        hint = Fraction(rate).limit_denominator(1001)
    stream = cast(VideoStream, out.add_stream(names[0], rate=hint))
    stream.width, stream.height = width + width % 2, height + height % 2  # yuv420p needs even sides
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


def _original(path: Path) -> AbstractContextManager[InputContainer | None]:
    """Open the recording again for its sound; None for pictures, which have none."""
    if image_sequences.is_sequence(path) or video.is_picture(path):
        return nullcontext()
    return open_file(path)[0]


def _sound_stream(out: OutputContainer, original: InputContainer) -> AudioStream | None:
    """A stream for the first sound track of the original; None without one, or if the format cannot contain it."""
    track = next(iter(original.streams.audio), None)
    if track is None or track.codec_context.name not in out.supported_codecs:
        return None
    return cast(AudioStream, out.add_stream_from_template(track))


class _Sound:
    """Copies the sound of the original bit by bit, so that sound and pictures are interleaved in the file."""

    def __init__(self, original: InputContainer | None, out: OutputContainer, origin: float) -> None:
        self._origin = origin  # s, stamp at which the player's clock is 0
        self._packets: Iterator[Packet] = iter(())
        self._copy = _sound_stream(out, original) if original is not None else None
        if original is not None and self._copy is not None:
            self._packets = original.demux(original.streams.audio[0])
        self._waiting = self._next()

    def mux(self, out: OutputContainer, until: float) -> None:
        """Write the packets up to `until` s on the player's clock."""
        while self._waiting is not None and self._waiting[0] <= until:
            out.mux(self._waiting[1])
            self._waiting = self._next()

    def _next(self) -> tuple[float, av.Packet] | None:
        for packet in self._packets:
            if packet.dts is None or packet.pts is None or packet.time_base is None:
                continue  # the end of the stream
            shift = round(self._origin / packet.time_base)
            if packet.pts >= shift and self._copy is not None:
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = self._copy
                return float(packet.dts * packet.time_base), packet
        return None
