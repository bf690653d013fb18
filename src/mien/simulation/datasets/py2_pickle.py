"""Write pickles in the format of Python 2: protocol 2, with text and array contents as byte strings.

Python 3's pickler cannot write them, because its strings are Unicode. The opcodes are those of `pickletools` in the
standard library. Such a file needs `pickle.load(file, encoding="latin1")`; without the encoding, loading fails, as for
DEAP's files.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np


def dump_py2(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write a dict of float64 arrays like Python 2's `cPickle.dump(arrays, file, 2)` with NumPy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(b"\x80\x02}(")                              # PROTO 2, EMPTY_DICT, MARK
        for name, values in arrays.items():
            array = np.ascontiguousarray(values, "<f8")
            file.write(_string(name.encode("ascii")) + _open(array.shape))
            file.write(b"T" + struct.pack("<i", array.nbytes))  # BINSTRING
            file.write(array.tobytes())
            file.write(b"tb")                                  # TUPLE, BUILD
        file.write(b"u.")                                      # SETITEMS, STOP


def _open(shape: tuple[int, ...]) -> bytes:
    """Opcodes of an array before its contents: `_reconstruct(ndarray, (0,), 'b')` and (1, shape, dtype, C order)."""
    make = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n" + _int(0) + b"\x85" + _string(b"b") + b"\x87R"
    dtype = b"cnumpy\ndtype\n" + _string(b"f8") + _int(0) + _int(1) + b"\x87R"
    dtype += b"(" + _int(3) + _string(b"<") + b"NNN" + _int(-1) + _int(-1) + _int(0) + b"tb"
    return make + b"(" + _int(1) + b"(" + b"".join(_int(side) for side in shape) + b"t" + dtype + b"\x89"  # NEWFALSE


def _string(text: bytes) -> bytes:
    return b"U" + bytes([len(text)]) + text                    # SHORT_BINSTRING


def _int(value: int) -> bytes:
    if 0 <= value < 256:
        return b"K" + bytes([value])  # BININT1
    return b"J" + struct.pack("<i", value)  # BININT
