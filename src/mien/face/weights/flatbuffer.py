"""Read FlatBuffers tables and FlexBuffers maps: the two binary forms inside a TFLite file.

References:
    FlatBuffers internals, https://flatbuffers.dev/internals/ (tables, vtables, vectors).
    FlexBuffers, https://flatbuffers.dev/flexbuffers/ (the schema-less form of custom operators' options).
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np


class Table:
    """A FlatBuffers table: its fields are addressed by their index in the schema.

    Args:
        content: the whole file.
        offset: byte offset of the table.
    """

    def __init__(self, content: bytes, offset: int) -> None:
        self._content = content
        self._place = offset
        self._vtable = offset - self._unpack("<i", offset)
        self._fields = (self._unpack("<H", self._vtable) - 4) // 2

    @classmethod
    def root(cls, content: bytes) -> Table:
        """The root table of a file."""
        return cls(content, struct.unpack_from("<I", content)[0])

    def _unpack(self, form: str, offset: int) -> Any:
        return struct.unpack_from(form, self._content, offset)[0]

    def _field(self, index: int) -> int | None:
        """Byte offset of a field's inline value; None where the field has its default."""
        if index >= self._fields:
            return None
        offset = self._unpack("<H", self._vtable + 4 + 2 * index)
        return self._place + offset if offset else None

    def _follow(self, offset: int) -> int:
        return offset + self._unpack("<I", offset)

    def scalar(self, index: int, form: str, default: float = 0) -> Any:
        """A number; `form` is its struct letter without byte order."""
        offset = self._field(index)
        return default if offset is None else self._unpack("<" + form, offset)

    def table(self, index: int) -> Table | None:
        """A table, None where it is absent."""
        offset = self._field(index)
        return None if offset is None else Table(self._content, self._follow(offset))

    def array(self, index: int, dtype: str) -> np.ndarray:
        """A vector of numbers (n,), empty where it is absent."""
        offset = self._field(index)
        if offset is None:
            return np.zeros(0, dtype)
        start = self._follow(offset)
        return np.frombuffer(self._content, dtype, self._unpack("<I", start), start + 4)

    def tables(self, index: int) -> list[Table]:
        """A vector of tables, empty where it is absent."""
        offset = self._field(index)
        if offset is None:
            return []
        start = self._follow(offset)
        items = (start + 4 + 4 * i for i in range(self._unpack("<I", start)))
        return [Table(self._content, self._follow(item)) for item in items]

    def text(self, index: int) -> str:
        """A string, empty where it is absent."""
        return self.array(index, "u1").tobytes().decode()


_INTEGER, _FLOAT, _KEY, _MAP, _INTEGERS = 1, 3, 4, 9, 11  # FlexBuffers type numbers


def flexbuffer_map(content: bytes) -> dict[str, Any]:
    """Read a FlexBuffers map of numbers and integer vectors.

    Args:
        content: the buffer; its last byte is the width of the root, the byte before it the root's type.

    Returns:
        Key -> int, float or list of int.

    Raises:
        ValueError: the root is no map, or a value has another type.
    """
    if len(content) < 3 or content[-2] >> 2 != _MAP:
        raise ValueError("custom options: expected a FlexBuffers map; the model file is not the one mien knows")
    root_width, width = content[-1], 1 << (content[-2] & 3)
    root = len(content) - 2 - root_width
    values = root - _unsigned(content, root, root_width)
    count = _unsigned(content, values - width, width)
    keys_width = _unsigned(content, values - 2 * width, width)
    keys_field = values - 3 * width
    keys = keys_field - _unsigned(content, keys_field, width)
    entries = {}
    for i in range(count):
        key_field = keys + i * keys_width
        start = key_field - _unsigned(content, key_field, keys_width)
        name = content[start:content.index(0, start)].decode()
        entries[name] = _flex_value(content, values + i * width, width, content[values + count * width + i])
    return entries


def _unsigned(content: bytes, offset: int, width: int) -> int:
    return int.from_bytes(content[offset:offset + width], "little")


def _signed(content: bytes, offset: int, width: int) -> int:
    return int.from_bytes(content[offset:offset + width], "little", signed=True)


def _flex_value(content: bytes, offset: int, width: int, packed_type: int) -> Any:
    kind, inner = packed_type >> 2, 1 << (packed_type & 3)
    if kind == _INTEGER:
        return _signed(content, offset, width)
    if kind == _FLOAT:
        return struct.unpack_from({2: "<e", 4: "<f", 8: "<d"}[width], content, offset)[0]
    if kind == _INTEGERS:
        start = offset - _unsigned(content, offset, width)
        count = _unsigned(content, start - inner, inner)
        return [_signed(content, start + i * inner, inner) for i in range(count)]
    raise ValueError(f"custom options: expected a number or integers, got FlexBuffers type {kind}")
