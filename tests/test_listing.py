"""`mien list`, and progress where stderr is no terminal."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from mien.cli import app
from mien.cli.console import ProgressLines
from mien.core.plain_text import duration

RUNNER = CliRunner()


@pytest.mark.parametrize(("kind", "names"), [
    ("recipes", {"duse/dfew", "scpt/deap-valence", "mvp/amigos-arousal", "clip/synthetic"}),
    ("datasets", {"dfew", "ferv39k", "deap", "amigos", "mahnob", "folder"}),
    ("ablations", {"duse/table3", "mvp/length", "scpt/modules"}), ("methods", {"duse", "scpt", "mvp"}),
    ("models", {"facs", "clip:TOWER"})])
def test_names_are_listed_with_a_description(kind, names):
    done = RUNNER.invoke(app, ["list", kind])
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert names <= {name for name, _ in rows}
    assert all(len(text) > 10 for _, text in rows)


def test_an_unknown_list_names_the_known_ones():
    done = RUNNER.invoke(app, ["list", "recipe"])
    assert done.exit_code == 2
    assert "recipes" in done.output


@pytest.mark.parametrize("command", ["train", "bench"])
def test_a_mistyped_recipe_is_named_before_data_is_asked_for(command):
    done = RUNNER.invoke(app, [command, "duse/dfwe"])
    assert done.exit_code == 1
    assert "did you mean duse/dfew?" in done.stderr
    assert "--data" not in done.stderr


def lines(total, steps):
    """The lines of a job that takes 10 s for each item."""
    now = [0.0]
    progress = ProgressLines("job", total, lambda: now[0])
    result = []
    for done in steps:
        now[0] = 10.0 * done
        result += progress.at(done)
    return result


def test_each_item_is_one_line_with_the_time_left():
    assert lines(3, [0, 0.4, 0.9, 1, 1.5, 2, 3, 3]) == [
        "job: 1 of 3 done, about 20 s left", "job: 2 of 3 done, about 10 s left", "job: 3 of 3 done"]


def test_a_single_item_has_a_line_for_each_tenth():
    result = lines(1, [index / 40 for index in range(41)])
    assert len(result) == 10
    assert (result[0], result[-1]) == ("job: 10 % done, about 9 s left", "job: 100 % done")


def test_each_activity_has_a_line_too():
    now = [0.0]
    progress = ProgressLines("bench", 1, lambda: now[0])
    shown = []
    steps = ((0.0, "fold 1"), (0.25, "fold 1"), (0.5, "fold 2"), (0.52, "fold 2"), (0.55, "fold 3"), (1, ""))
    for done, activity in steps:
        now[0] = 10.0 * done
        shown += progress.at(done, activity)
    assert shown == ["bench, fold 1: 0 % done", "bench, fold 1: 25 % done, about 8 s left",
                     "bench, fold 2: 50 % done, about 5 s left", "bench, fold 3: 55 % done, about 5 s left",
                     "bench: 100 % done"]


def test_a_jump_is_one_line():
    assert lines(7, [0, 5]) == ["job: 5 of 7 done, about 20 s left"]


@pytest.mark.parametrize(("seconds", "text"), [
    (0.2, "1 s"), (59.5, "1 min 0 s"), (200, "3 min 20 s"), (3600, "1 h 0 min"), (7500, "2 h 5 min")])
def test_a_time_in_words(seconds, text):
    assert duration(seconds) == text


def test_quiet_prints_no_progress(tmp_path):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (64, 48), "white").save(tmp_path / name)
    for options, shown in (([], True), (["--quiet"], False)):
        done = RUNNER.invoke(app, ["analyze", str(tmp_path), "--out", str(tmp_path / f"out{shown}"), *options])
        assert done.exit_code == 0, done.stderr
        assert ("2 files: 2 of 2 done" in done.stderr) == shown


LIVE = """
import webbrowser

import uvicorn
from mien.cli import app

opened = []
webbrowser.open = opened.append
uvicorn.Server.run = lambda self, sockets: opened.append(sockets[0].getsockname())
app(["live", "--quiet"], standalone_mode=False)
page, (host, port) = opened
assert (page, host) == (f"http://{host}:{port}/", "127.0.0.1"), opened
"""


def test_mien_live_opens_the_page_of_its_own_server():
    """The server itself is not run: the page's address is that of the socket that waits for the browser."""
    done = subprocess.run([sys.executable, "-c", LIVE], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["analyze", "serve", "train", "bench", "ablate", "stream"])
def test_the_five_common_options_come_first_and_none_is_lost(command):
    shown = RUNNER.invoke(app, [command, "--help"]).output
    common, more = shown.split("Common options:")[1].split("More options:")
    assert len(re.findall(r"^  (?:-\w, )?--", common, re.M)) == 5
    every = [name for each in typer.main.get_command(app).commands[command].params for name in each.opts
             if name.startswith("--")]
    assert [name for name in every if name not in common + more] == []
