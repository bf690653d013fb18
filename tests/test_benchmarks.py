"""Benchmarks that no machine at hand can run whole: that they run at all."""

import argparse
import importlib
from pathlib import Path

import pytest

pytestmark = pytest.mark.bench


@pytest.mark.parametrize("name", ["duse", "scpt", "mvp", "videomae"])
def test_a_gpus_steps_are_counted_and_timed(name, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    gpu = importlib.import_module("gpu")
    result = gpu.measure(name, argparse.Namespace(tiny=True, compile=False, steps=1, peak=1e-6), "cpu")
    rate = float(result["work of a step, TFLOP"]) / float(result["a step, ms"]) * 1e3
    assert rate > 0
    assert float(result["TFLOP/s"]) == pytest.approx(rate, rel=0.02)
    assert float(result["share of the peak"].rstrip("%")) / 100 == pytest.approx(rate / 1e-6, rel=0.02)
