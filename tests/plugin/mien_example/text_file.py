"""An output of live events: each sentence as a line of a file."""

from __future__ import annotations

from pathlib import Path

from mien.inference.live.event import LiveEvent


class TextFile:
    """Appends the sentence of each event to a file.

    Args:
        path: The file.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def send(self, event: LiveEvent) -> None:
        """Write one event."""
        with self._path.open("a", encoding="utf-8") as file:
            print(event.text, file=file)

    def close(self) -> None:
        """Nothing is open."""


def open_text_file(address: str, classes: tuple[str, ...]) -> TextFile:
    """Open `file:PATH`."""
    return TextFile(address.removeprefix("file:"))
