"""The same over HTTP and WebSocket, for a browser, a robot or a language model, on this machine.

`app(Options(...))` is a FastAPI application; `mien serve` runs it with uvicorn.
"""

from mien.serve.application import app
from mien.serve.options import Options

__all__ = ["Options", "app"]
