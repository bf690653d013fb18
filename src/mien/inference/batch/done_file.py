"""The record `done.json` of a finished file, which tells later runs that they can skip it.

The record is written last, so a folder without one is incomplete. A file counts as done if the record has the same
content, version of mien and settings, and if all outputs exist. The content is the same if size, modification time and
path are equal, or if size and SHA-256 are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from mien.core import atomic_files
from mien.core.file_names import to_text
from mien.core.hashing import sha256, version
from mien.core.plain_text import is_plain_name
from mien.core.read_json import read_json
from mien.video import image_sequences

SCHEMA = "mien.done/1"
NAME = "done.json"


@dataclass(frozen=True)
class DoneFile:
    """A finished file.

    Args:
        source: Absolute path of the video, as `file_names.to_text`.
        size: Its size in bytes.
        mtime_ns: Its modification time in ns.
        sha256: Its SHA-256.
        version: Version of mien.
        settings: Settings that change the results.
        files: Names of the output files.
        people: Number of people.
        seconds: Wall time in s.
        note: Remarks, in words.
        run: Id of the command, so that a task that a cluster starts twice is done once.
    """

    source: str
    size: int
    mtime_ns: int
    sha256: str
    version: str
    settings: Mapping[str, object]
    files: tuple[str, ...]
    people: int
    seconds: float
    note: str = ""
    run: str = ""

    def same_content(self, path: str | os.PathLike) -> bool:
        """Whether the recording at `path` is the analysed one. It is hashed only if size or path and time do not
        decide."""
        try:
            size, mtime_ns = size_and_mtime(path)
            if size != self.size:
                return False
            if mtime_ns == self.mtime_ns and to_text(os.path.abspath(path)) == self.source:
                return True
            digest = image_sequences.find(path).sha256() if image_sequences.is_sequence(path) else sha256(path)
            return digest == self.sha256
        except (OSError, ValueError):  # deleted, or no longer a sequence
            return False

    def covers(self, folder: Path, settings: Mapping[str, object], files: Iterable[str]) -> bool:
        """Whether `files` were written by this version with these settings and still exist."""
        same = self.version == version() and dict(self.settings) == json.loads(json.dumps(dict(settings)))
        return same and all(name in self.files and (folder / name).exists() for name in files)


def size_and_mtime(path: str | os.PathLike) -> tuple[int, int]:
    """Size and modification time of a file, or of all pictures of an image sequence.

    Args:
        path: The file or sequence.

    Returns:
        Size in bytes and modification time in ns.

    Raises:
        OSError: The file does not exist or cannot be read.
        ValueError: The path names no image sequence.
    """
    if image_sequences.is_sequence(path):
        pictures = image_sequences.find(path)
        return pictures.size, pictures.mtime_ns
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def load_done(folder: Path) -> DoneFile | None:
    """The record of `folder`; None if it is missing or invalid."""
    try:
        fields = read_json(folder / NAME)
        if fields.pop("schema") != SCHEMA:
            return None
        files = tuple(name for name in fields["files"] if is_plain_name(name))  # only files in this folder
        return DoneFile(**{**fields, "files": files})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def save_done(done: DoneFile, folder: Path) -> None:
    """Write the record into `folder` atomically. Raises OSError if it cannot be written."""
    atomic_files.text(folder / NAME, json.dumps({"schema": SCHEMA, **asdict(done)}, indent=1) + "\n")
