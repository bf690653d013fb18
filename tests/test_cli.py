"""The command as a user runs it: real processes on small real files, good and bad."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import tiny_films
from dask_processes import cluster
from mien import __version__, cli
from mien.cli import diagnostics
from mien.core import parallel
from mien.inference.batch.options import EXPORT_FILES
from mien.reporting import summary

MIEN = [sys.executable, "-m", "mien.cli"]


def mien(*arguments: object, cwd: Path, **how: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*MIEN, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=600, **how)


def manifest(out: Path) -> dict[str, dict[str, object]]:
    return {row["folder"]: row for row in json.loads((out / "manifest.json").read_text())["files"]}


@pytest.fixture(scope="module")
def rounds() -> list[np.ndarray]:
    return tiny_films.pictures()


@pytest.fixture(scope="module")
def good(tmp_path_factory, rounds) -> Path:
    return tiny_films.film(tmp_path_factory.mktemp("good") / "good.mp4", 2.0, rounds)


def test_a_folder_of_good_and_bad_files_with_two_workers(tmp_path, good, rounds):
    videos = tmp_path / "videos"
    (videos / "s01").mkdir(parents=True)
    (videos / "s02").mkdir()
    tiny_films.bad(videos, good)
    tiny_films.cut(videos / "cut.mkv", rounds)
    shutil.copy(good, videos / "s01/talk.mp4")
    shutil.copy(good, videos / "s02/talk.mp4")
    done = mien("analyze", "videos", "missing.mp4", "--out", "out", "--workers", 2, cwd=tmp_path)
    rows = manifest(tmp_path / "out")
    assert done.returncode == 1, done.stderr
    fine = {"videos/s01/talk.mp4", "videos/s02/talk.mp4", "videos/cut.mkv"}
    bad = {f"videos/{name}.mp4" for name in ("empty", "text", "noise", "head", "sound")} | {"missing.mp4"}
    still = {"videos/picture.mp4"}  # one frame without a face
    assert {name for name, row in rows.items() if row["status"] == "ok"} == fine | still, done.stderr
    assert rows["videos/picture.mp4"]["note"] == "no face was seen"
    assert {name for name, row in rows.items() if row["status"] == "failed"} == bad
    progress, lines = [], []
    for line in done.stderr.strip().splitlines():
        (progress if line.startswith("mien: 10 files: ") else lines).append(line)
    assert progress[-1] == "mien: 10 files: 10 of 10 done"
    assert len(lines) == len(bad), "one line for each bad file, and progress"
    assert all(line.startswith("mien: ") and "expected" in line and "got" in line for line in lines), done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert rows["videos/cut.mkv"]["note"], "what was lost is said"
    people = pd.read_csv(tmp_path / "out/people.csv")
    assert set(people["folder"]) == fine
    for name in fine:
        folder = tmp_path / "out" / name
        written = {path.name for path in folder.iterdir()}
        assert written == {"summary.json", "timeline.parquet", "report.html", "done.json"}
        assert summary.read_summary(folder / "summary.json").source.name == Path(name).name


def without_progress(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("mien: 1 file: "))


def test_every_output_and_a_second_run_that_does_nothing(tmp_path, good):
    shutil.copy(good, tmp_path / "good.mp4")
    (tmp_path / "events.csv").write_text("start,end,condition\n0,1,baseline\n1,2,task\n")
    options = ["--format", "csv,jsonl,srt,elan,ibi,kubios", "--fex", "--overlay", "--segments", "events.csv", "--blur"]
    first = mien("analyze", "good.mp4", "--out", "out", *options, cwd=tmp_path)
    assert (first.returncode, without_progress(first.stderr)) == (0, "")
    folder = tmp_path / "out/good.mp4"
    expected = {"fex.csv", "openface.csv", "overlay.mp4", "segments.csv", "report.html", "timeline.parquet",
              "summary.json", "done.json"}  # fmt: skip
    assert {path.name for path in folder.iterdir()} == expected | set(EXPORT_FILES.values())
    empty = {path.name for path in folder.iterdir() if not path.stat().st_size}
    assert empty <= {"timeline.srt", "kubios.txt"}  # of two seconds there is no pulse
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = mien("analyze", "good.mp4", "--out", "out", *options, cwd=tmp_path)
    assert (again.returncode, without_progress(again.stderr)) == (0, "")
    assert "skipped" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    quiet = mien("analyze", "good.mp4", "--out", "out", *options, "--quiet", cwd=tmp_path)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def limit_files() -> None:
    """From here on a write beyond 10 kB fails, as on a full disk."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit on this system")
def test_a_disk_that_is_full_leaves_earlier_results_as_they_were(tmp_path, good):
    shutil.copy(good, tmp_path / "good.mp4")
    folder = tmp_path / "out/good.mp4"
    assert mien("analyze", "good.mp4", "--out", "out", cwd=tmp_path).returncode == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    full = mien("analyze", "good.mp4", "--out", "out", "--overwrite", cwd=tmp_path, preexec_fn=limit_files)
    assert full.returncode == 1
    (line,) = without_progress(full.stderr).splitlines()
    assert line.startswith("mien: good.mp4: expected ")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "xml"], "mien: --format: expected csv, jsonl, srt, elan, ibi, kubios, got 'xml'"),
        (["--model", "no/such/one"], "mien: no/such/one: expected the folder of a checkpoint or a hub id"),
        (["--labels", "x.yaml"], "mien: labels: expected a model with text labels, got facs"),
        (["--step", "0"], "mien: step: expected "),
        (["--neutral", "first:soon"], "mien: neutral: expected first:<seconds>s"),
        (["--neutral", "gone.jpg"], "mien: --neutral: expected a file, got nothing at gone.jpg"),
        (["--neutral", "."], "mien: --neutral: expected pictures in the folder ., such as P01.jpg, got none"),
        (["--segments", "gone.csv"], "mien: --segments: expected a file, got nothing at gone.csv"),
        (["--segments", "empty.csv"], "mien: empty.csv: expected a table, got an empty file"),
        (["--out", "good.mp4"], "mien: --out: expected a folder, got the file good.mp4"),
    ],
)
def test_options_that_cannot_be_are_reported_in_one_line_before_any_work(tmp_path, monkeypatch, good, arguments, said):
    shutil.copy(good, tmp_path / "good.mp4")
    (tmp_path / "empty.csv").write_text("")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.app, ["analyze", "good.mp4", *arguments])
    assert done.exit_code == 1
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.csv", "good.mp4"]


@pytest.mark.parametrize("command", ["train", "bench", "ablate"])
def test_a_dataset_that_is_not_there_is_reported_before_a_backbone_is_downloaded(tmp_path, command):
    recipe = "duse/table3" if command == "ablate" else "duse/dfew"
    fold = ["--fold", "1"] if command == "train" else []
    done = CliRunner().invoke(cli.app, [command, recipe, "--data", str(tmp_path / "gone"), *fold])
    assert done.exit_code == 1
    assert "dataset's folder, got nothing at" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("option", [[], ["--debug"]])
def test_a_traceback_comes_with_debug_alone(tmp_path, option):
    (tmp_path / "text.mp4").write_text("no video")
    done = CliRunner().invoke(cli.app, ["analyze", str(tmp_path / "text.mp4"), "--out", str(tmp_path / "out"), *option])
    assert done.exit_code == 1
    assert ("Traceback" in done.stderr) == bool(option)


def test_an_option_that_is_not_there_is_another_exit_code():
    assert CliRunner().invoke(cli.app, ["analyze", "x.mp4", "--nothing"]).exit_code == 2


def test_ctrl_c_where_nothing_can_be_raised_is_not_lost():
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - it may come at once
        cli._unraisable(SimpleNamespace(exc_type=KeyboardInterrupt))
        time.sleep(5)


CEILING = 300.0
"""s that a test waits for what must come, however busy the machine is."""


def opened_by(session: int, film: Path) -> bool:
    """Whether a process of this session has the film open."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile, or is not ours
            if os.getsid(int(process.name)) == session:
                for link in (process / "fd").iterdir():
                    with contextlib.suppress(OSError):
                        if os.readlink(link) == str(film):
                            return True
    return False


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="sees in /proc how far the command is")
@pytest.mark.parametrize("count", [1, 3])
def test_ctrl_c_keeps_what_is_finished(tmp_path, rounds, count):
    names = [f"{n}.mp4" for n in range(count)]
    tiny_films.film(tmp_path / names[0], 2.0 if count > 1 else 120.0, rounds)
    if count > 1:
        tiny_films.film(tmp_path / names[1], 120.0, rounds)
        shutil.copy(tmp_path / names[1], tmp_path / names[2])
    command = [*MIEN, "analyze", *names, "--out", "out"]
    # a session of its own: the signal goes to the whole group, as from a terminal
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               start_new_session=True)  # fmt: skip
    long = tmp_path / names[min(count - 1, 1)]
    until = time.monotonic() + CEILING
    while not opened_by(process.pid, long) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(1.0)  # into the middle of the two minutes of film, which take longer than that on any machine
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=CEILING)
    assert process.returncode == 130, errors
    assert "stopped by Ctrl-C" in errors
    assert "Traceback" not in output + errors
    rows = manifest(tmp_path / "out")
    assert [name for name, row in rows.items() if row["status"] == "ok"] == names[: count - 1][:1]
    left = [path for path in (tmp_path / "out").rglob("*") if path.name.startswith(".")]
    assert left == []


@pytest.mark.slow
def test_a_cluster_of_two_workers_one_killed_midway(tmp_path, good, rounds):
    pytest.importorskip("distributed", reason="the extra mien[cluster] is not installed")
    for n in range(4):
        tiny_films.film(tmp_path / f"{n}.mp4", 2.0 + n, rounds)
    (tmp_path / "bad.mp4").write_text("no video")
    with cluster(2) as running:
        command = [*MIEN, "analyze", ".", "--out", "out", "--cluster", running.address]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + CEILING
        while not list(tmp_path.glob("out/*/done.json")) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        running.workers[0].kill()
        output, errors = process.communicate(timeout=CEILING)
    assert process.returncode == 1, errors
    rows = manifest(tmp_path / "out")
    assert {name: row["status"] for name, row in rows.items()} == {
        "0.mp4": "ok", "1.mp4": "ok", "2.mp4": "ok", "3.mp4": "ok", "bad.mp4": "failed",
    }  # fmt: skip
    assert "Traceback" not in output + errors
    assert len(pd.read_csv(tmp_path / "out/people.csv")) == 4


def test_a_missing_cluster_package_is_reported_with_the_command(tmp_path, monkeypatch, good):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "mien.core.parallel.cluster", raising=False)
    monkeypatch.delattr(parallel, "cluster", raising=False)
    done = CliRunner().invoke(cli.app, ["analyze", str(good), "--out", str(tmp_path), "--cluster", "tcp://127.0.0.1:1"])
    assert done.exit_code == 1
    assert 'pip install "mien[cluster]"' in done.stderr


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warning", 0), ("failure", 1)])
def test_doctor_prints_every_finding_and_fails_when_one_does(monkeypatch, status, code):
    result = [
        diagnostics.CheckResult("libGL", status, "not found", "apt install libgl1"),
        diagnostics.CheckResult("python", "ok", "3.11"),
    ]
    monkeypatch.setattr(diagnostics, "diagnose", lambda: result)
    done = CliRunner().invoke(cli.app, ["doctor"])
    assert done.exit_code == code
    for text in (status, "libGL", "not found", "apt install libgl1", "python", "3.11"):
        assert text in done.stdout


def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "mien", "--version"], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout.strip()) == (0, __version__)


def test_the_version_is_the_packages():
    done = CliRunner().invoke(cli.app, ["--version"])
    assert (done.exit_code, done.stdout.strip()) == (0, __version__)
    assert __version__ == version("mien")  # what was installed is what runs


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("arguments", [["list", "recipes"], ["--version"], ["doctor", "--help"]])
def test_a_full_disk_behind_the_output_is_one_line(arguments) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "mien.cli", *arguments], stdout=full, stderr=subprocess.PIPE,
                              text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "No space left on device" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_behind_the_messages_ends_nothing() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "mien.cli", "analyze", "none.mp4"], stderr=full, check=False)
    assert done.returncode == 1


@pytest.mark.skipif(not hasattr(signal, "sigwaitinfo"), reason="Linux")
@pytest.mark.parametrize(("body", "status", "said"), [
    ("import os; os.abort()", 1, "a crash of native code, SIGABRT"),
    ("import ctypes; ctypes.string_at(0)", 1, "a crash of native code, SIGSEGV"),
    ("import os; os.kill(os.getpid(), 9)", 1, "a killed process (memory is the usual reason"),
    ("raise SystemExit(3)", 3, ""),
])
def test_a_crash_of_native_code_ends_a_command_with_a_line(body, status, said) -> None:
    code = f"from mien.cli.crash_guard import guard; guard(['analyze', 'a.mp4']); {body}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert said in done.stderr
    assert done.stderr.count("\n") == bool(said)


@pytest.mark.skipif(not hasattr(signal, "sigwaitinfo"), reason="Linux")
def test_signals_reach_the_guarded_command_and_a_killed_parent_takes_it_along() -> None:
    code = ("import os, time; from mien.cli.crash_guard import guard; guard(['analyze', 'a.mp4']); "
            "print(os.getpid(), flush=True); time.sleep(60)")
    for sent, status in ((signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, -signal.SIGINT), (signal.SIGKILL, -9)):
        running = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                   text=True)
        child = int(running.stdout.readline())
        assert child != running.pid
        running.send_signal(sent)
        running.stdout.read()  # ends when the child has ended
        assert running.wait() == status
