"""Write tables in the formats of the datasets: xlsx with openpyxl, csv with chosen line ends, XML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree

from mien.simulation.datasets import output


def xlsx(path: Path, sheets: dict[str, Sequence[Sequence[object]]]) -> None:
    """Write a workbook.

    Args:
        path: file to write; missing folders are created.
        sheets: rows by name of the sheet.

    Raises:
        ModuleNotFoundError: openpyxl is not installed; the message says how to install it.
    """
    openpyxl = output.writer("openpyxl", path)
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)


def lines(path: Path, rows: Iterable[str], windows: bool = False) -> None:
    """Write rows of text. With `windows`, add a byte order mark and CR LF, like spreadsheet programs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    end, encoding = "\n", "utf-8"
    if windows:
        end, encoding = "\r\n", "utf-8-sig"
    path.write_bytes("".join(row + end for row in rows).encode(encoding))


def xml(path: Path, root: ElementTree.Element) -> None:
    """Write an indented XML document."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path, encoding="UTF-8", xml_declaration=True)
