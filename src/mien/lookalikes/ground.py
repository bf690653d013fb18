"""The ground a lookalike is built on: a fresh folder, a note that nobody is shown, workers."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import joblib

NOTE = "LOOKALIKE.txt"

Job = TypeVar("Job")
Done = TypeVar("Done")


def fresh(root: str | Path, dataset: str, variant: str, variants: Iterable[str], size: int, least: int, seed: int
          ) -> Path:
    """Check what was asked for, make the folder, leave a note in it -> the folder.

    Raises:
        ValueError: an unknown variant, or a size below `least`.
        FileExistsError: the folder holds something already.
    """
    if variant not in variants:
        raise ValueError(f"lookalikes.{dataset}: expected a variant of {', '.join(variants)}, got {variant!r}")
    if size < least:
        raise ValueError(f"lookalikes.{dataset}: expected a size of {least} or more, got {size}")
    folder = Path(root)
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"lookalikes.{dataset}: expected a new or empty folder, got {folder} with files in it; "
                              "name another, or empty this one yourself")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NOTE).write_text(
        f"A lookalike of {dataset}: its format, none of its content. Nobody is shown and nobody was measured: faces,\n"
        f"signals and labels are synthetic. Written by mien.lookalikes, variant {variant}, seed {seed}.\n",
        encoding="utf-8")
    return folder


def each(work: Callable[[Job], Done], jobs: Iterable[Job], workers: int) -> list[Done]:
    """work(job) for every job, in `workers` processes; results in the order of the jobs."""
    return joblib.Parallel(n_jobs=workers)(joblib.delayed(work)(job) for job in jobs)


def writer(package: str, path: Path) -> Any:
    """The package that writes such a file. ModuleNotFoundError where it is not installed."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"cannot write {path.name}: expected the package {package}, got none; "
                                  f"install it with `pip install {package}`", name=package) from error
