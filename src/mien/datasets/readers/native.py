"""Call native readers (SciPy's of MATLAB files, HDF5, EDFlib) in a supervised child process."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from typing import TypeVar

from mien.core.parallel.supervised import SupervisedWorker

Result = TypeVar("Result")

MEMORY = 4 * 2**30
"""Most memory of the child in bytes. Our choice: DEAP's largest file needs a tenth of it, unpacked."""

SECONDS = 300.0
"""Longest time for a file in s. Our choice: the largest file of a dataset takes a few seconds from a slow disk."""

_READER = SupervisedWorker(MEMORY)
atexit.register(_READER.close)


def call(function: Callable[..., Result], *args: object) -> Result:
    """`function(*args)` in the child of all readers of this process. Raises as `SupervisedWorker.call`."""
    return _READER.call(function, *args, seconds=SECONDS)
