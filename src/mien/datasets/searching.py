"""Where a dataset's files are below a folder that a person points at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

DEEPEST = 5
"""Folders below the root that are looked into. Our choice: the deepest official tree has three, repackaged copies add a
folder around it or a doubled name of an archive, and a root such as the home folder must not be searched for ever."""


def checked(root: str | Path) -> Path:
    """root -> the same as a Path, once it is certain that it is a folder.

    Raises:
        FileNotFoundError: there is nothing. ValueError: it is a file.
    """
    path = Path(root)
    if not path.exists():
        raise FileNotFoundError(f"expected the folder of the dataset, got {path}, which does not exist: check the name")
    if not path.is_dir():
        raise ValueError(f"expected the folder of the dataset, got the file {path}: unzip it and name the folder")
    return path


def files(root: Path, depth: int = DEEPEST) -> Iterator[Path]:
    """Every file below root, folder by folder in order, at most `depth` folders down; what cannot be read is passed."""
    for folder, below, names in os.walk(root):
        here = Path(folder)
        below[:] = sorted(below) if len(here.relative_to(root).parts) < depth else []
        yield from (here / name for name in sorted(names))


def layout(root: Path, folder: Path, official: str) -> str:
    """Name of the layout of a dataset of which `folder` holds the files that are in root/`official` by the book."""
    if folder == root / official:
        return "official"
    if folder == root:
        return "flat"
    return "parent" if folder.name == official else "other"
