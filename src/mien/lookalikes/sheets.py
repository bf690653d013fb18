"""Tables as the datasets keep them: xlsx through openpyxl, csv with chosen line ends, XML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree

from mien.lookalikes import ground


def xlsx(path: Path, sheets: dict[str, Sequence[Sequence[object]]]) -> None:
    """Write sheets by name, each a list of rows.

    Raises:
        ModuleNotFoundError: openpyxl is missing; the message says how to get it.
    """
    openpyxl = ground.writer("openpyxl", path)
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)


def lines(path: Path, rows: Iterable[str], windows: bool = False) -> None:
    """Write rows of text; `windows`: with a byte order mark and CR LF, as spreadsheet programs save them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    end = "\r\n" if windows else "\n"
    path.write_bytes("".join(row + end for row in rows).encode("utf-8-sig" if windows else "utf-8"))


def xml(path: Path, root: ElementTree.Element) -> None:
    """Write an XML document, indented."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path, encoding="UTF-8", xml_declaration=True)
