"""Periodic calls during a block, and suppression of a harmless warning."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def call_periodically(seconds: float, look: Callable[[], object]) -> Iterator[None]:
    """Call `look` every `seconds` s in a background thread until the block ends; the last call has then returned."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(seconds):
            look()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


@contextmanager
def suppress_loky_warnings() -> Iterator[None]:
    """Suppress loky's warning that it restarts a worker: it takes the memory that torch keeps for a leak."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A worker stopped while some jobs")
        yield
