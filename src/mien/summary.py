"""What a recording says of each person, as strict JSON with a versioned schema. The models are public.

A field is added without a new version; one that changes its meaning or goes makes `mien.summary/2`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from mien import types, writing
from mien.tasks import ACTION_UNITS, named

if TYPE_CHECKING:
    from mien.timeline import Timeline

SCHEMA = "mien.summary/1"

LF_HF_NOTE = (
    "weak evidence from video: LF/HF needs beat times that a camera seldom gives, and does not measure the balance of "
    "the autonomic nervous system (Billman 2013, 10.3389/fphys.2013.00026; Shaffer & Ginsberg 2017, "
    "10.3389/fpubh.2017.00258)"
)


class Model(BaseModel):
    """Unknown fields are refused on reading, so that a misspelt or a newer file is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Measure(Model):
    """One measured quantity, or the reason why there is none."""

    value: float | None = Field(description="null when abstained")
    unit: str
    quality: float = Field(ge=0, le=1, description="of the signal, 0..1")
    method: str
    abstained: bool
    reason: str = Field(description="a reason code (docs/columns.md); empty when measured")
    note: str = Field("", description="what a reader of the value must know; usually empty")


class Source(Model):
    """The recording."""

    name: str
    sha256: str
    width: int = Field(description="px")
    height: int = Field(description="px")
    frames: int = Field(description="that were decoded")
    duration_s: float | None
    fps_mean: float | None = Field(description="Hz")
    variable_frame_rate: bool
    lost: str = Field("", description="in words, what could not be decoded; empty when all was")


class Gaze(Model):
    """Of the eyes in the head, mean, degrees."""

    yaw: float | None = Field(description="to the person's left")
    pitch: float | None = Field(description="up")


class HeadPose(Model):
    """Mean, degrees."""

    pitch: float | None = Field(description="up")
    yaw: float | None = Field(description="to the person's left")
    roll: float | None = Field(description="to the person's left shoulder")


class Face(Model):
    """One person over the whole recording."""

    id: int
    coverage: float = Field(ge=0, le=1, description="share of frames in which the face was tracked")
    first_s: float | None
    last_s: float | None
    heart_rate: Measure
    hrv: dict[str, Measure] = Field(description="rmssd in ms, lf_hf a ratio")
    respiration: Measure
    expression: dict[str, float | None] = Field(description="mean probability of each class; null when never read")
    calibrated: bool = Field(False, description="whether the probabilities were calibrated on labelled faces")
    valence: float | None = Field(description="-1..1, expectation over word norms")
    arousal: float | None = Field(description="-1..1, expectation over word norms")
    action_units: dict[str, float | None] = Field(description="mean intensity, 0..5")
    blink_rate: Measure
    gaze: Gaze
    head_pose: HeadPose


class Session(Model):
    """The answer of a model that reads whole recordings, for one person."""

    face: int | None = Field(description="whose the contact signals are taken to be; null when nobody was seen")
    label: str = Field(description="the most probable class; empty when abstained")
    probs: dict[str, float | None]
    reason: str = Field(description="a reason code; empty when there is an answer")
    used_s: dict[str, float] = Field(description="s of each channel and of the face that the answer rests on")
    notes: tuple[str, ...] = Field(description="what was assumed, and what is wrong with the signals")


class Summary(Model):
    """The content of summary.json."""

    schema_: Literal["mien.summary/1"] = Field(default="mien.summary/1", alias="schema")
    source: Source
    faces: tuple[Face, ...]
    session: Session | None = Field(None, description="of a model that reads whole recordings")
    settings: dict[str, JsonValue]
    versions: dict[str, str]
    seconds: dict[str, float | None] = Field(description="wall time of track, pulse, model and total, s; "
                                            "decode: waited for frames, which are decoded beside the rest")

    def to_json(self) -> str:
        """Strict JSON, indented, with a line end."""
        data = self.model_dump(by_alias=True, mode="json")
        return json.dumps(data, allow_nan=False, ensure_ascii=False, indent=2) + "\n"

    def save(self, path: str | Path) -> None:
        """Write it as JSON, whole or not at all."""
        writing.text(path, self.to_json())

    def rows(self) -> list[dict[str, Any]]:
        """A flat row for each person: the columns of people.csv (docs/columns.md)."""
        return [_row(self.source, face) for face in self.faces]


def read(path: str | Path) -> Summary:
    """Read a summary.json. Raises ValueError, which names the file, when it is not one of this schema."""
    try:
        return Summary.model_validate_json(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:  # pydantic's own, and text that is not UTF-8
        raise ValueError(f"{path}: expected a summary of the schema {SCHEMA}, got {error}; "
                         "analyse the recording again with --overwrite") from error


def summarize(timeline: Timeline) -> Summary:
    """Timeline -> what it says of each person over the whole recording."""
    source = timeline.source
    return Summary(
        source=Source(name=source.name, sha256=source.sha256, width=source.width, height=source.height,
                      frames=source.frames, duration_s=_number(source.duration), fps_mean=_number(source.fps_mean),
                      variable_frame_rate=source.variable_frame_rate, lost=source.lost),
        faces=tuple(_face(person) for person in timeline.faces),
        session=None if timeline.session is None else _session(timeline.session),
        settings=writing.plain(timeline.settings),
        versions=dict(timeline.versions),
        seconds={name: _number(value) for name, value in timeline.seconds.items()},
    )


def _face(person: types.Person) -> Face:
    pitch, yaw, roll = map(_number, person.pose)
    gaze_yaw, gaze_pitch = map(_number, person.gaze)
    return Face(
        id=person.id, coverage=person.coverage, first_s=_number(person.first), last_s=_number(person.last),
        heart_rate=_measure(person.heart_rate), respiration=_measure(person.respiration),
        hrv={name: _measure(value, LF_HF_NOTE if name == "lf_hf" else "") for name, value in person.hrv.items()},
        expression=dict(zip(named(person.task).classes, map(_number, person.expression), strict=True)),
        calibrated=False, valence=_number(person.valence), arousal=_number(person.arousal),
        action_units=dict(zip(ACTION_UNITS, map(_number, person.aus), strict=True)),
        blink_rate=_measure(person.blink_rate), gaze=Gaze(yaw=gaze_yaw, pitch=gaze_pitch),
        head_pose=HeadPose(pitch=pitch, yaw=yaw, roll=roll),
    )


def _session(found: types.Session) -> Session:
    task = named(found.task)
    return Session(
        face=found.face, label="" if found.reason else task.label(found.probs),
        probs=dict(zip(task.classes, map(_number, found.probs), strict=True)), reason=found.reason,
        used_s={name: round(seconds, 3) for name, seconds in found.used.items()}, notes=found.notes)


def _measure(value: types.Reading, note: str = "") -> Measure:
    return Measure(value=value.value, unit=value.unit, quality=value.quality, method=value.method,
                   abstained=value.abstained, reason=value.reason, note=note)


def _number(value: float | np.floating) -> float | None:
    """NaN and infinities are null in JSON. Seven digits: more would be a float's noise."""
    return writing.plain(float(value), digits=writing.DIGITS)


def _row(source: Source, face: Face) -> dict[str, Any]:
    measures = {"heart_rate": face.heart_rate, **face.hrv, "respiration": face.respiration,
                "blink_rate": face.blink_rate}
    known = {name: p for name, p in face.expression.items() if p is not None}
    return {
        "video": source.name, "face_id": face.id, "coverage": face.coverage, "first_s": face.first_s,
        "last_s": face.last_s,
        **{column: value for name, measure in measures.items() for column, value in (
            (name, measure.value), (f"{name}_quality", measure.quality), (f"{name}_reason", measure.reason))},
        "label": max(known, key=lambda name: known[name]) if known else "",
        **{f"p_{name}": p for name, p in face.expression.items()},
        "calibrated": face.calibrated, "valence": face.valence, "arousal": face.arousal, **face.action_units,
        "gaze_yaw": face.gaze.yaw, "gaze_pitch": face.gaze.pitch,
        "pitch": face.head_pose.pitch, "yaw": face.head_pose.yaw, "roll": face.head_pose.roll,
        "sha256": source.sha256,
    }
