"""Many files: what is meant, where it goes, what is skipped, and that a process that dies is one file's misfortune."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fake_timeline
import fake_work
from mien.core import atomic_files
from mien.core.atomic_folders import staging
from mien.core.parallel import pool
from mien.core.settings import Settings
from mien.inference import batch
from mien.inference.batch import done_file
from mien.inference.batch.options import AnalysisOptions
from mien.inference.batch.process_file import FileJob
from mien.reporting import html, summary

ROOT = os.name == "posix" and os.geteuid() == 0


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def folders(inputs: list[batch.InputFile]) -> list[str]:
    return [item.folder for item in inputs]


# ---------------------------------------------------------------- which files are meant


def test_a_folder_means_the_videos_in_it_and_below(here):
    touch(here, "d/b.mp4", "d/a.MOV", "d/notes.txt", "d/x/y/c.webm", "d/.hidden.mp4", "d/x/._c.webm", "d/.git/e.mp4")
    result = batch.find_inputs(["d"], here / "out")
    assert folders(result) == ["d/a.MOV", "d/b.mp4", "d/x/y/c.webm"]
    assert [item.path for item in result] == [here / "d/a.MOV", here / "d/b.mp4", here / "d/x/y/c.webm"]
    assert not any(item.reason or item.twin for item in result)


def test_a_file_that_is_named_may_have_any_suffix(here):
    touch(here, "recording.dat", "noext")
    assert folders(batch.find_inputs(["recording.dat", "noext"], here / "out")) == ["recording.dat", "noext"]


def test_patterns_are_expanded_where_the_shell_did_not(here):
    touch(here, "a/1.mp4", "a/2.mp4", "b/c/3.mp4", "b/c/3.txt")
    assert folders(batch.find_inputs(["a/*.mp4", "b/**/*.mp4"], here / "out")) == ["a/1.mp4", "a/2.mp4", "b/c/3.mp4"]


def test_a_name_with_the_signs_of_a_pattern_is_a_name(here):
    touch(here, "talk[1].mp4", "talk1.mp4")
    assert folders(batch.find_inputs(["talk[1].mp4"], here / "out")) == ["talk[1].mp4"]


def test_a_pattern_below_a_folder_with_such_signs(tmp_path, monkeypatch):
    touch(tmp_path, "data[1]/a.mp4", "data1/b.mp4")
    monkeypatch.chdir(tmp_path / "data[1]")
    assert folders(batch.find_inputs(["*.mp4"], tmp_path / "out")) == ["a.mp4"]


def test_each_file_once_however_it_is_named(here):
    touch(here, "a/x.mp4")
    result = batch.find_inputs(["a", "a/x.mp4", "a/../a/x.mp4", str(here / "a/x.mp4"), "a/*.mp4"], here / "out")
    assert folders(result) == ["a/x.mp4"]


def test_a_link_to_a_file_that_was_named_is_reported_as_such(here):
    touch(here, "a.mp4")
    (here / "b.mp4").symlink_to(here / "a.mp4")
    first, second = batch.find_inputs(["a.mp4", "b.mp4"], here / "out")
    assert (first.folder, first.twin) == ("a.mp4", "")
    assert second.twin == str(here / "a.mp4")
    assert folders(batch.find_inputs(["b.mp4"], here / "out")) == ["b.mp4"]  # alone, it is a file as any


def test_links_between_folders_make_no_circle(here):
    touch(here, "d/e/a.mp4")
    (here / "d/e/up").symlink_to(here / "d")
    assert folders(batch.find_inputs(["d"], here / "out")) == ["d/e/a.mp4"]


def test_results_are_not_analysed_again(here):
    touch(here, "a.mp4", "out/b.mp4/overlay.mp4", "older/a.mp4/overlay.mp4", "older/a.mp4/done.json")
    assert folders(batch.find_inputs(["."], here / "out")) == ["a.mp4"]


@pytest.mark.parametrize(
    ("name", "got"),
    [
        ("missing.mp4", "got nothing at this path"),
        ("no*match.mp4", "got none"),
        ("", "got an empty one"),
        ("empty", "got none"),
        ("loop.mp4", "got: Too many levels of symbolic links"),
        ("broken.mp4", "got a link to nothing"),
        ("pipe.mp4", "got a device or a pipe"),
        ("a.mp4/b.mp4", "got: Not a directory"),
        ("x" * 300 + ".mp4", "got: File name too long"),
    ],
)
def test_find_lists_unreadable_files_with_their_reason(here, name, got):
    touch(here, "a.mp4", "empty/readme.txt")
    (here / "loop.mp4").symlink_to("loop.mp4")
    (here / "broken.mp4").symlink_to("gone.mp4")
    os.mkfifo(here / "pipe.mp4")
    bad, good = batch.find_inputs([name, "a.mp4"], here / "out")
    assert bad.reason.startswith("expected ")
    assert got in bad.reason
    assert "\n" not in bad.reason
    assert good.reason == ""


def test_a_broken_link_in_a_folder_is_not_passed_over(here):
    touch(here, "d/a.mp4")
    (here / "d/b.mp4").symlink_to("gone.mp4")
    assert [bool(item.reason) for item in batch.find_inputs(["d"], here / "out")] == [False, True]


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder of a user who is not root, whom permissions hold."""
    if not hasattr(os, "geteuid"):
        pytest.skip("permissions are another matter on this system")
    with tempfile.TemporaryDirectory() as folder:
        if ROOT:
            os.chmod(folder, 0o755)
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            if ROOT:
                os.seteuid(0)


def test_an_unreadable_folder_is_one_failure_among_others(nobody):
    before = os.geteuid()
    if ROOT:
        os.seteuid(0)
    touch(nobody, "d/closed/a.mp4", "d/open/b.mp4")
    os.chmod(nobody / "d/closed", 0)
    if ROOT:
        os.seteuid(before)
    closed, opened = batch.find_inputs([nobody / "d"], nobody / "out")
    assert "can be read, got: Permission denied" in closed.reason
    assert closed.path == nobody / "d/closed"
    assert opened.reason == ""
    if ROOT:
        os.seteuid(0)
    os.chmod(nobody / "d/closed", 0o755)


# ---------------------------------------------------------------- where it goes


def test_names_that_are_alike_do_not_meet(here):
    touch(here, "talk.mp4", "talk.mov", "a/x.mp4", "b/x.mp4")
    result = batch.find_inputs(["talk.mp4", "talk.mov", "a/x.mp4", "b/x.mp4"], here / "out")
    assert folders(result) == ["talk.mp4", "talk.mov", "a/x.mp4", "b/x.mp4"]


def test_outside_the_current_directory_the_way_up_is_left_out(here):
    touch(here.parent, "shared/a.mp4", "here/b/c.mp4")
    result = batch.find_inputs([str(here.parent / "shared/a.mp4"), str(here / "b/c.mp4")], here / "out")
    assert folders(result) == ["shared/a.mp4", "b/c.mp4"]
    assert folders(batch.find_inputs(["../shared/a.mp4"], here / "out")) == ["shared/a.mp4"]


def test_two_paths_that_would_share_a_folder_do_not(here):
    touch(here.parent, "a/x.mp4", "here/a/x.mp4")
    single = folders(batch.find_inputs(["a/x.mp4", "../a/x.mp4"], here / "out"))
    assert single[0] == "a/x.mp4"
    assert single[1].startswith("a/x.mp4~")
    assert len(single[1]) == len("a/x.mp4~") + 8


def test_letters_that_a_disk_may_not_tell_apart(here):
    touch(here, "A.mp4", "a.mp4", "caf\u00e9.mp4", "cafe\u0301.mp4")
    result = folders(batch.find_inputs(["A.mp4", "a.mp4", "caf\u00e9.mp4", "cafe\u0301.mp4"], here / "out"))
    assert len({name.casefold() for name in result}) == 4
    assert result[0] == "A.mp4"
    assert result[1].startswith("a.mp4~")
    assert result[3].startswith("cafe\u0301.mp4~")


def test_a_folder_that_cannot_be_made_is_not_chosen(here):
    touch(here, "talk.mp4", "manifest.json")
    result = batch.find_inputs(["talk.mp4", "manifest.json"], here)  # the results beside the videos
    assert [name.rpartition("~")[0] for name in folders(result)] == ["talk.mp4", "manifest.json"]


def finish(path: Path, folder: Path, **changes: object) -> done_file.DoneFile:
    """Leave the record of a finished file."""
    stat = path.stat()
    folder.mkdir(parents=True, exist_ok=True)
    known = {"settings": AnalysisOptions().fingerprint, "files": (), "people": 1, "seconds": 1.0,
             "version": done_file.version()}
    done = done_file.DoneFile(str(path), stat.st_size, stat.st_mtime_ns, done_file.sha256(path), **{**known, **changes})
    done_file.save_done(done, folder)
    return done


def test_the_results_of_another_file_from_an_earlier_run_are_left_alone(here, monkeypatch):
    touch(here.parent, "one/x.mp4", "two/x.mp4")
    out = here / "out"
    monkeypatch.chdir(here.parent / "one")
    assert folders(batch.find_inputs(["x.mp4"], out)) == ["x.mp4"]
    finish(here.parent / "one/x.mp4", out / "x.mp4")
    assert folders(batch.find_inputs(["x.mp4"], out)) == ["x.mp4"]
    monkeypatch.chdir(here.parent / "two")
    other = folders(batch.find_inputs(["x.mp4"], out))
    assert other[0].startswith("x.mp4~")
    finish(here.parent / "two/x.mp4", out / other[0])
    assert folders(batch.find_inputs(["x.mp4"], out)) == other


def test_a_file_that_moved_keeps_its_results(here):
    touch(here, "x.mp4")
    finish(here / "x.mp4", here / "out/x.mp4")
    done = done_file.load_done(here / "out/x.mp4")
    done_file.save_done(replace(done, source="/another/disk/x.mp4", mtime_ns=1), here / "out/x.mp4")
    assert folders(batch.find_inputs(["x.mp4"], here / "out")) == ["x.mp4"]


@given(
    st.lists(
        st.lists(st.sampled_from(["a", "A", "b", "\u00e4", "a\u0308", "..", "x.mp4", "X.mp4"]), min_size=1, max_size=4),
        min_size=1,
        max_size=8,
    )
)
def test_no_two_files_ever_share_a_folder(paths):
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder).resolve() / "1/2/3/4"
        for parts in paths:
            path = Path(os.path.abspath(top.joinpath(*parts)))
            if not path.exists() and not any(parent.is_file() for parent in path.parents):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"")
        expected = [path for path in (str(Path(*parts)) for parts in paths) if (top / path).is_file()]
        result = batch.find_inputs(expected, top / "out", here=top)
        assert len({os.path.abspath(top / path) for path in expected}) == len(result)
        assert len({name.casefold() for name in folders(result)}) == len(result)
        assert not any(".." in Path(name).parts or Path(name).is_absolute() for name in folders(result))


# ---------------------------------------------------------------- what is done already


@pytest.fixture
def faked(monkeypatch) -> list[str]:
    """Analysis and report without the work: a timeline that is made up. Gives the list of what was analysed."""
    analysed: list[str] = []

    def analyze(path, settings, progress=None):
        analysed.append(os.path.basename(path))
        made = fake_timeline.timeline(2, seconds=4, name=os.path.basename(path))
        return replace(made, source=replace(made.source, sha256=done_file.sha256(path)))

    def write(timeline, path, **how):
        atomic_files.text(path, json.dumps(how))

    monkeypatch.setattr("mien.inference.analyze.analyze", analyze)
    monkeypatch.setattr(html, "write_report", write)
    return analysed


def analyze_one(here: Path, options: AnalysisOptions, **how: object) -> batch.ManifestEntry:
    return batch.analyze(batch.find_inputs(["x.mp4"], here / "out"), here / "out", options, **how)[0]


def test_everything_that_was_asked_for_is_written(here, faked):
    touch(here, "x.mp4")
    (here / "events.csv").write_text("start,end,condition\n0,1,baseline\n1,3,task\n")
    options = AnalysisOptions(formats=("csv", "jsonl", "srt", "elan"), fex=True, segments="events.csv")
    assert analyze_one(here, options).status == "ok"
    folder = here / "out/x.mp4"
    assert sorted(path.name for path in folder.iterdir()) == sorted([*options.outputs, done_file.NAME])
    assert summary.read_summary(folder / "summary.json").source.name == "x.mp4"
    assert len(pd.read_parquet(folder / "timeline.parquet")) == len(pd.read_csv(folder / "timeline.csv")) == 16
    people = pd.read_csv(here / "out/people.csv")
    assert list(people["folder"]) == ["x.mp4"] * 2
    assert list(people["face_id"]) == [0, 1]
    segments = pd.read_csv(here / "out/segments.csv")
    assert list(segments["condition"]) == ["baseline", "task"] * 2
    assert set(segments["video"]) == set(segments["folder"]) == {"x.mp4"}


def test_a_video_that_no_event_names_is_noted(here, faked):
    touch(here, "x.mp4")
    (here / "events.csv").write_text("video,start,end,condition\ny.mp4,0,1,task\n")
    assert "no event of --segments names this video" in analyze_one(here, AnalysisOptions(segments="events.csv")).note
    (here / "events.csv").write_text("video,start,end,condition\nx.mp4,0,1,task\n")
    assert "--segments" not in analyze_one(here, AnalysisOptions(segments="events.csv")).note


def test_done_is_skipped_and_still_in_the_lists(here, faked):
    touch(here, "x.mp4")
    assert analyze_one(here, AnalysisOptions()).status == "ok"
    entry = analyze_one(here, AnalysisOptions())
    assert (entry.status, entry.people) == ("skipped", 2)
    assert faked == ["x.mp4"]
    assert len(pd.read_csv(here / "out/people.csv")) == 2
    assert analyze_one(here, AnalysisOptions(), overwrite=True).status == "ok"
    assert faked == ["x.mp4"] * 2


@pytest.mark.parametrize(
    "change",
    [
        {"settings": Settings(step=1.0)},
        {"settings": Settings(faces=2)},
        {"settings": Settings(neutral="first:2s")},
        {"settings": Settings(pictures=False)},
        {"blur": True},
        {"fex": True},
        {"formats": ("srt",)},
    ],
)
def test_other_settings_are_done_again(here, faked, change):
    touch(here, "x.mp4")
    analyze_one(here, AnalysisOptions())
    assert analyze_one(here, AnalysisOptions(**change)).status == "ok"
    assert analyze_one(here, AnalysisOptions(**change)).status == "skipped"


def test_less_than_what_is_there_is_done(here, faked):
    touch(here, "x.mp4")
    analyze_one(here, AnalysisOptions(fex=True, formats=("csv",)))
    (here / "out/x.mp4/fex.csv").unlink()  # nobody asks for it any more
    assert analyze_one(here, AnalysisOptions(formats=("csv",))).status == "skipped"


@pytest.mark.parametrize("lost", ["timeline.parquet", "report.html", "done.json"])
def test_analyze_makes_removed_results_again(here, faked, lost):
    touch(here, "x.mp4")
    analyze_one(here, AnalysisOptions())
    (here / "out/x.mp4" / lost).unlink()
    assert analyze_one(here, AnalysisOptions()).status == "ok"


def test_a_changed_file_is_done_again_a_touched_one_is_not(here, faked):
    touch(here, "x.mp4")
    analyze_one(here, AnalysisOptions())
    os.utime(here / "x.mp4", ns=(1, 1))
    assert analyze_one(here, AnalysisOptions()).status == "skipped"
    (here / "x.mp4").write_bytes(b"XXXXX")  # as long as before
    assert analyze_one(here, AnalysisOptions()).status == "ok"


def test_a_changed_neutral_picture_or_event_is_another_setting(here, faked):
    touch(here, "x.mp4", "neutral.png")
    (here / "events.csv").write_text("start,end,condition\n0,1,a\n")
    options = AnalysisOptions(Settings(neutral="neutral.png"), segments="events.csv")
    analyze_one(here, options)
    assert analyze_one(here, options).status == "skipped"
    (here / "neutral.png").write_bytes(b"another")
    assert analyze_one(here, options).status == "ok"
    (here / "events.csv").write_text("start,end,condition\n0,2,a\n")
    assert analyze_one(here, options).status == "ok"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema": "mien.done/1"}', '{"schema": "x"}', "\0"])
def test_a_record_that_says_nothing_is_none(here, faked, text):
    touch(here, "x.mp4")
    analyze_one(here, AnalysisOptions())
    (here / "out/x.mp4/done.json").write_text(text)
    assert analyze_one(here, AnalysisOptions()).status == "ok"


def test_a_record_names_no_file_outside_its_folder(here, faked):
    touch(here, "x.mp4", "precious.txt")
    finish(here / "x.mp4", here / "out/x.mp4", files=("../../precious.txt", "report.html"))
    analyze_one(here, AnalysisOptions(), overwrite=True)
    assert (here / "precious.txt").exists()


def test_overwrite_removes_stale_results_and_keeps_the_users_files(here, faked):
    touch(here, "x.mp4", "out/x.mp4/notes.txt")
    analyze_one(here, AnalysisOptions(fex=True))
    analyze_one(here, AnalysisOptions(), overwrite=True)
    assert not (here / "out/x.mp4/fex.csv").exists()
    assert (here / "out/x.mp4/notes.txt").exists()


def test_leftovers_of_dead_processes_go_and_those_of_living_ones_stay(here, faked):
    touch(here, "x.mp4", "out/x.mp4/.partial-old/a", "out/x.mp4/.partial-new/a")
    code = ("from pathlib import Path\nfrom mien.core.atomic_folders import staging\nimport os\n"
            "with staging(Path('out/x.mp4')):\n    print('begun', flush=True)\n    os.kill(os.getpid(), 9)")
    assert b"begun" in subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, check=False).stdout
    os.utime(here / "out/x.mp4/.partial-old", (1, 1))
    assert len(list((here / "out/x.mp4").glob(".partial*"))) == 3
    with staging(here / "out/x.mp4") as living:
        analyze_one(here, AnalysisOptions())
        assert living.is_dir()
    assert [path.name for path in (here / "out/x.mp4").glob(".partial*")] == [".partial-new"]


# ---------------------------------------------------------------- one bad file never stops the others


def test_a_full_disk_leaves_what_was_there(here, faked, monkeypatch):
    touch(here, "x.mp4")
    analyze_one(here, AnalysisOptions(fex=True))
    before = {path.name: path.read_bytes() for path in (here / "out/x.mp4").iterdir()}

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "report.html")

    monkeypatch.setattr(html, "write_report", full)
    entry = analyze_one(here, AnalysisOptions(), overwrite=True)
    assert entry.status == "failed"
    assert entry.reason.startswith("expected ")
    assert "No space left on device" in entry.reason
    assert {path.name: path.read_bytes() for path in (here / "out/x.mp4").iterdir()} == before


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("x.mp4: expected a video, got text; convert it"), "expected a video, got text; convert it"),
        (ValueError("two\nlines"), "two lines"),
        (MemoryError(), "expected enough memory"),
        (ZeroDivisionError("division by zero"), "got ZeroDivisionError: division by zero; please report it"),
        (PermissionError(errno.EACCES, "Permission denied", "x.mp4"), "got: Permission denied (x.mp4)"),
    ],
)
def test_an_error_is_one_line_and_keeps_its_traceback_for_debug(here, monkeypatch, error, said):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("mien.inference.analyze.analyze", fail)
    touch(here, "x.mp4")
    outcome = batch.analyze_input(FileJob(str(here / "x.mp4"), str(here / "out/x.mp4"), AnalysisOptions()))
    assert outcome.status == "failed"
    assert said in outcome.reason
    assert "\n" not in outcome.reason
    assert "Traceback" in outcome.trace


def test_ctrl_c_in_the_middle_of_an_import_is_no_failure_of_the_file(tmp_path, monkeypatch):
    def importing(*_: object) -> None:
        raise ImportError("initialization failed") from KeyboardInterrupt()  # what a compiled module makes of it

    monkeypatch.setattr("mien.inference.batch.process_file._analyse", importing)
    with pytest.raises(KeyboardInterrupt):
        batch.analyze_input(FileJob("x.mp4", str(tmp_path / "x"), AnalysisOptions()))


def test_bad_files_are_in_the_manifest_beside_the_good_ones(here, faked):
    touch(here, "x.mp4")
    result = batch.find_inputs(["missing.mp4", "x.mp4"], here / "out")
    reported: list[str] = []
    batch.analyze(result, here / "out", AnalysisOptions(),
                  on_outcome=lambda item, outcome: reported.append(outcome.status))
    manifest = json.loads((here / "out/manifest.json").read_text())
    assert manifest["schema"] == "mien.manifest/1"
    assert manifest["counts"] == {"ok": 1, "failed": 1, "skipped": 0}
    rows = {row["folder"]: row for row in manifest["files"]}
    assert rows["missing.mp4"]["status"] == "failed"
    assert "got nothing at this path" in rows["missing.mp4"]["reason"]
    assert rows["x.mp4"]["source"] == str(here / "x.mp4")
    assert sorted(reported) == ["failed", "ok"]


def test_the_lists_tell_of_all_commands_that_still_hold(here, faked):
    touch(here, "a.mp4", "b.mp4", "c.mp4")
    out = here / "out"

    def run(name: str) -> dict[str, str]:
        batch.analyze(batch.find_inputs([name], out), out, AnalysisOptions())
        return {row["folder"]: row["status"] for row in json.loads((out / "manifest.json").read_text())["files"]}

    run("a.mp4")
    run("mistyped.mp4")
    assert run("b.mp4") == {"a.mp4": "ok", "b.mp4": "ok"}  # a failure without a file is reported once
    assert sorted(set(pd.read_csv(out / "people.csv")["folder"])) == ["a.mp4", "b.mp4"]
    (out / "a.mp4/summary.json").unlink()
    assert run("c.mp4") == {"b.mp4": "ok", "c.mp4": "ok"}
    (out / "manifest.json").write_text("rubbish")
    assert run("b.mp4") == {"b.mp4": "skipped"}


def test_a_name_that_is_no_text_can_be_listed(here, faked):
    name = os.fsdecode(b"bad\xff.mp4")
    (here / name).write_bytes(b"x")
    out = here / "out"
    entry = batch.analyze(batch.find_inputs([name], out), out, AnalysisOptions())[0]
    assert (entry.status, entry.folder) == ("ok", r"bad\xff.mp4"), entry.reason
    assert (out / "manifest.json").read_text()
    assert (out / "people.csv").read_text(encoding="utf-8")


# ---------------------------------------------------------------- processes


def jobs(here: Path, *names: str) -> list[FileJob]:
    return [FileJob(str(here / name), str(here / "out" / name), AnalysisOptions()) for name in names]


def begun(job: FileJob) -> list[Path]:
    return sorted(Path(job.folder).glob("begun-*"))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_process_that_dies_is_one_failed_file(here, workers):
    shares: list[float] = []
    todo = jobs(here, "a", "kill", "b", "bad", "c")
    ended = pool.run(todo, fake_work.work, workers, progress=shares.append)
    outcomes = {Path(job.path).name: outcome for job, outcome in ended}
    assert {name: outcome.status for name, outcome in outcomes.items()} == {
        "a": "ok", "kill": "failed", "b": "ok", "bad": "failed", "c": "ok",
    }  # fmt: skip
    assert "killed" in outcomes["kill"].reason
    assert [len(begun(job)) >= 1 for job in todo] == [True] * 5
    assert not (here / "out/kill/.partial-of-the-dead").exists()
    assert outcomes["a"].note != str(os.getpid())
    assert all(0 <= share <= 5 for share in shares)


def test_two_workers_work_at_the_same_time(here):
    """Each of the two files waits for the other one to begin."""
    outcomes = [outcome for _, outcome in pool.run(jobs(here, "meet1", "meet2"), fake_work.work, 2)]
    assert [outcome.status for outcome in outcomes] == ["ok", "ok"]
    assert len({outcome.note for outcome in outcomes}) == 2


def test_one_worker_works_on_one_file_at_a_time(here):
    todo = jobs(here, "slow1", "slow2")
    start = time.perf_counter()
    assert [outcome.status for _, outcome in pool.run(todo, fake_work.work, 1)] == ["ok", "ok"]
    assert time.perf_counter() - start > 2


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks processes up in /proc")
def test_workers_leave_when_the_command_was_killed(here):
    code = ("import sys; sys.path.insert(0, sys.argv[1]); import fake_work; "
            "from mien.inference.batch import AnalysisOptions, FileJob; from mien.core.parallel import run; "
            "todo = [FileJob(f'slow{n}', f'{sys.argv[2]}/{n}', AnalysisOptions()) for n in range(50)]; "
            "list(run(todo, fake_work.work, 2))")
    command = [sys.executable, "-c", code, os.path.dirname(fake_work.__file__), str(here)]
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    begun: set[str] = set()
    while len(begun) < 2 and running.poll() is None:
        time.sleep(0.05)
        begun = {path.read_text() for path in here.glob("*/begun-*")} - {""}
    running.kill()
    running.wait()

    def alive() -> list[str]:
        stats = [Path(f"/proc/{pid}/stat") for pid in begun]
        return [path.read_text() for path in stats if path.exists() and path.read_text().split()[2] != "Z"]

    deadline = time.monotonic() + 300
    while alive() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(begun) == 2
    assert alive() == []


def test_a_single_file_runs_here(here):
    [(_, outcome)] = pool.run(jobs(here, "a"), fake_work.work, 4)
    assert outcome.note == str(os.getpid())


def test_a_task_that_is_started_twice_is_done_once(here, faked):
    touch(here, "x.mp4")
    job = FileJob(str(here / "x.mp4"), str(here / "out/x.mp4"), AnalysisOptions(), run="one command")
    assert [batch.analyze_input(job).status, batch.analyze_input(job).status] == ["ok", "ok"]
    assert faked == ["x.mp4"]


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"formats": ("xml",)}, "--format: expected csv, jsonl, srt, elan, ibi, kubios, got 'xml'"),
    ],
)
def test_options_that_cannot_be(change, said):
    with pytest.raises(ValueError, match=said):
        AnalysisOptions(**change)
