"""Write MATLAB 7.3 files: HDF5 with MATLAB's conventions (cells as references, columns first, text as uint16)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mien.simulation.datasets import output

_HEAD = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Thu Jan 01 00:00:00 1970 HDF5 schema 1.00 ."


def save_mat73(path: Path, cells: dict[str, np.ndarray]) -> None:
    """Write MATLAB cell arrays.

    Args:
        path: file to write; missing folders are created.
        cells: object arrays (rows, columns) of numbers and texts, by name of the variable.

    Raises:
        ModuleNotFoundError: h5py is not installed; the message says how to install it.
    """
    h5py = output.writer("h5py", path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        box = file.create_group("#refs#")
        for name, array in cells.items():
            table = np.empty(array.T.shape, h5py.ref_dtype)
            for (row, column), value in np.ndenumerate(array):
                table[column, row] = _leaf(box, f"{name}_{row}_{column}", value).ref
            file.create_dataset(name, data=table, dtype=h5py.ref_dtype).attrs["MATLAB_class"] = np.bytes_(b"cell")
    with path.open("r+b") as file:
        file.write(_HEAD.ljust(116) + bytes(8) + b"\x00\x02IM")


def _leaf(box: Any, name: str, value: object) -> Any:
    if isinstance(value, str):
        leaf = box.create_dataset(name, data=np.array([[ord(letter)] for letter in value], np.uint16))
        leaf.attrs["MATLAB_class"] = np.bytes_(b"char")
        leaf.attrs["MATLAB_int_decode"] = np.int32(2)
        return leaf
    array = np.asarray(value, float)
    if array.size == 0:  # an empty array is stored as its shape
        leaf = box.create_dataset(name, data=np.array(array.shape, np.uint64))
        leaf.attrs["MATLAB_empty"] = np.uint8(1)
    else:
        leaf = box.create_dataset(name, data=array.T)
    leaf.attrs["MATLAB_class"] = np.bytes_(b"double")
    return leaf
