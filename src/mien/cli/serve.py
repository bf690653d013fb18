"""`mien serve`: a web page, an API and a proxy for language models on this machine."""

from __future__ import annotations

import socket
import webbrowser
from typing import Annotated
from urllib.parse import quote

import typer

from mien.cli.console import exit_on_error, print_line
from mien.cli.options import (
    Debug,
    DetectionThreshold,
    Labels,
    Language,
    ModelName,
    PulseMethod,
    Quiet,
    Reuse,
    Step,
)
from mien.core.settings import Settings

Port = Annotated[int, typer.Option(metavar="N", help="Port to listen on. 0 takes a free one.")]
SourceCamera = Annotated[
    str, typer.Option("--source", metavar="SOURCE", help="Camera of the server, as in mien stream. Default: none.")
]
Host = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Address to listen on. An address other than this machine needs --token.")
]
Token = Annotated[
    str, typer.Option(envvar="MIEN_TOKEN", metavar="TEXT", help="Token that clients must send. The variable MIEN_TOKEN "
                      "hides it from other users.")
]
LLM = Annotated[
    str, typer.Option(metavar="URL", help="Language model server with an OpenAI-compatible API, such as "
                      "http://127.0.0.1:11434/v1.")
]
LLMKey = Annotated[
    str, typer.Option(envvar="MIEN_LLM_KEY", metavar="TEXT", help="API key of the language model server.")
]
Origins = Annotated[
    list[str] | None, typer.Option("--origin", metavar="URL", help="Origin of another web page that may use the "
                                   "API. You may repeat it.")
]
OpenPage = Annotated[bool, typer.Option("--open", help="Open the page in the browser of this machine.")]


def live(port: Port = 0, model: ModelName = Settings.model, quiet: Quiet = False, debug: Debug = False) -> None:
    """Open the live page in your browser: mien serve --open on a free port, with a camera of the browser.

    Only this machine can connect. Ctrl-C ends the server; no frame is stored.
    """
    serve(port=port, model=model, open_page=True, quiet=quiet, debug=debug)


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8765,
    token: Token = "",
    source: SourceCamera = "",
    model: ModelName = Settings.model,
    labels: Labels = "",
    detection_threshold: DetectionThreshold = Settings.detection_threshold,
    pulse_method: PulseMethod = Settings.pulse_method,
    reuse: Reuse = False,
    step: Step = Settings.step,
    language: Language = "en",
    llm: LLM = "",
    llm_key: LLMKey = "",
    origins: Origins = None,
    open_page: OpenPage = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Serve a web page that analyses the webcam live, an API, and a proxy for a language model.

    Without --host, only this machine can connect. The server stores no frame. It deletes uploads and their results
    when it ends.
    """
    with exit_on_error(debug, "nothing was stored"):
        try:
            import uvicorn

            from mien.server.application import app
            from mien.server.config import ServerConfig
            from mien.server.http_timeout import TimeoutHTTPProtocol
            from mien.server.websocket_protocol import LimitedWebSocketProtocol
        except ModuleNotFoundError as error:
            raise ValueError(f"serve: expected the packages of the server, {error.name} is missing: install them with "
                             'pip install "mien[serve]"') from error
        options = ServerConfig(
            host=host, port=port, token=token, source=source, language=language, llm=llm, llm_key=llm_key,
            settings=Settings(step=step, model=model, labels=labels, pictures=False,
                              detection_threshold=detection_threshold, pulse_method=pulse_method),
            origins=tuple(origins or ()), reuse=reuse)
        with _bound(host, port) as listening:
            made = app(options)
            if not quiet:
                print_line(f"{_url(listening)} (Ctrl-C ends the server)")
            if open_page:
                webbrowser.open(_url(listening) + (f"#token={quote(token)}" if token else ""))
            how = uvicorn.Config(
                made, http=TimeoutHTTPProtocol, ws=LimitedWebSocketProtocol, log_level="warning", access_log=False,
                ws_max_size=options.frame, limit_concurrency=128, timeout_keep_alive=5, timeout_graceful_shutdown=3,
                server_header=False, proxy_headers=False, ws_per_message_deflate=False)
            uvicorn.Server(how).run([listening])


def _url(listening: socket.socket) -> str:
    name, number = listening.getsockname()[:2]
    if ":" in name:  # IPv6
        name = f"[{name}]"
    return f"http://{name}:{number}/"


def _bound(host: str, port: int) -> socket.socket:
    """A socket that listens at this address. Raises ValueError if that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ValueError(f"--host {host} --port {port}: expected an address to listen at, got: {error.strerror}; is "
                         "mien serve running already? --port 0 takes a free port") from error
