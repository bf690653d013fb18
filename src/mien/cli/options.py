"""Command-line options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperArgument, TyperCommand

RecipeName = Annotated[
    str, typer.Argument(metavar="RECIPE", help="Name of the recipe, such as duse/dfew or scpt/deap-arousal.")]
Data = Annotated[Path | None, typer.Option("--data", metavar="ROOT", help="Folder that holds the dataset.")]
CacheFolder = Annotated[
    str, typer.Option(metavar="CACHE", help="Folder of the prepared dataset. Missing trials are prepared into it. "
                      "Default: a folder in --out.")]
Folds = Annotated[
    str, typer.Option(metavar="K,K", help="Run only these folds, by number (from 1) or name. Default: all folds.")]
Device = Annotated[
    str, typer.Option(metavar="NAME", help="Device that computes: auto, cpu, cuda, cuda:1 or mps. auto takes a GPU "
                      "if there is one.")]
PrecisionName = Annotated[
    str, typer.Option(metavar="NAME", help="Floating-point precision: auto, 32, bf16 or 16. auto takes bf16 if the "
                      "device supports it.")]
Deterministic = Annotated[
    bool, typer.Option("--deterministic", help="Use only deterministic operations, so that a GPU gives the same result "
                       "every time. Slower.")]
Seed = Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the random numbers.")]
Workers = Annotated[
    int, typer.Option(metavar="N", min=0, help="Number of processes that prepare and load data. 0 loads in the main "
                      "process.")]
Parallel = Annotated[
    int, typer.Option(metavar="N", min=1, help="Number of folds or rows that run at the same time, each in its own "
                      "process.")]
JobDevices = Annotated[
    str, typer.Option(metavar="K,K", help="Run one fold or row at a time on each of these devices: GPU numbers, or "
                      "cuda:1, cpu.")]
Cluster = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Run on the Dask cluster with this scheduler, such as "
                      "tcp://host:8786.")]
Tiny = Annotated[
    bool, typer.Option("--tiny", help="Test the pipeline: a small, randomly initialised backbone and few steps. The "
                       "scores are meaningless.")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change a field of the recipe, such as "
                                   "options.beta=0.5. You may repeat it.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Print the traceback of every error.")]


Source = Annotated[
    str, typer.Option(metavar="SOURCE", help="Video source: the number of a camera, a file, or an rtsp:// address.")]
ModelName = Annotated[
    str, typer.Option("--model", metavar="NAME", help="Model that predicts the expression: facs, a checkpoint, "
                      "clip:FOLDER_OR_HUB_ID, siglip:FOLDER_OR_HUB_ID, onnx:FILE, or hf:OWNER/NAME@COMMIT:FILE.")]
DetectionThreshold = Annotated[
    float, typer.Option(metavar="SCORE", help="Smallest score of the face detector that counts as a face, above 0 and "
                        "below 1.")]
PulseOnly = Annotated[
    bool, typer.Option("--pulse-only", help="Measure only the pulse, not the expression. Several times faster.")]
PulseMethod = Annotated[
    str, typer.Option(metavar="NAME", help="rPPG method of the pulse waveform: auto, pos, chrom, green, lgi, pbv, "
                      "omit, ica, onnx:FILE, or that of an installed package. The heart rate does not depend on it.")]
Labels = Annotated[
    str, typer.Option(metavar="LABELS.YAML", help="File with your own labels and their texts, for a checkpoint, "
                      "clip: or siglip:. Default: the model's labels.")]
Step = Annotated[float, typer.Option(metavar="SECONDS", help="Time between two events, in seconds.")]
Reuse = Annotated[
    bool, typer.Option("--reuse", help="Reuse the features of frames that two windows share. Faster; the results of "
                       "DuSE change slightly.")]
Language = Annotated[str, typer.Option(metavar="LANG", help="Language of the sentences: en or de.")]


def split_names(text: str) -> list[str]:
    """Split a list with commas: `1,fd3` gives ["1", "fd3"]. Empty parts are left out."""
    return [part.strip() for part in text.split(",") if part.strip()]


def expect_one_way(parallel: int, devices: str, cluster: str, device: str) -> None:
    """Raise ValueError if the options name more than one way to run the rows or folds."""
    ways = {"--parallel": parallel > 1, "--devices": devices, "--cluster": cluster, "--device": device != "auto"}
    given = [way for way, is_given in ways.items() if is_given]
    if len(given) > 1 and (devices or "--device" not in given):
        raise ValueError(f"expected one of --parallel, --devices and --cluster, got {' and '.join(given)}")


def listing(find: Callable[[], Iterable[str]]) -> type[TyperCommand]:
    """Make the class of a command with an argument `name`; its help lists the valid names.

    Args:
        find: returns the names. It is called only for `--help`, because it may be slow.

    Returns:
        A class for `app.command(cls=...)`.
    """

    class Listing(TyperCommand):
        def format_help(self, ctx: Any, formatter: Any) -> None:
            for each in self.params:
                if isinstance(each, TyperArgument) and each.name == "name":
                    each.help = f"One of {', '.join(find())}."
            super().format_help(ctx, formatter)

    return Listing


def grouped(common: Iterable[str], base: type[TyperCommand] = TyperCommand) -> type[TyperCommand]:
    """Make the class of a command whose help shows the common options first, then all others.

    Args:
        common: long names of the common options, in their order, such as `--out`.
        base: the class to extend.

    Returns:
        A class for `app.command(cls=...)`.

    Raises:
        ValueError: at the first `--help`, if the command has no option of one of the names.
    """
    names = tuple(common)

    class Grouped(base):  # type: ignore[misc, valid-type]
        def format_options(self, ctx: Any, formatter: Any) -> None:
            """Print the arguments, the common options and the other options as sections."""
            arguments = [each for each in self.get_params(ctx) if isinstance(each, TyperArgument)]
            options = {name: each for each in self.get_params(ctx) if not isinstance(each, TyperArgument)
                       for name in each.opts if name.startswith("--")}
            if unknown := [name for name in names if name not in options]:
                raise ValueError(f"grouped: expected options of {self.name}, got {unknown[0]}")
            first = [options[name] for name in names]
            rest = [each for each in dict.fromkeys(options.values()) if each not in first]
            for title, params in (("Arguments", arguments), ("Common options", first), ("More options", rest)):
                records = [record for each in params if (record := each.get_help_record(ctx)) is not None]
                if records:
                    with formatter.section(title):
                        formatter.write_dl(records)

    return Grouped
