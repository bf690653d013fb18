"""Recipes: what the paper states stands in them, and --set changes what it names and nothing else."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict, replace

import pytest

from mien.core.class_texts import split_texts
from mien.core.tasks import EXPRESSION
from mien.core.trials import Trial
from mien.models.duse.config import AS_PRINTED, DuSEConfig
from mien.recipes import RECIPES, find_recipe, tiny_recipe
from mien.recipes.overrides import from_json, override, to_json
from mien.recipes.published import PUBLISHED_SCORES

DFEW = RECIPES["duse/dfew"]


def test_the_paper_is_followed_where_it_speaks():
    for recipe in (recipe for recipe in RECIPES.values() if recipe.method == "duse"):
        assert (recipe.schedule.batch, recipe.schedule.rate, recipe.schedule.weight_decay) == (16, 1e-3, 0.0)
        assert (recipe.options.prompts, recipe.options.heads, recipe.options.beta) == (4, 4, 0.7)
        assert recipe.options.depth == "normal"
        assert "large-patch14" in recipe.tower
        assert recipe.task == EXPRESSION
    assert RECIPES["duse/dfew-literal"].options == AS_PRINTED
    assert DFEW.options == DuSEConfig()
    assert (DFEW.published.uar, DFEW.published.war) == (64.88, 75.36)
    assert (RECIPES["duse/ferv39k"].published.uar, RECIPES["duse/ferv39k"].published.war) == (43.39, 53.05)
    assert all(name == recipe.name for name, recipe in RECIPES.items())


def differences(a, b) -> set[str]:
    return {name for name in asdict(a) if getattr(a, name) != getattr(b, name)}


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [("options.beta", "0.5", 0.5), ("options.depth", "4", 4), ("options.depth", "deep", "deep"),
     ("options.htpc", "False", False), ("options.prompts", "0", 0), ("schedule.milestones", "0.5, 0.9", (0.5, 0.9)),
     ("schedule.milestones", "[]", ()), ("augment.area", "(0.8,1)", (0.8, 1.0)), ("schedule.choose", "war", "war")],
)  # fmt: skip
def test_set_changes_one_value_by_its_type(path, text, value):
    result = override(DFEW, {path: text})
    part, name = path.split(".")
    assert getattr(getattr(result, part), name) == value
    assert type(getattr(getattr(result, part), name)) is type(value)
    assert differences(result, DFEW) == {part, "changed"}
    assert differences(getattr(result, part), getattr(DFEW, part)) == {name}
    assert result.changed == {path: text}


def test_class_texts_are_a_setting_of_recipes_of_expressions():
    assert override(DFEW, {"texts": "names"}).task.texts == EXPRESSION.classes
    texts, counts = split_texts(override(DFEW, {"texts": "averaged"}).task)
    assert counts == (3,) * len(EXPRESSION.classes)
    assert texts[::3] == list(EXPRESSION.texts)
    assert split_texts(EXPRESSION) == (list(EXPRESSION.texts), (1,) * len(EXPRESSION.classes))
    with pytest.raises(ValueError, match="expected described for"):
        override(RECIPES["mvp/deap-valence"], {"texts": "names"})


def test_set_may_name_the_tower_and_several_at_once():
    result = override(DFEW, {"tower": "/weights/clip", "schedule.epochs": "3", "options.beta": "0.1"})
    assert (result.tower, result.schedule.epochs, result.options.beta) == ("/weights/clip", 3, 0.1)
    assert len(result.changed) == 3


@pytest.mark.parametrize(
    ("path", "text", "reported"),
    [("options.bta", "1", "did you mean beta"), ("option.beta", "1", "did you mean options"),
     ("options", "1", r"options\.prompts, options\.depth"), ("schedule.epochs.x", "1", r"schedule\.epochs, got"),
     ("options.beta", "much", "expected a number, got 'much'"), ("options.beta", "nan", "expected a number"),
     ("options.beta", "7", r"DuSEConfig\.beta: expected 0\.\.1, got 7\.0"),
     ("schedule.epochs", "2.5", "a whole number"),
     ("schedule.epochs", "0", "expected 1 or more, got 0"), ("options.htpc", "1", "true or false"),
     ("options.depth", "high", "a whole number or shallow or normal or deep"), ("augment.area", "0.8", "2 numbers"),
     ("augment.area", "0.8,x", "2 numbers"), ("name", "mine", "got 'name'"),
     ("rule", "x", "expected one of expression"),
     ("seconds", "-1", "expected more than 0")],
)  # fmt: skip
def test_set_refuses_what_it_does_not_know(path, text, reported):
    with pytest.raises(ValueError, match=reported) as error:
        override(DFEW, {path: text})
    assert f"--set {path}" in str(error.value)


def test_the_share_for_validation_and_the_seed_of_the_split_are_settings():
    trials = [Trial(f"{n:05d}", "dfew", side=f"{n % 5 + 1}", labels={"expression": "happy"})
              for n in range(1000)]
    stored = {name: sum(len(fold.val) for fold in RECIPES[name].folds(trials)) for name in ("duse/dfew",
                                                                                        "duse/dfew-official")}
    assert stored["duse/dfew-official"] == 0 < stored["duse/dfew"]
    half = override(DFEW, {"validation": "0.5", "split_seed": "3"})
    assert (half.validation, half.split_seed) == (0.5, 3)
    first = half.folds(trials)[0]
    assert len(first.val) == pytest.approx(400, abs=60)
    assert first.val != override(half, {"split_seed": "4"}).folds(trials)[0].val
    assert override(half, {"validation": "none"}).validation is None
    with pytest.raises(ValueError, match="a share of 0 or more"):
        override(DFEW, {"validation": "1"})


def test_an_unknown_recipe_names_the_nearest():
    assert find_recipe("duse/dfew") is DFEW
    with pytest.raises(ValueError, match="did you mean duse/ferv39k"):
        find_recipe("duse/ferv39")


def test_every_recipe_has_a_tiny_one_that_says_so():
    for recipe in RECIPES.values():
        small = tiny_recipe(recipe)
        assert small.tiny
        assert differences(small, recipe) - {"options"} == {"tiny", "tower", "schedule"}
        assert (small.options == recipe.options) == (recipe.method not in ("mvp", "clip_peers"))


def test_a_recipe_goes_through_json_unchanged():
    for recipe in (*RECIPES.values(), tiny_recipe(override(DFEW, {"options.depth": "3", "augment.area": "0.5,1"}))):
        assert from_json(json.loads(json.dumps(to_json(recipe)))) == recipe
    with pytest.raises(ValueError, match="got colour: install a newer mien"):
        from_json({**to_json(DFEW), "colour": 1})
    with pytest.raises(ValueError, match="DuSEConfig: expected fields that this version knows"):
        from_json({**to_json(DFEW), "options": {"gamma": 1}})


def test_scpt_has_a_recipe_for_each_dataset_and_dimension():
    for dataset in ("mahnob", "deap"):
        for label in ("valence", "arousal"):
            recipe = RECIPES[f"scpt/{dataset}-{label}"]
            assert (recipe.dataset, recipe.rule, recipe.protocol) == (dataset, f"scpt/{label}", "loso")
            assert recipe.task.classes == ("low", "high")
            assert (recipe.windowed, DFEW.windowed) == (True, False)
            assert recipe.published is None  # the digest has an accuracy, but no UAR
            assert set(PUBLISHED_SCORES[recipe.name].values) == {"war"}
            assert "second-hand" in PUBLISHED_SCORES[recipe.name].note
    result = override(recipe, {"options.prompts": "xattn", "options.adversarial": "0", "schedule.people": "2"})
    assert (result.options.prompts, result.options.adversarial, result.schedule.people) == ("xattn", 0.0, 2)
    with pytest.raises(ValueError, match="prompts=none with a baseline"):
        override(recipe, {"options.fusion": "late"})


def test_a_recipe_checks_itself():
    with pytest.raises(ValueError, match=r"Recipe\.options: expected those of duse"):
        replace(DFEW, options=RECIPES["scpt/deap-arousal"].options)
    with pytest.raises(ValueError, match=r"Schedule\.warmup"):
        replace(DFEW.schedule, warmup=50)
    with pytest.raises(ValueError, match=r"Recipe\.seconds"):
        replace(DFEW, seconds=0.0)


@pytest.mark.parametrize("order", list(itertools.permutations(
    ("prompts=none", "fusion=late", "adapter=none", "read=stream"))))
def test_settings_that_need_each_other_come_in_any_order(order):
    result = override(RECIPES["scpt/deap-arousal"], dict(f"options.{item}".split("=") for item in order))
    options = result.options
    assert (options.prompts, options.fusion, options.adapter, options.read) == ("none", "late", "none", "stream")
    with pytest.raises(ValueError, match=r"--set options.prompts=mcp options.fusion=late: SCPTConfig.fusion: expected"):
        override(result, {"options.prompts": "mcp", "options.fusion": "late"})
