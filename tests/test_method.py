"""A method that the package does not know: one file and one recipe, added by entry points, and everything takes it."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

import live_films
import mien
from mien import checkpoints, cli, export, recipes
from mien.checkpoints.feature_cache import FeatureCache
from mien.core.settings import Settings
from mien.core.tasks import EXPRESSION
from mien.inference.live.session import LiveSession
from mien.inference.stream import Stream
from mien.models.method import FrameFeatures, Output
from mien.models.registry import METHODS, method
from mien.preprocessing.cache import Cache
from mien.recipes import RECIPES, tiny_recipe
from shared_lookalikes import prepared_dfew


@pytest.fixture(scope="module", autouse=True)
def probe(plugin):
    """The module of the method, in the package of tests/plugin."""
    return importlib.import_module("mien_example.linear_probe")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A lookalike of DFEW with three clips a fold, prepared without looking for faces."""
    return prepared_dfew(tmp_path_factory)


def run(data: Path, command: str, out: Path, *more: str) -> None:
    done = CliRunner().invoke(cli.app, [
        command, "probe/dfew", "--data", str(data / "dfew"), "--cache", str(data / "cache"), "--tiny", "--device",
        "cpu", "--precision", "32", "--out", str(out), *more])
    assert done.exit_code == 0, done.output


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "run"
    run(data, "train", out, "--fold", "2")
    return out / "chosen"


def test_the_package_itself_does_not_know_it(probe):
    assert "linear_probe" not in METHODS
    assert "probe/dfew" not in RECIPES
    assert method("linear_probe") is probe.LinearProbe
    assert recipes.find_recipe("probe/dfew").options.grid == 4


def test_it_is_trained_and_its_checkpoint_says_so(trained, probe):
    card = json.loads((trained / "card.json").read_text())
    assert (card["recipe"]["method"], card["recipe"]["options"]) == ("linear_probe", {"grid": 4})
    begin = checkpoints.build_model(tiny_recipe(recipes.find_recipe("probe/dfew")), EXPRESSION, None, seed=0)
    kept = load_file(trained / "model.safetensors")
    assert set(kept) == {"linear.weight", "linear.bias"}
    assert not any(torch.equal(kept[name], value) for name, value in begin.named_parameters())
    model = mien.load(trained)
    assert isinstance(model.model, probe.LinearProbe)
    assert all(torch.equal(kept[name], value) for name, value in model.model.named_parameters())


def test_it_is_judged_by_the_protocol(data, tmp_path):
    run(data, "bench", tmp_path / "bench", "--folds", "2")
    frame = pd.read_parquet(tmp_path / "bench/predictions.parquet")
    assert len(frame) == 2 * 3  # each test clip by both checkpoints
    model, cache = mien.load(tmp_path / "bench/folds/fd2/last", precision="32"), Cache(data / "cache")
    for _, row in frame[frame["checkpoint"] == "last"].iterrows():
        probs = model.predict_window(cache.clip(cache.entries[row["trial"]].trial))
        np.testing.assert_allclose(probs, row[[f"calibrated_{name}" for name in EXPRESSION.classes]].to_numpy(float),
                                   atol=1e-6)
    assert "probe/dfew, 1 of 5 folds" in (tmp_path / "bench/table.md").read_text()


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    return live_films.write(tmp_path_factory.mktemp("recording") / "talk.mp4", 3.0)


def test_it_reads_a_recording(trained, recording):
    timeline = mien.analyze(recording, model=str(trained), pictures=False)
    rows = [row for row in timeline.emotions if not row.abstained]
    assert len(rows) >= 3
    assert all(row.probs.sum() == pytest.approx(1.0) for row in rows)
    assert len({tuple(row.probs) for row in rows}) > 1  # it looks at the pictures


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory) -> export.ExportReport:
    return export.export(trained, "openvino", tmp_path_factory.mktemp("exported") / "openvino")


def test_it_is_exported(trained, exported, data):
    assert exported.exact < 1e-6
    cache = Cache(data / "cache")
    windows = [cache.clip(trial) for trial in cache.trials[:3]]
    result = mien.load(exported.folder, precision="32").predict_proba(windows)
    np.testing.assert_allclose(result, mien.load(trained, precision="32").predict_proba(windows), atol=1e-6)


def test_it_is_served_live_as_a_checkpoint_and_as_an_exported_model(trained, exported):
    for folder in (trained, exported.folder):
        settings = Settings(model=str(folder), pictures=False)
        with LiveSession(settings) as session:
            events = [event for frame in live_films.film(2.0) for event in session.push(frame)]
            with Stream(session._model, settings, keep_all=True) as stream:
                rows = {row.start: row for frame in live_films.film(2.0) for row in stream.push(frame)}
        reported = [event.row for event in events if event.row is not None and not event.row.abstained]
        assert len(reported) >= 2
        assert all(np.array_equal(row.probs, rows[row.start].probs) for row in reported)


def test_features_of_its_frames_are_kept_between_windows(trained, data):
    model, cache = mien.load(trained, precision="32"), Cache(data / "cache")
    assert isinstance(model.model, FrameFeatures)
    reusing, window = FeatureCache(model), cache.clip(cache.trials[0])
    np.testing.assert_allclose(reusing.predict_window(window), model.predict_window(window), atol=1e-6)
    assert reusing.exact
    assert reusing.fresh == reusing.pictures
    reusing.predict_window(window)
    assert reusing.fresh < reusing.pictures


def test_a_checkpoint_of_a_method_that_is_not_there_is_refused_in_one_sentence(trained, tmp_path):
    for file in trained.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    card = json.loads((tmp_path / "card.json").read_text())
    card["recipe"]["method"] = "gone"
    (tmp_path / "card.json").write_text(json.dumps(card))
    known = "duse, scpt, mvp, clip_peers, linear_probe"
    with pytest.raises(ValueError, match=f"method: expected one of {known}, got 'gone'"):
        mien.load(tmp_path)


# What a checkpoint of each method held when format 1 was made: names of tensors by their first part.
FORMAT_1 = {"duse/dfew": {"htpc", "lsea", "text_features"}, "mvp/deap-arousal": {"body", "face", "fusion"},
            "scpt/deap-arousal": {"adapters", "head", "null", "prompts"}}
CARD_1 = {"schema", "licence", "tiny", "recipe", "classes", "texts", "tokens", "image", "text", "words",
          "preprocessing", "parameters", "seed", "step", "data", "scores", "version"}


@pytest.mark.parametrize("name", FORMAT_1)
def test_checkpoints_keep_the_format_that_older_ones_have(name, tmp_path):
    recipe = tiny_recipe(RECIPES[name])
    towers = checkpoints.load_towers(recipe)
    model = checkpoints.build_model(recipe, recipe.task, towers, subjects=3)
    hashes = (towers.image.hash if towers else "", towers.text.hash if towers and towers.text else "")
    card = checkpoints.make_card(recipe, recipe.task, model, hashes)
    saved = checkpoints.Predictor(model, recipe.task, recipe.seconds, card).save_pretrained(tmp_path / "saved")
    assert {key.split(".")[0] for key in load_file(saved / "model.safetensors")} == FORMAT_1[name]
    reported = json.loads((saved / "card.json").read_text())
    assert set(reported) == CARD_1
    assert reported["schema"] == "mien.checkpoint/1"
    again = mien.load(saved, precision="32").save_pretrained(tmp_path / "again")
    assert (again / "card.json").read_text() == (saved / "card.json").read_text()


@pytest.mark.parametrize("name", FORMAT_1)
def test_tensors_of_another_model_are_refused(name):
    recipe = tiny_recipe(RECIPES[name])
    model = checkpoints.build_model(recipe, recipe.task, checkpoints.load_towers(recipe))
    state = {key: value.clone() for key, value in model.export_state().items()}
    single = next(key for key in state if key != "text_features")
    with pytest.raises(ValueError, match=r"expected the tensors of \d+ trained parameters, these differ: "):
        model.restore({key: value for key, value in state.items() if key != single})
    model.restore(state)


@pytest.mark.parametrize("name", FORMAT_1)
def test_method_inputs_follow_from_its_options(name):
    recipe = RECIPES[name]
    requests = method(recipe.method).inputs(recipe.options)
    assert set(requests.any_of) <= {"pictures", "signals"}
    assert requests.any_of
    assert (requests.clips is None) or requests.sequences


def test_inputs_are_those_of_the_papers():
    def inputs(name: str, **settings: str):
        recipe = recipes.override(RECIPES[name], {f"options.{key}": value for key, value in settings.items()})
        return method(recipe.method).inputs(recipe.options)

    assert inputs("duse/dfew").any_of == ("pictures",)
    assert inputs("scpt/deap-arousal").pulse == "camera"
    assert inputs("scpt/deap-arousal", prompts="none").pulse == ""  # the face alone
    both, face, body = (inputs("mvp/deap-arousal", modality=item) for item in ("both", "video", "physio"))
    assert (both.any_of, face.any_of, body.any_of) == (("pictures", "signals"), ("pictures",), ("signals",))
    assert (both.action_units, face.action_units, body.action_units) == (True, True, False)
    clips = inputs("mvp/deap-arousal", video="somewhere", crop="tight").clips
    assert (clips.source, clips.crop) == ("somewhere", "tight")
    assert inputs("mvp/deap-arousal", video="somewhere", modality="physio").clips is None


def test_sources_name_what_was_there_in_order():
    logits = torch.zeros(3, 2)
    present = {"face": torch.tensor([True, True, False]), "ecg": torch.tensor([True, False, False])}
    assert Output(logits, logits, present).sources == ("face+ecg", "face", "")
    assert Output(logits, logits).sources == ("", "", "")


@pytest.mark.parametrize("name", ["duse/dfew", "scpt/deap-arousal", "mvp/deap-arousal"])
def test_a_rule_of_ratings_is_refused_by_a_model_that_names_classes(name):
    recipe = RECIPES[name]
    task = recipes.RECIPES["mvp/deap-arousal-rating"].task
    with pytest.raises(ValueError, match=r"options\.heads: expected rating for a rule of ratings and for no other"):
        method(recipe.method).check_task(recipe.options, task, "rating/arousal")
    method(recipe.method).check_task(recipe.options, recipe.task, recipe.rule)
