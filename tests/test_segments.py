"""Means of conditions, against sums done by hand, and every kind of bad events file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fake_timeline import timeline
from mien import segments
from mien.segments import Event, EventsError
from mien.timeline import Timeline


def by_hand(talk: Timeline, face: int, column: str, spans: list[tuple[float, float]]) -> float:
    """The mean, integrated on a millisecond grid."""
    ticks = np.concatenate([np.arange(a + 0.0005, b, 0.001) for a, b in spans])
    table = talk.to_pandas()
    own = table[table["face_id"] == face]
    at = np.searchsorted(own["start"].to_numpy(), ticks, side="right") - 1
    return float(np.nanmean(own[column].to_numpy(dtype=float)[at]))


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_means_and_changes(tmp_path):
    talk = timeline(people=2, seconds=60)
    events = write(tmp_path / "events.csv", "start,end,condition\n0.3,9.9,baseline\n12,27.25,film\n40,50.1,film\n")
    table = segments.means(talk, events)
    assert list(table["face_id"]) == [0, 0, 1, 1]
    assert list(table["condition"]) == ["baseline", "film"] * 2
    assert list(table["baseline"]) == [True, False] * 2
    for _, row in table.iterrows():
        spans = [(0.3, 9.9)] if row["condition"] == "baseline" else [(12, 27.25), (40, 50.1)]
        assert row["seconds"] == pytest.approx(sum(b - a for a, b in spans))
        for column in ("AU12", "p_happy", "valence", "pitch", "pulse_quality", "abstained", "x0"):
            mean = by_hand(talk, row["face_id"], column, spans)
            assert row[column] == pytest.approx(mean, abs=1e-3), column
            base = by_hand(talk, row["face_id"], column, [(0.3, 9.9)])
            assert row[f"{column}_change"] == pytest.approx(mean - base, abs=2e-3), column
    assert table["heart_rate"].isna().tolist() == [True, False] * 2  # too short in the first 10 s
    numeric = talk.to_pandas().select_dtypes(["number", "bool"]).columns.drop(["start", "end", "face_id"])
    assert {*numeric, *(f"{c}_change" for c in numeric)} <= set(table.columns)


def test_a_column_may_mark_the_baseline_and_name_the_video(tmp_path):
    first, second = timeline(name="a.mp4", people=1), timeline(name="b.mp4", people=1, seed=8)
    events = write(tmp_path / "e.csv", "video,start,end,condition,baseline\n"
                   "a.mp4,0,5,rest,yes\na.mp4,20,30,film,no\nsub/b,5,10,rest,1\nB.MP4,20,30,film,\n")
    table = segments.means([first, second], events)
    assert list(zip(table["video"], table["condition"], table["baseline"], strict=True)) == [
        ("a.mp4", "rest", True), ("a.mp4", "film", False), ("b.mp4", "rest", True), ("b.mp4", "film", False)]
    change = table.loc[3, "AU12"] - table.loc[2, "AU12"]
    assert table.loc[3, "AU12_change"] == pytest.approx(change)
    assert table.loc[2, "AU12_change"] == 0
    assert len(segments.means(timeline(name="c.mp4"), events)) == 0


def test_a_person_who_was_not_there(tmp_path):
    talk = timeline(people=1, seconds=20)
    table = segments.means(talk, [Event(100, 110, "later"), Event(0, 5, "baseline")])
    assert list(table["seconds"]) == [0, pytest.approx(5)]
    assert np.isnan(table.loc[0, "AU12"])
    assert np.isnan(table.loc[0, "AU12_change"])


def test_without_a_baseline_changes_are_empty():
    table = segments.means(timeline(people=1), [Event(5, 10, "film")])
    assert np.isfinite(table.loc[0, "AU12"])
    assert np.isnan(table.loc[0, "AU12_change"])
    assert not table.loc[0, "baseline"]


def test_overlaps_of_one_condition_count_once_and_conditions_may_overlap():
    talk = timeline(people=1)
    twice = segments.means(talk, [Event(5, 10, "film"), Event(8, 12, "film"), Event(0, 60, "all")])
    once = segments.means(talk, [Event(5, 12, "film"), Event(0, 60, "all")])
    pd.testing.assert_frame_equal(twice, once)


def test_windows_that_overlap_are_not_counted_twice():
    talk = timeline(people=1, abstains=False)
    wide = Timeline(tuple(replace(row, start=max(0.0, row.end - 2)) for row in talk.emotions), (), talk.source)
    table = segments.means(wide, [Event(10, 40, "film")])
    assert table.loc[0, "seconds"] == pytest.approx(30)


def test_tables_that_were_saved_give_the_same(tmp_path):
    talk = timeline(people=2)
    talk.save(tmp_path / "t.parquet")
    events = (Event(0, 10, "baseline"), Event(10, 30, "film"))
    again = segments.of_table(pd.read_parquet(tmp_path / "t.parquet"), talk.source.name, events)
    pd.testing.assert_frame_equal(again, segments.means(talk, events))


@pytest.mark.parametrize("nobody", [True, False])
def test_nobody_at_all(nobody):
    table = segments.means(timeline(people=0) if nobody else [], [Event(0, 10, "film")])
    assert len(table) == 0
    assert "condition" in table.columns


@pytest.mark.parametrize("text", [
    "start,end,condition\r\n1,2.5,film\r\n",
    "\ufeffstart,end,condition\n1,2.5,film\n",
    "Start , End, Condition \n\n 1, 2.5 , film\n\n",
    "start;end;condition\n1;2,5;film\n",
    "start\tend\tcondition\n1\t2.5\tfilm",
    'condition,note,end,start\nfilm,"a, b",2.5,1\n',
])
def test_forms_that_spreadsheets_write(tmp_path, text):
    (event,) = segments.read(write(tmp_path / "e.csv", text))
    assert (event.start, event.end, event.condition) == (1, 2.5, "film")


@pytest.mark.parametrize(("text", "message"), [
    ("", r"e\.csv: expected a header \(start,end,condition\).*got an empty file"),
    ("start,end,condition\n", r"e\.csv: .*got only a header"),
    ("start,stop,condition\n1,2,film\n", r"line 1: expected the columns start, end, condition, got start, stop, "
                                         r"condition; add end"),
    ("start,end,condition,end\n1,2,a,3\n", r"line 1: expected each column once, got end twice"),
    ("start,end,condition\n1,2,a\n5,4,b\n", r"line 3: expected an end after the start of 5 s, got 4 s"),
    ("start,end,condition\n1,1,a\n", r"line 2: expected an end after the start"),
    ("start,end,condition\n\n1:30,2,a\n", r"line 3: expected start in seconds, such as 12\.5, got '1:30'"),
    ("start,end,condition\n1,nan,a\n", r"line 2: expected end in seconds"),
    ("start,end,condition\n1,,a\n", r"line 2: expected end in seconds, such as 12\.5, got ''"),
    ("start,end,condition\n1,2,\n", r"line 2: expected a condition's name"),
    ("start,end,condition\n1,2,a,b\n", r"line 2: expected 3 cells .*got 4"),
    ("start,end,condition,baseline\n1,2,a,maybe\n", r"line 2: expected yes or no in baseline, got 'maybe'"),
    ("start,end,condition\n1,2,a\n3\n", r"line 3: expected end in seconds, such as 12\.5, got ''"),
    ("start,end,condition\n1,2,a\0b\n", r"expected text, got a zero byte"),
])
def test_bad_files_are_named_with_their_line(tmp_path, text, message):
    with pytest.raises(EventsError, match=message) as e:
        segments.read(write(tmp_path / "e.csv", text))
    assert "\n" not in str(e.value)
    assert str(tmp_path / "e.csv") in str(e.value)


def test_other_encodings_are_named(tmp_path):
    (tmp_path / "e.csv").write_bytes("start,end,condition\n1,2,Ärger\n".encode("latin-1"))
    with pytest.raises(EventsError, match=r"e\.csv: expected UTF-8 text, got byte 0xc4"):
        segments.read(tmp_path / "e.csv")
    with pytest.raises(FileNotFoundError):
        segments.read(tmp_path / "none.csv")


@pytest.mark.parametrize(("own", "video", "same"), [
    ("talk.mp4", "talk.mp4", True), ("talk", "talk.mp4", True), ("TALK.mp4", "talk.MP4", True),
    ("a/talk.mp4", "b/talk.mp4", False), ("talk.mp4", "a/talk.mp4", True), ("a\\talk.mp4", "a/talk.mp4", True),
    ("a/talk.mp4", "talk.mp4", True), ("talk.avi", "talk.mp4", False), ("alk", "talk.mp4", False), ("", "x.mp4", True),
])
def test_names_of_videos(own, video, same):
    assert Event(0, 1, "a", own).concerns(video) is same
