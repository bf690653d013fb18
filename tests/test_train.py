"""Training: what learns learns, what is frozen stays, and a training stopped anywhere ends where it would have."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import openpyxl
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

import mien
import tiny_films
from mien import checkpoints, cli, video
from mien.backbones.tower import weights_digest
from mien.checkpoints.card import CARD, WEIGHTS
from mien.core.observations import Window
from mien.core.requirements import ModelRequirements
from mien.core.tasks import ACTION_UNITS, EXPRESSION
from mien.core.trials import Fold, Trial
from mien.datasets.labels import RULES
from mien.inference.analyze import load_model
from mien.models.duse.model import DuSE
from mien.recipes import RECIPES, tiny_recipe
from mien.recipes.overrides import override
from mien.training import data_module
from mien.training.datasets import vote_targets
from mien.training.loop import fit
from shared_lookalikes import copy_dfew
from test_checkpoint import small_clip

RULE = RULES["expression"]
RECIPE = override(tiny_recipe(RECIPES["duse/dfew"]), {"schedule.epochs": "3"})


def trial(number: int) -> Trial:
    return Trial(f"{number:03d}", "planted", labels={"expression": EXPRESSION.classes[number % 3]})


def colour(trial: Trial, pick=None) -> Window:
    """Pictures whose colour says the class, with noise of the trial's own."""
    rng = np.random.default_rng(int(trial.id))
    base = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200]])[int(trial.id) % 3]
    faces = np.clip(base + rng.normal(0, 20, (20, 32, 32, 3)), 0, 255).astype(np.uint8)
    rows = np.arange(20) if pick is None else pick(20)
    nothing = np.zeros((0, len(ACTION_UNITS)))
    return Window(0.0, 1.0, np.zeros(0), np.zeros((0, 4, 3)), nothing[:, :3], nothing, nothing[:, :3], nothing[:, :2],
                  faces=faces[rows], pictured=rows / 25)


TRAIN, VAL = RULE([trial(number) for number in range(12)]), RULE([trial(number) for number in range(12, 18)])


def run(out: Path, recipe=RECIPE, **options):
    given = {"train": TRAIN, "val": VAL, "source": colour, "device": "cpu", "precision": "32", **options}
    return fit(recipe, out=out, **given)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    return run(tmp_path_factory.mktemp("fitted"))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def same(a: Path, b: Path) -> bool:
    """Whether two checkpoints hold the same, bit for bit."""
    first, second = load_file(a / WEIGHTS), load_file(b / WEIGHTS)
    equal = first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    return equal and (a / CARD).read_text() == (b / CARD).read_text()


def test_everything_that_learns_changes_and_the_towers_do_not(tmp_path):
    parts = checkpoints.load_clip(RECIPE.tower)
    frozen = {name: value.clone() for tower in (parts.image, parts.text) for name, value in tower.state_dict().items()}
    begin = checkpoints.factory.trainable(checkpoints.build_model(RECIPE, EXPRESSION, parts, seed=0))
    result = run(tmp_path, parts=parts)
    after = load_file(result.last / WEIGHTS)
    assert set(after) == {*begin, "text_features"}
    assert [name for name in begin if torch.equal(begin[name], after[name])] == []
    now = {name: value for tower in (parts.image, parts.text) for name, value in tower.state_dict().items()}
    assert all(torch.equal(frozen[name], now[name]) for name in frozen)
    assert (weights_digest(parts.image), weights_digest(parts.text)) == (parts.image.hash, parts.text.hash)


def test_in_bfloat16_the_frozen_weights_stay_too_and_what_learns_is_float32(tmp_path):
    parts = checkpoints.load_clip(RECIPE.tower)
    rounded = [value.bfloat16() for value in parts.image.state_dict().values()]
    result = run(tmp_path, parts=parts, precision="bf16")
    assert all(torch.equal(a, b) for a, b in zip(rounded, parts.image.state_dict().values(), strict=True))
    assert {value.dtype for value in load_file(result.last / WEIGHTS).values()} == {torch.float32}


def test_in_float16_the_gradient_is_reported_unscaled(tmp_path):
    result, plain = run(tmp_path / "16", precision="16"), run(tmp_path / "32", precision="32")
    assert float(rows(result.log)[0]["loss"]) == pytest.approx(float(rows(plain.log)[0]["loss"]), rel=0.03)
    assert rows(result.log)[0]["loss"] != rows(plain.log)[0]["loss"]
    half, full = ([float(row["gradient"]) for row in rows(item.log)] for item in (result, plain))
    ratios = [a / b for a, b in zip(half, full, strict=True) if np.isfinite(a)]  # the first steps overflow: 2^16 times
    assert ratios
    assert 0.1 < min(ratios) <= max(ratios) < 10


def test_the_text_tower_is_run_once_a_step_and_once_a_validation(tmp_path, monkeypatch):
    calls, true = [], DuSE.text_features
    monkeypatch.setattr(DuSE, "text_features", lambda self: calls.append(self.cached_text is None) or true(self))
    result = run(tmp_path)
    epochs = RECIPE.schedule.epochs
    written = 1 + len({row["epoch"] for row in rows(result.log)})  # a checkpoint holds them
    assert result.steps + epochs <= sum(calls) <= result.steps + epochs + written


def test_a_planted_colour_is_learnt(tmp_path):
    recipe = override(RECIPE, {"schedule.epochs": "25", "schedule.rate": "0.01", "augment.on": "false"})
    result = run(tmp_path, recipe)
    assert result.scores["chosen"]["uar"] == result.scores["chosen"]["war"] == 1.0
    model = mien.load(result.chosen, precision="32")
    read = [model.task.label(model.predict_window(colour(item))) for item in VAL.trials]
    assert read == [item.labels["expression"] for item in VAL.trials]


def test_the_log_has_a_row_a_step_and_validation_after_each_epoch(fitted):
    result = rows(fitted.log)
    assert [int(row["step"]) for row in result] == list(range(1, 10))
    assert [row["epoch"] for row in result] == [*"111222333"]
    assert [bool(row["val_uar"]) for row in result] == [False, False, True] * 3
    assert [float(row["rate"]) for row in result] == pytest.approx([1e-3] * 6 + [1e-5] * 3)
    assert all(float(row["loss"]) > 0 and float(row["gradient"]) > 0 for row in result)
    best = max(float(row["val_uar"]) for row in result if row["val_uar"])
    assert fitted.scores["chosen"]["uar"] == pytest.approx(best, abs=1e-6)


def test_the_card_tells_where_it_comes_from(tmp_path):
    result = run(tmp_path, data={"dataset": "planted", "fold": "fd1"}, seed=4)
    card = json.loads((result.last / CARD).read_text())
    assert card["tiny"] is True
    assert (card["seed"], card["step"], card["data"]["fold"]) == (4, 9, "fd1")
    assert card["scores"]["val"]["epoch"] == 3
    assert card["recipe"]["changed"] == {"schedule.epochs": "3"}


def test_every_step_counts_the_schedule():
    from mien.training.step import learning_rate_at

    recipe = RECIPES["duse/dfew"]
    assert [learning_rate_at(recipe.schedule, epoch) for epoch in (0, 29, 30, 39, 40, 49)] == pytest.approx(
        [1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5])


# ---------------------------------------------------------------------------------------------- stop and go on

class Steep(torch.autograd.Function):
    """The number itself, with a gradient that is none."""

    @staticmethod
    def forward(_, value):
        return value.clone()

    @staticmethod
    def backward(_, gradient):
        return gradient * float("nan")


class Stop(Exception):
    """Pulls the plug."""


@pytest.mark.parametrize("step", range(1, 9))
def test_stopped_after_any_step_it_ends_with_the_same_weights_and_the_same_log(fitted, tmp_path, step):
    def pull(done, total, loss):
        if done == step:
            raise Stop

    with pytest.raises(Stop):
        run(tmp_path, save_every=0.0 if step % 2 else 60.0, progress=pull)
    again = run(tmp_path)
    assert same(again.last, fitted.last)
    assert same(again.chosen, fitted.chosen)
    assert again.log.read_text() == fitted.log.read_text()
    assert again.scores == fitted.scores


@pytest.mark.slow
def test_killed_it_ends_with_the_same_weights(fitted, tmp_path):
    code = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
import test_train
from pathlib import Path
out = Path({str(tmp_path)!r})
def hold(done, total, loss):
    if done == 3 and (out / "state.pt").exists():
        (out / "held").touch()
        time.sleep(3600)
test_train.run(out, save_every=0.0, progress=hold)
"""
    threads = str(torch.get_num_threads())  # with another number, sums are taken in another order
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "OMP_NUM_THREADS": threads})
    deadline = time.monotonic() + 600
    while not (tmp_path / "held").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait(600) == -signal.SIGKILL  # it had not ended by itself
    (tmp_path / "held").unlink()
    assert (tmp_path / "state.pt").exists()
    assert not (tmp_path / "last").exists()
    again = run(tmp_path)
    assert same(again.last, fitted.last)
    assert again.log.read_text() == fitted.log.read_text()


def test_fit_gives_the_same_weights_for_any_number_of_workers(fitted, tmp_path):
    assert same(run(tmp_path, workers=2).last, fitted.last)


def test_another_seed_gives_other_weights(fitted, tmp_path):
    assert not same(run(tmp_path, seed=1).last, fitted.last)


def test_torch_draws_on_as_if_nothing_had_been(tmp_path):
    before = torch.get_rng_state()
    run(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_finished_training_is_not_done_again(fitted):
    before = (fitted.last / WEIGHTS).stat().st_mtime_ns, fitted.log.read_text()
    again = run(fitted.last.parent, progress=lambda *_: pytest.fail("a step was made"))
    assert again.scores == fitted.scores
    assert fitted.log.read_text() == before[1]


def test_another_training_is_not_gone_on_with(fitted):
    for options, reported in (({"seed": 3}, "another seed"), ({"train": RULE(TRAIN.trials[:9])}, "another trials"),
                          ({"recipe": override(RECIPE, {"options.beta": "0.5"})}, "another recipe"),
                          ({"precision": "bf16"}, "another precision")):
        with pytest.raises(ValueError, match=reported):
            run(fitted.last.parent, **options)


# ---------------------------------------------------------------------------------------------- refusals

@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_fit_stops_at_a_loss_that_is_not_finite_and_names_the_trials(tmp_path, monkeypatch, what):
    true, calls = DuSE.loss, []

    def spoilt(self, batch):
        calls.append(batch.trial)
        result = true(self, batch)["cross_entropy"]
        if len(calls) < 5:
            return {"cross_entropy": result}
        return {"cross_entropy": result * float("nan") if what == "loss" else Steep.apply(result)}

    monkeypatch.setattr(DuSE, "loss", spoilt)
    with pytest.raises(ValueError, match=f"step 5: expected a finite {what}, got nan") as error:
        run(tmp_path)
    assert ", ".join(calls[4]) in str(error.value)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["step"] == 4
    assert all(bool(torch.isfinite(value).all()) for value in state["trained"].values())


def test_one_class_and_trials_on_both_sides_are_refused(tmp_path):
    with pytest.raises(ValueError, match="two or more classes to learn from, got happy"):
        run(tmp_path, train=RULE([trial(0), trial(3)]))
    with pytest.raises(ValueError, match="1 trials on both sides"):
        run(tmp_path, val=RULE([trial(3), trial(40)]))
    assert list(tmp_path.iterdir()) == []


def test_without_validation_the_last_epoch_is_kept(tmp_path):
    result = run(tmp_path, val=RULE([]))
    assert result.scores == {}
    assert (result.last / WEIGHTS).exists()


def test_a_broken_state_is_reported(tmp_path):
    (tmp_path / "state.pt").write_bytes(b"no state")
    with pytest.raises(ValueError, match="expected the state of a training"):
        run(tmp_path)


def test_a_batch_of_three_learns_as_three_of_one():
    parts = checkpoints.load_clip(RECIPE.tower)
    model = checkpoints.build_model(RECIPE, EXPRESSION, parts, seed=0)
    from mien.preprocessing.data_loader import TrialDataset, evaluation_loader

    clips = TrialDataset(TRAIN.trials[:3], colour, model.needs, {item.id: int(item.id) % 3 for item in TRAIN.trials})
    complete = next(iter(evaluation_loader(clips, 3)))
    model.loss(complete)["cross_entropy"].backward()
    together = {name: value.grad.clone() for name, value in model.named_parameters() if value.requires_grad}
    model.zero_grad()
    for batch in evaluation_loader(clips, 1):
        (model.loss(batch)["cross_entropy"] / 3).backward()
    for name, value in model.named_parameters():
        if value.requires_grad:
            torch.testing.assert_close(value.grad, together[name], rtol=1e-3, atol=1e-4)


# ---------------------------------------------------------------------------------------------- folds

def test_a_fold_is_chosen_by_name_or_number():
    def fold(name):
        return Fold(name, "p", (trial(0),), (), (trial(1),), subject_independent=False)

    folds = (fold("fd1"), fold("fd2"))
    assert data_module.choose_fold(folds, "2") is folds[1]
    assert data_module.choose_fold(folds, "fd1") is folds[0]
    with pytest.raises(ValueError, match="expected 1 to 2 or one of fd1, fd2, got '3'"):
        data_module.choose_fold(folds, "3")


def test_filmed_trials_leaves_out_people_without_a_video():
    """DEAP: signals of 32 subjects, films of 22."""
    trials = [Trial(f"s{n:02d}/1", "deap", f"s{n:02d}", video=Path("x.avi") if n <= 22 else None) for n in range(1, 33)]
    assert {trial.subject for trial in data_module.filmed_trials(trials)} == {f"s{n:02d}" for n in range(1, 23)}
    with pytest.raises(ValueError, match="expected trials with a video, got none"):
        data_module.filmed_trials(trials[22:])


def test_recipes_name_datasets_and_protocols_that_exist():
    from mien.datasets import DATASETS
    from mien.datasets.splits import PROTOCOLS

    for recipe in RECIPES.values():
        assert recipe.dataset in DATASETS
        assert recipe.protocol in PROTOCOLS
        assert recipe.method != "duse" or recipe.task.texts is not None  # the others know classes by number


# ---------------------------------------------------------------------------------------------- the whole way

@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A dataset as it comes, prepared and trained on by the one command."""
    place = tmp_path_factory.mktemp("whole")
    copy_dfew(tmp_path_factory, place / "dfew")
    done = CliRunner().invoke(cli.app, ["train", "duse/dfew", "--data", str(place / "dfew"), "--fold", "2", "--tiny",
                                        "--set", "schedule.epochs=1", "--out", str(place / "run"), "--device", "cpu"])
    assert done.exit_code == 0, done.output
    assert "tiny: it only tests the pipeline, its scores are meaningless" in done.stdout
    assert "fd2, DFEW official 5-fold" in done.stderr
    return place


def test_one_command_leads_from_a_dataset_to_a_checkpoint(trained):
    card = json.loads((trained / "run/chosen" / CARD).read_text())
    assert (card["tiny"], card["data"]["dataset"], card["data"]["fold"]) == (True, "dfew", "fd2")
    assert card["data"]["train"] + card["data"]["val"] == 12
    assert len(rows(trained / "run/log.csv")) == card["data"]["train"] // 4
    test = {row["video_name"] for row in rows(
        trained / "dfew/EmoLabel_DataSplit/test(single-labeled)/set_2.csv")}
    assert len(test) == 3


def test_the_votes_of_dfew_are_those_of_its_workbook(trained):
    """The table read by openpyxl alone; without it the training is refused before anything is prepared."""
    recipe = override(RECIPES["duse/dfew"], {"labels": "votes"})
    survey, _ = data_module.split(recipe, trained / "dfew")
    result = vote_targets(survey.trials, EXPRESSION.classes)
    workbook = trained / "dfew" / "Annotation" / "annotation.xlsx"
    header, *table = openpyxl.load_workbook(workbook).active.iter_rows(values_only=True)
    columns = [next(n for n, name in enumerate(header) if str(name).endswith(item)) for item in EXPRESSION.classes]
    planted = Counter(tuple(row[n] for n in columns) for row in table)
    assert len(result) == 15
    assert not Counter(tuple(np.rint(10 * shares).astype(int)) for shares in result.values()) - planted
    for item in survey.trials:
        assert EXPRESSION.classes[int(result[item.id].argmax())] == item.labels["expression"]
    away = workbook.rename(trained / "annotation.xlsx")
    try:
        with pytest.raises(ValueError, match=r"for 15 of 15: .*mien data check says what is wrong with it"):
            data_module.split(recipe, trained / "dfew")
    finally:
        away.rename(workbook)


def test_one_command_learns_from_votes_with_points_and_in_one_order(trained, tmp_path):
    done = CliRunner().invoke(cli.app, [
        "train", "duse/dfew", "--data", str(trained / "dfew"), "--fold", "2", "--tiny", "--cache",
        str(trained / "run/cache"), "--out", str(tmp_path), "--device", "cpu", "--set", "labels=votes", "--set",
        "schedule.epochs=3", "--set", "schedule.patience=1", "--set", "schedule.rate=1e-12", "--tensorboard",
        "--deterministic"])
    assert done.exit_code == 0, done.output
    assert "targets are the annotators' votes; the most frequent class has " in done.stderr
    assert "stopped after epoch 2: no better uar on validation for 1 epochs; the best is epoch 1" in done.stdout
    assert "\n  deterministic\n" in done.stdout
    reported = [line for line in done.stderr.splitlines() if line.startswith("epoch ")]
    assert [line.split(":")[0] for line in reported] == ["epoch 1 of 3", "epoch 2 of 3"]
    last = rows(tmp_path / "log.csv")[-1]
    assert f"loss {last['loss']}; validation uar {float(last['val_uar']):.3f}, war " in reported[1]
    assert (tmp_path / "events.out.tfevents.mien").stat().st_size > 200
    assert {row["epoch"] for row in rows(tmp_path / "log.csv")} == {"1", "2"}


@pytest.mark.parametrize(("arguments", "reported"), [
    (["duse/dfw"], "mien: recipe: expected one of"), (["duse/dfew", "--set", "beta"], "mien: --set: expected path"),
    (["duse/dfew", "--tiny", "--device", "toaster"], "mien: --device: expected auto"),
    (["duse/dfew", "--tiny", "--precision", "8"], "mien: --precision: expected auto"),
    (["duse/dfew", "--set", "tower=tiny"], "mien: --set tower=tiny: Recipe.tower: expected a folder or a hub id"),
    (["duse/dfew", "--tiny", "--devices", "3"], "mien: schedule.batch: expected a multiple of the 3 devices, got 4"),
    (["duse/dfew", "--tiny", "--set", "options.depth=5"], "mien: DuSEConfig.depth: expected 1 to 2 layers"),
    (["duse/dfew", "--tiny", "--set", "options.prompts=0", "--set", "options.lsea=false"], "trainable parameters"),
    (["duse/dfew", "--set", "tower=/no/clip"], "mien: /no/clip: expected a folder"),
    (["duse/dfew", "--tiny"], "expected the dataset dfew, got nothing"),
])  # fmt: skip
def test_train_reports_bad_arguments_in_one_line(tmp_path, arguments, reported):
    done = CliRunner().invoke(cli.app, ["train", *arguments, "--data", str(tmp_path), "--out", str(tmp_path / "x")])
    assert done.exit_code == 1
    assert reported in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_two_devices_share_the_work_and_one_of_them_speaks(trained, tmp_path):
    reported = subprocess.run(
        [sys.executable, "-m", "mien.cli", "train", "duse/dfew", "--data", trained / "dfew", "--fold", "2", "--tiny",
         "--cache", trained / "run/cache", "--out", tmp_path, "--device", "cpu", "--devices", "2"],
        capture_output=True, text=True, timeout=240, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert reported.returncode == 0, reported.stderr
    assert reported.stdout.count("tiny: it only tests the pipeline, its scores are meaningless") == 1
    assert reported.stderr.count("fd2, DFEW official 5-fold") == 1
    losses = [float(row["loss"]) for row in rows(tmp_path / "log.csv")]
    assert len(losses) > 1
    assert np.isfinite(losses).all()


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    return tiny_films.film(tmp_path_factory.mktemp("film") / "talk.mp4", 3.0)


def analysed(film: Path, out: Path, *arguments: object):
    return CliRunner().invoke(cli.app, ["analyze", str(film), "--out", str(out), "-q", *map(str, arguments)])


def test_a_checkpoint_analyses_a_video(trained, film, tmp_path):
    done = analysed(film, tmp_path / "out", "--model", trained / "run/chosen")
    assert done.exit_code == 0, done.stderr
    (folder,) = (path.parent for path in (tmp_path / "out").rglob("summary.json"))
    reported = json.loads((folder / "summary.json").read_text())
    expression = reported["faces"][0]["expression"]
    assert list(expression) == list(EXPRESSION.classes)
    assert sum(expression.values()) == pytest.approx(1, abs=1e-4)
    report = (folder / "report.html").read_text()
    assert "named by the model" in report
    assert ("These predictions are meaningless: the model is tiny: it only tests the pipeline, its scores are "
            "meaningless.") in report
    notes = (tmp_path / "out/manifest.json").read_text()
    assert ("these predictions are meaningless: the model is tiny: it only tests the pipeline, its scores are "
            "meaningless") in notes
    facs = mien.analyze(film)
    read = mien.analyze(film, model=str(trained / "run/chosen"))
    for first, second in zip(facs.emotions, read.emotions, strict=True):
        assert first.abstained == second.abstained
        assert first.heart_rate == second.heart_rate
        assert first.abstained or not np.allclose(first.probs, second.probs)


def test_other_weights_under_the_same_name_are_read_anew(film, tmp_path):
    clip, shown = tmp_path / "clip", []
    for seed in (0, 1):
        model = small_clip(clip)
        torch.manual_seed(seed)
        torch.nn.init.normal_(model.visual_projection.weight)
        model.save_pretrained(clip)
        done = analysed(film, tmp_path / "out", "--model", f"clip:{clip}")
        assert done.exit_code == 0, done.stderr
        (reported,) = (tmp_path / "out").rglob("summary.json")
        shown.append(json.loads(reported.read_text())["faces"][0]["expression"])
    assert shown[0] != shown[1]


def test_a_tower_that_was_moved_is_named(trained, film, tmp_path):
    small_clip(tmp_path / "here")
    run = tmp_path / "run"
    done = CliRunner().invoke(cli.app, [
        "train", "duse/dfew", "--data", str(trained / "dfew"), "--fold", "2", "--tiny", "--set", "schedule.epochs=1",
        "--set", f"tower={tmp_path / 'here'}", "--cache", str(trained / "run/cache"), "--out", str(run)])
    assert done.exit_code == 0, done.stderr
    assert "a trial of few steps" in done.stdout
    assert "meaningless" not in done.stdout
    (tmp_path / "here").rename(tmp_path / "there")
    done = analysed(film, tmp_path / "out", "--model", run / "last")
    assert done.exit_code == 1
    assert "--tower" in done.stderr
    done = analysed(film, tmp_path / "out", "--model", run / "last", "--tower", tmp_path / "there")
    assert done.exit_code == 0, done.stderr


def test_the_weights_of_frames_are_reported(trained):
    model = mien.load(trained / "run/last")
    result = model.evidence([colour(trial(0))])
    assert result.frames.sum(dim=1).tolist() == pytest.approx([1.0])
    assert result.frames.shape == (1, 16)
    probs = result.logits.softmax(dim=-1)[0].numpy()
    assert probs == pytest.approx(model.predict_window(colour(trial(0))), abs=1e-6)


def test_other_labels_are_read_at_run_time_with_and_without_training(trained, film, tmp_path):
    labels = tmp_path / "labels.yaml"
    labels.write_text("bored: a dull look\namused: a faint smile\ntired: heavy eyelids\n")
    for number, model in enumerate((trained / "run/chosen", "clip:tiny")):
        done = analysed(film, tmp_path / str(number), "--model", model, "--labels", labels, "--format", "csv,jsonl,srt")
        assert done.exit_code == 0, done.stderr
        (table,) = (tmp_path / str(number)).rglob("timeline.csv")
        assert {"p_bored", "p_amused", "p_tired"} <= set(rows(table)[0])
        (events,) = (tmp_path / str(number)).rglob("events.jsonl")
        assert list(json.loads(events.read_text().splitlines()[0])["expression"]) == ["bored", "amused", "tired"]
    labels.write_text("")
    done = analysed(film, tmp_path / "empty", "--model", "clip:tiny", "--labels", labels)
    assert done.exit_code == 1
    assert "labels.yaml: expected labels, got an empty file" in done.stderr
    assert not (tmp_path / "empty").exists()


def test_fed_one_by_one_equals_fed_at_once(film):
    """A stream that forgets and one that keeps all give the same rows, at every rate of frames."""
    settings = mien.Settings(step=0.4, duration=2.0)
    model = load_model(replace(settings, model="clip:tiny"))  # the model that analyze uses, in its precision
    with video.open_video(film) as opened:
        frames = list(opened)
    at_once = mien.analyze(film, settings, model="clip:tiny")
    with mien.Stream(model, settings) as stream:
        result = [row for frame in frames for row in stream.push(frame)] + stream.close()
    assert len(result) == len(at_once.emotions) > 3
    for first, second in zip(result, at_once.emotions, strict=True):
        np.testing.assert_allclose(first.probs, second.probs, atol=1e-6, equal_nan=True)
        assert (first.start, first.face, first.reason) == (second.start, second.face, second.reason)


def test_a_window_for_a_model_holds_pictures_of_its_own_time_and_no_more(film):
    class Spy:
        task, needs, seconds = EXPRESSION, ModelRequirements(frames=4, size=16), 1.0
        seen: list[Window] = []  # noqa: RUF012

        def predict_window(self, window):
            self.seen.append(window)
            return np.full(7, 1 / 7)

    spy = Spy()
    with video.open_video(film) as opened, mien.Stream(spy, mien.Settings(step=0.5)) as stream:
        for frame in opened:
            stream.push(frame)
        stream.close()
        album = next(iter(stream.people.values())).seen.album
    assert len(spy.seen) > 3
    for window in spy.seen:
        assert window.faces.shape[1:] == (16, 16, 3)
        assert len(window.pictured) > 0
        assert ((window.pictured >= window.start) & (window.pictured < window.end)).all()
        assert window.end - window.start <= 1.0 + 1e-9
        assert np.isin(window.pictured, window.times).all()
        assert (np.diff(window.pictured) >= 1 / 16).all()
        assert window.faces.std() > 10
    assert len(album._times) <= 17
