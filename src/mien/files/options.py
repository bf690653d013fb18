"""What may be asked of `mien analyze`, for every file alike; and what of it makes another result."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from functools import lru_cache

from mien.settings import CLIP, Settings
from mien.work import sha256

FORMATS = {"csv": "timeline.csv", "jsonl": "events.jsonl", "srt": "timeline.srt", "elan": "timeline.txt"}
"""What `--format` may name, and the file that it makes."""


@lru_cache
def _digest(path: str, changed: int, size: int) -> str:
    """The SHA-256 of a file, read once however many videos ask: the weights of a tower may be a gigabyte."""
    return sha256(path)


@dataclass(frozen=True)
class Options:
    """What is asked for, of every file alike. Defaults and meaning as in `mien analyze --help`."""

    step: float = Settings.step
    neutral: str = Settings.neutral
    faces: int = Settings.faces
    model: str = Settings.model
    tower: str = Settings.tower
    labels: str = Settings.labels
    face_model: str = Settings.face_model
    formats: tuple[str, ...] = ()
    fex: bool = False
    overlay: bool = False
    images: bool = True
    blur: bool = False
    segments: str | None = None
    physio: str = Settings.physio
    physio_offset: float | None = Settings.physio_offset
    physio_start: str = Settings.physio_start
    physio_rate: float | None = Settings.physio_rate
    physio_time_unit: str = Settings.physio_time_unit
    aus: str = Settings.aus

    def __post_init__(self) -> None:
        unknown = [name for name in self.formats if name not in FORMATS]
        if unknown:
            raise ValueError(f"--format: expected {', '.join(FORMATS)}, got {unknown[0]!r}")

    def stream(self) -> Settings:
        """The settings of the analysis. `ValueError` says which of them cannot be."""
        return Settings(
            step=self.step, neutral=self.neutral, faces=self.faces, pictures=self.images, model=self.model,
            tower=self.tower, labels=self.labels, face_model=self.face_model, physio=self.physio,
            physio_offset=self.physio_offset, physio_start=self.physio_start, physio_rate=self.physio_rate,
            physio_time_unit=self.physio_time_unit, aus=self.aus,
        )

    def check(self) -> None:
        """Find what is wrong with the options before any file is read. `ValueError` or `OSError` says it."""
        from mien import segments

        self.stream()
        named = (("--neutral", self.picture), ("--segments", self.segments), ("--face-model", self.face_model),
                 ("--aus", self.aus))
        for option, path in named:
            if path and not os.path.isfile(path):
                raise ValueError(f"{option}: expected a file, got nothing at {path}; check the spelling")
        if self.segments is not None:
            segments.read(self.segments)
        if self.model != Settings.model:
            from mien.analysis import beside, reader
            from mien.session import whole

            if beside(self.stream()) is not None and not whole(reader(self.stream())):
                raise ValueError(f"--physio: expected a model that reads contact signals, got {self.model}: take a "
                                 "checkpoint of mvp/...")
            reader(self.stream())
        if self.picture:
            from mien.analysis import neutral_face

            try:
                neutral_face(self.stream())
            except ValueError as error:
                raise ValueError(f"--neutral: {error}") from error

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the files that these options write for each video."""
        extra = {"fex.csv": self.fex, "openface.csv": self.fex, "overlay.mp4": self.overlay,
                 "segments.csv": self.segments is not None}  # fmt: skip
        return (
            "summary.json",
            "timeline.parquet",
            *(FORMATS[name] for name in dict.fromkeys(self.formats)),
            *(name for name, wanted in extra.items() if wanted),
            "report.html",
        )

    @property
    def picture(self) -> str:
        """The picture of a neutral face, where `neutral` names one."""
        return "" if self.neutral.startswith("first:") else self.neutral

    @property
    def _model(self) -> str | list[str]:
        """What the name of the model stands for now: its files by content, or the commit of a snapshot of the hub."""
        from mien.analysis import held

        if self.model == Settings.model:
            return self.model
        files = [path for path in held(self.model) if os.path.basename(path) != "README.md"]
        if files:
            return [_digest(path, os.stat(path).st_mtime_ns, os.stat(path).st_size) for path in files]
        from mien import checkpoint, recipes, towers

        hub = self.model.removeprefix(CLIP)
        if hub == recipes.TINY:
            return self.model
        return [hub, (towers.locate if hub != self.model else checkpoint.locate)(hub).name]

    @property
    def settings(self) -> dict[str, object]:
        """What changes the content of an output: what was done with other settings is done again.

        Files are named by their content. `OSError` where one cannot be read.
        """
        read: dict[str, object] = {"labels": sha256(self.labels)} if self.labels else {}
        if self.physio:
            wires = [self.physio] if os.path.isfile(self.physio) else sorted(glob.glob(f"{self.physio}/*.csv"))
            read["physio"] = [sha256(path) for path in wires]
            read["clock"] = [self.physio_offset, self.physio_start, self.physio_rate, self.physio_time_unit]
        if self.aus:
            read["aus"] = sha256(self.aus)
        return read | {
            "model": self._model,
            "step": self.step,
            "faces": self.faces,
            "neutral": sha256(self.picture) if self.picture else self.neutral,
            "face_model": sha256(self.face_model) if self.face_model else "",
            "images": self.images,
            "blur": self.blur,
            "segments": sha256(self.segments) if self.segments else None,
        }
