"""File names that are not ASCII, in processes whose file names are not UTF-8 (LC_ALL=C on old cluster nodes)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.core.file_names import display_path, to_path, to_text

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
UTF8 = {"LC_ALL": "C.UTF-8"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has file names in the bytes of the locale")


def python(folder: Path, locale: dict[str, str], *arguments: str) -> subprocess.CompletedProcess:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONUTF8"))}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env={**kept, **locale}, capture_output=True)


@pytest.mark.parametrize("name", ["ünï.mp4", "日本.mp4", "a b'c.mp4"])
@pytest.mark.parametrize("locale", [ASCII, UTF8])
def test_a_result_folder_can_be_made_and_found_again(tmp_path, name, locale) -> None:
    code = ('import os\nfrom pathlib import Path\nfrom mien.inference.batch import find_inputs\n'
            'found = find_inputs([os.listdir(".")[0]], "out")\n'
            '(Path("out") / found[0].folder).mkdir(parents=True)\n')
    (tmp_path / name).write_bytes(b"x")
    done = python(tmp_path, locale, "-c", code)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_an_analysis_in_one_locale_is_known_in_another(tmp_path) -> None:
    cv2.imwrite(str(tmp_path / "x.jpg"), np.full((60, 80, 3), 128, np.uint8))
    (tmp_path / "x.jpg").rename(tmp_path / "ünï.jpg")
    command = ("-m", "mien.cli", "analyze", "ünï.jpg", "--out", "rés")
    first = python(tmp_path, ASCII, *command)
    assert first.returncode == 0, first.stderr
    assert "rés/ünï.jpg/report.html" in first.stdout.decode()
    again = python(tmp_path, UTF8, *command)
    assert "1 skipped" in again.stdout.decode(), again.stderr
    [entry] = json.loads((tmp_path / "rés" / "manifest.json").read_text())["files"]
    assert (entry["folder"], entry["source"]) == ("ünï.jpg", str(tmp_path / "ünï.jpg"))


def test_bytes_that_are_no_text_come_back() -> None:
    raw = b"\xfc\xc3\xbc.mp4"
    assert os.fsencode(to_path(to_text(os.fsdecode(raw)))) == raw
    assert display_path(os.fsdecode(raw)) == "\\xfcü.mp4"
