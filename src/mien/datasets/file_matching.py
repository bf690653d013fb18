"""Match files by name, report duplicates, and name the arrangement of the folders."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from mien.datasets.index import DatasetProblem
from mien.datasets.scan import Tree

Key = tuple[str, ...]


def folder_arrangement(root: Path, folder: Path, official: str) -> str:
    """`official` for the authors' location of `folder`, `flat` for the root, `parent` for one or more folders below."""
    if folder == root / official:
        return "official"
    if folder == root:
        return "flat"
    return "parent"


def by_name(paths: Iterable[Path], pattern: str) -> tuple[dict[Key, Path], list[DatasetProblem]]:
    """The files with a name that matches the pattern, by its groups (numbers without leading zeros).

    Of several files with the same groups the first is used; the others are reported as problems.
    """
    files: dict[Key, Path] = {}
    problems = []
    for path in paths:
        match = re.fullmatch(pattern, path.name, re.IGNORECASE)
        if match:
            key = tuple(_unpadded(group) for group in match.groups())
            first = files.setdefault(key, path)
            if first is not path:
                problems.append(DatasetProblem("doubtful", path.name,
                                               f"expected it once, got another: {first} is used", path))
    return files, problems


def _unpadded(text: str) -> str:
    return text.lstrip("0") if text.isdigit() else text


def zip_archives(listing: Tree) -> list[DatasetProblem]:
    """Report archives of the dataset without their unpacked folder."""
    folders = {folder.name for folder in listing.folders}
    return [DatasetProblem("missing", path.stem, "expected the folder, got its archive: unzip it", path)
            for path in listing.files if path.suffix.lower() in (".zip", ".rar", ".7z") and path.stem not in folders]
