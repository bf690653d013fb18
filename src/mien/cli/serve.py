"""`mien serve`: a web page, an API and a proxy for language models, on this machine."""

from __future__ import annotations

import socket
from typing import Annotated

import typer

from mien.cli.asking import Debug, Labels, Language, ModelName, Quiet, Reuse, Step
from mien.cli.telling import one_line, say
from mien.settings import Settings


def serve(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; beyond this machine only with a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", help="0: any that is free.")] = 8765,
    token: Annotated[
        str, typer.Option(envvar="MIEN_TOKEN", metavar="TEXT", help="Who asks must know it; better in MIEN_TOKEN.")
    ] = "",
    source: Annotated[str, typer.Option(metavar="SOURCE", help="The server's own camera, as in mien stream.")] = "",
    model: ModelName = Settings.model,
    labels: Labels = "",
    reuse: Reuse = False,
    step: Step = Settings.step,
    language: Language = "en",
    llm: Annotated[
        str, typer.Option(metavar="URL", help="An OpenAI-compatible server, such as http://127.0.0.1:11434/v1.")
    ] = "",
    llm_key: Annotated[str, typer.Option(envvar="MIEN_LLM_KEY", metavar="TEXT", help="Its key, if it has one.")] = "",
    origins: Annotated[
        list[str] | None, typer.Option("--origin", metavar="URL", help="A page elsewhere that may ask, too.")
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Serve a page with live reading from the webcam, an API, and a proxy in front of a language model.

    Listens on this machine only, unless --host says else. Stores no frame; uploads and their results go when it ends.
    """
    with one_line(debug, "nothing was stored"):
        try:
            import uvicorn

            from mien.serve import Options, app
            from mien.serve.door import Door
        except ModuleNotFoundError as error:
            raise ValueError(f"serve: expected the packages of the server, {error.name} is missing: install them with "
                             'pip install "mien[serve]"') from error
        options = Options(
            host=host, port=port, token=token, source=source, language=language, llm=llm, llm_key=llm_key,
            settings=Settings(step=step, model=model, labels=labels, pictures=False), origins=tuple(origins or ()),
            reuse=reuse)
        with _bound(host, port) as listening:
            made = app(options)
            if not quiet:
                name, number = listening.getsockname()[:2]
                say(f"http://{f'[{name}]' if ':' in name else name}:{number}/ (Ctrl-C ends)")
            uvicorn.Server(uvicorn.Config(
                made, http=Door, log_level="warning", access_log=False, ws_max_size=options.frame, ws_max_queue=8,
                limit_concurrency=128, timeout_keep_alive=5, timeout_graceful_shutdown=3, server_header=False,
                proxy_headers=False, ws_per_message_deflate=False,
            )).run([listening])


def _bound(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises ValueError where it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ValueError(f"--host {host} --port {port}: expected an address to listen at, got: {error.strerror}; is "
                         "mien serve running already? --port 0 takes any that is free") from error
