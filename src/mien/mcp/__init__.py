"""What is read of the person now, as a tool and a resource of the Model Context Protocol; by its official SDK."""

from mien.mcp.now import Now, of_live, of_server
from mien.mcp.tools import RESOURCE, TOOL, server

__all__ = ["RESOURCE", "TOOL", "Now", "of_live", "of_server", "server"]
