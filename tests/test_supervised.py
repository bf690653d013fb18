"""Work in a supervised child: it may crash, hang or take too much memory, and the parent lives and says so."""

from __future__ import annotations

import ctypes
import io
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import scipy.io

from mien.core.parallel import Outcome, supervised
from mien.core.parallel.pool import run_supervised
from mien.core.parallel.supervised import SupervisedWorker, WorkerError
from mien.core.scratch_folder import ScratchFolder, sweep
from mien.datasets.readers import bdf, mat

CEILING = 300.0
"""s that a test waits for what must come, however busy the machine is."""


class Job:
    """A job of `run_supervised`, with its folder."""

    def __init__(self, folder):
        self.folder = str(folder)


@pytest.fixture
def worker():
    result = SupervisedWorker(memory=600 * 2**20)
    yield result
    result.close()


def crash():
    ctypes.string_at(0)


def fill():
    return len(np.ones(2**30, np.uint8))


def fail():
    raise KeyError("no such key")


def nested():
    return SupervisedWorker().call(os.getpid)


def halfway(job, progress):
    progress(0.25)
    os.makedirs(os.path.join(job.folder, ".partial-x"))
    time.sleep(CEILING)
    return Outcome("ok")


def test_a_crash_is_an_error_and_the_next_call_has_a_new_child(worker, capfd):
    first = worker.call(os.getpid)
    assert first != os.getpid()
    assert worker.call(os.getpid) == first
    with pytest.raises(WorkerError, match=r"crashed.*SIGSEGV"):
        worker.call(crash)
    assert worker.call(os.getpid) not in (first, os.getpid())
    assert "Fatal Python error" not in capfd.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory")
def test_memory_is_limited_and_errors_come_as_they_are(worker):
    with pytest.raises(MemoryError):
        worker.call(fill)
    with pytest.raises(KeyError, match="no such key"):
        worker.call(fail)


def test_supervised_worker_kills_slow_calls():
    worker = SupervisedWorker()
    with pytest.raises(WorkerError, match=r"needed more than 0\.5 s"):
        worker.call(time.sleep, CEILING, seconds=0.5)
    worker.close()


def test_a_child_that_is_asked_to_stop_leaves_nothing(worker, tmp_path):
    reached = threading.Event()
    outcome = run_supervised(worker, Job(tmp_path), halfway, lambda share: share == 0.25 and reached.set(),
                             stopped=reached.is_set)
    assert reached.is_set()
    assert outcome.status == "failed"
    assert "stopped" in outcome.reason
    assert not list(tmp_path.iterdir())


def test_a_child_does_not_start_another(worker):
    assert worker.call(nested) == worker.call(os.getpid)


# ---------------------------------------------------------------- native readers


def test_an_idle_child_ends_and_the_next_call_starts_another(monkeypatch):
    monkeypatch.setattr(supervised, "IDLE", 0.3)
    worker = SupervisedWorker()
    first = worker.call(os.getpid)
    end = time.monotonic() + CEILING
    while os.path.exists(f"/proc/{first}") and time.monotonic() < end:
        time.sleep(0.05)
    assert worker.call(os.getpid) != first
    for _ in range(20):  # calls about when the child ends: none waits for ever, none fails
        time.sleep(0.28)
        assert worker.call(os.getpid, seconds=30) > 0
    worker.close()


def crashing_mat(path):
    """184 bytes at which SciPy 1.17 reads beyond its memory: the length of a variable's text claims the wrong type."""
    content = io.BytesIO()
    scipy.io.savemat(content, {"data": "text"})
    damaged = bytearray(content.getvalue())
    damaged[177] = 1
    path.write_bytes(damaged)
    return path


def test_a_matlab_file_that_crashes_its_reader_is_one_sentence(tmp_path):
    with pytest.raises(mat.MatError, match=r"expected a MATLAB file, got .*bad\.mat") as caught:
        mat.load(crashing_mat(tmp_path / "bad.mat"), ("data",))
    assert "\n" not in str(caught.value)
    scipy.io.savemat(tmp_path / "good.mat", {"data": np.eye(2)})
    assert np.array_equal(mat.load(tmp_path / "good.mat", ("data",))["data"], np.eye(2))


@pytest.mark.parametrize("reader", ["bdf", "mat"])
def test_a_reader_that_dies_on_a_file_is_an_error_of_that_file(tmp_path, monkeypatch, reader):
    from mien.datasets.readers import native

    def dies(*args):
        raise WorkerError("its reader crashed (SIGABRT(-6))")

    monkeypatch.setattr(native, "call", dies)
    function, error = {"bdf": (bdf.open_bdf, bdf.BdfError), "mat": (lambda path: mat.load(path, ("x",)), mat.MatError)}[
        reader]
    with pytest.raises(error, match="at which its reader crashed"):
        function(tmp_path / f"a.{reader}")


# ---------------------------------------------------------------- temporary folders


def test_scratch_folder_removes_folders_of_dead_processes_only(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "mien-other").mkdir()  # of another program: it has no owner's file
    living = ScratchFolder("test")
    code = ("import tempfile, os, sys; tempfile.tempdir = sys.argv[1]\n"
            "from mien.core.scratch_folder import ScratchFolder\n"
            "folder = ScratchFolder('test'); (folder.path / 'video.mp4').write_bytes(b'x'); os.kill(os.getpid(), 9)")
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, timeout=CEILING)
    assert len(list(tmp_path.glob("mien-test-*"))) == 2
    sweep()
    assert list(tmp_path.glob("mien-test-*")) == [living.path.parent]
    assert (tmp_path / "mien-other").is_dir()
    living.close()
    assert [path.name for path in tmp_path.iterdir()] == ["mien-other"]


IDLE_POOL = """
import os, time
from mien.core.parallel.supervised import local_processes
from joblib import delayed
if __name__ == "__main__":
    pool = local_processes(n_jobs=2, pre_dispatch=1, batch_size=1)  # the second process never gets a job
    pool(delayed(print)("at work", flush=True) for _ in range(1))
    time.sleep(600)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_process_without_a_job_ends_with_its_killed_parent(tmp_path) -> None:
    """Whoever waits for the output of a killed command would wait as long as one of its processes lives."""
    (tmp_path / "pool.py").write_text(IDLE_POOL)
    running = subprocess.Popen([sys.executable, tmp_path / "pool.py"], stdout=subprocess.PIPE, text=True)
    assert running.stdout.readline() == "at work\n"
    time.sleep(0.5)
    running.kill()
    assert running.communicate(timeout=30) == ("", None)
