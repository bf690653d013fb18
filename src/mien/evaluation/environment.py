"""Describe the environment of a result: package versions, commit, device and machine."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import mien
from mien.backbones.tower import fast_dtype

PACKAGES = ("torch", "tokenizers", "lightning-fabric", "numpy", "scipy", "scikit-learn", "pandas", "av", "onnxruntime")


def describe_environment(seed: int, device: str, precision: str) -> dict[str, Any]:
    """The environment as JSON data.

    `commit` is that of mien's own repository, with "+changes" if the source differs from it, and None for an installed
    mien, even inside another repository. `precision` is resolved: "auto" becomes "bf16" or "32", as the device has it.
    """
    if precision == "auto":
        precision = "bf16" if fast_dtype(device) is torch.bfloat16 else "32"
    versions = {"mien": mien.__version__, **{name: _version(name) for name in PACKAGES}}
    return {"versions": versions, "python": platform.python_version(),
            "commit": _commit(), "seed": seed, "device": device, "precision": precision,
            "threads": torch.get_num_threads(), "system": platform.platform(), "processor": _processor(),
            "cores": os.cpu_count(),
            "accelerators": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    package, this_file = Path(__file__).resolve().parents[1], str(Path(__file__).resolve())

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(package), *words], capture_output=True, text=True, check=True,
                              timeout=10).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", this_file)  # fails if the repository around us is not our own
        commit = git("rev-parse", "HEAD")
        if git("status", "--porcelain", "--", "."):
            commit += "+changes"
        return commit
    except (OSError, subprocess.SubprocessError):
        return None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
