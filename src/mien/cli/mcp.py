"""`mien mcp`: the current state of the person, for programs that use the Model Context Protocol (MCP)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.console import exit_on_error
from mien.cli.options import Debug, DetectionThreshold, Labels, Language, ModelName, Reuse, Source
from mien.core.settings import Settings

if TYPE_CHECKING:
    from mien.inference.live.camera_thread import Live


def mcp(
    source: Source = "0",
    server: Annotated[
        str, typer.Option(metavar="URL", help="Use this running mien serve instead of a camera, such as "
                          "http://127.0.0.1:8765.")
    ] = "",
    token: Annotated[str, typer.Option(envvar="MIEN_TOKEN", metavar="TEXT", help="Token of that server.")] = "",
    model: ModelName = Settings.model,
    labels: Labels = "",
    detection_threshold: DetectionThreshold = Settings.detection_threshold,
    reuse: Reuse = False,
    step: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time between two predictions, in seconds.")
    ] = Settings.step,
    files: Annotated[
        Path | None, typer.Option("--files", metavar="FOLDER", exists=True, file_okay=False, help="Also offer the tool "
                                  "analyze_file, for recordings of this folder.")
    ] = None,
    language: Language = "en",
    debug: Debug = False,
) -> None:
    """Run an MCP server over standard input and output, with the person's state, its history and a summary as tools.

    It answers at once and starts the camera meanwhile; the first call waits for it. The camera stays open while the
    server runs. Two programs cannot use one camera at the same time: start one mien serve, and give its address to both
    with --server.
    """
    with exit_on_error(debug, "nothing was stored"):
        try:
            from mien.server import mcp as protocol
        except ModuleNotFoundError as error:
            raise ValueError(f"mcp: expected the packages of MCP, {error.name} is missing: install them with "
                             'pip install "mien[mcp]"') from error
        from mien.reporting.llm.templates import languages

        if language not in languages():
            raise ValueError(f"--language: expected {' or '.join(languages())}, got {language!r}")
        settings = Settings(step=step, model=model, labels=labels, pictures=False,
                            detection_threshold=detection_threshold)

        def start() -> Live:
            from mien.inference.live.camera import Camera
            from mien.inference.live.camera_thread import Live

            return Live(Camera(source), settings, language=language, reuse=reuse)

        person: protocol.PersonProvider = protocol.ServerProvider(server, token) if server else \
            protocol.LiveProvider(start)
        try:
            protocol.server(person, language, files).run()
        finally:
            person.close()
