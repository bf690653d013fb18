"""Atomic writing of text, tables and JSON: a full disk, a crash or Ctrl-C never leaves half a file."""

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

from mien.core.plain_text import cell

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
    """Yield a temporary path in the same folder, and rename it to `path` on success.

    The folder is created if missing; the suffix stays the same. On any exception, Ctrl-C included, the temporary file
    is removed and the old content of `path` stays.

    Raises:
        OSError: with the system's errno, and what was expected, what came and what helps.
    """
    path = Path(path)
    # The suffix stays last: encoders choose the format by it.
    temporary = path.with_name(f".{path.stem[:80]}.{uuid.uuid4().hex[:12]}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush(temporary)  # some disks report only now that they are full
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
    """Write `content` atomically as UTF-8 with Unix line ends."""
    with replacing(path) as temporary:
        temporary.write_text(content, encoding="utf-8", newline="\n")


def table(path: str | Path, frame: DataFrame) -> None:
    """Write a table atomically as `.csv` (UTF-8, `DIGITS` significant digits, empty for NaN) or `.parquet`.

    Texts of a `.csv` are written by `plain_text.cell`: no program takes one for a formula or a command.

    Raises:
        ValueError: the suffix is another one.
    """
    path = Path(path)
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise ValueError(f"atomic_files.table: expected a name that ends in .csv or .parquet, got {path.name!r}")
    with replacing(path) as temporary:
        if path.suffix.lower() == ".csv":
            safe = _without_formulas(frame)
            safe.to_csv(temporary, index=False, float_format=f"%.{DIGITS}g", lineterminator="\n", encoding="utf-8")
        else:
            with temporary.open("wb") as file:  # pyarrow opens no path that is not UTF-8
                frame.to_parquet(file, index=False)


def _without_formulas(frame: DataFrame) -> DataFrame:
    safe = frame.copy(deep=False)
    for place, kind in enumerate(frame.dtypes):
        if kind.kind not in "biufcmM":
            column = frame.iloc[:, place].astype(object)
            safe.isetitem(place, column.map(  # type: ignore[arg-type]  # the stubs know single values alone
                lambda value: cell(value) if isinstance(value, str) else value))
    safe.columns = [cell(str(name)) for name in frame.columns]
    return safe


def plain(value: Any, digits: int | None = None) -> Any:
    """Convert a value to strict JSON: NumPy to Python, NaN and infinities to None, paths and other types to text.

    Args:
        value: any value.
        digits: significant digits of floats, or None for all. Values from float32 are always rounded to the precision
            of float32, so that 0.1 is written as 0.1.
    """
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, np.generic | np.ndarray):
        if value.dtype == np.float32:
            digits = digits or DIGITS
        return plain(value.tolist(), digits)
    if isinstance(value, float):
        return _number(value, digits)
    if isinstance(value, Mapping):
        return {str(key): plain(item, digits) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return plain(sorted(value, key=str), digits)
    if isinstance(value, list | tuple):
        return [plain(item, digits) for item in value]
    return str(value)


def _number(value: float, digits: int | None) -> float | None:
    if not math.isfinite(value):
        return None
    if digits:
        return float(f"{value:.{digits}g}")
    return value


def json_line(value: Any, digits: int | None = None) -> str:
    """`value` as one line of strict JSON (RFC 8259: no NaN); non-ASCII characters stay readable."""
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
    got = repr(os.strerror(error.errno or 0).lower())
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        got += f" ({_free(path.parent)})"
    return OSError(error.errno, f"cannot write {path}: expected {expected}, got {got}; {remedy}")


def _free(folder: Path) -> str:
    if not folder.is_dir():
        return "no such folder"
    return f"{shutil.disk_usage(folder).free / 2**20:.0f} MiB free"
