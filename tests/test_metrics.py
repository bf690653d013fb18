"""Measures against scikit-learn, torchmetrics and SciPy; intervals and tests against what was planted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import optimize, special, stats
from sklearn import metrics as reference
from torchmetrics.functional import classification as torch_reference

from mien.core.tasks import EXPRESSION, VALENCE
from mien.metrics import classification, significance

RNG = np.random.default_rng(0)
CASES = {
    "seven classes": (RNG.integers(0, 7, 300), RNG.integers(0, 7, 300), 7),
    "two classes": (RNG.integers(0, 2, 50), RNG.integers(0, 2, 50), 2),
    "a class that nobody has": (RNG.integers(0, 3, 60), RNG.integers(0, 3, 60), 4),
    "a class never predicted": (RNG.integers(0, 3, 60), RNG.integers(0, 2, 60), 3),
    "one answer": (RNG.integers(0, 3, 60), np.zeros(60, int), 3),
    "all right": (np.arange(14) % 7, np.arange(14) % 7, 7),
}


@pytest.mark.parametrize("name", CASES)
def test_measures_are_those_of_scikit_learn(name):
    target, predicted, classes = CASES[name]
    counts = classification.confusion(target, predicted, classes)
    given = {"y_true": target, "y_pred": predicted}
    np.testing.assert_array_equal(counts, reference.confusion_matrix(**given, labels=range(classes)))
    assert classification.war(counts) == pytest.approx(reference.accuracy_score(**given))
    assert classification.uar(counts) == pytest.approx(reference.recall_score(
        **given, labels=np.unique(target), average="macro", zero_division=0))
    macro = reference.f1_score(**given, average="macro", zero_division=0)
    assert classification.macro_f1(counts) == pytest.approx(macro)
    assert classification.weighted_f1(counts) == pytest.approx(reference.f1_score(**given, average="weighted"))
    each = reference.recall_score(**given, labels=range(classes), average=None, zero_division=np.nan)
    np.testing.assert_allclose(classification.recall(counts), each)
    if classes == 2:
        assert classification.positive_f1(counts) == pytest.approx(reference.f1_score(**given))
    else:
        with pytest.raises(ValueError, match="expected two classes"):
            classification.positive_f1(counts)


def test_they_are_torchmetrics_too():
    target, predicted, classes = CASES["seven classes"]
    counts = classification.confusion(target, predicted, classes)
    given = torch.tensor(predicted), torch.tensor(target), classes
    for measure, result in ((classification.war, torch_reference.multiclass_accuracy(*given, average="micro")),
                           (classification.uar, torch_reference.multiclass_recall(*given, average="macro")),
                           (classification.macro_f1, torch_reference.multiclass_f1_score(*given, average="macro"))):
        assert measure(counts) == pytest.approx(float(result), abs=1e-6)


def test_many_matrices_at_once_are_each_alone():
    many = RNG.integers(0, 5, (6, 3, 3))
    for measure in classification.measures(3).values():
        np.testing.assert_allclose(measure(many), [measure(item) for item in many])


def test_calibration_is_that_of_torchmetrics():
    probs = RNG.dirichlet(np.ones(4), 500)
    probs[:4] = np.eye(4)  # a confidence of 1 is in the last bin
    target = RNG.integers(0, 4, 500)
    result = torch_reference.multiclass_calibration_error(torch.tensor(probs), torch.tensor(target), 4, n_bins=15)
    assert classification.ece(probs, target) == pytest.approx(float(result), abs=1e-6)


def test_a_planted_temperature_is_found():
    logits = RNG.normal(0, 2, (20_000, 3))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    target = (chances.cumsum(axis=1) < RNG.random((20_000, 1))).sum(axis=1)
    for planted in (0.5, 1.0, 3.0):
        cost = classification.cross_entropy_by_temperature(logits * planted, target)
        assert classification.temperature(cost) == pytest.approx(planted, rel=0.05)
    hot = classification.apply_temperature(np.exp(3 * logits) / np.exp(3 * logits).sum(axis=1, keepdims=True), 3.0)
    np.testing.assert_allclose(hot, chances, atol=1e-9)
    assert classification.ece(chances, target) < 0.02
    first, second, both = (classification.cross_entropy_by_temperature(logits[part], target[part])
                           for part in (slice(500), slice(500, None), slice(None)))
    np.testing.assert_allclose(first + second, both)
    result = optimize.minimize_scalar(lambda t: reference.log_loss(target, special.softmax(2 * logits / t, axis=1)),
                                     bounds=(0.5, 8), method="bounded").x
    assert classification.temperature(classification.cross_entropy_by_temperature(2 * logits, target)) == pytest.approx(
        result, rel=0.03
    )


def test_an_interval_of_single_answers_holds_the_truth_as_often_as_it_says():
    inside = 0
    for _ in range(300):
        right = (RNG.random(120) < 0.7).astype(int)
        low, high = classification.bootstrap(classification.war, np.ones(120, int), right, 2, resamples=400)
        inside += low <= 0.7 <= high
    assert 0.90 <= inside / 300 <= 0.985


def test_people_who_answer_alike_widen_the_interval():
    """20 people with 50 answers each, all of which are right or none: 20 answers, not 1000."""
    right = np.repeat((np.arange(20) % 2), 50)
    target = np.ones(1000, int)
    people = np.repeat(np.arange(20).astype(str), 50)
    low, high = classification.bootstrap(classification.war, target, right, 2, people)
    wide = stats.norm.ppf(0.975) * np.sqrt(0.25 / 20)
    assert high - low == pytest.approx(2 * wide, rel=0.2)
    alone = classification.bootstrap(classification.war, target, right, 2)
    assert alone[1] - alone[0] < (high - low) / 5
    assert np.isnan(classification.bootstrap(classification.war, target, right, 2, ["one"] * 1000)).all()
    assert classification.bootstrap(classification.war, target, right, 2, people) == (low, high)


def test_mcnemar_counts_what_only_one_got_right():
    first = np.array([1] * 15 + [0] * 5 + [1] * 40 + [0] * 20, bool)
    second = np.array([0] * 15 + [1] * 5 + [1] * 40 + [0] * 20, bool)
    single, other, p = significance.mcnemar(first, second)
    assert (single, other) == (15, 5)
    tail = sum(stats.binom.pmf(k, 20, 0.5) for k in range(6))
    assert p == pytest.approx(2 * tail)
    assert significance.mcnemar(first, first)[2] == 1
    with pytest.raises(ValueError, match="the same items"):
        significance.mcnemar(first, second[1:])


def test_wilcoxon_is_fair_without_a_difference_and_sees_one():
    rng = np.random.default_rng(1)
    result = [significance.wilcoxon(rng.random(12), rng.random(12))[1] for _ in range(400)]
    assert np.mean(np.array(result) < 0.05) < 0.08
    gap, p = significance.wilcoxon(np.arange(12) + 0.1, np.arange(12))
    assert gap == pytest.approx(0.1)
    assert p == pytest.approx(2 / 2**12)
    assert significance.wilcoxon(np.ones(3), np.ones(3)) == (0.0, 1.0)


def test_wilcoxon_of_shares_ranks_equal_gaps_equally():
    """Right answers of each person among nine, as whole numbers and as shares: ranks, and so p, are the same."""
    rng = np.random.default_rng(2)
    first, second = rng.binomial(9, 0.7, 22), rng.binomial(9, 0.55, 22)
    assert len(set(first / 9 - second / 9)) > len(set(first - second))  # rounding tells equal gaps apart
    result = significance.wilcoxon(first / 9, second / 9)[1]
    assert result == pytest.approx(stats.wilcoxon(first - second).pvalue, rel=1e-12)


def test_scores_pool_and_tell():
    a = classification.Scores(VALENCE, np.array([[3, 1], [2, 4]]))
    pooled = a + classification.Scores(VALENCE, np.array([[1, 1], [0, 8]]))
    assert len(pooled) == 20
    assert pooled.values()["war"] == pytest.approx(0.8)
    assert pooled.values()["recall_low"] == pytest.approx(4 / 6)
    with pytest.raises(ValueError, match="the same classes"):
        a + classification.Scores(EXPRESSION, np.zeros((7, 7)))
    with pytest.raises(ValueError, match=r"expected \(2, 2\)"):
        classification.Scores(VALENCE, np.zeros((3, 3)))


def test_confusion_refuses_bad_input():
    with pytest.raises(ValueError, match="expected classes 0 to 1, got 0 to 2"):
        classification.confusion(np.array([0, 2]), np.array([0, 1]), 2)
    with pytest.raises(ValueError, match=r"expected target and predicted \(N,\)"):
        classification.confusion(np.array([0, 2]), np.array([0]), 2)


def test_a_checkpoint_reads_with_the_temperature_of_its_card():
    """Twice the temperature, half the log-odds; other labels than its own know nothing of it."""
    from dataclasses import replace

    from mien import checkpoints, recipes
    from mien.core import tasks
    from mien.core.observations import Window

    recipe = recipes.tiny_recipe(recipes.RECIPES["duse/dfew"])
    parts = checkpoints.load_clip(recipe.tower)
    model = checkpoints.build_model(recipe, EXPRESSION, parts)
    hashes = parts.image.hash, parts.text.hash
    faces = RNG.integers(0, 256, (16, 32, 32, 3), dtype=np.uint8)
    none = np.zeros((0, len(tasks.ACTION_UNITS)))
    window = Window(0.0, 1.0, np.zeros(0), np.zeros((0, 4, 3)), none[:, :3], none, none[:, :3], none[:, :2],
                    faces=faces, pictured=np.arange(16) / 25)
    logs = []
    for value in (1.0, 2.0):
        card = checkpoints.make_card(recipe, EXPRESSION, model, hashes, scores={"val": {"temperature": value}})
        logs.append(np.log(checkpoints.Predictor(model, EXPRESSION, 3.0, card).predict_window(window)))
    odds = [log - log[0] for log in logs]
    np.testing.assert_allclose(odds[0], 2 * odds[1], atol=1e-6)
    assert np.abs(odds[0]).max() > 1e-3
    other = replace(EXPRESSION, name="other", classes=tuple(f"a {name}" for name in EXPRESSION.classes))
    assert checkpoints.Predictor(model, other, 3.0, card).temperature == 1.0


@pytest.mark.parametrize("temperature", [0.1, 1.0, 3.0])
def test_probabilities_are_torchs_softmax_of_logits_divided_by_the_temperature(temperature):
    logits = np.random.default_rng(0).normal(0, 3, (5, 4, 7)).astype(np.float32)
    logits[0, 0, 0], logits[1, 0] = 800.0, -800.0  # whose exponentials are infinite or 0
    result = classification.probabilities(logits, temperature)
    expected = (torch.from_numpy(logits).double() / temperature).softmax(dim=-1).numpy()
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(result.sum(axis=-1), 1, rtol=1e-12)
    one_row = classification.probabilities(logits[2, 1], temperature)
    np.testing.assert_array_equal(one_row, result[2, 1])
