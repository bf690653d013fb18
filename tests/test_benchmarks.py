"""Benchmarks that no machine at hand can run whole: that they run at all."""

import argparse
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.bench

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("name", ["duse", "scpt", "mvp", "videomae"])
def test_a_gpus_steps_are_counted_and_timed(name, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    gpu = importlib.import_module("gpu")
    result = gpu.measure(name, argparse.Namespace(tiny=True, compile=False, steps=1, peak=1e-6), "cpu")
    rate = float(result["work of a step, TFLOP"]) / float(result["a step, ms"]) * 1e3
    assert rate > 0
    assert float(result["TFLOP/s"]) == pytest.approx(rate, rel=0.02)
    assert float(result["share of the peak"].rstrip("%")) / 100 == pytest.approx(rate / 1e-6, rel=0.02)


def test_every_benchmark_fits_the_package_of_today():
    """Runs what stands outside functions: imports, tables of cases, defaults."""
    code = ("import runpy, sys, traceback\n"
            "for path in sys.argv[1:]:\n"
            "    try:\n"
            "        runpy.run_path(path, run_name='read')\n"
            "    except Exception:\n"
            "        print(path, traceback.format_exc())")
    paths = sorted(str(path) for path in BENCHMARKS.glob("*.py"))
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(BENCHMARKS)])})
    assert (done.stdout, done.returncode) == ("", 0), done.stderr
