"""A person's own videos: a folder and a table of what they show, signals beside them where there are some."""

from __future__ import annotations

import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from mien.types import Signal, Trial

from . import footage, layout, recorded, tables
from .survey import Count, Problem, Survey
from .tables import Table, TableError

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


def survey(root: str | Path) -> Survey:
    """What the manifest in `root` lists; root may also be the manifest itself.

    Raises:
        FileNotFoundError, ValueError: root is no folder.
    """
    path = Path(root)
    named = path if path.is_file() and path.suffix.lower() == ".csv" else None
    tree = layout.tree(named.parent if named else path, depth=1)
    try:
        table = tables.read(named or _manifest(tree), RESERVED[:1], RESERVED[1:])
    except TableError as error:
        return Survey("folder", tree.root, "", (), (tables.problem(error, named or tree.root, "manifest"),), ())
    problems = list(table.problems)
    labels = _labels(table, problems)
    rows: list[tuple[int, Trial]] = []
    for line, row in table.rows:
        try:
            trial, found = _trial(tree.root, row, labels[line], table.delimiter)
        except ValueError as error:
            problems.append(Problem("unreadable", row["video"] or f"line {line}", str(error), table.path, line))
            continue
        problems += [replace(each, path=table.path, line=line) if each.path is None else each for each in found]
        if trial is not None:
            rows.append((line, trial))
    trials = _once(rows, table.path, problems)
    problems += _nobody(table, trials)
    return Survey("folder", tree.root, table.path.name, tuple(trials), tuple(problems), _counts(trials))


def signals(trial: Trial) -> Signal:
    """All signals of the trial at one even rate, time 0 being the trial's; NaN in gaps.

    Raises:
        ValueError: it has none, or its file cannot be used.
    """
    if trial.signals is None:
        raise ValueError(f"{trial.id}: expected a trial with signals, got one without: name their file in the manifest")
    return recorded.signal(trial.signals, trial.span[0])


def _told(trial: Trial) -> tuple[object, ...]:
    return trial.subject, trial.video, trial.span, trial.signals, trial.labels


def _once(rows: list[tuple[int, Trial]], path: Path, problems: list[Problem]) -> list[Trial]:
    """One trial of each id: a repetition is left out, rows that contradict each other are left out all."""
    groups: dict[str, list[tuple[int, Trial]]] = {}
    for line, trial in rows:
        groups.setdefault(trial.id, []).append((line, trial))
    kept = []
    for (first, trial), *others in groups.values():
        same = all(_told(trial) == _told(other) for _, other in others)
        kept += [trial] * same
        for line, other in [*others, *([] if same else [(first, trial)])]:
            lines = ", ".join(str(number) for number, _ in groups[trial.id] if number != line)
            reason = f"also in line {lines}: " + ("this repetition is left out" if same else
                                                  "the rows contradict each other, all are left out")
            problems.append(Problem("excluded", other.id, f"{reason}; a column id tells parts apart", path, line))
    return kept


def _manifest(tree: layout.Tree) -> Path:
    """manifest.csv, or the only csv there is."""
    found = [path for path in tree.files if path.suffix.lower() == ".csv"]
    named = [path for path in found if path.name.lower() == "manifest.csv"] or found
    if len(named) != 1:
        names = ", ".join(path.name for path in named[:5])
        raise TableError(f"expected manifest.csv in {tree.root}, got {names or 'no csv'}: write one, or name it itself")
    return named[0]


def _trial(root: Path, row: dict[str, str], labels: dict[str, float | str], delimiter: str,
           ) -> tuple[Trial | None, list[Problem]]:
    """The trial of a row and what is wrong with it; None where there is no video to work with. Raises ValueError."""
    name = row["video"]
    path = inside(root, name, "video")
    if not path.exists():
        return None, [Problem("missing", name, f"expected a video, got nothing at {path.relative_to(root)}")]
    span = (_seconds(row, "start", 0.0, delimiter), _seconds(row, "end", math.inf, delimiter))
    if not 0 <= span[0] < span[1]:
        raise ValueError(f"expected 0 <= start < end in s, got {span[0]:g} and {span[1]:g}")
    film, found = footage.judge(path, name)
    problems = [replace(each, path=None) for each in found]  # the reason names the film; the manifest's line helps more
    if film is None:
        return None, problems
    if film.seconds is not None and span[0] >= film.seconds:
        raise ValueError(f"expected a start before the video's end at {film.seconds:.2f} s, got {span[0]:g}")
    beside = _cell(row, "signals")
    wires = inside(root, beside, "signals") if beside else None
    if wires and not wires.exists():
        problems.append(Problem("missing", beside, f"expected signals, got nothing at {wires.relative_to(root)}"))
        wires = None
    elif wires:
        usable, doubts = recorded.check(wires, film.seconds, beside)
        problems += doubts
        wires = wires if usable else None
    part = "" if span == (0.0, math.inf) else f" {span[0]:g}-{span[1]:g} s"
    own = _cell(row, "id") or path.relative_to(root).as_posix() + part
    return Trial(own, "folder", _cell(row, "subject"), path, span, signals=wires, labels=labels), problems


def inside(root: Path, cell: str, what: str) -> Path:
    """A path in a table -> the file below root; with slashes or backslashes.

    Raises:
        ValueError: the cell is empty, or names what is not below root; links are followed before that is asked.
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
    """The cell, "" where it or its column is missing."""
    cell = row.get(name, "")
    return cell if tables.known(cell) else ""


def _seconds(row: dict[str, str], name: str, otherwise: float, delimiter: str) -> float:
    cell = _cell(row, name)
    value = _number(cell, delimiter) if cell else otherwise
    if value is None:
        raise ValueError(f"expected {name} in s, got {cell!r}")
    return value


def _number(cell: str, delimiter: str) -> float | None:
    """A cell's number, None for a word; 7,5 is one where semicolons part the cells."""
    try:
        value = float(cell.replace(",", ".") if delimiter == ";" else cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _labels(table: Table, problems: list[Problem]) -> dict[int, dict[str, float | str]]:
    """Line -> labels. A column of which most cells are numbers is one of numbers: its words are told and left out."""
    labels: dict[int, dict[str, float | str]] = {line: {} for line, _ in table.rows}
    for name in (name for name in table.columns if name not in RESERVED):
        cells = {line: row[name] for line, row in table.rows if tables.known(row[name])}
        values = {line: _number(cell, table.delimiter) for line, cell in cells.items()}
        numeric = sum(value is not None for value in values.values()) > len(values) / 2
        for line, cell in cells.items():
            value = values[line]
            if not numeric:
                labels[line][name] = cell
            elif value is not None:
                labels[line][name] = value
            else:
                reason = f"expected a number in {name}, as in most rows, got {cell!r}: this label is left out"
                problems.append(Problem("doubtful", f"line {line}", reason, table.path, line))
    return labels


def _nobody(table: Table, trials: Iterable[Trial]) -> list[Problem]:
    """What a study cannot do without: people and labels."""
    trials = list(trials)
    without = [trial.id for trial in trials if not trial.subject]
    unlabelled = [trial.id for trial in trials if not trial.labels]
    problems = []
    if without:
        reason = f"{len(without)} of {len(trials)} without, such as {without[0]}: splits by subject need it"
        problems.append(Problem("doubtful", "subject", reason, table.path))
    if unlabelled:
        reason = f"{len(unlabelled)} of {len(trials)} without any, such as {unlabelled[0]}: nothing learns from them"
        problems.append(Problem("doubtful", "labels", reason, table.path))
    return problems


def _counts(trials: list[Trial]) -> tuple[Count, ...]:
    words: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for trial in trials:
        for name, value in trial.labels.items():
            words[name][value if isinstance(value, str) else ""] += 1
    counts = [Count("trials", len(trials)), Count("subjects", len({trial.subject for trial in trials} - {""}))]
    counts += [Count("trials with signals", sum(trial.signals is not None for trial in trials))]
    for name, values in words.items():
        counts.append(Count(f"{name}: rated", values.total()) if set(values) == {""} else
                      Count(f"{name}: labelled", values.total()))
        counts += [Count(f"{name}: {word}", count) for word, count in sorted(values.items()) if word][:20]
    return tuple(counts)
