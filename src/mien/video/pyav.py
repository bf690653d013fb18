"""Calls of PyAV that work with every version from 14.2 on, although their arguments differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import av

Result = TypeVar("Result")


def call_with_optional(function: Callable[..., Result], *args: Any, optional: dict[str, Any], **kwargs: Any) -> Result:
    """Call a function with those optional arguments that the installed version knows.

    An optional argument is left out only where the error names it; every other TypeError is raised.

    Args:
        function: A function of PyAV.
        *args: Its positional arguments.
        optional: Arguments that some versions do not know; the result is nearly the same without them.
        **kwargs: Arguments that every version knows.

    Returns:
        The result of the function.
    """
    optional = dict(optional)
    while True:
        try:
            return function(*args, **optional, **kwargs)
        except TypeError as error:
            unknown = [name for name in optional if f"'{name}'" in str(error)]
            if not unknown:
                raise
            del optional[unknown[0]]


def open_container(where: str, **options: Any) -> av.container.InputContainer:
    """Open a file, camera or stream for reading.

    PyAV up to 18 raises for metadata that is no UTF-8 unless `metadata_errors` says otherwise; PyAV 19 has no such
    argument and never raises. Options go by `container_options`: with `options`, PyAV up to 16 frees them twice.

    Args:
        where: An address, as FFmpeg understands it.
        **options: Arguments of `av.open`.

    Returns:
        The open container.

    Raises:
        av.FFmpegError: FFmpeg cannot open it.
        OSError: The system cannot open it.
    """
    return call_with_optional(av.open, where, optional={"metadata_errors": "replace"}, **options)
