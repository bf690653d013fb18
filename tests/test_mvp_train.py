"""MVP from prepared trials to a checkpoint that reads a recording, by the one loop."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.text import Text
from sklearn.metrics import f1_score
from typer.testing import CliRunner

import mien
import skin_traces
from mien import checkpoints, cli, simulation
from mien.checkpoints.card import CARD, read_card
from mien.core.requirements import ModelRequirements
from mien.core.trials import Fold, Trial
from mien.datasets import DATASETS
from mien.datasets.index import DatasetIndex
from mien.datasets.labels import RULES
from mien.datasets.splits.fingerprint import split_hash
from mien.datasets.splits.subjects import kfold
from mien.models import mvp
from mien.models.videomae import CLIP_SECONDS
from mien.preprocessing.cache import Cache
from mien.preprocessing.clip_feature_cache import ClipFeatureCache, load_provenance
from mien.preprocessing.data_loader import TrialDataset, evaluation_loader
from mien.preprocessing.model_inputs import prepare_batch
from mien.preprocessing.trial_dataset import TrialSource
from mien.recipes import RECIPES, tiny_recipe
from mien.recipes.overrides import from_json, override, to_json
from mien.simulation import datasets as simulated_datasets
from mien.simulation.datasets import media_files
from mien.training import data_module, plots
from mien.training.data_module import DataModule, load_fold
from mien.training.loop import fit
from shared_lookalikes import amigos_without_videos
from test_scpt_data import write

pytestmark = pytest.mark.slow

RULE = RULES["mvp/arousal"]
RECIPE = override(tiny_recipe(RECIPES["mvp/deap-arousal"]), {"options.seconds": "12"})


def test_there_is_a_recipe_for_each_dataset_and_dimension():
    for dataset, signals, seconds in (("amigos", ("ecg", "ecg_left", "eda"), 120.0), ("deap", ("ppg", "eda"), 60.0)):
        for label in ("valence", "arousal"):
            recipe = RECIPES[f"mvp/{dataset}-{label}"]
            assert (recipe.dataset, recipe.rule, recipe.protocol) == (dataset, f"mvp/{label}", "kfold")
            assert (recipe.options.signals, recipe.options.seconds, recipe.seconds) == (signals, seconds, seconds)
            assert (recipe.task.classes, recipe.windowed) == (("low", "high"), False)
            assert from_json(json.loads(json.dumps(to_json(tiny_recipe(recipe))))) == tiny_recipe(recipe)
    result = override(recipe, {"options.fusion": "late", "options.signals": "eda", "options.modality": "physio"})
    assert (result.options.fusion, result.options.signals, result.options.modality) == ("late", ("eda",), "physio")
    with pytest.raises(ValueError, match=r"MVPConfig\.width"):
        override(recipe, {"options.width": "1"})


def test_a_model_has_an_answer_for_each_class():
    for dataset in ("amigos", "deap"):
        both = RECIPES[f"mvp/{dataset}-both"]
        assert (both.rule, both.options.heads, len(both.task.classes)) == ("mvp/both", "two", 4)
        assert (both.options.signals, both.seconds) == (
            RECIPES[f"mvp/{dataset}-valence"].options.signals, RECIPES[f"mvp/{dataset}-valence"].seconds)
    for recipe, setting in (
        (RECIPE, {"options.heads": "two"}),
        (RECIPE, {"rule": "thirds/arousal"}),
        (tiny_recipe(both), {"options.heads": "one"}),
        (tiny_recipe(both), {"rule": "mvp/valence"}),
    ):
        wrong = override(recipe, setting)
        with pytest.raises(ValueError, match=r"options\.heads: expected an answer for each of the \d classes"):
            checkpoints.build_model(wrong, wrong.task, None)


def test_two_heads_are_trained_judged_and_read(training_data, tmp_path):
    source, _, _ = training_data
    trials = [replace(trial, labels={"valence": 9.0 - 8 * (k // 2 % 2), "arousal": 1.0 + 8 * (k % 2)})
              for k, trial in enumerate(source.cache.trials)]
    rule, recipe = RULES["mvp/both"], override(tiny_recipe(RECIPES["mvp/deap-both"]), {"options.seconds": "12"})
    train, val = rule(trials[:8]), rule(trials[8:])
    result = fit(recipe, train, val, source, tmp_path / "run", device="cpu", precision="32")
    scores = result.scores["chosen"]
    model = mien.load(result.chosen, task=recipe.task, precision="32")
    probs = model.predict_proba([source(trial) for trial in val.trials])
    assert probs.shape == (4, 4)
    np.testing.assert_allclose(probs.sum(axis=1), 1)
    for name, step in (("valence", 2), ("arousal", 1)):
        truth, guess = val.target // step % 2, probs.argmax(axis=1) // step % 2
        assert scores[f"{name}_macro_f1"] == pytest.approx(f1_score(truth, guess, average="macro", zero_division=0))
        share = np.bincount(train.target // step % 2, minlength=2) / 8
        of = np.bincount(truth, minlength=2) / 4
        assert scores[f"chance_{name}_macro_f1"] == pytest.approx(np.mean(2 * share * of / (share + of)))
    stored = DataModule(source.cache, None, train, val, (), source)
    plots.plot_labels(tmp_path / "labels.png", {"train": stored.train, "val": stored.val})
    assert (tmp_path / "labels.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def training_data(tmp_path_factory):
    """Six people with two trials each; the last two of them validate. No eda was recorded."""
    trials = [Trial(f"s{who}/{number}", "deap", subject=f"s{who}", labels={"arousal": 3.0 + 4 * number})
              for who in range(6) for number in range(2)]
    lengths = {trial.id: 9.0 + k % 5 for k, trial in enumerate(trials)}
    cache = write(tmp_path_factory.mktemp("cache") / "cache", trials, lengths)
    return TrialSource(cache), RULE(trials[:8]), RULE(trials[8:])


@pytest.fixture(scope="module")
def fitted(training_data, tmp_path_factory):
    source, train, val = training_data
    return fit(RECIPE, train, val, source, tmp_path_factory.mktemp("fitted"), device="cpu", precision="32")


def test_it_learns_and_reads_again_what_it_learnt(fitted, training_data):
    source, _, val = training_data
    model = mien.load(fitted.chosen, task=RECIPE.task, precision="32")
    assert isinstance(model.model, mvp.MVP)
    assert model.needs.signals == ("ppg", "eda")
    assert fitted.scores["last"]["epoch"] == 2
    windows = [source(trial) for trial in val.trials]
    probs = model.predict_proba(windows)
    np.testing.assert_allclose(probs.sum(axis=1), 1)
    np.testing.assert_allclose(model.predict_window(windows[0]), probs[0], atol=1e-6)
    clips = TrialDataset(val.trials, source, model.needs, {trial.id: 0 for trial in val.trials})
    with torch.no_grad():
        result = model.model.infer(next(iter(evaluation_loader(clips, 4))))
    np.testing.assert_allclose((result.logits.double() / model.temperature).softmax(dim=-1).numpy(), probs, atol=1e-5)
    assert (result.signals[:, 0] > 8).all()
    assert not result.signals[:, 1].any()
    blind = [replace(window, signals=None) for window in windows]
    assert np.abs(model.predict_proba(blind) - probs).max() > 1e-6


def test_the_card_says_what_it_needs(fitted):
    card = json.loads((fitted.chosen / CARD).read_text())
    assert (card["recipe"]["method"], card["tokens"], card["image"]) == ("mvp", [], "")
    reported = card["preprocessing"]
    assert [reported[name] for name in ("signals", "rate", "aus", "seconds")] == [["ppg", "eda"], 128.0, 5.0, 12.0]
    assert card["parameters"] == sum(value.numel() for value in mvp.MVP(RECIPE.options).parameters())


def test_one_command_leads_from_a_dataset_to_a_scored_fold(tmp_path):
    """By signals alone: rendering and following faces would take minutes, and other tests do it."""
    amigos_without_videos(tmp_path / "data")
    done = CliRunner().invoke(cli.app, [
        "train", "mvp/amigos-valence", "--data", str(tmp_path / "data"), "--fold", "1", "--tiny", "--device", "cpu",
        "--set", "protocol=loso", "--set", "schedule.epochs=1", "--set", "options.modality=physio",
        "--set", "options.subjects=all", "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    row = next(line for line in done.stdout.splitlines() if line.startswith("  chosen"))
    order = ["validation macro-F1", "F1 of high", "weighted F1", "UAR", "WAR"]
    assert [row.index(name) for name in order] == sorted(row.index(name) for name in order)
    assert row.count("(chance ") == 5
    assert "leave one subject out" in done.stderr
    for name in (plots.LABELS, plots.CASES):
        if name in done.stdout:  # cases are drawn where a trial was right
            assert (tmp_path / "run" / name).read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "run" / plots.LABELS).exists()
    model = mien.load(tmp_path / "run/chosen", precision="32")
    assert (model.needs.signals, model.needs.aus) == (("ecg", "ecg_left", "eda"), None)


@pytest.fixture(scope="module")
def deap(tmp_path_factory):
    """Five people, two trials each with a film of 3 s, the same small face in all."""
    root = tmp_path_factory.mktemp("deap")
    actor = simulation.Actor(simulation.identity(1), position=(80.0, 60.0), scale=0.45)
    scene = simulation.Scene((actor,), size=(160, 120), fps=10, seconds=3.0, coarse=2.0)
    media_files.video(root / "face.avi", (frame.rgb for frame in scene.frames()), 10)

    def film(base, variant, seconds, marked, plan):
        if plan.order <= 2:
            path = base / "face_video" / plan.video
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / "face.avi", path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated_datasets.deap, "_film", film)
        simulated_datasets.LOOKALIKES["deap"](root / "data", size=4, subjects=(1, 2, 3, 4, 5), seconds=8.0)
    return root


@pytest.mark.parametrize(("fold", "video"), [("1", "aus"), ("2", "tiny")])
def test_deap_is_learnt_from_with_faces_by_folds_over_people(deap, tmp_path, fold, video):
    """Prepared once; by action units, then by clips, whose tower learns for its fold."""
    features = ["--set", "options.features=32"] if video == "tiny" else []
    done = CliRunner().invoke(cli.app, [
        "train", "mvp/deap-arousal", "--data", str(deap / "data"), "--cache", str(deap / "cache"), "--fold", fold,
        "--tiny", "--device", "cpu", "--set", "schedule.epochs=1", "--set", f"options.video={video}", *features,
        "--set", "options.seconds=6", "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    survey, folds = data_module.split(RECIPE, deap / "data")
    chosen = folds[int(fold) - 1]
    assert (len(folds), chosen.subject_independent) == (5, True)
    assert sum(trial.video is not None for trial in survey.trials) == sum(len(side) for _, side in chosen) == 10
    model = mien.load(tmp_path / "run/chosen", precision="32")
    reported = model.card.data
    assert (reported["split"], reported["val"], reported["tiny"]) == (split_hash(chosen), len(chosen.val), True)
    full_files = TrialSource(Cache(deap / "cache"))
    if video == "tiny":
        learnt = load_provenance(model.videomae())
        assert learnt.people == {("deap", trial.subject) for trial in chosen.train}
        assert not learnt.people & {("deap", trial.subject) for trial in (*chosen.val, *chosen.test)}
        full_files = replace(full_files, features=ClipFeatureCache(deap / "cache/features", model.videomae(), chosen))
    used = model.evidence([full_files(trial) for trial in chosen.test])
    assert (used.video > 2).all()
    assert (used.signals == 2.5).all()  # as long as the film, in whole patches
    row = next(line for line in done.stdout.splitlines() if line.startswith("  chosen"))
    assert row.count("(chance ") == 5


STUDIES = {
    "face": {"options.modality": "video"}, "physiology": {"options.modality": "physio"},
    "ECG": {"options.modality": "physio", "options.signals": "ecg,ecg_left"},
    "PPG": {"options.modality": "physio", "options.signals": "ppg"},
    "EDA": {"options.modality": "physio", "options.signals": "eda"}, "both": {},
    **{f"{seconds} s": {"options.seconds": str(seconds)} for seconds in (5, 10, 30, 60, 120)},
    "swapped": {"options.fusion": "swapped"}, "both ways": {"options.fusion": "both"},
    "concatenated": {"options.fusion": "concat"}, "averaged": {"options.fusion": "late"},
    "separate": {"options.channels": "separate"},
    "tight": {"options.video": "tiny", "options.features": "32", "options.crop": "tight"},
}


@pytest.mark.parametrize("name", STUDIES)
def test_each_study_is_a_matter_of_settings(training_data, tmp_path, name):
    source, train, val = training_data
    recipe = override(RECIPE, {"schedule.epochs": "1", **STUDIES[name]})
    if recipe.options.video != "aus":
        source = load_fold(recipe, kfold(source.cache.trials)[0], source.cache, 12).source
    source = Named(source, recipe.options.signals[0])
    result = fit(recipe, train, val, source, tmp_path, device="cpu", precision="32")
    model = mien.load(result.last, precision="32")
    needs = model.needs
    windows = [source(trial) for trial in val.trials]
    probs = model.predict_proba(windows)
    score = f1_score(val.target, probs.argmax(axis=1), average="macro", zero_division=0)
    assert result.scores["last"]["macro_f1"] == pytest.approx(score)
    deaf = model.predict_proba([replace(window, signals=None) for window in windows])
    blind = model.predict_proba([
        replace(window, aus=np.full_like(window.aus, np.nan),
                clips=None if window.clips is None else np.full_like(window.clips, np.nan)) for window in windows])
    assert np.array_equal(deaf, probs) == (recipe.options.modality == "video")
    assert np.array_equal(blind, probs) == (recipe.options.modality == "physio")
    assert needs.seconds == float(STUDIES[name].get("options.seconds", 12))
    assert (needs.signals is None) == (name == "face")
    assert (needs.aus is None) == (recipe.options.modality == "physio" or name == "tight")


class Named:
    """The same trials, their only channel under another name."""

    def __init__(self, source, name):
        self.source, self.name = source, name

    def __call__(self, trial, pick=None):
        window = self.source(trial, pick)
        return replace(window, signals=replace(window.signals, names=(self.name,)))


def test_figures_show_labels_and_cases(training_data, fitted, tmp_path):
    source, train, val = training_data
    fold = Fold("1", "by hand", train.trials, (), val.trials)
    stored = DataModule(source.cache, fold, train, val, (), source)
    cases = plots.plot_successes(stored, fitted, RECIPE)
    right = {trial.id: int(k) for trial, k in zip(val.trials, val.target, strict=True)}
    assert all(case.truth == ("low", "high")[right[case.name]] for case in cases)
    assert len(cases) <= plots.MAX_TRIALS
    chosen = shutil.copytree(fitted.chosen, tmp_path / "run/chosen")
    made = plots.write_plots(RECIPE, stored, replace(fitted, chosen=chosen))
    assert [path.name for path in made] == [plots.LABELS, *[plots.CASES] * bool(cases)]
    for path in made:
        assert path.read_bytes().startswith(b"\x89PNG")
    single = plots.ExampleTrial("s", source(val.trials[0]), "low", 0.7, np.full(60, 1 / 60), 12.0, 0.2)
    drawn = drawing(plots.example_trials, tmp_path / "c.png", [single], RECIPE.doubt)
    assert RECIPE.doubt in drawn
    assert "does not show what the prediction depends on" in drawn
    assert "trial of few steps" not in drawing(plots.example_trials, tmp_path / "c.png", [single])


def drawing(draw, path, *given, **more):
    """What is written in a figure, as text."""
    texts = []
    with pytest.MonkeyPatch.context() as patch:
        save = plots._save

        def listen(figure, path):
            texts.extend(result.get_text() for result in figure.findobj(Text))
            save(figure, path)

        patch.setattr(plots, "_save", listen)
        draw(path, *given, **more)
    return "\n".join(texts)


def test_runs_stand_side_by_side_where_the_same_people_were_judged(training_data, fitted, tmp_path):
    source, train, val = training_data
    fold = kfold(source.cache.trials)[0]
    stored = DataModule(source.cache, fold, train, val, (), source, tiny=True)
    less = replace(stored, val=RULE(val.trials[:3]))
    other = replace(stored, fold=kfold(source.cache.trials)[1])
    tight = override(RECIPE, {"options.crop": "tight"})
    assert len({replace(stored).data["judged"], less.data["judged"]}) == 2
    for name, recipe, data, seed in (
        ("a", RECIPE, stored.data, 0), ("b", tight, stored.data, 0), ("c", RECIPE, stored.data, 1),
        ("d", tight, stored.data, 0),
        ("fewer people", tight, less.data, 0), ("another fold", tight, other.data, 0),
        ("whole", replace(RECIPE, tiny=False, tower=""), stored.data, 0),
    ):
        card = replace(read_card(fitted.chosen / CARD), recipe=recipe, data=data, seed=seed)
        (tmp_path / "runs" / name / "chosen").mkdir(parents=True)
        card.save(tmp_path / "runs" / name / "chosen" / CARD)
    runs, left = plots.other_runs(tmp_path / "runs/c")
    assert list(runs) == ["seconds=12, seed 1", "seconds=12, seed 0", "seconds=12, crop=tight, seed 0 (b)",
                          "seconds=12, crop=tight, seed 0 (d)"]
    assert left == 3
    assert plots.other_runs(tmp_path / "runs/another fold")[1] == 6
    drawn = drawing(plots.plot_comparison, tmp_path / "c.png", runs, caption=plots._caption(stored, left, ""))
    assert "n = 4 trials of 2 people; 3 runs of other trials or size are not shown" in drawn
    assert stored.data["seed"] == 0
    assert (stored.data["tiny"], stored.data["val"], stored.data["split"]) == (True, 4, split_hash(fold))


@pytest.mark.parametrize("seconds", [10.0, 60.0])
def test_attention_stands_where_the_model_looked(seconds):
    """Of a window longer than that, rows that tell their own time go through `prepare`."""
    count = 12
    clips = np.arange(count, dtype=np.float32)[:, None].repeat(3, axis=1) * CLIP_SECONDS + CLIP_SECONDS / 2
    seen = replace(skin_traces.window(30.0), clips=clips)
    fed = prepare_batch([seen], ModelRequirements(seconds=seconds, clips="tower")).video[0, :, 0].numpy()
    case = plots.ExampleTrial("s", seen, "low", 0.7, np.ones(len(fed)), seconds, CLIP_SECONDS)
    present = np.isfinite(fed)
    np.testing.assert_allclose(plots.plot_attention(case)[present], fed[present], atol=1e-4)
    aus = np.repeat(seen.times[:, None], seen.aus.shape[1], axis=1)
    fed = (
        prepare_batch([replace(seen, aus=aus, clips=None)], ModelRequirements(seconds=seconds, aus=5.0))
        .video[0, :, 0]
        .numpy()
    )
    case = plots.ExampleTrial("s", replace(seen, clips=None), "low", 0.7, np.ones(len(fed)), seconds, 0.2)
    present = np.isfinite(fed)
    np.testing.assert_allclose(plots.plot_attention(case)[present], fed[present], atol=0.06)


@pytest.mark.parametrize("modality", ["both", "video", "physio"])
def test_every_modality_is_judged_by_the_same_people(tmp_path, monkeypatch, modality):
    trials = tuple(Trial(f"s{who}/{k}", "deap", subject=f"s{who}", labels={"arousal": 3.0},
                         video=Path("v.avi") if who < 6 else None) for who in range(10) for k in range(2))
    survey = DatasetIndex("deap", tmp_path, "official", trials, (), ())
    monkeypatch.setitem(DATASETS, "deap", type("One", (), {"survey": staticmethod(lambda root: survey)}))
    recipe = override(RECIPE, {"options.modality": modality})
    folds = data_module.split(recipe, tmp_path)[1]
    assert split_hash(*folds) == split_hash(*kfold(trials[:12]))
    everyone = data_module.split(override(recipe, {"options.subjects": "all"}), tmp_path)[1]
    assert split_hash(*everyone) == split_hash(*kfold(trials))
