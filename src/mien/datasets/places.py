"""Which file is meant where copies lie about, and what the arrangement of the folders is called."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from .layout import Tree
from .survey import Problem

Key = tuple[str, ...]


def arrangement(root: Path, folder: Path, official: str) -> str:
    """`official` where `folder` lies as the authors lay it, `parent` one or more folders down, `flat` at the root."""
    if folder == root / official:
        return "official"
    return "flat" if folder == root else "parent"


def by_name(paths: Iterable[Path], pattern: str) -> tuple[dict[Key, Path], list[Problem]]:
    """The files whose whole name is of the pattern, by its groups, numbers without zeros in front; the first of each.

    A second one of the same name is a problem, not a choice made in silence.
    """
    found: dict[Key, Path] = {}
    problems = []
    for path in paths:
        match = re.fullmatch(pattern, path.name, re.IGNORECASE)
        if match:
            key = tuple(group.lstrip("0") if group.isdigit() else group for group in match.groups())
            first = found.setdefault(key, path)
            if first is not path:
                problems.append(Problem("doubtful", path.name, f"expected it once, got another: {first} is used", path))
    return found, problems


def zipped(found: Tree) -> list[Problem]:
    """Archives of the dataset beside which their folder is not."""
    folders = {folder.name for folder in found.folders}
    return [Problem("missing", path.stem, "expected the folder, got its archive: unzip it", path)
            for path in found.files if path.suffix.lower() in (".zip", ".rar", ".7z") and path.stem not in folders]
