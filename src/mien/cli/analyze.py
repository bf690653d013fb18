"""`mien analyze`: read expression and pulse in the videos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.telling import bar, one_line
from mien.settings import Settings

if TYPE_CHECKING:
    from mien.files import Entry, Found, Outcome


Videos = Annotated[
    list[str],
    typer.Argument(metavar="VIDEO", help="Files, folders (with the folders in them), patterns like 'day1/*.mp4'."),
]
Out = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="Where the results go: for each video a folder of its path.")
]
Formats = Annotated[
    str, typer.Option("--format", metavar="LIST", help="More forms of the timeline: csv,jsonl,srt,elan.")
]
Fex = Annotated[bool, typer.Option("--fex", help="Also write fex.csv and openface.csv, columns as theirs.")]
Overlay = Annotated[bool, typer.Option("--overlay", help="Also write overlay.mp4, the annotated video.")]
Images = Annotated[
    bool, typer.Option("--images/--no-images", help="Show faces in the report, or keep no picture at all.")
]
Blur = Annotated[bool, typer.Option("--blur", help="Blur the faces in the report and the annotated video.")]
Segments = Annotated[
    str, typer.Option(metavar="EVENTS.CSV", help="Also write means for each condition, baseline-corrected.")
]
Neutral = Annotated[
    str, typer.Option(metavar="first:5s|IMAGE", help="A person's neutral face; otherwise it is estimated on the way.")
]
Step = Annotated[float, typer.Option(metavar="SECONDS", help="How often the timeline has a row.")]
Faces = Annotated[int, typer.Option(metavar="N", help="The most people followed at a time.")]
Model = Annotated[
    str, typer.Option(metavar="NAME", help="What reads the expression: facs, a checkpoint, or clip:FOLDER_OR_HUB_ID.")
]
Tower = Annotated[
    str, typer.Option(metavar="FOLDER_OR_HUB_ID", help="Where a checkpoint's tower is now, if not where its card says.")
]
Labels = Annotated[
    str, typer.Option(metavar="LABELS.YAML", help="Other labels and their texts, for a checkpoint or clip:.")
]
FaceModel = Annotated[
    str, typer.Option("--face-model", metavar="FILE.TASK", help="A face_landmarker.task instead of the built-in one.")
]
Physio = Annotated[
    str, typer.Option(metavar="SIGNALS.CSV", help="Contact signals of one person: a table, or an E4 folder.")
]
PhysioOffset = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Where in the video their time 0 lies; before it: negative.")
]
PhysioStart = Annotated[
    str, typer.Option(metavar="DATE", help="When the video begins, by their clock: 2026-01-31T12:00:00.")
]
PhysioRate = Annotated[float | None, typer.Option(metavar="HZ", help="Of a table without a column of time.")]
PhysioTimeUnit = Annotated[str, typer.Option(metavar="UNIT", help="Of their column of time: s, ms, us, ns or iso.")]
Aus = Annotated[
    str, typer.Option(metavar="FILE", help="OpenFace 2 or py-feat of this video, for a model trained on its units.")
]
Workers = Annotated[int, typer.Option(metavar="N", min=1, help="Files analysed at a time.")]
Cluster = Annotated[
    str, typer.Option(metavar="ADDRESS", help="A Dask scheduler to send the files to, such as tcp://host:8786.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Do again what is done already.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Print the traceback of every error.")]


def analyze(
    videos: Videos,
    out: Out = Path("results"),
    formats: Formats = "",
    fex: Fex = False,
    overlay: Overlay = False,
    images: Images = True,
    blur: Blur = False,
    segments: Segments = "",
    neutral: Neutral = "",
    step: Step = Settings.step,
    faces: Faces = Settings.faces,
    model: Model = Settings.model,
    tower: Tower = "",
    labels: Labels = "",
    face_model: FaceModel = "",
    physio: Physio = "",
    physio_offset: PhysioOffset = None,
    physio_start: PhysioStart = "",
    physio_rate: PhysioRate = None,
    physio_time_unit: PhysioTimeUnit = "",
    aus: Aus = "",
    workers: Workers = 1,
    cluster: Cluster = "",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Read expression and pulse of everybody in the videos; write summary, timeline and report of each into DIR.

    A video that is done already, with the same settings, is skipped. Ends with 0 when every file was analysed, else
    with 1; people.csv and manifest.json in DIR list every person and every file.
    """
    with one_line(debug):
        from mien import files

        options = files.Options(
            step=step, neutral=neutral, faces=faces, model=model, tower=tower, labels=labels, face_model=face_model,
            formats=tuple(name.strip() for name in formats.split(",") if name.strip()), fex=fex, overlay=overlay,
            images=images, blur=blur, segments=segments or None, physio=physio, physio_offset=physio_offset,
            physio_start=physio_start, physio_rate=physio_rate, physio_time_unit=physio_time_unit, aus=aus)
        options.check()
        found = files.find(videos, out)
        if physio and len(found) > 1:
            raise ValueError(f"--physio: expected one video, got {len(found)}: the signals belong to one recording")
        if aus and len(found) > 1:
            raise ValueError(f"--aus: expected one video, got {len(found)}: the action units are of one recording")
        with bar(_files(len(found)), len(found), quiet) as (tick, say):
            entries = files.analyze(
                found,
                out,
                options,
                overwrite=overwrite,
                workers=workers,
                cluster=cluster or None,
                tick=tick,
                told=_teller(say, debug),
            )
    if not quiet:
        print(_sum(entries, out))
    if any(entry.status == "failed" for entry in entries):
        raise typer.Exit(1)


def _files(count: int) -> str:
    return f"{count} file{'s' if count != 1 else ''}"


def _teller(say: Callable[[str], None], debug: bool) -> Callable[[Found, Outcome], None]:
    def told(found: Found, outcome: Outcome) -> None:
        if outcome.status == "failed":
            path = found.path.relative_to(Path.cwd()) if found.path.is_relative_to(Path.cwd()) else found.path
            say(f"mien: {path}: {outcome.reason}")
            if debug and outcome.trace:
                say(outcome.trace)

    return told


def _sum(entries: list[Entry], out: Path) -> str:
    count = {status: sum(entry.status == status for entry in entries) for status in ("ok", "skipped", "failed")}
    parts = [f"{count['ok']} analysed"]
    parts += [f"{count['skipped']} skipped (done already)"] * (count["skipped"] > 0)
    parts += [f"{count['failed']} failed"] * (count["failed"] > 0)
    lines = [f"{entry.folder}: {entry.note}" for entry in entries if entry.note]
    reports = [out / entry.folder / "report.html" for entry in entries if entry.status != "failed"]
    where = [reports[0] if len(reports) == 1 else out / "people.csv"] + [out / "manifest.json"] * (count["failed"] > 0)
    return "\n".join([*lines, f"{', '.join(parts)}; see {' and '.join(map(str, where))}"])
