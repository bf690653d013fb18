"""`make demo`: the main job on a sample that mien makes itself, where the truth is known; or on a video of yours.

The sample is a real face, the public-domain portrait of scikit-image's data, in whose skin a pulse is planted, and a
synthetic person with planted action units, pulse and breath. The renderer shares no code with the estimators.
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

from mien import files, summary
from mien.files import Found, Job, Options, Outcome, Tick
from mien.types import REASONS

if TYPE_CHECKING:
    import pandas as pd

    from mien.synthetic import ActorTruth, Scene, Truth
    from mien.synthetic.portrait import Portrait
    from mien.timeline import Timeline

SECONDS = 32.0
"""Length of each sample. Our choice: respiration is read from 30 s on."""

PLAN = (("happy", 4.0, 10.0), ("surprise", 13.0, 19.0), ("angry", 22.0, 28.0))
"""What the synthetic person shows, from and to in s; neutral in between."""

STRENGTH, BREATHS = 4.0, 15.0
RAMP = 0.6  # s; our choice: onsets of posed expressions take half a second to a second


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo -> exit code, 1 when a video could not be analysed."""
    parser = argparse.ArgumentParser(prog="python -m mien.demo", description=__doc__)
    parser.add_argument("video", nargs="?", help="your own video instead of the sample")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder of the results (default: demo)")
    chosen = parser.parse_args(arguments)
    try:
        entries = own(chosen.video, chosen.out) if chosen.video else sample(chosen.out)
    except KeyboardInterrupt:
        print("demo: stopped by Ctrl-C", file=sys.stderr)
        return 130
    except (OSError, ValueError, ModuleNotFoundError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    for entry in entries:
        if entry.status == "failed":
            print(f"demo: {entry.source}: {entry.reason}", file=sys.stderr)
        else:
            print(f"report: {chosen.out / entry.folder / 'report.html'}")
    return int(any(entry.status == "failed" for entry in entries))


def own(video: str, out: Path) -> list[files.Entry]:
    """Analyse a video and print what is said of each person in it."""
    with _bar(f"analysing {Path(video).name}", 1) as tick:
        entries = files.analyze(files.find([video], out), out, Options(formats=("csv",)), overwrite=True, tick=tick)
    rows = []
    for entry in (entry for entry in entries if entry.status != "failed"):
        said = summary.read(out / entry.folder / "summary.json")
        if not said.faces:
            rows.append((said.source.name, "", "no face was seen", ""))
        for face in said.faces:
            for name, measure in (("heart rate", face.heart_rate), ("breath", face.respiration)):
                value = f"{measure.value:.1f} {measure.unit}" if measure.value is not None else REASONS[measure.reason]
                rows.append((said.source.name, f"person {face.id}", name, value))
            rows.append((said.source.name, f"person {face.id}", "expression, most of the time", _likely(face)))
    _print(("video", "person", "what", "estimate"), rows)
    return entries


def _likely(face: summary.Face) -> str:
    known = {name: p for name, p in face.expression.items() if p is not None}
    return max(known, key=lambda name: known[name]) if known else "not read"


def sample(out: Path) -> list[files.Entry]:
    """Make the sample, analyse it like any file, print truth beside estimate."""
    folder = out / "sample"
    folder.mkdir(parents=True, exist_ok=True)
    truths = _make(folder)
    paths = [folder / name for name in truths]
    found = [Found(path.absolute(), path.name) for path in paths]
    with _bar("analysing", len(found)) as tick:
        work = partial(_work, {str(path.absolute()): truths[path.name] for path in paths})
        options = Options(formats=("csv",), overlay=True)
        entries = files.analyze(found, out, options, overwrite=True, workers=2, tick=tick, work=work)
    rows: list[tuple[str, ...]] = []
    for entry in (entry for entry in entries if entry.status == "ok"):
        rows += compare(out / entry.folder, truths[Path(entry.source).name])
    _print(("sample", "what", "truth", "estimate", "difference", "r"), rows)
    print("The expression is an uncalibrated baseline; docs/results.md has its figures, and those of the pulse.")
    return entries


# ---------------------------------------------------------------- the sample


def scene() -> Scene:
    """The synthetic person: three expressions, blinks, a pulse of 84 bpm."""
    from mien.synthetic import Actor, Blinks, Pulse, Respiration, Scene, expression, identity

    curves: dict[str, np.ndarray] = {}
    times = np.arange(round(SECONDS * 30)) / 30
    for name, start, end in PLAN:
        shape = _rise((times - start) / RAMP) * _rise((end - times) / RAMP)
        for unit, strength in expression(name, STRENGTH).items():
            curves[unit] = np.maximum(curves.get(unit, 0.0), strength * shape)
    person = Actor(
        identity(3), aus=curves, pulse=Pulse(84.0, 0.010), respiration=Respiration(BREATHS), blinks=Blinks(), sway=1.0
    )
    return Scene((person,), seconds=SECONDS)


def portrait() -> Portrait:
    """The photograph with a pulse of 66 bpm in its skin."""
    from mien.synthetic import Pulse, Respiration
    from mien.synthetic.portrait import Portrait

    return Portrait(pulse=Pulse(66.0, 0.010), respiration=Respiration(BREATHS), seconds=SECONDS)


def _rise(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def _make(folder: Path) -> dict[str, Truth]:
    """Render both samples at the same time -> their truth by file name."""
    from joblib import Parallel, delayed

    made = {"portrait.mp4": portrait, "person.mp4": scene}
    print("making the sample: a portrait with a planted pulse, a synthetic person with planted expressions ...")
    truths = Parallel(n_jobs=2)(delayed(_render)(make, folder / name) for name, make in made.items())
    return dict(zip(made, truths, strict=True))


def _render(make: Callable[[], Any], path: Path) -> Truth:
    from mien import synthetic

    return synthetic.write(make(), path)


# ---------------------------------------------------------------- truth beside estimate


def _work(truths: Mapping[str, Truth], job: Job, tick: Tick | None) -> Outcome:
    """Analyse a sample, with what was planted in its report."""
    return files.perform(job, tick, truth=partial(_planted, truths[job.path]))


def _planted(truth: Truth, timeline: Timeline) -> dict[int, dict[str, tuple[object, object]]]:
    """The curves of the one person in a sample, under the id that the tracker gave."""
    if not timeline.faces:
        return {}
    seen = max(timeline.faces, key=lambda person: person.coverage)
    return {seen.id: dict(_curves(truth.times, truth.actors[0]))}


def _curves(times: np.ndarray, actor: ActorTruth) -> Iterator[tuple[str, tuple[object, object]]]:
    from mien.synthetic import ACTION_UNITS

    yield "heart_rate", (times, actor.heart_rate)
    yield "pulse", (times, actor.bvp)
    for name in ACTION_UNITS:
        curve = actor.au(name)
        if np.isfinite(curve).all() and curve.max() > 0:
            yield name, (times, curve)


def compare(folder: Path, truth: Truth) -> Iterator[tuple[str, ...]]:
    """The results of a sample and its truth -> rows of (sample, what, truth, estimate, difference, correlation)."""
    import pandas as pd

    actor = truth.actors[0]
    said = summary.read(folder / "summary.json")
    name = said.source.name.removesuffix(".mp4")
    if not said.faces:
        yield name, "people", "1", "0", "-1"
        return
    face = max(said.faces, key=lambda face: face.coverage)
    yield _row(name, "heart rate, bpm", actor.bpm, face.heart_rate)
    yield _row(name, "breaths a minute", BREATHS, face.respiration)
    if not np.isfinite(actor.aus).all():  # the photograph: nobody knows its action units, but she smiles
        yield name, "expression", "happy", _likely(face), "none" if _likely(face) == "happy" else "another"
        return
    yield _row(name, "blinks a minute", 60 * len(actor.blinks) / SECONDS, face.blink_rate)
    rows = pd.read_parquet(folder / "timeline.parquet")
    rows = rows[rows["face_id"] == face.id]
    for expression, start, end in PLAN:
        inside = rows[(rows["start"] >= start + RAMP) & (rows["end"] <= end - RAMP)]
        label = inside["label"].mode()
        got = label.iloc[0] if len(label) else "not read"
        what = f"expression, {start:.0f}-{end:.0f} s"
        yield name, what, expression, got, "none" if got == expression else "another"
    for unit in face.action_units:
        yield from _unit(name, unit, truth, rows)


def _unit(sample: str, unit: str, truth: Truth, rows: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """A planted action unit, 0..5, beside the timeline's rows; nothing for one that was not planted."""
    planted = truth.actors[0].au(unit)
    if planted.max() <= 0 or unit == "AU45":  # blinks are counted instead
        return
    spans = np.searchsorted(truth.times, rows[["start", "end"]].to_numpy() - 1e-6)
    there = np.array([planted[start:end].mean() if end > start else np.nan for start, end in spans])
    got = rows[unit].to_numpy(float)
    seen = np.isfinite(got) & np.isfinite(there)
    there, got = there[seen], got[seen]
    varied = len(got) > 2 and got.std() > 0 and there.std() > 0
    likeness = np.corrcoef(there, got)[0, 1] if varied else np.nan
    mean = there.mean(), got.mean()
    what = f"{unit}, 0..5"
    yield sample, what, f"{mean[0]:.1f}", f"{mean[1]:.1f}", f"{mean[1] - mean[0]:+.1f}", f"{likeness:.2f}"


def _row(sample: str, what: str, truth: float, measure: summary.Measure) -> tuple[str, ...]:
    if measure.value is None:
        return sample, what, f"{truth:.1f}", f"abstained: {measure.reason}", ""
    return sample, what, f"{truth:.1f}", f"{measure.value:.1f}", f"{measure.value - truth:+.1f}"


# ---------------------------------------------------------------- the terminal


@contextmanager
def _bar(what: str, files: int) -> Iterator[Tick]:
    """A progress bar on stderr, where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        bar = progress.add_task(what, total=files)
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
