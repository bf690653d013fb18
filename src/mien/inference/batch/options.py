"""Options of `mien analyze` for all files, and those that change the results."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass, field
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
    """What `mien analyze` does with each file: the settings of the analysis, and the files to write.

    Args:
        settings: Of the analysis; `pictures` also decides whether the report shows faces.
        formats: Further formats of the timeline, of `EXPORT_FILES`.
        fex: Whether to write the tables of py-feat and OpenFace.
        overlay: Whether to write the annotated video.
        blur: Whether faces are blurred in the report and the annotated video.
        segments: Path of a table of events; None for none.
        segments_start: What the clock of the events shows at the start of the video; "" if they count from there.

    Raises:
        ValueError: A format is unknown.
    """

    settings: Settings = field(default_factory=Settings)
    formats: tuple[str, ...] = ()
    fex: bool = False
    overlay: bool = False
    blur: bool = False
    segments: str | None = None
    segments_start: str = ""

    def __post_init__(self) -> None:
        unknown = [name for name in self.formats if name not in EXPORT_FILES]
        if unknown:
            raise ValueError(f"--format: expected {', '.join(EXPORT_FILES)}, got {unknown[0]!r}")

    def check(self) -> None:
        """Check the options before any video is read.

        Raises:
            ValueError: An option is invalid.
            OSError: A file cannot be read.
        """
        from mien.reporting import events
        from mien.rppg import expect_method

        expect_method(self.settings.pulse_method)
        named = [("--segments", self.segments), ("--aus", self.settings.aus)]
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
        if self.settings.model != Settings.model:
            from mien.inference.analyze import load_contact_signals, load_model
            from mien.inference.recording import needs_whole_recording

            contact, model = load_contact_signals(self.settings), load_model(self.settings)
            if contact is not None and not needs_whole_recording(model):
                raise ValueError(f"--physio: expected a model that reads contact signals, got {self.settings.model}: "
                                 "use a checkpoint of mvp/...")
        if os.path.isfile(self.picture):
            from mien.inference.neutral_pictures import neutral_faces

            try:
                neutral_faces(self.settings)
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
        return "" if self.settings.neutral.startswith(("first:", "spans:")) else self.settings.neutral

    def _pictures(self) -> str | list[str]:
        """Identifies the neutral faces: the SHA-256 of a picture, or the names and those of a folder of pictures."""
        if os.path.isdir(self.picture):
            from mien.inference.neutral_pictures import all_pictures

            return [f"{os.path.relpath(path, self.picture)} {sha256(path)}" for path in all_pictures(self.picture)]
        return _hash_of(self.picture) or self.settings.neutral

    @property
    def _model(self) -> str | list[str]:
        """Identifies the model's content: the SHA-256 of its files, or the commit of a snapshot of the hub."""
        from mien.inference.analyze import model_files

        if self.settings.model == Settings.model:
            return self.settings.model
        files = [path for path in model_files(self.settings.model) if os.path.basename(path) != "README.md"]
        if files:
            return [_digest(path, os.stat(path).st_mtime_ns, os.stat(path).st_size) for path in files]
        from mien import backbones, checkpoints
        from mien.backbones.tiny import SOURCE

        hub = self.settings.model.removeprefix(CLIP)
        if hub == SOURCE:
            return self.settings.model
        locate = checkpoints.locate if hub == self.settings.model else backbones.locate
        return [hub, locate(hub).name]

    @property
    def fingerprint(self) -> dict[str, object]:
        """The options that change an output; a file that was analysed with others is analysed again.

        Files are identified by their SHA-256.

        Raises:
            OSError: A file cannot be read.
        """
        settings = self.settings
        optional: dict[str, object] = {}
        if settings.labels:
            optional["labels"] = sha256(settings.labels)
        if settings.physio:
            paths = [settings.physio]
            if not os.path.isfile(settings.physio):
                paths = sorted(glob.glob(f"{settings.physio}/*.csv"))
            optional["physio"] = [sha256(path) for path in paths]
            optional["clock"] = [settings.physio_offset, settings.physio_start, settings.physio_rate,
                                 settings.physio_time, settings.physio_time_unit, list(settings.physio_anchors)]
        if settings.aus:
            optional["aus"] = sha256(settings.aus)
        if self.segments_start:
            optional["segments_start"] = self.segments_start
        if settings.fps is not None:
            optional["fps"] = settings.fps
        if settings.pulse_method != Settings.pulse_method:
            optional["pulse_method"] = settings.pulse_method
            if os.path.isfile(weights := settings.pulse_method.partition(":")[2]):
                optional["pulse_weights"] = sha256(weights)
        return optional | {
            "model": self._model,
            "step": settings.step,
            "faces": settings.faces,
            "neutral": self._pictures(),
            "detection_threshold": settings.detection_threshold,
            "pulse_only": settings.pulse_only,
            "images": settings.pictures,
            "blur": self.blur,
            "segments": _hash_of(self.segments),
        }


def _hash_of(path: str | None) -> str | None:
    """The hash of a file; None if no file is given."""
    if not path:
        return None
    return sha256(path)
