"""`mien mcp`: what is read of the person now, for programs that speak the Model Context Protocol."""

from __future__ import annotations

from typing import Annotated

import typer

from mien.cli.asking import Debug, Labels, Language, ModelName, Reuse, Source
from mien.cli.telling import one_line
from mien.settings import Settings


def mcp(
    source: Source = "0",
    server: Annotated[
        str, typer.Option(metavar="URL", help="Ask a mien serve that runs instead, such as http://127.0.0.1:8765.")
    ] = "",
    token: Annotated[str, typer.Option(envvar="MIEN_TOKEN", metavar="TEXT", help="That server's token.")] = "",
    model: ModelName = Settings.model,
    labels: Labels = "",
    reuse: Reuse = False,
    step: Annotated[float, typer.Option(metavar="SECONDS", help="How often it is read.")] = Settings.step,
    language: Language = "en",
    debug: Debug = False,
) -> None:
    """Answer over standard input and output, as an MCP server with the tool person_now and one resource.

    A camera is opened once and followed as long as this runs; two programs cannot have one camera: let both ask a
    mien serve, with --server.
    """
    with one_line(debug, "nothing was stored"):
        try:
            from mien import mcp as protocol
        except ModuleNotFoundError as error:
            raise ValueError(f"mcp: expected the packages of MCP, {error.name} is missing: install them with "
                             'pip install "mien[mcp]"') from error
        if server:
            protocol.server(protocol.of_server(server, token), language).run()
            return
        from mien.live import Camera, Live
        from mien.prompt import languages

        if language not in languages():
            raise ValueError(f"--language: expected {' or '.join(languages())}, got {language!r}")
        settings = Settings(step=step, model=model, labels=labels, pictures=False)
        with Live(Camera(source), settings, language=language, reuse=reuse) as live:
            protocol.server(protocol.of_live(live), language).run()
