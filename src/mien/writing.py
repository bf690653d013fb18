"""Writing files so that a full disk, a crash or Ctrl-C never leaves half of one."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pandas import DataFrame

DIGITS = 7
"""Significant digits in text tables. Our choice: 1 ms in 2.7 hours and a hundredth of a px in 8K, without the noise
of a float's last digits."""

REMEDIES = {
    errno.ENOSPC: ("free space on the disk", "free some, or write to another disk"),
    errno.EDQUOT: ("room within the disk quota", "free some, or write to another disk"),
    errno.EACCES: ("a folder that may be written to", "change its permissions, or write to another folder"),
    errno.EPERM: ("a folder that may be written to", "change its permissions, or write to another folder"),
    errno.EROFS: ("a disk that may be written to", "write to another folder"),
    errno.EISDIR: ("the name of a file", "a folder has this name: rename it, or choose another name"),
    errno.ENOTDIR: ("a folder", "a file has the folder's name: rename it, or choose another folder"),
    errno.EEXIST: ("a folder", "a file has the folder's name: rename it, or choose another folder"),
    errno.ENAMETOOLONG: ("a shorter name", "shorten the name of the file or of its folders"),
}


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary name in `path`'s folder (made where missing, same suffix); rename it to `path` on success.

    On any exception, Ctrl-C included, the temporary file is removed and what `path` held before stays as it was.

    Raises:
        OSError: of the same kind and errno as the system's, saying what was expected, what came and what helps.
    """
    path = Path(path)
    # The suffix stays last: encoders choose the format by it.
    temporary = path.with_name(f".{path.stem[:80]}.{uuid.uuid4().hex[:12]}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush(temporary)  # some disks say only now that they are full
        os.replace(temporary, path)
    except OSError as error:
        _discard(temporary)
        if error.errno not in REMEDIES:
            raise
        raise _explained(error, path) from error
    except BaseException:
        _discard(temporary)
        raise


def text(path: str | Path, content: str) -> None:
    """Write `content` as UTF-8 with Unix line ends, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(content, encoding="utf-8", newline="\n")


def table(path: str | Path, frame: DataFrame) -> None:
    """Write a table by suffix: `.csv` (UTF-8, `DIGITS` significant digits, nothing where NaN) or `.parquet`."""
    path = Path(path)
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise ValueError(f"writing.table: expected a name that ends in .csv or .parquet, got {path.name!r}")
    with replacing(path) as temporary:
        if path.suffix.lower() == ".csv":
            frame.to_csv(temporary, index=False, float_format=f"%.{DIGITS}g", lineterminator="\n", encoding="utf-8")
        else:
            frame.to_parquet(temporary, index=False)


def plain(value: Any, digits: int | None = None) -> Any:
    """What strict JSON can say of a value: NumPy to Python, NaN and infinities to None, paths and unknowns to text.

    Numbers are rounded to `digits` significant ones where asked for; those that came from float32 always are, to what
    float32 knows, so that 0.1 is written as 0.1.
    """
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist(), digits or (DIGITS if value.dtype == np.float32 else None))
    if isinstance(value, float):
        return (float(f"{value:.{digits}g}") if digits else value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item, digits) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return plain(sorted(value, key=str), digits)
    if isinstance(value, list | tuple):
        return [plain(item, digits) for item in value]
    return str(value)


def json_line(value: Any, digits: int | None = None) -> str:
    """`value` as one line of strict JSON (RFC 8259: no NaN), readable beyond ASCII."""
    return json.dumps(plain(value, digits), allow_nan=False, ensure_ascii=False)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)  # Windows syncs only what is open for writing
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _discard(path: Path) -> None:
    with suppress(FileNotFoundError, NotADirectoryError):  # there is nothing to remove
        path.unlink()


def _explained(error: OSError, path: Path) -> OSError:
    expected, remedy = REMEDIES[error.errno or 0]
    room = f" ({_free(path.parent)})" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    got = os.strerror(error.errno or 0).lower()
    return OSError(error.errno, f"cannot write {path}: expected {expected}, got {got!r}{room}; {remedy}")


def _free(folder: Path) -> str:
    return f"{shutil.disk_usage(folder).free / 2**20:.0f} MiB free" if folder.is_dir() else "no such folder"
