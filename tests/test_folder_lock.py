"""Folders have owners: two commands do not mix their files, and the lock of a dead process is taken over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from lock_holder import held_by_another
from mien.core import folder_lock as folder_lock_module
from mien.core import lock_owner
from mien.core.folder_lock import FolderLockedError, LockOwner, folder_lock
from mien.core.parallel.outcome import Outcome
from mien.inference import batch
from mien.inference.batch.process_file import BUSY

TRAINING = '''
import sys, time
from pathlib import Path
import numpy as np
from mien.core.observations import Window
from mien.core.tasks import ACTION_UNITS, EXPRESSION
from mien.core.trials import Trial
from mien.datasets.labels import RULES
from mien.recipes import RECIPES, tiny_recipe
from mien.recipes.overrides import override
from mien.training.loop import fit

def trial(k):
    return Trial(f"{k:03d}", "squares", labels={"expression": EXPRESSION.classes[k % 3]})

def source(one, pick=None):
    k = int(one.id); rng = np.random.default_rng(k)
    base = np.eye(3)[k % 3] * 150 + 50
    pictures = np.clip(base + rng.normal(0, 25, (20, 32, 32, 3)), 0, 255).astype(np.uint8)
    rows = np.arange(20) if pick is None else pick(20)
    none = np.zeros((0, len(ACTION_UNITS)))
    return Window(0.0, 1.0, np.zeros(0), np.zeros((0, 4, 3)), none[:, :3], none, none[:, :3], none[:, :2],
                  faces=pictures[rows], pictured=rows / 25)

out, epochs, rate = sys.argv[1:4]
recipe = override(tiny_recipe(RECIPES["duse/dfew"]), {"schedule.epochs": epochs, "schedule.rate": rate})
rule = RULES["expression"]
Path(out).mkdir(parents=True, exist_ok=True)
(Path(out) / f"ready-{rate}").touch()
while len(list(Path(out).glob("ready-*"))) < 2:
    time.sleep(0.05)
try:
    fit(recipe, rule([trial(k) for k in range(48)]), rule([trial(k) for k in range(48, 54)]), source, out, device="cpu",
        precision="32")
except ValueError as error:
    raise SystemExit(str(error))
'''


def test_of_two_trainings_in_one_folder_one_is_refused(tmp_path) -> None:
    """A job that was queued twice; the two differ only in their learning rate."""
    (tmp_path / "fit_one.py").write_text(TRAINING)
    out = tmp_path / "run"
    processes = [subprocess.Popen([sys.executable, str(tmp_path / "fit_one.py"), str(out), "2", rate],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                 for rate in ("0.001", "0.00001")]
    texts = [process.communicate(timeout=900)[0] for process in processes]
    assert sorted(process.returncode for process in processes) == [0, 1], texts
    assert any("another command at work in it (training, process" in text.splitlines()[-1] for text in texts if text)
    rows = (out / "log.csv").read_text().splitlines()[1:]
    assert {row.count(",") for row in rows} == {11}
    rates = {float(row.split(",")[2]) for row in rows}  # each falls to a tenth after an epoch
    assert rates <= {1e-3, 1e-4} or rates <= {1e-5, 1e-6}, "the log holds the rows of one training"
    assert not (out / folder_lock_module.NAME).exists()


def test_a_folder_that_another_process_holds_is_refused_or_waited_for(tmp_path) -> None:
    said: list[str] = []
    with held_by_another(tmp_path / "out", "a benchmark") as process:
        why = (rf"out free for training, got another command at work in it \(a benchmark, process {process.pid} on ")
        with pytest.raises(FolderLockedError, match=why) as refused, folder_lock(tmp_path / "out", "training"):
            pass
        assert "\n" not in str(refused.value)
        releasing = threading.Timer(0.3, process.stdin.close)
        releasing.start()
        with folder_lock(tmp_path / "out", "training", wait=True, log=said.append):
            assert process.wait(timeout=60) == 0
    assert [line.split(": ", 1)[1].split(" ")[0] for line in said] == ["waiting"]


def test_a_killed_owner_loses_its_lock_and_this_is_said(tmp_path) -> None:
    with held_by_another(tmp_path) as process:
        process.kill()
        process.wait()
    said: list[str] = []
    with folder_lock(tmp_path, "training", log=said.append):
        pass
    [line] = said
    assert f"process {process.pid} on" in line
    assert "has ended: its lock is taken over" in line
    assert list(tmp_path.iterdir()) == []


def owner(**changes) -> LockOwner:
    return replace(lock_owner.this_process("training"), **{"token": "t", **changes})


def write_lock(folder: Path, lock: LockOwner) -> Path:
    path = folder / folder_lock_module.NAME
    path.write_text(json.dumps(asdict(lock)))
    return path


def test_a_process_with_the_number_of_a_dead_one_is_not_its_owner(tmp_path) -> None:
    write_lock(tmp_path, owner(started=1))
    with folder_lock(tmp_path, "training"):
        pass


def test_another_host_is_alive_while_its_lock_is_touched(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(folder_lock_module, "POLL", 0.02)
    path = write_lock(tmp_path, owner(host="node7", process=1))
    over = threading.Event()

    def beat() -> None:
        while not over.wait(0.05):
            os.utime(path, ns=(time.time_ns(), time.time_ns()))

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(FolderLockedError, match="process 1 on node7"), folder_lock(tmp_path, "training"):
            pass
    finally:
        over.set()
        thread.join()
    monkeypatch.setattr(folder_lock_module, "STALE", 0.2)
    said: list[str] = []
    with folder_lock(tmp_path, "training", log=said.append):
        pass
    assert "gave no sign for" in said[-1]


@pytest.mark.parametrize("content", [
    b"", b"garbage", b"\xff\x00", b"[]", b'{"host": "node7"}',
    *(json.dumps({**asdict(owner()), key: value}).encode() for key, value in (
        ("process", "x"), ("process", 10**30), ("process", -1), ("host", None), ("started", "now")))])
@pytest.mark.parametrize("age", [3600, -3600])
def test_a_lock_that_names_no_owner_is_removed_and_this_is_said(tmp_path, content, age) -> None:
    path = tmp_path / folder_lock_module.NAME
    path.write_bytes(content)
    os.utime(path, (time.time() - age, time.time() - age))
    lines: list[str] = []
    with folder_lock(tmp_path, "training", log=lines.append):
        pass
    [line] = lines
    assert "the lock names no owner" in line
    assert list(tmp_path.iterdir()) == []


def test_a_young_lock_without_an_owner_may_be_half_written(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(folder_lock_module, "POLL", 0.02)
    path = tmp_path / folder_lock_module.NAME
    path.write_bytes(b"")
    thread = threading.Timer(0.2, lambda: path.unlink())
    thread.start()
    lines: list[str] = []
    with folder_lock(tmp_path, "training", log=lines.append):
        thread.join()
    assert lines == []


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_a_folder_or_a_pipe_in_place_of_the_lock_is_named(tmp_path, make) -> None:
    make(tmp_path / folder_lock_module.NAME)
    with pytest.raises(OSError, match="got a folder or a device: remove it"), folder_lock(tmp_path, "training"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [folder_lock_module.NAME]


def test_a_link_to_nothing_in_place_of_the_lock_is_removed(tmp_path) -> None:
    (tmp_path / folder_lock_module.NAME).symlink_to(tmp_path / "gone")
    lines: list[str] = []
    with folder_lock(tmp_path, "training", log=lines.append):
        pass
    assert "a link to nothing" in lines[0]


def test_a_heartbeat_in_the_future_is_no_sign_of_life(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(folder_lock_module, "POLL", 0.02)
    monkeypatch.setattr(folder_lock_module, "STALE", 0.2)
    path = write_lock(tmp_path, owner(host="node7", process=1))
    os.utime(path, (time.time() + 3600, time.time() + 3600))
    lines: list[str] = []
    with folder_lock(tmp_path, "training", log=lines.append):
        pass
    assert "gave no sign for" in lines[-1]


def test_a_process_may_hold_a_folder_twice_and_beats(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(folder_lock_module, "BEAT", 0.02)
    with folder_lock(tmp_path, "training"):
        path = tmp_path / folder_lock_module.NAME
        os.utime(path, (0, 0))
        with folder_lock(tmp_path, "training"):
            pass
        for _ in range(500):
            if path.stat().st_mtime > 0:
                break
            time.sleep(0.02)
        assert path.stat().st_mtime > 0
    assert not path.exists()


def test_many_processes_exclude_each_other(tmp_path) -> None:
    code = ("import sys, time\nfrom pathlib import Path\nfrom mien.core import folder_lock as locks\nlocks.POLL = "
            "0.01\n"
            "for _ in range(5):\n    with locks.folder_lock(sys.argv[1], 'counting', wait=True):\n"
            "        file = Path(sys.argv[1]) / 'count'\n        known = int(file.read_text())\n        "
            "time.sleep(0.002)\n"
            "        file.write_text(str(known + 1))\n")
    (tmp_path / "count").write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(4)]
    assert [process.wait(timeout=300) for process in processes] == [0] * 4
    assert (tmp_path / "count").read_text() == "20"


def test_runs_in_one_folder_share_the_files(tmp_path) -> None:
    """What another run analyses now is left to the end, and waited for then."""
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(name.encode())
    order = tmp_path / "order"  # a file, as jobs run in processes

    def work(job, progress=None):
        with order.open("a") as file:
            file.write(f"{Path(job.path).name} {job.wait}\n")
        if Path(job.path).name == "a.mp4" and not job.wait:
            return Outcome("skipped", BUSY)
        return Outcome("failed", "waited" if job.wait else "no film")

    inputs = batch.find_inputs([tmp_path / "a.mp4", tmp_path / "b.mp4"], tmp_path / "out", tmp_path)
    entries = batch.analyze(inputs, tmp_path / "out", batch.AnalysisOptions(), work=work)
    assert order.read_text().splitlines()[-1] == "a.mp4 True"
    assert sorted(order.read_text().splitlines()) == ["a.mp4 False", "a.mp4 True", "b.mp4 False"]
    assert [entry.reason for entry in entries] == ["waited", "no film"]


def test_a_file_that_another_run_analyses_is_left_alone(tmp_path) -> None:
    film = tmp_path / "a.mp4"
    film.write_bytes(b"no film")
    job = batch.FileJob(str(film), str(tmp_path / "out" / "a.mp4"), batch.AnalysisOptions())
    with held_by_another(tmp_path / "out" / "a.mp4", "analysing"):
        assert batch.process_file.analyze_input(job).reason == BUSY
    assert batch.process_file.analyze_input(job).status == "failed"  # no film, but its folder is free


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems do not show it")
def test_a_process_that_ended_unseen_is_dead():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert not lock_owner.is_zombie(child.pid)
    child.kill()
    while not lock_owner.is_zombie(child.pid):  # its parent, this test, has not waited for it
        time.sleep(0.01)
    child.communicate()
