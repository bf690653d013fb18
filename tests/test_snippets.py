"""Code that no import reaches: Python blocks of the docs, and programs that benchmarks and checks keep in a string."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mien.face.weights.locate import version

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SCRIPTS = [path for folder in (".ci", "benchmarks", "examples", "tools", "tests") for path in
           sorted((ROOT / folder).glob("*.py")) if path != Path(__file__)]
def blocks(page: Path) -> Iterator[str]:
    """Of a session, what is typed."""
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        typed = re.findall(r"^(?:>>>|\.\.\.) ?(.*)$", block, re.MULTILINE)
        yield "\n".join(typed) if block.startswith(">>>") else block


def programs(script: Path) -> Iterator[str]:
    """The strings of a script that are a program which imports mien."""
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(
                r"^\s*(from|import) mien\b", node.value, re.MULTILINE):
            try:
                ast.parse(node.value)
            except SyntaxError:  # a part of one, or prose
                continue
            yield node.value


def unknown(code: str) -> list[str]:
    """Names of mien that the code uses and that do not exist."""
    tree = ast.parse(code)
    known: dict[str, str] = {}
    expected: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                expected.add(alias.name)
                top = alias.name.split(".")[0]
                known[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                expected.add(f"{node.module}.{alias.name}")
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in known:
            expected.add(f"{known[node.value.id]}.{node.attr}")
    return sorted(full for full in expected if full.split(".")[0] == "mien" and not exists(full))


def exists(full: str) -> bool:
    parts = full.split(".")
    for count in range(len(parts), 0, -1):
        try:
            result = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith("mien"):
                raise
            continue
        for attribute in parts[count:]:
            if not hasattr(result, attribute):
                # the fields of a class need not be its attributes
                return isinstance(result, type)
            result = getattr(result, attribute)
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_python_of_a_page_uses_names_that_exist(page):
    assert [name for code in blocks(page) for name in unknown(code)] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_program_in_a_string_uses_names_that_exist(script):
    assert [name for code in programs(script) for name in unknown(code)] == []


@pytest.mark.parametrize(("code", "missing"), [
    ("import mien\nmien.analyze('a.mp4')", []), ("import mien\nmien.analysis", ["mien.analysis"]),
    ("from mien import simulation\nsimulation.nothing", ["mien.simulation.nothing"]),
    ("from mien.cor import tasks", ["mien.cor.tasks"]), ("import numpy\nnumpy.nothing", [])])
def test_unknown_names_are_found(code, missing):
    assert unknown(code) == missing


# Files and names in the text of the pages

NOT_HERE = ("foo", "runs/", "results/", "caches/")  # what the reader makes
GROUPS = {"mien.methods", "mien.recipes", "mien.datasets", "mien.rppg", "mien.rppg.frames",
          "mien.outputs",
          "mien.loggers"}  # entry points


def text_of(page: Path) -> str:
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def missing_files(text: str) -> list[str]:
    """Paths in backticks that do not lie in the tree, in the package or in `models/` of the package."""
    named = re.findall(r"`([\w./-]+/[\w.-]+\.(?:py|toml|json|md|yml))`", text)
    places = [ROOT, ROOT / "src/mien", ROOT / "src/mien/models", ROOT / "docs"]
    return [name for name in named
            if not any(part in name for part in NOT_HERE) and not any((place / name).exists() for place in places)]


def missing_names(text: str) -> list[str]:
    """Dotted names of mien in backticks that do not exist."""
    named = re.findall(r"`(mien(?:\.[A-Za-z_]\w*)+)(?:\([^`]*\))?`", text)
    return [name for name in named if name not in GROUPS and not exists(name)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_text_of_a_page_names_files_and_objects_that_exist(page):
    assert missing_files(text_of(page)) + missing_names(text_of(page)) == []


def test_missing_files_and_names_are_found():
    assert missing_files("`src/mien/gone.py`, `core/trials.py`, `duse/model.py`, `tests/test_foo.py`") == [
        "src/mien/gone.py"]
    assert missing_names("`mien.core.tasks.EXPRESSION.texts`, `mien.rppg`, `mien.core.gone(x)`") == ["mien.core.gone"]


def test_the_page_of_the_face_models_quotes_the_folder_of_this_version():
    page = (ROOT / "docs/face_models.md").read_text(encoding="utf-8")
    assert re.findall(r"\.cache/mien/models/(\w+)", page) == [version()]


@pytest.mark.parametrize("page", [*PAGES, ROOT / "SECURITY.md", ROOT / "CHANGELOG.md"],
                         ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_is_free_of_riddles(page):
    """Words that made sentences hard to read for people who learn English."""
    assert re.findall(r"\b(?:told|nobody|whom|whoever|learnt)\b", page.read_text(encoding="utf-8"), re.IGNORECASE) == []


# Names in the backticks of the package's own docstrings, comments and messages

SUFFIXES = {"csv", "html", "jpg", "js", "json", "jsonl", "md", "mjpeg", "mov", "mp4", "npy", "npz", "py", "safetensors",
            "toml", "txt", "xml"}
OTHERS = {"Image", "app", "av", "cPickle", "joblib", "nn", "numpy", "pickle", "skimage", "time", "torch"}  # packages
VALUES = {  # names in files, of other programs, and of settings
    "Boolean", "EDA", "Experiment_id", "FaceScore", "MLFLOW_TRACKING_URI", "RESIZE_BILINEAR", "STRIDED_SLICE",
    "Shimmer_1_GSR_CAL", "TransformLandmarks", "VideoIDs", "X_Value", "expression.happy", "options.heads",
    "schedule.choose"}
NAMED = re.compile(r"(?<!`)`([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:\([^`\n]*\))?`(?!`)")
SHOWY = re.compile(r"[A-Z][a-z]\w*|[A-Z]+[a-z]\w+|[A-Z]{3,}_?[A-Z_]*")  # a class or a constant
SAID = re.compile(r"Error\(\s*f?\"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:\.\{\w+\})?: ")  # at the start of an error's text


class Package:
    """The names of a package by the last part of their module or class, from the text alone."""

    def __init__(self, sources: dict[str, str]):
        self.sources = sources
        self.members: dict[str, set[str]] = {}
        self.bases: dict[str, set[str]] = {}
        for module, text in sources.items():
            parts = module.split(".")
            self.collect(parts[-1], ast.parse(text), text.split("\n"), "__all__" in text)
            if len(parts) > 1:
                self.members.setdefault(parts[-2], set()).add(parts[-1])
        self.defined = set(self.members).union(*self.members.values())

    def collect(self, owner: str, node: ast.Module | ast.ClassDef | ast.If | ast.Try, lines: list[str],
                reexports: bool) -> None:
        result = self.members.setdefault(owner, set())
        for child in node.body:
            if isinstance(child, ast.ClassDef):
                self.collect(child.name, child, lines, reexports)
                self.bases.setdefault(child.name, set()).update(ast.unparse(base) for base in child.bases)
                written = "\n".join(lines[child.lineno - 1:child.end_lineno])
                self.members[child.name].update(re.findall(r"\bself\.(\w+)\b", written))
            if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                result.add(child.name)
            elif isinstance(child, (ast.If, ast.Try)):
                self.collect(owner, child, lines, reexports)
            elif isinstance(child, ast.ImportFrom) and reexports:
                result.update((alias.asname or alias.name).split(".")[0] for alias in child.names)
            elif isinstance(child, (ast.Assign, ast.AnnAssign)):
                result.update(name.id for name in ast.walk(child) if isinstance(name, ast.Name))

    def has(self, owner: str, name: str) -> bool:
        return name in self.members.get(owner, ()) or any(
            self.has(base.split("[")[0].split(".")[-1], name) for base in self.bases.get(owner, ()))

    def knows(self, name: str, text: str) -> bool:
        """Whether a name exists, or the code around it has this attribute of a variable."""
        first, *rest = name.split(".")
        if not rest:
            return first in self.defined or not SHOWY.fullmatch(first)
        if first in self.members and all(self.has(*pair) for pair in zip([first, *rest], rest, strict=False)
                                         if pair[0] in self.members):
            return True
        return re.search(rf"(?<![`\".\w]){re.escape(name)}\b", text) is not None

    def unknown(self) -> list[str]:
        """The names in backticks and in errors that do not exist, each with its module."""
        return [f"{module}: {name}" for module, text in self.sources.items()
                for name in NAMED.findall(text) + SAID.findall(text)
                if name not in VALUES | GROUPS and name.split(".")[0] not in OTHERS
                and name.split(".")[-1] not in SUFFIXES and not self.knows(name, text)]


def read_package(root: Path) -> Package:
    return Package({".".join(path.relative_to(root.parent).with_suffix("").parts).removesuffix(".__init__"):
                    path.read_text(encoding="utf-8") for path in sorted(root.rglob("*.py"))})


def test_package_text_names_existing_objects():
    assert read_package(ROOT / "src/mien").unknown() == []


@pytest.mark.parametrize(("text", "missing"), [
    ("`shapes.Circle`, `Circle.area`, `Circle.radius`, `mien.shapes`, `Circle`, `SIZES`, `radius`", []),
    ("`shapes.Square`", ["shapes.Square"]), ("`forms.Circle`", ["forms.Circle"]), ("`Circle.edge`", ["Circle.edge"]),
    ("`Square`", ["Square"]), ("`COLOURS`", ["COLOURS"]), ("`numpy.mean(x)`, `notes.txt`", []),
    ("raise ValueError(f\"Circle.radius: expected {x}\")", []),
    ("raise ValueError(f\"Square.{name}: expected {x}\")", ["Square"])])
def test_package_text_with_unknown_names_is_found(text, missing):
    package = Package({"mien": "", "mien.shapes": f"'''{text}'''\nSIZES = 1\nclass Circle:\n    radius: float\n"
                                                  "    def area(self):\n        self.cached = 1\n"})
    assert package.unknown() == [f"mien.shapes: {name}" for name in missing]
