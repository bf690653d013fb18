"""Foreign text (file names, labels, cells) in a terminal or a table, where some characters would act.

A terminal obeys control characters. A spreadsheet computes a cell that begins with one of `= + - @`.
"""

from __future__ import annotations

import difflib
import math
import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath

_FORMULA = tuple("=+-@＝＋－＠")
"""First characters of a formula, also as full-width letters (OWASP, CSV injection)."""

_TURNS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that reverse the order of what follows."""


def unknown_name(what: str, names: Iterable[str], got: str) -> str:
    """The sentence for a name that is not among `names`: these, what came, and the closest one if any is close."""
    names = list(names)
    sentence = f"{what}: expected one of {', '.join(names)}, got {got!r}"
    for near in difflib.get_close_matches(got, names, n=1):
        sentence += f": did you mean {near}?"
    return sentence


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: "1 file", "2 files", "2 people" with the plural "people"."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {plural or f'{noun}s'}"


def listed_after(mark: str, text: str) -> str:
    """Text that follows other text after a mark such as ", "; empty text stays empty."""
    return text and f"{mark}{text}"


def duration(seconds: float) -> str:
    """A time in words, such as 40 s, 3 min 20 s or 2 h 5 min."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def what_is_at(path: str | Path) -> str:
    """What a path that was expected to be something else is: "a folder", "a file" or "nothing"."""
    if Path(path).is_dir():
        return "a folder"
    if Path(path).exists():
        return "a file"
    return "nothing"


def printable(text: str) -> str:
    """Text on one line, with escapes such as \\x1b or \\n in place of control characters."""
    return "".join(letter.encode("unicode_escape").decode() if _acts(letter) else letter for letter in text)


def cell(text: str) -> str:
    """Text for a cell of a table: `printable`, and an apostrophe before what a spreadsheet would compute.

    Where a comma is the decimal mark, a spreadsheet splits the row at semicolons: what follows one is a cell, too.
    """
    return ";".join(f"'{part}" if _is_formula(part) else part for part in printable(text).split(";"))


def is_plain_name(name: str) -> bool:
    """Whether a name is that of a file in the same folder on every system: no folder, drive, parent or zero byte."""
    return (bool(name) and name not in (".", "..") and "\0" not in name and ":" not in name
            and PurePosixPath(name).name == name and PureWindowsPath(name).name == name)


def _acts(letter: str) -> bool:
    return letter in _TURNS or unicodedata.category(letter) in ("Cc", "Zl", "Zp", "Cs")


def _is_formula(text: str) -> bool:
    return text.lstrip().startswith(_FORMULA) and not is_number(text)


def is_number(text: str) -> bool:
    """Whether Python reads a text as a number; NaN and infinities count."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def hub_reason(error: Exception) -> str:
    """The first line of an error of the hub's library, without its own "Got: " and without a full stop at its end."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].removeprefix("Got: ").rstrip(".")
