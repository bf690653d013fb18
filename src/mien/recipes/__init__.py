"""Recipes: everything that decides what a training makes of a fold, a paper's table each, in frozen values.

    recipe = change(RECIPES["duse/dfew"], {"options.beta": "0.5", "schedule.epochs": "30"})

What a paper does not state is marked, with its reason; docs/methods.md has more. Published numbers stand beside the
recipe that they belong to: they are the authors', not ours.
"""

from __future__ import annotations

import difflib
from dataclasses import replace

from mien.models.duse import LITERAL
from mien.models.mvp import Options
from mien.recipes.change import change, from_json, to_json
from mien.recipes.clip import PRETRAINING, Pretraining
from mien.recipes.mvp import MVP, small
from mien.recipes.recipe import KNOWS_NOTHING, TINY, Augment, Published, Recipe, Schedule
from mien.recipes.scpt import SCPT

__all__ = ["KNOWS_NOTHING", "PRETRAINING", "RECIPES", "TINY", "Augment", "Pretraining", "Published", "Recipe",
           "Schedule", "change", "find", "from_json", "tiny", "to_json"]

_CLIP = "openai/clip-vit-large-patch14"  # tables I and IV: ViT-L/14, depth normal
_DFEW = Recipe(
    "duse/dfew", "duse", "dfew", "dfew", _CLIP,
    seconds=3.0,  # our choice: DFEW's clips have 77 frames on average, three seconds of a film
    licence="research only, not commercial: the agreement of DFEW binds what is trained on it",
    published=Published(64.88, 75.36, "arXiv 2604.12777, table I: DFEW, five folds"))

RECIPES: dict[str, Recipe] = {
    "duse/dfew": _DFEW,
    "duse/dfew-literal": replace(_DFEW, name="duse/dfew-literal", options=LITERAL),
    "duse/ferv39k": replace(
        _DFEW, name="duse/ferv39k", dataset="ferv39k", protocol="ferv39k",
        seconds=1.2,  # our choice: FERV39k's clips have 28 frames on average
        licence="research only, not commercial: the agreement of FERV39k binds what is trained on it",
        published=Published(43.39, 53.05, "arXiv 2604.12777, table I: FERV39k, official test")),
    **SCPT,
    **MVP,
}
"""Every recipe by its name; `tiny(recipe)` is the small one of each."""

def find(name: str) -> Recipe:
    """The recipe of this name. ValueError names the nearest ones otherwise."""
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=1)
        told = f": did you mean {near[0]}?" if near else ""
        raise ValueError(f"recipe: expected one of {', '.join(RECIPES)}, got {name!r}{told}")
    return RECIPES[name]


def tiny(recipe: Recipe) -> Recipe:
    """The same with a small random tower and few steps: it shows that everything runs, and knows nothing."""
    options = small(recipe.options) if isinstance(recipe.options, Options) else recipe.options
    people = min(recipe.schedule.people, 2)  # of whom each batch has four windows, so that some can be compared
    return replace(recipe, tower=TINY, tiny=True, options=options,
                   schedule=replace(recipe.schedule, epochs=2, batch=8 if people else 4, people=people, warmup=0))
