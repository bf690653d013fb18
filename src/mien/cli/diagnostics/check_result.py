"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "failure"]
STATUSES: tuple[Status, ...] = ("ok", "warning", "failure")


@dataclass(frozen=True)
class CheckResult:
    """`detail` in words; `remedy` says what to do, and is there wherever the status is not ok.

    A `failure` keeps the default analysis from working, a `warning` costs speed, a part, or care.
    """

    name: str
    status: Status
    detail: str
    remedy: str = ""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"CheckResult.status: expected {' or '.join(STATUSES)}, got {self.status!r}; "
                             "use one of them")
        if self.status != "ok" and not self.remedy:
            raise ValueError(f"CheckResult.remedy: expected what to do about {self.name!r}, got nothing; add it")
