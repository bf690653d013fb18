"""What the server answers with, for its OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

FILES = {"report.html": "text/html", "summary.json": "application/json", "timeline.csv": "text/csv",
         "timeline.parquet": "application/vnd.apache.parquet", "events.jsonl": "application/jsonl"}
"""What comes of an upload, and its type."""

Name = Literal["report.html", "summary.json", "timeline.csv", "timeline.parquet", "events.jsonl"]
Status = Literal["queued", "running", "done", "failed", "cancelled"]


class Problem(BaseModel):
    """What was expected, what came, what to do."""

    detail: str


class Health(BaseModel):
    """That the server answers, and how its own camera is."""

    status: Literal["ok"] = "ok"
    version: str
    camera: str


class Now(BaseModel):
    """What is read of the person now; `event` is null, and `text` says so, when no picture came in the last seconds."""

    text: str
    event: dict[str, Any] | None
    age_ms: float | None


class Work(BaseModel):
    """An uploaded video: `progress` 0..1; `files` are there once it is done; `reason` says why it failed."""

    id: str
    status: Status
    progress: float
    reason: str
    files: list[str]
    people: int


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The answers of an endpoint when something is wrong, with those that every one may give."""
    return {code: {"model": Problem} for code in sorted({401, 403, 413, 429, *codes})}
