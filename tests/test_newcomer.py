"""tools/newcomer.py: the lines that it follows are in the README. `python tools/newcomer.py` runs them, in minutes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def newcomer():
    spec = importlib.util.spec_from_file_location("newcomer", ROOT / "tools" / "newcomer.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_line_that_a_newcomer_follows_is_in_the_readme(newcomer, tmp_path, monkeypatch):
    run, made = [], []
    who = newcomer.Newcomer(ROOT, sys.executable, tmp_path)
    monkeypatch.setattr(who, "run", run.append)
    monkeypatch.setattr(who, "expect", made.append)
    newcomer.study(who)
    newcomer.training(who)
    words = [" ".join(command[3:]) for command in run]
    assert words == [
        "analyze recordings --out results", "study results --events events.csv --out study",
        "data fake dfew playground", "data check dfew playground",
        "train duse/dfew --data playground --fold 1 --tiny",
        "bench duse/dfew --data playground --folds 1 --tiny --out judged"]
    assert made == ["study/study.html", "study/comparisons.csv", "judged/table.md"]
    assert who.command("mien serve", **{"http://127.0.0.1:11434/v1": "http://x/v1"})[3:] == ["serve", "--llm",
                                                                                           "http://x/v1"]


def test_a_line_that_the_readme_lost_is_named(newcomer, tmp_path):
    who = newcomer.Newcomer(ROOT, sys.executable, tmp_path)
    with pytest.raises(SystemExit, match="mien fly"):
        who.command("mien fly")
    with pytest.raises(SystemExit, match="expected 'unknown' in the line"):
        who.command("mien study recordings", unknown="x")


def test_a_language_model_is_told_what_the_camera_sees(newcomer, tmp_path, capsys):
    from live_films import write

    (tmp_path / "recordings").mkdir()
    write(tmp_path / "recordings" / "P1.avi", 30.0)
    newcomer.language_model(newcomer.Newcomer(ROOT, sys.executable, tmp_path))
    assert "told: The person" in capsys.readouterr().out
