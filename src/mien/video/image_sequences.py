"""Image sequences: find the numbered pictures of a folder or pattern, in order, with their time steps."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from itertools import pairwise
from math import gcd
from pathlib import Path

SUFFIXES = frozenset(f".{name}" for name in ("jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp", "bmp", "tif", "tiff"))
"""Suffixes of pictures in a folder, in lower case."""

_NUMBER = re.compile(r"%(?:0(\d+))?d")


@dataclass(frozen=True)
class ImageSequence:
    """Pictures in the order of their numbers.

    Attributes:
        paths: The pictures (N).
        steps: Index of each picture, counted from the first (N); a gap in the numbers is a gap in time.
        left_out: Names of pictures in the same folder that have no number.
    """

    paths: tuple[Path, ...]
    steps: tuple[int, ...]
    left_out: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """All files together, in bytes."""
        return sum(path.stat().st_size for path in self.paths)

    @property
    def mtime_ns(self) -> int:
        """Modification time of the newest file in ns."""
        return max(path.stat().st_mtime_ns for path in self.paths)

    def sha256(self) -> str:
        """The SHA-256 of the output of `sha256sum` for the pictures in their order."""
        total = hashlib.sha256()
        for path in self.paths:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            total.update(f"{digest}  ".encode() + os.fsencode(path.name) + b"\n")
        return total.hexdigest()


def is_sequence(path: str | os.PathLike) -> bool:
    """Whether a path is an image sequence: a folder, or a pattern such as frame_%04d.png that is not a file."""
    name = os.fspath(path)
    if os.path.isdir(name):
        return True
    return bool(_NUMBER.search(os.path.basename(name))) and not os.path.lexists(name)


def is_picture(name: str) -> bool:
    """Whether a file's name is that of a picture: a known suffix, and not hidden."""
    return os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith(".")


def find(path: str | os.PathLike) -> ImageSequence:
    """Find the pictures of a sequence.

    Args:
        path: A folder with the numbered pictures of one sequence, or a pattern with %d or %04d in the file's name.

    Returns:
        The pictures in the order of the last number in their names. The greatest common step of the numbers counts as
        one, for sequences with every second or tenth picture.

    Raises:
        ValueError: There are no pictures, they have no numbers, the numbers repeat, or they belong to several
            sequences.
        OSError: The folder cannot be read.
    """
    path = Path(path)
    left_out: tuple[str, ...] = ()
    if path.is_dir():
        numbered, left_out = _of_folder(path)
    else:
        numbered = _of_pattern(path)
    numbered.sort()
    numbers = [number for number, _ in numbered]
    for (number, first), (again, second) in pairwise(numbered):
        if number == again:
            raise ValueError(f"expected a number for each picture, got {first.name} and {second.name} in {path}: "
                             "remove one of them")
    step = gcd(*(after - before for before, after in pairwise(numbers))) or 1
    steps = tuple((number - numbers[0]) // step for number in numbers)
    return ImageSequence(tuple(file for _, file in numbered), steps, left_out)


def _of_pattern(path: Path) -> list[tuple[int, Path]]:
    marks = list(_NUMBER.finditer(path.name))
    if len(marks) != 1:
        raise ValueError(f"expected one number such as %04d in a pattern, got {len(marks)} in {path.name}: name the "
                         "pictures of one sequence")
    before, after = path.name[: marks[0].start()], path.name[marks[0].end() :]
    width = int(marks[0].group(1) or 1)
    digits = rf"(\d{{{width}}}|[1-9]\d{{{width},}})"
    fitting = re.compile(re.escape(before) + digits + re.escape(after))
    names: list[str] = []
    if path.parent.is_dir():
        names = os.listdir(path.parent)
    matches = [(int(match.group(1)), path.with_name(name)) for name in names if (match := fitting.fullmatch(name))]
    if not matches:
        raise ValueError(f"expected pictures that match {path}, got none: check the folder and the number of digits")
    return matches


def _of_folder(folder: Path) -> tuple[list[tuple[int, Path]], tuple[str, ...]]:
    names = sorted(filter(is_picture, os.listdir(folder)))
    if not names:
        raise ValueError(f"expected a video or a folder of numbered pictures, got the folder {folder} without any "
                         f"picture ({' '.join(sorted(SUFFIXES))}): name a file in it")
    numbered = [name for name in names if "#" in _kind(name)]
    if not numbered:
        raise ValueError(f"expected numbered pictures, got {names[0]} in {folder}: number them, such as frame_0001.png")
    kinds = sorted({_kind(name) for name in numbered})
    if len(kinds) > 1:
        listed = " and ".join(kinds[:2])
        if len(kinds) > 2:
            listed += ", and others"
        raise ValueError(f"expected the pictures of one sequence, got {listed} in {folder}: name one of them as a "
                         "pattern such as frame_%04d.png, or leave --fps out to read each picture by itself")
    return [(_number(name), folder / name) for name in numbered], tuple(sorted(set(names) - set(numbered)))


def _kind(name: str) -> str:
    """A name with # for its last number: it is the same for all pictures of a sequence."""
    stem, suffix = os.path.splitext(name)
    return re.sub(r"\d+(?=\D*$)", "#", stem.replace("#", "_")) + suffix.lower()


def _number(name: str) -> int:
    return int(re.findall(r"\d+", os.path.splitext(name)[0])[-1])

