"""How a value checks itself: expected this, got that."""

from __future__ import annotations

import numpy as np


def expect(ok: bool, owner: object, name: str, expected: str, got: object) -> None:
    """Raise ValueError, naming the field, unless `ok`."""
    if not ok:
        raise ValueError(f"{type(owner).__name__}.{name}: expected {expected}, got {got}")


def freeze(owner: object, name: str, value: object, dtype: type) -> np.ndarray:
    """Set the field of a frozen value to an array of this type, and give the array."""
    array: np.ndarray = np.asarray(value, dtype=dtype)
    object.__setattr__(owner, name, array)
    return array
