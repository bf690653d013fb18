"""`mien train`: prepare a dataset and train a model on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import pretrain, train_expression
from mien.cli.console import exit_on_error, print_lines, progress_bar, run_folder, settings, unless
from mien.cli.options import (
    CacheFolder,
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
from mien.core.plain_text import listed_after

if TYPE_CHECKING:
    from mien.checkpoints.factory import ClipEncoders
    from mien.datasets.index import DatasetIndex
    from mien.evaluation.cross_dataset import CrossDatasetResult
    from mien.recipes.recipe import Recipe
    from mien.training.data_module import DataModule
    from mien.training.loop import TrainingResult
    from mien.training.memory import MemoryPlan

FoldName = Annotated[str, typer.Option(metavar="K", help="Fold to train on, by number (from 1) or name.")]
Out = Annotated[
    str, typer.Option("--out", "-o", metavar="DIR", help="Folder of the run. Default: "
                      "runs/RECIPE-foldK-seedN.")
]
TestData = Annotated[
    str, typer.Option(metavar="ROOT", help="Folder of another dataset with the same labels, to test the "
                      "trained model on.")
]
TestCache = Annotated[
    str, typer.Option(metavar="CACHE", help="Folder of the prepared --test-data. Missing trials are "
                      "prepared into it. Default: a folder in --out.")
]
Devices = Annotated[int, typer.Option(metavar="N", min=1, help="Number of devices on each machine.")]
Nodes = Annotated[
    int, typer.Option(metavar="N", min=1, help="Number of machines. Start the same command on each.")
]
Strategy = Annotated[
    str, typer.Option(metavar="NAME", help="Strategy of Lightning Fabric for several devices, such as ddp.")
]
Compile = Annotated[
    bool, typer.Option("--compile", help="Compile the backbone with torch.compile. The first steps are slow.")
]
Tensorboard = Annotated[
    bool, typer.Option("--tensorboard", help="Also write the values of log.csv for TensorBoard.")
]
Loggers = Annotated[
    list[str] | None, typer.Option("--logger", metavar="NAME", help="Also write the values of log.csv to wandb or "
                                   "mlflow, off line. You may repeat it.")
]
MicroBatch = Annotated[
    int, typer.Option("--micro-batch", metavar="N", min=0, help="Rows that pass the model at once; the gradients of a "
                      "batch are added up. 0 means chosen from the free memory of the GPU.")
]
Checkpointing = Annotated[
    bool, typer.Option("--checkpointing", help="Compute the backbone's activations again in the backward pass: less "
                       "memory, a third more time. Without it, chosen from the free memory of the GPU.")
]


def train(
    recipe: RecipeName,
    root: Data = None,
    fold: FoldName = "1",
    cache: CacheFolder = "",
    out: Out = "",
    test_data: TestData = "",
    test_cache: TestCache = "",
    device: Device = "auto",
    devices: Devices = 1,
    nodes: Nodes = 1,
    strategy: Strategy = "auto",
    precision: PrecisionName = "auto",
    compile: Compile = False,
    deterministic: Deterministic = False,
    tensorboard: Tensorboard = False,
    logger: Loggers = None,
    micro_batch: MicroBatch = 0,
    checkpointing: Checkpointing = False,
    seed: Seed = 0,
    workers: Workers = 0,
    tiny: Tiny = False,
    changes: Changes = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train RECIPE on one fold of the dataset in ROOT. Write the checkpoints `chosen` and `last`, and log.csv, to DIR.

    `chosen` is the best epoch by validation. The same command resumes a killed run. Training never reads the test data.
    clip/synthetic (a small CLIP) and expression/simulated need no dataset. expression trains on your own labels: ROOT
    has one folder for each class.
    """
    if train_expression.is_expression(recipe):
        return train_expression.train_expression(recipe, root, out, seed, tiny, changes or [], quiet, debug)
    if recipe.startswith("clip/"):
        return pretrain.pretrain(recipe, root, out, device, seed, workers, tiny, changes or [], quiet, debug)
    with exit_on_error(debug):
        chosen, root = recipe_from_options(recipe, tiny, changes or []), expect_root(root, recipe)
        parts = expect_usable(precision, device, chosen, devices, nodes)
        from mien import training

        training.expect_loggers(tensorboard, logger or ())
        memory = _memory(chosen, micro_batch, checkpointing)
        other, quiet = _other(chosen, test_data, test_cache), quiet or not training.is_first_process()
        folder = run_folder(out, recipe, tiny=tiny, tail=f"-fold{fold}-seed{seed}")
        with training.deterministic_algorithms(deterministic), progress_bar("preparing", 1, quiet) as (progress, above):
            data = training.load_data(chosen, root, cache or folder / "cache", fold, workers=max(workers, 1),
                                    progress=progress, log=above, device=device, seed=seed)
        print_lines(() if quiet else data.notes)
        with progress_bar(f"training {chosen.name}", 1, quiet) as (progress, above):
            fitted = training.fit(
                chosen, data.train, data.val, data.source, folder, seed=seed, device=device,
                devices=devices, nodes=nodes, strategy=strategy, precision=precision, workers=workers,  # type: ignore[arg-type]
                compile=compile, parts=parts, deterministic=deterministic, tensorboard=tensorboard,
                loggers=logger or (), data=data.data, memory=memory,
                progress=lambda step, steps, _: progress(step / steps), log=unless(quiet, above))
        lines = _summary(chosen, fitted, data, training.write_plots(chosen, data, fitted))
        lines += _test(chosen, fitted, data, other, folder, test_cache, quiet, device, precision, workers)
    if not quiet:
        print("\n".join(lines))


def expect_root(root: Path | None, recipe: str) -> Path:
    """The dataset's folder. Raises ValueError without one, FileNotFoundError if nothing is there."""
    if root is None:
        raise ValueError(f"--data: expected the folder that holds the dataset of {recipe}, got none")
    if not root.exists():
        raise FileNotFoundError(f"--data: expected the dataset's folder, got nothing at {root}: check the path")
    return root


def _memory(recipe: Recipe, micro_batch: int, checkpointing: bool) -> MemoryPlan | None:
    """The memory plan of the options; None without them. Raises ValueError if the recipe's batch cannot be parted."""
    if not micro_batch and not checkpointing:
        return None
    from mien import training

    memory = training.MemoryPlan(micro_batch, checkpointing)
    training.expect_parts(recipe.method, memory)
    return memory


def _test(
    recipe: Recipe,
    fitted: TrainingResult,
    data: DataModule,
    other: DatasetIndex | None,
    folder: Path,
    cache: str,
    quiet: bool,
    device: str,
    precision: str,
    workers: int,
) -> list[str]:
    """Test both checkpoints on another dataset -> the lines to print, none without another dataset."""
    if other is None:
        return []
    from mien.evaluation.cross_dataset import cross_dataset

    with progress_bar(f"testing on {other.dataset}", 1, quiet) as (progress, above):
        result = cross_dataset(
            recipe, {"last": fitted.last, "chosen": fitted.chosen}, other,
            cache or folder / f"cache-{other.dataset}", folder / f"{other.dataset}.parquet",
            train=data.fold.train, device=device, precision=precision, workers=workers,  # type: ignore[arg-type]
            progress=progress, log=above)
    return _test_lines(result)


def recipe_from_options(name: str, tiny: bool, changes: list[str]) -> Recipe:
    """Find a recipe and apply the options of the command line.

    Args:
        name: name of the recipe.
        tiny: shrink the recipe for a test of the pipeline.
        changes: the values of `--set`.

    Returns:
        The recipe. If its backbone is a folder, the path of the folder is absolute.

    Raises:
        ValueError: the name or a change is not valid.
    """
    from mien import recipes

    recipe = recipes.find_recipe(name)
    if tiny:
        recipe = recipes.tiny_recipe(recipe)
    recipe = recipes.override(recipe, settings(changes))
    folder = Path(recipe.tower).expanduser()
    if recipe.tower and folder.exists():
        return replace(recipe, tower=str(folder.resolve()))
    return recipe


def expect_usable(precision: str, device: str, recipe: Recipe, devices: int = 1, nodes: int = 1) -> ClipEncoders | None:
    """Check device, precision and backbone before the long preparation of a dataset.

    The backbone is loaded for the check; one on the hub is downloaded.

    Returns:
        The encoders of the backbone, or None if the recipe has none.

    Raises:
        ValueError: the training cannot run with these options.
    """
    if precision not in ("auto", "32", "bf16", "16"):
        raise ValueError(f"--precision: expected auto, 32, bf16 or 16, got {precision!r}")
    from mien import checkpoints, training
    from mien.checkpoints import factory

    factory.resolve_device(device)
    training.check_batch_size(recipe, devices, nodes)
    encoders = checkpoints.load_towers(recipe)
    training.expect_learning(recipe.name, checkpoints.build_model(recipe, recipe.task, encoders, subjects=2))
    return encoders


def _other(recipe: Recipe, root: str, cache: str) -> DatasetIndex | None:
    """Find the test dataset before the training starts, so that errors come early."""
    if not root:
        return None
    from mien.evaluation.cross_dataset import find_checkpoints

    return find_checkpoints(recipe, root, cache)


def _test_lines(result: CrossDatasetResult) -> list[str]:
    return [*result.notes, f"  majority class: WAR {100 * result.majority:.2f} %",
            *(f"  {name}: test UAR {100 * scores['uar']:.2f} %, WAR {100 * scores['war']:.2f} %"
              for name, scores in result.scores.items()), f"see {result.predictions}"]


MEASURES = {"macro_f1": "macro-F1", "valence_macro_f1": "of valence", "arousal_macro_f1": "of arousal",
            "positive_f1": "F1 of high", "weighted_f1": "weighted F1", "uar": "UAR",
            "war": "WAR"}


RATED = {"ccc": "CCC", "rmse": "RMSE in points", "mae": "MAE in points"}


def _measured(recipe: Recipe, scores: Mapping[str, float]) -> str:
    """Format scores: UAR and WAR, or the measures of the method's paper.

    The paper's measures come with the chance level, which is the score of random guesses in proportion to the classes.
    """
    from mien.models.registry import method

    if recipe.task.scale is not None:
        return ", ".join(f"{title} {scores[name]:.3f} (mean of training {scores.get(f'chance_{name}', 0.0):.3f})"
                         for name, title in RATED.items() if name in scores)
    if not method(recipe.method).measures:
        return f"UAR {100 * scores['uar']:.2f} %, WAR {100 * scores['war']:.2f} %"
    from mien.metrics.classification import METRICS

    titles = {**MEASURES, **{name: metric.title for name, metric in METRICS.items() if name not in MEASURES}}
    return ", ".join(f"{title} {100 * scores[name]:.2f} % (chance {100 * scores[f'chance_{name}']:.2f})"
                     for name, title in titles.items() if name in scores)


def _summary(recipe: Recipe, fitted: TrainingResult, data: DataModule, figures: Sequence[Path]) -> list[str]:
    lines = [f"{recipe.name}, {fitted.steps} steps on {len(data.train.trials)} {data.counted}"
             f"{listed_after(', ', recipe.doubt)}"]
    if fitted.stopped:
        lines.append(f"  {fitted.stopped}")
    if fitted.deterministic:
        lines.append("  deterministic")
    for name, scores in fitted.scores.items():
        lines.append(f"  {name} (epoch {scores['epoch']}): validation {_measured(recipe, scores)}")
    if spread := fitted.scores.get("last", {}).get("spread"):
        lines.append(f"  deviation of {recipe.schedule.choose} over the last ten epochs: {100 * spread:.2f} points")
    published = recipe.published
    if published and not recipe.tiny and not recipe.changed:
        lines.append(f"  published, on test: UAR {published.uar} %, WAR {published.war} % ({published.source})")
    lines.append(f"see {fitted.chosen} (chosen on validation), {fitted.last} and {fitted.log}")
    if figures:
        lines.append(f"figures: {', '.join(map(str, figures))}")
    return lines
