"""The version of mien and the SHA-256 of files, stored with results."""

from __future__ import annotations

import hashlib
import os

import mien


def version() -> str:
    """The version of mien in use."""
    return mien.__version__


def sha256(path: str | os.PathLike) -> str:
    """The SHA-256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
