"""Prefetch the items of an iterator in a background thread, with a bounded queue."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")

_END = object()


class Prefetcher(Generic[Item]):
    """Iterates `items` in a background thread; iterate it once, and `close` ends the thread at any time.

    An exception in `items` is raised in the consumer, after the items before it.

    Args:
        items: The items.
        depth: Largest length of the queue; 0 for no thread.
        name: Of the thread.
        overrun: For live sources: a full queue drops its oldest item and calls this once for each. None: a full queue
            makes the thread wait.
    """

    def __init__(self, items: Iterable[Item], depth: int, name: str, overrun: Callable[[], None] | None = None) -> None:
        self._items, self._overrun = items, overrun
        self._depth, self._queue = depth, Queue[Any](depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __iter__(self) -> Iterator[Item]:
        if not self._depth:
            yield from self._items
            return
        self._thread.start()
        while True:
            item = self._queue.get()
            if item is _END:
                return
            if isinstance(item, _Failure):
                raise item.error
            yield item

    def close(self) -> None:
        """Stop the thread and wait for its end. Safe to call at any time from the consumer's thread."""
        self._stop.set()
        while self._thread.is_alive():
            with suppress(Empty):  # make room for a thread that waits to put its last item
                while True:
                    self._queue.get_nowait()
            self._thread.join(0.01)

    def _run(self) -> None:
        try:
            for item in self._items:
                if self._stop.is_set():
                    return
                self._hand_on(item)
            self._hand_on(_END)
        except BaseException as error:  # noqa: BLE001 - not swallowed: the consumer raises it again
            self._hand_on(_Failure(error))

    def _hand_on(self, item: object) -> None:
        while self._overrun is not None:
            with suppress(Full):
                return self._queue.put_nowait(item)
            with suppress(Empty):
                self._queue.get_nowait()
                self._overrun()
        self._queue.put(item)


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error
