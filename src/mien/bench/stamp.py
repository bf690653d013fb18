"""Where a result comes from: versions, commit, machine."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("mien", "torch", "transformers", "lightning", "numpy", "scipy", "scikit-learn", "pandas", "av", "mediapipe")


def stamp(seed: int, device: str, precision: str) -> dict[str, Any]:
    """As JSON data. `commit`: of the source tree that mien runs from, with "+changes" where it differs; None without
    one."""
    return {"versions": {name: _version(name) for name in PACKAGES}, "python": platform.python_version(),
            "commit": _commit(), "seed": seed, "device": device, "precision": precision,
            "threads": torch.get_num_threads(), "system": platform.platform(), "processor": _processor(),
            "accelerators": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    here = ["git", "-C", str(Path(__file__).parent)]
    try:
        found = subprocess.run([*here, "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10)
        state = subprocess.run([*here, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True,
                               timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() + "+changes" * bool(state.stdout.strip())


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(errors="replace").splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
