"""The scripts of examples/slurm, by a stand-in for sbatch that starts a process for each task of an array."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from live_films import write
from shared_lookalikes import copy_dfew

SCRIPTS = Path(__file__).resolve().parent.parent / "examples" / "slurm"
BASH = shutil.which("bash")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(BASH is None, reason="expected bash, got none")]
CEILING = 1200.0

SBATCH = re.compile(r"^#SBATCH (--\S+)$", re.M)


def sbatch(script: Path, folder: Path, *arguments: str, array: str = "") -> list[subprocess.CompletedProcess]:
    """Every task of a job at the same time, each with the variables that Slurm sets."""
    options = dict(text.lstrip("-").partition("=")[::2] for text in SBATCH.findall(script.read_text(encoding="utf-8")))
    first, _, last = (array or options.get("array", "")).partition("-")
    numbers = range(int(first), int(last) + 1) if first else (None,)
    shim = folder / "bin"
    shim.mkdir(exist_ok=True)
    (shim / "mien").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mien.cli "$@"\n')
    (shim / "mien").chmod(0o755)
    running = []
    for number in numbers:
        variables = {"PATH": f"{shim}{os.pathsep}{os.environ['PATH']}", "SLURM_CPUS_PER_TASK": "1", "SLURM_JOB_ID": "1"}
        if number is not None:
            variables["SLURM_ARRAY_TASK_ID"] = str(number)
        running.append(subprocess.Popen([BASH, script, *arguments], cwd=folder, env=os.environ | variables, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
    return [subprocess.CompletedProcess(each.args, each.wait(CEILING), each.communicate()[0]) for each in running]


def test_every_script_is_one_that_bash_can_read_and_has_its_resources():
    for script in SCRIPTS.glob("*.sh"):
        assert subprocess.run([BASH, "-n", script], check=False).returncode == 0
        options = {text.partition("=")[0] for text in SBATCH.findall(script.read_text(encoding="utf-8"))}
        assert {"--job-name", "--mem", "--time"} <= options
    assert len(list(SCRIPTS.glob("*.sh"))) == 3


def test_an_array_analyses_each_file_once(tmp_path):
    (tmp_path / "recordings").mkdir()
    for name in ("a", "b", "c"):
        write(tmp_path / "recordings" / f"{name}.mp4", 1.0 + ord(name) % 3)
    done = sbatch(SCRIPTS / "analyze.sh", tmp_path, "recordings", "results", array="0-1")
    assert [task.returncode for task in done] == [0, 0], [task.stdout for task in done]
    manifest = json.loads((tmp_path / "results" / "manifest.json").read_text())
    assert len(manifest["files"]) == 3
    assert {entry["status"] for entry in manifest["files"]} <= {"ok", "skipped"}
    assert len(pd.read_csv(tmp_path / "results" / "people.csv")) == 3


def test_folds_are_trained_by_an_array_and_gathered_into_one_table(tmp_path, tmp_path_factory):
    copy_dfew(tmp_path_factory, tmp_path / "dfew")
    arguments = ("duse/dfew", "dfew", "runs")
    done = sbatch(SCRIPTS / "folds.sh", tmp_path, *arguments, "--tiny", array="1-2")
    assert [task.returncode for task in done] == [0, 0], [task.stdout for task in done]
    before = [path.stat().st_mtime_ns for path in sorted((tmp_path / "runs").glob("task-*/folds/*/done.json"))]
    (gathered,) = sbatch(SCRIPTS / "gather.sh", tmp_path, *arguments, "--tiny", "--folds", "1,2")
    assert gathered.returncode == 0, gathered.stdout
    assert len(list((tmp_path / "runs" / "all" / "folds").iterdir())) == 2
    assert (tmp_path / "runs" / "all" / "table.md").is_file()
    assert before == [path.stat().st_mtime_ns for path in sorted((tmp_path / "runs").glob("task-*/folds/*/done.json"))]
