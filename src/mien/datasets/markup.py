"""XML without its dangers: elements and attributes only; document types and entities are refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from xml.parsers import expat

LARGEST = 2**20
"""Bytes of a file that is parsed. Our choice: a session.xml has about one thousand."""


class MarkupError(ValueError):
    """One line: what was expected, what the file holds, and what to do about it."""


@dataclass(frozen=True)
class Element:
    """One element: its name and its attributes; `line` from 1."""

    name: str
    given: dict[str, str]
    line: int


def parse(path: Path) -> list[Element]:
    """Every element of the file, in the order of their starts: the root first.

    Raises:
        MarkupError: not well formed, with the line; or it declares a document type, an entity or an outside reference.
        OSError: it cannot be read.
    """
    if path.stat().st_size > LARGEST:
        raise MarkupError(f"expected at most {LARGEST} bytes of XML, got {path.stat().st_size} in {path}: refused")
    found: list[Element] = []
    parser = expat.ParserCreate()

    def start(name: str, given: dict[str, str]) -> None:
        found.append(Element(name, given, parser.CurrentLineNumber))

    def refuse(*what: object) -> int:
        raise MarkupError(f"expected plain elements in {path}, line {parser.CurrentLineNumber}, got a document type or "
                          "an entity: refused, nothing was read from elsewhere")

    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = parser.ExternalEntityRefHandler = refuse
    parser.SkippedEntityHandler = parser.UnparsedEntityDeclHandler = refuse
    try:
        parser.Parse(path.read_bytes(), True)
    except MarkupError:
        raise
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise MarkupError(f"expected well-formed XML in {path}, line {parser.CurrentLineNumber}, got {error}: copy or "
                          "unzip it again") from error
    return found


def plain_name(name: str) -> bool:
    """Whether it names a file in this very folder, on every system: no folder, no drive, no parent, no zero byte."""
    return (bool(name) and name not in (".", "..") and "\0" not in name and ":" not in name
            and PurePosixPath(name).name == name and PureWindowsPath(name).name == name)
