"""Pickles of NumPy arrays in plain containers -> the same values. No code runs, whatever the file asks for.

A pickle is a program, and Python's own unpickler imports and calls what it names. Here its few harmless operations are
carried out on plain values: arrays are made of the bytes in the file by `numpy.frombuffer`, nothing is imported and
nothing is called. Every length is held against the file's, so that a claim costs no memory. Large arrays are views of
the file, mapped: what nobody looks at is not read.

Operations as in the standard library's `pickletools`; Python 2's strings are read as latin-1.
"""

from __future__ import annotations

import codecs
import mmap
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .pickled import SHORT, Name, UnpickleError, applied, expect, fill, named, plain

__all__ = ["UnpickleError", "load"]

MOST = 100_000
"""Operations in a file. Our choice: arrays in a dict take about a hundred, 40 trials as lists of numbers a few
thousand, and a file that goes on and on is none of ours."""

SIZED = {b"U": ("<B", "latin-1"), b"T": ("<i", "latin-1"), b"X": ("<I", "utf-8"), b"\x8c": ("<B", "utf-8"),
         b"\x8d": ("<Q", "utf-8"), b"C": ("<B", ""), b"B": ("<I", ""), b"\x8e": ("<Q", ""), b"\x96": ("<Q", "")}
NUMBERS = {b"J": "<i", b"K": "<B", b"M": "<H", b"G": ">d"}
CONSTANTS = {b"N": None, b"\x88": True, b"\x89": False}
EMPTY: dict[bytes, Callable[[], Any]] = {b"}": dict, b"]": list, b")": tuple}
TUPLES = {b"\x85": 1, b"\x86": 2, b"\x87": 3}
PUTS = {b"q": "<B", b"r": "<I"}
GETS = {b"h": "<B", b"j": "<I"}


class _Mark:
    """Where a group of values begins on the stack."""


def load(path: Path) -> Any:
    """A pickle of arrays of numbers in dicts, lists and tuples, of any protocol -> what it holds; arrays are read-only.

    Raises:
        UnpickleError: it asks for anything else, or is broken, empty or cut short. OSError: it cannot be read.
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
        raise UnpickleError(f"{path}, byte {machine.at}: expected a pickle of arrays, got bytes that make none "
                            f"({type(error).__name__}: {error}): copy it again") from error


class _Machine:
    """The stack, the memo and the place in the file; one method a group of operations."""

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
        return bytes(self.take((end if end >= 0 else len(self.content)) + 1 - self.at))[:-1]

    def run(self) -> Any:
        for _ in range(MOST):
            operation = bytes(self.take(1))
            if operation == b".":
                return plain(self.stack.pop())
            if not (self.scalar(operation) or self.remember(operation) or self.group(operation)):
                self.build(operation)
        raise UnpickleError(f"expected at most {MOST} operations, got more: this is no file of arrays")

    def scalar(self, operation: bytes) -> bool:
        """Push one value that stands in the file; False when the operation is another."""
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
            push({b"00": False, b"01": True}.get(text) if text in (b"00", b"01") else int(text.rstrip(b"L")))
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
        """Protocol, frames, and what is kept for a second use."""
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
        """Containers."""
        stack = self.stack
        if operation == b"(":
            stack.append(_Mark)
        elif operation in EMPTY:
            stack.append(EMPTY[operation]())
        elif operation in TUPLES:
            stack[-TUPLES[operation]:] = [tuple(stack[-TUPLES[operation]:])]
        elif operation in (b"t", b"l"):
            values = self.marked()
            stack.append(tuple(values) if operation == b"t" else [plain(value) for value in values])
        elif operation in (b"a", b"e"):
            values = [stack.pop()] if operation == b"a" else self.marked()
            expect(stack[-1], list).extend(map(plain, values))
        elif operation in (b"s", b"u", b"d"):
            values = self.marked() if operation != b"s" else [stack.pop(), stack.pop()][::-1]
            if operation == b"d":
                stack.append({})
            keys = [expect(key, str) for key in values[::2]]  # tuples may be nested without end, numbers share a hash
            expect(stack[-1], dict).update(zip(keys, map(plain, values[1::2]), strict=True))
        else:
            return False
        return True

    def marked(self) -> list[Any]:
        """The values above the last mark, which goes too."""
        values: list[Any] = []
        while (value := self.stack.pop()) is not _Mark:
            values.append(value)
        return values[::-1]

    def build(self, operation: bytes) -> None:
        """Arrays: a name, what it is applied to, and its contents."""
        if operation == b"c":
            self.stack.append(named(self.line().decode("latin-1"), self.line().decode("latin-1")))
        elif operation == b"\x93":
            name, module = self.stack.pop(), self.stack.pop()
            self.stack.append(named(expect(module, str), expect(name, str)))
        elif operation == b"R":
            given = expect(self.stack.pop(), tuple)
            made = applied(expect(self.stack.pop(), Name), given)
            self.copied += len(made) if isinstance(made, bytes) else 0
            if self.copied > len(self.content):
                raise UnpickleError("expected contents that are used once, got some again and again: refused")
            self.stack.append(made)
        elif operation == b"b":
            state = expect(self.stack.pop(), tuple)
            fill(self.stack[-1], state)
        else:
            raise UnpickleError(f"expected NumPy arrays in plain containers, got the operation {operation!r}, which "
                                "they do not need: refused")
