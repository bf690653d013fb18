"""What a pickled array names, and the inert values that stand for it while the pickle is read."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

RECONSTRUCT, FROM_BUFFER, NDARRAY, DTYPE = "_reconstruct", "_frombuffer", "ndarray", "dtype"
ENCODE, BYTES = "encode", "bytes"
KNOWN = {
    ("numpy.core.multiarray", RECONSTRUCT), ("numpy._core.multiarray", RECONSTRUCT), ("numpy", NDARRAY),
    ("numpy.core.numeric", FROM_BUFFER), ("numpy._core.numeric", FROM_BUFFER), ("numpy", DTYPE), ("_codecs", ENCODE),
    ("__builtin__", BYTES), ("builtins", BYTES),
}  # fmt: skip
"""What a pickled array names. None of it is called; each name stands for a few lines below."""

SHORT = 4096
"""Bytes up to which a string is text; longer ones are the contents of arrays and stay where they are. Our choice."""

AXES = 8
"""Of an array, at most. Our choice: trials, channels and samples are three."""


class UnpickleError(ValueError):
    """One line: what was expected, what the file holds, and what to do about it."""


@dataclass(frozen=True)
class Name:
    """One of `KNOWN`, not imported."""

    name: str


@dataclass
class Kind:
    """A type of number: its code and its order of bytes."""

    code: str
    order: str = "="


@dataclass
class Array:
    """An array that gets its contents later."""

    values: np.ndarray | None = None


def named(module: str, name: str) -> Name:
    """What a pickle names, refused unless it is in `KNOWN`."""
    if (module, name) not in KNOWN:
        raise UnpickleError(f"expected NumPy arrays in plain containers, got a call of {module:.80}.{name:.80}: "
                            "refused, nothing of it was run; this file is not the dataset's, do not open it by other "
                            "means")
    return Name(name)


def applied(name: Name, given: tuple) -> Any:
    """What a call of `name` would have made."""
    if name.name == ENCODE:
        return expect(given[0], str).encode("latin-1")
    if name.name == BYTES and not given:
        return b""
    if name.name == DTYPE:
        return Kind(text(given[0]))
    if name.name == RECONSTRUCT:
        return Array()
    if name.name == FROM_BUFFER:
        content, kind, shape, order = given
        return Array(array(content, kind, shape, text(order)))
    raise UnpickleError(f"expected an array, got a call of {name.name}: refused")


def fill(target: Any, state: tuple) -> None:
    """Give an array its contents, or a kind of number its order of bytes."""
    if isinstance(target, Kind):
        target.order = text(state[1])
    else:
        _, shape, kind, fortran, content = state
        expect(target, Array).values = array(content, kind, shape, "F" if fortran else "C")


def array(content: Any, kind: Any, shape: Any, order: str) -> np.ndarray:
    """Bytes -> an array of numbers over them, read-only; nothing is copied."""
    kind, shape = expect(kind, Kind), expect(shape, tuple)
    if not re.fullmatch(r"[<>=|]?[fiub]\d{1,2}", kind.code) or kind.order not in ("<", ">", "=", "|"):
        raise UnpickleError(f"expected an array of numbers, got one of type {kind.code[:20]!r}: refused")
    dtype = np.dtype(kind.code.lstrip("<>=|")).newbyteorder(kind.order)
    # what it got is not told: tuples that hold each other several times have no end in words
    if len(shape) > AXES or not all(type(length) is int and 0 <= length < 2**48 for length in shape):
        raise UnpickleError(f"expected the lengths of an array, got {len(shape)} values that are none")
    if order not in ("C", "F") or (isinstance(content, str) and len(content) > SHORT):
        raise UnpickleError("expected the order of an array's axes and its contents as bytes, got others")
    raw = content.encode("latin-1") if isinstance(content, str) else content
    size = len(expect(raw, bytes | memoryview))
    if size != math.prod(shape) * dtype.itemsize:
        raise UnpickleError(f"expected {math.prod(shape) * dtype.itemsize} bytes for an array {shape}, got {size}")
    return np.frombuffer(raw, dtype).reshape(shape, order=order)  # type: ignore[call-overload]


def plain(value: Any) -> Any:
    """A value that may leave: an array in place of its stand-in."""
    if isinstance(value, Array):
        if value.values is None:
            raise UnpickleError("expected an array with contents, got one without")
        return value.values
    return expect(value, dict | list | tuple | str | bytes | memoryview | int | float | None)


def text(value: Any) -> str:
    """A str, or the one that bytes of Python 2 are."""
    return value.decode("latin-1") if isinstance(value, bytes) else str(expect(value, str))


def expect(value: Any, kind: Any) -> Any:
    """The value, refused unless it is of this kind."""
    if not isinstance(value, kind):
        raise UnpickleError(f"expected {getattr(kind, '__name__', kind)}, got {type(value).__name__}: this is no "
                            "pickle of arrays")
    return value
