"""Read MATLAB files (up to version 7, and 7.3, which is HDF5): arrays of numbers, text and cells.

A child process reads them: a damaged file can crash SciPy's reader and HDF5.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from mien.core.parallel.supervised import WorkerError
from mien.datasets.readers import native

LARGEST = 2**30
"""Largest size in bytes of an HDF5 variable with all its cells. Our choice: DEAP's have a tenth of it; a file of a
kilobyte can claim any number."""


class MatError(ValueError):
    """One line: what was expected, what the file holds, and what to do about it."""


def load(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Read those of the variables `names` that the file has.

    Returns:
        Numbers as arrays in MATLAB's order of axes; cells as arrays of objects, each an array, or a str for text.

    Raises:
        MatError: the file is damaged, truncated or no MATLAB file, or it needs h5py, which is not installed.
    """
    try:
        return native.call(_load, path, names)
    except WorkerError as error:
        raise MatError(f"expected a MATLAB file, got {path}, at which {error}: it is damaged; copy or unzip it "
                       "again") from error


def _load(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file:
            head = file.read(128)
        if head[:4] == b"\x89HDF" or b"MATLAB 7.3" in head[:20]:
            return _hdf5(path, names)
        read = scipy.io.loadmat(path, variable_names=names)
        return {name: _expect_small(name, value) for name, value in read.items() if name in names}
    except MatError:
        raise
    except Exception as error:  # SciPy and h5py raise anything, a NameError too
        message = [*str(error).splitlines(), ""][0]
        raise MatError(f"expected a MATLAB file, got {path} ({type(error).__name__}: {message}): it is cut short or "
                       "damaged; copy or unzip it again") from error


def cell(cells: np.ndarray, index: int) -> Any:
    """Cell `index` of (1, n) or (n, 1) cells: its array, or a str for text."""
    value = cells.reshape(-1)[index]
    if isinstance(value, np.ndarray) and value.dtype.kind in "US":
        return "".join(map(str, value.reshape(-1)))
    return value


def _expect_small(name: str, value: np.ndarray) -> np.ndarray:
    """A variable that this process may receive: a packed file of kilobytes may hold gigabytes of zeros."""
    size = value.nbytes + sum(getattr(part, "nbytes", 0) for part in value.flat if value.dtype.kind == "O")
    if size > LARGEST:
        raise MatError(f"expected at most {LARGEST} bytes in {name}, got {size}: refused")
    return value


def _hdf5(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    try:
        import h5py
    except ImportError as error:
        raise MatError(f"expected h5py for {path}, which is MATLAB 7.3's HDF5: pip install 'mien[data]'") from error
    with h5py.File(path, "r") as file:
        return {name: _variable(file, file[name]) for name in names if _has_variable(h5py, file, name)}


def _has_variable(h5py: Any, file: Any, name: str) -> bool:
    """Whether the file has the variable. Raises MatError for a link out of the file."""
    if name not in file:
        return False
    link = file.get(name, getlink=True)
    if link is not None and not isinstance(link, h5py.HardLink):
        raise MatError(f"expected {name} in the file itself, got a link to elsewhere: refused")
    return link is not None


def _variable(file: Any, data: Any, within: bool = False) -> Any:
    """`within` a cell, cells are refused: they could contain each other endlessly."""
    if not hasattr(data, "dtype") or data.external or data.is_virtual:
        raise MatError(f"expected numbers, words or cells, got a structure or data outside of the file at {data.name}")
    if data.nbytes > LARGEST:
        raise MatError(f"expected at most {LARGEST} bytes in {data.name}, got {data.nbytes}: refused")
    if data.attrs.get("MATLAB_empty", 0):
        lengths = tuple(int(length) for length in data[()].reshape(-1))
        if 0 not in lengths:
            raise MatError(f"expected the lengths of an empty array in {data.name}, got {lengths[:4]}: refused")
        return np.zeros(lengths)
    if data.dtype.kind == "O":
        if within:
            raise MatError(f"expected numbers or words in the cells, got cells in {data.name}: refused")
        references = data[()].T
        size = 0
        for reference in references.flat:
            size += getattr(file[reference], "nbytes", 0)
            if size > LARGEST:
                raise MatError(f"expected at most {LARGEST} bytes in the cells of {data.name}, got more: refused")
        cells = np.empty(references.shape, object)
        for index, reference in np.ndenumerate(references):
            cells[index] = _variable(file, file[reference], within=True)
        return cells
    values = data[()].T
    if data.attrs.get("MATLAB_class") == b"char":
        return np.array(["".join(map(chr, values.reshape(-1)))])
    return values
