"""An HTTP and WebSocket server for expression and heart rate, for a browser, a robot or a language model.

`app(Options(...))` is a FastAPI application; `mien serve` runs it with uvicorn.
"""

from mien.server.application import app
from mien.server.config import ServerConfig

__all__ = ["ServerConfig", "app"]
