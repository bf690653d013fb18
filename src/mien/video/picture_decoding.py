"""Decode pictures to `Frame`s: photos, files with several pages, animations and image sequences."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mien.core.observations import Frame
from mien.video import image_sequences
from mien.video.decode_stats import DecodeStats
from mien.video.errors import VideoError
from mien.video.stills import BROKEN, damaged_message, open_picture, pages, to_rgb

DEFAULT_FPS = 25.0
"""Hz of image sequences without a stated rate. FFmpeg and OpenFace assume the same; `DecodeStats.notes` says so."""

UNSTATED = 0.1
"""s that a picture of an animation lasts if the file states 0. Our choice: as FFmpeg and browsers do with GIFs."""


@dataclass(frozen=True, eq=False)
class Page:
    """A decoded picture: its start and duration in s, and rgb uint8 (H, W, 3)."""

    time: float
    duration: float
    rgb: np.ndarray


class PictureFile:
    """The pictures of a file: a single one, several pages (TIFF), or an animation (WebP, APNG).

    Args:
        path: A file of one of `stills.FORMATS`.
        fps: Hz, for pages without times; None: `DEFAULT_FPS`.

    Raises:
        VideoError: The file is not a complete picture, or it is too large.
    """

    def __init__(self, path: Path, fps: float | None) -> None:
        self.path = path
        with open_picture(path, str(path)) as image:
            try:
                self._pages = pages(image)
            except BROKEN as error:
                raise VideoError(damaged_message(str(path), error)) from error
            self.timed = image.format in ("WEBP", "PNG") and len(self._pages) > 1
        self.count = len(self._pages)
        self._rate = fps or DEFAULT_FPS
        self.seconds = None
        if not self.timed:
            self.seconds = self.count / self._rate
        self.rate_is_assumed = fps is None and self.count > 1 and not self.timed

    def pages(self, tally: DecodeStats) -> Generator[Page]:
        """Yield every picture in order. The first one that does not decode ends the file and is noted in `tally`."""
        time = 0.0
        with open_picture(self.path, str(self.path)) as image:
            for position, number in enumerate(self._pages):
                try:
                    image.seek(number)
                    rgb = to_rgb(image)
                except BROKEN as error:
                    tally.undecodable += 1
                    tally.why = " ".join(str(error).split()) or type(error).__name__
                    if position:
                        tally.notes.append(f"reading stopped after {position} of {self.count} pictures")
                    return
                duration = self._duration(image)
                yield Page(time, duration, rgb)
                time = time + duration if self.timed else (position + 1) / self._rate

    def sha256(self) -> str:
        """The SHA-256 of the file's content."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _duration(self, image: Image.Image) -> float:
        if self.timed:
            return float(image.info.get("duration", 0)) / 1000 or UNSTATED
        if self.count == 1:
            return 0.0
        return 1 / self._rate


class PictureSequence:
    """The pictures of an image sequence, one per file.

    Args:
        path: A folder, or a pattern such as frame_%04d.png.
        fps: Hz; None: `DEFAULT_FPS`.

    Raises:
        VideoError: There is no such sequence, or it cannot be read.
    """

    def __init__(self, path: Path, fps: float | None) -> None:
        self.path = path
        try:
            self._sequence = image_sequences.find(path)
        except ValueError as error:
            raise VideoError(str(error)) from error
        except OSError as error:
            raise VideoError(f"expected a folder that can be read, got '{error.strerror}' for {path}: change its "
                             "permissions") from error
        self._rate = fps or DEFAULT_FPS
        self.count = len(self._sequence.paths)
        self.seconds = (self._sequence.steps[-1] + 1) / self._rate
        self.rate_is_assumed = fps is None and self.count > 1

    def pages(self, tally: DecodeStats) -> Generator[Page]:
        """Yield every picture that decodes, in order; the others are counted and noted in `tally`."""
        failed: list[str] = []
        duration = 1 / self._rate if self.count > 1 else 0.0
        for path, step in zip(self._sequence.paths, self._sequence.steps, strict=True):
            try:
                with open_picture(path, str(path)) as image:
                    rgb = to_rgb(image)
            except BROKEN as error:  # VideoError is a ValueError
                failed.append(path.name)
                tally.why = tally.why or f"{path.name}: {' '.join(str(error).split())}"
                continue
            yield Page(step / self._rate, duration, rgb)
        others = self._sequence.left_out
        if others:
            tally.notes.append(f"pictures without a number were left out: {len(others)}, first {others[0]}")
        if failed:
            tally.undecodable = len(failed)
            tally.notes.append(f"{len(failed)} of {self.count} pictures cannot be read, first {failed[0]}")

    def sha256(self) -> str:
        """As `image_sequences.ImageSequence.sha256`."""
        return self._sequence.sha256()


class PictureDecoding:
    """A single pass over pictures, as `decoding.Decoding` for videos; the first picture is decoded at once.

    Attributes:
        size: Width and height of every frame in px: those of the first picture.
        path: The file, folder or pattern.
        span: Start and end in s of the frames that `frames` yields.
        tally: Counts of what happened during the pass.
        is_still: Whether there is a single picture.
        rate_is_assumed: Whether the rate of several pictures was not given.

    Raises:
        VideoError: Nothing decodes.
    """

    def __init__(self, source: PictureFile | PictureSequence, span: tuple[float, float] = (0.0, math.inf)) -> None:
        self.path, self.span, self._source = source.path, span, source
        self.tally = DecodeStats(time_base=0.001, is_part=span[0] > 0)
        self._pages = source.pages(self.tally)
        first = next(self._pages, None)
        if first is None and isinstance(source, PictureSequence):
            raise VideoError(f"expected a sequence with a picture that can be read, got none in {source.path}; the "
                             f"first: {self.tally.why}")
        if first is None:
            raise VideoError(damaged_message(str(source.path), ValueError(self.tally.why)))
        self._first: Page | None = first
        self.is_still = source.count == 1
        self.rate_is_assumed = source.rate_is_assumed
        self.size = first.rgb.shape[1], first.rgb.shape[0]

    def frames(self) -> Iterator[Frame]:
        """Yield the frames of `span`, once. At the end, note in `tally` what is missing."""
        start, end = self.span
        tally = self.tally
        for page in self._every_page():
            tally.decoded += 1
            if page.time < start:
                continue
            if page.time >= end:
                break
            tally.times.append(page.time)
            tally.last_duration = page.duration
            yield Frame(page.time, self._fitted(page.rgb))
        tally.packets = tally.decoded + tally.undecodable
        tally.finish(ended=True)
        if not tally.times:
            raise VideoError(f"expected frames from {start:g} s on, got none: choose a start before the last one")
        if self._source.rate_is_assumed:
            tally.notes.append(f"no frame rate was given: times are at {DEFAULT_FPS:g} pictures a second, our "
                               "assumption")

    def hints(self) -> tuple[float | None, int | None]:
        """Duration in s and number of frames, for progress bars only."""
        seconds, (start, end) = self._source.seconds, self.span
        if seconds is None or self._source.count == 1:
            return None, self._source.count
        part = max(0.0, min(seconds, end) - start)
        return part, round(self._source.count * part / seconds)

    def sha256(self) -> str:
        """SHA-256 of the file or of the image sequence (`image_sequences.ImageSequence.sha256`)."""
        return self._source.sha256()

    def close(self) -> None:
        """Close the files."""
        self._pages.close()

    def _every_page(self) -> Iterator[Page]:
        if self._first is not None:
            first, self._first = self._first, None
            yield first
        yield from self._pages

    def _fitted(self, rgb: np.ndarray) -> np.ndarray:
        if rgb.shape[1::-1] == self.size:
            return rgb
        self.tally.resized += 1
        return np.array(Image.fromarray(rgb).resize(self.size, Image.Resampling.BILINEAR))
