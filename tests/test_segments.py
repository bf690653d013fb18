"""Means of conditions, against sums done by hand, and every kind of bad events file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fake_timeline import timeline
from mien.core.settings import Settings
from mien.reporting import events as event_tables
from mien.reporting.events import Event, EventsError
from mien.reporting.timeline import Timeline


def by_hand(talk: Timeline, face: int, column: str, spans: list[tuple[float, float]]) -> float:
    """The mean, integrated on a millisecond grid."""
    ticks = np.concatenate([np.arange(a + 0.0005, b, 0.001) for a, b in spans])
    table = talk.to_pandas()
    rows = table[table["face_id"] == face]
    at = np.searchsorted(rows["start"].to_numpy(), ticks, side="right") - 1
    return float(np.nanmean(rows[column].to_numpy(dtype=float)[at]))


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_means_and_changes(tmp_path):
    talk = timeline(people=2, seconds=60)
    events = write(tmp_path / "events.csv", "start,end,condition\n0.3,9.9,baseline\n12,27.25,film\n40,50.1,film\n")
    table = event_tables.condition_means(talk, events)
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
    table = event_tables.condition_means([first, second], events)
    assert list(zip(table["video"], table["condition"], table["baseline"], strict=True)) == [
        ("a.mp4", "rest", True), ("a.mp4", "film", False), ("b.mp4", "rest", True), ("b.mp4", "film", False)]
    change = table.loc[3, "AU12"] - table.loc[2, "AU12"]
    assert table.loc[3, "AU12_change"] == pytest.approx(change)
    assert table.loc[2, "AU12_change"] == 0
    assert len(event_tables.condition_means(timeline(name="c.mp4"), events)) == 0


def test_the_baseline_is_the_neutral_face_unless_another_is_given(tmp_path):
    from mien.inference.batch.options import AnalysisOptions
    from mien.inference.batch.process_file import FileJob, _with_baseline

    write(tmp_path / "events.csv", "start,end,condition,video\n0,8.5,baseline,a.mp4\n20,24,baseline,a.mp4\n"
          "9,20,film,\n")

    def neutral(name: str, given: str = "") -> str:
        options = AnalysisOptions(Settings(neutral=given), segments=str(tmp_path / "events.csv"))
        return _with_baseline(FileJob(name, str(tmp_path), options)).neutral

    assert neutral("a.mp4") == "spans:0.0-8.5,20.0-24.0"
    assert neutral("b.mp4") == ""
    assert neutral("a.mp4", "first:2s") == "first:2s"


def test_a_face_that_never_rests_is_named():
    from mien.core.tasks import EXPRESSION
    from mien.inference.batch.process_file import _never_rests

    talk = timeline(people=1, seconds=30.0)
    assert not _never_rests(talk, talk.faces[0])
    happy = np.eye(len(EXPRESSION.classes))[0]
    smiling = [row if row.reason else replace(row, probs=happy, label="happy", confidence=1.0) for row in talk.emotions]
    smiles = replace(talk, emotions=tuple(smiling))
    assert _never_rests(smiles, smiles.faces[0])
    given = replace(smiles, settings={**smiles.settings, "neutral": "calm.jpg"})
    assert not _never_rests(given, given.faces[0])


def test_a_person_who_was_not_there(tmp_path):
    talk = timeline(people=1, seconds=20)
    table = event_tables.condition_means(talk, [Event(100, 110, "later"), Event(0, 5, "baseline")])
    assert list(table["seconds"]) == [0, pytest.approx(5)]
    assert np.isnan(table.loc[0, "AU12"])
    assert np.isnan(table.loc[0, "AU12_change"])


def test_without_a_baseline_changes_are_empty():
    table = event_tables.condition_means(timeline(people=1), [Event(5, 10, "film")])
    assert np.isfinite(table.loc[0, "AU12"])
    assert np.isnan(table.loc[0, "AU12_change"])
    assert not table.loc[0, "baseline"]


def test_overlaps_of_one_condition_count_once_and_conditions_may_overlap():
    talk = timeline(people=1)
    twice = event_tables.condition_means(talk, [Event(5, 10, "film"), Event(8, 12, "film"), Event(0, 60, "all")])
    once = event_tables.condition_means(talk, [Event(5, 12, "film"), Event(0, 60, "all")])
    pd.testing.assert_frame_equal(twice, once)


def test_windows_that_overlap_are_not_counted_twice():
    talk = timeline(people=1, abstains=False)
    wide = Timeline(tuple(replace(row, start=max(0.0, row.end - 2)) for row in talk.emotions), (), talk.source)
    table = event_tables.condition_means(wide, [Event(10, 40, "film")])
    assert table.loc[0, "seconds"] == pytest.approx(30)


def test_tables_that_were_saved_give_the_same(tmp_path):
    talk = timeline(people=2)
    talk.save(tmp_path / "t.parquet")
    events = (Event(0, 10, "baseline"), Event(10, 30, "film"))
    again = event_tables.means_of_table(pd.read_parquet(tmp_path / "t.parquet"), talk.source.name, events)
    pd.testing.assert_frame_equal(again, event_tables.condition_means(talk, events))


@pytest.mark.parametrize("nobody", [True, False])
def test_nobody_at_all(nobody):
    table = event_tables.condition_means(timeline(people=0) if nobody else [], [Event(0, 10, "film")])
    assert len(table) == 0
    assert "condition" in table.columns


@pytest.mark.parametrize("text", [
    "start,end,condition\r\n1,2.5,film\r\n",
    "\ufeffstart,end,condition\n1,2.5,film\n",
    "Start , End, Condition \n\n 1, 2.5 , film\n\n",
    "start;end;condition\n1;2,5;film\n",
    "start\tend\tcondition\n1\t2.5\tfilm",
    'condition,note,end,start\nfilm,"a, b",2.5,1\n',
    "start,end,condition\n0:01,0:02.5,film\n",
    "start,end,condition\n00:00:01,00:00:02.500,film\n",
    "start (ms),end (ms),condition\n1000,2500,film\n",
    "start_ms,end_ms,condition\n1000,2500,film\n",
    "start,end,condition\nms,ms,\n1000,2500,film\n",
    "start,end,condition\n1 s,2500 ms,film\n",
    "onset\tduration\ttrial_type\n1.0\t1.5\tfilm\n",
    "start,stop,condition\n1,2.5,film\n",
    "Tier\tBegin Time - hh:mm:ss.ms\tEnd Time - hh:mm:ss.ms\tAnnotation\nx\t00:00:01.000\t00:00:02.500\tfilm\n",  # ELAN
    "Observation id,Behavior,Start (s),Stop (s),Duration (s)\no,film,1,2.5,1.5\n",  # BORIS
    "tmin\ttier\ttext\ttmax\n1\tx\tfilm\t2.5\n",  # Praat
    "Beginn;Ende;Bedingung\n1,0;2,5;film\n",
    "# events\nsep=;\nstart;end;condition\n00:01,0;00:02,5;film\n",
    "onset,offset,condition\n1,2.5,film\n",
    "onset,offset,duration,label,value\n1,2.5,1.5,film,7\n",
    *(f"start_{unit},end_{unit},condition\n{1 * size:.9g},{2.5 * size:.9g},film\n"
      for unit, size in (("us", 1e6), ("ns", 1e9), ("sec", 1), ("min", 1 / 60))),
    "begin_time,end_time,task\n1,2.5,film\n",
    "StartTime,EndTime,Condition\n1,2.5,film\n",
    "t_start,t_end,stimulus\n1,2.5,film\n",
    "time_start,time_end,block\n1,2.5,film\n",
    "Onset Time;Offset Time;Behavior\n00:00:01.000;00:00:02.500;film\n",
    "onset\tduration\tsample\ttrial_type\tvalue\n1.0\t1.5\t100\tfilm\t1\n1.5\tn/a\t150\tkey\t2\n"
    "1.6\t0\t160\tkey\t2\n1.7\t0.1\t170\tn/a\t2\n",  # BIDS
    "Begin Time - ss.msec\tEnd Time - ss.msec\tDuration - ss.msec\temotion\tAnnotation\n1.0\t2.5\t1.5\t\tfilm\n",
    "Tier\tBegin Time - hh:mm:ss.ms\tBegin Time - ss.msec\tBegin Time - msec\tEnd Time - hh:mm:ss.ms\t"
    "End Time - ss.msec\tEnd Time - msec\tAnnotation\nx\t00:00:01.000\t1.0\t1000\t00:00:02.500\t2.5\t2500\tfilm\n",
    "x\t\t00:00:01.000\t00:00:02.500\t00:00:01.500\tfilm\n",  # ELAN without a header
    "x\tP1\t1.0\t2.5\t1.5\tfilm\n",
    "x\t\t00:00:01.000\t1.0\t1000\t00:00:02.500\t2.5\t2500\t00:00:01.500\t1.5\t1500\tfilm\n",
    '"#file:///C:/a.eaf -- offset: 0"\nx\t\t00:00:01.000\t00:00:02.500\t00:00:01.500\tfilm\n',
    "1.000000\t2.500000\tfilm\n",  # Audacity
    "1,2.5,film\n",
    "Observation id,Observation date,Description,Media file,Start time,Stop time,Subject,Behavior,Behavioral category,"
    "Modifiers,Behavior type,Start (s),Stop (s),Duration (s),Comment start,Comment stop\n"
    "o,2021-12-06 13:26:24,,a.mp4,2000-01-01T00:00:00,2000-01-01T00:00:00,P,film,,,STATE,1,2.5,1.5,,\n"
    "o,2021-12-06 13:26:24,,a.mp4,2000-01-01T00:00:00,2000-01-01T00:00:00,P,key,,,POINT,2,2,0,,\n",
    "Observation id,Description,Time offset (s),Media duration (s),Subject,Behavior,Behavioral category,Behavior type,"
    "Time,Media file name,Comment\no,,0,10,P,film,,START,1.0,a.mp4,\no,,0,10,P,key,,POINT,1.5,a.mp4,\n"
    "o,,0,10,P,film,,STOP,2.5,a.mp4,\n",
    "line\ttmin\ttier\ttext\ttmax\n1\t0\tx\t\t1\n2\t1\tx\tfilm\t2.5\n",
])
def test_forms_that_spreadsheets_write(tmp_path, text):
    (event,) = event_tables.read_events(write(tmp_path / "e.csv", text))
    assert (event.start, event.end) == pytest.approx((1, 2.5))
    assert event.condition == "film"


@pytest.mark.parametrize(("text", "message"), [
    ("", r"e\.csv: expected a table, got an empty file"),
    ("start,end,condition\n", r"e\.csv: .*got only a header"),
    ("start,close,condition\n1,2,film\n", r"line 1: expected the columns start, end, condition, got start, close, "
                                          r"condition; add end"),
    ("start,end,condition,end\n1,2,a,3\n", r"line 1: expected each column once, got end twice"),
    ("start,end,condition\n1,2,a\n5,4,b\n", r"line 3: expected an end after the start of 5 s, got 4 s"),
    ("start,end,condition\n1,1,a\n", r"line 2: expected an end after the start"),
    ("start,end,condition\n\n1:90,2,a\n", r"line 3: expected start in seconds such as 12\.5, or min:s .*, got '1:90'"),
    ("start,end,condition\n0:00:01:12,2,a\n", r"line 2: expected start in seconds such .*, got '0:00:01:12'"),
    ("start,end,condition\n0:00:01:12,2,a\n", r"a time code with frames: write seconds"),
    ("start,end,condition\n2026-01-31T12:00:00,2026-01-31T12:00:09,a\n",
     r"line 2: expected start in .*, got '2026-01-31T12:00:00': say with --segments-start what"),
    ("start,end,condition\n1760000000,1760000009,a\n", r"line 2: .* got '1760000000', a date: say with --segments-sta"),
    ("start,end,condition\n1,nan,a\n", r"line 2: expected end in seconds"),
    ("start,end,condition\n1,,a\n", r"line 2: expected end in seconds such as 12\.5, or min:s .*, got ''"),
    ("start,end,condition\n1,2,\n", r"line 2: expected a condition's name"),
    ("start,end,condition\n1,2,a,b\n", r"line 2: expected 3 cells, got 4"),
    ("start,end,condition,baseline\n1,2,a,maybe\n", r"line 2: expected yes or no in baseline, got 'maybe'"),
    ("start,end,condition\n1,2,a\n3\n", r"line 3: expected end in seconds such as 12\.5, or min:s .*, got ''"),
    ("start,end,condition\n1,2,a\0b\n", r"line 2: expected a table in text, got zero bytes"),
    ("x\t\t1000\t2500\t1500\tfilm\n", r"line 1: expected a header or seconds .*, got 1000 and 2500, in s or ms"),
    ('File type = "ooTextFile"\nObject class = "TextGrid"\n', r"e\.csv: expected a table, got a file of Praat"),
    ("1\n00:00:01,000 --> 00:00:02,500\nfilm\n", r"e\.csv: expected a table, got subtitles"),
    ('<?xml version="1.0"?>\n<ANNOTATION_DOCUMENT/>\n', r"e\.csv: expected a table, got XML"),
    ("Time,Behavior,Status\n1,a,START\n2,a,START\n", r"line 3: expected start and stop of a by turns, .* got 'START'"),
    ("Time,Behavior,Status\n1,a,START\n2,a,STOP\n3,a,START\n", r"line 4: expected a stop of a, got none"),
])
def test_bad_files_are_named_with_their_line(tmp_path, text, message):
    with pytest.raises(EventsError, match=message) as e:
        event_tables.read_events(write(tmp_path / "e.csv", text))
    assert "\n" not in str(e.value)
    assert str(e.value).startswith(str(tmp_path / "e.csv"))


@pytest.mark.parametrize(("begin", "end", "start"), [
    ("2026-01-31T12:00:12.5", "2026-01-31T12:01:00", "2026-01-31T12:00:00"),
    ("31.01.2026 12:00:12,5", "31.01.2026 12:01:00", "31.01.2026 12:00:00"),
    ("12:00:12.5", "12:01:00", "12:00:00"), ("12:00:12.5", "12:01:00", "12:00"),
    ("2026-01-31 12:00:12.5", "2026-01-31 12:01:00", "12:00:00"), ("00:00:02.5", "00:00:50", "23:59:50"),
    ("1760000012.5", "1760000060", "1760000000"), ("1760000012500", "1760000060000", "1760000000000"),
    ("1760000012.5", "1760000060", "2025-10-09T08:53:20Z"), ("112.5", "160", "100"),
])
def test_times_by_a_clock_need_what_it_shows_at_the_start(tmp_path, begin, end, start):
    path = write(tmp_path / "e.csv", f"start;end;condition\n{begin};{end};film\n")
    (event,) = event_tables.read_events(path, start)
    assert (event.start, event.end) == pytest.approx((12.5, 60.0), abs=1e-5)


def test_what_is_left_out_is_noted(tmp_path):
    path = write(tmp_path / "e.tsv", "onset\tduration\ttrial_type\n1\t1\tfilm\n3\t0\tkey\n4\tn/a\tkey\n5\t1\tn/a\n")
    notes: list[str] = []
    assert len(event_tables.read_events(path, notes=notes)) == 1
    assert notes == ["1 rows without a label are left out, first line 5",
                     "2 events without a length are left out, first line 3"]


def test_a_condition_may_be_called_none(tmp_path):
    path = write(tmp_path / "e.csv", "start,end,condition\n1,2,none\n2,3,n/a\n")
    assert [event.condition for event in event_tables.read_events(path)] == ["none", "n/a"]


def test_a_clock_that_does_not_fit_the_start_is_refused(tmp_path):
    path = write(tmp_path / "e.csv", "start,end,condition\n12:00:00,12:00:05,film\n")
    with pytest.raises(EventsError, match="--segments-start: expected a date"):
        event_tables.read_events(path, "noon")


def test_other_encodings_are_read(tmp_path):
    for encoding in ("latin-1", "utf-16", "utf-16-le", "utf-8-sig"):
        (tmp_path / "e.csv").write_bytes("start,end,condition\n1,2,Ärger\n".encode(encoding))
        assert event_tables.read_events(tmp_path / "e.csv")[0].condition == "Ärger"
    with pytest.raises(FileNotFoundError):
        event_tables.read_events(tmp_path / "none.csv")


@pytest.mark.parametrize(("path", "video", "same"), [
    ("talk.mp4", "talk.mp4", True), ("talk", "talk.mp4", True), ("TALK.mp4", "talk.MP4", True),
    ("a/talk.mp4", "b/talk.mp4", False), ("talk.mp4", "a/talk.mp4", True), ("a\\talk.mp4", "a/talk.mp4", True),
    ("a/talk.mp4", "talk.mp4", True), ("talk.avi", "talk.mp4", False), ("alk", "talk.mp4", False), ("", "x.mp4", True),
])
def test_names_of_videos(path, video, same):
    assert Event(0, 1, "a", path).concerns(video) is same
