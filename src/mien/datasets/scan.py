"""Scan the folders and files of a dataset below its root."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

DEPTH = 7
"""Depth of the scan in folders. Our choice: clips of FERV39k are four folders deep, and unpacking may add two or
three."""

MOST = 500_000
"""Largest number of scanned entries. Our choice: DFEW with all its forms has 66,000, FERV39k 40,000; the limit stops
the scan of a wrong root such as a disk."""

JUNK = ("__MACOSX", "System Volume Information", "$RECYCLE.BIN")


@dataclass(frozen=True)
class Tree:
    """Folders and files below `root`, nearest first; `cut` if the scan stopped at its limit.

    Folders named by a number are clips: they are listed but not scanned.
    """

    root: Path
    folders: tuple[Path, ...]
    files: tuple[Path, ...]
    cut: bool = False

    def name(self, path: Path) -> str:
        """The path below the root, with slashes."""
        return path.relative_to(self.root).as_posix()


def scan_tree(root: str | Path, depth: int = DEPTH) -> Tree:
    """Scan `root` to `depth` folders, without hidden entries and leftovers of archivers.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it is a file.
    """
    root = Path(root)
    if not root.exists():
        raise FileNotFoundError(f"expected the dataset's folder, got nothing at {root}: check the path")
    if not root.is_dir():
        what = "a file"
        if root.suffix.lower() in (".zip", ".rar", ".7z", ".tar", ".gz"):
            what = "an archive: unpack it"
        raise ValueError(f"expected the dataset's folder, got {root}, {what} and name the folder it is in")
    folders: list[Path] = []
    files: list[Path] = []
    level = [root]
    for _ in range(depth):
        inner = []
        for folder in level:
            for entry in list_entries(folder):
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


def list_entries(folder: Path) -> list[os.DirEntry[str]]:
    """The files and folders in a folder by name, without hidden ones; none if the folder is unreadable."""
    try:
        with os.scandir(folder) as scan:
            kept = [each for each in scan if not each.name.startswith(".") and each.name not in JUNK
                    and not _is_circular_or_special(each)]
    except OSError:
        return []
    return sorted(kept, key=lambda each: each.name)


def _is_circular_or_special(entry: os.DirEntry[str]) -> bool:
    """Whether the entry is a circular link, or a pipe, a device or a socket (or leads to one): reading may not end."""
    try:
        mode = entry.stat().st_mode
    except FileNotFoundError:
        return False  # a link to a file that is missing
    except OSError:
        return True
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def wrong_entries(listing: Tree, expected: str, inside: tuple[str, ...]) -> str:
    """Explain why there is no dataset. `expected`: in words; `inside`: the dataset's folder names in lower case."""
    archives = [listing.name(path) for path in listing.files if path.suffix.lower() in (".zip", ".rar", ".7z")]
    got = f"{len(listing.folders)} folders and {len(listing.files)} files"
    if listing.cut:
        got += " or more"
    if listing.root.resolve().name.lower() in inside:
        return f"expected {expected}; this folder is itself a part of the dataset: name the folder that holds it"
    if archives:
        some = ", ".join(archives[:3])
        if len(archives) > 3:
            some += f" and {len(archives) - 3} more"
        return f"expected {expected}, got archives: unpack {some}"
    if not listing.folders and not listing.files:
        return f"expected {expected}, got an empty folder: name the folder that holds the dataset"
    return f"expected {expected}, got {got} without it: name the folder that holds the dataset"
