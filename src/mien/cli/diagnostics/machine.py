"""The machine: system, CPU, memory, GPU, folders."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import tempfile
from pathlib import Path

from mien.cli.diagnostics.check_result import CheckResult
from mien.cli.diagnostics.components import BUSY, isolated
from mien.video.open import cores

MEMORY = 2.0
"""GiB that should be free. Our choice: an analysis of 640x480 peaked at 0.35, and others run beside it."""

DISK = 1.0
"""GiB that should be free where files are written. Our choice: an annotated video of an hour, at 2 Mbit/s."""

FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")
"""CPU features that matter for speed, as Linux names them (x86, then Arm)."""

GIB = 2**30


def system() -> list[CheckResult]:
    """onnxruntime and OpenCV have wheels for these only."""
    text = f"{platform.system()} {platform.release()}, {platform.machine()}, {platform.libc_ver()[0] or 'no glibc'}"
    known = platform.machine().lower() in ("x86_64", "amd64", "arm64", "aarch64")
    if not known:
        return [
            CheckResult("system", "failure", text, "use a 64-bit x86 or Arm machine: onnxruntime has no other wheels")
        ]
    return [CheckResult("system", "ok", text)]


def cpu() -> list[CheckResult]:
    """Cores that this process may use, and what they can do."""
    count, flags = cores(), _flags()
    results = [CheckResult("cores", "ok", f"{count} to be used of {os.cpu_count()}")]
    if count < 2:
        results = [CheckResult("cores", "warning", f"1 to be used of {os.cpu_count()}",
                         "give the process or the container two: reading and face finding run side by side")]
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    text = ", ".join(flags) or "none of the features that make it fast are known"
    if x86 and "avx2" not in flags:
        return [*results, CheckResult("CPU features", "warning", text, "expect slow analysis, or use a CPU with avx2")]
    half = "" if {"avx512_bf16", "amx_bf16", "bf16"} & set(flags) else "; no bf16: trained models run in float32"
    return [*results, CheckResult("CPU features", "ok", text + half)]


def memory() -> list[CheckResult]:
    """What is free now, within the limit of the container."""
    free = _free()
    if free is None:
        return [CheckResult("memory", "ok", "this system does not tell")]
    text = f"{free:.1f} GiB free"
    if free < MEMORY:
        return [
            CheckResult("memory", "warning", text, f"close programs or raise the limit: {MEMORY:g} GiB are advised")
        ]
    return [CheckResult("memory", "ok", text)]


def gpu() -> list[CheckResult]:
    """None is needed. torch is asked where it is installed, in a process of its own."""
    none = "none; none is needed"
    if importlib.util.find_spec("torch"):
        code, out, error = isolated(
            "import torch; print([torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())])")
        if code is None:
            return [CheckResult("GPU", "warning", f"torch was asked for one: {error}", BUSY)]
        if code:
            last = (error.strip().splitlines() or [f"ended with {code}"])[-1]
            again = 'pip install --force-reinstall "mien[models]"'
            return [CheckResult("GPU", "warning", f"torch does not start: {last}", again)]
        names = out.strip().splitlines()[-1].strip("[]").replace("'", "")
        return [CheckResult("GPU", "ok", f"through torch: {names}" if names else none)]
    if shutil.which("nvidia-smi"):
        return [CheckResult("GPU", "ok", "an NVIDIA driver is here; only trained models would use it",
                        'pip install "mien[models]"')]
    return [CheckResult("GPU", "ok", none)]


def folders() -> list[CheckResult]:
    """Results go below the current folder unless --out names another one; some steps need the temporary one."""
    return [
        _folder("current folder", Path.cwd(), "write elsewhere: mien analyze --out FOLDER"),
        _folder("temporary folder", Path(tempfile.gettempdir()), "set TMPDIR to a folder that may be written"),
    ]


def _folder(name: str, path: Path, remedy: str) -> CheckResult:
    try:
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"mien")
            file.flush()
    except OSError as error:
        return CheckResult(name, "warning", f"{path} cannot be written: {error.strerror}", remedy)
    free = shutil.disk_usage(path).free / GIB
    text = f"{path}, {free:.1f} GiB free"
    if free < DISK:
        return CheckResult(name, "warning", text, f"make room ({DISK:g} GiB are advised), or {remedy}")
    return CheckResult(name, "ok", text)


def _flags() -> list[str]:
    """Those of `FLAGS` that the CPU has: by the kernel, elsewhere by numpy, which knows fewer."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(errors="replace").lower().splitlines()
        words = {word for line in lines if line.startswith(("flags", "features")) for word in line.split()}
    else:
        from numpy.core import _multiarray_umath

        features = getattr(_multiarray_umath, "__cpu_features__", {})
        words = {name.lower() for name, available in features.items() if available}
    return [flag for flag in FLAGS if flag in words]


def _free() -> float | None:
    """GiB, or None where the system does not tell."""
    amounts = []
    for path, pick in ((Path("/proc/meminfo"), _available), (Path("/sys/fs/cgroup/memory.max"), _left_in_group)):
        if path.exists():
            amounts.append(pick(path))
    known = [each for each in amounts if each is not None]
    return min(known) / GIB if known else None


def _available(path: Path) -> float | None:
    for line in path.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _left_in_group(path: Path) -> float | None:
    limit, used = path.read_text().strip(), path.with_name("memory.current")
    if limit == "max" or not used.exists():
        return None
    return int(limit) - int(used.read_text())
