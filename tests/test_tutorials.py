"""The tutorials run as they stand: their commands and their Python, in order, in one folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs/tutorials").glob("*.md"))
PROGRAMS = {"mien": ["-m", "mien.cli"], "python": []}


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of each block that is meant to run."""
    result = re.findall(r"(<!-- not run -->\n)?^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    return [(language, text) for skipped, language, text in result if not skipped and language in ("", "python")]


def run(arguments: list[str], folder: Path) -> None:
    done = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=600,
                          check=False, env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "MPLBACKEND": "agg"})
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"


def test_there_are_five_tutorials_with_something_to_run():
    assert len(PAGES) == 5
    assert all(blocks(page) for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_has_a_picture(page):
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    assert pictures
    assert all((page.parent / picture).is_file() for picture in pictures)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_runs_as_it_stands(page, tmp_path):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for language, text in blocks(page):
        if language == "python":
            run(["-c", text], tmp_path)
            continue
        for line in text.splitlines():
            program, *arguments = line.split()
            run([*PROGRAMS[program], *arguments], tmp_path)
