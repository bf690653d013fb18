"""`make demo`: analyse a generated sample with known ground truth, or your own video.

The sample has two videos. One shows a real face, the public-domain portrait in scikit-image's data, with a simulated
pulse in the skin. The other shows a synthetic person with simulated action units, pulse and breathing. The renderer
shares no code with the estimators.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.core.parallel.outcome import Outcome, ProgressCallback
from mien.core.parquet import read_parquet
from mien.core.results import REASONS
from mien.inference import batch
from mien.inference.batch.inputs import InputFile
from mien.inference.batch.options import AnalysisOptions
from mien.inference.batch.process_file import FileJob
from mien.reporting import summary

if TYPE_CHECKING:
    import pandas as pd

    from mien.reporting.timeline import Timeline
    from mien.simulation.portrait import Portrait
    from mien.simulation.scene import Scene
    from mien.simulation.truth import ActorTruth, SceneTruth

SECONDS = 32.0
"""Length of each sample in s. Our choice: the respiration rate needs 30 s."""

PLAN = (("happy", 4.0, 10.0), ("surprise", 13.0, 19.0), ("angry", 22.0, 28.0))
"""Expressions of the synthetic person: name, start and end in s. The face is neutral in between."""

STRENGTH, BREATHS = 4.0, 15.0
RAMP = 0.6  # s; our choice: onsets of posed expressions take half a second to a second


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo.

    Args:
        arguments: command line without the name of the program. None: the arguments of the process.

    Returns:
        Exit status: 0, 1 if a video could not be analysed, or 130 after Ctrl-C.
    """
    parser = argparse.ArgumentParser(prog="python -m mien.cli.demo", description=__doc__)
    parser.add_argument("video", nargs="?", help="your own video instead of the sample")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder of the results (default: demo)")
    options = parser.parse_args(arguments)
    try:
        entries = own_video(options.video, options.out) if options.video else sample(options.out)
    except KeyboardInterrupt:
        print("demo: stopped by Ctrl-C", file=sys.stderr)
        return 130
    except (OSError, ValueError, ModuleNotFoundError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    from mien.core.file_names import to_path

    for entry in entries:
        if entry.status == "failed":
            print(f"demo: {entry.source}: {entry.reason}", file=sys.stderr)
        else:
            print(f"report: {options.out / to_path(entry.folder) / 'report.html'}")
    return int(any(entry.status == "failed" for entry in entries))


def own_video(video: str, out: Path) -> list[batch.ManifestEntry]:
    """Analyse a video and print the results of each person.

    Args:
        video: path of the video.
        out: folder of the results.

    Returns:
        The manifest entries of the files.
    """
    with _bar(f"analysing {Path(video).name}", 1) as progress:
        entries = batch.analyze(batch.find_inputs([video], out), out, AnalysisOptions(formats=("csv",)), overwrite=True,
                                progress=progress)
    rows = []
    for entry in (entry for entry in entries if entry.status != "failed"):
        result = summary.read_summary(out / entry.folder / "summary.json")
        if not result.faces:
            rows.append((result.source.name, "", "no face was seen", ""))
        for face in result.faces:
            for name, measure in (("heart rate", face.heart_rate), ("breathing", face.respiration)):
                rows.append((result.source.name, f"person {face.id}", name, _value(measure)))
            rows.append((result.source.name, f"person {face.id}", "most frequent expression", _likely(face)))
    _print(("video", "person", "what", "estimate"), rows)
    return entries


def _value(measure: summary.MeasurementSummary) -> str:
    if measure.value is None:
        return REASONS[measure.reason]
    return f"{measure.value:.1f} {measure.unit}"


def _likely(face: summary.FaceSummary) -> str:
    known = {name: p for name, p in face.expression.items() if p is not None}
    return max(known, key=lambda name: known[name], default="not read")


def sample(out: Path) -> list[batch.ManifestEntry]:
    """Render the sample, analyse it like any file, and print the estimates beside the ground truth.

    Args:
        out: folder of the results. The sample is in its subfolder `sample`.

    Returns:
        The manifest entries of the files.
    """
    folder = out / "sample"
    folder.mkdir(parents=True, exist_ok=True)
    truths = _make(folder)
    paths = [folder / name for name in truths]
    inputs = [InputFile(path.absolute(), path.name) for path in paths]
    with _bar("analysing", len(inputs)) as progress:
        work = partial(_work, {str(path.absolute()): truths[path.name] for path in paths})
        options = AnalysisOptions(formats=("csv",), overlay=True)
        entries = batch.analyze(inputs, out, options, overwrite=True, workers=2, progress=progress, work=work)
    rows: list[tuple[str, ...]] = []
    for entry in (entry for entry in entries if entry.status == "ok"):
        rows += compare_with_truth(out / entry.folder, truths[Path(entry.source).name])
    _print(("sample", "what", "truth", "estimate", "difference", "r"), rows)
    print("The expression model is not calibrated. docs/results.md has its accuracy, and that of the pulse.")
    return entries


def scene() -> Scene:
    """The scene with the synthetic person: three expressions, blinks, and a pulse of 84 bpm."""
    from mien.simulation.actor import Actor
    from mien.simulation.expressions import expression
    from mien.simulation.identity import identity
    from mien.simulation.physiology import Blinks, Pulse, Respiration
    from mien.simulation.scene import Scene

    curves: dict[str, np.ndarray] = {}
    times = np.arange(round(SECONDS * 30)) / 30
    for name, start, end in PLAN:
        shape = _rise((times - start) / RAMP) * _rise((end - times) / RAMP)
        for unit, strength in expression(name, STRENGTH).items():
            curves[unit] = np.maximum(curves.get(unit, 0.0), strength * shape)
    person = Actor(identity(3), aus=curves, pulse=Pulse(84.0, 0.010), respiration=Respiration(BREATHS), blinks=Blinks(),
                   sway=1.0)
    return Scene((person,), seconds=SECONDS)


def portrait() -> Portrait:
    """The photograph with a simulated pulse of 66 bpm in the skin."""
    from mien.simulation.physiology import Pulse, Respiration
    from mien.simulation.portrait import Portrait

    return Portrait(pulse=Pulse(66.0, 0.010), respiration=Respiration(BREATHS), seconds=SECONDS)


def _rise(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def _make(folder: Path) -> dict[str, SceneTruth]:
    """Render both samples in parallel -> their ground truth by file name."""
    from joblib import Parallel, delayed

    videos = {"portrait.mp4": portrait, "person.mp4": scene}
    print("rendering the sample: a portrait with a simulated pulse, and a synthetic person with expressions ...")
    truths = Parallel(n_jobs=2)(delayed(_render)(make, folder / name) for name, make in videos.items())
    return dict(zip(videos, truths, strict=True))


def _render(make: Callable[[], Any], path: Path) -> SceneTruth:
    from mien import simulation

    return simulation.write_video(make(), path)


def _work(truths: Mapping[str, SceneTruth], job: FileJob, progress: ProgressCallback | None) -> Outcome:
    """Analyse a sample, and show the ground truth in its report."""
    return batch.analyze_input(job, progress, truth=partial(_planted, truths[job.path]))


def _planted(truth: SceneTruth, timeline: Timeline) -> dict[int, dict[str, tuple[object, object]]]:
    """The true curves of the only person in a sample, by the id of the tracker."""
    if not timeline.faces:
        return {}
    person = max(timeline.faces, key=lambda face: face.coverage)
    return {person.id: dict(_curves(truth.times, truth.actors[0]))}


def _curves(times: np.ndarray, actor: ActorTruth) -> Iterator[tuple[str, tuple[object, object]]]:
    from mien.simulation.action_units import ACTION_UNITS

    yield "heart_rate", (times, actor.heart_rate)
    yield "pulse", (times, actor.bvp)
    for name in ACTION_UNITS:
        curve = actor.au(name)
        if np.isfinite(curve).all() and curve.max() > 0:
            yield name, (times, curve)


def compare_with_truth(folder: Path, truth: SceneTruth) -> Iterator[tuple[str, ...]]:
    """Compare the results of a sample with the ground truth.

    Args:
        folder: results of the sample.
        truth: ground truth of the sample.

    Yields:
        Rows of (sample, quantity, truth, estimate, difference, correlation); the correlation may be missing.
    """

    actor = truth.actors[0]
    result = summary.read_summary(folder / "summary.json")
    name = result.source.name.removesuffix(".mp4")
    if not result.faces:
        yield name, "people", "1", "0", "-1"
        return
    face = max(result.faces, key=lambda face: face.coverage)
    yield _row(name, "heart rate, bpm", actor.bpm, face.heart_rate)
    yield _row(name, "breaths a minute", BREATHS, face.respiration)
    if not np.isfinite(actor.aus).all():  # the photograph: its action units are unknown, but the person smiles
        yield _expression_row(name, "expression", "happy", _likely(face))
        return
    yield _row(name, "blinks a minute", 60 * len(actor.blinks) / SECONDS, face.blink_rate)
    rows = read_parquet(folder / "timeline.parquet")
    rows = rows[rows["face_id"] == face.id]
    for expression, start, end in PLAN:
        inside = rows[(rows["start"] >= start + RAMP) & (rows["end"] <= end - RAMP)]
        label = inside["label"].mode()
        estimate = label.iloc[0] if len(label) else "not read"
        yield _expression_row(name, f"expression, {start:.0f}-{end:.0f} s", expression, estimate)
    for unit in face.action_units:
        yield from _unit(name, unit, truth, rows)


def _unit(sample: str, unit: str, truth: SceneTruth, rows: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """Compare an action unit, 0..5, with the rows of the timeline. Yields nothing for a unit that the truth lacks."""
    curve = truth.actors[0].au(unit)
    if curve.max() <= 0 or unit == "AU45":  # blinks are counted instead
        return
    spans = np.searchsorted(truth.times, rows[["start", "end"]].to_numpy() - 1e-6)
    true = np.array([curve[start:end].mean() if end > start else np.nan for start, end in spans])
    estimate = rows[unit].to_numpy(float)
    known = np.isfinite(estimate) & np.isfinite(true)
    true, estimate = true[known], estimate[known]
    correlation = np.nan
    if len(estimate) > 2 and estimate.std() > 0 and true.std() > 0:
        correlation = np.corrcoef(true, estimate)[0, 1]
    mean = true.mean(), estimate.mean()
    quantity = f"{unit}, 0..5"
    yield sample, quantity, f"{mean[0]:.1f}", f"{mean[1]:.1f}", f"{mean[1] - mean[0]:+.1f}", f"{correlation:.2f}"


def _expression_row(sample: str, quantity: str, truth: str, estimate: str) -> tuple[str, ...]:
    return sample, quantity, truth, estimate, "none" if estimate == truth else "another"


def _row(sample: str, quantity: str, truth: float, measure: summary.MeasurementSummary) -> tuple[str, ...]:
    if measure.value is None:
        return sample, quantity, f"{truth:.1f}", f"abstained: {measure.reason}", ""
    return sample, quantity, f"{truth:.1f}", f"{measure.value:.1f}", f"{measure.value - truth:+.1f}"


@contextmanager
def _bar(title: str, files: int) -> Iterator[ProgressCallback]:
    """Show a progress bar on stderr if stderr is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        bar = progress.add_task(title, total=files)
        yield lambda done: progress.update(bar, completed=done)


def _print(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*header, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
