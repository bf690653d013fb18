"""An iterator that runs ahead in a thread of its own, a bounded number of items at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")

_END = object()


class Ahead(Generic[Item]):
    """Runs `items` in a thread; iterate it once, `close` ends the thread whatever it is doing. `depth` 0: no thread.

    A full queue makes the thread wait. With `overrun` (live sources) the oldest item is thrown away instead, and
    `overrun` is called once for each. An exception in `items` is raised in the consumer, after the items before it.
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
        """Stops the thread and waits for its end. Safe to call at any time, from the consumer's thread."""
        self._stop.set()
        while self._thread.is_alive():
            with suppress(Empty):  # room for the thread that waits to hand on its last item
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
        except BaseException as error:  # not swallowed: raised again where the items are used
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
