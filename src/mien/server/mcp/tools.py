"""The MCP server with its tool and its resource."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

from mien.core.hashing import version
from mien.reporting.llm.templates import languages, system_message
from mien.server.mcp.provider import PersonProvider

Spoken = Literal[languages()]  # type: ignore[valid-type]  # the languages with a template file

TOOL, RESOURCE = "person_now", "mien://person/now"


class PersonNow(BaseModel):
    """`text`: one sentence that states its uncertainty; `event`: the numbers behind it, null without a picture."""

    text: str
    event: dict[str, Any] | None


def server(now: PersonProvider, language: str = "en") -> MCPServer:
    """Make the MCP server, for any transport.

    Args:
        now: Returns the person's current state.
        language: Default language of the sentence.

    Returns:
        The server.
    """
    mcp_server = MCPServer("mien", title="mien", version=version(), log_level="WARNING",
                           instructions=system_message("(call the tool person_now)", language))

    @mcp_server.tool(name=TOOL, title="The person now", annotations=ToolAnnotations(read_only_hint=True),
                     description="Current expression and heart rate of the person in front of the camera: one sentence "
                                 "that states its uncertainty, and the numbers behind it. These are estimates; a "
                                 "facial expression is not a feeling.")
    def person_now(
        language: Annotated[Spoken, Field(description="Language of the sentence.")] = language,  # type: ignore[assignment,valid-type]
    ) -> PersonNow:
        try:
            return PersonNow(**now(language))
        except ConnectionError as error:
            raise ToolError(str(error)) from error  # the SDK passes only a ToolError's message on to the client

    @mcp_server.resource(RESOURCE, name="person now", title="The person now", mime_type="text/plain",
                         description="The sentence of the tool person_now.")
    def person() -> str:
        return now(language)["text"]

    return mcp_server
