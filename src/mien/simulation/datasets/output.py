"""Output of the lookalike writers: a new folder with a note, parallel jobs, and optional packages."""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import joblib

from mien.core import atomic_files
from mien.core.parallel.supervised import local_processes
from mien.simulation.datasets.truth import DatasetTruth

NOTE, MARKER = "LOOKALIKE.txt", "LOOKALIKE.json"
"""Files of a lookalike: what it is, in words; and the labels of its trials."""

Job = TypeVar("Job")
Done = TypeVar("Done")


def fresh(root: str | Path, dataset: str, variant: str, variants: Iterable[str], size: int, least: int, seed: int
          ) -> Path:
    """Check the options, make the folder, and write a note into it.

    Args:
        root: folder of the lookalike, new or empty.
        dataset: name of the dataset.
        variant: layout.
        variants: known layouts.
        size: number of clips or trials.
        least: smallest size.
        seed: seed, for the note.

    Returns:
        The folder.

    Raises:
        ValueError: the variant is unknown, or the size is below `least`.
        FileExistsError: the folder is not empty.
    """
    if variant not in variants:
        raise ValueError(f"simulation.datasets.{dataset}: expected a variant of {', '.join(variants)}, got {variant!r}")
    if size < least:
        raise ValueError(f"simulation.datasets.{dataset}: expected a size of {least} or more, got {size}")
    folder = Path(root)
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"simulation.datasets.{dataset}: expected a new or empty folder, got {folder} with files "
                              "in it; name another, or empty this one yourself")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NOTE).write_text(
        f"A lookalike of {dataset}: its format without its content. Faces, signals and labels are synthetic;\n"
        f"no real person is shown or measured. Written by mien.simulation.datasets, variant {variant}, seed {seed}.\n",
        encoding="utf-8")
    return folder


def marked(write: Callable[..., DatasetTruth]) -> Callable[..., DatasetTruth]:
    """Let a writer of lookalikes also write the marker with the labels of its trials."""

    @functools.wraps(write)
    def write_marked(*args: Any, **options: Any) -> DatasetTruth:
        """Write the lookalike, then the marker."""
        truth = write(*args, **options)
        labels = {item.id: item.labels for item in truth.items}
        marker = {"dataset": truth.dataset, "variant": truth.variant, "seed": truth.seed, "labels": labels}
        atomic_files.text(truth.root / MARKER, json.dumps(marker, indent=1, ensure_ascii=False) + "\n")
        return truth

    return write_marked


def each(work: Callable[[Job], Done], jobs: Iterable[Job], workers: int) -> list[Done]:
    """Run work(job) for every job in `workers` processes -> the results in the order of the jobs."""
    return local_processes(n_jobs=workers)(joblib.delayed(work)(job) for job in jobs)


def writer(package: str, path: Path) -> Any:
    """Import the package that writes a file.

    Raises:
        ModuleNotFoundError: the package is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"cannot write {path.name}: expected the package {package}, got none; "
                                  f"install it with `pip install {package}`", name=package) from error
