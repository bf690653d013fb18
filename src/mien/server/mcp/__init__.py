"""A Model Context Protocol server, on the official SDK: tools and one resource with a person's state."""

from mien.server.mcp.provider import LiveProvider, PersonProvider, ServerProvider
from mien.server.mcp.tools import FILE, HISTORY, NOW, RESOURCE, SUMMARY, server

__all__ = ["FILE", "HISTORY", "NOW", "RESOURCE", "SUMMARY", "LiveProvider", "PersonProvider", "ServerProvider",
           "server"]
