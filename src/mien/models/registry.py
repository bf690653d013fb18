"""Every method by its name: those of this package, and those that an installed package adds by an entry point.

A package adds a method by an entry point of the group `mien.methods`, its name and its class, and the recipes that use
it by one of the group `mien.recipes`, see `mien.recipes.find_recipe`:

    [project.entry-points."mien.methods"]
    linear_probe = "my_package.linear_probe:LinearProbe"
"""

from __future__ import annotations

from typing import Any

from mien.core import entry_points
from mien.models.clip_peers import ClipPeer
from mien.models.duse.model import DuSE
from mien.models.mvp.model import MVP
from mien.models.scpt.model import SCPT

GROUP = "mien.methods"

METHODS: dict[str, type[Any]] = {"duse": DuSE, "scpt": SCPT, "mvp": MVP, "clip_peers": ClipPeer}
"""Name -> class, a `method.Method`. A method of this package needs this row, its file or folder, and a recipe."""


def method(name: str) -> type[Any]:
    """The class of this name. Raises ValueError where neither this package nor an installed one has it."""
    return entry_points.find("method", name, METHODS, GROUP)


def names() -> list[str]:
    """The names of all methods: those of this package, then those of installed packages."""
    return entry_points.names(METHODS, GROUP)
