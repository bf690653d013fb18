"""`mien train`: from a dataset as it comes to a checkpoint, by one command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import pretrain
from mien.cli.asking import (
    CacheAt,
    Changes,
    Data,
    Debug,
    Deterministic,
    Device,
    PrecisionName,
    Quiet,
    RecipeName,
    Seed,
    Tiny,
    Workers,
)
from mien.cli.telling import bar, one_line, say, settings

if TYPE_CHECKING:
    from mien.bench.elsewhere import Elsewhere
    from mien.checkpoint import Clip
    from mien.datasets import Survey
    from mien.recipes import Recipe
    from mien.train import Fitted, Material


def train(
    recipe: RecipeName,
    root: Data = None,
    fold: Annotated[str, typer.Option(metavar="K", help="Which fold, by number from 1 or by name.")] = "1",
    cache: CacheAt = "",
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="DIR", help="Where it goes: runs/RECIPE-foldK-seedN when not given.")
    ] = "",
    test_data: Annotated[
        str, typer.Option(metavar="ROOT", help="Another dataset with these labels, to judge what came out.")
    ] = "",
    test_cache: Annotated[
        str, typer.Option(metavar="CACHE", help="That one prepared; what it lacks is prepared. Otherwise in --out.")
    ] = "",
    device: Device = "auto",
    devices: Annotated[int, typer.Option(metavar="N", min=1, help="Devices on each machine.")] = 1,
    nodes: Annotated[int, typer.Option(metavar="N", min=1, help="Machines, each started with this command.")] = 1,
    strategy: Annotated[str, typer.Option(metavar="NAME", help="As in Lightning Fabric, such as ddp.")] = "auto",
    precision: PrecisionName = "auto",
    compile: Annotated[bool, typer.Option("--compile", help="Let torch compile the towers; slow to begin.")] = False,
    deterministic: Deterministic = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="log.csv for TensorBoard too.")] = False,
    seed: Seed = 0,
    workers: Workers = 0,
    tiny: Tiny = False,
    changes: Changes = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train RECIPE on one fold of the dataset in ROOT; write checkpoints `chosen` and `last` and log.csv into DIR.

    Half of a training goes on where it was stopped, a kill included. The test part of the fold is not looked at.
    clip/synthetic needs no dataset: it draws people and writes a small CLIP into DIR, a tower for --set tower=DIR.
    """
    if recipe.startswith("clip/"):
        return pretrain.pretrain(recipe, root, out, device, seed, workers, tiny, changes or [], quiet, debug)
    with one_line(debug):
        if root is None:
            raise ValueError(f"--data: expected the folder that holds the dataset of {recipe}, got none")
        chosen = asked(recipe, tiny, changes or [])
        parts = expect_usable(precision, device, chosen, devices, nodes)
        from mien import train

        train.expect_tensorboard(tensorboard)
        quiet = quiet or not train.leads()
        other = _other(chosen, test_data, test_cache)
        place = Path(out or f"runs/{recipe.replace('/', '-')}{'-tiny' * tiny}-fold{fold}-seed{seed}")
        with train.exact(deterministic), bar("preparing", 1, quiet) as (tick, above):
            material = train.gather(chosen, root, cache or place / "cache", fold, workers=max(workers, 1), tick=tick,
                                    told=above, device=device, seed=seed)
        if not quiet:
            for line in material.notes:
                say(line)
        with bar(f"training {chosen.name}", 1, quiet) as (tick, above):
            found = train.fit(
                chosen, material.train, material.val, material.source, place, seed=seed, device=device,
                devices=devices, nodes=nodes, strategy=strategy, precision=precision, workers=workers,  # type: ignore[arg-type]
                compile=compile, parts=parts, deterministic=deterministic, tensorboard=tensorboard, data=material.data,
                tick=lambda step, steps, _: tick(step / steps), told=None if quiet else above)
        drawn = train.drawn(chosen, material, found) if chosen.method == "mvp" else ()
        told = _sum(chosen, found, material, drawn)
        if other is not None:
            from mien.bench.elsewhere import elsewhere

            with bar(f"judging by {other.dataset}", 1, quiet) as (tick, above):
                judged = elsewhere(
                    chosen, {"last": found.last, "chosen": found.chosen}, other,
                    test_cache or place / f"cache-{other.dataset}", place / f"{other.dataset}.parquet",
                    train=material.fold.train, device=device, precision=precision, workers=workers,  # type: ignore[arg-type]
                    tick=tick, told=above)
            told = "\n".join([told, *_beyond(judged)])
    if not quiet:
        print(told)


def asked(name: str, tiny: bool, changes: list[str]) -> Recipe:
    """The recipe of this name, small with `tiny`, with what --set changes; a tower's folder by its whole path."""
    from mien import recipes

    found = recipes.find(name)
    found = recipes.tiny(found) if tiny else found
    found = recipes.change(found, settings(changes))
    place = Path(found.tower).expanduser()
    return replace(found, tower=str(place.resolve())) if found.tower and place.exists() else found


def expect_usable(precision: str, device: str, recipe: Recipe, devices: int = 1, nodes: int = 1) -> Clip | None:
    """What would stop the training after a long preparation stops it now; a tower on the hub is downloaded.

    The towers, which are loaded to see whether they fit.
    """
    if precision not in ("auto", "32", "bf16", "16"):
        raise ValueError(f"--precision: expected auto, 32, bf16 or 16, got {precision!r}")
    from mien import checkpoint, train
    from mien.checkpoint import parts

    parts.pick(device)
    train.expect_shared(recipe, devices, nodes)
    found = checkpoint.towers(recipe)
    train.expect_learning(recipe, checkpoint.build(recipe, recipe.task, found, subjects=2))
    return found


def _other(recipe: Recipe, root: str, cache: str) -> Survey | None:
    """The dataset that judges, found before anything is trained."""
    if not root:
        return None
    from mien.bench.elsewhere import find

    return find(recipe, root, cache)


def _beyond(judged: Elsewhere) -> list[str]:
    return [*judged.notes, f"  always the commonest class: WAR {100 * judged.majority:.2f} %",
            *(f"  {name}: test UAR {100 * found['uar']:.2f} %, WAR {100 * found['war']:.2f} %"
              for name, found in judged.scores.items()), f"see {judged.predictions}"]


MEASURES = {"macro_f1": "macro-F1", "valence_macro_f1": "of valence", "arousal_macro_f1": "of arousal",
            "positive_f1": "F1 of high", "weighted_f1": "weighted F1", "uar": "UAR",
            "war": "WAR"}


RATED = {"ccc": "CCC", "rmse": "RMSE in points", "mae": "MAE in points"}


def _measured(recipe: Recipe, scores: Mapping[str, float]) -> str:
    """Scores in words; of MVP F1 first, each beside what guessing by the share of each class would have."""
    if recipe.task.scale is not None:
        return ", ".join(f"{told} {scores[name]:.3f} (mean of training {scores.get(f'chance_{name}', 0.0):.3f})"
                         for name, told in RATED.items() if name in scores)
    if recipe.method != "mvp":
        return f"UAR {100 * scores['uar']:.2f} %, WAR {100 * scores['war']:.2f} %"
    return ", ".join(f"{told} {100 * scores[name]:.2f} % (chance {100 * scores[f'chance_{name}']:.2f})"
                     for name, told in MEASURES.items() if name in scores)


def _sum(recipe: Recipe, found: Fitted, material: Material, drawn: Sequence[Path]) -> str:
    lines = [f"{recipe.name}, {found.steps} steps on {len(material.train.trials)} {material.counted}"
             + (f", {recipe.doubt}" if recipe.tiny else "")]
    for name, scores in found.scores.items():
        lines.append(f"  {name} (epoch {scores['epoch']}): validation {_measured(recipe, scores)}")
    if recipe.published and not recipe.tiny and not recipe.changed:
        told = recipe.published
        lines.append(f"  published, on test: UAR {told.uar} %, WAR {told.war} % ({told.source})")
    lines.append(f"see {found.chosen} (chosen on validation), {found.last} and {found.log}")
    lines[1:1] = [f"  {found.stopped}"] * bool(found.stopped) + ["  deterministic"] * found.deterministic
    lines += [f"figures: {', '.join(map(str, drawn))}"] if drawn else []
    return "\n".join(lines)
