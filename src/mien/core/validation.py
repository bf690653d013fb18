"""Checks for the fields of data classes."""

from __future__ import annotations

import numpy as np


def expect(ok: bool, owner: object, name: str, expected: str, got: object) -> None:
    """Raise a ValueError that names the field unless `ok`.

    Args:
        ok: Whether the value is valid.
        owner: The object with the field.
        name: Name of the field.
        expected: Description of valid values.
        got: The value.

    Raises:
        ValueError: `ok` is false.
    """
    if not ok:
        raise ValueError(f"{type(owner).__name__}.{name}: expected {expected}, got {got}")


def freeze_array(owner: object, name: str, value: object, dtype: type) -> np.ndarray:
    """Convert a field of a frozen dataclass to an array of this type and return the array."""
    array: np.ndarray = np.asarray(value, dtype=dtype)
    object.__setattr__(owner, name, array)
    return array
