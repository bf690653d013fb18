"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import json
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mien.core import atomic_files


def test_a_file_appears_whole_under_its_name(tmp_path):
    path = tmp_path / "deep" / "er" / "x.txt"
    with atomic_files.replacing(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.parent == path.parent  # a rename across disks would be a copy
        assert temporary.suffix == ".txt"
    assert path.read_text() == "half"
    assert os.listdir(path.parent) == ["x.txt"]


@pytest.mark.parametrize("failure", [RuntimeError("x"), KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left")])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, failure):
    path = tmp_path / "x.txt"
    path.write_text("old")

    def write() -> None:
        with atomic_files.replacing(path) as temporary:
            temporary.write_text("new, but")
            raise failure

    with pytest.raises(type(failure)):
        write()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.txt"]


def test_a_full_disk_found_at_the_last_moment_says_what_helps(tmp_path, monkeypatch):
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "x.txt"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"x\.txt: expected free space .* 'no space left.* MiB free.*; free some") as e:
        atomic_files.text(path, "new")
    assert e.value.errno == errno.ENOSPC
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.txt"]


def test_a_disk_that_is_really_full(small_disk):
    atomic_files.text(small_disk / "x.txt", "old")
    with pytest.raises(OSError, match="free space") as e:
        atomic_files.text(small_disk / "x.txt", "new" * 100_000)
    assert e.value.errno == errno.ENOSPC
    assert (small_disk / "x.txt").read_text() == "old"
    assert os.listdir(small_disk) == ["x.txt"]


def test_a_file_in_the_folders_place_is_named(tmp_path):
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(OSError, match="a file has the folder's name"):
        atomic_files.text(tmp_path / "folder" / "x.txt", "new")
    (tmp_path / "there").mkdir()
    with pytest.raises(IsADirectoryError, match="expected the name of a file"):
        atomic_files.text(tmp_path / "there", "new")
    assert sorted(os.listdir(tmp_path)) == ["folder", "there"]


def test_tables_read_back_equal(tmp_path):
    frame = pd.DataFrame({"t": [0.1, 7200.033], "x": [1 / 3, math.nan], "s": ["ä, b", ""], "b": [True, False]})
    atomic_files.table(tmp_path / "x.parquet", frame)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "x.parquet"), frame)
    atomic_files.table(tmp_path / "x.csv", frame)
    lines = (tmp_path / "x.csv").read_bytes().decode("utf-8").split("\n")
    assert lines == ["t,x,s,b", '0.1,0.3333333,"ä, b",True', "7200.033,,,False", ""]
    back = pd.read_csv(tmp_path / "x.csv", keep_default_na=False, na_values={"x": [""]})
    pd.testing.assert_frame_equal(back, frame, rtol=1e-6)
    with pytest.raises(ValueError, match=r"\.csv or \.parquet, got 'x\.xls'"):
        atomic_files.table(tmp_path / "x.xls", frame)


def test_json_is_strict():
    value = {"a": np.float32(0.1), "b": [math.nan, -math.inf, np.float64(2)], 3: np.arange(2), "p": Path("x/y"),
             "t": (True, None), "i": np.int64(2**53), "s": {"b", "a"}, "deep": {"n": np.array([np.nan], np.float32)}}
    line = atomic_files.json_line(value)
    assert "\n" not in line

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    assert json.loads(line, parse_constant=refuse) == {
        "a": 0.1, "b": [None, None, 2.0], "3": [0, 1], "p": str(Path("x/y")), "t": [True, None], "i": 2**53,
        "s": ["a", "b"], "deep": {"n": [None]}}
