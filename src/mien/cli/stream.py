"""`mien stream`: follow a camera and print one line for each event."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from mien.cli.console import exit_on_error, print_line
from mien.cli.options import (
    Debug,
    DetectionThreshold,
    Labels,
    Language,
    ModelName,
    PulseMethod,
    Reuse,
    Source,
    Step,
)
from mien.core.settings import Settings

STOPPED = "nothing was stored"


def stream(
    source: Source = "0",
    model: ModelName = Settings.model,
    labels: Labels = "",
    detection_threshold: DetectionThreshold = Settings.detection_threshold,
    pulse_method: PulseMethod = Settings.pulse_method,
    reuse: Reuse = False,
    step: Step = Settings.step,
    form: Annotated[
        Literal["jsonl", "prompt"], typer.Option("--format", help="Output: jsonl, a line of JSON for each event, or "
                                               "prompt, a sentence for each change.")
    ] = "jsonl",
    changes: Annotated[bool, typer.Option("--changes", help="Print only events with a change.")] = False,
    person: Annotated[
        int, typer.Option(metavar="ID", help="Id of the person to follow. 0 follows the nearest one who faces the "
                          "camera.")
    ] = 0,
    language: Language = "en",
    neutral: Annotated[
        str, typer.Option(metavar="first:5s|IMAGE", help="The neutral face of each person: the first 5 s, or a "
                          "picture. Default: estimated during the video.")
    ] = "",
    loop: Annotated[bool, typer.Option("--loop", help="Repeat a file until Ctrl-C.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Do not print messages about the camera and skipped frames.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Follow one person in a camera, or in a file at its own pace, and print events live.

    If the camera is lost, the command waits for it. The exit status is 0 at the end of a file, or when the reader of
    the output closes it.
    """
    with exit_on_error(debug, STOPPED):
        import json
        import sys

        from mien.inference.live.camera import Camera
        from mien.inference.live.camera_thread import Live

        settings = Settings(step=step, model=model, labels=labels, neutral=neutral, pictures=False,
                            detection_threshold=detection_threshold, pulse_method=pulse_method)
        camera = Camera(source, loop=loop, log=None if quiet else print_line)
        last_text, dropped = "", 0
        with Live(camera, settings, language=language, person=person or None, reuse=reuse) as live:
            for event in live.events():
                line = ""
                if form == "jsonl" and (event.change or not changes):
                    line = json.dumps({**event.json(), "dropped": camera.dropped, "skipped": live.session.skipped},
                                      ensure_ascii=False)
                elif form == "prompt" and event.change and event.text != last_text:
                    line = last_text = event.text
                if not _print(line):
                    sys.stdout = None  # Python would flush it at exit and fail
                    return
                if camera.dropped > dropped and not quiet:
                    dropped = camera.dropped
                    print_line(f"{dropped} frames skipped so far: the camera is faster than the processing")
        if not quiet:
            steps = _skipped(live.session.skipped)
            print_line(f"end of {source}: {camera.frames_read} frames, {camera.dropped} dropped{steps}")


def _skipped(steps: int) -> str:
    return f"; {steps} steps skipped because the model was busy" if steps else ""


def _print(line: str) -> bool:
    """Print a line, unless it is empty -> False if the reader has closed the output."""
    try:
        if line:
            print(line, flush=True)
    except BrokenPipeError:
        return False
    return not _reader_closed()


def _reader_closed() -> bool:
    """Whether the reader has closed the output. POSIX can see this without writing to the pipe."""
    import select

    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(1, 0)
    return any(flags & select.POLLERR for _, flags in poll.poll(0))
