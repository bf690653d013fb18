"""What a training may be asked for: to stop early, to add in one order, points for TensorBoard, balance, votes."""

from __future__ import annotations

import importlib.util
import json
import os
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.utils.class_weight import compute_class_weight
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import mien
from mien import checkpoints
from mien.checkpoints.card import CARD, WEIGHTS
from mien.core.tasks import EXPRESSION
from mien.models.duse.model import DuSE
from mien.models.method import trainable
from mien.recipes import RECIPES
from mien.recipes.overrides import override
from mien.training import progress
from mien.training.averaging import WeightAverage
from mien.training.datasets import balanced_weights, vote_targets
from mien.training.logs import LOG_FILE, TENSORBOARD_FILE
from mien.training.loop import fit
from test_train import RECIPE, RULE, VAL, Stop, colour, rows, run, same, trial


def pull(step: int):
    """Pulls the plug after a step."""
    def tick(done: int, _: int, __: float) -> None:
        if done == step:
            raise Stop

    return tick


# ---------------------------------------------------------------------------------------------- stop early

PLANTED = (0.2, 0.5, 0.4, 0.5, 0.3, 0.9, 0.9)
"""UAR of each epoch: three that are no better follow the second, before the best one comes."""


@pytest.fixture
def planted(monkeypatch):
    """Validation says what stands above, whatever was learnt."""
    def judged(fabric, model, judge, task, windowed, taught):
        epoch = judged.epochs.pop(0)
        return {"uar": PLANTED[epoch], "war": 0.5}

    def begin(first: int) -> None:
        judged.epochs = list(range(first, len(PLANTED)))

    monkeypatch.setattr(progress, "validate", judged)
    begin(0)
    return begin


PATIENT = override(RECIPE, {"schedule.epochs": str(len(PLANTED)), "schedule.patience": "3", "schedule.smooth": "1"})


def test_it_ends_when_validation_has_not_been_better_for_a_while(planted, tmp_path):
    result = run(tmp_path / "patient", PATIENT)
    assert result.steps == 5 * 3
    assert (result.scores["last"]["epoch"], result.scores["chosen"]["epoch"]) == (5, 2)
    assert result.stopped == ("stopped after epoch 5: no better uar on validation for 3 epochs; the best is epoch 2")
    assert [row["note"] for row in rows(result.log)] == [""] * 14 + [result.stopped]
    planted(0)
    full = run(tmp_path / "whole", override(PATIENT, {"schedule.patience": "0"}))
    assert (full.steps, full.stopped, full.scores["chosen"]["epoch"]) == (21, "", 6)


@pytest.mark.parametrize("step", [7, 12, 14])
def test_resumed_fit_remembers_its_patience(planted, tmp_path, step):
    full = run(tmp_path / "whole", PATIENT)
    planted(0)
    with pytest.raises(Stop):
        run(tmp_path / "half", PATIENT, save_every=0.0, progress=pull(step))
    planted(step // 3)
    again = run(tmp_path / "half", PATIENT)
    assert (again.steps, again.stopped) == (full.steps, full.stopped)
    assert same(again.last, full.last)
    assert same(again.chosen, full.chosen)
    assert again.log.read_text() == full.log.read_text()
    planted(0)
    ended = run(tmp_path / "half", PATIENT, progress=lambda *_: pytest.fail("a step was made"))
    assert (ended.steps, ended.stopped) == (full.steps, full.stopped)


def test_the_epoch_is_chosen_by_the_mean_of_three_and_the_spread_is_reported(planted, tmp_path):
    changed = {"schedule.patience": "0", "schedule.epochs": "5"}
    result = run(tmp_path / "three", override(PATIENT, {**changed, "schedule.smooth": "3"}))
    # means of up to three: 0.2, 0.35, 0.367, 0.467, 0.4
    assert result.scores["chosen"]["epoch"] == 4
    assert result.scores["chosen"]["smoothed"] == pytest.approx((0.5 + 0.4 + 0.5) / 3)
    assert result.scores["last"]["spread"] == pytest.approx(np.std(PLANTED[:5], ddof=1))
    planted(0)
    assert run(tmp_path / "one", override(PATIENT, changed)).scores["chosen"]["epoch"] == 2


def test_averaged_weights_are_those_that_are_saved_and_survive_a_stop(tmp_path):
    changed = override(RECIPE, {"schedule.average": "0.5", "schedule.epochs": "2"})
    steps: list[dict] = []

    class Kept(WeightAverage):
        def update(self):
            super().update()
            steps.append({name: value.clone() for name, value in trainable(self.model).items()})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress, "WeightAverage", Kept)
        full = run(tmp_path / "whole", changed)
    average = checkpoints.build_model(changed, changed.task, checkpoints.load_towers(changed), 0, 1)
    mean = {name: value.clone() for name, value in trainable(average).items()}
    for count, weights in enumerate(steps, 1):
        decay = min(0.5, (1 + count) / (10 + count))
        mean = {name: decay * value + (1 - decay) * weights[name] for name, value in mean.items()}
    saved = load_file(full.last / WEIGHTS)
    for name, value in mean.items():
        torch.testing.assert_close(saved[name], value, rtol=1e-5, atol=1e-6)
    assert any(not torch.allclose(saved[name], steps[-1][name], atol=1e-6) for name in mean)
    with pytest.raises(Stop):
        run(tmp_path / "half", changed, save_every=0.0, progress=pull(4))
    assert same(run(tmp_path / "half", changed).last, full.last)


def test_without_validation_nothing_says_when_to_stop(tmp_path):
    with pytest.raises(ValueError, match=r"schedule\.patience: expected a side to validate on"):
        run(tmp_path, PATIENT, val=RULE([]))
    with pytest.raises(ValueError, match=r"Schedule\.patience: expected 0 or more, got -1"):
        override(RECIPE, {"schedule.patience": "-1"})
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------------------------------- one order

def settled() -> tuple:
    cudnn = torch.backends.cudnn
    return (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled(),
            cudnn.deterministic, cudnn.benchmark, os.environ.get("CUBLAS_WORKSPACE_CONFIG"))


def scattered(monkeypatch, seen: list):
    """A loss with a step that torch has only in an order of its own."""
    true = DuSE.loss

    def loss(self, batch):
        seen.append(settled())
        torch.zeros(3).put_(torch.tensor([0, 1]), torch.ones(2))
        return true(self, batch)

    monkeypatch.setattr(DuSE, "loss", loss)


def test_deterministic_holds_inside_alone_and_is_reported(monkeypatch, tmp_path):
    before, seen, true = settled(), [], DuSE.loss
    monkeypatch.setattr(DuSE, "loss", lambda self, batch: seen.append(settled()) or true(self, batch))
    result = run(tmp_path / "a", deterministic=True)
    assert set(seen) == {(True, False, True, False, ":4096:8")}
    assert settled() == before
    assert result.deterministic
    card = json.loads((result.last / CARD).read_text())
    assert card["data"]["deterministic"] is True
    assert "deterministic" not in json.loads((run(tmp_path / "b").last / CARD).read_text())["data"]
    with pytest.raises(ValueError, match="another determinism"):
        run(tmp_path / "a")


def test_deterministic_fit_refuses_nondeterministic_operations(monkeypatch, tmp_path):
    before, seen = settled(), []
    scattered(monkeypatch, seen)
    with pytest.raises(RuntimeError, match=r"put_.*does not have a deterministic implementation"):
        run(tmp_path / "a", deterministic=True)
    assert settled() == before
    with pytest.warns(UserWarning, match=r"put_.*does not have a deterministic implementation"):
        run(tmp_path / "b", deterministic="warn")
    assert settled() == before
    assert seen[-1][:2] == (True, True)


# ---------------------------------------------------------------------------------------------- TensorBoard

def points(out) -> dict[str, list[tuple[int, float]]]:
    """As TensorBoard's own reader has them."""
    result = EventAccumulator(str(out), size_guidance={"scalars": 0}).Reload()
    return {tag: [(point.step, point.value) for point in result.Scalars(tag)] for tag in result.Tags()["scalars"]}


@pytest.mark.parametrize("step", [None, 4, 6])
def test_tensorboard_has_the_numbers_of_the_log_each_once_however_often_it_was_stopped(tmp_path, step):
    if step:
        with pytest.raises(Stop):
            run(tmp_path, tensorboard=True, progress=pull(step))
    result = run(tmp_path, tensorboard=True)
    shown, log = points(tmp_path), rows(result.log)
    for tag, column in (("loss", "loss"), ("rate", "rate"), ("gradient", "gradient"), ("epoch", "epoch"),
                        ("val/uar", "val_uar"), ("val/war", "val_war")):
        want = [(int(row["step"]), float(row[column])) for row in log if row[column]]
        assert [place for place, _ in shown[tag]] == [place for place, _ in want]
        np.testing.assert_allclose([value for _, value in shown[tag]], [value for _, value in want], rtol=1e-6)
    assert len(shown["val/uar"]) == 3
    assert [value for _, value in shown["loss/cross_entropy"]] == [value for _, value in shown["loss"]]


def test_points_left_out_for_a_while_go_on_where_they_ended(tmp_path):
    for step, expected in ((3, True), (6, False)):
        with pytest.raises(Stop):
            run(tmp_path, tensorboard=expected, progress=pull(step), save_every=0.0)
    run(tmp_path, tensorboard=True)
    assert [place for place, _ in points(tmp_path)["loss"]] == [1, 2, 3, 7, 8, 9]


def test_without_the_package_it_is_reported_before_anything_is_done(monkeypatch, tmp_path):
    true = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "tensorboard" else true(name))
    with pytest.raises(ModuleNotFoundError, match=r'--tensorboard: expected .* pip install "mien\[tensorboard\]"'):
        run(tmp_path, tensorboard=True)
    assert list(tmp_path.iterdir()) == []
    assert not (run(tmp_path).last.parent / TENSORBOARD_FILE).exists()
    assert (tmp_path / LOG_FILE).exists()


# ---------------------------------------------------------------------------------------------- balance

LEANING = RULE([trial(number) for number in (*range(0, 60, 3), 1, 4, 2)])
"""Twenty of the first class, two of the second, one of the third."""


def test_an_epoch_shows_every_class_equally_often(tmp_path):
    seen = Counter()

    def source(trial, pick=None):
        seen[int(trial.id) % 3] += 1
        return colour(trial, pick)

    recipe = override(RECIPE, {"schedule.sampling": "balanced", "schedule.batch": "3"})
    run(tmp_path, recipe, train=LEANING, val=RULE([]), source=source)
    assert seen == {0: 21, 1: 21, 2: 21}  # three epochs of seven batches of three


def test_rare_classes_count_more_in_the_loss(monkeypatch, tmp_path):
    true, seen = DuSE.loss, {}

    def loss(self, batch):
        seen.update(zip(batch.target.tolist(), batch.weight.tolist(), strict=True))
        return true(self, batch)

    monkeypatch.setattr(DuSE, "loss", loss)
    run(
        tmp_path,
        override(RECIPE, {"schedule.weights": "balanced", "schedule.batch": "23"}),
        train=LEANING,
        val=RULE([]),
    )
    classes = np.array(sorted({int(target) for target in LEANING.target}))
    want = compute_class_weight("balanced", classes=classes, y=LEANING.target)
    assert [seen[k] for k in classes] == pytest.approx(want, rel=1e-6)
    assert balanced_weights(np.array([0, 0, 2, 2, 2, 2])).tolist() == [1.5, 0, 0.75]


def test_both_at_once_and_balance_of_ratings_are_refused():
    with pytest.raises(ValueError, match=r"Schedule\.weights: expected equal where classes are drawn equally often"):
        override(RECIPE, {"schedule.weights": "balanced", "schedule.sampling": "balanced"})
    with pytest.raises(ValueError, match="expected plain and equal for rating/arousal"):
        override(RECIPES["mvp/deap-arousal-rating"], {"schedule.sampling": "balanced"})


# ---------------------------------------------------------------------------------------------- votes

def voted(number: int, **counts: str):
    """A trial for whose class seven of ten voted, and three for the next of the three."""
    single = trial(number)
    names = [EXPRESSION.classes[(number + k) % 3] for k in range(2)]
    about = {f"votes_{name}": "0" for name in EXPRESSION.classes} | {f"votes_{names[0]}": "7", f"votes_{names[1]}": "3"}
    return replace(single, about={name: text for name, text in {**about, **counts}.items() if text != "-"})


def test_votes_become_shares():
    result = vote_targets([voted(4), voted(5, votes_fear="10")], EXPRESSION.classes)
    assert result["004"].tolist() == [0, 0.7, 0.3, 0, 0, 0, 0]
    assert result["005"].tolist() == [0.15, 0, 0.35, 0, 0, 0, 0.5]


@pytest.mark.parametrize("counts", [{"votes_happy": "-"}, {"votes_sad": ""},
                                    {f"votes_{name}": "0" for name in EXPRESSION.classes}])
def test_a_clip_without_votes_is_named(counts, tmp_path):
    targets = RULE([voted(0), voted(1, **counts), voted(2), voted(3)])
    with pytest.raises(ValueError, match=r"labels=votes: expected the votes .*for 1 of 4: 001: DFEW has them in"):
        run(tmp_path, override(RECIPE, {"labels": "votes"}), train=targets)
    assert not (tmp_path / LOG_FILE).exists()


def test_training_on_votes_gives_the_annotators_probabilities(tmp_path):
    """Seven of ten for the class, three for the next one; judged by the class alone."""
    recipe = override(RECIPE, {"labels": "votes", "schedule.epochs": "40", "schedule.rate": "0.01",
                             "augment.on": "false"})
    result = run(tmp_path, recipe, train=RULE([voted(number) for number in range(12)]))
    model = mien.load(result.last, precision="32")
    turned = [[(int(entry.id) + k) % 3 for k in range(3)] for entry in VAL.trials]
    probs = np.array([model.predict_window(colour(entry))[order]
                      for entry, order in zip(VAL.trials, turned, strict=True)])
    np.testing.assert_allclose(probs.mean(axis=0), [0.7, 0.3, 0.0], atol=0.1)
    assert result.scores["last"]["uar"] == 1.0


def test_votes_are_for_expressions():
    with pytest.raises(ValueError, match="expected single for scpt/arousal, got votes"):
        override(RECIPES["scpt/deap-arousal"], {"labels": "votes"})


def test_fit_has_no_way_in_for_test_data():
    import inspect

    assert not [name for name in inspect.signature(fit).parameters if "test" in name]


# ---------------------------------------------------------------------------------------------- other loggers


def test_mlflow_has_the_losses_of_the_log_each_once_though_it_was_stopped(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason='expected MLflow, got none: pip install "mien[loggers]"')
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(Stop):
        run(tmp_path, loggers=("mlflow",), progress=pull(4))
    result = run(tmp_path, loggers=("mlflow",))
    client = mlflow.MlflowClient((tmp_path / "mlruns").as_uri())
    (kept,) = client.search_runs([client.get_experiment_by_name("mien").experiment_id])
    history = sorted((point.step, point.value) for point in client.get_metric_history(kept.info.run_id, "loss"))
    log = [(int(row["step"]), float(row["loss"])) for row in rows(result.log)]
    assert [step for step, _ in history] == [step for step, _ in log]
    np.testing.assert_allclose([value for _, value in history], [value for _, value in log], rtol=1e-6)
    assert kept.info.status == "FINISHED"


def leveldb_records(content: bytes, begin: int = 7):
    """The records of a log of LevelDB, in blocks of 32 kB: checksum (4 bytes), length (2), part of a record (1)."""
    place, record = 0, b""
    while place + 7 <= len(content):
        left = 32768 - (place + begin) % 32768
        if left < 7:  # the rest of a block is empty
            place += left
            continue
        length, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        record += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield record
            record = b""


def test_wandb_has_the_losses_of_the_log_off_line(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason='expected W&B, got none: pip install "mien[loggers]"')
    from wandb.proto import wandb_internal_pb2

    monkeypatch.delenv("WANDB_MODE", raising=False)
    result = run(tmp_path, loggers=("wandb",))
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    records, until = [], time.monotonic() + 60
    while not any(record.WhichOneof("record_type") == "exit" for record in records) and time.monotonic() < until:
        # a process of W&B's writes the file, maybe after the run's end
        records = [wandb_internal_pb2.Record.FromString(each) for each in leveldb_records(file.read_bytes()[7:])]
    losses = {}
    for record in records:
        items = {(item.key or ".".join(item.nested_key)): item.value_json for item in record.history.item}
        if "loss" in items:
            losses[int(items["_step"])] = float(items["loss"])
    log = {int(row["step"]): float(row["loss"]) for row in rows(result.log)}
    assert losses == pytest.approx(log, rel=1e-6)


def test_an_installed_package_adds_a_logger_and_another_name_is_refused_first(plugin, tmp_path):
    with pytest.raises(ValueError, match="expected one of wandb, mlflow, lines, got 'none'"):
        run(tmp_path / "refused", loggers=("none",))
    assert not (tmp_path / "refused").exists()
    result = run(tmp_path / "run", loggers=("lines",))
    lines = (tmp_path / "run" / "losses.txt").read_text().splitlines()
    assert lines == [f"{row['step']} {row['loss']}" for row in rows(result.log)]
