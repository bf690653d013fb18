"""A dataset's folders and files as people have them: found by name, wherever they lie below the root."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

DEPTH = 7
"""Folders below the root that are looked into. Our choice: clips of FERV39k lie four deep, and unpacking may put two or
three folders around them."""

MOST = 500_000
"""Entries that are looked at, at most. Our choice: DFEW with all its forms has 66,000, FERV39k 40,000; a wrong root
such as a whole disk ends here."""

JUNK = ("__MACOSX", "System Volume Information", "$RECYCLE.BIN")


@dataclass(frozen=True)
class Tree:
    """What is below `root`: folders and files, nearest first; `cut` where there was more than is looked at.

    Folders named by a number are clips: they are listed and not looked into.
    """

    root: Path
    folders: tuple[Path, ...]
    files: tuple[Path, ...]
    cut: bool = False

    def name(self, path: Path) -> str:
        """The path below the root, with slashes."""
        return path.relative_to(self.root).as_posix()


def tree(root: str | Path, depth: int = DEPTH) -> Tree:
    """root -> its folders and files, `depth` folders down; hidden ones and what archivers leave behind are left out.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it is a file.
    """
    root = Path(root)
    if not root.exists():
        raise FileNotFoundError(f"expected the dataset's folder, got nothing at {root}: check the path")
    if not root.is_dir():
        what = "an archive: unpack it" if root.suffix.lower() in (".zip", ".rar", ".7z", ".tar", ".gz") else "a file"
        raise ValueError(f"expected the dataset's folder, got {root}, {what} and name the folder it is in")
    folders: list[Path] = []
    files: list[Path] = []
    level = [root]
    for _ in range(depth):
        inner = []
        for folder in level:
            for entry in entries(folder):
                if entry.is_dir():
                    folders.append(Path(entry.path))
                    if not entry.name.isdigit():
                        inner.append(Path(entry.path))
                else:
                    files.append(Path(entry.path))
            if len(folders) + len(files) > MOST:
                return Tree(root, tuple(folders), tuple(files), cut=True)
        level = inner
    return Tree(root, tuple(folders), tuple(files))


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, by name, without what is hidden; nothing where it may not be read."""
    try:
        with os.scandir(folder) as found:
            kept = [each for each in found if not each.name.startswith(".") and each.name not in JUNK
                    and not _leads_nowhere(each)]
    except OSError:
        return []
    return sorted(kept, key=lambda each: each.name)


def _leads_nowhere(entry: os.DirEntry[str]) -> bool:
    """A link that goes round in a circle."""
    try:
        entry.is_dir()
    except OSError:
        return True
    return False


def wrong(found: Tree, expected: str, inside: tuple[str, ...]) -> str:
    """Why nothing was found: `expected` in words; `inside`: names of the dataset's own folders, in lower case."""
    archives = [found.name(path) for path in found.files if path.suffix.lower() in (".zip", ".rar", ".7z")]
    got = f"{len(found.folders)} folders and {len(found.files)} files" + (" or more" if found.cut else "")
    if found.root.resolve().name.lower() in inside:
        return f"expected {expected}; this folder is itself a part of the dataset: name the folder that holds it"
    if archives:
        some = ", ".join(archives[:3]) + (f" and {len(archives) - 3} more" if len(archives) > 3 else "")
        return f"expected {expected}, got archives: unpack {some}"
    if not found.folders and not found.files:
        return f"expected {expected}, got an empty folder: name the folder that holds the dataset"
    return f"expected {expected}, got {got} without it: name the folder that holds the dataset"
