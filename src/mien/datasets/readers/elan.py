"""Annotations of an ELAN file (.eaf), format 2 and 3: https://www.mpi.nl/tools/elan/EAFv3.0.xsd."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from mien.datasets.readers.xml import Element, MarkupError, parse

LARGEST = 64 * 2**20
"""Largest size of a file in bytes. Our choice: an annotation has about 300."""


@dataclass(frozen=True)
class Annotation:
    """An annotation with times of its own.

    Args:
        start: Start in s of the video.
        end: End in s.
        value: The text.
        tier: Name of the tier.
        line: Its line in the file.
    """

    start: float
    end: float
    value: str
    tier: str
    line: int


def read_eaf(path: Path) -> tuple[list[Annotation], str]:
    """Read the annotations of all tiers that have times of their own, and the name of the video.

    Annotations that refer to others, such as notes and translations, are left out: they have no times.

    Args:
        path: The file.

    Returns:
        The annotations in the order of the file, and the file name of the only video; "" for none or several.

    Raises:
        MarkupError: The file is no ELAN file, an annotation has no time, or the media begins at an offset.
        OSError: It cannot be read.
    """
    elements = parse(path, LARGEST)
    if elements[0].name != "ANNOTATION_DOCUMENT":
        raise MarkupError(f"{path}: expected an ELAN file, got <{elements[0].name}>")
    if any(float(each.given.get("TIME_ORIGIN", "0") or 0) for each in elements if each.name == "MEDIA_DESCRIPTOR"):
        raise MarkupError(f"{path}: expected media without an offset, got TIME_ORIGIN: export the tiers as "
                          "tab-delimited text instead")
    slots = {each.given["TIME_SLOT_ID"]: each.given.get("TIME_VALUE") for each in elements if each.name == "TIME_SLOT"}
    annotations, tier = [], ""
    for element, following in zip(elements, [*elements[1:], elements[0]], strict=True):
        if element.name == "TIER":
            tier = element.given["TIER_ID"]
        elif element.name == "ALIGNABLE_ANNOTATION":
            start, end = (_seconds(slots, element, end, f"{path}, line {element.line}, tier {tier}") for end in "12")
            annotations.append(Annotation(start, end, following.text.strip(), tier, element.line))
    return annotations, _video(elements)


def _seconds(slots: dict[str, str | None], element: Element, end: str, where: str) -> float:
    value = slots.get(element.given[f"TIME_SLOT_REF{end}"])
    if value is None:
        raise MarkupError(f"{where}: expected a time for each annotation, got one without: give it one in ELAN, or "
                          "export the tiers as tab-delimited text")
    return int(value) / 1000


def _video(elements: list[Element]) -> str:
    media = [each.given for each in elements if each.name == "MEDIA_DESCRIPTOR"]
    videos = [given for given in media if given.get("MIME_TYPE", "").startswith("video")]
    if len(videos) != 1:
        return ""
    return PurePosixPath(unquote(videos[0].get("RELATIVE_MEDIA_URL") or videos[0]["MEDIA_URL"])).name
