"""The rules of the whole tree: linters pass, files are short, nothing heavy loads early, all parts are documented."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import itertools
import os
import re
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src" / "mien"
FILES = sorted(SRC.rglob("*.py"))

ABOUT, LIMIT = 250, 300
"""Lines of a file: above the first a warning, above the second a failure."""

FUNCTION_LIMIT = 60
"""Lines of a function. ruff counts statements and branches (pyproject.toml), but not lines."""

HEAVY = "numpy", "onnxruntime", "pandas", "av", "cv2", "scipy", "torch"
DEFAULT_IMPORTS = ("torch", "transformers", "lightning_fabric", "torchmetrics", "kornia", "dask", "distributed",
                   "skimage")


def room(path: Path) -> str:
    """The module or folder of the first floor plan that a file belongs to."""
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120).stdout


# What a linter can say, it says: ruff (pyproject.toml) and import-linter (.importlinter).


LINTERS = {
    "ruff": ("ruff", ["-m", "ruff", "check", "--no-cache", "--quiet", "--output-format", "concise",
                      "src", "tests", "benchmarks", "examples", "tools"]),
    "import-linter": ("importlinter", ["-c", "from importlinter.cli import lint_imports_command as run; run()",
                                       "--no-cache"]),
}  # fmt: skip


@pytest.mark.parametrize("linter", LINTERS)
def test_the_linters_find_nothing(linter):
    package, arguments = LINTERS[linter]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f'{linter} is not installed: pip install "mien[lint]"')
    paths = os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env={**os.environ, "PYTHONPATH": paths},
                          capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_file_and_function_is_short():
    lines = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    functions = {f"{name(path)}, {node.name}": node.end_lineno - node.lineno + 1 for path in FILES
                 for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    if long := {path: count for path, count in lines.items() if ABOUT < count <= LIMIT}:
        warnings.warn(f"about {ABOUT} lines are wanted, got {long}", stacklevel=1)
    assert {path: count for path, count in lines.items() if count > LIMIT} == {}, "split it by topic"
    assert {where: count for where, count in functions.items() if count > FUNCTION_LIMIT} == {}, "split it by step"


def imported(code: ast.Module) -> set[str]:
    """Full names of all that a file imports: `from mien import rppg` counts as `mien` and as `mien.rppg`."""
    names: set[str] = set()
    for node in ast.walk(code):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_every_room_is_tested():
    rooms = {room(path) for path in FILES} - {"__init__", "__main__"}
    tests = {path: imported(tree(path)) for path in (ROOT / "tests").glob("test_*.py") if path != Path(__file__)}
    used = {name.split(".")[1] for names in tests.values() for name in names if name.startswith("mien.")}
    assert rooms - used == set(), "expected a test file that imports from it"


@pytest.mark.parametrize(("code", "expected"), [
    ("import mien.rppg", {"mien.rppg"}), ("from mien import rppg", {"mien", "mien.rppg"}),
    ("from mien.rppg.hrv import rmssd", {"mien.rppg.hrv", "mien.rppg.hrv.rmssd"}), ("x = 'mien.rppg'", set())])
def test_imports_are_read_from_the_code(code, expected):
    assert imported(ast.parse(code)) == expected


def test_no_code_suppresses_every_exception():
    """ruff sees `except Exception`, but not what `contextlib.suppress` is given."""
    broad = re.compile(r"\bsuppress\([^)]*\b(?:Base)?Exception\b")
    assert [name(path) for path in FILES if broad.search(path.read_text(encoding="utf-8"))] == []


def test_the_pictures_of_the_architecture_are_those_of_the_contract_and_the_docstrings():
    spec = importlib.util.spec_from_file_location("draw_architecture", ROOT / "tools" / "draw_architecture.py")
    drawing = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(drawing)
    for picture, drawn in (("rooms", drawing.draw_rooms()), ("ways", drawing.draw_ways())):
        stored = (ROOT / "docs" / "pictures" / f"{picture}.svg").read_text(encoding="utf-8")
        assert stored == drawn, "run: python tools/draw_architecture.py"
    with pytest.raises(ValueError, match="expected a text for 2 lines of 10 characters"):
        drawing.wrap("this text needs more than two lines", 10, 2)


# What only a run shows.


@pytest.mark.parametrize("code", ["import mien, mien.cli",
                                  "from mien.cli import main; sys.argv = ['mien', 'analyze', '--help']; main()"])
def test_importing_mien_and_asking_for_help_load_nothing_heavy(code):
    """By what is loaded, not by a clock: the answer is then quick on every machine."""
    report = f"print('loaded', [name for name in {HEAVY} if name in sys.modules])"
    lines = run(f"import atexit, sys\natexit.register(lambda: {report})\n{code}").splitlines()
    assert lines[-1] == "loaded []"


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    from mien import simulation

    path = tmp_path_factory.mktemp("house") / "clip.mp4"
    simulation.write_video(
        simulation.Scene((simulation.Actor(simulation.identity(1)),), size=(320, 240), seconds=1), path
    )
    return path


def test_the_default_analysis_loads_no_torch_and_no_extra(clip, tmp_path):
    code = f"""
import sys
from pathlib import Path
from mien.inference import batch
options = batch.AnalysisOptions(formats=("csv", "jsonl", "srt", "elan"), fex=True, overlay=True)
entries = batch.analyze(batch.find_inputs([{str(clip)!r}], {str(tmp_path)!r}), Path({str(tmp_path)!r}), options)
assert entries[0].status == "ok", entries
print(sorted({{name.split(".")[0] for name in sys.modules}}))
"""
    loaded = set(ast.literal_eval(run(code).splitlines()[-1]))
    assert "onnxruntime" in loaded
    assert not loaded & set(DEFAULT_IMPORTS)


RIDDLES = {"told", "found", "one", "held", "taken", "answers", "asked", "wanted", "there", "own", "late", "whole",
           "wholes", "pieces", "beside", "elsewhere", "apart", "material"}
"""Names that say nothing of what is inside."""


def riddles(code: ast.Module) -> set[str]:
    """Names of variables, parameters, attributes, functions and classes that say nothing of what is inside."""
    names = set()
    for node in ast.walk(code):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
    return names & RIDDLES


def test_names_tell_what_is_inside():
    places = ("src", "tests", "benchmarks", "examples", "tools")
    files = [path for place in places for path in (ROOT / place).rglob("*.py")]
    assert {str(path.relative_to(ROOT)): named for path in files if (named := riddles(tree(path)))} == {}


@pytest.mark.parametrize("code", ["found = 1", "for one in (): pass", "def f(held): pass", "self.own = 1",
                                  "def whole(): pass", "(told := 1)", "[late for late in ()]"])
def test_riddles_are_seen(code):
    assert len(riddles(ast.parse(code))) == 1


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
    owned = "work", "tmp", "root", r"home/\w+", r"Users/\w+"
    machine = re.compile(rf"(?<![\w.:/~<-])/(?:{'|'.join(owned)})\b")
    result = []
    for path in tracked():
        text = path.read_bytes().decode("utf-8", "ignore")
        result += [f"{name(path)}: {hit.group()}" for hit in machine.finditer(text)] if "\0" not in text else []
    assert result == []


def requirements() -> list[Requirement]:
    """All that pyproject.toml asks for, with extras, but not mien's own."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    return [item for item in map(Requirement, lines) if item.name != "mien"]


def constraints() -> list[Requirement]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_every_requirement_has_one_version_pinned_that_it_allows(python, system):
    where = {"python_version": python, "python_full_version": f"{python}.6", "sys_platform": system,
             "platform_python_implementation": "CPython", "implementation_name": "cpython",
             "platform_machine": "x86_64", "extra": ""}
    here = [item for item in constraints() if item.marker is None or item.marker.evaluate(where)]
    pinned = {canonicalize_name(item.name): str(item.specifier).removeprefix("==") for item in here}
    assert len(pinned) == len(here), "one version of each"
    expected = [item for item in requirements() if item.marker is None or item.marker.evaluate(where)]
    assert [str(item) for item in expected if canonicalize_name(item.name) not in pinned | NOT_PINNED] == []
    assert [str(item) for item in expected if not item.specifier.contains(
        (pinned | NOT_PINNED).get(canonicalize_name(item.name), "0"), prereleases=True)] == []


NOT_PINNED = {"nncf": "9"}
"""Left to pip above Python 3.11: it caps numpy, and would hold everything else back."""

UNWANTED = ("mediapipe", "jax", "protobuf", "opencv-contrib-python", "transformers", "lightning", "torchmetrics")


def test_the_core_asks_for_no_package_that_keeps_others_back():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    core = [Requirement(line) for line in project["dependencies"]]
    tested = {Requirement(line).name for line in project["optional-dependencies"]["test"]}
    assert [item.name for item in core if item.name in UNWANTED] == []
    assert [item.name for item in requirements() if item.name in UNWANTED and item.name not in tested] == []
    assert [str(item) for item in requirements() if any(each.operator in ("<", "<=", "==", "!=", "~=")
                                                      for each in item.specifier)] == []  # none was seen to fail


def test_the_version_stands_in_one_place_and_in_the_citation():
    import mien

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "mien.__version__"}
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.M)[1]
    assert cited == mien.__version__
    assert f"\n## {mien.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_readme_names_existing_files_and_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text) if "://" not in link]
    assert [link for link in links if not (ROOT / link).exists()] == []
    lines = re.findall(r"^mien (\w+)(.*)$", text, re.M) + [("analyze", line) for line in text.splitlines()
                                                           if not line.startswith("mien ") and "mien train" not in line]
    for name in {name for name, _ in lines} - {"data"}:
        command = [sys.executable, "-m", "mien.cli", name, "--help"]
        known = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        said = [line for first, line in lines if first == name]
        named = {option for line in said for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", line)}
        assert [option for option in named if option not in known] == [], name
    targets = set(re.findall(r"`?make ([a-z]+)", text))
    assert [target for target in targets if f"\n{target}:" not in (ROOT / "Makefile").read_text()] == []


NOT_METHODS = {"__init__", "distributed_loss", "method", "registry", "siglip_zero_shot", "videomae", "zero_shot"}
"""In models/, but parts of a method, or nothing that is trained."""


def test_a_method_has_a_recipe_a_page_and_a_test():
    from mien.models.registry import METHODS
    from mien.recipes import RECIPES

    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    cards = (ROOT / "docs" / "cards.md").read_text(encoding="utf-8")
    methods = {path.stem for path in (SRC / "models").iterdir() if path.stem[:2] != "__" or path.stem == "__init__"}
    assert methods - NOT_METHODS == set(METHODS), "models.registry.METHODS names every method"
    for method in METHODS:
        assert any(recipe.method == method for recipe in RECIPES.values()), f"{method}: expected a recipe"
        assert (ROOT / "tests" / f"test_{method}.py").exists(), f"expected tests/test_{method}.py"
        assert re.search(rf"^#.*\b{method}\b", page, re.I | re.M), f"{method}: expected a section of docs/methods.md"
        assert re.search(rf"^#.*\b{method}\b", cards, re.I | re.M), f"{method}: expected a card in docs/cards.md"


@pytest.fixture(scope="module")
def figures_of_the_house():
    """benchmarks/house.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield importlib.import_module("house")


def test_nothing_outside_models_asks_for_a_methods_type(figures_of_the_house):
    assert figures_of_the_house.branches(figures_of_the_house.trees(SRC)) == []


def test_the_goals_of_the_house_are_kept(figures_of_the_house):
    """Those that `make house` counts from the syntax trees; docs/architecture.md says what they mean."""
    house, files = figures_of_the_house, figures_of_the_house.trees(SRC)
    assert len(house.rooms(SRC)) <= 20
    assert house.repeated_classes(files) == {}, "one name, one concept"
    assert house.repetitions_by_flag(files) == 0
    assert house.callers(files, "Tracker") == ["face/setup.py"], "one path from frames to rows"
    assert 1000 * house.conditionals(files) / house.code_lines(SRC) < 15, "write an if, or name the case"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("from mien.models.duse import DuSE\nisinstance(a, DuSE)", 1),
        ("from mien.models.duse import DuSE as D\nisinstance(a.model, (int, D))", 1),
        ("from mien.models import mvp\nisinstance(a.options, mvp.MVPConfig)", 1),
        ("from mien.models.duse import DuSE\nx = type(a) is DuSE", 1),
        ("from mien.models.duse import DuSE\nmatch a:\n    case DuSE():\n        pass", 1),
        ("x = recipe.method == 'duse'", 1),
        ("x = card.recipe.method in ('scpt', 'mvp')", 1),
        ("x = TABLE[recipe.method]", 1),
        ("x = TABLE.get(recipe.method, ())", 1),
        ("from mien.models.method import FrameFeatures\nisinstance(a, FrameFeatures)", 0),
        ("from mien.models.registry import method\nx = method(recipe.method).windowed", 0),
        ("x = rate.method == 'POS'", 0),
        ("x = a.method == b.method", 0),
        ("isinstance(a, int)", 0),
    ],
)
def test_branches_on_a_methods_type_are_found(figures_of_the_house, code, expected):
    branches = figures_of_the_house.method_branches(Path("x.py"), ast.parse(code), {"duse", "scpt", "mvp"})
    assert len(list(branches)) == expected


def test_the_figures_of_the_house_count_what_is_planted(figures_of_the_house, tmp_path):
    (tmp_path / "room").mkdir()
    (tmp_path / "__init__.py").write_text("")
    code = "class Twice:\n    '''Doc.'''\n\n    x = 1 if 2 else 3\n"
    (tmp_path / "room/a.py").write_text(f"'''Doc.'''\n\n# remark\n{code}")
    (tmp_path / "b.py").write_text("class Twice:\n    def f(self):\n        return [1] * bool(2)\n")
    house = figures_of_the_house
    files = house.trees(tmp_path)
    assert house.rooms(tmp_path) == ["b", "room"]
    assert house.repeated_classes(files) == {"Twice": 2}
    assert (house.conditionals(files), house.repetitions_by_flag(files)) == (1, 1)
    assert house.functions(files) == [(2, "b.py:f")]
    assert house.code_lines(tmp_path) == 5  # two of a.py, three of b.py


def test_a_dataset_has_a_page_and_a_test():
    from mien.datasets import DATASETS
    from mien.simulation.datasets import LOOKALIKES, VARIANTS

    loaders = {path.relative_to(SRC / "datasets").parts[0].removesuffix(".py")
               for path in (SRC / "datasets").rglob("*.py") if "survey" in public_functions(path)}
    assert loaders == set(DATASETS)
    assert set(LOOKALIKES) == set(VARIANTS) <= set(DATASETS)
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("test_datasets*.py"))
    texts = {"docs/datasets.md": (ROOT / "docs/datasets.md").read_text(encoding="utf-8"), "tests/test_datasets": tests}
    assert [(name, where) for name in DATASETS for where, text in texts.items()
            if not re.search(rf"\b{name}\b", text, re.I)] == []
    assert [name for name, module in DATASETS.items() if not hasattr(module, "TREE")] == []


def exported() -> Iterator[str]:
    """mien.room.name of every function and class that a package names in `__all__`."""
    for path in (path for path in FILES if path.name == "__init__.py" and room(path) != "cli"):
        package = importlib.import_module(".".join(("mien", *path.relative_to(SRC).parts[:-1])))
        for item in getattr(package, "__all__", ()):
            value = getattr(package, item)
            if inspect.isfunction(value) or (inspect.isclass(value) and value.__module__.startswith("mien.")):
                yield f"{package.__name__}.{item}"


def test_the_pages_build_without_a_warning_and_name_everything_that_is_exported(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    reported = re.findall(r'id="mien\.([\w.]+)"', (tmp_path / "site/api/index.html").read_text(encoding="utf-8"))
    names = {entry.rpartition(".")[2] for entry in reported}
    assert [name for name in exported() if name.rpartition(".")[2] not in names] == [], "name its module in docs/api.md"
