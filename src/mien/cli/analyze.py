"""`mien analyze`: measure expression and pulse in videos and pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.console import exit_on_error, progress_bar
from mien.cli.options import Cluster, Debug, DetectionThreshold, Labels, PulseMethod, PulseOnly, Quiet, split_names
from mien.core.plain_text import counted, printable
from mien.core.settings import Settings

if TYPE_CHECKING:
    from mien.core.parallel.outcome import Outcome
    from mien.inference.batch.inputs import InputFile
    from mien.inference.batch.manifest import ManifestEntry


Videos = Annotated[
    list[str],
    typer.Argument(metavar="VIDEO", help="Videos, pictures, folders (with all subfolders), patterns such as "
                   "'day1/*.mp4', or image sequences such as 'frame_%04d.png'."),
]
Out = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the results. Each video has a subfolder, named "
                       "after its path.")
]
Formats = Annotated[
    str, typer.Option("--format", metavar="LIST", help="Also write the timeline in these formats: csv,jsonl,srt,elan; "
                      "ibi,kubios: the intervals between heartbeats.")
]
Fex = Annotated[bool, typer.Option("--fex", help="Also write fex.csv with the columns of py-feat, and "
                                     "openface.csv with those of OpenFace.")]
Overlay = Annotated[bool, typer.Option("--overlay", help="Also write overlay.mp4, the annotated video.")]
Images = Annotated[
    bool, typer.Option("--images/--no-images", help="Show faces in the report. --no-images stores no picture.")
]
Blur = Annotated[bool, typer.Option("--blur", help="Blur the faces in the report and the annotated video.")]
Segments = Annotated[
    str, typer.Option(metavar="EVENTS.CSV", help="Table of events (start, end, condition), or an .eaf file of ELAN. "
                      "Also write the baseline-corrected means of each condition.")
]
SegmentsStart = Annotated[
    str, typer.Option(metavar="DATE", help="What the clock of the events shows at the start of the video, such as "
                      "2026-01-31T12:00:00 or 12:00:00. Default: their times count from the start of the video.")
]
Neutral = Annotated[
    str, typer.Option(metavar="first:5s|spans:0-10|PATH", help="The neutral face of each person: the first 5 s, "
                      "stretches in s, a picture, or a folder of pictures by person (P01.jpg for P01_rest.mp4). "
                      "Default: estimated from the whole video.")
]
Step = Annotated[float, typer.Option(metavar="SECONDS", help="Time between two rows of the timeline, in seconds.")]
Faces = Annotated[int, typer.Option(metavar="N", help="Largest number of people tracked at the same time.")]
Model = Annotated[
    str, typer.Option(metavar="NAME", help="Model that predicts the expression: facs (built-in), a checkpoint, the "
                      "folder of a trained head, clip:FOLDER_OR_HUB_ID, siglip:FOLDER_OR_HUB_ID, or onnx:FILE.")
]
Tower = Annotated[
    str, typer.Option(metavar="FOLDER_OR_HUB_ID", help="Folder or hub id of the checkpoint's backbone, if it moved. "
                      "Default: the place in the checkpoint's card.")
]
Physio = Annotated[
    str, typer.Option(metavar="SIGNALS.CSV", help="Contact signals (ECG, PPG, EDA) of one person: a table, or the "
                      "folder of an Empatica E4 session.")
]
PhysioOffset = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Time in the video, in seconds, at which the signals' "
                               "time 0 lies. Negative if the signals started first.")
]
PhysioStart = Annotated[
    str, typer.Option(metavar="DATE", help="What the signals' clock shows at the start of the video, such as "
                      "2026-01-31T12:00:00 or 12:00:00.")
]
PhysioRate = Annotated[
    float | None, typer.Option(metavar="HZ", help="Sampling rate of a signal table without a time column.")
]
PhysioTime = Annotated[
    str, typer.Option(metavar="COLUMN", help="Name of the time column of the signals. Default: the column whose name "
                      "says so, such as time, timestamp, unix_time or Elapsed Time.")
]
PhysioAnchor = Annotated[
    list[str] | None, typer.Option(metavar="VIDEO=SIGNALS", help="A moment that both clocks show, such as "
                                   "12.3=00:00:02: the time in the video, and the time in the signals. Give it twice "
                                   "to correct a drift, or give the word beats to align the heart beats of sensor and "
                                   "camera.")
]
PhysioTimeUnit = Annotated[
    str, typer.Option(metavar="UNIT", help="Unit of the time column of the signals: s, ms, us, ns, min, h or iso. "
                      "Default: from the name of the column or the size of its numbers.")
]
Aus = Annotated[
    str, typer.Option(metavar="FILE", help="Action units of this video from OpenFace 2 or py-feat, for a model "
                      "that was trained on them.")
]
Fps = Annotated[
    float | None, typer.Option(metavar="HZ", help="Frame rate of image sequences. With it, the pictures of each folder "
                               "are one recording. Videos keep their own rate.")
]
Workers = Annotated[int, typer.Option(metavar="N", min=1, help="Number of files that are analysed at the same time.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Analyse finished files again.")]


def analyze(
    videos: Videos,
    out: Out = Path("results"),
    formats: Formats = "",
    fex: Fex = False,
    overlay: Overlay = False,
    images: Images = True,
    blur: Blur = False,
    segments: Segments = "",
    segments_start: SegmentsStart = "",
    neutral: Neutral = "",
    step: Step = Settings.step,
    faces: Faces = Settings.faces,
    model: Model = Settings.model,
    tower: Tower = "",
    labels: Labels = "",
    detection_threshold: DetectionThreshold = Settings.detection_threshold,
    pulse_only: PulseOnly = False,
    pulse_method: PulseMethod = Settings.pulse_method,
    physio: Physio = "",
    physio_offset: PhysioOffset = None,
    physio_start: PhysioStart = "",
    physio_rate: PhysioRate = None,
    physio_time: PhysioTime = "",
    physio_time_unit: PhysioTimeUnit = "",
    physio_anchor: PhysioAnchor = None,
    aus: Aus = "",
    fps: Fps = None,
    workers: Workers = 1,
    cluster: Cluster = "",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure expression and pulse of each person in the videos. Write a summary, a timeline and a report to DIR.

    Pictures work too: the timeline has one row for each face, without a pulse.

    Finished files with the same settings are skipped. The lists people.csv and manifest.json in DIR name every person
    and every file. The exit status is 0 if every file succeeded, else 1.
    """
    with exit_on_error(debug):
        from mien.inference import batch

        settings = Settings(
            step=step, neutral=neutral, faces=faces, pictures=images, model=model, tower=tower, labels=labels,
            detection_threshold=detection_threshold, pulse_only=pulse_only, pulse_method=pulse_method, physio=physio,
            physio_offset=physio_offset, physio_start=physio_start, physio_rate=physio_rate, physio_time=physio_time,
            physio_time_unit=physio_time_unit, physio_anchors=tuple(physio_anchor or ()), aus=aus, fps=fps)
        options = batch.AnalysisOptions(settings, formats=tuple(split_names(formats)), fex=fex, overlay=overlay,
                                        blur=blur, segments=segments or None, segments_start=segments_start)
        options.check()
        inputs = batch.find_inputs(videos, out, sequence=fps is not None)
        _expect_one_video(len(inputs), physio, aus, segments_start)
        with progress_bar(counted(len(inputs), "file"), len(inputs), quiet) as (progress, print_above):
            entries = batch.analyze(
                inputs, out, options, overwrite=overwrite, workers=workers, cluster=cluster or None, progress=progress,
                on_outcome=_failure_printer(print_above, debug))
    _end(entries, out, quiet)


def _end(entries: list[ManifestEntry], out: Path, quiet: bool) -> None:
    """Print the sum, and end with 1 if a file failed."""
    if not quiet:
        print(_sum(entries, out))
    if any(entry.status == "failed" for entry in entries):
        raise typer.Exit(1)


def _expect_one_video(count: int, physio: str, aus: str, segments_start: str) -> None:
    """Raise ValueError if files of one recording are given for several videos."""
    if count <= 1:
        return
    if physio:
        raise ValueError(f"--physio: expected one video, got {count}: the signals belong to one recording")
    if segments_start:
        raise ValueError(f"--segments-start: expected one video, got {count}: each starts at another time")
    if aus:
        raise ValueError(f"--aus: expected one video, got {count}: the action units are of one recording")


def _failure_printer(print_line: Callable[[str], None], debug: bool) -> Callable[[InputFile, Outcome], None]:
    """A callback that prints the reason of each failed file, and with `debug` the traceback."""

    def print_failure(file: InputFile, outcome: Outcome) -> None:
        """Print why a file failed."""
        if outcome.status != "failed":
            return
        path = file.path
        if path.is_relative_to(Path.cwd()):
            path = path.relative_to(Path.cwd())
        print_line(f"mien: {path}: {outcome.reason}")
        if debug and outcome.trace:
            print_line(outcome.trace)

    return print_failure


def _sum(entries: list[ManifestEntry], out: Path) -> str:
    count = {status: sum(entry.status == status for entry in entries) for status in ("ok", "skipped", "failed")}
    parts = [f"{count['ok']} analysed"]
    if count["skipped"]:
        parts.append(f"{count['skipped']} skipped (done already)")
    if count["failed"]:
        parts.append(f"{count['failed']} failed")
    from mien.core.file_names import display_path, to_path

    lines = [printable(f"{entry.folder}: {entry.note}") for entry in entries if entry.note]
    reports = [out / to_path(entry.folder) / "report.html" for entry in entries if entry.status != "failed"]
    paths = reports
    if len(reports) != 1:
        paths = [out / "people.csv"]
    if count["failed"]:
        paths = [*paths, out / "manifest.json"]
    return "\n".join([*lines, f"{', '.join(parts)}; see {printable(' and '.join(map(display_path, paths)))}"])
