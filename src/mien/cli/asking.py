"""What several commands ask for in the same words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help="Such as duse/dfew or scpt/deap-arousal.")]
Data = Annotated[Path | None, typer.Option("--data", metavar="ROOT", help="The folder that holds the dataset.")]
CacheAt = Annotated[
    str, typer.Option(metavar="CACHE", help="The prepared dataset; what it lacks is prepared. Otherwise in --out.")]
Folds = Annotated[str, typer.Option(metavar="K,K", help="Only these folds, by number or name.")]
Device = Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps.")]
PrecisionName = Annotated[
    str, typer.Option(metavar="NAME", help="auto (bf16 where the device computes in it), 32, bf16 or 16.")]
Deterministic = Annotated[
    bool, typer.Option("--deterministic", help="Only what adds in one order: on a GPU too the same every time.")]
Seed = Annotated[int, typer.Option(metavar="N", min=0, help="Decides everything that is random.")]
Workers = Annotated[int, typer.Option(metavar="N", min=0, help="Processes that prepare and load.")]
Tiny = Annotated[bool, typer.Option("--tiny", help="A small random tower and few steps: does it run?")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change the recipe: options.beta=0.5.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Print the traceback of an error.")]


Source = Annotated[str, typer.Option(metavar="SOURCE", help="A camera's number, a file, or rtsp://...")]
ModelName = Annotated[
    str, typer.Option("--model", metavar="NAME", help="What reads the expression: facs, a checkpoint, or clip:HUB_ID.")]
Labels = Annotated[str, typer.Option(metavar="LABELS.YAML", help="Other labels, for a checkpoint or clip:.")]
Step = Annotated[float, typer.Option(metavar="SECONDS", help="How often there is an event.")]
Reuse = Annotated[bool, typer.Option("--reuse", help="Keep what was made of a frame: faster, not exact for DuSE.")]
Language = Annotated[str, typer.Option(metavar="LANG", help="Of the sentences: en or de.")]


def names(text: str) -> list[str]:
    """`1,fd3` -> its parts."""
    return [part.strip() for part in text.split(",") if part.strip()]
