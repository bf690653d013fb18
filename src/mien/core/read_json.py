"""Read a JSON file that others may have written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Parse JSON that others may have written.

    Args:
        text: The text, or its bytes in UTF-8, UTF-16 or UTF-32, with and without a mark.

    Returns:
        Its content.

    Raises:
        ValueError: It is no JSON, or its lists and objects are nested too deeply; one line.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("lists or objects nested too deeply") from error


def read_json(path: Path, remedy: str = "copy it again from its source") -> Any:
    """Read a JSON file.

    Args:
        path: The file, in UTF-8, UTF-16 or UTF-32.
        remedy: The end of the error message.

    Returns:
        Its content.

    Raises:
        OSError: The file does not exist or cannot be read.
        ValueError: It is no JSON, or its lists and objects are nested too deeply; one line.
    """
    try:
        return parse_json(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON, got {error}: {remedy}") from error
