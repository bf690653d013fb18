"""Ratings guessed as they are: measures against SciPy and scikit-learn, planted people, and what says nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn import metrics as reference
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import make_pipeline
from torchmetrics.functional import concordance_corrcoef
from typer.testing import CliRunner

import mien
from mien import checkpoints, cli
from mien.checkpoints.card import CARD, README
from mien.core.observations import Signal, Window
from mien.core.tasks import ACTION_UNITS, AROUSAL_RATING, VALENCE, VALENCE_RATING, Task
from mien.core.trials import Trial
from mien.datasets import splits
from mien.datasets.labels import RULES, Rule
from mien.evaluation import regression as regression_scores
from mien.evaluation import regression_baselines, scores
from mien.evaluation.comparison import compare
from mien.evaluation.predict import predict_trials
from mien.metrics import regression
from mien.models.mvp.losses import ccc_loss
from mien.recipes import RECIPES, tiny_recipe
from mien.recipes.overrides import from_json, override, to_json
from mien.training.loop import fit
from mien.training.validation import is_better
from shared_lookalikes import amigos_without_videos

RNG = np.random.default_rng(7)
RULE = RULES["rating/arousal"]


# ---------------------------------------------------------------------------------------------- measures

def test_measures_are_those_of_scipy_scikit_learn_and_torchmetrics():
    truth = RNG.uniform(1, 9, 4000)
    guess = 2 + 0.4 * truth + RNG.normal(0, 1, 4000)
    result = regression.values(regression.sums(truth, guess))
    assert result["pearson"] == pytest.approx(stats.pearsonr(truth, guess).statistic)
    assert result["rmse"] == pytest.approx(reference.root_mean_squared_error(truth, guess))
    assert result["mae"] == pytest.approx(reference.mean_absolute_error(truth, guess))
    # torchmetrics divides by n - 1 in the variances and the covariance
    theirs = float(concordance_corrcoef(torch.tensor(guess), torch.tensor(truth)))
    assert result["ccc"] == pytest.approx(theirs, abs=1e-3)
    both = np.cov(truth, guess, bias=True)
    gap = (truth.mean() - guess.mean()) ** 2
    assert result["ccc"] == pytest.approx(2 * both[0, 1] / (both[0, 0] + both[1, 1] + gap))
    assert regression.ccc(regression.sums(truth, truth)) == pytest.approx(1)
    assert regression.ccc(regression.sums(truth, truth + 2 * truth.std())) == pytest.approx(2 / (2 + 4))


def test_sums_of_parts_are_those_of_the_whole():
    truth, guess, who = RNG.uniform(1, 9, 60), RNG.uniform(1, 9, 60), RNG.integers(0, 5, 60)
    parts = regression.sums(truth, guess, who, 5)
    np.testing.assert_allclose(parts.sum(axis=0), regression.sums(truth, guess))
    for name, measure in regression.MEASURES.items():
        alone = [measure(regression.sums(truth[who == k], guess[who == k])) for k in range(5)]
        np.testing.assert_allclose(measure(parts), alone, err_msg=name)


@pytest.mark.parametrize("constant", [5.0, 0.1, 1 / 3, 8.7])
def test_a_constant_agrees_with_nothing(constant):
    truth = RNG.uniform(1, 9, 37)
    still = np.full(37, constant)
    for pair in ((truth, still), (still, truth)):
        assert regression.ccc(regression.sums(*pair)) == 0.0
        assert regression.bootstrap(regression.ccc, *pair, np.arange(37) // 4) == (0.0, 0.0)
    assert np.isnan(regression.pearson(regression.sums(truth, still)))
    assert np.isnan(regression.ccc(regression.sums(still, still)))
    assert regression.rmse(regression.sums(still, still)) == pytest.approx(0, abs=1e-6)


def test_an_interval_draws_people():
    """Of people who each say one thing only people vary: drawn singly, trials would seem twenty times as many."""
    each = RNG.uniform(2, 8, 10)
    truth = np.repeat(each + RNG.normal(0, 1, 10), 20)
    guess, who = np.repeat(each, 20), np.repeat(np.arange(10), 20)
    low, high = regression.bootstrap(regression.ccc, truth, guess, who)
    narrow = regression.bootstrap(regression.ccc, truth, guess)
    assert low < float(regression.ccc(regression.sums(truth, guess))) < high
    assert high - low > 2 * (narrow[1] - narrow[0])
    assert np.isnan(regression.bootstrap(regression.ccc, truth[:20], guess[:20], who[:20])).all()
    with pytest.raises(ValueError, match="expected finite numbers"):
        regression.sums(truth, np.full_like(truth, np.nan))
    with pytest.raises(ValueError, match="of one length"):
        regression.sums(truth, guess[:5])


def test_guesses_that_know_nothing_have_an_interval_around_zero():
    who = np.repeat(np.arange(22), 7)
    stored = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        truth, guess = rng.uniform(1, 9, len(who)), rng.normal(5, 1.2, len(who))
        low, high = regression.bootstrap(regression.ccc, truth, guess, who, resamples=300, seed=seed)
        stored += low <= 0 <= high
    assert 87 <= stored < 100


# ---------------------------------------------------------------------------------------------- labels and the loss

def test_the_rating_is_what_is_learnt_and_a_missing_one_is_dropped_and_counted():
    given = [1.0, 9.0, 4.5, 5.0, 12.0, None]
    trials = [Trial(f"s1/{k}", "deap", "s1", labels={} if value is None else {"arousal": value})
              for k, value in enumerate(given)]
    result = RULE(trials)
    assert result.ratings.tolist() == [1.0, 9.0, 4.5, 5.0]
    assert result.taught.tolist() == [-1.0, 1.0, -0.125, 0.0]
    assert result.target.tolist() == RULES["mvp/arousal"](trials).target.tolist() == [0, 1, 0, 1]
    assert [(trial.id, why) for trial, why in result.dropped] == [
        ("s1/4", "arousal outside 1..9"), ("s1/5", "no arousal")]
    assert "dropped 2, arousal outside 1..9 1, no arousal 1" in str(result)
    assert "mean 4.88, deviation 2.84" in str(result)
    assert RULES["mvp/arousal"](trials).taught.tolist() == [0, 1, 0, 1]


def test_a_scale_becomes_minus_one_to_one_and_back():
    points = np.array([1.0, 3.0, 5.0, 8.5, 9.0])
    np.testing.assert_allclose(VALENCE_RATING.points(VALENCE_RATING.unit(points)), points)
    assert VALENCE_RATING.points(np.array([-3.0, 2.0])).tolist() == [1.0, 9.0]
    with pytest.raises(ValueError, match="expected a task of ratings"):
        VALENCE.unit(points)
    with pytest.raises(ValueError, match=r"Task\.scale"):
        Task("odd", ("a", "b"), scale=(9.0, 1.0))
    with pytest.raises(ValueError, match="expected cuts and the scale"):
        Rule("odd", "arousal", AROUSAL_RATING, "nobody", cuts=(4.5,), scale=(0.0, 1.0))


def test_the_loss_is_one_less_concordance_and_never_breaks():
    guess, target = torch.tensor(RNG.normal(0, 0.5, 16)), torch.tensor(RNG.uniform(-1, 1, 16))
    result = ccc_loss(guess, target, 0.5)
    expected = float(regression.ccc(regression.sums(target.numpy(), guess.numpy())))
    assert float(result["concordance"]) == pytest.approx(1 - expected, abs=1e-4)
    assert float(result["squared"]) == pytest.approx(0.5 * float(((guess - target) ** 2).mean()), rel=1e-5)
    assert float(ccc_loss(target, target, 1.0)["concordance"]) == pytest.approx(0, abs=1e-4)
    assert set(ccc_loss(guess, target, 0.0)) == {"concordance"}
    for size in (1, 4):  # one trial, and a batch that is alike
        still = torch.full((size,), 0.25, requires_grad=True)
        total = torch.stack(list(ccc_loss(still, torch.full((size,), 0.5), 1.0).values())).sum()
        total.backward()
        assert bool(torch.isfinite(total))
        assert bool((still.grad < 0).all())  # towards what was rated


def test_the_epoch_of_the_best_concordance_is_kept():
    good, bad, none = ({"ccc": 0.4, "rmse": 2.0}, {"ccc": 0.3, "rmse": 1.0}, {"rmse": 1.5})
    assert is_better(good, {}, "ccc")
    assert is_better(good, bad, "ccc")
    assert not is_better(bad, good, "ccc")
    assert not is_better(none, bad, "ccc")
    assert is_better({"rmse": 1.4}, none, "ccc")
    assert is_better({}, {}, "ccc")


def test_there_is_a_recipe_of_the_rating_beside_each_of_its_classes():
    for dataset in ("amigos", "deap"):
        for label in ("valence", "arousal"):
            recipe, classes = RECIPES[f"mvp/{dataset}-{label}-rating"], RECIPES[f"mvp/{dataset}-{label}"]
            assert (recipe.rule, recipe.options.heads, recipe.schedule.choose) == (f"rating/{label}", "rating", "ccc")
            assert recipe.options == replace(classes.options, heads="rating")
            assert replace(recipe.schedule, choose="macro_f1") == classes.schedule
            assert (recipe.protocol, recipe.dataset, recipe.seconds) == (
                classes.protocol, classes.dataset, classes.seconds)
            assert from_json(json.loads(json.dumps(to_json(tiny_recipe(recipe))))) == tiny_recipe(recipe)
    for base, setting in ((recipe, {"options.heads": "one"}), (classes, {"options.heads": "rating"})):
        wrong = override(base, setting)
        with pytest.raises(ValueError, match=r"options\.heads: expected rating for a rule of ratings and for no other"):
            checkpoints.build_model(wrong, wrong.task, None)
    with pytest.raises(ValueError, match=r"schedule\.choose: expected ccc"):
        override(recipe, {"schedule.choose": "uar"})


# ---------------------------------------------------------------------------------------------- planted people

RATE, SECONDS = 16.0, 20.0
RECIPE = override(tiny_recipe(RECIPES["mvp/deap-arousal-rating"]), {
    "options.modality": "physio", "options.subjects": "all", "options.signals": "eda", "options.rate": "16",
    "options.seconds": "20", "options.noise": "0", "options.forget": "0", "options.dropout": "0",
    "options.head_dropout": "0", "schedule.epochs": "12", "schedule.batch": "16", "schedule.rate": "0.003"})


def people(count: int = 24, each: int = 7, seed: int = 0, follows: bool = True):
    """Trials whose skin responds the more often the higher they are rated; people differ in how high they rate at all.
    Unless it `follows`, ratings are dealt out anew among all trials."""
    rng = np.random.default_rng(seed)
    trials, waves = [], {}
    for who in range(count):
        habit = rng.normal()
        for k in range(each):
            drive = rng.uniform(-1, 1)
            wave = rng.normal(0, 0.3, int(RATE * SECONDS))
            for place in rng.choice(38, round(8 + 7 * drive), replace=False):
                wave[8 * place : 8 * place + 16] += 3 * np.exp(-np.arange(16) / 4)
            value = float(np.clip(5 + habit + 3 * drive, 1, 9))
            trials.append(Trial(f"s{who}/{k}", "deap", f"s{who}", labels={"arousal": value}))
            waves[trials[-1].id] = wave.astype(np.float32)
    if not follows:
        dealt = rng.permutation([trial.labels["arousal"] for trial in trials])
        trials = [replace(trial, labels={"arousal": float(value)}) for trial, value in zip(trials, dealt, strict=True)]

    def source(trial, pick=None) -> Window:
        none = np.zeros((0, 4, 3))
        return Window(0.0, SECONDS, np.zeros(0), none, none[:, 0], np.zeros((0, len(ACTION_UNITS))), none[:, 0],
                      none[:, 0, :2], signals=Signal(waves[trial.id][None], RATE, ("eda",), ("",)))

    return trials, source


def learnt(place: Path, follows: bool):
    trials, source = people(follows=follows)
    result = fit(RECIPE, RULE(trials[:98]), RULE(trials[98:112]), source, place, device="cpu", precision="32")
    test = RULE(trials[112:])
    said = predict_trials(result.chosen, test, source, False, device="cpu", precision="32")
    return result, test, source, said.table(test, fold="fold1", checkpoint="chosen")


@pytest.fixture(scope="module")
def follows(tmp_path_factory):
    return learnt(tmp_path_factory.mktemp("follows"), True)


def test_rating_model_generalises_to_other_people(follows):
    result, test, _, frame = follows
    low, high = regression_scores.intervals(frame)["ccc"]
    values = regression_scores.rating_scores(frame)
    assert low > 0.4
    assert low < values["ccc"] < high
    assert values["ccc_within"] > values["ccc"]  # how high somebody rates at all is not in the signals
    known = regression_scores.constant_baselines(frame, ({"name": "fold1", "mean": 5.0},))
    assert known["mean"]["ccc"] == 0.0
    assert 0 < known["own"]["ccc"] < values["ccc"]
    assert known["own"]["ccc_within"] == known["mean"]["ccc_within"] == 0.0
    np.testing.assert_allclose(frame["rating"], test.ratings)
    assert scores.score(frame, RULE.task).values()["uar"] > 0.75
    validation = result.scores["chosen"]
    assert validation["ccc"] > 0.5
    assert validation["chance_ccc"] == 0.0
    assert "chance_pearson" not in validation
    log = pd.read_csv(result.log)
    best = log.loc[log["val_ccc"].dropna().rolling(3, min_periods=1).mean().idxmax()]  # the mean of three epochs counts
    assert (best["epoch"], round(best["val_ccc"], 5)) == (validation["epoch"], round(validation["ccc"], 5))
    assert "concordance=" in best["parts"]
    assert "squared=" in best["parts"]


def test_ratings_that_follow_nothing_are_not_found(tmp_path):
    _, _, _, frame = learnt(tmp_path, False)
    low, high = regression_scores.intervals(frame)["ccc"]
    assert low < 0 < high


def test_a_checkpoint_rates_and_names_no_class(follows):
    result, test, source, frame = follows
    model = mien.load(result.chosen, task=RULE.task, precision="32")
    windows = [source(trial) for trial in test.trials[:6]]
    np.testing.assert_allclose(model.rate(windows), frame["guess"][:6], atol=1e-4)
    hollow = replace(windows[0], signals=replace(windows[0].signals, values=np.full((1, 320), np.nan, np.float32)))
    assert np.isnan(model.rate([hollow, windows[1]])).tolist() == [True, False]
    with pytest.raises(ValueError, match="guesses a rating: see `rate`"):
        model.predict_proba(windows)
    with pytest.raises(ValueError, match="one predicts a rating, the other classes"):
        mien.load(result.chosen, task=RULES["mvp/arousal"].task)
    card = json.loads((result.chosen / CARD).read_text())
    assert "the rating of arousal from 1 to 9" in card["answer"]
    page = (result.chosen / README).read_text()
    assert "no classes and no probabilities" in page
    assert "Classes:" not in page


def test_a_rating_is_not_shown_as_a_class(follows, tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"never read")
    done = CliRunner().invoke(cli.app, ["analyze", str(tmp_path / "clip.mp4"), "--model", str(follows[0].chosen),
                                        "--out", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert "which guesses a rating, 1 to 9, and names none" in done.stderr
    assert len(done.stderr.splitlines()) == 1


# ---------------------------------------------------------------------------------------------- benchmark and baselines

def features(strength: float, seed: int = 0):
    """12 people with 6 trials of 3 windows each; the first of ten features follows the rating with this strength."""
    rng = np.random.default_rng(seed)
    trials, ids, rows = [], [], []
    for who in range(12):
        for k in range(6):
            value = float(rng.uniform(1, 9))
            trials.append(Trial(f"s{who}/{k}", "deap", f"s{who}", labels={"arousal": value}))
            look = rng.normal(0, 1, 10)
            look[0] += strength * (value - 5)
            ids += [trials[-1].id] * 3
            rows += list(look + rng.normal(0, 0.2, (3, 10)))
    return trials, ids, np.array(rows)


@pytest.fixture(scope="module")
def few_trees():
    """The forest with 40 trees in place of 300, which cost most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(regression_baselines.REGRESSORS, "random forest", lambda seed: make_pipeline(
            regression_baselines.fill_missing(), RandomForestRegressor(40, random_state=seed)))
        yield


def test_regressors_find_what_is_there_and_a_leak_shows(few_trees):
    for strength in (1.5, 0.0):
        trials, ids, rows = features(strength)
        first = [ids.index(trial.id) for trial in trials]
        folds = splits.kfold(trials)
        result = regression_baselines.subject_independent(
            RECIPE.label_rule, folds, ([t.id for t in trials], rows[first], list("abcdefghij")), 0
        )
        result = result.set_index("regressor")
        assert list(result.index) == [*regression_baselines.REGRESSORS, regression_baselines.MEAN_BASELINE]
        real = result.drop(index=regression_baselines.MEAN_BASELINE)
        assert (real["ccc_low"] > 0.5).all() if strength else (real["ccc_low"] < 0.1).all(), result
        assert -0.2 < result.loc[regression_baselines.MEAN_BASELINE, "ccc"] <= 0
        assert ((result["ccc_low"] <= result["ccc"]) & (result["ccc"] <= result["ccc_high"])).all()
    made = ids, rows, list("abcdefghij")
    gap = regression_baselines.window_split(RECIPE.label_rule, folds, trials, made, 0, 5).set_index("regressor")
    assert gap.loc["random forest", "LEAKY"] > 0.5 > 0.3 > gap.loc["random forest", "by the protocol"]


@pytest.fixture(scope="module")
def judged(tmp_path_factory, few_trees) -> Path:
    """AMIGOS without videos, one person left out at a time: the benchmark, then its baselines beside it."""
    place = tmp_path_factory.mktemp("judged")
    amigos_without_videos(place / "data")
    requests = {"said": ["--tiny", "--by", "film", "--by", "subject", "--set", "schedule.epochs=1"],
             "baselines": ["--baselines"]}
    for name, more in requests.items():
        done = CliRunner().invoke(cli.app, [
            "bench", "mvp/amigos-valence-rating", "--data", str(place / "data"), "--device", "cpu", "--set",
            "protocol=loso", "--set", "options.modality=physio", "--set", "options.subjects=all", "--out",
            str(place / "run"), "--cache", str(place / "cache"), *more])
        assert done.exit_code == 0, done.output
        (place / f"{name}.txt").write_text(done.stdout)
    return place


def test_the_command_writes_what_belongs_to_ratings(judged):
    run = judged / "run"
    frame = pd.read_parquet(run / "predictions.parquet")
    last = frame[frame["checkpoint"] == "last"]
    assert {"rating", "guess", "label", "predicted"} <= set(frame)
    assert not [name for name in frame if name.startswith(("p_", "calibrated_"))]
    assert frame["guess"].between(1, 9).all()
    assert ((last["predicted"] == "high") == (last["guess"] > 4.5)).all()
    assert ((last["label"] == "high") == (last["rating"] > 4.5)).all()
    table = pd.read_csv(run / "table.csv").set_index("measure")
    assert list(table.index) == ["ccc", "pearson", "rmse", "mae", "ccc_within", "uar", "war", "macro_f1"]
    assert table["last"]["rmse"] == pytest.approx(
        reference.root_mean_squared_error(last["rating"], last["guess"]), rel=1e-5)
    assert table["last"]["war"] == pytest.approx((last["label"] == last["predicted"]).mean(), rel=1e-5)
    page = (run / "table.md").read_text()
    assert "| CCC |" in page
    assert "bootstrap over people" in page
    assert "points of the scale of 1 to 9" in page
    assert "## Cut into classes" in page
    assert "## By film" in page
    reported = json.loads((run / "scores.json").read_text())
    assert reported["scale"] == [1.0, 9.0]
    assert set(reported["last"]["by_subject"]) == set(frame["subject"])
    assert (run / "guesses.png").read_bytes().startswith(b"\x89PNG")
    assert not (run / "calibration.png").exists()
    said = (judged / "said.txt").read_text()
    assert "always the mean of training: CCC" in said
    assert f"RMSE {table['last']['rmse']:.2f}" in said
    assert len(pd.read_csv(run / "by-subject.csv")) == 3


def test_baselines_stand_beside_the_model(judged):
    page = (judged / "run/baselines.md").read_text()
    table = pd.read_csv(judged / "run/baselines.csv")
    assert table["regressor"].tolist() == [
        "mvp/amigos-valence-rating, chosen on validation, a tiny run with meaningless numbers",
        *regression_baselines.REGRESSORS,
        regression_baselines.MEAN_BASELINE,
    ]
    assert (table["trials"] == table["trials"][0]).all()
    assert "CCC over windows of 5 s" in page


def test_a_model_of_ratings_is_compared_with_one_of_classes(judged, tmp_path):
    frame = pd.read_parquet(judged / "run/predictions.parquet")
    right = np.arange(len(frame)) % 4 > 0
    other = np.where(frame["label"] == "high", "low", "high")
    frame.assign(predicted=np.where(right, frame["label"], other), p_low=0.5, p_high=0.5).drop(
        columns=["rating", "guess"]).to_parquet(tmp_path / "predictions.parquet")
    for result in compare(judged / "run", tmp_path):
        rows_of_checkpoint = frame[frame["checkpoint"] == result.checkpoint]
        assert result.trials == len(rows_of_checkpoint)
        assert result.war[0] == pytest.approx((rows_of_checkpoint["label"] == rows_of_checkpoint["predicted"]).mean())
        assert result.war[1] == pytest.approx(right[rows_of_checkpoint.index].mean())


def test_groups_where_a_column_is_missing(follows):
    """Some without a word, some trials without the column: nobody is left out of the table."""
    frame = follows[3].copy()
    count = len(frame)
    frame["about.gender"] = ["f"] * (count // 2) + ["m"] * (count - count // 2 - 6) + [""] * 3 + [np.nan] * 3
    result = regression_scores.group_table(frame, "gender").set_index("gender")
    assert result["trials"].to_dict() == {"f": count // 2, "m": count - count // 2 - 6, "not stated": 6}
    part = frame[frame["about.gender"] == "f"]
    assert result.loc["f", "rmse"] == pytest.approx(reference.root_mean_squared_error(part["rating"], part["guess"]))
    assert np.isnan(result.loc["m", "ccc_low"]) == (result.loc["m", "trials"] < scores.MIN_TRIALS)
    classes = frame.assign(p_low=0.5, p_high=0.5)
    assert scores.group_scores(classes, "gender", VALENCE)["trials"].sum() == count
    assert scores.group_scores(classes, "age", VALENCE)["age"].tolist() == ["not stated"]


def test_another_dataset_does_not_judge_ratings(tmp_path):
    from mien.evaluation.cross_dataset import find_checkpoints

    with pytest.raises(ValueError, match="expected a recipe that names classes"):
        find_checkpoints(RECIPE, tmp_path)
