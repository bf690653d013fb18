"""The summary is strict JSON of a stated schema, and nothing of it is guessed."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fake_timeline import timeline
from mien.core.results import Measurement
from mien.reporting import summary
from mien.reporting.summary import Summary, summarize
from mien.reporting.timeline import Timeline


def strict(text: str) -> dict:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_the_fields_of_the_issue():
    result = strict(summarize(timeline(people=2)).to_json())
    assert list(result) == ["schema", "source", "faces", "session", "settings", "versions", "seconds"]
    assert result["schema"] == "mien.summary/1"
    assert {"name", "sha256", "width", "height", "frames", "duration_s", "fps_mean", "variable_frame_rate"
            } <= set(result["source"])
    face = result["faces"][0]
    assert set(face) == {"id", "coverage", "first_s", "last_s", "heart_rate", "hrv", "respiration", "expression",
                         "calibrated", "valence", "arousal", "action_units", "blink_rate", "gaze", "head_pose"}
    assert face["calibrated"] is False
    for measure in (face["heart_rate"], *face["hrv"].values(), face["respiration"], face["blink_rate"]):
        assert {"value", "unit", "quality", "method", "abstained", "reason"} <= set(measure)
    assert face["heart_rate"]["unit"] == "bpm"
    assert set(face["hrv"]) == {"rmssd", "lf_hf"}
    assert "weak evidence" in face["hrv"]["lf_hf"]["note"]
    assert list(face["expression"]) == ["happy", "sad", "neutral", "angry", "surprise", "disgust", "fear"]
    assert set(result["seconds"]) == {"decode", "track", "pulse", "model", "total"}


def test_values_are_the_persons():
    talk = timeline(people=1)
    (person,), (face,) = talk.faces, summarize(talk).faces
    assert face.heart_rate.value == person.heart_rate.value
    np.testing.assert_allclose(list(face.expression.values()), person.expression, rtol=1e-6)
    np.testing.assert_allclose(list(face.action_units.values()), person.aus, rtol=1e-6)
    assert (face.head_pose.pitch, face.head_pose.yaw, face.head_pose.roll) == tuple(person.pose)
    assert (face.gaze.yaw, face.gaze.pitch) == tuple(person.gaze)


def test_summary_has_null_for_unknown_values():
    talk = timeline(people=1)
    (person,) = talk.faces
    nothing = replace(person, coverage=0, expression=np.full(7, np.nan), valence=math.nan, arousal=math.nan,
                      aus=np.full(18, np.nan), pose=np.full(3, np.nan), gaze=np.full(2, np.nan),
                      heart_rate=Measurement(None, "bpm", 0, "", "no_face"))
    source = replace(talk.source, fps_mean=math.nan)
    empty = Timeline((), (nothing,), source, {"x": math.nan, "path": Path("a"), "n": np.float32(0.1)})
    result = strict(summarize(empty).to_json())
    face = result["faces"][0]
    assert face["expression"]["happy"] is face["valence"] is face["action_units"]["AU12"] is face["gaze"]["yaw"] is None
    assert (face["heart_rate"]["value"], face["heart_rate"]["abstained"]) == (None, True)
    assert result["source"]["fps_mean"] is None
    assert result["settings"] == {"x": None, "path": "a", "n": 0.1}
    (row,) = summarize(empty).rows()
    assert (row["label"], row["heart_rate"], row["heart_rate_reason"]) == ("", None, "no_face")


def test_it_reads_back_equal_and_refuses_what_it_does_not_know(tmp_path):
    first = summarize(timeline(people=3))
    first.save(tmp_path / "summary.json")
    assert summary.read_summary(tmp_path / "summary.json") == first
    other = strict(first.to_json()) | {"schema": "mien.summary/9"}
    (tmp_path / "summary.json").write_text(json.dumps(other))
    with pytest.raises(ValueError, match=r"summary\.json: expected a summary of the schema mien\.summary/1"):
        summary.read_summary(tmp_path / "summary.json")
    (tmp_path / "summary.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"summary\.json"):
        summary.read_summary(tmp_path / "summary.json")


@pytest.mark.parametrize("people", [0, 1, 5])
def test_it_obeys_its_own_published_schema(people):
    jsonschema = pytest.importorskip("jsonschema")
    schema = Summary.model_json_schema(by_alias=True)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(strict(summarize(timeline(people=people)).to_json()), schema)


def test_rows_are_a_table_and_the_codebook_names_them():
    table = pd.DataFrame(summarize(timeline(people=3)).rows())
    assert len(table) == 3
    assert list(table["face_id"]) == [0, 1, 2]
    assert table.loc[2, "heart_rate_reason"] == "low_snr"
    book = (Path(__file__).parent.parent / "docs" / "columns.md").read_text("utf-8")
    named = set(re.findall(r"`([^`]+)`", book))
    assert [c for c in table.columns if c not in named] == []
    schema = Summary.model_json_schema(by_alias=True)
    fields = {name for model in (schema, *schema["$defs"].values()) for name in model.get("properties", {})}
    assert [name for name in fields if name not in named] == []
