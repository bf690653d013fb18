"""`mien stream`: follow a camera and print one line for each event."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mien.cli.console import exit_on_error, print_line, unless
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

if TYPE_CHECKING:
    from mien.inference.live.camera_thread import Live
    from mien.inference.live.event import LiveEvent
    from mien.inference.live.outputs import EventOutput

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
        Literal["jsonl", "prompt", "none"], typer.Option(
            "--format", help="What is printed: jsonl, a line of JSON for each event; prompt, a sentence for each "
            "change; or none.")
    ] = "jsonl",
    to: Annotated[
        list[str] | None, typer.Option("--to", metavar="ADDRESS", help="Also send the events to lsl:NAME, "
                                       "mqtt://host/topic or osc://host:port. You may repeat it.")
    ] = None,
    changes: Annotated[bool, typer.Option("--changes", help="Print and send only events with a change.")] = False,
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
        from contextlib import ExitStack, closing

        from mien.inference.live.camera import Camera
        from mien.inference.live.camera_thread import Live
        from mien.inference.live.outputs import open_output

        settings = Settings(step=step, model=model, labels=labels, neutral=neutral, pictures=False,
                            detection_threshold=detection_threshold, pulse_method=pulse_method)
        camera = Camera(source, loop=loop, log=unless(quiet, print_line))
        with ExitStack() as stack:
            live = Live(camera, settings, language=language, person=person or None, reuse=reuse)
            outputs = [stack.enter_context(closing(open_output(each, live.session.classes))) for each in to or ()]
            finished = _follow(stack.enter_context(live), outputs, form, changes, quiet)
        if finished and not quiet:
            steps = _skipped(live.session.skipped)
            print_line(f"end of {source}: {camera.frames_read} frames, {camera.dropped} dropped{steps}")


def _follow(live: Live, outputs: Iterable[EventOutput], form: str, changes: bool, quiet: bool) -> bool:
    """Print and send all events -> False if the reader has closed the output."""
    last_text, dropped = "", 0
    for event in live.events():
        due = bool(event.change) or not changes
        if due:
            _send(outputs, event)
        line = ""
        if form == "jsonl" and due:
            line = _json_line(event, live.camera.dropped, live.session.skipped)
        elif form == "prompt" and event.change and event.text != last_text:
            line = last_text = event.text
        if not _print(line):
            sys.stdout = None  # Python would flush it at exit and fail
            return False
        if live.camera.dropped > dropped and not quiet:
            dropped = live.camera.dropped
            print_line(f"{dropped} frames skipped so far: the camera is faster than the processing")
    return True


def _send(outputs: Iterable[EventOutput], event: LiveEvent) -> None:
    for output in outputs:
        output.send(event)


def _json_line(event: LiveEvent, dropped: int, skipped: int) -> str:
    import json

    return json.dumps({**event.json(), "dropped": dropped, "skipped": skipped}, ensure_ascii=False)


def _skipped(steps: int) -> str:
    if not steps:
        return ""
    return f"; {steps} steps skipped because the model was busy"


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
