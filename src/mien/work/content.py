"""By what results are known to be of this content and of this version."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os


def version() -> str:
    """The version of mien that is installed."""
    return importlib.metadata.version("mien")


def sha256(path: str | os.PathLike) -> str:
    """The SHA-256 of a file's content, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
