"""The recipes of the examples."""

from __future__ import annotations

from dataclasses import replace

from mien.recipes.recipe import AugmentOptions, Recipe, Schedule

_LICENCE = "none: an example"
_DFEW = Recipe("probe/dfew", "linear_probe", "dfew", "dfew", tower="", seconds=1.0, licence=_LICENCE,
               schedule=Schedule(epochs=2, batch=4, rate=0.01))

RECIPES = {
    "probe/dfew": _DFEW,
    "probe/moods": replace(_DFEW, name="probe/moods", dataset="moods", protocol="moods", rule="moods",
                           augment=AugmentOptions(on=False), schedule=Schedule(epochs=20, batch=4, rate=0.1)),
}
"""Name -> recipe: the method by name, the dataset, its protocol and its rule of labels by name."""
