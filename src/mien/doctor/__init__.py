"""Is this machine fit for mien? Every part that the default analysis needs is tried, and each failure has its remedy.

>>> [finding for finding in diagnose() if finding.status != "ok"]
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from .finding import STATUSES, Finding, Status
from .machine import cpu, folders, gpu, memory, system
from .packages import extras, licences, python, strangers, versions
from .parts import decoder, detector, imports, opencv, weights

__all__ = ["STATUSES", "Finding", "Status", "diagnose"]

CHECKS: dict[str, Callable[[], list[Finding]]] = {
    "python": python,
    "packages": versions,
    "imports": imports,
    "unwanted packages": strangers,
    "decoder": decoder,
    "libGL": opencv,
    "face detector": detector,
    "weights": weights,
    "system": system,
    "CPU": cpu,
    "memory": memory,
    "GPU": gpu,
    "folders": folders,
    "extras": extras,
    "licences": licences,
}


def diagnose() -> list[Finding]:
    """Tries everything, in a few seconds. Never raises: a check that breaks is a finding itself."""
    with ThreadPoolExecutor(4) as pool:  # most of the time is spent in child processes
        return [finding for found in pool.map(_try, CHECKS) for finding in found]


def _try(name: str) -> list[Finding]:
    try:
        return CHECKS[name]()
    except Exception as error:
        found = f"the check itself broke: {type(error).__name__}: {' '.join(str(error).split())}"
        return [Finding(name, "failure", found, "reinstall mien; if it stays, report this line")]
