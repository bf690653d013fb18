"""The allowed names of pickled NumPy arrays, and the inert placeholders for them during unpickling."""

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
"""The names in a pickled array. None is called; the functions below replace them."""

SHORT = 4096
"""Longest text in bytes; longer strings are array contents and are not copied. Our choice."""

AXES = 8
"""Largest number of axes of an array. Our choice: trials, channels and samples are three."""


class UnpickleError(ValueError):
    """One line: what was expected, what the file holds, and what to do about it."""


@dataclass(frozen=True)
class Name:
    """A name of `KNOWN`, not imported."""

    name: str


@dataclass
class Kind:
    """A number type: its code and byte order."""

    code: str
    order: str = "="


@dataclass
class Array:
    """An array that gets its contents later."""

    values: np.ndarray | None = None


def named(module: str, name: str) -> Name:
    """The placeholder of a name in a pickle. Raises UnpickleError unless it is in `KNOWN`."""
    if (module, name) not in KNOWN:
        raise UnpickleError(f"expected NumPy arrays in plain containers, got a call of {module:.80}.{name:.80}: "
                            "refused, none of it was run; this file is not from the dataset, do not open it with "
                            "another program")
    return Name(name)


def call_placeholder(name: Name, given: tuple) -> Any:
    """The placeholder for the result of a call of `name`."""
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


def set_state(target: Any, state: tuple) -> None:
    """Set the contents of an array, or the byte order of a number type."""
    if isinstance(target, Kind):
        target.order = text(state[1])
    else:
        _, shape, kind, fortran, content = state
        order = "F" if fortran else "C"
        expect(target, Array).values = array(content, kind, shape, order)


def array(content: Any, kind: Any, shape: Any, order: str) -> np.ndarray:
    """A read-only array of numbers over bytes, without a copy."""
    kind, shape = expect(kind, Kind), expect(shape, tuple)
    if not re.fullmatch(r"[<>=|]?[fiub]\d{1,2}", kind.code) or kind.order not in ("<", ">", "=", "|"):
        raise UnpickleError(f"expected an array of numbers, got one of type {kind.code[:20]!r}: refused")
    dtype = np.dtype(kind.code.lstrip("<>=|")).newbyteorder(kind.order)
    # the message omits the values: tuples that contain each other would never end in words
    if len(shape) > AXES or not all(type(length) is int and 0 <= length < 2**48 for length in shape):
        raise UnpickleError(f"expected the lengths of an array, got {len(shape)} values that are none")
    if order not in ("C", "F") or (isinstance(content, str) and len(content) > SHORT):
        raise UnpickleError("expected the order of an array's axes and its contents as bytes, got others")
    raw = content
    if isinstance(content, str):
        raw = content.encode("latin-1")
    size = len(expect(raw, bytes | memoryview))
    if size != math.prod(shape) * dtype.itemsize:
        raise UnpickleError(f"expected {math.prod(shape) * dtype.itemsize} bytes for an array {shape}, got {size}")
    return np.frombuffer(raw, dtype).reshape(shape, order=order)  # type: ignore[call-overload]


def final_value(value: Any) -> Any:
    """The final value: an array in place of its placeholder."""
    if isinstance(value, Array):
        if value.values is None:
            raise UnpickleError("expected an array with contents, got one without")
        return value.values
    return expect(value, dict | list | tuple | str | bytes | memoryview | int | float | None)


def text(value: Any) -> str:
    """A str; bytes of Python 2 are decoded."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return str(expect(value, str))


def expect(value: Any, kind: Any) -> Any:
    """Return the value. Raises UnpickleError unless it is of this type."""
    if not isinstance(value, kind):
        raise UnpickleError(f"expected {getattr(kind, '__name__', kind)}, got {type(value).__name__}: this is no "
                            "pickle of arrays")
    return value
