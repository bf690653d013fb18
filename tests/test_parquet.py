"""`core.parquet`: tables come back as written, on one thread, and a damaged file is said."""

import io
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mien.core import atomic_files
from mien.core.parquet import read_parquet


@pytest.fixture
def table(tmp_path) -> tuple[Path, pd.DataFrame]:
    frame = pd.DataFrame({"time": np.arange(9.0), "face": np.arange(9), "label": ["a", None, "ü"] * 3,
                          "abstained": [True, False, False] * 3, "empty": np.full(9, np.nan)})
    atomic_files.table(tmp_path / "täble.parquet", frame)
    return tmp_path / "täble.parquet", frame


def test_a_table_comes_back_as_it_was_written(table):
    pd.testing.assert_frame_equal(read_parquet(table[0]), table[1])


class _Recorded(io.FileIO):
    threads: set[int]

    def read(self, size: int = -1) -> bytes:
        self.threads.add(threading.get_ident())
        return super().read(size)


def test_no_other_thread_reads_the_file(table, monkeypatch):
    """A thread of Arrow that still holds a Python file as the interpreter ends aborts the process."""
    _Recorded.threads = set()
    with _Recorded(table[0]) as file:
        pd.read_parquet(file)
    assert _Recorded.threads - {threading.get_ident()}, "pandas reads by threads: else this test could not fail"
    _Recorded.threads = set()
    monkeypatch.setattr(Path, "open", lambda path, mode: _Recorded(path, mode))
    read_parquet(table[0])
    assert _Recorded.threads == {threading.get_ident()}


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-20], lambda data: data[:4] + data[-8:],
                                    lambda data: b"x" * len(data), lambda data: data[:-40] + b"x" * 30 + data[-10:]],
                         ids=["empty", "cut", "ends alone", "text", "header"])
def test_a_damaged_file_is_said_in_a_line(table, damage):
    table[0].write_bytes(damage(table[0].read_bytes()))
    with pytest.raises(ValueError, match=r"täble\.parquet: expected a whole table in Parquet, got ") as error:
        read_parquet(table[0])
    assert "\n" not in str(error.value)


def test_a_missing_file_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_parquet(tmp_path / "none.parquet")


def test_no_module_reads_tables_by_arrows_threads():
    source = Path(atomic_files.__file__).parents[1]
    assert not [path for path in source.rglob("*.py") if "pd.read_parquet(" in path.read_text("utf-8")]
