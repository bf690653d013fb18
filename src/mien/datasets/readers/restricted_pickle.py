"""A safe unpickler for NumPy arrays in plain containers; no file can make it run code.

A pickle is a program, and Python's own unpickler imports and calls the names in it. This module only carries out the
few harmless operations on plain values: `numpy.frombuffer` makes arrays from the bytes in the file, and nothing is
imported or called. Every length is compared with that of the file, so a false claim costs no memory. Large arrays are
views of the mapped file: unused parts are not read.

Why not `pickle.Unpickler` with a `find_class` that allows NumPy's names? We tried it: no code runs there either, but
its cost has no bound. A file of 250 kB with the same string encoded 30,000 times took 3.1 GB. A memo index of
2^32 - 1, in a file of 10 bytes, requests tens of GB. 26 of the tests of hostile pickles failed.

The operations are those of the standard library's `pickletools`; strings of Python 2 are decoded as latin-1.
"""

from __future__ import annotations

import codecs
import mmap
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mien.datasets.readers.pickled_arrays import (
    SHORT,
    Name,
    UnpickleError,
    call_placeholder,
    expect,
    final_value,
    named,
    set_state,
)

__all__ = ["UnpickleError", "load"]

MOST = 100_000
"""Largest number of operations in a file. Our choice: arrays in a dict take about a hundred, 40 trials as lists of
numbers a few thousand."""

SIZED = {b"U": ("<B", "latin-1"), b"T": ("<i", "latin-1"), b"X": ("<I", "utf-8"), b"\x8c": ("<B", "utf-8"),
         b"\x8d": ("<Q", "utf-8"), b"C": ("<B", ""), b"B": ("<I", ""), b"\x8e": ("<Q", ""), b"\x96": ("<Q", "")}
NUMBERS = {b"J": "<i", b"K": "<B", b"M": "<H", b"G": ">d"}
CONSTANTS = {b"N": None, b"\x88": True, b"\x89": False}
EMPTY: dict[bytes, Callable[[], Any]] = {b"}": dict, b"]": list, b")": tuple}
TUPLES = {b"\x85": 1, b"\x86": 2, b"\x87": 3}
PUTS = {b"q": "<B", b"r": "<I"}
GETS = {b"h": "<B", b"j": "<I"}


class _Mark:
    """Marks the start of a group of values on the stack."""


def load(path: Path) -> Any:
    """Read a pickle, of any protocol, of number arrays in dicts, lists and tuples; the arrays are read-only.

    Raises:
        UnpickleError: it requests anything else, or is broken, empty or truncated.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if not file.seek(0, 2):
            raise UnpickleError(f"expected a pickle, got the empty file {path}: copy it again")
        machine = _Machine(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    try:
        return machine.run()
    except UnpickleError as error:
        raise UnpickleError(f"{path}, byte {machine.at}: {error}") from None
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, OverflowError, struct.error) as error:
        raise UnpickleError(f"{path}, byte {machine.at}: expected a pickle of arrays, got other bytes "
                            f"({type(error).__name__}: {error}): copy it again") from error


class _Machine:
    """The stack, the memo and the position in the file, with one method per group of operations."""

    def __init__(self, content: mmap.mmap) -> None:
        self.mapped, self.content, self.at = content, memoryview(content), 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.copied = 0

    def take(self, count: int) -> memoryview:
        left = len(self.content) - self.at
        if not 0 <= count <= left:
            raise UnpickleError(f"expected {count} more bytes, got {left}: it is cut short or damaged; copy it again")
        self.at += count
        return self.content[self.at - count : self.at]

    def number(self, format: str) -> Any:
        return struct.unpack(format, self.take(struct.calcsize(format)))[0]

    def line(self) -> bytes:
        end = self.mapped.find(b"\n", self.at)
        if end < 0:
            end = len(self.content)
        return bytes(self.take(end + 1 - self.at))[:-1]

    def run(self) -> Any:
        for _ in range(MOST):
            operation = bytes(self.take(1))
            if operation == b".":
                return final_value(self.stack.pop())
            if not (self.scalar(operation) or self.remember(operation) or self.group(operation)):
                self.build(operation)
        raise UnpickleError(f"expected at most {MOST} operations, got more: this is no file of arrays")

    def scalar(self, operation: bytes) -> bool:
        """Push a value that is stored in the file; False for another operation."""
        push = self.stack.append
        if operation in SIZED:
            length, encoding = SIZED[operation]
            content = self.take(self.number(length))
            utf8 = encoding == "utf-8"
            push(str(content, encoding) if encoding and (utf8 or len(content) <= SHORT) else content)
        elif operation in NUMBERS:
            push(self.number(NUMBERS[operation]))
        elif operation in CONSTANTS:
            push(CONSTANTS[operation])
        elif operation == b"\x8a":
            push(int.from_bytes(self.take(self.number("<B")), "little", signed=True))
        elif operation in (b"I", b"L"):
            text = self.line()
            if text in (b"00", b"01"):
                push(text == b"01")
            else:
                push(int(text.rstrip(b"L")))
        elif operation == b"F":
            push(float(self.line()))
        elif operation == b"S":
            text = codecs.escape_decode(self.line().strip()[1:-1])[0]
            push(text.decode("latin-1") if len(text) <= SHORT else memoryview(text))
        elif operation == b"V":
            push(self.line().decode("raw-unicode-escape"))
        else:
            return False
        return True

    def remember(self, operation: bytes) -> bool:
        """Protocol, frames and the memo; False for another operation."""
        if operation == b"\x80":
            self.take(1)
        elif operation == b"\x95":
            self.take(8)
        elif operation in PUTS:
            self.memo[self.number(PUTS[operation])] = self.stack[-1]
        elif operation == b"p":
            self.memo[int(self.line())] = self.stack[-1]
        elif operation == b"\x94":
            self.memo[len(self.memo)] = self.stack[-1]
        elif operation in GETS:
            self.stack.append(self.memo[self.number(GETS[operation])])
        elif operation == b"g":
            self.stack.append(self.memo[int(self.line())])
        else:
            return False
        return True

    def group(self, operation: bytes) -> bool:
        """Containers; False for another operation."""
        stack = self.stack
        if operation == b"(":
            stack.append(_Mark)
        elif operation in EMPTY:
            stack.append(EMPTY[operation]())
        elif operation in TUPLES:
            stack[-TUPLES[operation]:] = [tuple(stack[-TUPLES[operation]:])]
        elif operation in (b"t", b"l"):
            values = self.marked()
            if operation == b"t":
                stack.append(tuple(values))
            else:
                stack.append([final_value(value) for value in values])
        elif operation in (b"a", b"e"):
            values = [stack.pop()] if operation == b"a" else self.marked()
            expect(stack[-1], list).extend(map(final_value, values))
        elif operation in (b"s", b"u", b"d"):
            values = self.marked() if operation != b"s" else [stack.pop(), stack.pop()][::-1]
            if operation == b"d":
                stack.append({})
            keys = [expect(key, str) for key in values[::2]]  # tuples may be nested endlessly, and numbers share a hash
            expect(stack[-1], dict).update(zip(keys, map(final_value, values[1::2]), strict=True))
        else:
            return False
        return True

    def marked(self) -> list[Any]:
        """Pop the values above the last mark, and the mark."""
        values: list[Any] = []
        while (value := self.stack.pop()) is not _Mark:
            values.append(value)
        return values[::-1]

    def build(self, operation: bytes) -> None:
        """Arrays: a name, its arguments and its contents."""
        if operation == b"c":
            self.stack.append(named(self.line().decode("latin-1"), self.line().decode("latin-1")))
        elif operation == b"\x93":
            name, module = self.stack.pop(), self.stack.pop()
            self.stack.append(named(expect(module, str), expect(name, str)))
        elif operation == b"R":
            given = expect(self.stack.pop(), tuple)
            made = call_placeholder(expect(self.stack.pop(), Name), given)
            if isinstance(made, bytes):
                self.copied += len(made)
            if self.copied > len(self.content):
                raise UnpickleError("expected contents that are used once, got some again and again: refused")
            self.stack.append(made)
        elif operation == b"b":
            state = expect(self.stack.pop(), tuple)
            set_state(self.stack[-1], state)
        else:
            raise UnpickleError(f"expected NumPy arrays in plain containers, got the operation {operation!r}, which "
                                "they do not need: refused")
