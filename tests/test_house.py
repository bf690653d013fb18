"""The house rules: imports go down, nothing heavy on the way in, errors are told, files stay small, all is tested."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
import time
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src" / "mien"
FILES = sorted(SRC.rglob("*.py"))

# A module imports only from lower floors. __init__ has none: it names, and loads when asked.
FLOORS = {
    "types": 0, "tasks": 0, "settings": 0, "writing": 0, "privacy": 0, "signals": 0, "batch": 1, "labels": 1, "work": 1,
    "imports": 1, "video": 1, "face": 1, "towers": 1, "metrics": 1, "timeline": 1, "summary": 1, "facs": 1, "tfr": 1,
    "prompt": 2, "pulse": 2, "models": 2, "datasets": 2, "synthetic": 2, "protocols": 2, "windower": 2,
    "rating": 2,
    "lookalikes": 3, "data": 3, "recipes": 3,
    "session": 4, "stream": 4, "checkpoint": 4,
    "analysis": 5, "train": 5, "report": 5, "overlay": 5, "segments": 5,
    "files": 6, "doctor": 6, "bench": 6, "export": 6, "live": 6, "serve": 7, "mcp": 7,
    "cli": 8, "demo": 8, "__main__": 8,
}  # fmt: skip

# Modules that another one's tests exercise: they have no life of their own.
TESTED_WITH = {"types": "stream", "settings": "stream",
               "tasks": "timeline", "windower": "stream", "analysis": "stream", "privacy": "overlay",
               "batch": "duse", "work": "files", "models": "duse", "__main__": "cli"}  # fmt: skip

ABOUT, LIMIT = 250, 300
TALKERS = ("cli", "demo", "__main__")
DEFAULT_IMPORTS = "torch", "transformers", "lightning", "torchmetrics", "kornia", "dask", "distributed", "skimage"


def room(path: Path) -> str:
    """The module or folder of the first floor plan that a file belongs to."""
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> Iterator[str]:
    """What a file imports when it runs (not only for the type checker), whole names."""
    package = ("mien", *path.relative_to(SRC).parts[:-1])
    module = tree(path)
    only_types = {
        id(inner)
        for node in ast.walk(module)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(module):
        if id(node) in only_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            start = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{start}.{alias.name}" for alias in node.names)


def rooms_used(path: Path) -> set[str]:
    names = {full.split(".")[1] for full in imported(path) if full.startswith("mien.")}
    return {used for used in names if (SRC / used).is_dir() or (SRC / f"{used}.py").exists()} - {room(path)}


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120).stdout


@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_module_has_a_floor(path):
    assert room(path) == "__init__" or room(path) in FLOORS, "add it to FLOORS, above all that it imports"


@pytest.mark.parametrize("path", [path for path in FILES if room(path) != "__init__"], ids=name)
def test_imports_only_go_down(path):
    own = FLOORS[room(path)]
    up = {used: FLOORS.get(used) for used in rooms_used(path) if FLOORS.get(used, 99) >= own}
    assert not up, f"{room(path)} is on floor {own}"


def test_the_floors_are_read_from_the_imports():
    """The reader of imports sees both forms, inside functions too, and leaves out what is only for the type checker."""
    assert {"files", "doctor"} <= rooms_used(SRC / "cli" / "analyze.py") | rooms_used(SRC / "cli" / "doctor.py")
    assert "stream" in rooms_used(SRC / "analysis.py")
    assert "timeline" not in rooms_used(SRC / "summary.py")


def test_importing_mien_and_the_command_loads_nothing_heavy():
    code = "import sys, mien, mien.cli; print([m for m in ('numpy', 'mediapipe', 'pandas', 'av') if m in sys.modules])"
    assert run(code).strip() == "[]"


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    from mien import synthetic

    path = tmp_path_factory.mktemp("house") / "clip.mp4"
    synthetic.write(synthetic.Scene((synthetic.Actor(synthetic.identity(1)),), size=(320, 240), seconds=1), path)
    return path


def test_the_default_analysis_loads_no_torch_and_no_extra(clip, tmp_path):
    code = f"""
import sys
from pathlib import Path
from mien import files
options = files.Options(formats=("csv", "jsonl", "srt", "elan"), fex=True, overlay=True)
entries = files.analyze(files.find([{str(clip)!r}], {str(tmp_path)!r}), Path({str(tmp_path)!r}), options)
assert entries[0].status == "ok", entries
print(sorted({{name.split(".")[0] for name in sys.modules}}))
"""
    loaded = set(ast.literal_eval(run(code).splitlines()[-1]))
    assert "mediapipe" in loaded
    assert not loaded & set(DEFAULT_IMPORTS)


def test_help_answers_at_once():
    def once() -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "mien.cli", "analyze", "--help"], check=True, capture_output=True)
        return time.perf_counter() - start

    assert min(once() for _ in range(3)) < 1.0


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_file_that_grows_is_missing_a_noun(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LIMIT, f"{lines} lines: give a noun a file of its own"
    if lines > ABOUT:
        warnings.warn(f"{name(path)}: {lines} lines, about {ABOUT} are wanted", stacklevel=1)


@pytest.mark.parametrize("module", sorted({room(path) for path in FILES} - {"__init__"}))
def test_every_module_is_tested(module):
    test = ROOT / "tests" / f"test_{TESTED_WITH.get(module, module)}.py"
    assert test.exists(), f"expected {name(test)}"
    if module in TESTED_WITH:
        assert not (ROOT / "tests" / f"test_{module}.py").exists(), "it has its own: take it out of TESTED_WITH"


@pytest.mark.parametrize("path", [path for path in FILES if room(path) not in TALKERS], ids=name)
def test_nothing_is_printed_below_the_command(path):
    calls = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    assert [node.lineno for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"] == []


BROAD = {"Exception", "BaseException"}


def swallowed(module: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, what is wrong) of every exception that nobody will hear of."""
    for node in ast.walk(module):
        if isinstance(node, ast.ExceptHandler):
            caught = {item.id for item in ast.walk(node.type) if isinstance(item, ast.Name)} if node.type else set()
            inside = [inner for statement in node.body for inner in ast.walk(statement)]
            told = any(isinstance(inner, ast.Raise) for inner in inside) or any(
                isinstance(inner, ast.Name) and inner.id == node.name for inner in inside
            )
            if node.type is None:
                yield node.lineno, "bare except"
            elif caught & BROAD and not told:
                yield node.lineno, "a broad except that neither raises nor uses what it caught"
            elif all(isinstance(statement, ast.Pass | ast.Continue) for statement in node.body):
                yield node.lineno, "an exception that is passed over: name it in contextlib.suppress, and say why"
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("suppress", "contextlib.suppress"):
            yield from [(node.lineno, "suppress of everything")] * bool(BROAD & set(map(ast.unparse, node.args)))


@pytest.mark.parametrize("path", FILES, ids=name)
def test_no_exception_is_swallowed(path):
    assert list(swallowed(tree(path))) == []


@pytest.mark.parametrize(
    ("handler", "found"),
    [
        ("except:\n raise", 1),
        ("except Exception:\n x = 1", 1),
        ("except (ValueError, Exception):\n x = 1", 1),
        ("except ValueError:\n pass", 1),
        ("except Exception as e:\n x = e", 0),
        ("except Exception:\n raise", 0),
        ("except ValueError:\n x = 1", 0),
    ],
)
def test_swallowed_exceptions_are_found(handler, found):
    assert len(list(swallowed(ast.parse(f"try:\n y = 1\n{handler}")))) == found


@pytest.mark.parametrize("path", FILES, ids=name)
def test_what_is_public_says_what_it_does(path):
    module = tree(path)
    assert ast.get_docstring(module) or not module.body, "a module says in its first line what it is for"
    public = [node for node in module.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    silent = [node.name for node in public if not node.name.startswith("_") and not ast.get_docstring(node)]
    assert silent == []


def public_functions(path: Path) -> set[str]:
    return {node.name for node in tree(path).body if isinstance(node, ast.FunctionDef) and node.name[0] != "_"}


def tracked() -> list[Path]:
    """The files of the project: what git knows, or, without git, everything that is text."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    folders = [ROOT / folder for folder in ("src", "tests", "benchmarks", "docs", ".ci")]
    return [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]


def test_no_path_of_a_machine_is_in_any_file():
    owned = "|".join(["work", "tmp", "root", r"home/\w+", r"Users/\w+"])
    machine = re.compile(rf"(?<![\w.:/~<-])/(?:{owned})\b")
    found = []
    for path in tracked():
        text = path.read_bytes().decode("utf-8", "ignore")
        found += [f"{name(path)}: {hit.group()}" for hit in machine.finditer(text)] if "\0" not in text else []
    assert found == []


def test_the_versions_for_aarch64_differ_in_mediapipe_alone():
    usual, other = ((ROOT / name).read_text().splitlines() for name in ("constraints.txt", "constraints-aarch64.txt"))
    assert set(usual) - set(other) == {line for line in usual if line.startswith("mediapipe==")}
    assert set(other) - set(usual) == {"mediapipe==0.10.18"}  # the last wheel for aarch64 that carries its models


def test_every_requirement_has_its_version_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(line for extra in extras for line in extra)]
    plain = {re.match(r"[\w-]+", line).group().lower().replace("_", "-") for line in wanted} - {"mien"}
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().split()}
    assert plain - pinned == set()


def test_what_the_readme_names_is_there():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text) if "://" not in link]
    assert [link for link in links if not (ROOT / link).exists()] == []
    lines = re.findall(r"^mien (\w+)(.*)$", text, re.M) + [("analyze", line) for line in text.splitlines()
                                                           if not line.startswith("mien ") and "mien train" not in line]
    for name in {name for name, _ in lines} - {"data"}:
        command = [sys.executable, "-m", "mien.cli", name, "--help"]
        known = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        said = [line for one, line in lines if one == name]
        named = {option for line in said for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", line)}
        assert [option for option in named if option not in known] == [], name
    targets = set(re.findall(r"`?make ([a-z]+)", text))
    assert [target for target in targets if f"\n{target}:" not in (ROOT / "Makefile").read_text()] == []


NOT_METHODS = {"__init__", "shared", "videomae", "zeroshot"}
"""In models/, but parts of a method, or nothing that is trained."""


def test_a_method_has_a_recipe_a_page_and_a_test():
    from mien.checkpoint.parts import METHODS
    from mien.recipes import RECIPES, Recipe
    from mien.recipes.recipe import OPTIONS

    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    cards = (ROOT / "docs" / "cards.md").read_text(encoding="utf-8")
    methods = {path.stem for path in (SRC / "models").iterdir() if path.stem[:2] != "__" or path.stem == "__init__"}
    assert methods - NOT_METHODS == set(OPTIONS), "recipes.recipe.OPTIONS names every method"
    assert set(METHODS) == set(OPTIONS), "checkpoint.parts.METHODS builds every method"
    assert set(get_args(get_type_hints(Recipe)["method"])) == set(OPTIONS), "recipes.Recipe.method lists every method"
    for method in OPTIONS:
        assert any(recipe.method == method for recipe in RECIPES.values()), f"{method}: expected a recipe"
        assert (ROOT / "tests" / f"test_{method}.py").exists(), f"expected tests/test_{method}.py"
        assert re.search(rf"^#.*\b{method}\b", page, re.I | re.M), f"{method}: expected a section of docs/methods.md"
        assert re.search(rf"^#.*\b{method}\b", cards, re.I | re.M), f"{method}: expected a card in docs/cards.md"


def test_a_dataset_has_a_lookalike_a_page_and_a_test():
    from mien.datasets import DATASETS
    from mien.lookalikes import LOOKALIKES, VARIANTS

    loaders = {path.relative_to(SRC / "datasets").parts[0].removesuffix(".py")
               for path in (SRC / "datasets").rglob("*.py") if "survey" in public_functions(path)}
    assert loaders == set(DATASETS) == set(LOOKALIKES) == set(VARIANTS)
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("test_datasets*.py"))
    told = {"docs/datasets.md": (ROOT / "docs/datasets.md").read_text(encoding="utf-8"), "tests/test_datasets": tests,
            **{f"the help of src/mien/cli/{name}.py": re.search(r'metavar="NAME", help="([^"]*)"', (
                SRC / "cli" / f"{name}.py").read_text(encoding="utf-8")).group(1) for name in ("data", "prepare")}}
    assert [(name, where) for name in DATASETS for where, text in told.items()
            if not re.search(rf"\b{name}\b", text, re.I)] == []
    assert [name for name, module in DATASETS.items() if not hasattr(module, "TREE")] == []


def exported() -> Iterator[str]:
    """mien.room.name of every function and class that a package names in `__all__`."""
    for path in (path for path in FILES if path.name == "__init__.py" and room(path) != "cli"):
        package = importlib.import_module(".".join(("mien", *path.relative_to(SRC).parts[:-1])))
        for one in getattr(package, "__all__", ()):
            value = getattr(package, one)
            if inspect.isfunction(value) or (inspect.isclass(value) and value.__module__.startswith("mien.")):
                yield f"{package.__name__}.{one}"


def test_the_pages_build_without_a_warning_and_name_everything_that_is_exported(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    told = re.findall(r'id="mien\.([\w.]+)"', (tmp_path / "site/api/index.html").read_text(encoding="utf-8"))
    names = {entry.rpartition(".")[2] for entry in told}
    assert [name for name in exported() if name.rpartition(".")[2] not in names] == [], "name its module in docs/api.md"
