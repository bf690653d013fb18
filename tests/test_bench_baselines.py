"""Hand-crafted features against planted numbers; classifiers that find what is there, and a leak that shows."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import neurokit2 as nk
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mien import cli
from mien.core.observations import Signal, Window
from mien.core.tasks import ACTION_UNITS
from mien.core.trials import Trial
from mien.datasets import splits
from mien.evaluation import baselines, handcrafted_features, regression_baselines
from mien.metrics import classification
from mien.recipes import RECIPES
from mien.recipes.overrides import override
from mien.training import data_module
from shared_lookalikes import amigos_without_videos

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    monkeypatch.setattr(regression_baselines, "TREES", 30)


RECIPE = override(RECIPES["mvp/deap-arousal"], {"protocol": "kfold"})


def window(aus: np.ndarray, seconds: float) -> Window:
    count = len(aus)
    nothing = np.zeros((count, 4, 3))
    return Window(0.0, seconds, np.arange(count) / 25, nothing, nothing[:, 0], aus, nothing[:, 0], nothing[:, 0, :2])


def test_statistics_of_a_face_are_those_that_were_planted():
    rng = np.random.default_rng(0)
    aus = rng.uniform(0, 5, (250, len(ACTION_UNITS)))
    aus[:, 3] = np.arange(250) / 25
    aus[100:150, 5] = np.nan
    result = handcrafted_features.face_features(window(aus, 10.0))
    names = [f"{ACTION_UNITS[3]}_{what}" for what in handcrafted_features.STATISTICS]
    assert [result[name] for name in names] == pytest.approx(
        [aus[:, 3].mean(), aus[:, 3].std(), *np.percentile(aus[:, 3], [10, 90]), 1.0])
    assert result[f"{ACTION_UNITS[5]}_mean"] == pytest.approx(np.nanmean(aus[:, 5]))
    empty = handcrafted_features.face_features(window(np.full((250, len(ACTION_UNITS)), np.nan), 10.0))
    assert np.isnan(empty[f"{ACTION_UNITS[0]}_sd"])


def test_the_heart_rate_of_a_wire_is_in_its_features():
    wave = nk.ppg_simulate(duration=60, sampling_rate=128, heart_rate=84, random_state=1)
    signal = Signal(np.stack([wave, wave]).astype(np.float32), 128.0, ("ppg", "strange"), ("", ""))
    result = handcrafted_features.physiology_features(signal, ("ppg", "strange", "ecg"))
    assert result["ppg_mean_hr"] == pytest.approx(84, abs=2)
    assert not [name for name in result if name.startswith("strange")]
    assert handcrafted_features.physiology_features(None, ("ppg",)) == {}


def test_windows_are_cut_and_a_trial_without_a_film_has_its_signals():
    aus = np.tile(np.arange(500.0)[:, None] / 25, len(ACTION_UNITS))
    full = window(aus, 20.0)
    wave = nk.ppg_simulate(duration=20, sampling_rate=128, heart_rate=70, random_state=1)
    signal = Signal(wave[None].astype(np.float32), 128.0, ("ppg",), ("",))

    def cut(id, start=0.0, end=np.inf):
        rows = (full.times >= start) & (full.times < end) & (id == "seen")
        return window(full.aus[rows], max(min(end, 20.0) - start, 0.04))

    def heard(id, start=0.0, end=np.inf):
        first, last = int(start * 128), min(int(min(end, 20.0) * 128), wave.size)
        return None if id == "seen" else Signal(signal.values[:, first:last], 128.0, ("ppg",), ("",))

    cache = SimpleNamespace(entries={"seen": SimpleNamespace(end=20.0), "heard": SimpleNamespace(end=0.0)}, window=cut,
                            signals=heard)
    trials = [Trial("seen", "deap", "s1"), Trial("heard", "deap", "s2")]
    ids, values, names = handcrafted_features.feature_table(cache, trials, ("ppg",), 5.0)
    assert ids == ["seen"] * 4 + ["heard"] * 4
    np.testing.assert_allclose(values[:4, names.index(f"{ACTION_UNITS[0]}_mean")], [2.48, 7.48, 12.48, 17.48])
    assert np.isnan(values[4:, names.index(f"{ACTION_UNITS[0]}_mean")]).all()
    assert np.isnan(values[:4, [k for k, name in enumerate(names) if name.startswith("ppg")]]).all()


def people(signal: float, seed: int = 0):
    """12 people with 6 trials of 6 windows; each trial has a look of its own, and class 1 a step of `signal`."""
    rng = np.random.default_rng(seed)
    trials, ids, rows = [], [], []
    for who in range(12):
        for k in range(6):
            high = int(rng.integers(2))
            trials.append(Trial(f"s{who}/{k}", "deap", f"s{who}", labels={"arousal": 7.0 if high else 2.0}))
            look = rng.normal(0, 1, 10)
            look[0] += signal * high
            ids += [trials[-1].id] * 6
            rows += list(look + rng.normal(0, 0.2, (6, 10)))
    return trials, ids, np.array(rows)


def test_baselines_find_a_signal_and_score_at_chance_without_one():
    for signal, low, high in ((6.0, 0.93, 1.0), (0.0, 0.3, 0.67)):
        trials, ids, rows = people(signal)
        first = [ids.index(trial.id) for trial in trials]
        made = [trial.id for trial in trials], rows[first], [str(k) for k in range(10)]
        result = baselines.subject_independent(RECIPE.label_rule, splits.kfold(trials), made, 0)
        assert result["classifier"].tolist() == list(baselines.CLASSIFIERS)
        assert ((result["war"] >= 100 * low) & (result["war"] <= 100 * high)).all(), result
        assert (result["trials"] == len(trials)).all()
        assert ((result["war_low"] <= result["war"]) & (result["war"] <= result["war_high"])).all()
        forest = result.set_index("classifier").loc["random forest", "ccc"]
        assert forest > 0.8 if signal else abs(forest) < 0.35


def test_two_ratings_at_once_are_four_classes_and_no_rating_of_their_own():
    trials, ids, rows = people(6.0)
    trials = [replace(t, labels={**t.labels, "valence": 2.0 + 5.0 * (k % 3 > 0)}) for k, t in enumerate(trials)]
    made = [t.id for t in trials], rows[[ids.index(t.id) for t in trials]], [str(k) for k in range(10)]
    result = baselines.subject_independent(RECIPES["mvp/deap-both"].label_rule, splits.kfold(trials), made, 0)
    assert (result["trials"] == len(trials)).all()
    assert "ccc" not in result
    assert "positive_f1" not in result


def test_the_trials_are_those_that_the_recipe_can_look_at():
    trials = tuple(Trial(id, "deap", id) for id in ("both", "face", "wires", "none", "not prepared"))
    ready = SimpleNamespace(entries={id: SimpleNamespace(pictures=seen, signals=received) for id, seen, received in (
        ("both", 9, True), ("face", 9, False), ("wires", 0, True), ("none", 0, False))})
    for modality, expected in (("both", "both face wires"), ("video", "both face"), ("physio", "both wires")):
        recipe = override(RECIPES["mvp/deap-arousal"], {"options.modality": modality})
        assert [t.id for t in data_module.seen(trials, ready, recipe.inputs.any_of)] == expected.split()


def test_of_one_person_no_interval_is_reported():
    trials, ids, rows = people(6.0)
    made = [t.id for t in trials], rows[[ids.index(t.id) for t in trials]], [str(k) for k in range(10)]
    single = splits.PROTOCOLS["loso"](trials)[:1]
    frame = baselines.subject_independent(RECIPE.label_rule, single, made, 0)
    assert "nan" not in "".join(baselines._table(RECIPE, frame))


def test_leaky_split_scores_above_chance_on_noise():
    trials, ids, rows = people(0.0)
    result = baselines.window_split(RECIPE.label_rule, splits.kfold(trials), trials, (ids, rows, list("abcdefghij")), 0)
    assert (result["by the protocol"] < 67).all(), result
    assert (result["LEAKY"] > 90).all(), result
    np.testing.assert_allclose(result["gap"], result["LEAKY"] - result["by the protocol"])


def test_the_command_judges_them_by_the_folds_of_the_recipe(tmp_path, monkeypatch):
    amigos_without_videos(tmp_path / "data")
    given = ["--data", str(tmp_path / "data"), "--set", "protocol=loso", "--set", "options.modality=physio", "--set",
             "options.subjects=all"]
    with monkeypatch.context() as patch:
        patch.setattr("mien.checkpoints.load_towers",
                      lambda *given: pytest.fail("asked for weights that nobody needs"))
        done = CliRunner().invoke(cli.app, [
            "bench", "mvp/amigos-valence", *given, "--baselines", "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    page = (tmp_path / "run/baselines.md").read_text()
    assert done.stdout == page
    assert "| the recipe's method, as printed |" in page
    assert "66.00" in page
    assert "LEAKY" in page
    table = pd.read_csv(tmp_path / "run/baselines.csv")
    assert set(classification.measures(2)) <= set(table)
    rows = CliRunner().invoke(cli.app, [
        "ablate", "mvp/peers", *given, "--cache", str(tmp_path / "run/cache"), "--rows", "1,3", "--quiet", "--out",
        str(tmp_path / "peers")])
    assert rows.exit_code == 0, rows.output
    peers, table = pd.read_csv(tmp_path / "peers/table.csv").set_index("row"), table.set_index("classifier")
    for name in ("SVM", "gradient boosting"):  # the same classifiers on the same folds, in the table of the method
        row = peers.loc[f"{name} on hand-crafted features"]
        assert row["macro_f1_last"] == row["macro_f1_chosen"] == pytest.approx(table.loc[name, "macro_f1"])
        assert row["folds"] == 3
    assert peers["macro_f1_last"].notna().sum() == 2
