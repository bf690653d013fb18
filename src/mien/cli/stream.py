"""`mien stream`: follow a camera, a line an event."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from mien.cli.asking import Debug, Labels, Language, ModelName, Reuse, Source, Step
from mien.cli.telling import one_line, say
from mien.settings import Settings

STOPPED = "nothing was stored"


def stream(
    source: Source = "0",
    model: ModelName = Settings.model,
    labels: Labels = "",
    reuse: Reuse = False,
    step: Step = Settings.step,
    form: Annotated[
        Literal["jsonl", "prompt"], typer.Option("--format", help="JSON lines, or a sentence when it changes.")
    ] = "jsonl",
    changes: Annotated[bool, typer.Option("--changes", help="Only events with which something changes.")] = False,
    person: Annotated[int, typer.Option(metavar="ID", help="Whom to follow; 0: who faces the camera, nearest.")] = 0,
    language: Language = "en",
    neutral: Annotated[str, typer.Option(metavar="first:5s|IMAGE", help="A person's neutral face.")] = "",
    loop: Annotated[bool, typer.Option("--loop", help="Play a file again and again.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No words on how the camera is.")] = False,
    debug: Debug = False,
) -> None:
    """Follow a camera, or a file at its own pace, and print what is read of one person, as it is read.

    A lost camera is waited for. Ends with 0 at the end of a file, or when nobody reads the output any more.
    """
    with one_line(debug, STOPPED):
        import json
        import sys

        from mien.live import Camera, Live

        settings = Settings(step=step, model=model, labels=labels, neutral=neutral, pictures=False)
        camera = Camera(source, loop=loop, told=None if quiet else say)
        told, dropped, gone = "", 0, False
        with Live(camera, settings, language=language, person=person or None, reuse=reuse) as live:
            for event in live.events():
                line = ""
                if form == "jsonl" and (event.change or not changes):
                    line = json.dumps({**event.json(), "dropped": camera.dropped, "skipped": live.session.skipped},
                                      ensure_ascii=False)
                elif form == "prompt" and event.change and event.text != told:
                    line = told = event.text
                try:
                    if line:
                        print(line, flush=True)
                except BrokenPipeError:
                    gone = True
                if gone or _gone():  # whoever read: nothing more to tell them, nor at the exit
                    sys.stdout = None
                    return
                if camera.dropped > dropped and not quiet:
                    dropped = camera.dropped
                    say(f"{dropped} frames came faster than they could be read, and were left out")
        if not quiet:
            steps = f"; {live.session.skipped} steps, in which the model was busy" if live.session.skipped else ""
            say(f"the end of {source}: {camera.read} frames, {camera.dropped} left out{steps}")


def _gone() -> bool:
    """Whether nobody can read the output any more; a pipe tells that without being written to, on POSIX."""
    import select

    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(1, 0)
    return any(flags & select.POLLERR for _, flags in poll.poll(0))
