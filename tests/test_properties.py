"""Properties of signals, labels, metrics and the time line, against references of others, on inputs drawn at random."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage, optimize, signal, stats
from sklearn import metrics as sklearn_metrics

from mien import signals
from mien.core.trials import Trial
from mien.datasets.labels import RULES
from mien.metrics import classification, regression, significance
from mien.reporting.timeline.segments import expression_segments
from mien.signals import peaks

few = settings(max_examples=25)
numbers = st.floats(-1e3, 1e3)


def series(least: int, most: int) -> st.SearchStrategy[np.ndarray]:
    """(N,) finite numbers."""
    return st.integers(least, most).flatmap(lambda count: arrays(np.float64, count, elements=numbers))


# ---------------------------------------------------------------- signals


@few
@given(series(200, 400), st.sampled_from([25.0, 30.0, 64.0]), st.floats(0.4, 1.0), st.floats(2.0, 8.0))
def test_bandpass_equals_scipy_for_any_band(values, rate, low, high):
    sos = signal.butter(2, [low, high], btype="bandpass", fs=rate, output="sos")
    expected = signal.sosfiltfilt(sos, values, padlen=int(rate / low))
    np.testing.assert_allclose(signals.bandpass(values, rate, low, high), expected, atol=1e-7)


@few
@given(series(3, 60), st.floats(0.5, 300.0))
def test_detrend_is_the_smoothness_prior_of_tarvainen(values, lam):
    differences = np.diff(np.eye(len(values)), 2, axis=0)
    trend = np.linalg.solve(np.eye(len(values)) + lam**2 * differences.T @ differences, values)
    np.testing.assert_allclose(signals.detrend(values, lam), values - trend, atol=1e-5)


@few
@given(series(3, 60), series(3, 60), st.floats(-5, 5), st.floats(-5, 5), st.floats(0.5, 100.0))
def test_detrend_is_linear_and_takes_off_any_line(values, others, slope, offset, lam):
    count = min(len(values), len(others))
    values, others, line = values[:count], others[:count], offset + slope * np.arange(count)
    both = signals.detrend(2 * values + others + line, lam)
    np.testing.assert_allclose(both, 2 * signals.detrend(values, lam) + signals.detrend(others, lam), atol=1e-6)


@few
@given(st.lists(st.floats(0.02, 0.4), min_size=2, max_size=60), st.data())
def test_resample_is_linear_interpolation_where_frames_are_dense(steps, data):
    times = np.cumsum(steps)
    values = data.draw(arrays(np.float64, len(times), elements=numbers))
    result = signals.resample(times, values, 2.0, gap=0.5)
    grid = result.start + np.arange(len(result.values)) / result.rate
    if len(times) - 1 < 2 * result.rate * (times[-1] - times[0]):  # faster ones are averaged, so that none aliases
        expected = np.interp(grid, times, values)
        np.testing.assert_allclose(result.values[result.seen], expected[result.seen], atol=1e-6)
    assert np.isnan(result.values[~result.seen]).all()
    inside = (grid >= times[0]) & (grid <= times[-1])
    assert result.seen[inside].all()


@few
@given(arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 50)), elements=numbers), st.integers(1, 15))
def test_moving_average_equals_pandas(values, size):
    expected = pd.DataFrame(values.T).rolling(size | 1, center=True, min_periods=1).mean().to_numpy().T
    np.testing.assert_allclose(peaks.moving_average(values, size), expected, atol=1e-8)


@few
@given(arrays(np.bool_, st.tuples(st.integers(1, 3), st.integers(1, 40))), st.integers(1, 4))
def test_stretches_of_true_equal_the_labelled_regions_of_scipy(inside, least):
    result = list(zip(*(each.tolist() for each in peaks.runs(inside, least)), strict=True))
    expected = [(row, part[0].start, part[0].stop) for row, line in enumerate(inside)
                for part in ndimage.find_objects(ndimage.label(line)[0]) if part[0].stop - part[0].start >= least]
    assert result == expected


# ---------------------------------------------------------------- labels


rated = st.lists(st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.integers(-20, 120).map(lambda n: n / 10))),
                 min_size=1, max_size=40)


def trials(rows: list[tuple[str, float | None]]) -> list[Trial]:
    return [Trial(str(i), "deap", who, labels={} if value is None else {"valence": value})
            for i, (who, value) in enumerate(rows)]


@few
@given(rated, st.sampled_from([("mvp/valence", [4.5], True), ("scpt/valence", [5.0], False),
                               ("eegain/valence", [4.5], True), ("torcheeg/valence", [5.0], False)]))
def test_targets_are_the_bins_of_numpy_and_the_rest_is_dropped(rows, rule):
    name, edges, right = rule
    result = RULES[name](trials(rows))
    kept = [value for _, value in rows if value is not None and 1 <= value <= 9]
    assert result.target.tolist() == np.digitize(kept, edges, right=right).tolist()
    assert result.ratings.tolist() == kept
    assert len(result.dropped) == len(rows) - len(kept)


@few
@given(rated)
def test_subject_medians_equal_those_of_pandas(rows):
    result = RULES["subject-median/valence"](trials(rows))
    table = pd.DataFrame([(who, value) for who, value in rows if value is not None and 1 <= value <= 9],
                         columns=["who", "value"])
    expected = table["value"] > table.groupby("who")["value"].transform("median")
    assert result.target.tolist() == expected.astype(int).tolist()


# ---------------------------------------------------------------- metrics


guesses = st.integers(2, 6).flatmap(lambda classes: st.tuples(
    st.just(classes), st.lists(st.tuples(st.integers(0, classes - 1), st.integers(0, classes - 1)), min_size=1,
                               max_size=60)))


@few
@given(guesses)
def test_measures_of_classes_equal_scikit_learn(drawn):
    classes, pairs = drawn
    target, predicted = np.array(pairs).T
    counts = classification.confusion(target, predicted, classes)
    present = np.unique(target)
    truth = {"y_true": target, "y_pred": predicted}
    np.testing.assert_array_equal(counts, sklearn_metrics.confusion_matrix(**truth, labels=range(classes)))
    assert classification.war(counts) == pytest.approx(sklearn_metrics.accuracy_score(**truth))
    assert classification.uar(counts) == pytest.approx(
        sklearn_metrics.recall_score(**truth, labels=present, average="macro", zero_division=0))
    assert classification.macro_f1(counts) == pytest.approx(sklearn_metrics.f1_score(**truth, average="macro",
                                                                              zero_division=0))
    assert classification.weighted_f1(counts) == pytest.approx(
        sklearn_metrics.f1_score(**truth, average="weighted", zero_division=0))


@few
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_equals_the_binomial_test_of_scipy(pairs):
    first, second = np.array(pairs).T
    single, other = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    result = significance.mcnemar(first, second)
    assert result[:2] == (single, other)
    assert result[2] == pytest.approx(stats.binomtest(single, single + other).pvalue if single + other else 1.0)


@few
@given(st.data(), st.integers(2, 40))
def test_measures_of_ratings_equal_scipy_and_scikit_learn(data, count):
    scale = st.integers(10, 90).map(lambda n: n / 10)
    truth, guess = (np.array(data.draw(st.lists(scale, min_size=count, max_size=count))) for _ in range(2))
    result = regression.values(regression.sums(truth, guess))
    assert result["rmse"] == pytest.approx(sklearn_metrics.root_mean_squared_error(truth, guess), abs=1e-6)
    assert result["mae"] == pytest.approx(sklearn_metrics.mean_absolute_error(truth, guess))
    if np.ptp(truth) > 0 and np.ptp(guess) > 0:
        pearson = stats.pearsonr(truth, guess).statistic
        lin = 2 * np.cov(truth, guess, bias=True)[0, 1] / (truth.var() + guess.var() + (truth.mean() - guess.mean())**2)
        assert result["pearson"] == pytest.approx(pearson, abs=1e-6)
        assert result["ccc"] == pytest.approx(lin, abs=1e-9)
        assert abs(result["ccc"]) <= abs(result["pearson"]) + 1e-6
    else:
        assert math.isnan(result["pearson"])


@few
@given(arrays(np.float64, (30, 4), elements=st.floats(-8, 8)), st.integers(0, 2**16))
def test_the_temperature_fits_as_well_as_scipys_minimum(logits, seed):
    target = np.random.default_rng(seed).integers(0, 4, 30)

    def loss(temperature: float) -> float:
        return sklearn_metrics.log_loss(target, softmax(logits / temperature), labels=range(4))

    def softmax(values: np.ndarray) -> np.ndarray:
        raised = np.exp(values - values.max(axis=1, keepdims=True))
        return raised / raised.sum(axis=1, keepdims=True)

    result = classification.temperature(classification.cross_entropy_by_temperature(logits, target))
    low, high = classification.TEMPERATURES[0], classification.TEMPERATURES[-1]
    best = optimize.minimize_scalar(loss, bounds=(low, high), method="bounded")
    assert loss(result) <= best.fun + 1e-3


# ---------------------------------------------------------------- time line


@few
@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.2, 2.0)), min_size=1, max_size=40))
def test_runs_without_pauses_are_the_groups_of_itertools(drawn):
    said, lengths = zip(*drawn, strict=True)
    end = np.cumsum(lengths)
    begin = np.concatenate([[0.0], end[:-1]])
    result = expression_segments(begin, end, said)
    groups = [list(group) for _, group in itertools.groupby(range(len(said)), key=said.__getitem__)]
    assert [(run.value, run.first, run.last) for run in result] == [
        (said[group[0]], group[0], group[-1] + 1) for group in groups]
    assert [run.begin for run in result] == [begin[group[0]] for group in groups]
    assert [run.end for run in result] == [end[group[-1]] for group in groups]
