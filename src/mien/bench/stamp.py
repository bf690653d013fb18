"""Where a result comes from: versions, commit, machine."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from mien.towers import fast_dtype

PACKAGES = ("mien", "torch", "transformers", "lightning", "numpy", "scipy", "scikit-learn", "pandas", "av", "mediapipe")


def stamp(seed: int, device: str, precision: str) -> dict[str, Any]:
    """As JSON data. `commit`: of the repository whose files mien runs from, with "+changes" where its source differs;
    None where it is installed, even below another repository. `precision`: what "auto" becomes on the device."""
    if precision == "auto":
        precision = "bf16" if fast_dtype(device) is torch.bfloat16 else "32"
    return {"versions": {name: _version(name) for name in PACKAGES}, "python": platform.python_version(),
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
    package, own = Path(__file__).resolve().parents[1], str(Path(__file__).resolve())

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(package), *words], capture_output=True, text=True, check=True,
                              timeout=10).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", own)  # else it is somebody else's, who has us installed below it
        return git("rev-parse", "HEAD") + "+changes" * bool(git("status", "--porcelain", "--", "."))
    except (OSError, subprocess.SubprocessError):
        return None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(errors="replace").splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
