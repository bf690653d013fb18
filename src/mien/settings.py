"""What a user may choose of an analysis or a stream, and the values nobody may choose."""

from __future__ import annotations

from dataclasses import dataclass

CLIP = "clip:"
"""Before the folder or hub id of a CLIP that reads without training."""


@dataclass(frozen=True)
class Settings:
    """What a user may choose. `step`, `duration`, `latency`, `smoothing` in s.

    step: how often a row comes; duration: how far back the pulse looks; latency: how long a row waits for what comes
    after it; smoothing: time constant of the expression's smoothing; neutral: '' to estimate a person's neutral face on
    line, 'first:5s', or the path of a picture; faces: the most people followed; pictures: keep the best view of each;
    model: facs, the built-in one; a checkpoint's folder or hub id; or clip:FOLDER_OR_HUB_ID, zero-shot; tower: where a
    checkpoint's tower is now, if not where its card says; labels: a YAML file with other labels and their texts, for a
    checkpoint or clip:; face_model: a .task file for mediapipe's newer API instead of
    the built-in models; physio: a table or an E4 folder with the contact signals of one person in the video;
    physio_offset: where in the video, in s, their time 0 lies; physio_start: when the video begins by their clock, a
    date; physio_rate: Hz, for a table without a column of time; physio_time_unit: of that column: s, ms, us, ns, iso;
    aus: a file of OpenFace 2 or py-feat of this very video, for a checkpoint that learnt from that program's action
    units.
    """

    step: float = 0.5
    duration: float = 20.0
    latency: float = 0.0
    smoothing: float = 0.5  # our choice: expressions last 0.5 to 4 s (Ekman 2003); shorter flicker is noise
    neutral: str = ""
    faces: int = 8
    pictures: bool = True
    model: str = "facs"
    tower: str = ""
    labels: str = ""
    face_model: str = ""
    physio: str = ""
    physio_offset: float | None = None
    physio_start: str = ""
    physio_rate: float | None = None
    physio_time_unit: str = ""
    aus: str = ""

    def __post_init__(self) -> None:
        for name, low in (("step", 0.02), ("duration", 1.0), ("faces", 1)):
            if not getattr(self, name) >= low:
                raise ValueError(f"{name}: expected {low} or more, got {getattr(self, name)}")
        for name in ("latency", "smoothing"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}: expected 0 or more seconds, got {getattr(self, name)}")
        if self.tower and (self.model == "facs" or self.model.startswith(CLIP)):
            raise ValueError(f"tower: expected a checkpoint, whose tower can lie elsewhere, got {self.model}: name one "
                             "with --model")
        if self.labels and self.model == "facs":
            raise ValueError("labels: expected a model that reads words, got facs: name a checkpoint or clip:HUB_ID "
                             "with --model")
        if self.physio and self.model == "facs":
            raise ValueError("physio: expected a model that reads contact signals, got facs: name a checkpoint with "
                             "--model, such as one of mien train mvp/amigos-valence")
        if self.aus and self.model == "facs":
            raise ValueError("aus: expected a model that learnt from action units of OpenFace 2 or py-feat, got facs, "
                             "which reads its own: name a checkpoint with --model")
        told = self.physio_offset, self.physio_start, self.physio_rate, self.physio_time_unit
        if not self.physio and told != (None, "", None, ""):
            raise ValueError("physio: expected a file of signals with --physio, got only when or how fast they are")
        if self.physio_offset is not None and self.physio_start:
            raise ValueError("physio: expected --physio-offset or --physio-start, got both")
        neutral_seconds(self.neutral)


def neutral_seconds(neutral: str) -> float:
    """'first:5s' -> 5.0; 0.0 for anything that is not of this form (a picture's path, or nothing)."""
    if not neutral.startswith("first:"):
        return 0.0
    try:
        seconds = float(neutral.removeprefix("first:").removesuffix("s"))
    except ValueError:
        seconds = float("nan")
    if not 0 < seconds < 3600:
        raise ValueError(f"neutral: expected first:<seconds>s, such as first:5s, or a picture's path, got {neutral!r}")
    return seconds
