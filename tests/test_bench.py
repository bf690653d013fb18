"""Benchmarks: every test trial judged once by models that never saw it, the same table however often it was stopped."""

from __future__ import annotations

import csv
import importlib.util
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.metrics import accuracy_score, recall_score
from typer.testing import CliRunner

import mien
from dask_processes import cluster
from mien import backbones, cli, evaluation, recipes
from mien.backbones.tiny import SOURCE
from mien.core.parallel.outcome import Outcome
from mien.core.parallel.pool import DIED
from mien.core.tasks import EXPRESSION, VALENCE
from mien.core.trials import Fold, Trial
from mien.datasets import splits
from mien.datasets.labels import RULES
from mien.evaluation import ablation, ablation_jobs, environment, plots, scores, tables
from mien.metrics import significance
from mien.preprocessing.cache import Cache
from mien.preprocessing.window_dataset import WindowSource
from mien.recipes.ablations import ABLATIONS, Ablation, AblationRow
from mien.recipes.published import OTHER_WORKS, PEER_RECALLS, PEERS, PUBLISHED_SCORES, S2D, S2D_FOLDS
from mien.training import data_module
from shared_lookalikes import amigos_without_videos, prepared_dfew
from test_scpt_data import write

pytestmark = pytest.mark.slow

FILES = ("table.md", "table.csv", "scores.json", "confusion.png", "tsne.png", "calibration.png", "predictions.parquet",
         "environment.json", "bench.json")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A lookalike of DFEW with three clips a fold, in `dfew`, prepared without looking for faces, in `cache`."""
    return prepared_dfew(tmp_path_factory)


def arguments(data: Path, out: Path, *more: str) -> list[str]:
    return ["bench", "duse/dfew", "--data", str(data / "dfew"), "--cache", str(data / "cache"), "--tiny", "--device",
            "cpu", "--precision", "32", "--set", "schedule.epochs=1", "--out", str(out), *more]


@pytest.fixture(scope="module")
def judged(data, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("judged") / "run"
    done = CliRunner().invoke(cli.app, arguments(data, out, "--by", "fold"))
    assert done.exit_code == 0, done.output
    assert "5 of 5 folds, tiny: it only tests the pipeline" in done.stdout
    return out


def test_the_best_epoch_on_test_is_a_marked_column_and_changes_nothing_else(data, judged, tmp_path):
    given = ["--folds", "1", "--set", "schedule.epochs=3"]
    for name, more in (("plain", []), ("marked", ["--set", "test_epochs=true"])):
        done = CliRunner().invoke(cli.app, arguments(data, tmp_path / name, *given, *more))
        assert done.exit_code == 0, done.output
    plain, marked = (pd.read_parquet(tmp_path / name / "predictions.parquet") for name in ("plain", "marked"))
    pd.testing.assert_frame_equal(plain, marked)  # the same weights: no epoch was selected by it
    fold = tmp_path / "marked/folds/fd1"
    rows = pd.read_csv(fold / "test-epochs.csv")
    assert rows["epoch"].tolist() == [1, 2, 3]
    last = marked[marked["checkpoint"] == "last"]
    assert rows["war"][2] == pytest.approx((last["label"] == last["predicted"]).mean())
    table = pd.read_csv(tmp_path / "marked/table.csv").set_index("measure")
    assert table.loc["uar", "best_on_test"] == pytest.approx(100 * rows["uar"].max())
    assert "best epoch on test, as the field often reports" in (tmp_path / "marked/table.md").read_text()
    for run in (judged, tmp_path / "plain"):  # never by default
        assert "best_on_test" not in pd.read_csv(run / "table.csv")
        assert "best epoch on test, as the field" not in (run / "table.md").read_text()
    assert sorted(path.parent.name for path in fold.rglob("card.json")) == ["chosen", "last"]


def test_every_file_is_there_and_every_clip_is_judged_by_the_fold_that_tests_it(data, judged):
    assert [name for name in FILES if not (judged / name).stat().st_size] == []
    frame = pd.read_parquet(judged / "predictions.parquet")
    assert len(frame) == 2 * 15
    for name in ("last", "chosen"):
        part = frame[frame["checkpoint"] == name]
        assert part["trial"].is_unique
        for fold in range(1, 6):
            listed = data / f"dfew/EmoLabel_DataSplit/test(single-labeled)/set_{fold}.csv"
            with listed.open(newline="") as file:
                truth = {f"{int(row['video_name']):05d}": int(row["label"]) for row in csv.DictReader(file)}
            judged_rows = part[part["fold"] == f"fd{fold}"]
            result = dict(zip(judged_rows["trial"].astype(int), judged_rows["label"], strict=True))
            assert result == {int(name): EXPRESSION.classes[label - 1] for name, label in truth.items()}
    for kind in ("p_", "calibrated_"):
        probs = frame[[f"{kind}{name}" for name in EXPRESSION.classes]].to_numpy()
        np.testing.assert_allclose(probs.sum(axis=1), 1)
        assert (np.array(EXPRESSION.classes)[probs.argmax(axis=1)] == frame["predicted"]).all()
    assert sorted(path.name for path in (judged / "folds").iterdir()) == [f"fd{k}" for k in range(1, 6)]
    assert (judged / "folds/fd3/chosen/model.safetensors").exists()


def test_the_probabilities_are_those_of_the_checkpoint(data, judged):
    model = mien.load(judged / "folds/fd2/last", precision="32")
    frame = pd.read_parquet(judged / "predictions.parquet").query("fold == 'fd2' and checkpoint == 'last'")
    cache = Cache(data / "cache")
    names = [f"calibrated_{name}" for name in EXPRESSION.classes]
    for _, row in frame.iterrows():
        probs = model.predict_window(cache.clip(cache.entries[row["trial"]].trial))
        np.testing.assert_allclose(probs, row[names].to_numpy(float), atol=1e-5)


def test_the_table_says_what_scikit_learn_says_beside_what_is_printed(judged):
    frame = pd.read_parquet(judged / "predictions.parquet")
    table = pd.read_csv(judged / "table.csv").set_index("measure")
    for name in ("last", "chosen"):
        part = frame[frame["checkpoint"] == name]
        assert table.loc["war", name] == pytest.approx(100 * accuracy_score(part["label"], part["predicted"]))
        assert table.loc["uar", name] == pytest.approx(100 * recall_score(
            part["label"], part["predicted"], average="macro", labels=sorted(set(part["label"])), zero_division=0))
        assert table.loc["war", f"{name}_low"] <= table.loc["war", name] <= table.loc["war", f"{name}_high"]
    assert (table.loc["uar", "paper"], table.loc["war", "paper"]) == (64.88, 75.36)
    assert np.isnan(table.loc["uar", "difference_last"])  # a trial is not compared with the paper
    assert table.loc["uar", "guess"] == pytest.approx(table.loc["uar, frequency", "last"])
    assert table.loc["war, chance", "last"] == pytest.approx(100 / 7, abs=1e-4)
    page = (judged / "table.md").read_text()
    for text in ("meaningless", "| UAR | 64.88 |", "WAR (accuracy), majority", "Split sha256", "bootstrap over clips",
                 "| UMBEnet | 64.55 | 73.93 |", "best on test", "By fold", "this run, last epoch"):
        assert text in page
    reported = json.loads((judged / "scores.json").read_text())
    assert set(reported["last"]["by_fold"]) == {f"fd{k}" for k in range(1, 6)}
    assert reported["last"]["by_subject"] == {}
    assert np.sum(reported["chosen"]["confusion"]) == 15
    reported = json.loads((judged / "environment.json").read_text())
    build = torch.__version__.partition("+")[0]  # a package of CUDA has "+cu130" after it
    assert (reported["versions"]["torch"].partition("+")[0], reported["seed"], reported["device"]) == (build, 0, "cpu")
    each = [json.loads((judged / f"folds/fd{k}/done.json").read_text())["environment"] for k in range(1, 6)]
    assert [(item["versions"], item["device"], item["precision"]) for item in each] == 5 * [
        (reported["versions"], "cpu", reported["precision"])]


def test_a_finished_benchmark_is_not_done_again(data, judged, monkeypatch):
    before = (judged / "table.md").read_text()
    monkeypatch.setattr("mien.training.fit", lambda *given, **options: pytest.fail("a fold was trained"))
    done = CliRunner().invoke(cli.app, arguments(data, judged, "--by", "fold"))
    assert done.exit_code == 0, done.output
    assert (judged / "table.md").read_text() == before


def test_seeds_whose_folds_are_jobs_have_the_predictions_of_a_seed_alone(data, judged, tmp_path):
    out = tmp_path / "seeds"
    given = arguments(data, out, "--seeds", "2", "--folds", "2")
    done = CliRunner().invoke(cli.app, [*given[: given.index("--device")], "--devices", "cpu",
                                        *given[given.index("--device") + 2 :]])
    assert done.exit_code == 0, done.output
    assert pd.read_csv(out / "seeds.csv").set_index("measure").loc["uar", "paper"] == 64.88
    assert "seeds 0, 1" in (out / "seeds.md").read_text()
    alone = pd.read_parquet(judged / "predictions.parquet").query("fold == 'fd2'").reset_index(drop=True)
    first, second = (pd.read_parquet(out / f"seed{k}/predictions.parquet") for k in (0, 1))
    pd.testing.assert_frame_equal(first, alone)
    assert not np.array_equal(second["p_happy"], first["p_happy"])


def test_killed_it_goes_on_and_ends_with_the_same_table(data, judged, tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "mien.cli", *arguments(data, out, "--by", "fold")]
    threads = str(torch.get_num_threads())  # with another number, sums are taken in another order
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": threads}, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while not (out / "folds/fd2/log.csv").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(600)
    assert (out / "folds/fd1/done.json").exists()
    assert not (out / "table.md").exists()
    done = CliRunner().invoke(cli.app, arguments(data, out, "--by", "fold"))
    assert done.exit_code == 0, done.output
    assert (out / "table.md").read_text() == (judged / "table.md").read_text()
    pd.testing.assert_frame_equal(*(pd.read_parquet(run / "predictions.parquet") for run in (out, judged)))


@pytest.mark.parametrize(("more", "reported"), [
    (["--seed", "1"], "got one with another seed: name another --out"),
    (["--deterministic"], "got one with another determinism"),
    (["--set", "options.beta=0.5"], "got one with another recipe"),
    (["--folds", "9"], "--fold: expected 1 to 5"),
    (["--by", "gender"], "--by: expected one of"),
])  # fmt: skip
def test_bench_reports_a_run_that_cannot_continue_in_one_line(data, judged, more, reported):
    done = CliRunner().invoke(cli.app, arguments(data, judged, *more))
    assert done.exit_code == 1
    assert reported in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_people_and_groups_of_signals_alone(tmp_path):
    """AMIGOS without videos, one person left out at a time."""
    amigos_without_videos(tmp_path / "data")
    done = CliRunner().invoke(cli.app, [
        "bench", "mvp/amigos-valence", "--data", str(tmp_path / "data"), "--tiny", "--device", "cpu", "--by", "subject",
        "--set", "protocol=loso", "--set", "schedule.epochs=1", "--set", "options.modality=physio",
        "--set", "options.subjects=all", "--folds", "1,3", "--deterministic",
        "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    assert "2 of 3 folds" in done.stdout
    frame = pd.read_parquet(tmp_path / "run/predictions.parquet")
    assert (frame.groupby("fold")["subject"].nunique() == 1).all()
    cards = [json.loads(path.read_text()) for path in (tmp_path / "run/folds").glob("*/last/card.json")]
    assert [card["data"]["deterministic"] for card in cards] == [True, True]
    page = (tmp_path / "run/table.md").read_text()
    assert "bootstrap over people" in page
    assert "By subject" in page
    assert "F1 of high" in page
    assert "EEGain, trivial" in page
    assert len(pd.read_csv(tmp_path / "run/by-subject.csv")) == 2


def test_of_windows_the_trial_is_decided_by_their_mean(tmp_path, monkeypatch):
    """SCPT: four people with two trials of two windows each; one of the people judges."""
    trials = [Trial(f"s{who}/{number}", "deap", f"s{who}", labels={"arousal": 3.0 + 4 * number},
                    about={"gender": "fm"[who % 2]}) for who in range(4) for number in range(2)]
    cache = write(tmp_path / "cache", trials, dict.fromkeys((trial.id for trial in trials), 20.0))
    folds = splits.leave_one_subject_out(trials)
    monkeypatch.setattr(
        "mien.evaluation.cross_validation.split", lambda recipe, root: (SimpleNamespace(trials=trials), folds)
    )
    monkeypatch.setattr("mien.evaluation.cross_validation.prepared_cache", lambda *given: cache)
    recipe = recipes.override(recipes.tiny_recipe(recipes.RECIPES["scpt/deap-arousal"]), {"schedule.epochs": "1"})
    judged = evaluation.cross_validate(recipe, tmp_path, tmp_path / "run", folds=["2"], by=["gender"], device="cpu",
                                  precision="32")
    evaluation.write_report(judged)
    frame = judged.predictions[judged.predictions["checkpoint"] == "last"]
    assert sorted(frame["trial"]) == ["s1/0", "s1/1"]
    assert (frame["subject"] == "s1").all()
    assert (frame["about.gender"] == "m").all()
    assert frame["pulse"].tolist() == [1.0, 1.0]
    assert "s1 test: pulse read in 4 of 4 windows" in (tmp_path / "run/table.md").read_text()
    model = mien.load(tmp_path / "run/folds/s1/last", precision="32")
    parts = WindowSource(cache, recipe.seconds)
    for _, row in frame.iterrows():
        windows = parts.cut(RULES["scpt/arousal"]([trial for trial in trials if trial.id == row["trial"]])).trials
        assert len(windows) == 2
        probs = model.predict_proba([parts(item) for item in windows]).mean(axis=0)
        np.testing.assert_allclose(row[["calibrated_low", "calibrated_high"]].to_numpy(float), probs, atol=1e-4)
    assert "By gender" in (tmp_path / "run/table.md").read_text()


# ---------------------------------------------------------------------------------------------- planted predictions

def planted(target: np.ndarray, predicted: np.ndarray, subject: list[str], checkpoint: str = "last") -> pd.DataFrame:
    names = np.array(VALENCE.classes)
    sure = np.where(np.arange(2) == predicted[:, None], 0.8, 0.2)
    return pd.DataFrame({
        "dataset": "deap", "trial": [f"t{k}" for k in range(len(target))], "subject": subject, "fold": "fold1",
        "checkpoint": checkpoint, "label": names[target], "predicted": names[predicted],
        **{f"{kind}{name}": sure[:, k] for kind in ("p_", "calibrated_") for k, name in enumerate(names)},
        "about.gender": ["f", "m"] * (len(target) // 2)})


def test_a_test_trial_without_a_label_is_named_with_its_reason():
    trials = [Trial(id, "deap", id, labels=labels) for id, labels in (
        ("a", {"arousal": 7.0}), ("b", {"arousal": 2.0}), ("c", {}), ("d", {"arousal": 12.0}))]
    ready = SimpleNamespace(entries={trial.id: SimpleNamespace(pictures=1, signals=True) for trial in trials})
    fold = Fold("f", "planted", (trials[0],), (), tuple(trials[1:]))
    result, notes = data_module.load_test_targets(recipes.RECIPES["mvp/deap-arousal"],
                                   SimpleNamespace(fold=fold, cache=ready, source=None))
    assert [trial.id for trial in result.trials] == ["b"]
    assert notes[1:] == ("f test: 2 trials without a label are left out: c (no arousal), d (arousal outside 1..9)",)


def test_guesses_are_of_what_training_had_not_of_what_test_has():
    target = np.array([0] * 30 + [1] * 70)
    frame = planted(target, target, ["a"] * 100)
    folds = ({"name": "fold1", "train": {"low": 60, "high": 40}},)
    result = scores.guessing_baselines(frame, folds, VALENCE)
    assert result["majority"].values()["war"] == pytest.approx(0.3)
    assert result["frequency"].values()["war"] == pytest.approx(0.3 * 0.6 + 0.7 * 0.4)
    assert result["chance"].values()["uar"] == result["majority"].values()["uar"] == pytest.approx(0.5)


def test_a_group_that_is_served_worse_is_seen():
    target = np.arange(80) // 2 % 2
    wrong = (np.arange(80) % 2 == 1) & (np.arange(80) < 40)
    frame = planted(target, np.where(wrong, 1 - target, target), ["a"] * 80)
    result = scores.group_scores(frame, "gender", VALENCE).set_index("gender")
    assert (result.loc["f", "war"], result.loc["m", "war"]) == (pytest.approx(100), pytest.approx(50))
    assert result["trials"].tolist() == [40, 40]


def test_two_benchmarks_are_compared_in_pairs(tmp_path):
    """Ten people; the first run gets one trial of each right that the second gets wrong, and loses one of one person.
    """
    people = [f"p{k // 10}" for k in range(100)]
    target = np.arange(100) % 2
    first, second = target.copy(), target.copy()
    second[np.arange(0, 100, 10)] = 1 - target[np.arange(0, 100, 10)]
    first[5] = 1 - target[5]
    for name, predicted in (("a", first), ("b", second)):
        (tmp_path / name).mkdir()
        frame = pd.concat([planted(target, predicted, people, kind) for kind in ("last", "chosen")])
        frame.sample(frac=1, random_state=0).to_parquet(tmp_path / name / "predictions.parquet")
    result = evaluation.compare(tmp_path / "a", tmp_path / "b")[0]
    assert (result.trials, result.only, result.people) == (100, (10, 1), 10)
    assert result.war == (pytest.approx(0.99), pytest.approx(0.90))
    assert result.mcnemar == pytest.approx(significance.mcnemar(first == target, second == target)[2])
    assert result.gap == pytest.approx(0.1)
    assert 0 < result.wilcoxon < 0.02
    done = CliRunner().invoke(cli.app, ["bench", "--compare", str(tmp_path / "a"), str(tmp_path / "b")])
    assert done.exit_code == 0, done.output
    assert "right in the first alone 10, in the second alone 1" in done.stdout
    other = pd.read_parquet(tmp_path / "b/predictions.parquet")
    other[other["trial"] != "t3"].to_parquet(tmp_path / "b/predictions.parquet")
    with pytest.raises(ValueError, match="got 100 and 99 trials, 99 of them in both"):
        evaluation.compare(tmp_path / "a", tmp_path / "b")
    with pytest.raises(FileNotFoundError, match="expected a finished benchmark"):
        evaluation.compare(tmp_path / "a", tmp_path / "c")


def test_the_commit_is_of_our_own_source_and_of_no_repository_around_it(tmp_path):
    """Installed below somebody's repository, its HEAD says nothing of us; in our own, changes are reported.
    """
    def git(*words):
        reported = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *words]
        return subprocess.run(reported, capture_output=True, text=True, check=True).stdout.strip()

    place = tmp_path / "lib/mien/evaluation/environment.py"
    place.parent.mkdir(parents=True)
    place.write_text(Path(environment.__file__).read_text())
    spec = importlib.util.spec_from_file_location("environment_elsewhere", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "theirs")
    assert module.describe_environment(0, "cpu", "32")["commit"] is None
    git("add", "lib")
    git("commit", "-q", "-m", "ours")
    head = git("rev-parse", "HEAD")
    assert module.describe_environment(0, "cpu", "32")["commit"] == head
    (place.parent / "new.py").write_text("1")
    assert module.describe_environment(0, "cpu", "32")["commit"] == head + "+changes"
    expected = {torch.bfloat16: "bf16", torch.float32: "32"}[backbones.fast_dtype("cpu")]
    assert module.describe_environment(0, "cpu", "auto")["precision"] == expected


def test_pictures_are_drawn_and_clusters_stay_apart(tmp_path):
    rng = np.random.default_rng(0)
    target = np.arange(60) % 3
    features = rng.normal(0, 0.1, (60, 8)) + 5 * np.eye(8)[target]
    points = plots.embed_tsne(features)
    centres = np.array([points[target == k].mean(axis=0) for k in range(3)])
    assert (np.linalg.norm(points[:, None] - centres, axis=2).argmin(axis=1) == target).all()
    assert not plots.embed_tsne(features[:2]).any()
    assert not plots.embed_tsne(np.ones((20, 4))).any()  # scikit-learn's t-SNE of these ends the process
    plots.plot_tsne(tmp_path / "tsne.png", features, target, ("a", "b", "c"), "planted")
    plots.plot_confusion(tmp_path / "confusion.png", np.diag([5, 0, 3]), ("a", "b", "c"))
    probs = rng.dirichlet(np.ones(3), 60)
    plots.plot_calibration(tmp_path / "calibration.png", {"before": probs, "after": probs}, target)
    for path in tmp_path.iterdir():
        picture = np.asarray(Image.open(path).convert("RGB"))
        assert min(picture.shape[:2]) > 200
        assert picture.std() > 5


def test_a_cell_keeps_its_borders():
    assert tables.markdown_grid(["a"], [["x|y"]])[-1] == "| x\\|y |"
    assert tables.format_number(float("nan")) == ""


# ---------------------------------------------------------------------------------------------- what is printed

def test_published_scores_are_consistent():
    """UAR is the mean of the recalls, of DuSE as of its peers, one of which (SW-FSCL) is printed 0.06 above it."""
    for name, recalls in PEER_RECALLS.items():
        assert np.mean(list(recalls.values())) == pytest.approx(PEERS[name][0], abs=0.07), name
    values = PUBLISHED_SCORES["duse/dfew"].values
    counts = dict(zip(EXPRESSION.classes, (2445, 1894, 2669, 2173, 1469, 145, 902), strict=True))
    weighted = sum(counts[name] * values[f"recall_{name}"] for name in counts) / sum(counts.values())
    assert weighted == pytest.approx(values["war"], abs=0.02)
    for name, recipe in recipes.RECIPES.items():
        if recipe.published is not None and name in PUBLISHED_SCORES:
            assert (recipe.published.uar, recipe.published.war) == (PUBLISHED_SCORES[name].values["uar"],
                                                                    PUBLISHED_SCORES[name].values["war"])
    assert set(PUBLISHED_SCORES) <= set(recipes.RECIPES)
    assert {name for name, recipe in recipes.RECIPES.items() if recipe.published} <= set(PUBLISHED_SCORES)
    assert np.mean(S2D_FOLDS, axis=0).round(2) == pytest.approx(S2D["S2D"][:2])
    named = {name.partition("/")[2] for name in recipes.RECIPES if name.startswith(("mvp", "scpt"))}
    assert {name for name in named if not name.endswith(("-both", "-rating"))} == set(
        OTHER_WORKS
    )  # nobody prints these


REPEATED_ROWS = 14
"""Rows of mvp/paper that repeat a row above: the full model 4 times, fusion by late average and by concatenation twice
each, the video alone twice, and once each the signals alone, queries from the video, queries from both, and the large
crop."""


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_row_is_a_recipe_and_the_papers_own_setting_is_printed_as_such(name):
    grid = ABLATIONS[name]
    for base in grid.recipes:
        full = recipes.RECIPES[base]
        for row in grid.rows:
            result = recipes.override(full, row.settings)
            assert ablation.changed_recipe(row, base, True, {}).tower in (SOURCE, "")
            same = result.options == full.options and result.tower == full.tower
            printed = row.printed.get(base, {})
            if same and base in PUBLISHED_SCORES:
                assert printed.items() <= PUBLISHED_SCORES[base].values.items()
            elif name.startswith("duse"):
                assert printed != {
                    "uar": PUBLISHED_SCORES[base].values["uar"],
                    "war": PUBLISHED_SCORES[base].values["war"],
                }
    places = ablation.column_positions(
        grid, [ablation.changed_recipe(row, grid.recipes[0], False, {}) for row in grid.rows]
    )
    assert len(places) - len(set(places)) == {"duse/table5": 1, "mvp/paper": REPEATED_ROWS}.get(name, 0)


def test_an_ablation_goes_on_row_by_row_to_the_table_of_the_paper(data, tmp_path):
    out = tmp_path / "table3"
    given = ["ablate", "duse/table3", "--data", str(data / "dfew"), "--cache", str(data / "cache"), "--tiny",
             "--device", "cpu", "--precision", "32", "--folds", "1", "--set", "schedule.epochs=1", "--out", str(out)]
    first = CliRunner().invoke(cli.app, [*given, "--rows", "1"])
    assert first.exit_code == 0, first.output
    half = pd.read_csv(out / "table.csv")
    assert half["uar_last"].notna().tolist() == [True, False, False, False]
    kept = (out / "coop-average-over-frames/folds/fd1/done.json").stat().st_mtime_ns
    second = CliRunner().invoke(cli.app, [*given, "--rows", "1,4"])
    assert second.exit_code == 0, second.output
    assert (out / "coop-average-over-frames/folds/fd1/done.json").stat().st_mtime_ns == kept
    table = pd.read_csv(out / "table.csv").set_index("row")
    assert table["uar_paper"].tolist() == [55.64, 58.86, 60.27, 64.88]
    assert table["uar_last"].notna().tolist() == [True, False, False, True]
    assert table["uar_difference_last"].isna().all()  # a trial is not compared with the paper
    assert table["folds"].tolist() == [1, 0, 0, 1]
    card = json.loads((out / "coop-average-over-frames/folds/fd1/last/card.json").read_text())
    assert (card["recipe"]["options"]["htpc"], card["recipe"]["options"]["lsea"]) == (False, False)
    page = (out / "table.md").read_text()
    assert "arXiv 2604.12777, table III" in page
    assert "meaningless" in page
    assert second.stdout.startswith(page)
    other = CliRunner().invoke(cli.app, [*given, "--rows", "1", "--seed", "1"])
    assert other.exit_code == 1
    assert "mien: CoOp, average over frames: --out" in other.stderr
    assert pd.read_csv(out / "table.csv")["uar_last"].isna().all()  # what another seed gave is not this one's



def test_an_ablation_with_groups_has_a_table_and_a_panel_for_each(tmp_path):
    """Made-up scores: two groups, of one row no fold is evaluated yet."""
    grid = Ablation("Two groups", ("mvp/deap-valence",), (
        AblationRow("a", group="first"), AblationRow("b", group="first"), AblationRow("c", group="second")), ("war",))
    frame = pd.DataFrame({"group": ["first", "first", "second"], "row": ["a", "b", "c"], "folds": [2, 0, 1],
                          "war_paper": [50.0, np.nan, np.nan], "war_last": [61.0, np.nan, 40.0],
                          "war_chosen": [62.0, np.nan, 41.0], "war_folds_chosen": [63.0, np.nan, 42.0],
                          "war_deviation_chosen": [5.0, np.nan, np.nan],
                          "war_difference_chosen": [13.0, np.nan, np.nan]})
    lines = ablation.to_markdown("x", grid, "mvp/deap-valence", frame, False, {}, 0).splitlines()
    first, second = lines.index("## first"), lines.index("## second")
    assert [line for line in lines[first:second] if line.startswith("| a")] == [
        "| a | 50.00 | 61.00 | 62.00 | 63.00 ± 5.00 | +13.00 |"]
    assert [line for line in lines[second:] if line.startswith("| c")] == ["| c |  | 40.00 | 41.00 | 42.00 |  |"]
    plots.plot_ablation(tmp_path / "scores.png", frame, "war", "WAR")
    width, height = Image.open(tmp_path / "scores.png").size
    assert width > 900
    assert height > 300


def test_the_deviation_over_folds_is_that_of_numpy(judged):
    frame = pd.read_parquet(judged / "predictions.parquet")
    frame = frame[frame["checkpoint"] == "chosen"]
    task = recipes.RECIPES["duse/dfew"].task
    by_fold = [(part["label"] == part["predicted"]).mean() for _, part in frame.groupby("fold")]
    assert len(by_fold) > 1
    assert scores.fold_deviation(frame, task)["war"] == pytest.approx(np.std(by_fold, ddof=1))
    assert scores.fold_mean(frame, task)["war"] == pytest.approx(np.mean(by_fold))


def test_rows_that_ask_for_the_same_are_one_whichever_is_asked_for(data, tmp_path, monkeypatch):
    """LSEA's N = 4 and beta = 0.7 are both the paper's own setting."""
    requests = []
    monkeypatch.setattr(ablation, "evaluate_row", lambda jobs, **_: requests.append(jobs) or iter(()))
    for number in (2, 6):
        ablation.run_ablation("duse/table5", data / "dfew", tmp_path, cache=data / "cache", tiny=True, rows=[number])
    (first,), (second,) = requests
    assert (first.folder, first.recipe) == (second.folder, second.recipe)


def test_a_tiny_crop_is_of_pictures():
    wide, tight = (
        ablation.changed_recipe(row, "mvp/deap-valence", True, {}).options for row in ABLATIONS["mvp/crop"].rows
    )
    assert (wide.video, wide.crop, tight.video, tight.crop) == ("tiny", "large", "tiny", "tight")


def two_rows(data: Path, out: Path, *more: str) -> list[str]:
    return ["ablate", "duse/table3", "--data", str(data / "dfew"), "--cache", str(data / "cache"), "--tiny", "--device",
            "cpu", "--precision", "32", "--folds", "1", "--set", "schedule.epochs=1", "--rows", "1,4", "--out",
            str(out), *more]


@pytest.fixture
def one_thread(monkeypatch):
    """Here and in what is started: with another number, sums are taken in another order."""
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def in_turn(data, tmp_path_factory) -> Path:
    """The ablation, row by row in one process of one thread."""
    out, before = tmp_path_factory.mktemp("ablated") / "run", torch.get_num_threads()
    torch.set_num_threads(1)
    done = CliRunner().invoke(cli.app, two_rows(data, out))
    torch.set_num_threads(before)
    assert done.exit_code == 0, done.output
    return out


def expect_same(first: Path, second: Path) -> None:
    assert (first / "table.md").read_text() == (second / "table.md").read_text()
    for row in ("coop-average-over-frames", "htpc-and-lsea"):
        pd.testing.assert_frame_equal(*(pd.read_parquet(run / row / "predictions.parquet") for run in (first, second)))


def test_rows_side_by_side_all_killed_go_on_and_end_with_the_table_of_one_after_another(data, in_turn, tmp_path,
                                                                                       one_thread):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "mien.cli", *two_rows(data, out, "--parallel", "2")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 600
    while len(list(out.glob("*/folds/fd1/log.csv"))) < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(600)
    assert len(list(out.glob("*/folds/fd1/log.csv"))) >= 2  # two rows had begun
    assert not (out / "table.md").exists()
    done = CliRunner().invoke(cli.app, two_rows(data, out, "--parallel", "2"))
    assert done.exit_code == 0, done.output
    expect_same(out, in_turn)


def test_on_a_cluster_a_row_that_fails_stops_no_other_and_the_table_is_the_same(data, in_turn, tmp_path, one_thread):
    pytest.importorskip("distributed", reason="the extra mien[cluster] is not installed")
    out = tmp_path / "run"
    (out / "coop-average-over-frames").mkdir(parents=True)
    (out / "coop-average-over-frames/bench.json").write_text("{}")  # of another benchmark, as far as can be reported
    with cluster(2) as running:
        command = two_rows(data, out, "--cluster", running.address)
        first = CliRunner().invoke(cli.app, command)
        assert first.exit_code == 1
        assert "mien: CoOp, average over frames: --out" in first.stderr
        assert first.stderr.splitlines()[-1].startswith(
            "mien: expected 2 evaluated rows, got 1: CoOp, average over frames failed;")
        assert pd.read_csv(out / "table.csv")["uar_last"].notna().tolist() == [False, False, False, True]
        shutil.rmtree(out / "coop-average-over-frames")
        second = CliRunner().invoke(cli.app, command)
    assert second.exit_code == 0, second.output
    expect_same(out, in_turn)


def test_a_row_whose_process_dies_is_reported_in_words_of_rows(monkeypatch):
    jobs = [ablation_jobs.AblationJob(name, recipes.RECIPES["duse/dfew"], "", "", "") for name in "ab"]
    monkeypatch.setattr(ablation_jobs, "run", lambda jobs, *_: ((job, Outcome("failed", DIED)) for job in jobs))
    assert [(job.title, outcome.reason) for job, outcome in ablation_jobs.evaluate_row(jobs, parallel=2)] == [
        ("a", ablation_jobs.KILLED_MESSAGE), ("b", ablation_jobs.KILLED_MESSAGE)]


def test_every_process_has_a_device_of_its_own_and_that_of_a_dead_one_is_taken_over(tmp_path):
    fork = multiprocessing.get_context("fork")

    def begin() -> tuple[multiprocessing.Process, str]:
        parent_end, child_end = fork.Pipe()

        def hold() -> None:
            child_end.send(ablation_jobs._own(("first", "second"), str(tmp_path)))
            time.sleep(60)

        process = fork.Process(target=hold, daemon=True)
        process.start()
        assert parent_end.poll(30)
        return process, parent_end.recv()

    (first, first_device), (other, others) = begin(), begin()
    assert {first_device, others} == {"first", "second"}
    first.kill()
    first.join()
    third, result = begin()
    assert result == first_device
    for process in (other, third):
        process.kill()
        process.join()


def test_devices_are_named_as_torch_calls_them(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert ablation_jobs.parse_devices(["0", "1", "cuda:1", "cpu"]) == ("cuda:0", "cuda:1", "cuda:1", "cpu")
    with pytest.raises(ValueError, match="which has 2 GPUs, got cuda:2"):
        ablation_jobs.parse_devices(["2"])


@pytest.mark.parametrize(("more", "reported"), [
    (["duse/table3", "--parallel", "2", "--cluster", "tcp://127.0.0.1:1"],
     "expected one of --parallel, --devices and --cluster, got --parallel and --cluster"),
    (["duse/table3", "--devices", "cpu", "--device", "cpu"], "got --devices and --device"),
    (["duse/table3", "--devices", "31"], "--devices: expected devices of this machine"),
    (["duse/table9"], "ablate: expected one of duse/table3"), (["duse/table3", "--rows", "7"], "--rows: expected 1 to"),
    (["duse/table3", "--recipe", "mvp/deap-arousal"], "--recipe: expected one of duse/dfew"),
    (["duse/table3", "--rows", "x"], "--rows: expected numbers"),
])  # fmt: skip
def test_ablate_reports_bad_arguments_in_one_line(tmp_path, more, reported):
    done = CliRunner().invoke(cli.app, ["ablate", *more, "--data", str(tmp_path), "--tiny", "--out",
                                        str(tmp_path / "x")])
    assert done.exit_code == 1
    assert reported in done.stderr
