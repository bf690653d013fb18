"""SCPT from prepared trials to a checkpoint that reads a recording, by the one loop."""

from __future__ import annotations

import csv
import re
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

import mien
import skin_traces
from mien import checkpoints, cli
from mien.backbones.tower import weights_digest
from mien.checkpoints.card import WEIGHTS
from mien.core.trials import Trial
from mien.datasets import DATASETS
from mien.datasets.index import DatasetIndex
from mien.datasets.labels import RULES
from mien.datasets.splits import PROTOCOLS
from mien.evaluation.predict import predict_trials
from mien.models.method import Method
from mien.preprocessing.cache import INDEX
from mien.preprocessing.window_dataset import WindowSource, trial_id_of_window
from mien.recipes import RECIPES, tiny_recipe
from mien.recipes.overrides import override
from mien.simulation import datasets as simulated_datasets
from mien.training.loop import fit
from mien.training.validation import validate
from test_scpt_data import write

pytestmark = pytest.mark.slow

RULE = RULES["scpt/arousal"]
RECIPE = override(tiny_recipe(RECIPES["scpt/deap-arousal"]), {
    "schedule.batch": "6", "schedule.epochs": "3", "options.adversarial": "1"})


@pytest.fixture(scope="module")
def training_data(tmp_path_factory):
    """Four people with two trials of twenty seconds each, the last of them to validate."""
    trials = [Trial(f"s{who}/{number}", "deap", subject=f"s{who}", labels={"arousal": 3.0 + 4 * number})
              for who in range(4) for number in range(2)]
    lengths = dict.fromkeys((trial.id for trial in trials), 20.0)
    windows = WindowSource(write(tmp_path_factory.mktemp("cache") / "cache", trials, lengths), 10.0)
    return windows, windows.cut(RULE(trials[:6])), windows.cut(RULE(trials[6:]))


def run(training_data, out: Path, recipe=RECIPE, **options):
    windows, train, val = training_data
    return fit(recipe, out=out, **{"train": train, "val": val, "source": windows, "device": "cpu", "precision": "32",
                                   **options})


@pytest.fixture(scope="module")
def fitted(training_data, tmp_path_factory):
    return run(training_data, tmp_path_factory.mktemp("fitted"))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_loss_and_the_norm_of_its_gradient_are_logged_by_name(fitted):
    result = rows(fitted.log)
    names = {"cross_entropy", "adversarial", "specific", "orthogonal", "sparse", "subspace"}
    reported = [dict(part.split("=") for part in row["parts"].split()) for row in result]
    norms = {f"|{name}|" for name in names}
    assert [set(row) for row in reported] == [names | norms, names] * 3  # of gradients once an epoch
    assert float(reported[0]["|adversarial|"]) == 0.0  # not yet ramped up
    assert all(float(reported[row][name]) > 0 for row in (2, 4) for name in norms)
    assert [float(row["rate"]) for row in result] == pytest.approx([1e-4] * 2 + [7.5e-5] * 2 + [2.5e-5] * 2)


def test_the_tower_stays_and_what_reads_is_kept(training_data, tmp_path):
    parts = checkpoints.load_towers(RECIPE)
    result = run(training_data, tmp_path, parts=parts)
    assert weights_digest(parts.image) == parts.image.hash
    kept = load_file(result.last / WEIGHTS)
    assert [name for name in kept if "specific" in name or "who_" in name or "decoder" in name] == []
    begin = checkpoints.build_model(RECIPE, RECIPE.task, parts, 0, 3)
    before = dict(begin.named_parameters())
    # a single number can return to its start by chance: steps and decay may cancel
    assert {name for name, value in kept.items() if value.ndim and torch.equal(value, before[name])} == set()


def test_the_checkpoint_reads_windows_with_and_without_a_pulse(fitted, training_data):
    windows, _, val = training_data
    model = mien.load(fitted.chosen, precision="32")
    # a little more than the ten seconds that are read: frames come unevenly, and a shorter window tells no pulse
    assert (model.task.classes, model.seconds, model.needs.tfr) == (("low", "high"), 10.2, (32, 32))
    window = windows(val.trials[0])
    probs = model.predict_window(window)
    assert probs.shape == (2,)
    assert probs.sum() == pytest.approx(1.0)
    without = model.predict_window(replace(window, skin=np.full_like(window.skin, np.nan)))
    assert np.isfinite(without).all()
    assert model.predict_with_sources(window)[1] == "face+pulse"
    assert model.predict_with_sources(replace(window, skin=np.full_like(window.skin, np.nan)))[1] == "face"
    with pytest.raises(ValueError, match="expected the labels low, high, which scpt was trained with"):
        mien.load(fitted.chosen, labels=mien.core.tasks.EXPRESSION)
    assert skin_traces.window(10.2).signals is None


def test_one_command_goes_from_a_dataset_to_a_checkpoint(training_data, tmp_path, monkeypatch):
    """The dataset is prepared already: its survey names the trials of the cache, and nothing is made again."""
    windows, train, val = training_data
    names = dict.fromkeys(trial.id.split("@")[0] for trial in (*train.trials, *val.trials))
    trials = tuple(replace(windows.cache.entries[name].trial, video=Path("film.avi")) for name in names)
    monkeypatch.setitem(DATASETS, "deap", SimpleNamespace(
        survey=lambda root: DatasetIndex("deap", Path(root), "planted", trials, (), ())))
    done = CliRunner().invoke(cli.app, ["train", "scpt/deap-arousal", "--data", str(tmp_path), "--fold", "1", "--tiny",
                                        "--cache", str(windows.cache.path), "--out", str(tmp_path / "run"), "--device",
                                        "cpu", "--set", "schedule.epochs=1", "--quiet"])
    assert done.exit_code == 0, done.output
    card = checkpoints.card.read_card(tmp_path / "run" / "last" / "card.json")
    assert (card.data["fold"], card.classes, card.recipe.method) == ("s0", ("low", "high"), "scpt")
    assert (card.data["train"], card.data["counted"]) == (8, "windows")  # two people with two trials of two windows


def test_another_dataset_judges_by_the_same_command(training_data, tmp_path, monkeypatch):
    """MAHNOB teaches, DEAP judges: its trials are none of those learnt from, and each is decided upon once."""
    windows, train, val = training_data
    names = dict.fromkeys(trial_id_of_window(trial.id) for trial in (*train.trials, *val.trials))
    deap = tuple(replace(windows.cache.entries[name].trial, video=Path("film.avi")) for name in names)
    mahnob = tuple(replace(trial, id=f"m{trial.id}", dataset="mahnob", subject=f"m{trial.subject}") for trial in deap)
    taught = write(tmp_path / "taught", list(mahnob), dict.fromkeys((trial.id for trial in mahnob), 20.0))
    roots = {name: tmp_path / name for name in ("mahnob", "deap", "other")}
    for name, trials in (("mahnob", mahnob), ("deap", deap)):
        roots[name].mkdir()
        monkeypatch.setitem(DATASETS, name, SimpleNamespace(survey=lambda root, name=name, trials=trials: DatasetIndex(
            name, Path(root), "planted", trials if Path(root).name == name else (), (), ())))
    roots["other"].mkdir()

    def run_it(other: str):
        return CliRunner().invoke(cli.app, [
            "train", "scpt/mahnob-arousal", "--data", str(roots["mahnob"]), "--fold", "1", "--tiny", "--device", "cpu",
            "--cache", str(taught.path), "--out", str(tmp_path / "run"), "--set", "schedule.epochs=1",
            "--test-data", str(roots[other]), "--test-cache", str(windows.cache.path)])

    done = run_it("deap")
    assert done.exit_code == 0, done.output
    assert "steps on 8 windows, tiny" in done.output
    assert re.search("pulse read in 1[4-6] of 16 windows", done.output)  # of ten seconds, which do not always suffice
    assert "val: pulse of camera read in 4 of 4 checked windows" in done.output
    result = pd.read_parquet(tmp_path / "run" / "deap.parquet")
    for name in ("last", "chosen"):
        rows = result[result.checkpoint == name]
        assert sorted(rows.trial) == sorted(names)
        assert set(rows.dataset) == {"deap"}
        right = 100 * (rows.label == rows.predicted).mean()
        assert f"{name}: test UAR {right:.2f} %, WAR {right:.2f} %" in done.output  # as many high as low
        assert list(rows.label) == ["high" if name.endswith("/1") else "low" for name in rows.trial]
    refused = run_it("other")
    assert refused.exit_code == 1
    assert "expected another dataset with the labels of scpt/mahnob-arousal (deap)" in refused.output


def test_stopped_half_way_it_ends_the_same(fitted, training_data, tmp_path):
    class Stop(Exception):
        pass

    def pull(done, total, loss):
        if done == 4:
            raise Stop

    with pytest.raises(Stop):
        run(training_data, tmp_path, save_every=0.0, progress=pull)
    again = run(training_data, tmp_path)
    first, second = load_file(fitted.last / WEIGHTS), load_file(again.last / WEIGHTS)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert again.log.read_text() == fitted.log.read_text()


def test_windows_decide_together(training_data):
    """Two windows of a trial that is high: one says high for sure, one low by a little; the trial is right."""
    from mien.core.batch import Batch

    class Fabric:
        world_size, global_rank, device = 1, 0, torch.device("cpu")

        def all_reduce(self, value, reduce_op):
            return value

        def autocast(self):
            return nullcontext()

    class Reader(torch.nn.Module, Method):
        def forward(self, batch):
            return batch.tfr[:, 0, 0]

    model = SimpleNamespace(module=Reader())
    logits = torch.tensor([[0.0, 4.0], [0.5, 0.0], [1.0, 0.0], [1.0, 0.0]])[:, None, None]
    batch = Batch(tfr=logits, target=torch.tensor([1, 1, 0, 0]), trial=("a@0", "a@1", "b@0", "b@1"))
    for windowed, right in ((True, 1.0), (False, 0.75)):
        result = validate(Fabric(), model, [batch], RULE.task, windowed, np.array([0, 1, 1, 1]))
        assert (result["uar"], result["war"]) == (right, right)
    # of guesses that are high three times in four, of two low and two high windows
    assert result["chance_war"] == pytest.approx(0.5)
    assert result["chance_positive_f1"] == pytest.approx(2 * 0.5 * 0.75 / (0.5 + 0.75))
    assert result["chance_macro_f1"] == pytest.approx((0.6 + 2 * 0.5 * 0.25 / 0.75) / 2)


def test_one_subject_learns_without_an_adversary_and_one_class_is_refused(training_data, tmp_path):
    windows, train, _ = training_data
    trials_of_one = RULE([replace(trial, id=trial.id.split("@")[0]) for trial in train.trials[:4:2]])
    with pytest.warns(UserWarning, match="expected two or more subjects"):
        result = run(training_data, tmp_path / "one", train=windows.cut(trials_of_one))
    assert "adversarial" not in rows(result.log)[0]["parts"]
    with pytest.raises(ValueError, match="two or more classes to learn from"):
        run(training_data, tmp_path / "class", train=windows.cut(RULE([replace(train.trials[0], id="s0/0")])))


def planted_survey(name: str, trials: tuple[Trial, ...], place: str | Path) -> DatasetIndex:
    return DatasetIndex(name, Path(place), "planted", trials, (), ())


def command(monkeypatch, root: Path, trials: dict[str, list[Trial]], *words: object):
    """`mien train` as it is typed, with datasets whose surveys name these trials, all of them filmed."""
    for name, own_trials in trials.items():
        (root / name).mkdir(exist_ok=True)
        own_trials = tuple(replace(trial, video=Path("film.avi")) for trial in own_trials)
        survey = partial(planted_survey, name, own_trials)
        monkeypatch.setitem(DATASETS, name, SimpleNamespace(survey=survey))
    return CliRunner().invoke(cli.app, ["train", *map(str, words), "--tiny", "--device", "cpu", "--set",
                                        "schedule.epochs=1"])


def people(dataset: str, count: int) -> list[Trial]:
    """Two trials each, one low and one high."""
    return [Trial(f"{dataset}{who}/{number}", dataset, subject=f"{dataset}{who}", labels={"arousal": 3.0 + 4 * number})
            for who in range(count) for number in range(2)]


def test_films_without_a_face_are_refused_before_training(tmp_path, monkeypatch):
    trials = {"deap": people("deap", 3), "mahnob": people("mahnob", 3)}
    places = {}
    for name, hidden in (("deap", (0.0, 99.0)), ("mahnob", (0.0, 0.0))):
        lengths = dict.fromkeys((trial.id for trial in trials[name]), 10.0)
        places[name] = write(tmp_path / f"{name}-cache", trials[name], lengths, hidden).path
    nobody = command(monkeypatch, tmp_path, trials, "scpt/deap-arousal", "--data", tmp_path / "deap", "--cache",
                     places["deap"], "--out", tmp_path / "run")
    assert nobody.exit_code == 1
    assert "expected trials to learn from, got 2 of train, none with a picture of a face" in nobody.output
    other = command(monkeypatch, tmp_path, trials, "scpt/mahnob-arousal", "--data", tmp_path / "mahnob", "--cache",
                    places["mahnob"], "--out", tmp_path / "run", "--test-data", tmp_path / "deap", "--test-cache",
                    places["deap"])
    assert other.exit_code == 1
    assert "expected trials of deap with a picture of a face, got none of 6" in other.output
    assert not (tmp_path / "run").exists()


def test_predictions_mark_windows_without_a_pulse(training_data, fitted, tmp_path):
    """The skin of one of two windows of s3/0 is hidden: its trial is read with the pulse by half."""
    windows, _, val = training_data
    dark = "s3/0@1"

    def source(trial, choose=None):
        window = windows(trial, choose)
        return replace(window, skin=np.full_like(window.skin, np.nan)) if trial.id == dark else window

    result = predict_trials(fitted.last, val, source, True, device="cpu", precision="32")
    frame = result.table(val, fold="s3", checkpoint="last").set_index("trial")
    assert frame["pulse"].to_dict() == {"s3/0": 0.5, "s3/1": 1.0}
    assert result.pulse_notes == ("pulse read in 3 of 4 windows",)


def test_another_dataset_without_the_wire_is_refused(tmp_path, monkeypatch):
    trials = {name: people(name, 3) for name in ("deap", "mahnob")}
    places = {}
    for name, rows in trials.items():
        seconds = dict.fromkeys((trial.id for trial in rows), 10.0)
        places[name] = write(tmp_path / f"{name}-cache", rows, seconds).path
    index = places["mahnob"] / INDEX
    index.write_text(index.read_text().replace('"ppg"', '"eda"'))
    done = command(monkeypatch, tmp_path, trials, "scpt/deap-arousal", "--data", tmp_path / "deap", "--cache",
                   places["deap"], "--out", tmp_path / "run", "--test-data", tmp_path / "mahnob", "--test-cache",
                   places["mahnob"], "--set", "options.pulse=ppg")
    assert done.exit_code == 1
    assert "of mahnob with a pulse of ppg, got none in 6" in done.output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("protocol", "count"), [("loso", 4), ("kfold10", 12)])
def test_one_command_trains_what_tells_people_apart(tmp_path, monkeypatch, protocol, count):
    """As many people as the lookalikes film, and enough for ten folds: some are left to learn from."""
    trials = people("deap", count)
    cache = write(tmp_path / "cache", trials, dict.fromkeys((trial.id for trial in trials), 10.0))
    done = command(monkeypatch, tmp_path, {"deap": trials}, "scpt/deap-arousal", "--data", tmp_path / "deap", "--cache",
                   cache.path, "--out", tmp_path / "run", "--set", f"protocol={protocol}", "--set", "schedule.batch=4")
    assert done.exit_code == 0, done.output
    for row in rows(tmp_path / "run" / "log.csv"):
        assert {"specific", "orthogonal", "sparse", "subspace"} < {
            part.split("=")[0] for part in row["parts"].split()}


def test_the_lookalikes_film_enough_people_to_tell_apart():
    """Of whom one is judged and one validates when one is left out."""
    filmed = [who for who in simulated_datasets.deap.SUBJECTS if who <= 22]
    for subjects in (filmed, simulated_datasets.mahnob.PARTICIPANTS):
        assert len(subjects) >= 4


def test_ten_folds_of_few_people_name_what_to_take_instead():
    with pytest.raises(ValueError, match=r"at least 10 subjects, got 4 for 10 folds: .*protocol=kfold.*=loso"):
        PROTOCOLS["kfold10"](people("deap", 4))
