"""Tables as devices and office programs write them: one reader for signals, events, manifests, lists, action units."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.text_tables import TableError, has_columns, number_format, read_table
from mien.datasets import readers
from mien.datasets.readers import clock_columns, csv_signals, tables
from mien.datasets.readers.physiology_sync import contact_signals
from mien.reporting import events

T = np.arange(0, 30, 0.01)
WAVE = np.sin(2 * np.pi * 1.2 * T)
BEGIN = 1764424800  # 2025-11-29 14:00:00 UTC


def rows(form) -> list[str]:
    return [form(a, b) for a, b in zip(T, WAVE, strict=True)]


PLAIN = rows(lambda a, b: f"{a:.3f},{b:.4f}")


def stamps(form: str, clock: Callable[[float], float] = float) -> list[str]:
    """Rows whose dates are written by a strftime form, %f cut to ms; `clock` turns s into what the device shows."""
    moments = [datetime.fromtimestamp(BEGIN, UTC) + timedelta(milliseconds=round(1000 * clock(a))) for a in T]
    return [m.strftime(form.replace("%f", f"{m.microsecond // 1000:03d}")) for m in moments]


def dated(form: str, delimiter: str = ",") -> list[str]:
    return [f"{stamp}{delimiter}{b:.4f}" for stamp, b in zip(stamps(form), WAVE, strict=True)]


def numbered(step: float, digits: int = 0, origin: float = 0.0) -> list[str]:
    """Rows whose time is a number: s times `step`, from `origin` s on."""
    return [f"{(origin + a) * step:.{digits}f},{b:.4f}" for a, b in zip(T, WAVE, strict=True)]


def numbered_rows(form: str, delimiter: str = ",") -> list[str]:
    """Rows that begin with their number, from 1."""
    return [form.format(i, row.replace(",", delimiter)) for i, row in enumerate(PLAIN, 1)]


OPENSIGNALS = {"00:07:80:3B:46:63": {"device": "biosignalsplux", "sampling rate": 100, "label": ["CH1", "CH2"],
                                     "sensor": ["BVP", "RAW"], "column": ["nSeq", "DI", "CH1", "CH2"]}}

FORMS: dict[str, tuple[list[str], str]] = {
    "plain": (["time,ppg", *PLAIN], "utf-8"),
    "semicolons, decimal commas": (["time;ppg", *(row.replace(",", ";").replace(".", ",") for row in PLAIN)], "utf-8"),
    "comment lines above": (["# Device 7, 100 Hz", "# started 2025-11-29", "time,ppg", *PLAIN], "utf-8"),
    "sep=, (Excel, Shimmer)": (["sep=,", "time,ppg", *PLAIN], "utf-8"),
    "row of units below": (["time,ppg", "s,a.u.", *PLAIN], "utf-8"),
    "Elapsed Time": (["Elapsed Time,ppg", *PLAIN], "utf-8"),
    "unix_time": (["unix_time,ppg", *PLAIN], "utf-8"),
    "local_timestamp": (["local_timestamp,ppg", *PLAIN], "utf-8"),
    "hh:mm:ss.fff": (["time,ppg", *rows(lambda a, b: f"14:00:{a:06.3f},{b:.4f}")], "utf-8"),
    "dd.mm.yyyy hh:mm:ss": (["time,ppg", *rows(lambda a, b: f"29.11.2025 14:00:{a:06.3f},{b:.4f}")], "utf-8"),
    "UTF-16 (Excel 'Unicode text')": (["time\tppg", *(row.replace(",", "\t") for row in PLAIN)], "utf-16"),
    "Latin-1 with µ": (["time,ppg,eda (µS)", *(row + ",1" for row in PLAIN)], "latin-1"),
    "blanks between columns": (["time ppg", *(row.replace(",", " ") for row in PLAIN)], "utf-8"),
    # of other devices and programs
    "UTF-16 without a mark": (["time\tppg", *(row.replace(",", "\t") for row in PLAIN)], "utf-16-le"),
    "UTF-8 with a mark": (["time,ppg", *PLAIN], "utf-8-sig"),
    "old Mac line ends": (["\r".join(["time,ppg", *PLAIN])], "utf-8"),
    "numpy's header in a comment": (["# time,ppg", *PLAIN], "utf-8"),
    "MATLAB's comments": (["% subject 3", "time,ppg", *PLAIN], "utf-8"),
    "aligned with many blanks": (["  time      ppg", *rows(lambda a, b: f"{a:10.3f}  {b:8.4f}")], "utf-8"),
    "decimal commas in quotes": (["time,ppg", *rows(lambda a, b: f'"{a:.3f}","{b:.4f}"'.replace(".", ","))],
                                 "utf-8"),
    "French, blanks in thousands": (
        ["temps;ppg", *rows(lambda a, b: f"{a:.3f};1\u00a0{b + 200:.2f}".replace(".", ","))], "cp1252"),
    "titles above": (["Study 4", "Subject;S01", "", "time;ppg", *(row.replace(",", ";") for row in PLAIN)], "utf-8"),
    "separator at the end of rows": (["time,ppg", *(row + "," for row in PLAIN)], "utf-8"),
    "comments between rows": (["time,ppg", *PLAIN[:9], "# stimulus on", *PLAIN[9:]], "utf-8"),
    "Shimmer": (["sep=\t", "Shimmer_8EF3_Timestamp_Unix_CAL\tShimmer_8EF3_PPG_A13_CAL", "ms\tmV",
                 *(row.replace(",", "\t") for row in numbered(1e3, 3, BEGIN))], "utf-8"),
    "Shimmer, older": (["Timestamp\tPPG", "CAL\tCAL", "mSecs\tmVolts",
                        *(row.replace(",", "\t") for row in numbered(1e3, 3))], "utf-8"),
    "Polar": (["Phone timestamp;sensor timestamp [ns];timestamp [ms];ppg [a.u.]",
               *(f"{stamp};{599616e12 + a * 1e9:.0f};{a * 1e3:.1f};{b:.4f}"
                 for stamp, a, b in zip(stamps("%Y-%m-%dT%H:%M:%S.%f"), T, WAVE, strict=True))], "utf-8"),
    "Empatica EmbracePlus": (["unix_timestamp,bvp", *numbered(1e6, 0, BEGIN)], "utf-8"),
    "PhysioKit": (["EDA,PPG Finger,arduino_ts,event_code",
                   *(f"1672.0,{b:.4f},{2661886 + 1000 * a:.1f}," for a, b in zip(T, WAVE, strict=True))], "utf-8"),
    "AcqKnowledge": (["s01.acq", "10 msec/sample", "2 channels", "PPG100C", "Volts", "EDA100C", "microsiemens",
                      "min,CH1,CH2,", ",3000,3000,", *rows(lambda a, b: f"{a / 60:.8f},{b:.4f},1.0,")], "utf-8"),
    "AcqKnowledge without times": (["s01.acq", "10 msec/sample", "2 channels", "PPG100C", "Volts", "EDA100C",
                                    "microsiemens", "CH1,CH2,", "3000,3000,", *rows(lambda a, b: f"{b:.4f},1.0,")],
                                   "utf-8"),
    "Zephyr": (["Time,PpgWaveform", *dated("%d/%m/%Y %H:%M:%S.%f")], "utf-8"),
    "iMotions": (["#INFO,,", "#Study name,Study,", "#DATA,,", "Row,Timestamp,PPG Shimmer CAL",
                  *(f"{i},{1000 * a:.4f},{b:.4f}" for i, (a, b) in enumerate(zip(T, WAVE, strict=True)))], "utf-8"),
    "LabChart": (["Interval=\t0.01 s", "ExcelDateTime=\t4.599e+04\t29/11/2025 14:00:00", "ChannelTitle=\tPPG\tResp",
                  "Range=\t10 V\t10 V", *rows(lambda a, b: f"{a:.3f}\t{b:.4f}\t0.1"), "30.0\t0.0\t0.1\t#* end"],
                 "latin-1"),
    "OpenSignals": (["# OpenSignals Text File Format", f"# {json.dumps(OPENSIGNALS)}", "# EndOfHeader",
                     *rows(lambda a, b: f"{round(a * 100) % 16}\t0\t{b:.4f}\t7\t")], "utf-8"),
    "date and time in two columns": (
        ["Date,Time,ppg", *(f"29/11/2025,{row}" for row in dated("%H:%M:%S.%f"))], "utf-8"),
    # of R, pandas, spreadsheets and statistics programs
    "R's write.table": (['"time" "ppg" "eda"', *numbered_rows('"{}" {} NA', " ")], "utf-8"),
    "R's write.table without quotes": (["time\tppg", *numbered_rows("{}\t{}", "\t")], "utf-8"),
    "R's write.table with commas": (['"time","ppg"', *numbered_rows('"{}",{}')], "utf-8"),
    "R's write.table, names of rows": (['"time" "ppg"', *numbered_rows('"row{}" {}', " ")], "utf-8"),
    "R's write.table, decimal commas": (
        ['"time";"ppg"', *(row.replace(".", ",") for row in numbered_rows('"{}";{}', ";"))], "utf-8"),
    "R's write.csv": (['"","time","ppg"', *numbered_rows('"{}",{}')], "utf-8"),
    "pandas' row numbers": ([",time,ppg", *numbered_rows("{},{}")], "utf-8"),
    "pandas' index of times": ([",ppg", *PLAIN], "utf-8"),
    "pandas' index of dates": ([",ppg", *dated("%Y-%m-%d %H:%M:%S.%f")], "utf-8"),
    "European CSV, two separators at the end": (
        ["time;ppg;;", *(row.replace(",", ";").replace(".", ",") + ";;" for row in PLAIN)], "cp1252"),
    "single quotes around decimal commas": (
        ["'time','ppg'", *("'" + row.replace(",", "','").replace(".", ",") + "'" for row in PLAIN)], "utf-8"),
    "backticks": (["`time`,`ppg`", *("`" + row.replace(",", "`,`") + "`" for row in PLAIN)], "utf-8"),
    "typographic quotes": (["\u201ctime\u201d,\u201cppg\u201d",
                            *("\u201c" + row.replace(",", "\u201d,\u201c") + "\u201d" for row in PLAIN)], "utf-8"),
    "each line in quotes": (['"time,""ppg"""', *(f'"{row}"' for row in PLAIN)], "utf-8"),
    "SPSS, points for missing values": (
        ["time\tppg\teda", *(row.replace(",", "\t") + "\t." for row in PLAIN)], "utf-8"),
    "SPSS, no zero in front": (
        ["time;ppg", *(re.sub(r"(^|;|-)0,", r"\1,", row.replace(",", ";").replace(".", ",")) for row in PLAIN)],
        "utf-8"),
    "JASP, empty labels": (["time,ppg,group", *(row + ',""' for row in PLAIN)], "utf-8"),
    "German columns": (["Datum;Uhrzeit;PPG", *(f"29.11.2025;{row}" for row in dated("%H:%M:%S,%f", ";"))], "cp1252"),
}


def known_share(path: Path, **options) -> float:
    result = readers.contact_signals(path, seconds=30.0, **options)
    match = result.find("ppg")
    assert match is not None, result.signals[0].names
    return float(np.isfinite(match[0].values[match[1]]).mean())


@pytest.mark.parametrize("name", FORMS)
def test_forms_of_devices_and_offices_are_read(tmp_path, name) -> None:
    lines, encoding = FORMS[name]
    path = tmp_path / "table.csv"
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
    result = readers.contact_signals(path, seconds=30.0)
    signal, row = result.find("ppg")
    assert signal.rate == pytest.approx(100.0, rel=1e-3)
    values = signal.values[row]
    assert np.isfinite(values).mean() > 0.99
    if name != "French, blanks in thousands":
        at = np.arange(len(values)) / signal.rate
        known = np.isfinite(values)
        np.testing.assert_allclose(values[known], np.interp(at[known], T, WAVE), atol=0.01)


CLOCK_FORMS = {
    "dates": (stamps("%Y-%m-%dT%H:%M:%S.%f"), "timestamp"),
    "dates with a zone": (stamps("%Y-%m-%dT%H:%M:%S.%f+01:00"), "timestamp"),
    "dates, decimal commas": ([f'"{s}"' for s in stamps("%Y-%m-%d %H:%M:%S,%f")], "timestamp"),
    "American dates": (stamps("%m/%d/%Y %I:%M:%S.%f %p"), "timestamp"),
    "British dates": (stamps("%d/%m/%Y %H:%M:%S.%f"), "timestamp"),
    "month by name": (stamps("%d-%b-%Y %H:%M:%S.%f"), "timestamp"),
    "hh:mm:ss:fff": (stamps("%H:%M:%S:%f"), "local time"),
    "over midnight": ([f"{'23:59' if a < 5 else '00:00'}:{(55 + a) % 60:06.3f}" for a in T], "time"),
    "mm:ss.f": ([f"{int(a) // 60:02d}:{a % 60:06.3f}" for a in T], "Elapsed Time"),
    "seconds since 1970": ([f"{BEGIN + a:.3f}" for a in T], "timestamp"),
    "ms since 1970": ([f"{(BEGIN + a) * 1e3:.0f}" for a in T], "timestamp (ms)"),
    "ms since 1970, no unit": ([f"{(BEGIN + a) * 1e3:.0f}" for a in T], "timestamp"),
    "us since 1970, no unit": ([f"{(BEGIN + a) * 1e6:.0f}" for a in T], "sensor_ts"),
    "ns since 1970, no unit": ([f"{BEGIN * 10**9 + round(a * 1e9)}" for a in T], "unix_time"),
    "days of a spreadsheet": ([f"{45990 + a / 86400:.9f}" for a in T], "time"),
    "uptime": ([f"{5000 + a:.3f}" for a in T], "timestamp"),
    "uptime in ms": ([f"{5e6 + 1000 * a:.0f}" for a in T], "timestamp (ms)"),
    "uptime in us, no unit": ([f"{1.2e9 + 1e6 * a:.0f}" for a in T], "arduino_ts"),
    "uptime in min": ([f"{300 + a / 60:.7f}" for a in T], "time (min)"),
    "before the start": ([f"{a - 3:.3f}" for a in T], "t"),
}


@pytest.mark.parametrize("name", CLOCK_FORMS)
def test_the_first_row_is_the_origin_of_every_clock(tmp_path, name) -> None:
    """Tables that are alike but for how they write the time give the same signal, when nothing is said."""
    times, column = CLOCK_FORMS[name]
    path = tmp_path / "s.csv"
    path.write_text("\n".join([f"{column},ppg", *(f"{t},{b:.4f}" for t, b in zip(times, WAVE, strict=True))]) + "\n")
    result = readers.contact_signals(path, seconds=30.0)
    values, rate = result.signals[0].values[0], result.signals[0].rate
    assert np.isfinite(values).mean() > 0.99
    np.testing.assert_allclose(values[10:2900], np.interp(np.arange(10, 2900) / rate, T, WAVE), atol=0.03)
    assert any(column in note for note in result.notes), "the notes say what was taken for the time"


def write_times(path: Path, times, column: str = "time") -> Path:
    path.write_text("\n".join([f"{column},ppg", *(f"{t},{b:.4f}" for t, b in zip(times, WAVE, strict=True))]) + "\n")
    return path


@pytest.mark.parametrize("stamp", ["1.5", "9999999", "-7", "", "#12.3", "err"])
def test_one_row_with_a_wrong_stamp_is_one_bad_row(tmp_path, stamp) -> None:
    times = [f"{10 + a:.3f}" for a in T]
    times[700] = stamp
    result = readers.contact_signals(write_times(tmp_path / "s.csv", times), seconds=30.0)
    assert np.isfinite(result.signals[0].values).mean() > 0.99
    assert any("1 of 3000 rows are left out, first line 70" in note for note in result.notes), result.notes


def test_two_recordings_in_one_file_are_refused_with_their_line(tmp_path) -> None:
    times = [f"{a % 15:.3f}" for a in T]
    with pytest.raises(ValueError, match=r"s\.csv, line 1502: expected a time that does not go back, got '0\.000'"):
        readers.contact_signals(write_times(tmp_path / "s.csv", times), seconds=30.0)


def expect_the_wave(contact: readers.ContactSignals) -> None:
    """The signal is WAVE, at its time and rate."""
    [signal] = contact.signals
    assert signal.rate == pytest.approx(100, abs=0.05)
    at = signal.start + np.arange(signal.values.shape[1]) / signal.rate
    known = np.isfinite(signal.values[0])
    assert known.mean() > 0.98
    assert np.abs(signal.values[0] - np.interp(at, T, WAVE))[known].max() < 0.08  # a row is 0.075 at most


@pytest.mark.parametrize("times", [
    [f"{a if a < 20 else a + 1e9:.3f}" for a in T],  # set to the date
    [f"{0 if a < 0.2 else BEGIN + a:.3f}" for a in T],  # not set for the first packets
    stamps("%Y-%m-%d %H:%M:%S.%f", lambda a: a - 3600 * (a > 15)),  # the end of summer time
    stamps("%Y-%m-%d %H:%M:%S.%f", lambda a: a + 3601 * (a > 5)),
])
def test_a_clock_that_is_set_keeps_all_rows_and_says_so(tmp_path, times) -> None:
    result = readers.contact_signals(write_times(tmp_path / "s.csv", times), seconds=30.0)
    expect_the_wave(result)
    assert any("times continue without the leaps" in note for note in result.notes)


def test_the_longest_part_is_on_its_own_clock(tmp_path) -> None:
    times = [f"{0 if a < 0.2 else BEGIN + a:.3f}" for a in T]
    expect_the_wave(readers.contact_signals(write_times(tmp_path / "s.csv", times), seconds=30.0, start=f"{BEGIN}"))


@pytest.mark.parametrize(("times", "why"), [
    ([f"{a:.3f}" if i % 10 == 0 else "" for i, a in enumerate(T)], "90% of the rows have no time of their own"),
    ([f"{T[i // 10 * 10]:.3f}" for i in range(len(T))], "90% of the rows have the time of the row before"),
    (stamps("%H:%M:%S"), "99% of the rows have the time of the row before"),
    (stamps("%H:%M:%S", lambda a: a + 0.7), "99% of the rows have the time of the row before"),
    ([f"{a:.1f}" for a in T], "the rows have the time of the row before"),
])
def test_rows_of_packets_get_their_own_times(tmp_path, times, why) -> None:
    result = readers.contact_signals(write_times(tmp_path / "s.csv", times), seconds=30.0)
    assert any(why in note and "spread evenly" in note for note in result.notes)
    if times[0].startswith("0"):  # others begin within a second of the clock
        expect_the_wave(result)
    assert result.signals[0].rate == pytest.approx(100, abs=0.5)


def test_rows_in_disorder_are_refused(tmp_path) -> None:
    mixed = [f"{BEGIN + a:.3f}" for a in np.random.default_rng(0).permutation(T)]
    with pytest.raises(ValueError, match="expected a time that does not go back"):
        readers.contact_signals(write_times(tmp_path / "s.csv", mixed), seconds=30.0)


@pytest.mark.parametrize(("times", "options"), [
    ([f"{a - 2:.3f}" for a in T], {"offset": 0.0}),
    ([f"{a - 2:.3f}" for a in T], {"anchors": ("0=0",)}),
    ([f"{a - 2:.3f}" for a in T], {"anchors": ("1:03.5=63.5",)}),
    ([f"{a:.3f}" for a in T], {"start": "2"}),
    ([f"{a:.3f}" for a in T], {"anchors": ("0.5=00:00:02.5",)}),
    (stamps("%d.%m.%Y %H:%M:%S.%f"), {"start": "2025-11-29T14:00:02"}),
    (stamps("%d.%m.%Y %H:%M:%S.%f"), {"anchors": ("12=14:00:14",)}),
    (stamps("%H:%M:%S.%f"), {"start": "14:00:02"}),
    (stamps("%H:%M:%S.%f"), {"start": "2025-11-29T14:00:02"}),
    ([f"{(BEGIN + a) * 1e3:.0f}" for a in T], {"start": "2025-11-29T15:00:02+01:00"}),
    ([f"{(BEGIN + a) * 1e3:.0f}" for a in T], {"start": f"{BEGIN + 2}"}),
    ([f"{(BEGIN + a) * 1e3:.0f}" for a in T], {"anchors": (f"3={(BEGIN + 5) * 1000}",)}),
    ([f"{(BEGIN + a) * 1e3:.0f}" for a in T], {"offset": -2.0}),
])
def test_offsets_starts_and_anchors_mean_the_same_moment(tmp_path, times, options) -> None:
    """In each case the video begins 2 s after the first row."""
    result = readers.contact_signals(write_times(tmp_path / "s.csv", times), seconds=20.0, **options)
    values, rate = result.signals[0].values[0], result.signals[0].rate
    np.testing.assert_allclose(values, np.interp(2 + np.arange(len(values)) / rate, T, WAVE), atol=0.04)


def test_two_anchors_correct_a_drift_and_say_so(tmp_path) -> None:
    slow = 1.001  # a second of the sensor lasts 1.001 s of the video
    path = write_times(tmp_path / "s.csv", [f"{a:.4f}" for a in T])
    result = readers.contact_signals(path, seconds=25.0, anchors=("1=1", f"{1 + 20 * slow}=21"))
    values, rate = result.signals[0].values[0], result.signals[0].rate
    assert rate == pytest.approx(100 / slow, rel=1e-6)
    at = np.arange(len(values)) / rate
    np.testing.assert_allclose(values, np.interp(1 + (at - 1) / slow, T, WAVE), atol=0.04)
    assert any("their clock is 0.100% slow, " in note for note in result.notes)
    for anchors, why in ((("1=1", "30=2"), "as far apart in the video"), (("1=1", "2=1"), "as far apart"),
                         (("1",), r"VIDEO=SIGNALS such as 12\.3=00:00:02"), (("1=noon",), "expected a date such as"),
                         (("1=1", "2=2", "3=3"), "one or two, got 3"), (("x=1",), "VIDEO=SIGNALS")):
        with pytest.raises(ValueError, match=why):
            readers.contact_signals(path, seconds=25.0, anchors=anchors)


def test_the_time_column_may_be_named(tmp_path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("\n".join(["time,probe,ppg", *(f"{round(a * 100)},{a:.3f},{b:.4f}"
                                                   for a, b in zip(T, WAVE, strict=True))]))
    assert readers.contact_signals(path, seconds=30.0, time="probe").signals[0].rate == pytest.approx(100.0)
    with pytest.raises(ValueError, match=r"s\.csv, line 1: expected the columns probes, got time, probe, ppg"):
        readers.contact_signals(path, seconds=30.0, time="probes")


@pytest.mark.parametrize(("name", "is_time"), [
    ("unix_time", True), ("local_timestamp", True), ("Elapsed Time", True), ("LocalTimestamp (ms)", True),
    ("lsl_ts", True), ("Zeit [s]", True), ("reaction time", False), ("RR-interval time", False),
    ("Shimmer_1_TimestampSync_Unix_CAL", True), ("lights", False), ("state", False)])
def test_names_of_time_columns(name, is_time) -> None:
    assert clock_columns.is_clock(name) is is_time


@pytest.mark.parametrize(("cells", "values"), [
    (["0,25", "1,5"], [0.25, 1.5]),
    (["1.234,5", "0,5"], [1234.5, 0.5]),
    (["1,234.5", "7"], [1234.5, 7]),
    (["1,234", "2,5"], [1.234, 2.5]),
    (["1,234", "0.5"], [1234, 0.5]),
    (["0.500", "1,5"], [0.5, 1.5]),
    (["1e3", "-2,5E-1", "\u22124"], [1000, -0.25, -4]),
    (["1_000", "inf", "0x1", "#DIV/0!", ""], [None] * 5),
])
def test_numbers_as_written(cells, values) -> None:
    form = number_format(cells)
    assert [form.number(cell) for cell in cells] == values


DIALECTS = st.fixed_dictionaries({
    "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]),
    "end": st.sampled_from(["\n", "\r\n", "\r"]),
    "delimiter": st.sampled_from([";", "\t", "|", ","]),
    "comma": st.booleans(),
    "sep": st.booleans(),
    "preamble": st.lists(st.sampled_from(["# device 7, v2", "Subject: S01", "", "// note; a, b"]), max_size=4),
    "units": st.booleans(),
    "quoted": st.booleans(),
})


@settings(max_examples=80, deadline=None)
@given(DIALECTS, st.lists(st.tuples(st.floats(0, 1e4), st.floats(-1e3, 1e3),
                                    st.sampled_from(["ärger", "a b", "x,y", "7"])), min_size=2, max_size=12))
def test_a_table_reads_the_same_in_every_dialect(tmp_path_factory, dialect, values) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=dialect["delimiter"], lineterminator=dialect["end"],
                        quoting=csv.QUOTE_ALL if dialect["quoted"] else csv.QUOTE_MINIMAL)
    writer.writerow(["start", "end", "condition", "µ"])
    if dialect["units"]:
        writer.writerow(["s", "s", "", ""])
    for start, end, word in values:
        cells = [f"{start:.4f}", f"{end:.4f}"]
        writer.writerow([*(cell.replace(".", ",") if dialect["comma"] else cell for cell in cells), word, "1"])
    sep = [f"sep={dialect['delimiter']}"] if dialect["sep"] else []
    text = dialect["end"].join([*sep, *dialect["preamble"], file.getvalue()])
    path = tmp_path_factory.getbasetemp() / "dialect.csv"
    path.write_bytes(text.encode(dialect["encoding"]))
    table = read_table(path, has_columns("start", "end", "condition"), units=True)
    assert table.columns == ("start", "end", "condition", "µ")
    np.testing.assert_allclose(table.numbers("start"), [value[0] for value in values], atol=1e-4)
    np.testing.assert_allclose(table.numbers("end"), [value[1] for value in values], atol=1e-4)
    assert list(table.cells["condition"]) == [value[2] for value in values]
    assert (table.units.get("start") == "s") is dialect["units"]


def test_a_quote_that_is_not_closed_swallows_no_rows(tmp_path) -> None:
    path = tmp_path / "table.csv"
    cells = ['"x' if i in (100, 900) else "x" for i in range(len(PLAIN))]
    path.write_text("\n".join(["time,ppg,note", *(f"{row},{cell}" for row, cell in zip(PLAIN, cells, strict=True))]))
    table = read_table(path, has_columns("time", "ppg"))
    assert len(table) == len(PLAIN)
    assert any("a quote that is not closed, first line 102" in note for note in table.notes)


def test_a_cell_may_hold_line_ends(tmp_path) -> None:
    path = tmp_path / "table.csv"
    path.write_text('time,ppg,note\n0,1,"a\nb"\n1,2,"c, d"\n')
    table = read_table(path, has_columns("time", "ppg"))
    assert list(table.cells["note"]) == ["a\nb", "c, d"]


@pytest.mark.parametrize("row", ["0,00,1", "0,25,3,7"])
def test_decimal_commas_are_no_row_names(tmp_path, row) -> None:
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["time,ppg", *([row] * 30)]))
    with pytest.raises(TableError, match="where commas are decimal"):
        read_table(path, has_columns("time", "ppg")).expect_complete()


def test_a_cell_is_named_by_its_line_and_column(tmp_path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("# made by hand\n\ntime;ppg;eda\n0;1;2\n0,5;1;two\n")
    with pytest.raises(TableError, match=r"t\.csv, line 5: expected a number under eda, got 'two'"):
        read_table(path, has_columns("time")).numbers("eda")


def test_other_readers_share_the_dialects(tmp_path) -> None:
    """Events, manifests, signals of a folder and action units, each with a preamble, UTF-16, semicolons and commas."""
    def write(name: str, *lines: str) -> Path:
        path = tmp_path / name
        path.write_bytes("\r\n".join(["sep=;", "# exported", *lines]).encode("utf-16"))
        return path

    (event,) = events.read_events(write("e.csv", "start;end;condition", "s;s;", "1,5;2,5;Film"))
    assert (event.start, event.end, event.condition) == (1.5, 2.5, "Film")
    table = tables.read_table(write("m.csv", "Video;valence", "a.mp4;7,5"), ["video"])
    assert [(row["video"], table.number(row["valence"])) for _, row in table.rows] == [("a.mp4", 7.5)]
    signal = csv_signals.read_signal(write("w.csv", "Zeit (ms);eda [uS]", *(f"{i * 250};{i},5" for i in range(20))))
    assert (signal.rate, signal.names, signal.units) == (4.0, ("eda",), ("uS",))
    assert signal.values[0, 3] == 3.5
    units = readers.openface(write("of.csv", "frame;timestamp;confidence;success;AU12_r",
                                   *(f"{i + 1};{i / 25:.2f};0.9;1;1,{i}".replace(".", ",") for i in range(9))))
    assert np.nanmax(units.values) == pytest.approx(1.8)


REAL = Path(__file__).parents[1] / "../shared/real/physiology"


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real recordings in {REAL}")
@pytest.mark.parametrize("name", ["P11_baseline_1675943915_070305.csv", "P12_C_Hard_1675946416_297296.csv"])
def test_real_tables_of_a_sensor_kit_are_read_by_their_own_clock(name) -> None:
    """Their column `arduino_ts` has no unit; the documented rate is 250 Hz, the stamps say 255 to 275."""
    result = readers.contact_signals(REAL / name, seconds=150.0)
    signal = result.signals[0]
    assert 250 <= signal.rate <= 280
    assert {"eda", "respiration", "ppg_finger", "ppg_ear"} <= set(signal.names)
    assert np.isfinite(signal.values).mean() > 0.95
    assert 50 < result.rates["ppg_finger"] < 120


def test_a_stray_first_stamp_and_times_of_day_with_dots_are_read(tmp_path):
    wave = [f"{np.sin(i / 8):.4f}" for i in range(1000)]
    stamps = ["0", *(f"{1764424850 + i / 100:.3f}" for i in range(1, 1000))]
    (tmp_path / "first.csv").write_text("\n".join(["timestamp,ppg", *map(",".join, zip(stamps, wave, strict=True))]))
    german = [each.replace(".", ",") for each in wave]
    times = [f"14.00.{50 + i // 100},{10 * (i % 100):03d}" for i in range(1000)]
    (tmp_path / "dots.csv").write_text("\n".join(["Zeit;PPG", *map(";".join, zip(times, german, strict=True))]))
    for name in ("first.csv", "dots.csv"):
        notes = " ".join(contact_signals(tmp_path / name, seconds=10.0).notes)
        assert "expected signals" not in notes
        assert all(float(share) < 1 for share in re.findall(r"no data ([0-9.]+)%", notes)), notes
