"""Preparing a dataset: killed at any moment it goes on, what changed is made again, and every item is accounted for."""

from __future__ import annotations

import csv
import json
import multiprocessing
import shutil
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import prepare_work
from lock_holder import held_by_another
from mien import cli, datasets
from mien.core.trials import Trial
from mien.datasets.index import DatasetProblem
from mien.preprocessing import build_cache, preprocess_trial
from mien.preprocessing.cache import Cache

RUNNER = CliRunner()


def draw(folder: Path, count: int, seed: int) -> None:
    """A clip: a folder of noise."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for number in range(1, count + 1):
        cv2.imwrite(str(folder / f"{number}.png"), rng.integers(0, 256, (40, 40, 3), dtype=np.uint8))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*")) if path.is_file()}  # fmt: skip


def rows(cache: Path) -> dict[str, dict[str, str]]:
    lines = (cache / "manifest.csv").read_text(encoding="utf-8").splitlines()
    return {row["item"]: row for row in csv.DictReader(lines)}


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """Twelve clips, and in `cache` what an undisturbed run leaves."""
    root = tmp_path_factory.mktemp("many")
    for number in range(12):
        draw(root / "clips" / f"clip{number:02d}", 12, number)
    forked(root / "clips", root / "cache").join()
    return root


def forked(clips: Path, cache: Path) -> multiprocessing.Process:
    """A run of its own process, which has everything imported already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mien.preprocessing.build_cache"])
    process = context.Process(target=prepare_work.here, args=(str(clips), str(cache)))
    process.start()
    return process


@pytest.mark.slow
def test_killed_twenty_times_at_random_the_cache_is_that_of_an_undisturbed_run(many, tmp_path):
    rng = np.random.default_rng()
    cache, midway, kills = tmp_path / "cache", 0, 0
    while kills < 20:
        present = len(list(cache.glob("trials/*/*/trial.json")))
        if present == 12 and rng.random() < 0.7:
            shutil.rmtree(cache)  # begun anew, so that there is something to kill
            present = 0
        expected = rng.integers(present, 13)  # a moment at random on the way, however fast this machine is today
        process = forked(many / "clips", cache)
        while process.is_alive() and len(list(cache.glob("trials/*/*/trial.json"))) < expected:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.03))
        process.kill()
        process.join()
        kills += process.exitcode == -9
        made = list(cache.glob("trials/*/*/trial.json"))
        midway += process.exitcode == -9 and 0 < len(made) < 12
        assert all(preprocess_trial.read_about(about.parent) for about in made)  # what is to be seen is whole
    assert midway >= 5
    last = forked(many / "clips", cache)
    last.join()
    assert last.exitcode == 0
    assert contents(cache) == contents(many / "cache")
    assert len(Cache(cache).trials) == 12


@pytest.fixture
def clips(tmp_path, monkeypatch) -> Path:
    """Three clips."""
    monkeypatch.setattr(preprocess_trial, "_backend", prepare_work.Blind)
    for number in range(3):
        draw(tmp_path / "clips" / f"clip{number}", 5, number)
    return tmp_path / "clips"


def prepare(
    clips: Path, cache: str = "cache", how: preprocess_trial.Preparation | None = None, **more: object
) -> dict[str, str]:
    """-> status by trial."""
    became: dict[str, str] = {}
    survey = replace(prepare_work.survey(clips), **more)
    build_cache.run, kept = (lambda jobs, work, *_: ((job, work(job, None)) for job in jobs)), build_cache.run
    try:
        build_cache.build_cache(survey, clips.parent / cache, how or preprocess_trial.Preparation(size=32),
                    on_result=lambda trial, outcome: became.update({trial.id: outcome.status}))
    finally:
        build_cache.run = kept
    return became


def test_prepare_skips_finished_trials(clips):
    assert prepare(clips) == dict.fromkeys(["clip0", "clip1", "clip2"], "ok")
    before = contents(clips.parent / "cache")
    assert prepare(clips) == dict.fromkeys(["clip0", "clip1", "clip2"], "skipped")
    assert contents(clips.parent / "cache") == before


def test_a_changed_clip_is_made_again_and_its_old_form_goes(clips):
    prepare(clips)
    shutil.rmtree(clips / "clip1")
    draw(clips / "clip1", 7, 99)
    assert prepare(clips) == {"clip0": "skipped", "clip1": "ok", "clip2": "skipped"}
    prepare(clips, "anew")
    assert contents(clips.parent / "cache") == contents(clips.parent / "anew")
    assert Cache(clips.parent / "cache").entries["clip1"].pictures == 7


def test_a_clip_that_is_gone_goes(clips):
    prepare(clips)
    shutil.rmtree(clips / "clip1")
    prepare(clips)
    prepare(clips, "anew")
    assert contents(clips.parent / "cache") == contents(clips.parent / "anew")


def test_new_labels_need_no_new_pictures(clips):
    prepare(clips)
    trials = tuple(replace(trial, labels={"valence": 3.0}) for trial in prepare_work.survey(clips).trials)
    assert set(prepare(clips, trials=trials).values()) == {"skipped"}
    assert Cache(clips.parent / "cache").trials[0].labels == {"valence": 3.0}


@pytest.mark.parametrize("change", [{"size": 48}, {"rate": 10.0}, {"faces": 2}])
def test_other_settings_make_all_of_it_again(clips, change):
    prepare(clips)
    how = preprocess_trial.Preparation(**{"size": 32, **change})
    assert set(prepare(clips, how=how).values()) == {"ok"}
    prepare(clips, "anew", how)
    assert contents(clips.parent / "cache") == contents(clips.parent / "anew")


@pytest.mark.parametrize("lost", ["rows.npy", "faces.mjpeg", "trial.json"])
def test_prepare_makes_lost_or_truncated_files_again(clips, lost):
    prepare(clips)
    before = contents(clips.parent / "cache")
    path = next((clips.parent / "cache").glob(f"trials/clip1-*/*/{lost}"))
    path.write_bytes(path.read_bytes()[:20])
    assert prepare(clips) == {"clip0": "skipped", "clip1": "ok", "clip2": "skipped"}
    assert contents(clips.parent / "cache") == before


def test_a_trial_that_fails_and_what_the_survey_found_are_in_the_manifest(clips):
    (clips / "clip1/3.png").write_bytes(b"no picture")
    for path in (clips / "clip2").iterdir():
        path.write_bytes(b"no picture")
    problem = DatasetProblem("excluded", "clip9", "too short", clips / "list.csv", 4)
    assert prepare(clips, problems=(problem,)) == {"clip0": "ok", "clip1": "ok", "clip2": "failed"}
    result = rows(clips.parent / "cache")
    assert {item: row["status"] for item, row in result.items()} == {
        "clip0": "ok", "clip1": "ok", "clip2": "failed", "clip9": "excluded"}  # fmt: skip
    assert result["clip1"]["note"].startswith("1 of 5 pictures cannot be read, first 3.png")
    assert "expected pictures that can be read, got 5 broken" in result["clip2"]["reason"]
    assert (result["clip9"]["path"], result["clip9"]["line"]) == ("list.csv", "4")
    assert list(Cache(clips.parent / "cache").entries) == ["clip0", "clip1"]


def test_a_trial_that_fails_today_keeps_what_was_made_of_it(clips):
    prepare(clips)
    kept = {path for path in contents(clips.parent / "cache") if "clip1" in path}
    (clips / "clip1").rename(clips.parent / "elsewhere")
    trials = tuple(Trial(f"clip{n}", "clips", video=clips / f"clip{n}", frame_rate=25.0) for n in range(3))
    assert prepare(clips, trials=trials)["clip1"] == "failed"
    (clips.parent / "elsewhere").rename(clips / "clip1")
    assert kept <= set(contents(clips.parent / "cache"))
    assert set(prepare(clips).values()) == {"skipped"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dataset": "others"}, "expected a new folder or a cache of others, got one of clips"),
        ({"trials": ()}, "expected trials in .*, got none; run: mien data check clips"),
        ({"trials": (Trial("a", "clips"), Trial("a", "clips"))}, "expected one trial an id, got several of a"),
    ],
)
def test_prepare_refuses_before_it_changes_files(clips, change, said):
    prepare(clips)
    before = contents(clips.parent / "cache")
    with pytest.raises(ValueError, match=said):
        prepare(clips, **change)
    assert contents(clips.parent / "cache") == before


def test_a_folder_with_other_things_in_it_is_not_touched(clips):
    with pytest.raises(ValueError, match=r"expected a new folder or a cache, got .* with clip0 in it"):
        prepare(clips, "clips")
    (clips.parent / "file").write_text("")
    with pytest.raises(ValueError, match="expected a folder, got the file"):
        prepare(clips, "file")


def test_two_runs_at_a_time_do_not_meet_in_one_cache(clips):
    prepare(clips)
    with held_by_another(clips.parent / "cache"), pytest.raises(ValueError, match="another command at work in it"):
        prepare(clips)
    assert set(prepare(clips).values()) == {"skipped"}


@pytest.mark.parametrize("text", ["", "[]", '{"schema": "another"}'])
def test_an_index_of_something_else_is_reported(clips, text):
    prepare(clips)
    (clips.parent / "cache/cache.json").write_text(text)
    with pytest.raises(ValueError, match=r"expected mien.cache/3 in .*cache.json"):
        Cache(clips.parent / "cache")


def test_names_of_trials_make_no_path_and_do_not_meet():
    ids = ["../../etc", "a/b", "a_b", "A_b", "", "日本", "x" * 300, "a\\b", ".partial-1", "con:1"]
    names = [preprocess_trial.folder_name(Trial(id or "-", "clips")) for id in ids]
    assert len({name.lower() for name in names}) == len(ids)
    assert all(Path(name).name == name and name[0] != "." and len(name) < 80 and name.isascii() for name in names)


def test_the_command_ends_with_one_when_a_trial_is_lost(clips, monkeypatch):
    class Clips:
        survey = staticmethod(prepare_work.survey)

    monkeypatch.setattr(datasets, "DATASETS", {"clips": Clips})
    monkeypatch.setattr(build_cache, "run", lambda jobs, work, *_: ((job, work(job, None)) for job in jobs))
    command = ["data", "prepare", "clips", str(clips), "--out", str(clips.parent / "cache"), "--size", "32"]
    done = RUNNER.invoke(cli.app, command)
    assert (done.exit_code, done.stderr) == (0, "mien: 3 trials: 3 of 3 done\n")  # the line of progress alone
    assert done.stdout.startswith("3 of 3 trials of clips")
    shutil.rmtree(clips / "clip1")
    (clips / "clip1").mkdir()
    done = RUNNER.invoke(cli.app, command)
    assert done.exit_code == 1
    assert "clip1: " in done.stderr
    assert "expected 3 prepared trials, got 2" in done.stderr
    assert json.loads((clips.parent / "cache/cache.json").read_text())["expected"] == 3
    done = RUNNER.invoke(cli.app, ["data", "prepare", "dfevv", str(clips), "--out", str(clips.parent / "c")])
    assert (done.exit_code, "expected one of clips, got 'dfevv'" in done.stderr) == (1, True)
