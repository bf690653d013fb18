"""Progress of a long call in a notebook: a bar in the cell's output, without any package but the notebook's own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from html import escape
from typing import Any

from mien.core.plain_text import duration

INTERVAL = 0.3
"""Shortest time in s between two updates of a bar."""


def notebook_bar(title: str, now: Callable[[], float] = time.monotonic) -> Callable[[float], None] | None:
    """Start a progress bar in the output of the running notebook cell.

    Args:
        title: Text before the bar.
        now: A clock, s.

    Returns:
        A function that sets the finished share, 0..1; None outside a notebook.
    """
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if not hasattr(shell, "kernel"):  # a terminal's IPython has none
        return None
    bar = _Bar(title, now)
    handle = ipython.display.display(bar, display_id=True)

    def show(share: float) -> None:
        if bar.set(share):
            handle.update(bar)

    return show


class _Bar:
    """The share, and the time left by the speed so far, as HTML and as text."""

    def __init__(self, title: str, now: Callable[[], float]) -> None:
        self._title, self._now = title, now
        self._start = self._shown = now()
        self._share = 0.0

    def set(self, share: float) -> bool:
        """Set the finished share; returns whether it is time to show it."""
        now, self._share = self._now(), share
        if share < 1 and now - self._shown < INTERVAL:
            return False
        self._shown = now
        return True

    def _state(self) -> str:
        spent = self._now() - self._start
        if self._share >= 1:
            return f"done in {duration(spent)}"
        if self._share <= 0:
            return "0 %"
        return f"{self._share:.0%}".replace("%", " %") + f", about {duration(spent / self._share - spent)} left"

    def __repr__(self) -> str:
        return f"{self._title}: {self._state()}"

    def _repr_html_(self) -> str:
        text = escape(repr(self))
        if self._share >= 1:
            return f"<div>{text}</div>"
        return f'<div><progress value="{self._share:.3f}" aria-label="{escape(self._title)}"></progress> {text}</div>'
