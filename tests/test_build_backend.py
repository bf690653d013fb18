"""The build backend: setuptools' wheel plus the face models, and no download where a hook needs none."""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from face_sources import tflite_files, tflite_folder  # noqa: F401  fixtures
from mien.face.weights import locate

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("pyproject.toml", "README.md", "LICENSE", "NOTICE", "MANIFEST.in")


@pytest.fixture(scope="module")
def backend():
    """The backend as a module."""
    spec = importlib.util.spec_from_file_location("mien_build", ROOT / "build_backend" / "mien_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A copy of what a build needs, with a few files in place of the whole package."""
    copy = tmp_path_factory.mktemp("tree")
    for name in NEEDED:
        shutil.copy2(ROOT / name, copy / name)
    shutil.copytree(ROOT / "build_backend", copy / "build_backend", ignore=shutil.ignore_patterns("__pycache__"))
    weights = Path("src/mien/face/weights")
    shutil.copytree(ROOT / weights, copy / weights, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("src/mien/__init__.py", "src/mien/face/__init__.py", "src/mien/py.typed", "tests/test_house.py"):
        (copy / name).parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    return copy


def hook(tree: Path, code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter with `mien_build` imported from `tree` and `folder` as the target."""
    start = f"import sys; sys.path.insert(0, 'build_backend'); import mien_build; folder = {str(folder)!r}\n"
    folder.mkdir(exist_ok=True)
    clean = {name: value for name, value in os.environ.items() if name not in ("MIEN_MODELS", "PYTHONPATH")}
    return subprocess.run([sys.executable, "-c", start + code], cwd=tree, capture_output=True, text=True, timeout=120,
                          env={**clean, **environment}, check=False)


def record(wheel: zipfile.ZipFile) -> dict[str, tuple[str, str]]:
    """The RECORD of a wheel: file name -> (digest, size)."""
    (name,) = (each for each in wheel.namelist() if each.endswith(".dist-info/RECORD"))
    rows = list(csv.reader(io.StringIO(wheel.read(name).decode())))
    assert len({row[0] for row in rows}) == len(rows), "a file is recorded twice"
    return {row[0]: (row[1], row[2]) for row in rows}


def digest(content: bytes) -> str:
    """The sha256 as RECORD writes it."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def expect_true_record(path: Path) -> list[str]:
    """Compare every file of a wheel with its line in RECORD -> the names of its files."""
    with zipfile.ZipFile(path) as wheel:
        names, rows = wheel.namelist(), record(wheel)
        assert len(set(names)) == len(names), "a file is in the wheel twice"
        assert set(names) == set(rows)
        for name in names:
            if name.endswith(".dist-info/RECORD"):
                assert rows[name] == ("", "")
                continue
            content = wheel.read(name)
            assert rows[name] == (f"sha256={digest(content)}", str(len(content))), name
    return names


def test_metadata_and_sdist_never_look_for_models(tree, tmp_path):
    """They run where models cannot be had: a named source that does not exist, no index, an empty cache."""
    code = """
def never():
    raise AssertionError("expected no hook but the two that build wheels to look for models")
mien_build.model_files = never
for kind in ("wheel", "editable"):
    assert isinstance(getattr(mien_build, f"get_requires_for_build_{kind}")(), list)
    mien_build.__dict__[f"prepare_metadata_for_build_{kind}"](folder)
assert isinstance(mien_build.get_requires_for_build_sdist(), list)
print(mien_build.build_sdist(folder))
"""
    done = hook(tree, code, tmp_path / "out", MIEN_MODELS="no/such/file", PIP_NO_INDEX="1",
                MIEN_CACHE=str(tmp_path / "no"))
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "out").glob("*.tar.gz")
    with tarfile.open(path) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"build_backend/mien_build.py", "src/mien/face/weights/digests.json", "tests/test_house.py"} <= names
    assert not [name for name in names if name.endswith((".onnx", ".tflite"))]


def sources(tree: Path) -> set[Path]:
    """The files in src, without what setuptools and Python always leave there."""
    return {path for path in (tree / "src").rglob("*") if not re.search(r"\.egg-info|__pycache__", str(path))}


@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_the_wheel_holds_the_models_and_a_true_record(tree, tflite_folder, tmp_path, kind):  # noqa: F811
    before = sources(tree)
    done = hook(tree, f"print(mien_build.build_{kind}(folder))", tmp_path / "out", MIEN_MODELS=str(tflite_folder),
                PIP_NO_INDEX="1", MIEN_CACHE=str(tmp_path / "no"))
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "out").iterdir()
    assert path.name == done.stdout.split()[-1]
    names = expect_true_record(path)
    added = {name for name in names if name.startswith("mien_models/")}
    expected = (*locate.FILES, "__init__.py", "LICENSE", "NOTICE", "manifest.json")
    assert added == {f"mien_models/{name}" for name in expected}
    assert ("mien/face/weights/digests.json" in names) == (kind == "wheel")
    with zipfile.ZipFile(path) as wheel:
        (top_level,) = (name for name in names if name.endswith("top_level.txt"))
        assert "mien_models" in wheel.read(top_level).decode().split()
        assert wheel.read("mien_models/LICENSE").decode() == (ROOT / "LICENSE").read_text(encoding="utf-8")
        for name in locate.FILES:
            assert 1_000_000 < wheel.getinfo(f"mien_models/{name}").file_size < 2_500_000
    assert sources(tree) == before, "expected the build to write nothing into src"


def test_an_installed_package_is_found(tree, tflite_folder, tmp_path):  # noqa: F811
    """The finished wheel, unpacked like an installer does, gives the models to `paths`."""
    done = hook(tree, "mien_build.build_wheel(folder)", tmp_path / "out", MIEN_MODELS=str(tflite_folder))
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "out").iterdir()
    site = tmp_path / "site"
    with zipfile.ZipFile(path) as wheel:
        wheel.extractall(site)
    code = "from mien_build import _weights; found = _weights('locate').paths(); print(found.folder, '|', found.source)"
    result = hook(tree, code, tmp_path / "none", PYTHONPATH=str(site), MIEN_CACHE=str(tmp_path / "no"))
    assert result.stdout.strip() == f"{site / 'mien_models'} | the package mien_models", result.stderr


WITHOUT_PIP = """
import pathlib, tempfile, venv
place = pathlib.Path(tempfile.mkdtemp())
venv.create(place)
sys.executable = str(next(place.glob("[bS]*/python*")))  # bin, or Scripts
"""


@pytest.mark.parametrize(("lines", "said"), [
    ("sys.modules['onnx'] = None", "expected numpy and onnx to convert them, got no onnx; run: pip install onnx"),
    (WITHOUT_PIP, "to download them, got none; install pip, or set MIEN_MODELS"),
    ("import os; os.environ['MIEN_MODELS'] = 'no/such.whl'", "no/such.whl: expected the wheel mediapipe-0.10.21"),
    ("", "from the package index, got none"),
], ids=["no onnx", "no pip", "no such file", "no index"])
def test_a_build_that_cannot_have_the_models_ends_with_one_sentence(tree, tmp_path, lines, said):
    done = hook(tree, f"{lines}\nmien_build.build_wheel(folder)", tmp_path / "out", PIP_NO_INDEX="1", PIP_FIND_LINKS="",
                MIEN_CACHE=str(tmp_path / "no"))
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("mien: ")]
    assert said in line
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_other_files_of_a_wheel_stay_as_they_are(backend, tmp_path):
    path = tmp_path / "x-1-py3-none-any.whl"
    script = zipfile.ZipInfo("x-1.data/scripts/run", (2020, 2, 2, 2, 2, 2))
    script.external_attr = 0o100755 << 16
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(script, "#!python\n")
        wheel.writestr("x-1.dist-info/top_level.txt", "x\n")
        digests = {name: digest(text) for name, text in (("run", b"#!python\n"), ("top", b"x\n"))}
        wheel.writestr("x-1.dist-info/RECORD", f"x-1.data/scripts/run,sha256={digests['run']},9\n"
                       f"x-1.dist-info/top_level.txt,sha256={digests['top']},2\nx-1.dist-info/RECORD,,\n")
    backend.add_to_wheel(path, {"a, b.txt": b"with a comma"})
    assert expect_true_record(path)[-1] == "x-1.dist-info/RECORD"
    with zipfile.ZipFile(path) as wheel:
        kept = wheel.getinfo("x-1.data/scripts/run")
        assert (kept.external_attr >> 16, kept.date_time) == (0o100755, (2020, 2, 2, 2, 2, 2))
        assert wheel.read("x-1.dist-info/top_level.txt") == b"mien_models\nx\n"
        assert wheel.read("mien_models/a, b.txt") == b"with a comma"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_the_project_names_the_backend_and_what_it_needs():
    import tomllib

    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]
    assert (build["build-backend"], build["backend-path"]) == ("mien_build", ["build_backend"])
    assert {line.partition(">")[0] for line in build["requires"]} == {"setuptools", "pip", "numpy", "onnx"}
    assert "build_backend" in (ROOT / "Containerfile").read_text(encoding="utf-8")
