"""What is looked at now and then while the work goes on, and what is not worth a word."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def every(seconds: float, look: Callable[[], object]) -> Iterator[None]:
    """Calls `look` every so many seconds, in a thread of its own, until the block is left; the last call has ended."""
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
def unworried() -> Iterator[None]:
    """Without loky's word on a process that it ends and starts anew, because it takes what torch keeps for a leak."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A worker stopped while some jobs")
        yield
