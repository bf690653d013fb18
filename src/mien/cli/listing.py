"""`mien list`: the names that the other commands take."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import typer

from mien.cli.console import exit_on_error
from mien.cli.options import Debug


class Listed(StrEnum):
    """What can be listed."""

    recipes = "recipes"
    datasets = "datasets"
    ablations = "ablations"
    methods = "methods"
    models = "models"


What = Annotated[Listed, typer.Argument(help="What to list.")]


def list_names(what: What, debug: Debug = False) -> None:
    """Print the names that the other commands take, one in a line, with a short description after a tab.

    Recipes: mien train, mien bench. Datasets: mien data. Ablations: mien ablate. Models: the option --model.
    """
    with exit_on_error(debug):
        for name, text in _LISTS[what]():
            print(f"{name}\t{text}")


def _recipes() -> Iterator[tuple[str, str]]:
    from mien.recipes import PRETRAINING, installed_recipes

    for name, recipe in installed_recipes().items():
        yield name, f"method {recipe.method}, dataset {recipe.dataset}, protocol {recipe.protocol}"
    for name in PRETRAINING:
        yield name, "pre-training on rendered people, needs no dataset"


def _datasets() -> Iterator[tuple[str, str]]:
    from mien.datasets import dataset, names

    for name in names():
        yield name, _first_line(dataset(name).__doc__)


def _ablations() -> Iterator[tuple[str, str]]:
    from mien.recipes.ablations import ABLATIONS

    for name, grid in ABLATIONS.items():
        yield name, f"{len(grid.rows)} rows, recipes {', '.join(grid.recipes)}"


def _methods() -> Iterator[tuple[str, str]]:
    from mien.models.registry import method, names

    for name in names():
        yield name, _first_line(method(name).__doc__)


def _models() -> Iterator[tuple[str, str]]:
    yield "facs", "default: the built-in reader of expressions, needs no weights"
    yield "clip:TOWER", "zero-shot: a CLIP tower (folder or hub id) and the classes of --labels"
    yield "siglip:TOWER", "zero-shot: a SigLIP 2 of fixed size (folder or hub id) and the classes of --labels"
    yield "onnx:FILE", "an ONNX model of face pictures with a card beside it; also hf:owner/name@COMMIT:file"
    yield "FOLDER", "a checkpoint of mien train, or an export of mien export"


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0].rstrip(".")


_LISTS = {Listed.recipes: _recipes, Listed.datasets: _datasets, Listed.ablations: _ablations,
          Listed.methods: _methods, Listed.models: _models}
