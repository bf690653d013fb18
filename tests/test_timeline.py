"""What is saved can be read back by others: pandas, csv, json, a subtitle reader, a tab table."""

from __future__ import annotations

import csv
import dataclasses
import errno
import itertools
import json
import math
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_timeline import timeline
from mien.core.results import REASONS, Measurement
from mien.core.tasks import ACTION_UNITS, EXPRESSION
from mien.reporting.timeline import Timeline, event
from mien.reporting.timeline.segments import expression_segments, time_shares


@pytest.fixture(scope="module")
def talk() -> Timeline:
    return timeline(people=2, seconds=60)


def expected_rows(talk: Timeline) -> list[dict[str, object]]:
    """The rows as a reader of types.py would write them down, without any of timeline's code."""
    rows = []
    for e in talk.emotions:
        row = {"start": e.start, "end": e.end, "face_id": e.face, "state": e.state}
        row |= dict(zip(["x0", "y0", "x1", "y1"], e.box, strict=True)) | dict(zip(ACTION_UNITS, e.aus, strict=True))
        row |= {f"p_{c}": math.nan if e.reason else p for c, p in zip(EXPRESSION.classes, e.probs, strict=True)}
        row |= {"label": e.label, "confidence": e.confidence, "valence": e.valence, "arousal": e.arousal}
        row |= dict(zip(["pitch", "yaw", "roll"], e.pose, strict=True))
        row |= dict(zip(["gaze_yaw", "gaze_pitch"], e.gaze, strict=True))
        pulse = e.heart_rate
        row |= {"heart_rate": math.nan if pulse.value is None else pulse.value, "pulse_quality": pulse.quality,
                "pulse_method": pulse.method, "pulse_reason": pulse.reason, "abstained": bool(e.reason),
                "reason": e.reason, "read_from": e.read_from}
        rows.append(row)
    return rows


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_tables_read_back_by_pandas(talk, tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    talk.save(path)
    if suffix == ".parquet":
        back = pd.read_parquet(path)
    else:
        back = pd.read_csv(path, keep_default_na=False, na_values={c: [""] for c in expected_rows(talk)[0] if c not in (
            "label", "state", "reason", "pulse_reason", "pulse_method", "read_from")})
    pd.testing.assert_frame_equal(back, pd.DataFrame(expected_rows(talk)), rtol=1e-6, atol=1e-12,
                                  check_dtype=suffix == ".parquet")
    assert os.listdir(tmp_path) == [path.name]


def test_csv_reads_back_by_csv(talk, tmp_path):
    talk.save(tmp_path / "t.csv")
    with open(tmp_path / "t.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(talk.emotions)
    for row, e in zip(rows, talk.emotions, strict=True):
        assert float(row["AU12"] or "nan") == pytest.approx(e.aus[ACTION_UNITS.index("AU12")], rel=1e-6, nan_ok=True)
        assert row["heart_rate"] == "" if e.heart_rate.abstained else float(row["heart_rate"]) > 0


def test_events_read_back_by_json(talk, tmp_path):
    talk.save(tmp_path / "t.jsonl")

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    lines = (tmp_path / "t.jsonl").read_text("utf-8").splitlines()
    events = [json.loads(line, parse_constant=refuse) for line in lines]
    assert len(events) == len(talk.emotions)
    assert {e["schema"] for e in events} == {"mien.event/1"}
    for got, row in zip(events, talk.emotions, strict=True):
        assert (got["t"], got["window"], got["face_id"]) == (row.end, [row.start, row.end], row.face)
        assert list(got["expression"]) == ["happy", "sad", "neutral", "angry", "surprise", "disgust", "fear"]
        assert all(p is None for p in got["expression"].values()) == got["abstained"] == bool(row.reason)
        assert got["heart_rate"]["abstained"] == (got["heart_rate"]["value"] is None)
        assert list(got["heart_rate"]) == ["value", "unit", "quality", "method", "abstained", "reason"]
    reported = next(e for e in events if not e["abstained"])
    assert sum(reported["expression"].values()) == pytest.approx(1, abs=1e-5)
    assert reported["confidence"] == max(reported["expression"].values())
    assert set(json.loads(json.dumps(event(talk.emotions[0])))) == set(events[0])


def read_srt(text: str) -> list[tuple[int, int, list[str]]]:
    """An own reader of SubRip: number, times, text, blank line."""
    cues = []
    for number, block in enumerate(text.strip("\n").split("\n\n"), 1):
        lines = block.split("\n")
        assert lines[0] == str(number)
        stamps = re.fullmatch(r"(\d\d+):([0-5]\d):([0-5]\d),(\d{3}) --> (\d\d+):([0-5]\d):([0-5]\d),(\d{3})", lines[1])
        assert stamps, lines[1]
        h, m, s, ms, h2, m2, s2, ms2 = map(int, stamps.groups())
        cues.append((((h * 60 + m) * 60 + s) * 1000 + ms, ((h2 * 60 + m2) * 60 + s2) * 1000 + ms2, lines[2:]))
    return cues


def test_subtitles_say_what_the_rows_say(talk, tmp_path):
    talk.save(tmp_path / "t.srt")
    cues = read_srt((tmp_path / "t.srt").read_text("utf-8"))
    for (_, end, _), (begin, _, _) in itertools.pairwise(cues):
        assert end <= begin
    for begin, end, lines in cues:
        assert end > begin
        assert 1 <= len(lines) <= 2
    # At the middle of every row some cue is on, and says that row's label.
    for row in talk.emotions:
        middle = 500 * (row.start + row.end)
        lines = [line for begin, end, said in cues if begin <= middle < end for line in said]
        mine = [line for line in lines if line.startswith(f"face {row.face}: ")]
        assert len(mine) == 1
        assert (REASONS[row.reason] if row.reason else f": {row.label} ") in mine[0]


def test_subtitles_of_two_hours_have_hours(tmp_path):
    film = timeline(people=1, seconds=7200, step=5)
    film.save(tmp_path / "t.srt")
    cues = read_srt((tmp_path / "t.srt").read_text("utf-8"))
    assert cues[-1][1] == 7_200_000
    assert max(end - begin for begin, end, _ in cues) <= 5000


def test_elan_is_a_tab_table(talk, tmp_path):
    talk.save(tmp_path / "t.txt")
    table = pd.read_csv(tmp_path / "t.txt", sep="\t", quoting=csv.QUOTE_NONE)
    assert list(table.columns) == ["Tier", "Participant", "Begin Time - ss.msec", "End Time - ss.msec",
                                   "Duration - ss.msec", "Annotation"]
    assert set(table["Tier"]) == {f"face {f} {t}" for f in (0, 1) for t in ("expression", "state", "heart_rate")}
    begin, end, span = (table[c].to_numpy() for c in table.columns[2:5])
    np.testing.assert_allclose(end - begin, span, atol=1e-9)
    assert (span > 0).all()
    for _, tier in table.groupby("Tier"):  # ELAN refuses overlaps on one tier
        assert (tier.iloc[1:, 2].to_numpy() >= tier.iloc[:-1, 3].to_numpy()).all()
    smiles = table[(table["Tier"] == "face 0 expression") & (table["Annotation"] == "happy")]
    assert smiles["Duration - ss.msec"].sum() == pytest.approx(
        sum(e.end - e.start for e in talk.emotions if e.face == 0 and e.label == "happy"))


def test_fex_columns_and_signs(talk):
    fex = talk.to_fex()
    assert list(fex.columns[:11]) == ["input", "frame", "approx_time", "FaceRectX", "FaceRectY", "FaceRectWidth",
                                      "FaceRectHeight", "FaceScore", "Pitch", "Roll", "Yaw"]
    emotions = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
    assert [c for c in fex.columns if c in emotions] == emotions
    i = next(i for i, e in enumerate(talk.emotions) if not e.reason and abs(e.pose[1]) > 2)
    row, e = fex.iloc[i], talk.emotions[i]
    assert row["happiness"] == e.probs[0]
    assert row["anger"] == e.probs[3]
    assert row["AU12"] * 5 == pytest.approx(e.aus[8])
    assert row["FaceRectX"] + row["FaceRectWidth"] == pytest.approx(e.box[2])
    assert math.degrees(row["Yaw"]) == pytest.approx(-e.pose[1])  # py-feat: to the person's right
    assert math.degrees(row["Pitch"]) == pytest.approx(e.pose[0])  # up in both
    assert row["frame"] == round((e.start + e.end) / 2 * 29.97)
    assert (fex["Identity"] == [f"Person_{e.face}" for e in talk.emotions]).all()


def test_openface_columns_and_signs(talk):
    table = talk.to_openface()
    assert list(table.columns[:5]) == ["frame", "face_id", "timestamp", "confidence", "success"]
    i = next(i for i, e in enumerate(talk.emotions) if not e.reason and abs(e.pose[1]) > 2)
    row, e = table.iloc[i], talk.emotions[i]
    assert row["AU12_r"] == e.aus[8]
    assert math.degrees(row["pose_Rx"]) == pytest.approx(-e.pose[0])  # head up is negative (OpenFace issue 966)
    assert math.degrees(row["pose_Ry"]) == pytest.approx(-e.pose[1])  # to the person's right is positive
    assert math.degrees(row["gaze_angle_x"]) == pytest.approx(e.pose[1] + e.gaze[0])
    assert list(table["success"]) == [int(e.state == "tracked") for e in talk.emotions]


def test_at_gives_one_row_a_person(talk):
    rows = talk.at(12.3)
    assert [(r.face, r.start, r.end) for r in rows] == [(0, 12.0, 12.5), (1, 12.0, 12.5)]
    assert [r.start for r in talk.at(12.5)] == [12.5, 12.5]
    assert [r.end for r in talk.at(60.0)] == [60.0, 60.0]
    assert talk.at(60.1) == talk.at(-0.1) == []


def test_at_with_overlapping_windows_takes_the_nearest():
    rows = timeline(people=1, seconds=10, step=0.5).emotions
    wide = [dataclasses.replace(r, start=max(0, r.end - 2), end=r.end) for r in rows]
    result = Timeline(tuple(wide), (), timeline().source)
    for t in np.arange(2.0, 8.0, 0.37):
        (row,) = result.at(t)
        centres = np.array([(w.start + w.end) / 2 for w in wide])
        assert abs((row.start + row.end) / 2 - t) == pytest.approx(np.abs(centres - t).min())


@given(st.lists(st.tuples(st.floats(0.01, 3), st.floats(0.01, 5)), min_size=1, max_size=40))
def test_shares_never_overlap_and_lie_in_their_rows(rows):
    start = np.cumsum([step for step, _ in rows])
    end = np.maximum.accumulate(start + np.array([length for _, length in rows]))
    begin, stop = time_shares(start, end)
    assert (stop >= begin).all()
    assert (begin[1:] >= stop[:-1]).all()
    assert (begin >= start).all()
    assert (stop <= end).all()
    covered = sum(np.maximum(0, stop - begin))
    ticks = np.linspace(start[0], end[-1], 20_001)
    union = np.mean([((start <= t) & (t <= end)).any() for t in ticks[::50]]) * (end[-1] - start[0])
    assert covered == pytest.approx(union, rel=0.05, abs=0.05)


def test_runs():
    begin, end = np.array([0, 1, 2, 3.05, 9]), np.array([1, 2, 3, 4, 10])
    assert [(r.begin, r.end, r.value) for r in expression_segments(begin, end, list("aabbb"))] == [
        (0, 2, "a"), (2, 4, "b"), (9, 10, "b")]
    assert [(r.first, r.last) for r in expression_segments(begin, end, list("aabbb"))] == [(0, 2), (2, 4), (4, 5)]
    assert len(expression_segments(begin[:3], end[:3], list("aaa"), longest=1.0)) == 3


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl", ".srt", ".txt"])
def test_nobody_and_one_row(tmp_path, suffix):
    for number, few in enumerate((timeline(people=0), timeline(people=1, seconds=0.5))):
        few.save(tmp_path / f"{number}{suffix}")
        assert (tmp_path / f"{number}{suffix}").exists()
    if suffix in (".parquet", ".csv"):
        read = pd.read_parquet if suffix == ".parquet" else pd.read_csv
        none, first = read(tmp_path / f"0{suffix}"), read(tmp_path / f"1{suffix}")
        assert list(none.columns) == list(first.columns)
        assert (len(none), len(first)) == (0, 1)
    if suffix == ".parquet":
        assert list(none.dtypes) == list(first.dtypes)


def test_errors_say_what_was_expected(talk, tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.parquet, \.csv, \.jsonl, \.srt, \.txt, got 't\.xlsx'"):
        talk.save(tmp_path / "t.xlsx")
    row = talk.emotions[0]
    with pytest.raises(ValueError, match=r"got .*'mood'"):
        Timeline((dataclasses.replace(row, task="mood"),), (), talk.source)
    with pytest.raises(ValueError, match=r"shapes .*\(18,\).* got .*\(17,\)"):
        Timeline((dataclasses.replace(row, aus=row.aus[:17]),), (), talk.source)


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl", ".srt", ".txt"])
def test_a_full_disk_leaves_the_old_file(talk, tmp_path, suffix, monkeypatch):
    path = tmp_path / f"t{suffix}"
    timeline(people=1, seconds=5).save(path)
    old = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="free space"):
        talk.save(path)
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == [path.name]


def test_every_moment_of_two_hours_is_found():
    film = timeline(people=2, seconds=7200)
    for t in range(0, 7200, 2):
        assert len(film.at(t)) == 2


def test_the_codebook_names_every_column(talk):
    book = (Path(__file__).parent.parent / "docs" / "columns.md").read_text("utf-8")
    named = set(re.findall(r"`([^`]+)`", book))
    missing = [c for f in (talk.to_pandas(), talk.to_fex(), talk.to_openface()) for c in f.columns
               if c not in named and not re.fullmatch(r"AU\d\d(_r)?", c)]
    assert missing == []
    assert [name for name in ACTION_UNITS if name not in named] == []
    assert [key for key in event(talk.emotions[0]) if key not in named] == []
    assert [code for code in REASONS if code and code not in named] == []


def test_readings_of_rows_keep_their_own_reason(talk):
    table = talk.to_pandas()
    odd = dataclasses.replace(talk.emotions[0], heart_rate=Measurement(None, "bpm", 0.1, "POS", "flicker"), reason="")
    alone = Timeline((odd,), (), talk.source).to_pandas().iloc[0]
    assert (alone["pulse_reason"], alone["reason"], alone["abstained"]) == ("flicker", "", False)
    assert ((table["pulse_reason"] == "") == table["heart_rate"].notna()).all()
    assert (table["abstained"] == table["p_happy"].isna()).all()
