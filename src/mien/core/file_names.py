"""File names as text that is the same in every locale.

A process whose file names are not UTF-8 (LC_ALL=C, Latin-1) sees other text for the same bytes of a name. Files of
results hold the UTF-8 text, and paths on this machine are made from it.
"""

from __future__ import annotations

import os


def to_text(path: str | os.PathLike) -> str:
    """The name as UTF-8 text, in any locale; bytes that are no UTF-8 become lone surrogates."""
    return os.fsencode(path).decode("utf-8", "surrogateescape")


def to_path(text: str) -> str:
    """The path of this process for the text of `to_text`."""
    return os.fsdecode(text.encode("utf-8", "surrogateescape"))


def display_path(name: str | os.PathLike) -> str:
    """A file name as valid UTF-8; other bytes become escapes such as \\xff."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
