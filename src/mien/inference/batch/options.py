"""Options of `mien analyze` for all files, and those that change the results."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from functools import lru_cache

from mien.core.hashing import sha256
from mien.core.settings import CLIP, Settings

EXPORT_FILES = {"csv": "timeline.csv", "jsonl": "events.jsonl", "srt": "timeline.srt", "elan": "timeline.txt",
                "ibi": "ibi.csv", "kubios": "kubios.txt"}
"""Values of `--format` and the files that they write."""


@lru_cache
def _digest(path: str, changed: int, size: int) -> str:
    """The SHA-256 of a file. It is computed once for all videos, since the weights of a model may be a gigabyte."""
    return sha256(path)


@dataclass(frozen=True)
class AnalysisOptions:
    """Settings and output files. Meaning and defaults are those of `mien analyze --help`.

    Raises:
        ValueError: A format is unknown.
    """

    step: float = Settings.step
    neutral: str = Settings.neutral
    faces: int = Settings.faces
    model: str = Settings.model
    tower: str = Settings.tower
    labels: str = Settings.labels
    detection_threshold: float = Settings.detection_threshold
    pulse_only: bool = Settings.pulse_only
    pulse_method: str = Settings.pulse_method
    formats: tuple[str, ...] = ()
    fex: bool = False
    overlay: bool = False
    images: bool = True
    blur: bool = False
    segments: str | None = None
    segments_start: str = ""
    physio: str = Settings.physio
    physio_offset: float | None = Settings.physio_offset
    physio_start: str = Settings.physio_start
    physio_rate: float | None = Settings.physio_rate
    physio_time: str = Settings.physio_time
    physio_time_unit: str = Settings.physio_time_unit
    physio_anchors: tuple[str, ...] = Settings.physio_anchors
    aus: str = Settings.aus
    fps: float | None = Settings.fps

    def __post_init__(self) -> None:
        unknown = [name for name in self.formats if name not in EXPORT_FILES]
        if unknown:
            raise ValueError(f"--format: expected {', '.join(EXPORT_FILES)}, got {unknown[0]!r}")

    def stream(self) -> Settings:
        """The settings of the analysis. Raises ValueError if one is invalid."""
        return Settings(
            step=self.step, neutral=self.neutral, faces=self.faces, pictures=self.images, model=self.model,
            tower=self.tower, labels=self.labels, detection_threshold=self.detection_threshold,
            pulse_only=self.pulse_only, pulse_method=self.pulse_method, physio=self.physio,
            physio_offset=self.physio_offset, physio_start=self.physio_start, physio_rate=self.physio_rate,
            physio_time=self.physio_time, physio_time_unit=self.physio_time_unit,
            physio_anchors=self.physio_anchors, aus=self.aus, fps=self.fps,
        )

    def check(self) -> None:
        """Check the options before any video is read.

        Raises:
            ValueError: An option is invalid.
            OSError: A file cannot be read.
        """
        from mien.reporting import events
        from mien.rppg import expect_method

        expect_method(self.stream().pulse_method)
        named = [("--segments", self.segments), ("--aus", self.aus)]
        if os.path.isdir(self.picture):
            self._pictures()
        else:
            named.append(("--neutral", self.picture))
        for option, path in named:
            if path and not os.path.isfile(path):
                got = f"nothing at {path}; check the spelling"
                if os.path.exists(path):
                    got = f"{path}, which is a folder or a device; name a file"
                raise ValueError(f"{option}: expected a file, got {got}")
        if self.segments_start and self.segments is None:
            raise ValueError("--segments-start: expected it with --segments, got it alone")
        if self.segments is not None:
            events.read_events(self.segments, self.segments_start)
        if self.model != Settings.model:
            from mien.inference.analyze import load_contact_signals, load_model
            from mien.inference.recording import needs_whole_recording

            if load_contact_signals(self.stream()) is not None and not needs_whole_recording(load_model(self.stream())):
                raise ValueError(f"--physio: expected a model that reads contact signals, got {self.model}: use a "
                                 "checkpoint of mvp/...")
            load_model(self.stream())
        if os.path.isfile(self.picture):
            from mien.inference.neutral_pictures import neutral_faces

            try:
                neutral_faces(self.stream())
            except ValueError as error:
                raise ValueError(f"--neutral: {error}") from error

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the output files of each video."""
        extra = {"fex.csv": self.fex, "openface.csv": self.fex, "overlay.mp4": self.overlay,
                 "segments.csv": self.segments is not None}  # fmt: skip
        return (
            "summary.json",
            "timeline.parquet",
            *(EXPORT_FILES[name] for name in dict.fromkeys(self.formats)),
            *(name for name, enabled in extra.items() if enabled),
            "report.html",
        )

    @property
    def picture(self) -> str:
        """Path of the picture of a neutral face, or of a folder of such pictures; "" if `neutral` names none."""
        return "" if self.neutral.startswith(("first:", "spans:")) else self.neutral

    def _pictures(self) -> str | list[str]:
        """Identifies the neutral faces: the SHA-256 of a picture, or the names and those of a folder of pictures."""
        if os.path.isdir(self.picture):
            from mien.inference.neutral_pictures import all_pictures

            return [f"{os.path.relpath(path, self.picture)} {sha256(path)}" for path in all_pictures(self.picture)]
        return _hash_of(self.picture) or self.neutral

    @property
    def _model(self) -> str | list[str]:
        """Identifies the model's content: the SHA-256 of its files, or the commit of a snapshot of the hub."""
        from mien.inference.analyze import model_files

        if self.model == Settings.model:
            return self.model
        files = [path for path in model_files(self.model) if os.path.basename(path) != "README.md"]
        if files:
            return [_digest(path, os.stat(path).st_mtime_ns, os.stat(path).st_size) for path in files]
        from mien import backbones, checkpoints
        from mien.backbones.tiny import SOURCE

        hub = self.model.removeprefix(CLIP)
        if hub == SOURCE:
            return self.model
        locate = checkpoints.locate if hub == self.model else backbones.locate
        return [hub, locate(hub).name]

    @property
    def settings(self) -> dict[str, object]:
        """The options that change an output; a file that was analysed with others is analysed again.

        Files are identified by their SHA-256.

        Raises:
            OSError: A file cannot be read.
        """
        optional: dict[str, object] = {}
        if self.labels:
            optional["labels"] = sha256(self.labels)
        if self.physio:
            paths = [self.physio] if os.path.isfile(self.physio) else sorted(glob.glob(f"{self.physio}/*.csv"))
            optional["physio"] = [sha256(path) for path in paths]
            optional["clock"] = [self.physio_offset, self.physio_start, self.physio_rate, self.physio_time,
                                 self.physio_time_unit, list(self.physio_anchors)]
        if self.aus:
            optional["aus"] = sha256(self.aus)
        if self.segments_start:
            optional["segments_start"] = self.segments_start
        if self.fps is not None:
            optional["fps"] = self.fps
        if self.pulse_method != Settings.pulse_method:
            optional["pulse_method"] = self.pulse_method
            if os.path.isfile(weights := self.pulse_method.partition(":")[2]):
                optional["pulse_weights"] = sha256(weights)
        return optional | {
            "model": self._model,
            "step": self.step,
            "faces": self.faces,
            "neutral": self._pictures(),
            "detection_threshold": self.detection_threshold,
            "pulse_only": self.pulse_only,
            "images": self.images,
            "blur": self.blur,
            "segments": _hash_of(self.segments),
        }


def _hash_of(path: str | None) -> str | None:
    """The hash of a file; None if no file is given."""
    if not path:
        return None
    return sha256(path)
