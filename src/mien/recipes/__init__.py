"""Recipes: frozen experiment configurations, one for each published setting, with their published scores.

    recipe = override(RECIPES["duse/dfew"], {"options.beta": "0.5", "schedule.epochs": "30"})

Values that a paper does not state are marked with our reason; docs/methods.md has more. The published scores are the
authors', not ours.
"""

from __future__ import annotations

from dataclasses import replace

from mien.backbones.tiny import SOURCE
from mien.core import entry_points
from mien.core.plain_text import unknown_name
from mien.models.clip_peers import ClipPeerConfig, Kind
from mien.models.duse.config import AS_PRINTED
from mien.models.registry import method
from mien.recipes.clip import PRETRAINING, Pretraining
from mien.recipes.mvp import MVP
from mien.recipes.overrides import from_json, override, to_json
from mien.recipes.recipe import TINY_DOUBT, AugmentOptions, PublishedResult, Recipe, Schedule
from mien.recipes.scpt import SCPT

__all__ = [
    "PRETRAINING",
    "RECIPES",
    "SOURCE",
    "TINY_DOUBT",
    "AugmentOptions",
    "Pretraining",
    "PublishedResult",
    "Recipe",
    "Schedule",
    "find_recipe",
    "from_json",
    "installed_recipes",
    "override",
    "tiny_recipe",
    "to_json",
]

CLIP_PEERS: tuple[Kind, ...] = ("probe", "coop", "maple", "dfer-clip")
"""The peers of `models.clip_peers` with recipes of their own."""

_CLIP = "openai/clip-vit-large-patch14"  # tables I and IV: ViT-L/14, depth normal
_DFEW = Recipe(
    "duse/dfew", "duse", "dfew", "dfew", _CLIP,
    seconds=3.0,  # our choice: DFEW's clips have 77 frames on average, about 3 s
    licence="research only, not commercial: the agreement of DFEW binds what is trained on it",
    published=PublishedResult(64.88, 75.36, "arXiv 2604.12777, table I: DFEW, five folds"))

RECIPES: dict[str, Recipe] = {
    "duse/dfew": _DFEW,
    "duse/dfew-literal": replace(_DFEW, name="duse/dfew-literal", options=AS_PRINTED),
    "duse/ferv39k": replace(
        _DFEW, name="duse/ferv39k", dataset="ferv39k", protocol="ferv39k",
        seconds=1.2,  # our choice: FERV39k's clips have 28 frames on average
        licence="research only, not commercial: the agreement of FERV39k binds what is trained on it",
        published=PublishedResult(43.39, 53.05, "arXiv 2604.12777, table I: FERV39k, official test")),
    "duse/folder": replace(
        _DFEW, name="duse/folder", dataset="folder", protocol="kfold",
        licence="the terms under which you may use your own clips", published=None),
    **SCPT,
    **MVP,
}
RECIPES |= {
    f"{name}-official": replace(RECIPES[name], name=f"{name}-official", validation=0.0)
    for name in ("duse/dfew", "duse/ferv39k")
}
RECIPES |= {
    f"clip/{kind}-{dataset}": replace(RECIPES[f"duse/{dataset}"], name=f"clip/{kind}-{dataset}", method="clip_peers",
                                      options=ClipPeerConfig(kind), published=None)
    for kind in CLIP_PEERS for dataset in ("dfew", "ferv39k")
}
"""Every recipe of this package by its name; `tiny(recipe)` makes its tiny version."""

GROUP = "mien.recipes"


def installed_recipes() -> dict[str, Recipe]:
    """`RECIPES` and the recipes of other installed packages.

    Each entry point of the group `mien.recipes` is a dict of recipes by name.
    """
    recipes = dict(RECIPES)
    for added in entry_points.loaded(GROUP).values():
        recipes |= added
    return recipes


def find_recipe(name: str) -> Recipe:
    """Find a recipe by name.

    Args:
        name: such as "duse/dfew".

    Returns:
        The recipe.

    Raises:
        ValueError: the name is unknown; the message suggests a similar one.
    """
    if name in RECIPES:
        return RECIPES[name]
    every = installed_recipes()
    if name not in every:
        raise ValueError(unknown_name("recipe", every, name))
    return every[name]


def tiny_recipe(recipe: Recipe) -> Recipe:
    """Shrink a recipe to a small random tower and few steps: it only checks that the pipeline runs.

    Args:
        recipe: the recipe.

    Returns:
        A new recipe.
    """
    options = method(recipe.method).tiny(recipe.options)
    people = min(recipe.schedule.people, 2)
    batch = 8 if people else 4  # four windows of each person, for losses that compare windows
    return replace(recipe, tower=SOURCE, tiny=True, options=options,
                   schedule=replace(recipe.schedule, epochs=2, batch=batch, people=people, warmup=0))
