"""Is this machine fit for mien? Every part that the default analysis needs is tried, and each failure has its remedy.

>>> [finding for finding in diagnose() if finding.status != "ok"]
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from mien.cli.diagnostics.check_result import STATUSES, CheckResult, Status
from mien.cli.diagnostics.components import decoder, detector, imports, opencv, weights
from mien.cli.diagnostics.machine import cpu, folders, gpu, memory, system
from mien.cli.diagnostics.models import face_models
from mien.cli.diagnostics.packages import extras, licences, python, strangers, versions

__all__ = ["STATUSES", "CheckResult", "Status", "diagnose"]

CHECKS: dict[str, Callable[[], list[CheckResult]]] = {
    "python": python,
    "packages": versions,
    "imports": imports,
    "unwanted packages": strangers,
    "decoder": decoder,
    "OpenCV": opencv,
    "face detector": detector,
    "face models": face_models,
    "weights": weights,
    "system": system,
    "CPU": cpu,
    "memory": memory,
    "GPU": gpu,
    "folders": folders,
    "extras": extras,
    "licences": licences,
}


def diagnose() -> list[CheckResult]:
    """Tries everything, in a few seconds. Never raises: a check that breaks is a finding itself."""
    with ThreadPoolExecutor(4) as pool:  # most of the time is spent in child processes
        return [finding for results in pool.map(_try, CHECKS) for finding in results]


def _try(name: str) -> list[CheckResult]:
    try:
        return CHECKS[name]()
    except Exception as error:  # noqa: BLE001 - a check that breaks is a finding
        detail = f"the check itself broke: {type(error).__name__}: {' '.join(str(error).split())}"
        return [CheckResult(name, "failure", detail, "reinstall mien; if it stays, report this line")]
