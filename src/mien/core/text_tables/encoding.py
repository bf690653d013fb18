"""Decode text files: UTF-8 and UTF-16 with and without a byte order mark, otherwise Windows-1252 or Latin-1."""

from __future__ import annotations

import codecs
import re
import stat
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from mien.core.text_tables.errors import TableError

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order mark -> encoding."""

KINDS = (
    (b"PK\x03\x04", "a zip or a workbook (xlsx, ods)"),
    (b"\xd0\xcf\x11\xe0", "an old workbook (xls)"),
    (b"\x1f\x8b", "a file packed by gzip"),
    (b"PAR1", "Parquet"),
    (b"\x89HDF", "HDF5"),
    (b"MATLAB 5.0", "MATLAB's format"),
    (b"SQLite format 3", "a database (SQLite)"),
    (b"\xffBIOSEMI", "BDF"),
    (b"0       ", "EDF"),
    (b"%PDF", "PDF"),
)
"""First bytes of files that people take for tables -> what they are."""

PROBE = 4096
"""Bytes in which zeros are counted to recognise UTF-16 without a mark. Our choice: a header and some rows."""

ASCII_SHARE = 0.4
"""Least share of zero bytes at even or odd places for UTF-16 without a mark. Our choice: ASCII in UTF-16 has 0.5."""

_CONTROL = re.compile("[\x01-\x08\x0e-\x1f\x7f]")  # tabs and line ends are text; Ctrl-Z only at the end


@dataclass(frozen=True)
class DecodedText:
    """The text of a file.

    Attributes:
        text: the text without a byte order mark.
        encoding: name of the encoding.
        guessed: whether the encoding is a guess: the bytes are no UTF-8 and have no mark.
        zeros: number of zeros at the end, which were left out.
    """

    text: str
    encoding: str
    guessed: bool = False
    zeros: int = 0

    @property
    def lines(self) -> list[str]:
        """The lines without their ends: CR LF, LF or CR."""
        return re.split("\r\n|\n|\r", self.text)


def read_text(path: Path) -> DecodedText:
    """Read a text file.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: it is empty or blank, cannot be read, or is no text; names the line.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
            raise TableError("expected a file, got a device or a pipe: save it as a file first", path)
        raw = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise TableError(f"expected a file that can be read, got: {error.strerror}", path) from error
    if not raw.strip(b" \t\r\n\0"):
        raise TableError("expected a table, got an empty file: copy it again", path)
    kind = next((kind for first, kind in KINDS if raw.startswith(first)), None)
    if kind is not None:
        raise TableError(f"expected a table in text, got {kind}: unpack it, or export it as CSV", path)
    decoded = _decode(raw, path)
    zeros = len(decoded.text) - len(decoded.text.rstrip("\0"))
    if zeros:  # a recorder that lost its power leaves them
        decoded = replace(decoded, text=decoded.text[:-zeros], zeros=zeros)
    bad = decoded.text.find("\0")
    control = _CONTROL.search(decoded.text)
    if bad < 0 and control is not None:
        bad = control.start()
    if bad >= 0:
        line = decoded.text.count("\n", 0, bad) + 1
        got = "zero bytes" if decoded.text[bad] == "\0" else f"the control character {ord(decoded.text[bad]):#04x}"
        raise TableError(f"expected a table in text, got {got}: this is no text, or it was damaged; export it as CSV",
                         path, line)
    if not decoded.text.strip():
        raise TableError("expected a table, got blank lines: copy it again", path)
    return decoded


def _decode(raw: bytes, path: Path) -> DecodedText:
    encoding = next((name for mark, name in MARKS if raw.startswith(mark)), None) or _unmarked_utf16(raw)
    if encoding is not None:
        try:
            return DecodedText(raw.decode(encoding).rstrip("\x1a"), encoding)
        except UnicodeDecodeError as error:
            line = raw[: error.start].count(b"\n") + 1
            got = f"the byte {raw[error.start]:#04x}"
            raise TableError(f"expected text in {encoding} by its first bytes, got {got}: copy the file again", path,
                             line) from error
    for encoding, name in (("utf-8", "UTF-8"), ("cp1252", "Windows-1252")):
        with suppress(UnicodeDecodeError):
            return DecodedText(raw.decode(encoding).rstrip("\x1a"), name, guessed=encoding != "utf-8")
    return DecodedText(raw.decode("latin-1").rstrip("\x1a"), "Latin-1", guessed=True)


def _unmarked_utf16(raw: bytes) -> str | None:
    """The byte order of UTF-16 without a mark, by the zeros of its ASCII characters; None for another encoding."""
    probe = raw[:PROBE]
    if len(raw) % 2 or len(probe) < 4:
        return None
    even, odd = (probe[first::2].count(0) / len(probe) for first in (0, 1))
    if odd > ASCII_SHARE and even == 0:
        return "utf-16-le"
    if even > ASCII_SHARE and odd == 0:
        return "utf-16-be"
    return None
