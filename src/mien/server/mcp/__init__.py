"""A Model Context Protocol server, on the official SDK: one tool and one resource with a person's current state."""

from mien.server.mcp.provider import PersonProvider, from_live, from_server
from mien.server.mcp.tools import RESOURCE, TOOL, server

__all__ = ["RESOURCE", "TOOL", "PersonProvider", "from_live", "from_server", "server"]
