"""The summary of a recording as strict JSON with a versioned schema; the pydantic models are public.

New fields do not change the version. A field that changes its meaning or is removed makes `mien.summary/2`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from mien.core import atomic_files
from mien.core.tasks import ACTION_UNITS, find_task

if TYPE_CHECKING:
    from mien.core.recording_prediction import RecordingPrediction
    from mien.core.recording_timeline import RecordingTimeline
    from mien.core.results import Measurement, Person
    from mien.reporting.timeline import Timeline

SCHEMA = "mien.summary/1"

MOST_LISTED = 1000
"""Largest number of segments, gaps and jumps that are listed. Our choice: more make the file large and say nothing."""

LF_HF_NOTE = (
    "weak evidence from video: LF/HF needs exact beat times, which a camera rarely provides, and does not measure the "
    "balance of the autonomic nervous system (Billman 2013, 10.3389/fphys.2013.00026; Shaffer & Ginsberg 2017, "
    "10.3389/fpubh.2017.00258)"
)


class StrictModel(BaseModel):
    """Rejects unknown fields, so that a misspelt or newer file is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class MeasurementSummary(StrictModel):
    """A measurement, or the reason why it is missing."""

    value: float | None = Field(description="null when abstained")
    unit: str
    quality: float = Field(ge=0, le=1, description="of the signal, 0..1")
    method: str
    abstained: bool
    reason: str = Field(description="a reason code (docs/columns.md); empty when measured")
    note: str = Field("", description="a warning about the value; usually empty")


class SegmentSummary(StrictModel):
    """A stretch of the recording without a gap or a jump of its clock."""

    start_s: float
    end_s: float
    frames: int


class GapSummary(StrictModel):
    """A hole between two frames."""

    start_s: float = Field(description="time of the frame before it")
    end_s: float = Field(description="time of the frame after it")


class JumpSummary(StrictModel):
    """A place where the file's clock was set. Times continue without the leap."""

    time_s: float = Field(description="time of the frame after it")
    by_s: float = Field(description="how far the file's clock leaps; negative where it goes back")


class TimelineSummary(StrictModel):
    """Where the pictures lie on the player's clock, and what became of every packet and frame."""

    interval_s: float = Field(description="usual time between two frames")
    segments: tuple[SegmentSummary, ...] = Field(description="in order, the first 1000")
    gaps: tuple[GapSummary, ...] = Field(description="the 1000 longest, in order")
    jumps: tuple[JumpSummary, ...] = Field(description="in order, the first 1000")
    gap_count: int = Field(description="number of all gaps")
    missing_s: float = Field(description="length of all gaps together")
    counts: dict[str, int] = Field(description="packets = hidden + undecodable + silent + decoded; decoded = damaged + "
                                   "unstamped + out_of_order + outside + skipped + shown (docs/columns.md)")


class SourceSummary(StrictModel):
    """The recording."""

    name: str
    sha256: str
    width: int = Field(description="px")
    height: int = Field(description="px")
    frames: int = Field(description="number of decoded frames")
    duration_s: float | None
    fps_mean: float | None = Field(description="Hz")
    variable_frame_rate: bool
    lost: str = Field("", description="describes what is missing, changed or cut off; empty when nothing is")
    start_s: float | None = Field(0.0, description="time of the first picture on the player's clock")
    timeline: TimelineSummary | None = Field(None, description="segments, gaps, jumps and counts of frames")


class GazeSummary(StrictModel):
    """Mean direction of the eyes relative to the head, in degrees."""

    yaw: float | None = Field(description="to the person's left")
    pitch: float | None = Field(description="up")


class HeadPoseSummary(StrictModel):
    """Mean head pose in degrees."""

    pitch: float | None = Field(description="up")
    yaw: float | None = Field(description="to the person's left")
    roll: float | None = Field(description="to the person's left shoulder")


class FaceSummary(StrictModel):
    """One person over the whole recording."""

    id: int
    coverage: float = Field(ge=0, le=1, description="share of frames in which the face was tracked")
    first_s: float | None
    last_s: float | None
    heart_rate: MeasurementSummary
    hrv: dict[str, MeasurementSummary] = Field(description="rmssd, sdnn, sd1, sd2 in ms, pnn50 in %, lf_hf a ratio")
    respiration: MeasurementSummary
    expression: dict[str, float | None] = Field(description="mean probability of each class; null when never measured")
    calibrated: bool = Field(False, description="whether the probabilities were calibrated on labelled faces")
    valence: float | None = Field(description="-1..1, expectation over word norms")
    arousal: float | None = Field(description="-1..1, expectation over word norms")
    action_units: dict[str, float | None] = Field(description="mean intensity, 0..5")
    blink_rate: MeasurementSummary
    gaze: GazeSummary
    head_pose: HeadPoseSummary


class RecordingSummary(StrictModel):
    """The prediction of a model that needs whole recordings, for one person."""

    face: int | None = Field(description="the person to which we attribute the contact signals; null without a person")
    label: str = Field(description="the most probable class; empty when abstained")
    probs: dict[str, float | None]
    reason: str = Field(description="a reason code; empty when there is an answer")
    used_s: dict[str, float] = Field(description="s of each channel and of the face that the answer used")
    notes: tuple[str, ...] = Field(description="assumptions, and problems with the signals")


class Summary(StrictModel):
    """The content of summary.json."""

    schema_: Literal["mien.summary/1"] = Field(default="mien.summary/1", alias="schema")
    source: SourceSummary
    faces: tuple[FaceSummary, ...]
    session: RecordingSummary | None = Field(None, description="of a model that reads whole recordings")
    settings: dict[str, JsonValue]
    versions: dict[str, str]
    seconds: dict[str, float | None] = Field(description="wall time of track, pulse, model and total, s; "
                                            "decode: waited for frames, which are decoded beside the rest")

    def to_json(self) -> str:
        """The summary as indented JSON text."""
        data = self.model_dump(by_alias=True, mode="json")
        return json.dumps(data, allow_nan=False, ensure_ascii=False, indent=2) + "\n"

    def save(self, path: str | Path) -> None:
        """Write the JSON text atomically."""
        atomic_files.text(path, self.to_json())

    def rows(self) -> list[dict[str, Any]]:
        """A flat row for each person with the columns of people.csv (docs/columns.md)."""
        return [_row(self.source, face) for face in self.faces]


def read_summary(path: str | Path) -> Summary:
    """Read a summary.json.

    Args:
        path: The file.

    Returns:
        The summary.

    Raises:
        ValueError: The file does not follow this schema.
    """
    try:
        return Summary.model_validate_json(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:  # from pydantic, or for text that is not UTF-8
        raise ValueError(f"{path}: expected a summary of the schema {SCHEMA}, got {error}; "
                         "analyse the recording again with --overwrite") from error


def summarize(timeline: Timeline) -> Summary:
    """Summarise each person over the whole recording."""
    source = timeline.source
    return Summary(
        source=SourceSummary(name=source.name, sha256=source.sha256, width=source.width, height=source.height,
                      frames=source.frames, duration_s=_number(source.duration), fps_mean=_number(source.fps_mean),
                      variable_frame_rate=source.variable_frame_rate, lost=source.lost, start_s=_number(source.start),
                      timeline=None if source.timeline is None else _timeline(source.timeline)),
        faces=tuple(_face(person) for person in timeline.faces),
        session=None if timeline.session is None else _session(timeline.session),
        settings=atomic_files.plain(timeline.settings),
        versions=dict(timeline.versions),
        seconds={name: _number(value) for name, value in timeline.seconds.items()},
    )


def _timeline(line: RecordingTimeline) -> TimelineSummary:
    longest = sorted(line.gaps, key=lambda gap: -gap.seconds)[:MOST_LISTED]
    return TimelineSummary(
        interval_s=_rounded(line.interval),
        segments=tuple(SegmentSummary(start_s=_rounded(each.start), end_s=_rounded(each.end), frames=each.frames)
                       for each in line.segments[:MOST_LISTED]),
        gaps=tuple(GapSummary(start_s=_rounded(gap.start), end_s=_rounded(gap.end))
                   for gap in sorted(longest, key=lambda gap: gap.start)),
        jumps=tuple(JumpSummary(time_s=_rounded(jump.time), by_s=_rounded(jump.by))
                    for jump in line.jumps[:MOST_LISTED]),
        gap_count=len(line.gaps), missing_s=_rounded(line.missing), counts=line.counts.by_name())


def _face(person: Person) -> FaceSummary:
    pitch, yaw, roll = map(_number, person.pose)
    gaze_yaw, gaze_pitch = map(_number, person.gaze)
    return FaceSummary(
        id=person.id, coverage=person.coverage, first_s=_number(person.first), last_s=_number(person.last),
        heart_rate=_measure(person.heart_rate), respiration=_measure(person.respiration),
        hrv={name: _measure(value, LF_HF_NOTE if name == "lf_hf" else "") for name, value in person.hrv.items()},
        expression=dict(zip(find_task(person.task).classes, map(_number, person.expression), strict=True)),
        calibrated=False, valence=_number(person.valence), arousal=_number(person.arousal),
        action_units=dict(zip(ACTION_UNITS, map(_number, person.aus), strict=True)),
        blink_rate=_measure(person.blink_rate), gaze=GazeSummary(yaw=gaze_yaw, pitch=gaze_pitch),
        head_pose=HeadPoseSummary(pitch=pitch, yaw=yaw, roll=roll),
    )


def _session(recording: RecordingPrediction) -> RecordingSummary:
    task = find_task(recording.task)
    return RecordingSummary(
        face=recording.face, label="" if recording.reason else task.label(recording.probs),
        probs=dict(zip(task.classes, map(_number, recording.probs), strict=True)), reason=recording.reason,
        used_s={name: round(seconds, 3) for name, seconds in recording.used.items()}, notes=recording.notes)


def _measure(value: Measurement, note: str = "") -> MeasurementSummary:
    return MeasurementSummary(value=value.value, unit=value.unit, quality=value.quality, method=value.method,
                   abstained=value.abstained, reason=value.reason, note=note)


def _number(value: float | np.floating) -> float | None:
    """A number for JSON: null for NaN and infinities, seven digits, since the rest is rounding noise."""
    return atomic_files.plain(float(value), digits=atomic_files.DIGITS)


def _rounded(seconds: float) -> float:
    return round(seconds, 6)


def _row(source: SourceSummary, face: FaceSummary) -> dict[str, Any]:
    measures = {"heart_rate": face.heart_rate, **face.hrv, "respiration": face.respiration,
                "blink_rate": face.blink_rate}
    known = {name: p for name, p in face.expression.items() if p is not None}
    return {
        "video": source.name, "face_id": face.id, "coverage": face.coverage, "first_s": face.first_s,
        "last_s": face.last_s,
        **{column: value for name, measure in measures.items() for column, value in (
            (name, measure.value), (f"{name}_quality", measure.quality), (f"{name}_reason", measure.reason))},
        "label": max(known, key=lambda name: known[name], default=""),
        **{f"p_{name}": p for name, p in face.expression.items()},
        "calibrated": face.calibrated, "valence": face.valence, "arousal": face.arousal, **face.action_units,
        "gaze_yaw": face.gaze.yaw, "gaze_pitch": face.gaze.pitch,
        "pitch": face.head_pose.pitch, "yaw": face.head_pose.yaw, "roll": face.head_pose.roll,
        "sha256": source.sha256,
    }
