"""Labels: planted ratings against the boundaries that the recipes' sources state."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

from mien.core import tasks
from mien.core.trials import Trial
from mien.datasets import labels
from mien.datasets.labels import RULES, Rule


def rated(*ratings: float | str | None, subject: str = "s01", label: str = "valence", dataset: str = "deap"
          ) -> list[Trial]:
    return [Trial(f"{subject}/{i}", dataset, subject, labels={} if value is None else {label: value})
            for i, value in enumerate(ratings, 1)]


@pytest.mark.parametrize(
    ("rule", "ratings", "expected"),
    [
        ("mvp/valence", (1, 4.49, 4.5, 4.51, 5, 9), (0, 0, 0, 1, 1, 1)),      # low <= 4.5
        ("eegain/valence", (4.5, 4.6, 4.99), (0, 1, 1)),                      # no truncation to 4
        ("scpt/valence", (1, 4.5, 4.99, 5, 5.01, 9), (0, 0, 0, 1, 1, 1)),     # high >= 5
        ("torcheeg/valence", (4.99, 5), (0, 1)),
        ("thirds/valence", (1, 2, 3, 4, 5, 6, 7, 8, 9), (0, 0, 0, 1, 1, 1, 2, 2, 2)),
        ("subject-median/valence", (1, 2, 3, 8, 9), (0, 0, 0, 1, 1)),
    ],
)  # fmt: skip
def test_the_boundary_is_where_the_source_puts_it(rule, ratings, expected) -> None:
    targets = RULES[rule](rated(*ratings))
    assert targets.target.tolist() == list(expected)
    assert targets.target.dtype == np.int64
    assert not targets.dropped


def test_whole_ratings_are_cut_alike_by_mvp_and_scpt() -> None:
    trials = rated(*range(1, 10), label="arousal")
    assert np.array_equal(RULES["mvp/arousal"](trials).target, RULES["scpt/arousal"](trials).target)


def test_arousal_and_valence_are_not_mixed_up() -> None:
    trial = Trial("s01/1", "deap", "s01", labels={"valence": 9.0, "arousal": 1.0})
    assert RULES["mvp/valence"]([trial]).target.tolist() == [1]
    assert RULES["mvp/arousal"]([trial]).target.tolist() == [0]


def test_rules_drop_and_count_trials_without_a_label() -> None:
    trials = rated(2, None, 8, 0, 10, "much", "7.5", float("inf"))
    targets = RULES["scpt/valence"](trials)
    assert [trial.id for trial in targets.trials] == ["s01/1", "s01/3", "s01/7"]
    assert targets.target.tolist() == [0, 1, 1]
    assert {trial.id: why for trial, why in targets.dropped} == {
        "s01/2": "no valence", "s01/4": "valence outside 1..9", "s01/5": "valence outside 1..9",
        "s01/6": "valence that is no number", "s01/8": "valence outside 1..9"}
    assert len(targets.trials) + len(targets.dropped) == len(trials)


def test_every_result_can_say_what_was_done() -> None:
    line = str(RULES["mvp/valence"](rated(2, 3, None, 8) + rated(9, subject="s02")))
    for said in ("mvp", "low <= 4.5 < high", "4 trials of 2 subjects", "low 2, high 2", "majority 50.0%",
                 "dropped 1, no valence 1"):
        assert said in line
    assert "TRANSDUCTIVE" not in line
    assert "low < 5 <= high" in str(RULES["scpt/arousal"])
    assert "unpleasant < 4 <= neutral < 7 <= pleasant" in str(RULES["thirds/valence"])


def test_nothing_at_all_is_reported_without_a_warning() -> None:
    targets = RULES["mvp/valence"](rated(None, None))
    assert len(targets.target) == 0
    assert np.isnan(targets.majority)
    assert "dropped 2, no valence 2" in str(targets)


def test_each_subject_has_a_median_of_its_own() -> None:
    rng = np.random.default_rng(0)
    low, high = rng.uniform(1, 4, 11), rng.uniform(6, 9, 11)  # two people who use two ends of the scale
    targets = RULES["subject-median/valence"](rated(*low) + rated(*high, subject="s02"))
    for ratings, part in ((low, targets.target[:11]), (high, targets.target[11:])):
        assert np.array_equal(part, ratings > statistics.median(ratings))
    assert targets.counts == {"low": 12, "high": 10}


def test_a_median_of_test_ratings_is_called_transductive_and_one_of_train_is_not() -> None:
    train, test = rated(1, 2, 3, 4, 5), rated(6, 7, 8, 9, subject="s02")
    everyone = RULES["subject-median/valence"](train + test, train)
    assert everyone.transductive
    assert everyone.target.tolist() == [0, 0, 0, 1, 1, 0, 0, 1, 1]
    assert "TRANSDUCTIVE" in str(everyone)
    assert not RULES["subject-median/valence"](train, train).transductive

    fair = RULES["train-median/valence"](train + test, train)
    assert not fair.transductive
    assert fair.target.tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1]
    assert "1 subjects without training ratings" in fair.note
    assert "training, 3" in fair.note or "training ratings, 3" in fair.note


def test_test_ratings_move_no_boundary_of_the_train_median() -> None:
    train = rated(1, 2, 3, 4, 5)
    once = RULES["train-median/valence"](train + rated(4, subject="s02"), train)
    again = RULES["train-median/valence"](train + rated(4, 9, 9, 9, subject="s02"), train)
    assert again.target.tolist()[:6] == once.target.tolist()


def test_a_median_of_train_demands_a_train() -> None:
    with pytest.raises(ValueError, match="expected train"):
        RULES["train-median/valence"](rated(1, 2))
    with pytest.raises(ValueError, match="expected ratings of valence in train"):
        RULES["train-median/valence"](rated(1, 2), rated(None))
    nobody = RULES["subject-median/valence"](rated(1, 2, subject=""))
    assert [why for _, why in nobody.dropped] == ["no subject", "no subject"]


def test_subjects_of_two_datasets_with_one_name_are_two_people() -> None:
    trials = rated(1, 2, 3) + rated(7, 8, 9, dataset="amigos")
    assert RULES["subject-median/valence"](trials).target.tolist() == [0, 0, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # MAHNOB-HCI: 0 neutral, 1 anger, 2 disgust, 3 fear, 4 joy, 5 sadness, 6 surprise, 11 amusement, 12 anxiety
        ("keywords/valence", {"unpleasant": (1, 2, 3, 5, 12), "neutral": (0, 6), "pleasant": (4, 11)}),
        ("keywords/arousal", {"calm": (5, 2, 0), "medium": (4, 11), "activated": (6, 3, 1, 12)}),
    ],
)
def test_felt_emotions_fall_into_their_keyword_classes(rule, expected) -> None:
    for name, codes in expected.items():
        for code in codes:
            for value in (code, float(code), str(code)):
                targets = RULES[rule](rated(value, label="emotion"))
                assert targets.counts[name] == 1, (code, value)
    for word, name in (("Joy", "pleasant"), ("anxiety", "unpleasant")):
        assert RULES["keywords/valence"](rated(word, label="emotion")).counts[name] == 1
    strange = RULES[rule](rated(7, label="emotion"))
    assert [why for _, why in strange.dropped] == ["emotion '7' of no class"]


def test_expressions_go_by_word_and_never_by_number() -> None:
    words = ("Happy", "Sad", "Neutral", "Angry", "Surprise", "Disgust", "Fear")  # the order of DFEW and FERV39k
    targets = RULES["expression"](rated(*words, label="expression"))
    assert targets.target.tolist() == list(range(7))
    assert targets.rule.task is tasks.EXPRESSION
    numbers = RULES["expression"](rated(0, 3, "3", label="expression"))
    assert len(numbers.trials) == 0
    assert len(numbers.dropped) == 3


def test_the_table_is_complete_and_says_who_does_so() -> None:
    for name, rule in RULES.items():
        assert name in (rule.name, f"{rule.name}/valence", f"{rule.name}/arousal", f"{rule.name}/both")
        assert rule.source
        assert tasks.TASKS[rule.task.name] is rule.task
    assert RULES["mvp/valence"].task.classes == ("low", "high")


def test_both_dimensions_are_four_classes_of_one_rule() -> None:
    ratings = [(1, 1), (1, 9), (9, 1), (9, 9), (4.5, 4.6), (None, 9), (9, "much"), (None, None)]
    trials = [Trial(f"s01/{k}", "deap", "s01", labels={
        name: value for name, value in zip(("valence", "arousal"), pair, strict=True) if value is not None})
        for k, pair in enumerate(ratings)]
    result = RULES["mvp/both"](trials, trials)
    assert result.target.tolist() == [0, 1, 2, 3, 1]
    assert [result.rule.task.classes[k] for k in result.target[:4]] == ["LVLA", "LVHA", "HVLA", "HVHA"]
    for part, step in (("valence", 2), ("arousal", 1)):
        assert RULES[f"mvp/{part}"](result.trials).target.tolist() == (result.target // step % 2).tolist()
    assert {trial.id: why for trial, why in result.dropped} == {
        "s01/5": "no valence", "s01/6": "arousal that is no number", "s01/7": "no valence"}
    assert "valence, low <= 4.5 < high and arousal, low <= 4.5 < high" in str(result)
    median = RULES["train-median/valence"], RULES["train-median/arousal"]
    both = Rule("medians", "both", tasks.QUADRANTS, "our test", parts=median)
    assert both(trials[:4], trials[1:2]).target.tolist() == [0, 0, 2, 2]  # medians 1 and 9, a tie is low
    with pytest.raises(ValueError, match="expected parts with 2 classes"):
        Rule("mine", "both", tasks.VALENCE, "nobody", parts=median)


def test_a_scale_of_ones_own() -> None:
    rule = Rule("mine", "valence", tasks.VALENCE, "our manual", cuts=(0.0,), scale=(-1.0, 1.0))
    assert rule(rated(-1, -0.1, 0, 1)).target.tolist() == [0, 0, 1, 1]
    assert len(rule(rated(2)).dropped) == 1


@pytest.mark.parametrize(
    "wrong",
    [{}, {"cuts": (5.0,), "center": "subject"}, {"cuts": (3.0, 6.0)}, {"cuts": (5.0,), "equal": "middle"},
     {"center": "test"}, {"words": {"joy": "splendid"}}],
)
def test_a_rule_that_cannot_be_is_refused(wrong) -> None:
    with pytest.raises(ValueError, match="expected"):
        labels.Rule("mine", "valence", tasks.VALENCE, "nobody", **wrong)
