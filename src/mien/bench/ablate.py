"""An ablation: one benchmark a row, and a table shaped as in the paper, with what is printed beside what came out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mien import recipes, towers, writing
from mien.bench import scores, tables
from mien.bench.rows import Job, judge
from mien.bench.run import BENCH, PREDICTIONS
from mien.recipes import RECIPES, Recipe
from mien.recipes.ablations import ABLATIONS, Ablation, Row
from mien.train.material import held, prepared, split
from mien.work import Outcome

LOADED = ("tower", "options.video", "options.features")
"""Settings that name weights, or follow from them."""


def asked(name: str, recipe: str = "") -> tuple[Ablation, str]:
    """The grid of this name and the recipe it starts from. ValueError for a name or a recipe that it does not know."""
    if name not in ABLATIONS:
        raise ValueError(f"ablate: expected one of {', '.join(ABLATIONS)}, got {name!r}")
    found = ABLATIONS[name]
    if recipe and recipe not in found.recipes:
        raise ValueError(f"--recipe: expected one of {', '.join(found.recipes)} for {name}, got {recipe!r}")
    return found, recipe or found.recipes[0]


def changed(row: Row, base: str, tiny: bool, settings: dict[str, str]) -> Recipe:
    """The recipe of a row; `settings` hold for all rows and give way to its own; all towers of a tiny one are tiny."""
    whole = {**settings, **row.settings}
    if not tiny:
        return recipes.change(RECIPES[base], whole)
    small = {path: value for path, value in whole.items() if path not in LOADED}
    if whole.get("options.video", "aus") != "aus":
        small |= {"options.video": recipes.TINY, "options.features": str(towers.tiny("videomae").plan.features)}
    return recipes.change(recipes.tiny(RECIPES[base]), small)


@dataclass(frozen=True, eq=False)
class Ablated:
    """What an ablation left: `frame` as of `table`, `page` the same for readers, `failed`: rows that could not be
    judged, with what became of them; `asked`: how many rows were to be judged."""

    frame: pd.DataFrame
    page: str
    failed: tuple[tuple[str, Outcome], ...]
    asked: int


def ablate(name: str, root: str | Path, out: str | Path, *, recipe: str = "", cache: str | Path = "",
           tiny: bool = False, rows: Sequence[int] = (), settings: dict[str, str] | None = None, seed: int = 0,
           workers: int = 0, parallel: int = 1, devices: Sequence[str] = (), cluster: str = "",
           heard: Callable[[float], None] | None = None, told: Callable[[str], None] | None = None, **how: Any
           ) -> Ablated:
    """Judge every row of an ablation, or those of these numbers from 1; `out` gets table.csv and table.md.

    Each row is a benchmark in a folder of `out`, rows that ask for one and the same recipe share it. What is there is
    kept and what is half-way goes on, so that several machines may each take some `rows` of one `out`. The dataset is
    prepared first, once; `parallel`, `devices`, `cluster`: see `rows.judge`. A row that fails does not stop the others.
    `heard` gets the share that is done, 0..1, `told` a line for each trial or row that failed; `how`: as in
    `cross_validate`. Raises ValueError for names and numbers that are not there, and for another dataset.
    """
    grid, base = asked(name, recipe)
    out, hear, settings = Path(out).absolute(), heard or (lambda share: None), settings or {}
    if strange := sorted(set(rows) - set(range(1, len(grid.rows) + 1))):
        raise ValueError(f"--rows: expected 1 to {len(grid.rows)}, got {strange[0]}")
    asks = [changed(row, base, tiny, settings) for row in grid.rows]
    place, cache = Path(root).absolute(), Path(cache or out / "cache").absolute()
    survey, _ = split(asks[0], place)
    begun = 0.0 if held(survey, cache) else 0.3
    prepared(survey, cache, max(workers, 1), lambda share: hear(begun * share), told, cluster)
    where = places(grid, asks)
    jobs: dict[str, Job] = {}
    for number, (row, folder) in enumerate(zip(grid.rows, where, strict=True), 1):
        if not rows or number in rows:
            ask = asks[where.index(folder)]  # of all who share it the first, whichever rows are asked for
            jobs.setdefault(folder, Job(row.name, ask, str(place), str(out / folder), str(cache),
                                        {"seed": seed, "workers": workers, **how}))
    failed = []
    for job, outcome in judge(list(jobs.values()), parallel=parallel, devices=devices, cluster=cluster,
                              tick=lambda done: hear(begun + (1 - begun) * done / len(jobs))):
        if outcome.status == "failed":
            failed.append((job.title, outcome))
            (told or (lambda line: None))(f"{job.title}: {outcome.reason}")
    frame = table(grid, base, asks, out, seed, alike=not (tiny or settings))
    page = markdown(name, grid, base, frame, tiny, settings, seed)
    writing.table(out / "table.csv", frame)
    writing.text(out / "table.md", page)
    return Ablated(frame, page, tuple(failed), len(jobs))


def places(grid: Ablation, asks: Sequence[Recipe]) -> list[str]:
    """The folder of each row; of rows that are the same recipe, that of the first of them."""
    bare = [replace(one, changed={}) for one in asks]
    return [slug(grid.rows[bare.index(one)].name) for one in bare]


def slug(name: str) -> str:
    """A row's name as that of a folder."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-").lower()


def table(grid: Ablation, base: str, asks: Sequence[Recipe], out: Path, seed: int, alike: bool) -> pd.DataFrame:
    """A row a row: name, folds, and of each measure, in %: paper, last, chosen, difference of both, these only where
    the recipe is `alike` the paper's; rows that were not judged yet, by this recipe and seed, have no numbers of ours.
    """
    found = []
    for row, ask, place in zip(grid.rows, asks, places(grid, asks), strict=True):
        line: dict[str, Any] = {"row": row.name, "folds": 0}
        frame = _judged(out / place, ask, seed)
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
                line[f"{measure}_difference_{name}"] = line[f"{measure}_{name}"] - paper if alike else np.nan
        found.append(line)
    return pd.DataFrame(found)


def _judged(folder: Path, ask: Recipe, seed: int) -> pd.DataFrame | None:
    """The predictions of a row that was judged, by this recipe, whatever it was called by, and seed."""
    if not (folder / PREDICTIONS).is_file():
        return None
    about = json.loads((folder / BENCH).read_text(encoding="utf-8"))
    held, wanted = ({**recipe, "changed": {}} for recipe in (about["recipe"], recipes.to_json(ask)))
    same = held == json.loads(json.dumps(wanted)) and about["seed"] == seed
    return pd.read_parquet(folder / PREDICTIONS) if same else None


def markdown(name: str, grid: Ablation, base: str, frame: pd.DataFrame, tiny: bool, settings: dict[str, str],
             seed: int) -> str:
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
    lines = [f"# {name}: {grid.title}, on {base}, seed {seed}", ""]
    if tiny:
        lines += ["A trial: small random towers and few steps. It shows that everything runs, and knows nothing.", ""]
    if settings:
        lines += ["Changed in every row: " + ", ".join(f"`{path}={value}`" for path, value in settings.items()) + ".",
                  ""]
    lines += [*tables.grid(head, rows), "", "All numbers in %, ours of all test trials together; last: after the last"
              " epoch; chosen: of the epoch that is best on validation; empty: not judged yet, or not public;"
              " difference: ours less the paper's, empty for a trial and for changed settings.", "",
              f"Folds judged, row by row: {', '.join(map(str, frame['folds']))}.", ""]
    lines += [f"Paper: {grid.source}."] * bool(grid.source) + [f"{grid.note}"] * bool(grid.note)
    return "\n".join(lines).rstrip() + "\n"
