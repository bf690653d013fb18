"""The figures of the house: how large, how plain and how well separated the code of the package is.

    python benchmarks/house.py [SRC] [--cases]

SRC: the folder of the package, `src/mien` beside this file when not given. Everything is read from the syntax trees;
nothing is imported. `--cases` also asks pytest how many cases of tests/test_house.py there are.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from statistics import median

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "mien"
MODELS, REGISTRY = "mien.models", "registry.py"
DECLARED = "mien.models.method"
"""Protocols and values that a method declares itself by: asking for these is not asking for a method's type."""

OLD_NAMES = [
    "types/seen.py", "types/told.py", "types/tried.py", "types/sessions.py", "types/checking.py", "data/wholes.py",
    "data/pieces.py", "data/making.py", "data/build.py", "data/order.py", "data/people.py", "data/pulses.py",
    "data/series.py", "data/sources.py", "data/filming.py", "data/tuning.py", "data/imported.py",
    "train/beginning.py", "train/lessons.py", "train/wording.py", "train/judging.py", "train/material.py",
    "train/figures.py", "train/devices.py", "bench/elsewhere.py", "bench/answers.py", "bench/rows.py", "bench/run.py",
    "bench/stamp.py", "bench/write.py", "bench/ratings.py", "bench/regressors.py", "bench/evidence/undone.py",
    "bench/evidence/study.py", "bench/evidence/windows.py", "bench/evidence/faces.py", "bench/evidence/trials.py",
    "checkpoint/opening.py", "checkpoint/parts.py", "checkpoint/trained.py", "checkpoint/films.py",
    "checkpoint/reuse.py", "towers/", "towers/plan.py", "towers/config.py", "towers/layouts.py", "towers/spelling.py",
    "towers/words.py", "models/shared.py", "models/mvp/streams.py", "models/mvp/rating.py", "models/scpt/options.py",
    "recipes/", "recipes/change.py", "signals/wires.py", "signals/rows.py", "signals/faults.py", "signals/grid.py",
    "pulse/", "pulse/detect.py", "pulse/rate.py", "pulse/recording.py", "pulse/traces.py", "face/finder.py",
    "facs/measures.py", "facs/reader.py", "facs/units.py", "windower.py", "stream.py", "session/",
    "session/reader.py", "session/units.py", "live/apart.py", "live/steady.py", "live/watch.py", "live/person.py",
    "live/source.py", "files/", "files/ledger.py", "files/record.py", "files/find.py", "files/job.py",
    "prompt/said.py", "prompt/words.py", "serve/crew.py", "serve/room.py", "serve/door.py", "serve/body.py",
    "serve/guard.py", "serve/sniffing.py", "serve/shapes.py", "serve/meters.py", "serve/pictures.py", "mcp/now.py",
    "datasets/survey.py", "datasets/places.py", "datasets/layout.py", "datasets/films.py", "datasets/footage.py",
    "datasets/recorded.py", "datasets/recording.py", "datasets/sweat.py", "datasets/markup.py", "datasets/pickled.py",
    "datasets/deap/about.py", "datasets/mahnob/body.py", "imports/", "imports/contact.py", "imports/text.py",
    "lookalikes/", "lookalikes/ground.py", "lookalikes/bodies.py", "lookalikes/acting.py", "lookalikes/marks.py",
    "lookalikes/sheets.py", "lookalikes/python2.py", "synthetic/figure.py", "synthetic/stage.py",
    "synthetic/camera.py", "synthetic/muscles.py", "protocols/", "protocols/statement.py", "protocols/table.py",
    "rating.py", "report/cells.py", "report/words.py", "report/truth.py", "timeline/spans.py", "timeline/texts.py",
    "work/", "work/watching.py", "work/staging.py", "work/content.py", "writing.py", "segments.py", "video/ahead.py",
    "video/opening.py", "video/picture.py", "cli/asking.py", "cli/telling.py", "doctor/parts.py",
]
"""Files and folders below SRC whose names are not the field's terms (the left column of the table of names)."""


@cache
def trees(src: Path) -> dict[Path, ast.Module]:
    """Every file of the package, relative to it, with its syntax tree."""
    return {path.relative_to(src): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(src.rglob("*.py"))}


def rooms(src: Path) -> list[str]:
    """Top-level modules and packages, without `__init__` and `__main__`."""
    names = {path.relative_to(src).parts[0].removesuffix(".py") for path in src.rglob("*.py")}
    return sorted(name for name in names if not name.startswith("__"))


def repeated_classes(files: dict[Path, ast.Module]) -> dict[str, int]:
    """Name -> how often a class of this name is defined, for those that are defined more than once."""
    nodes = (node for tree in files.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    return {name: count for name, count in Counter(node.name for node in nodes).items() if count > 1}


def functions(files: dict[Path, ast.Module]) -> list[tuple[int, str]]:
    """(lines, where) of every function and method, the longest first."""
    lengths = [(node.end_lineno - node.lineno + 1, f"{path}:{node.name}")  # type: ignore[attr-defined, operator]
               for path, tree in files.items()
               for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return sorted(lengths, reverse=True)


def conditionals(files: dict[Path, ast.Module]) -> int:
    """Conditional expressions, `a if b else c`."""
    return sum(isinstance(node, ast.IfExp) for tree in files.values() for node in ast.walk(tree))


def code_lines(src: Path) -> int:
    """Lines of the package that hold code: no blank ones, no comments, no docstrings."""
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    count = 0
    for path in src.rglob("*.py"):
        with path.open("rb") as file:
            tokens = [token for token in tokenize.tokenize(file.readline) if token.type != tokenize.ENCODING]
        numbers: set[int] = set()
        for before, token in zip([None, *tokens], tokens, strict=False):
            starts = before is None or before.type in skipped
            if token.type not in skipped and not (token.type == tokenize.STRING and starts):
                numbers |= set(range(token.start[0], token.end[0] + 1))
        count += len(numbers)
    return count


def repetitions_by_flag(files: dict[Path, ast.Module]) -> int:
    """`[text] * flag` and `"text" * flag`, which stand for an if; a count is no flag."""
    return sum(isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and _text_or_list(node.left)
               and _flag(node.right) for tree in files.values() for node in ast.walk(tree))


def _flag(node: ast.expr) -> bool:
    """A comparison, `not x`, `x and y` or `bool(x)`."""
    negation = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    call = isinstance(node, ast.Call) and ast.unparse(node.func) == "bool"
    return negation or call or isinstance(node, ast.Compare | ast.BoolOp)


def _text_or_list(node: ast.expr) -> bool:
    text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return text or isinstance(node, ast.JoinedStr | ast.List)


def method_names(files: dict[Path, ast.Module]) -> set[str]:
    """Names of methods: keys of the registry's dict, or the files and folders of `models` where there is none."""
    for path, tree in files.items():
        if path.parts[0] == "models" and path.name == REGISTRY:
            dicts = (node for node in ast.walk(tree) if isinstance(node, ast.Dict))
            return {key.value for table in dicts for key in table.keys if isinstance(key, ast.Constant)}
    return {path.parts[1].removesuffix(".py") for path in files if path.parts[0] == "models" and len(path.parts) > 1}


def method_branches(path: Path, tree: ast.Module, names: set[str]) -> Iterator[tuple[int, str]]:
    """(line, what) of every question for a method's type in one file, and of every table that is looked up by it."""
    classes, modules = _imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
            if _of_models(node.args[1:], classes, modules):
                yield node.lineno, f"isinstance of {ast.unparse(node.args[1])}"
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".get"):
            if any(map(_names_method, node.args)):
                yield node.lineno, f"table {ast.unparse(node)}"
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            typed = any(isinstance(side, ast.Call) and ast.unparse(side.func) == "type" for side in sides)
            if typed and _of_models(sides, classes, modules):
                yield node.lineno, "type(...) of a model"
            elif any(map(_names_method, sides)) and any(_literals(side) & names for side in sides):
                yield node.lineno, f"comparison {ast.unparse(node)}"
        elif isinstance(node, ast.MatchClass) and _of_models([node.cls], classes, modules):
            yield node.cls.lineno, f"case {ast.unparse(node.cls)}"
        elif isinstance(node, ast.Subscript) and _names_method(node.slice):
            yield node.lineno, f"table {ast.unparse(node)}"


def _imported(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Names that are classes, or anything else, of `mien.models`, and names that are its modules."""
    classes, modules = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(MODELS) and node.module != DECLARED:
            names = {alias.asname or alias.name for alias in node.names}
            if node.module == MODELS:
                modules |= names
            else:
                classes |= names
    return classes, modules


def _of_models(nodes: Iterable[ast.AST], classes: set[str], modules: set[str]) -> bool:
    for node in (inner for outer in nodes for inner in ast.walk(outer)):
        if isinstance(node, ast.Name) and node.id in classes:
            return True
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            return True
    return False


def _names_method(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "method"


def _literals(node: ast.AST) -> set[str]:
    return {inner.value for inner in ast.walk(node) if isinstance(inner, ast.Constant) and isinstance(inner.value, str)}


def branches(files: dict[Path, ast.Module]) -> list[str]:
    """`file:line what` of every branch on a method's type outside `models`."""
    names = method_names(files)
    return [f"{path}:{line} {what}" for path, tree in files.items() if path.parts[0] != "models"
            for line, what in method_branches(path, tree, names)]


def callers(files: dict[Path, ast.Module], name: str) -> list[str]:
    """Files that call this name, in which it is not defined."""
    paths = []
    for path, tree in files.items():
        calls = {ast.unparse(node.func).rpartition(".")[2] for node in ast.walk(tree) if isinstance(node, ast.Call)}
        defines = any(isinstance(node, ast.ClassDef) and node.name == name for node in ast.walk(tree))
        if name in calls and not defines:
            paths.append(str(path))
    return paths


def recipe_calls(files: dict[Path, ast.Module]) -> list[str]:
    """Files, once a call, that pass a whole recipe on to another function; `recipes` itself left out."""
    return [str(path) for path, tree in files.items() if path.parts[0] != "recipes" for node in ast.walk(tree)
            if isinstance(node, ast.Call) and any(isinstance(value, ast.Name) and value.id == "recipe"
                                                  for value in [*node.args, *(word.value for word in node.keywords)])]


def figures(src: Path) -> dict[str, str]:
    """Every figure by its name, as text."""
    files = trees(src)
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in src.rglob("*.py"))
    lengths, questions, passed = functions(files), branches(files), recipe_calls(files)
    places = {question.split(":")[0] for question in questions}
    old = [name for name in OLD_NAMES if (src / name).exists()]
    return {
        "files, lines": f"{len(files)}, {lines}",
        "top-level rooms": str(len(rooms(src))),
        "file names that are not the field's term": f"{len(old)} of {len(OLD_NAMES)} that were",
        "class names defined more than once": str(len(repeated_classes(files))),
        "branches on a method's type outside models/": f"{len(questions)} in {len(places)} files",
        "paths from frames to rows (files that start a Tracker)": str(len(callers(files, "Tracker"))),
        "calls anywhere with a whole recipe as an argument": f"{len(passed)} in {len(set(passed))} files",
        "conditional expressions per 1,000 lines of code": f"{1000 * conditionals(files) / code_lines(src):.1f}",
        "repetitions by a flag": str(repetitions_by_flag(files)),
        "longest function, median": f"{lengths[0][0]} ({lengths[0][1]}), {median(size for size, _ in lengths):g}",
    }


def house_cases(root: Path) -> str:
    """How many cases tests/test_house.py has, by pytest."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", "tests/test_house.py"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return str(sum("::" in line for line in done.stdout.splitlines()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("src", nargs="?", type=Path, default=PACKAGE)
    parser.add_argument("--cases", action="store_true", help="count the cases of tests/test_house.py too")
    parser.add_argument("--list", action="store_true", help="name every branch on a method's type")
    options = parser.parse_args()
    values = figures(options.src)
    if options.cases:
        values["cases of tests/test_house.py"] = house_cases(options.src.parent.parent)
    width = max(map(len, values))
    print("\n".join(f"{name:<{width}}  {value}" for name, value in values.items()))
    if options.list:
        print("\n".join(branches(trees(options.src))))


if __name__ == "__main__":
    main()
