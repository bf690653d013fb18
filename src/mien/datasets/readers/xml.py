"""Safe XML parsing: elements, attributes and text; document types and entities are refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from xml.sax import ContentHandler, SAXException
from xml.sax.xmlreader import AttributesImpl, Locator

LARGEST = 2**20
"""Largest size of a parsed file in bytes. Our choice: a session.xml has about one thousand."""


class MarkupError(ValueError):
    """One line: what was expected, what the file holds, and what to do about it."""


@dataclass(frozen=True)
class Element:
    """One element: its name, its attributes and the text directly in it; `line` from 1."""

    name: str
    given: dict[str, str]
    line: int
    text: str = ""


class _Collector(ContentHandler):
    """Collects every element in the order of their starts."""

    def __init__(self) -> None:
        super().__init__()
        self._starts: list[Element] = []
        self._texts: list[str] = []
        self._open: list[int] = []
        self._place: Locator | None = None

    @property
    def line(self) -> int:
        """Current line of the parser, from 1."""
        if self._place is None:
            return 1
        return int(self._place.getLineNumber() or 1)

    def setDocumentLocator(self, locator: Locator) -> None:
        """Keep the locator of the parser; named by the SAX protocol."""
        self._place = locator

    def startElement(self, name: str, attrs: AttributesImpl) -> None:
        """Collect an element; named by the SAX protocol."""
        self._open.append(len(self._starts))
        self._starts.append(Element(name, dict(attrs.items()), self.line))
        self._texts.append("")

    def endElement(self, name: str) -> None:
        """Leave an element; named by the SAX protocol."""
        self._open.pop()

    def characters(self, content: str) -> None:
        """Collect text; named by the SAX protocol."""
        self._texts[self._open[-1]] += content

    @property
    def elements(self) -> list[Element]:
        """The elements in the order of their starts."""
        return [replace(element, text=text) for element, text in zip(self._starts, self._texts, strict=True)]


def parse(path: Path, largest: int = LARGEST) -> list[Element]:
    """Read every element of a file with defusedxml, which refuses document types, entities and outside references.

    Args:
        path: the file.
        largest: largest size of the file in bytes.

    Returns:
        The elements in the order of their starts: the root first.

    Raises:
        MarkupError: the file is not well formed, with the line; or it declares a document type, an entity or an outside
            reference.
        OSError: it cannot be read.
    """
    if path.stat().st_size > largest:
        raise MarkupError(f"expected at most {largest} bytes of XML, got {path.stat().st_size} in {path}: refused")
    try:
        import defusedxml.sax
    except ModuleNotFoundError as error:
        raise MarkupError(f"expected defusedxml to read {path}: pip install 'mien[data]'") from error
    collector = _Collector()
    try:
        defusedxml.sax.parseString(path.read_bytes(), collector, forbid_dtd=True)
    except defusedxml.DefusedXmlException as error:
        raise MarkupError(f"expected plain elements in {path}, line {collector.line}, got a document type or an "
                          "entity: refused, no other file was read") from error
    except (SAXException, LookupError, ValueError) as error:
        raise MarkupError(f"expected well-formed XML in {path}, line {collector.line}, got {error}: copy or unzip it "
                          "again") from error
    return collector.elements
