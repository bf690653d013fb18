"""The way of a recipe from the command to the loss: which files it passes through, and how often it comes back.

    python benchmarks/recipe_path.py [--recipe duse/dfew]

Trains one step of a tiny recipe on a lookalike of its dataset and records each call of the package that has a whole
recipe as an argument, in order, until the first loss. A stay is one visit to a file; a return is a visit to a file that
was visited before. The calls of `mien.recipes` itself, which makes the recipe, are left out.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Any

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "mien"


class Recorder:
    """A profile function for `sys.setprofile`. `files`: those of the calls with a recipe, from `train` to the loss."""

    def __init__(self, recipe: type) -> None:
        self.files: list[str] = []
        self.recipe, self.done = recipe, False

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event != "call" or self.done or not code.co_filename.startswith(str(PACKAGE)):
            return
        file = Path(code.co_filename).relative_to(PACKAGE).as_posix()
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        begun = bool(self.files) or (file, code.co_name) == ("cli/train.py", "train")
        given = any(isinstance(frame.f_locals.get(name), self.recipe) for name in names)
        self.done = begun and file.startswith("models/") and code.co_name == "loss"
        if begun and not file.startswith("recipes/") and (given or not self.files or self.done):
            self.files.append(file)


def stays(recipe: str) -> list[str]:
    """The files that a training of this recipe visits with it, in order."""
    from mien.cli import main
    from mien.recipes import find_recipe
    from mien.recipes.recipe import Recipe

    recorder = Recorder(Recipe)
    with tempfile.TemporaryDirectory() as folder:
        data = ["data", "fake", find_recipe(recipe).dataset, f"{folder}/data"]
        train = ["train", recipe, "--data", f"{folder}/data", "--out", f"{folder}/run", "--tiny", "--quiet"]
        for arguments in (data, train):
            sys.argv = ["mien", *arguments]
            if arguments is train:
                sys.setprofile(recorder)
            with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
                main()
            sys.setprofile(None)
    return [file for file, _ in groupby(recorder.files)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="duse/dfew", help="name of the recipe (default: %(default)s)")
    visited = stays(parser.parse_args().recipe)
    returns = len(visited) - len(set(visited))
    print(f"from the command to the loss a recipe makes {len(visited)} stays in {len(set(visited))} files, "
          f"{returns} returns")
    print("\n".join(f"  {file}" for file in visited))


if __name__ == "__main__":
    main()
