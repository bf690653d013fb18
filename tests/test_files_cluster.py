"""Files on a Dask cluster of this machine's processes: some are killed midway, all are, or there are none."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import fake_work
import mien
from dask_processes import cluster
from mien.core import parallel
from mien.core.parallel import pool
from mien.core.parallel.outcome import Outcome
from mien.inference.batch.options import AnalysisOptions
from mien.inference.batch.process_file import FileJob

pytest.importorskip("distributed", reason="the extra mien[cluster] is not installed")
from mien.core.parallel import cluster as cluster_module

pytestmark = pytest.mark.slow


@pytest.fixture
def here(tmp_path) -> Path:
    return tmp_path


def jobs(here: Path, *names: str) -> list[FileJob]:
    return [FileJob(str(here / name), str(here / "out" / name), AnalysisOptions()) for name in names]


def test_a_cluster_whose_worker_is_killed_midway_finishes_every_file(here):
    todo = jobs(here, *(f"slow{n}" for n in range(4)))
    outcomes: dict[str, Outcome] = {}
    with cluster(2) as running:
        for job, outcome in pool.run(todo, fake_work.work, cluster=running.address):
            if not outcomes:
                running.workers[0].kill()
            outcomes[Path(job.path).name] = outcome
    assert {name: outcome.status for name, outcome in outcomes.items()} == dict.fromkeys(sorted(outcomes), "ok")
    assert len(outcomes) == 4
    assert {outcome.note for outcome in outcomes.values()} <= {str(worker.pid) for worker in running.workers}
    assert str(running.workers[1].pid) in {outcome.note for outcome in outcomes.values()}


def test_a_file_that_kills_every_worker_of_a_cluster_is_one_failed_file(here):
    todo = jobs(here, "a", "kill", "kill2", "slow", "slow2", "d")
    with cluster(2, nanny=True) as running:
        ended = pool.run(todo, fake_work.work, cluster=running.address)
        outcomes = {Path(job.path).name: outcome.status for job, outcome in ended}
    assert outcomes == {"a": "ok", "kill": "failed", "kill2": "failed", "slow": "ok", "slow2": "ok", "d": "ok"}


def test_a_cluster_of_one_worker_is_a_cluster_and_without_it_is_waited_for_and_then_reported(here, monkeypatch):
    with cluster(1) as running:
        ended = pool.run(jobs(here, "slow1", "slow2", "slow3"), fake_work.work, cluster=running.address)
        first = next(ended)[1]
        monkeypatch.setattr(cluster_module, "PATIENCE", 2.0)
        running.workers[0].kill()
        others = [outcome for _, outcome in ended]
    assert first.note == str(running.workers[0].pid)
    assert [outcome.status for outcome in others] == ["failed"] * 2
    assert all("expected a worker in the cluster, got none for 2 s" in outcome.reason for outcome in others)


def test_a_cluster_whose_scheduler_dies_is_reported(here):
    with cluster(1) as running:
        ended = pool.run(jobs(here, "slow1", "slow2", "slow3"), fake_work.work, cluster=running.address)
        assert next(ended)[1].status == "ok"
        running.scheduler.kill()
        others = [outcome for _, outcome in ended]
    assert [outcome.status for outcome in others] == ["failed"] * 2
    assert all("expected the Dask cluster to stay, got a lost connection" in outcome.reason for outcome in others)


def test_a_worker_with_another_version_is_one_sentence(here, monkeypatch):
    with cluster(1) as running:
        monkeypatch.setattr(mien, "__version__", "99.0")
        ended = [outcome for _, outcome in pool.run(jobs(here, "a", "b"), fake_work.work, cluster=running.address)]
    assert [outcome.status for outcome in ended] == ["failed"] * 2
    assert {outcome.reason for outcome in ended} == {
        f"expected mien 99.0 on each worker of the cluster, got {version('mien')}: install the same version there"}


def test_no_scheduler_there_is_said_in_words(here, monkeypatch):
    monkeypatch.setattr(cluster_module, "CONNECT", 0.5)
    with pytest.raises(ValueError, match=r"expected a Dask scheduler at tcp://127\.0\.0\.1:1, got .*; start one with"):
        list(pool.run(jobs(here, "a"), fake_work.work, cluster="tcp://127.0.0.1:1"))


def test_a_missing_package_is_reported_with_the_command(here, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "mien.core.parallel.cluster")
    monkeypatch.delattr(parallel, "cluster")
    with pytest.raises(ValueError, match=r'pip install "mien\[cluster\]"'):
        list(pool.run(jobs(here, "a"), fake_work.work, cluster="tcp://127.0.0.1:1"))
