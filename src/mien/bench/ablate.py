"""An ablation: one benchmark a row, and a table shaped as in the paper, with what is printed beside what came out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mien import recipes, writing
from mien.bench import scores, tables
from mien.bench.run import PREDICTIONS, Judged, cross_validate
from mien.bench.write import write
from mien.recipes import RECIPES, Recipe
from mien.recipes.ablations import ABLATIONS, Ablation, Row

LOADED = ("tower", "options.video", "options.features")
"""Settings that name weights."""


def asked(name: str, recipe: str = "") -> tuple[Ablation, str]:
    """The grid of this name and the recipe it starts from. ValueError for a name or a recipe that it does not know."""
    if name not in ABLATIONS:
        raise ValueError(f"ablate: expected one of {', '.join(ABLATIONS)}, got {name!r}")
    found = ABLATIONS[name]
    if recipe and recipe not in found.recipes:
        raise ValueError(f"--recipe: expected one of {', '.join(found.recipes)} for {name}, got {recipe!r}")
    return found, recipe or found.recipes[0]


def changed(row: Row, base: str, tiny: bool, settings: dict[str, str]) -> Recipe:
    """The recipe of a row; `settings` hold for all rows and give way to its own; of a tiny one no tower is loaded."""
    whole = {**settings, **row.settings}
    if tiny:
        return recipes.change(recipes.tiny(RECIPES[base]), {k: v for k, v in whole.items() if k not in LOADED})
    return recipes.change(RECIPES[base], whole)


def ablate(name: str, root: str | Path, out: str | Path, *, recipe: str = "", cache: str | Path = "",
           tiny: bool = False, rows: Sequence[int] = (), settings: dict[str, str] | None = None,
           heard: Callable[[str, float], None] | None = None, **how: Any) -> pd.DataFrame:
    """Judge every row of an ablation, or those of these numbers from 1 -> the table, which `out` gets as table.md too.

    Each row is a benchmark in a folder of `out`, rows that ask for one and the same recipe share it. What is there is
    kept and what is half-way goes on, so that several machines may each take some `rows` of one `out`. `how`: as in
    `cross_validate`. Raises ValueError for names and numbers that are not there.
    """
    grid, base = asked(name, recipe)
    out, hear = Path(out), heard or (lambda what, share: None)
    if strange := sorted(set(rows) - set(range(1, len(grid.rows) + 1))):
        raise ValueError(f"--rows: expected 1 to {len(grid.rows)}, got {strange[0]}")
    asks = [changed(row, base, tiny, settings or {}) for row in grid.rows]
    wanted = [k for k in range(len(asks)) if not rows or k + 1 in rows]
    where = places(grid, asks)
    done: dict[str, Judged] = {}
    for number, k in enumerate(wanted):
        def tick(what: str, share: float, first: int = number, title: str = grid.rows[k].name) -> None:
            hear(f"{title}: {what}", (first + share) / len(wanted))

        if where[k] not in done:
            done[where[k]] = cross_validate(asks[k], root, out / where[k], cache=cache or out / "cache", heard=tick,
                                            **how)
            write(done[where[k]])
    frame = table(grid, base, [out / place for place in where])
    writing.table(out / "table.csv", frame)
    writing.text(out / "table.md", markdown(name, grid, base, frame, tiny))
    return frame


def places(grid: Ablation, asks: Sequence[Recipe]) -> list[str]:
    """The folder of each row; of rows that are the same recipe, that of the first of them."""
    bare = [replace(one, changed={}) for one in asks]
    return [slug(grid.rows[bare.index(one)].name) for one in bare]


def slug(name: str) -> str:
    """A row's name as that of a folder."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-").lower()


def table(grid: Ablation, base: str, folders: Sequence[Path]) -> pd.DataFrame:
    """A row a row: name, folds, and of each measure, in %: paper, last, chosen, difference of both; rows not judged yet
    have no numbers of ours."""
    found = []
    for row, folder in zip(grid.rows, folders, strict=True):
        line: dict[str, Any] = {"row": row.name, "folds": 0}
        frame = pd.read_parquet(folder / PREDICTIONS) if (folder / PREDICTIONS).is_file() else None
        ours: dict[str, dict[str, float]] = {}
        if frame is not None:
            line["folds"] = frame["fold"].nunique()
            ours = {str(name): scores.scored(part, RECIPES[base].task).values()
                    for name, part in frame.groupby("checkpoint")}
        for measure in grid.measures:
            paper = row.printed.get(base, {}).get(measure, np.nan)
            line[f"{measure}_paper"] = paper
            for name in scores.CHECKPOINTS:
                line[f"{measure}_{name}"] = 100 * ours.get(name, {}).get(measure, np.nan)
                line[f"{measure}_difference_{name}"] = line[f"{measure}_{name}"] - paper
        found.append(line)
    return pd.DataFrame(found)


def markdown(name: str, grid: Ablation, base: str, frame: pd.DataFrame, tiny: bool) -> str:
    """The page `table.md`."""
    head = ["row"]
    for measure in grid.measures:
        title = tables.NAMES[measure]
        head += [f"{title}, paper", f"{title}, last", f"{title}, chosen", f"{title}, difference (chosen)"]
    rows = []
    for _, line in frame.iterrows():
        cells = [str(line["row"])]
        for measure in grid.measures:
            cells += [tables.number(line[f"{measure}_{what}"]) for what in ("paper", "last", "chosen")]
            cells.append(tables.number(line[f"{measure}_difference_chosen"], "+.2f"))
        rows.append(cells)
    lines = [f"# {name}: {grid.title}, on {base}", ""]
    if tiny:
        lines += ["A trial: small random towers and few steps. It shows that everything runs, and knows nothing.", ""]
    lines += [*tables.grid(head, rows), "", "All numbers in %, ours of all test trials together; last: after the last"
              " epoch; chosen: of the epoch that is best on validation; empty: not judged yet, or not public.", ""]
    lines += [f"Paper: {grid.source}."] * bool(grid.source) + [f"{grid.note}"] * bool(grid.note)
    return "\n".join(lines).rstrip() + "\n"
