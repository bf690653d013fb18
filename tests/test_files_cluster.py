"""Files on a Dask cluster of this machine's processes: some are killed midway, all are, or there are none."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

import fake_work
from mien import files
from mien.files import Job, Options, Outcome, pool

distributed = pytest.importorskip("distributed", reason="the extra mien[cluster] is not installed")
from mien.files import cluster as clusters  # noqa: E402


@pytest.fixture
def here(tmp_path) -> Path:
    return tmp_path


def jobs(here: Path, *names: str) -> list[Job]:
    return [Job(str(here / name), str(here / "out" / name), Options()) for name in names]


def begun(job: Job) -> list[Path]:
    return sorted(Path(job.folder).glob("begun-*"))


@pytest.fixture(scope="module")
def cluster():
    import dask

    quiet = {"dashboard_address": ":0", "silence_logs": 50}
    brisk = dask.config.set({"distributed.scheduler.allowed-failures": 1, "distributed.comm.timeouts.connect": "3s"})
    with brisk, distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **quiet) as cluster:
        yield cluster


def test_a_cluster_whose_worker_is_killed_midway_finishes_every_file(here, cluster):
    todo = jobs(here, *(f"slow{n}" for n in range(4)))
    outcomes: dict[str, Outcome] = {}
    for job, outcome in pool.run(todo, fake_work.work, cluster=cluster.scheduler_address):
        if not outcomes:
            busy = [path.read_text() for other in todo for path in begun(other) if other.path != job.path]
            os.kill(int(next(pid for pid in [*busy, outcome.note] if pid)), signal.SIGKILL)
        outcomes[Path(job.path).name] = outcome
    assert {name: outcome.status for name, outcome in outcomes.items()} == dict.fromkeys(sorted(outcomes), "ok")
    assert len(outcomes) == 4
    assert len({path.read_text() for job in todo for path in begun(job)}) >= 2
    assert str(os.getpid()) not in {outcome.note for outcome in outcomes.values()}


def test_a_file_that_kills_every_worker_of_a_cluster_is_one_failed_file(here, cluster):
    todo = jobs(here, "a", "kill", "kill2", "slow", "slow2", "d")
    outcomes = {Path(job.path).name: outcome.status
                for job, outcome in pool.run(todo, fake_work.work, cluster=cluster.scheduler_address)}
    assert outcomes == {"a": "ok", "kill": "failed", "kill2": "failed", "slow": "ok", "slow2": "ok", "d": "ok"}


def test_a_cluster_of_one_worker_is_a_cluster(here):
    quiet = {"dashboard_address": ":0", "silence_logs": 50}
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=True, **quiet) as cluster:
        ended = pool.run(jobs(here, "a", "b"), fake_work.work, cluster=cluster.scheduler_address)
        assert str(os.getpid()) not in {outcome.note for _, outcome in ended}


def test_a_cluster_without_workers_is_waited_for_and_then_told(here, monkeypatch):
    monkeypatch.setattr(clusters, "PATIENCE", 2.0)
    quiet = {"dashboard_address": ":0", "silence_logs": 50}
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=True, **quiet) as cluster:
        ended = pool.run(jobs(here, "a", "slow", "b"), fake_work.work, cluster=cluster.scheduler_address)
        first = next(ended)[1]
        cluster.scale(0)
        outcomes = [first, *(outcome for _, outcome in ended)]
    assert len(outcomes) == 3
    assert outcomes[0].status == "ok"
    assert "expected a worker in the cluster, got none for 2 s" in outcomes[-1].reason


def test_no_scheduler_there_is_said_in_words(here, monkeypatch):
    monkeypatch.setattr(clusters, "CONNECT", 0.5)
    with pytest.raises(ValueError, match=r"expected a Dask scheduler at tcp://127\.0\.0\.1:1, got .*; start one with"):
        list(pool.run(jobs(here, "a"), fake_work.work, cluster="tcp://127.0.0.1:1"))


def test_a_missing_package_is_told_with_the_command(here, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "mien.files.cluster")
    monkeypatch.delattr(files, "cluster")
    with pytest.raises(ValueError, match=r'pip install "mien\[cluster\]"'):
        list(pool.run(jobs(here, "a"), fake_work.work, cluster="tcp://127.0.0.1:1"))
