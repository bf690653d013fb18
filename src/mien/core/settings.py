"""Settings of an analysis or a stream, and their valid values."""

from __future__ import annotations

from dataclasses import dataclass

CLIP, SIGLIP = "clip:", "siglip:"
"""Prefixes of the folder or hub id of a CLIP or SigLIP 2 for zero-shot classification."""


BEATS = "beats"
"""The value of `physio_anchors` that asks for an alignment by the beats of camera and sensor."""


@dataclass(frozen=True)
class Settings:
    """Settings of an analysis or a stream.

    Args:
        step: Time between two rows in s.
        duration: Length of the window of a heart rate in s.
        latency: s for which a row waits for later frames.
        smoothing: Time constant of the smoothing of the expression in s.
        neutral: "" to estimate a person's neutral face continuously, "first:5s", "spans:0-10", or
            the path of a picture or of a folder of pictures by person.
        faces: Most people to track.
        pictures: Whether to keep the best view of each person.
        model: "facs" (built-in), the folder or hub id of a checkpoint, or clip:FOLDER_OR_HUB_ID or
            siglip:FOLDER_OR_HUB_ID for zero-shot classification.
        tower: Folder or hub id of a checkpoint's backbone, if it is not where its card says.
        labels: A YAML file with other labels and their texts, for a checkpoint, clip: or siglip:.
        detection_threshold: Lowest score of a detected face, 0..1.
        pulse_only: Whether to measure only the pulse and the head pose, without expression; several times faster.
        pulse_method: rPPG method of the pulse's waveform and beats: auto for the estimator's own mixture of regions and
            colours, or pos, chrom, green, lgi, pbv, omit, ica, or that of an installed package.
        physio: A table or an E4 folder with the contact signals of one person in the video.
        physio_offset: Time in s in the video at which the time of the signals is 0.
        physio_start: What the clock of the signals shows at the start of the video, such as a date.
        physio_anchors: One or two moments that both clocks show, such as 12.3=00:00:02 (s of the video, time of the
            signals). `BEATS` among them corrects offset and drift by the beats of camera and sensor.
        physio_time: Name of the time column; "" for the one whose name says so.
        physio_rate: Sampling rate in Hz of a table without a time column.
        physio_time_unit: Unit of the time column: s, ms, us, ns, min, h or iso.
        aus: A file of OpenFace 2 or py-feat of the same video, for a checkpoint trained on that program's action units.
        fps: Frame rate in Hz of image sequences and raw streams, which have no time stamps; a video keeps its own.

    Raises:
        ValueError: A value is out of range, or two settings contradict each other.
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
    detection_threshold: float = 0.6  # as in the published graph of the detector
    pulse_only: bool = False
    pulse_method: str = "auto"
    physio: str = ""
    physio_offset: float | None = None
    physio_start: str = ""
    physio_rate: float | None = None
    physio_time: str = ""
    physio_time_unit: str = ""
    physio_anchors: tuple[str, ...] = ()
    aus: str = ""
    fps: float | None = None

    def __post_init__(self) -> None:
        self._check_ranges()
        self._check_model()
        self._check_signals()
        neutral_seconds(self.neutral)
        neutral_spans(self.neutral)

    def _check_ranges(self) -> None:
        for name, low in (("step", 0.02), ("duration", 1.0), ("faces", 1)):
            if not getattr(self, name) >= low:
                raise ValueError(f"{name}: expected {low} or more, got {getattr(self, name)}")
        for name in ("latency", "smoothing"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}: expected 0 or more seconds, got {getattr(self, name)}")
        if not 0 < self.detection_threshold < 1:
            raise ValueError("detection_threshold: expected a score above 0 and below 1, got "
                             f"{self.detection_threshold}")
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise ValueError(f"fps: expected a frame rate above 0 and up to 1000 Hz, got {self.fps}")

    def _check_model(self) -> None:
        if self.pulse_only and self.model != "facs":
            raise ValueError(f"pulse_only: expected no model that reads expressions, got {self.model}: leave out one "
                             "of the two")
        if self.tower and (self.model == "facs" or self.model.startswith((CLIP, SIGLIP))):
            raise ValueError(f"tower: expected a checkpoint, got {self.model}, which has no separate tower: name a "
                             "checkpoint with --model")
        if self.labels and self.model == "facs":
            raise ValueError("labels: expected a model with text labels, got facs: name a checkpoint, clip:HUB_ID "
                             "or siglip:HUB_ID with --model")
        if self.physio and self.model == "facs":
            raise ValueError("physio: expected a model that reads contact signals, got facs: name a checkpoint with "
                             "--model, such as one of mien train mvp/amigos-valence")
        if self.aus and self.model == "facs":
            raise ValueError("aus: expected a model trained on action units of OpenFace 2 or py-feat, got facs, which "
                             "measures its own: name a checkpoint with --model")

    def _check_signals(self) -> None:
        timing = (self.physio_offset, self.physio_start, self.physio_rate, self.physio_time, self.physio_time_unit,
                  self.physio_anchors)
        if not self.physio and timing != (None, "", None, "", "", ()):
            raise ValueError("physio: expected a file of signals with --physio, got only their timing or rate")
        ways = {"--physio-offset": self.physio_offset is not None, "--physio-start": bool(self.physio_start),
                "--physio-anchor": bool({*self.physio_anchors} - {BEATS})}
        if sum(ways.values()) > 1:
            given = " and ".join(name for name, is_given in ways.items() if is_given)
            raise ValueError(f"physio: expected one of {', '.join(ways)}, got {given}: keep one")


def neutral_seconds(neutral: str) -> float:
    """Parse the setting `neutral`.

    Args:
        neutral: The setting.

    Returns:
        5.0 for "first:5s"; 0.0 for a picture's path or "".

    Raises:
        ValueError: The text after "first:" is not a time above 0 and below 3600 s.
    """
    if not neutral.startswith("first:"):
        return 0.0
    try:
        seconds = float(neutral.removeprefix("first:").removesuffix("s"))
    except ValueError:
        seconds = float("nan")
    if not 0 < seconds < 3600:
        raise ValueError(f"neutral: expected first:<seconds>s, such as first:5s, or a picture's path, got {neutral!r}")
    return seconds


def neutral_spans(neutral: str) -> tuple[tuple[float, float], ...]:
    """Parse stretches of a recording in the setting `neutral`.

    Args:
        neutral: The setting.

    Returns:
        ((0.0, 10.0), (60.0, 70.0)) s for "spans:0-10,60-70"; () for every other setting.

    Raises:
        ValueError: The text after "spans:" is no list of stretches.
    """
    if not neutral.startswith("spans:"):
        return ()
    try:
        parts = [part.split("-") for part in neutral.removeprefix("spans:").split(",")]
        spans = tuple((float(start), float(end)) for start, end in parts)
    except ValueError:
        spans = ()
    if not spans or not all(0 <= start < end for start, end in spans):
        raise ValueError("neutral: expected spans:<start>-<end>, in s, such as spans:0-10 or spans:0-10,60-70, got "
                         f"{neutral!r}")
    return spans
