"""Read your own videos: a folder with a manifest of labels and, optionally, signals."""

from __future__ import annotations

import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from mien.core.observations import Signal
from mien.core.text_tables import TableError
from mien.core.trials import Trial
from mien.datasets import scan, video_probe
from mien.datasets.index import Count, DatasetIndex, DatasetProblem
from mien.datasets.readers import csv_signals, tables
from mien.datasets.readers.tables import DatasetTable

TREE = """\
my_study/
  manifest.csv          video,subject,expression,valence,signals
                        day1/anna.mp4,anna,happy,7.5,day1/anna.csv
  day1/anna.mp4         any video; paths are below the manifest's folder
  day1/anna.csv         time,ecg,eda    time in s of the video, may begin before it; may be left out

  Columns: video is needed. subject, signals, id, start and end (s of the video) have a meaning. Every other column is a
  label: a number or a word; an empty cell is a missing label.
"""

RESERVED = ("video", "subject", "signals", "id", "start", "end")


def survey(root: str | Path) -> DatasetIndex:
    """Index the trials in the manifest of `root`; `root` may also be the manifest itself.

    Raises:
        FileNotFoundError: `root` does not exist.
        ValueError: `root` is no folder.
    """
    path = Path(root)
    named: Path | None = None
    if path.is_file() and path.suffix.lower() == ".csv":
        named, path = path, path.parent
    tree = scan.scan_tree(path, depth=1)
    try:
        table = tables.read_table(named or _manifest(tree), RESERVED[:1], RESERVED[1:])
    except TableError as error:
        return DatasetIndex(
            "folder", tree.root, "", (), (tables.as_problem(error, named or tree.root, "manifest"),), ()
        )
    problems = list(table.problems)
    labels = _labels(table, problems)
    rows: list[tuple[int, Trial]] = []
    for line, row in table.rows:
        try:
            trial, row_problems = _trial(tree.root, row, labels[line], table)
        except ValueError as error:
            problems.append(DatasetProblem("unreadable", row["video"] or f"line {line}", str(error), table.path, line))
            continue
        problems += [_located(each, table.path, line) for each in row_problems]
        if trial is not None:
            rows.append((line, trial))
    trials = _deduplicated(rows, table.path, problems)
    problems += _incomplete(table, trials)
    return DatasetIndex("folder", tree.root, table.path.name, tuple(trials), tuple(problems), _counts(trials))


def signals(trial: Trial) -> Signal:
    """Read all signals of a trial at a constant rate, with time 0 at the start of the trial; NaN in gaps.

    Raises:
        ValueError: it has no signals, or its file is unusable.
    """
    if trial.signals is None:
        raise ValueError(f"{trial.id}: expected a trial with signals, got one without: name their file in the manifest")
    return csv_signals.read_signal(trial.signals, trial.span[0])


def _located(problem: DatasetProblem, path: Path, line: int) -> DatasetProblem:
    """The problem, with the manifest's line if it names no file."""
    if problem.path is not None:
        return problem
    return replace(problem, path=path, line=line)


def _identity(trial: Trial) -> tuple[object, ...]:
    return trial.subject, trial.video, trial.span, trial.signals, trial.labels


def _deduplicated(rows: list[tuple[int, Trial]], path: Path, problems: list[DatasetProblem]) -> list[Trial]:
    """Keep one trial of each id: repetitions are left out, and so are all rows that contradict each other."""
    groups: dict[str, list[tuple[int, Trial]]] = {}
    for line, trial in rows:
        groups.setdefault(trial.id, []).append((line, trial))
    kept = []
    for (first, trial), *others in groups.values():
        same = all(_identity(trial) == _identity(other) for _, other in others)
        if same:
            kept.append(trial)
            consequence = "this repetition is left out"
        else:
            others.append((first, trial))
            consequence = "the rows contradict each other, all are left out"
        for line, other in others:
            lines = ", ".join(str(number) for number, _ in groups[trial.id] if number != line)
            reason = f"also in line {lines}: {consequence}; a column id distinguishes parts of a video"
            problems.append(DatasetProblem("excluded", other.id, reason, path, line))
    return kept


def _manifest(tree: scan.Tree) -> Path:
    """manifest.csv, or the only csv in the folder."""
    csv_files = [path for path in tree.files if path.suffix.lower() == ".csv"]
    named = [path for path in csv_files if path.name.lower() == "manifest.csv"] or csv_files
    if len(named) != 1:
        names = ", ".join(path.name for path in named[:5])
        raise TableError(f"expected manifest.csv in {tree.root}, got {names or 'no csv'}: write one, or name it itself")
    return named[0]


def _trial(root: Path, row: dict[str, str], labels: dict[str, float | str], table: DatasetTable,
           ) -> tuple[Trial | None, list[DatasetProblem]]:
    """The trial of a row and its problems; None without a usable video. Raises ValueError."""
    name = row["video"]
    path = inside(root, name, "video")
    if not path.exists():
        return None, [DatasetProblem("missing", name, f"expected a video, got nothing at {path.relative_to(root)}")]
    span = (_seconds(row, "start", 0.0, table), _seconds(row, "end", math.inf, table))
    if not 0 <= span[0] < span[1]:
        raise ValueError(f"expected 0 <= start < end in s, got {span[0]:g} and {span[1]:g}")
    probed, video_problems = video_probe.check_probe(path, name)
    # the reason names the video already; the manifest's line helps more than its path
    problems = [replace(each, path=None) for each in video_problems]
    if probed is None:
        return None, problems
    if probed.seconds is not None and span[0] >= probed.seconds:
        raise ValueError(f"expected a start before the video's end at {probed.seconds:.2f} s, got {span[0]:g}")
    wires = _signals_file(root, _cell(row, "signals"), probed.seconds, problems)
    name = path.relative_to(root).as_posix()
    if span != (0.0, math.inf):
        name += f" {span[0]:g}-{span[1]:g} s"
    trial_id = _cell(row, "id") or name
    return Trial(trial_id, "folder", _cell(row, "subject"), path, span, signals=wires, labels=labels), problems


def _signals_file(root: Path, cell: str, seconds: float | None, problems: list[DatasetProblem]) -> Path | None:
    """The signals named in a cell; None, and a problem, if they are missing or unusable. Raises ValueError."""
    if not cell:
        return None
    path = inside(root, cell, "signals")
    if not path.exists():
        problems.append(DatasetProblem("missing", cell, f"expected signals, got nothing at {path.relative_to(root)}"))
        return None
    usable, doubts = csv_signals.check_signal(path, seconds, cell)
    problems += doubts
    return path if usable else None


def inside(root: Path, cell: str, what: str) -> Path:
    """Resolve a path in a table, with slashes or backslashes, to a file below `root`.

    Raises:
        ValueError: the cell is empty, or its path, with links resolved, is not below `root`.
    """
    if not tables.known(cell):
        raise ValueError(f"expected the path of a {what}, got an empty cell")
    names = (cell, cell.replace("\\", "/"))
    outside = PureWindowsPath(cell).drive or any(PurePosixPath(name).is_absolute() for name in names)
    path = next((root / name for name in names if os.path.lexists(root / name)), root / names[1])
    if outside or not path.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"expected a path below the manifest's folder, got {cell}, which leaves it: refused; "
                         "move the file there and write the path from there on")
    return path


def _cell(row: dict[str, str], name: str) -> str:
    """The cell, "" if it or its column is missing."""
    cell = row.get(name, "")
    if not tables.known(cell):
        return ""
    return cell


def _seconds(row: dict[str, str], name: str, otherwise: float, table: DatasetTable) -> float:
    cell = _cell(row, name)
    if not cell:
        return otherwise
    value = table.number(cell)
    if value is None:
        raise ValueError(f"expected {name} in s, got {cell!r}")
    return value


def _labels(table: DatasetTable, problems: list[DatasetProblem]) -> dict[int, dict[str, float | str]]:
    """Line -> labels. If most cells of a column are numbers, its words are reported as problems and left out."""
    labels: dict[int, dict[str, float | str]] = {line: {} for line, _ in table.rows}
    for name in (name for name in table.columns if name not in RESERVED):
        cells = {line: row[name] for line, row in table.rows if tables.known(row[name])}
        values = {line: table.number(cell) for line, cell in cells.items()}
        numeric = sum(value is not None for value in values.values()) > len(values) / 2
        for line, cell in cells.items():
            value = values[line]
            if not numeric:
                labels[line][name] = cell
            elif value is not None:
                labels[line][name] = value
            else:
                reason = f"expected a number in {name}, as in most rows, got {cell!r}: this label is left out"
                problems.append(DatasetProblem("doubtful", f"line {line}", reason, table.path, line))
    return labels


def _incomplete(table: DatasetTable, trials: Iterable[Trial]) -> list[DatasetProblem]:
    """Report trials without a subject or labels."""
    trials = list(trials)
    without = [trial.id for trial in trials if not trial.subject]
    unlabelled = [trial.id for trial in trials if not trial.labels]
    problems = []
    if without:
        reason = f"{len(without)} of {len(trials)} without, such as {without[0]}: splits by subject need it"
        problems.append(DatasetProblem("doubtful", "subject", reason, table.path))
    if unlabelled:
        reason = f"{len(unlabelled)} of {len(trials)} without any, such as {unlabelled[0]}: training cannot use them"
        problems.append(DatasetProblem("doubtful", "labels", reason, table.path))
    return problems


def _counts(trials: list[Trial]) -> tuple[Count, ...]:
    words: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for trial in trials:
        for name, value in trial.labels.items():
            words[name][value if isinstance(value, str) else ""] += 1
    counts = [Count("trials", len(trials)), Count("subjects", len({trial.subject for trial in trials} - {""}))]
    counts += [Count("trials with signals", sum(trial.signals is not None for trial in trials))]
    for name, values in words.items():
        kind = "rated" if set(values) == {""} else "labelled"
        counts.append(Count(f"{name}: {kind}", values.total()))
        counts += [Count(f"{name}: {word}", count) for word, count in sorted(values.items()) if word][:20]
    return tuple(counts)
