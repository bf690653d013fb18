"""The server: one tool, one resource."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

from mien.mcp.now import Now
from mien.prompt import languages, system
from mien.work import version

Spoken = Literal[languages()]  # type: ignore[valid-type]  # whatever template files there are

TOOL, RESOURCE = "person_now", "mien://person/now"


class Person(BaseModel):
    """`text`: one sentence, with doubt and abstention in words; `event`: the numbers behind it, null without a
    picture."""

    text: str
    event: dict[str, Any] | None


def server(now: Now, language: str = "en") -> MCPServer:
    """What answers -> the MCP server, to be run over any transport."""
    made = MCPServer("mien", title="mien", version=version(), log_level="WARNING",
                     instructions=system("(ask the tool person_now)", language))

    @made.tool(name=TOOL, title="The person now", annotations=ToolAnnotations(read_only_hint=True),
               description="What a camera reads of the person in front of it now: expression and heart rate, in one "
                           "sentence that says how sure it is, and the numbers behind it. An estimate; an expression "
                           "is not a feeling.")
    def person_now(
        language: Annotated[Spoken, Field(description="Of the sentence.")] = language,  # type: ignore[assignment,valid-type]
    ) -> Person:
        try:
            return Person(**now(language))
        except ConnectionError as error:
            raise ToolError(str(error)) from error  # of any other kind the SDK tells the client nothing

    @made.resource(RESOURCE, name="person now", title="The person now", mime_type="text/plain",
                   description="The sentence of the tool person_now.")
    def person() -> str:
        return now(language)["text"]

    return made
