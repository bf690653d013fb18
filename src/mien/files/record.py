"""What is done already: the record that a finished file leaves in its folder, `done.json`.

The record is written last: a folder without one was never finished. A file counts as done when the record names the
same content (size, time of the last change and path; where only the latter two differ, the SHA-256), the same version
of mien and the same settings, and when everything that is asked for now was written then and is still there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from mien import writing
from mien.work import sha256, version

SCHEMA = "mien.done/1"
NAME = "done.json"


@dataclass(frozen=True)
class Done:
    """A finished file: where and what it was (`size` bytes, `mtime_ns`, `sha256`), how and into what it was read.

    `run` is the command that did it, so that a task that a cluster starts twice is done once.
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
        """Is the file at `path` what was analysed? Reads the whole file only where its size agrees and its time not."""
        try:
            found = os.stat(path)
            if found.st_size != self.size:
                return False
            if found.st_mtime_ns == self.mtime_ns and os.path.abspath(path) == self.source:
                return True
            return sha256(path) == self.sha256
        except OSError:
            return False

    def covers(self, folder: Path, settings: Mapping[str, object], files: Iterable[str]) -> bool:
        """Was all that is asked for now done then, in the same way, and is it still there?"""
        same = self.version == version() and dict(self.settings) == json.loads(json.dumps(dict(settings)))
        return same and all(name in self.files and (folder / name).exists() for name in files)


def load(folder: Path) -> Done | None:
    """The record of `folder`; None where there is none that can be read."""
    try:
        fields = json.loads((folder / NAME).read_text(encoding="utf-8"))
        if fields.pop("schema") != SCHEMA:
            return None
        files = tuple(name for name in fields["files"] if Path(name).name == name)  # nothing outside the folder
        return Done(**{**fields, "files": files})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def save(done: Done, folder: Path) -> None:
    """Write the record into `folder`, whole or not at all. `OSError` where the disk refuses."""
    writing.text(folder / NAME, json.dumps({"schema": SCHEMA, **asdict(done)}, indent=1) + "\n")


def shown(name: str) -> str:
    """A file name as text that any program reads, though its bytes be no UTF-8."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
