"""The exception of all functions that open videos and pictures."""

from __future__ import annotations


class VideoError(ValueError):
    """A recording or picture that cannot be read. One line: what was expected, what came, and what to do about it."""
