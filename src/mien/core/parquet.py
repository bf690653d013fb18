"""Reading of Parquet files on the calling thread alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame


def read_parquet(path: str | Path) -> DataFrame:
    """Read a table that `atomic_files.table` wrote.

    The function of pandas hands a Python file to Arrow's threads. They may release it after the function has returned,
    and a process that ends in that moment is aborted: "terminate called without an active exception", exit status 134
    (Arrow's issue 34314). Here no other thread holds the file.

    Args:
        path: The file.

    Returns:
        The table.

    Raises:
        OSError: The file cannot be opened.
        ValueError: The file is not Parquet, or is damaged.
    """
    from pyarrow import ArrowException, parquet

    with Path(path).open("rb") as file:
        try:
            with parquet.ParquetFile(file, pre_buffer=False) as table:
                return table.read(use_threads=False).to_pandas(use_threads=False)
        except (ArrowException, OSError) as error:  # Arrow calls a damaged header an OSError
            raise ValueError(f"{path}: expected a whole table in Parquet, got {str(error).splitlines()[0]}") from error


__all__ = ["read_parquet"]
