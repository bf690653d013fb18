"""Schemas of the server's responses, for its OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

RESULT_FILES = {"report.html": "text/html", "summary.json": "application/json", "timeline.csv": "text/csv",
         "timeline.parquet": "application/vnd.apache.parquet", "events.jsonl": "application/jsonl"}
"""Result files of an upload and their media types."""

Name = Literal["report.html", "summary.json", "timeline.csv", "timeline.parquet", "events.jsonl"]
Status = Literal["queued", "running", "done", "failed", "cancelled"]


class ProblemResponse(BaseModel):
    """An error: what was expected, what was received, and what to do."""

    detail: str


class HealthResponse(BaseModel):
    """The server runs; `camera` is the state of its own camera."""

    status: Literal["ok"] = "ok"
    version: str
    camera: str


class NowResponse(BaseModel):
    """Expression and heart rate now. `event` is null when no frame came in the last seconds; `text` then says so.

    `prompt` is the text for a language model, and `observation` has its fields.
    """

    text: str
    prompt: str
    observation: dict[str, Any] | None
    event: dict[str, Any] | None
    age_ms: float | None


class HistoryResponse(BaseModel):
    """The last seconds: `changes`, oldest first, and a `summary` in numbers."""

    changes: list[dict[str, Any]]
    summary: dict[str, Any]


class JobResponse(BaseModel):
    """An uploaded video: `progress` 0..1; `files` once it is done; `reason` if it failed."""

    id: str
    status: Status
    progress: float
    reason: str
    files: list[str]
    people: int


def problem_responses(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Error responses of an endpoint: those of `codes`, and those of every endpoint."""
    return {code: {"model": ProblemResponse} for code in sorted({401, 403, 413, 429, *codes})}
