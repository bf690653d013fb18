"""A bounded queue between threads that never makes the writer wait."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class DropOldestQueue(Generic[Item]):
    """A queue of at most `depth` items. When it is full, a new item replaces the oldest, counted in `dropped`."""

    def __init__(self, depth: int) -> None:
        if depth < 1:
            raise ValueError(f"DropOldestQueue: expected a depth of 1 or more, got {depth}")
        self.dropped = 0
        self._items: deque[Item] = deque()
        self._depth = depth
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: Item) -> None:
        """Add an item. Never waits; after `close` the item is discarded."""
        with self._changed:
            if self._closed:
                return
            if len(self._items) == self._depth:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
            self._changed.notify()

    def get(self, timeout: float | None = None) -> Item | None:
        """Wait for the oldest item and remove it.

        Args:
            timeout: Longest wait in s; None for no limit.

        Returns:
            The item; None after the timeout, or when the queue is closed and empty.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed, timeout)
            if not self._items:
                return None
            return self._items.popleft()

    def close(self) -> None:
        """Accept no more items; those in the queue can still be read."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        """Whether the queue is closed and empty."""
        with self._changed:
            return self._closed and not self._items

    def __len__(self) -> int:
        return len(self._items)
