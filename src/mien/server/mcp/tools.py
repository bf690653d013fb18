"""The MCP server with its tools and its resource."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

from mien.core.hashing import version
from mien.core.parallel.supervised import SupervisedWorker, WorkerError
from mien.core.settings import Settings
from mien.reporting.llm.templates import languages, system_message
from mien.server.config import START, ServerConfig, analysis_limit
from mien.server.mcp.provider import PersonProvider

Spoken = Literal[languages()]  # type: ignore[valid-type]  # the languages with a template file

RESOURCE = "mien://person/now"
NOW, HISTORY, SUMMARY, FILE = "person_now", "person_history", "person_summary", "analyze_file"

MOST = 600.0
"""Longest history in s; the events of about ten minutes are kept."""

READ_ONLY = ToolAnnotations(read_only_hint=True)

COLUMNS = ("face_id", "coverage", "first_s", "last_s", "label", "valence", "arousal", "heart_rate",
           "heart_rate_quality", "heart_rate_reason", "rmssd", "respiration", "blink_rate")
"""Columns of people.csv that `analyze_file` returns: what a language model can use."""

Seconds = Annotated[float, Field(gt=0, le=MOST, description="How far to look back, in s.")]
Result = TypeVar("Result")


class PersonNow(BaseModel):
    """`text`: a few sentences that state their uncertainty; `observation`: their fields; `event`: all numbers.

    `observation` and `event` are null without a picture.
    """

    text: str
    observation: dict[str, Any] | None
    event: dict[str, Any] | None


class PersonHistory(BaseModel):
    """What changed in the last seconds, oldest first; `ago` in s."""

    changes: list[dict[str, Any]]


class PersonSummary(BaseModel):
    """The last seconds in numbers; null for what was not measured."""

    summary: dict[str, Any]


class FileSummary(BaseModel):
    """A recording: its length in s, what is missing, and a row for each person, with the columns of people.csv."""

    seconds: float | None
    lost: str
    people: list[dict[str, Any]]


def server(person: PersonProvider, language: str = "en", files: Path | None = None) -> MCPServer:
    """Make the MCP server, for any transport.

    Args:
        person: Gives the person's state.
        language: Default language of the sentences.
        files: Folder whose recordings may be analysed; None to offer no such tool.

    Returns:
        The server.
    """
    mcp_server = MCPServer("mien", title="mien", version=version(), log_level="WARNING",
                           instructions=system_message(f"(call the tool {NOW})", language))

    @mcp_server.tool(name=NOW, title="The person now", annotations=READ_ONLY,
                     description="Expression, smile, head and heart rate of the person in front of the camera now, and "
                                 "what has changed since the last call: sentences that state their uncertainty, and "
                                 "the numbers. These are estimates; a facial expression is not a feeling.")
    def person_now(
        language: Annotated[Spoken, Field(description="Language of the sentences.")] = language,  # type: ignore[assignment,valid-type]
    ) -> PersonNow:
        return PersonNow(**_told(partial(person.now, language)))

    @mcp_server.tool(name=HISTORY, title="What changed", annotations=READ_ONLY,
                     description="What changed about the person in the last seconds, oldest first.")
    def person_history(seconds: Seconds = 60.0) -> PersonHistory:
        return PersonHistory(changes=_told(partial(person.history, seconds))["changes"])

    @mcp_server.tool(name=SUMMARY, title="The last minute", annotations=READ_ONLY,
                     description="The last minute, or other length, in numbers: share of each expression, of a smile, "
                                 "of the head towards the camera; mean valence and arousal; heart rate.")
    def person_summary(seconds: Seconds = 60.0) -> PersonSummary:
        return PersonSummary(summary=_told(partial(person.history, seconds))["summary"])

    @mcp_server.resource(RESOURCE, name="person now", title="The person now", mime_type="text/plain",
                         description="The sentences of the tool person_now.")
    def person_text() -> str:
        return person.now(language)["text"]

    if files is not None:
        _add_files(mcp_server, files)
    return mcp_server


def _add_files(mcp_server: MCPServer, files: Path) -> None:
    folder, worker = files.resolve(), SupervisedWorker(ServerConfig.memory)

    @mcp_server.tool(name=FILE, title="Analyse a recording", annotations=READ_ONLY,
                     description=f"Expression, pulse and breathing of everybody in a video of the folder {folder}. It "
                                 "takes about as long as the video on a slow machine. Nothing is stored.")
    def analyze_file(
        path: Annotated[str, Field(description="Path of the video, relative to the folder.", max_length=4096)],
    ) -> FileSummary:
        """Analyse a video below the folder, in a child process."""
        try:
            chosen = (folder / path).resolve()
            below = chosen.is_relative_to(folder) and chosen.is_file()
        except (ValueError, OSError):  # a zero byte, or a name that is too long
            below = False
        if not below:
            raise ToolError(f"expected a file below {folder}, got {path!r}")
        try:
            seconds = worker.call(length_of, str(chosen), seconds=START)
            return FileSummary(**worker.call(summary_of, str(chosen), seconds=analysis_limit(seconds)))
        except WorkerError as error:
            raise ToolError(f"expected a video, got {path!r}, at which {error}") from error
        except (ValueError, OSError) as error:
            raise ToolError(str(error)) from error


def length_of(path: str) -> float | None:
    """The duration in s that a recording states, in the worker; None if it states none. Raises VideoError."""
    from mien.video import open_video

    with open_video(path) as recording:
        return recording.duration_hint


def summary_of(path: str) -> dict[str, Any]:
    """Analyse a recording without pictures, in the worker.

    Args:
        path: The file.

    Returns:
        The fields of `FileSummary`.

    Raises:
        VideoError: The file is no video.
    """
    from mien.inference.analyze import analyze
    from mien.reporting.summary import summarize

    summary = summarize(analyze(path, Settings(pictures=False)))
    return {"seconds": summary.source.duration_s, "lost": summary.source.lost,
            "people": [{name: row[name] for name in COLUMNS if name in row} for row in summary.rows()]}


def _told(call: Callable[[], Result]) -> Result:
    """The result; the SDK passes only a ToolError's message on to the client."""
    try:
        return call()
    except ConnectionError as error:
        raise ToolError(str(error)) from error
