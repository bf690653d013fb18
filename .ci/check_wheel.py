"""Are the wheel and the sdist whole?  python .ci/check_wheel.py dist

Compares them with the tree that they were built from: every module and page file of src/mien, the licence files, the
metadata; no tests and no caches in the wheel, tests and documentation in the sdist.
"""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = (".py", ".typed", ".css", ".js", ".html", ".svg", ".toml", ".json")
SDIST = ("pyproject.toml", "README.md", "LICENSE", "NOTICE", "CHANGELOG.md", "Makefile", "constraints.txt",
         "tests/conftest.py", "docs/index.md", ".ci/run", ".ci/smoke.py")


def source() -> set[str]:
    """The files of src/mien that a wheel must hold, as names in it."""
    found = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src/mien").rglob("*") if path.is_file()}
    return {name for name in found if name.endswith(SHIPPED) and "__pycache__" not in name}


def version() -> str:
    """The one that src/mien/__init__.py states."""
    text = (ROOT / "src/mien/__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.M)[1]


def of_wheel(path: Path) -> list[str]:
    """What is wrong with a wheel."""
    with zipfile.ZipFile(path) as file:
        names = set(file.namelist())
        about = message_from_bytes(file.read(f"mien-{version()}.dist-info/METADATA"))
    wrong = [f"misses {name}" for name in sorted(source() - names)]
    strange = {name.split("/")[0] for name in names} - {"mien", "mien_models", f"mien-{version()}.dist-info"}
    wrong += [f"holds {name}" for name in sorted(strange)]
    wrong += [f"holds {name}" for name in sorted(names) if "__pycache__" in name]
    if not any(name.endswith("licenses/LICENSE") for name in names):
        wrong.append("misses the licence")
    wrong += [f"metadata: {field} is {about[field]!r}" for field, wanted in
              (("Version", version()), ("License-Expression", "Apache-2.0")) if about[field] != wanted]
    if "Typing :: Typed" not in about.get_all("Classifier", []):
        wrong.append("metadata: misses Typing :: Typed")
    return wrong


def of_sdist(path: Path) -> list[str]:
    """What is wrong with an sdist."""
    with tarfile.open(path) as file:
        names = {name.split("/", 1)[1] for name in file.getnames() if "/" in name}
    tests = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").glob("*.py")}
    wanted = {*SDIST, *tests, *(f"src/{name}" for name in source())}
    return [f"misses {name}" for name in sorted(wanted - names)] + [
        f"holds {name}" for name in sorted(names) if "__pycache__" in name]


def main(folder: Path) -> int:
    """Print what is wrong -> 1 if anything is."""
    wheels, sdists = sorted(folder.glob("*.whl")), sorted(folder.glob("*.tar.gz"))
    wrong = [] if wheels and sdists else [f"{folder}: expected a wheel and an sdist, got {[*wheels, *sdists]}"]
    for path, check in [*((path, of_wheel) for path in wheels), *((path, of_sdist) for path in sdists)]:
        found = check(path)
        print(f"{path.name}: {path.stat().st_size / 2**20:.1f} MB, {len(found)} faults")
        wrong += [f"{path.name} {fault}" for fault in found]
    print("\n".join(wrong), file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
