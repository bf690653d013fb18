"""A bounded queue between threads that never makes the writer wait."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Buffer(Generic[Item]):
    """At most `depth` items wait; when one more comes, the oldest goes and is counted in `dropped`."""

    def __init__(self, depth: int) -> None:
        if depth < 1:
            raise ValueError(f"Buffer: expected a depth of 1 or more, got {depth}")
        self.dropped = 0
        self._items: deque[Item] = deque()
        self._depth = depth
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: Item) -> None:
        """Never waits; after `close` the item is thrown away."""
        with self._changed:
            if self._closed:
                return
            if len(self._items) == self._depth:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
            self._changed.notify()

    def get(self, timeout: float | None = None) -> Item | None:
        """The oldest item, waited for; None when the time (s) is over, or when all is read after `close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed, timeout)
            return self._items.popleft() if self._items else None

    def close(self) -> None:
        """No more items come; those that wait can still be read."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        """Closed and read to the end."""
        with self._changed:
            return self._closed and not self._items

    def __len__(self) -> int:
        return len(self._items)
