"""The scans and the end of a JPEG, without decoding it.

A progressive JPEG stores the whole picture in several scans, and a decoder goes through all pixels for each. Thousands
of empty scans fit into some kilobytes and keep a decoder busy for seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

MOST_SCANS = 32
"""Most scans of a picture. Our choice: programs write 1 to 12; libjpeg-turbo's example warns beyond 100."""

_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_NEXT = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""A marker after entropy-coded data: neither a stuffed byte nor a restart marker."""


def count_scans(data: bytes | memoryview, most: int = MOST_SCANS) -> int:
    """Number of scans of a JPEG, counted up to `most` + 1.

    Args:
        data: The file. Damaged ones are counted as far as their markers go.
        most: Where counting may stop.

    Returns:
        The number; the pictures within the file's metadata do not count.
    """
    scans = (marker for marker in _markers(data) if marker == _SOS)
    return sum(1 for _ in islice(scans, most + 1))


def has_end(data: bytes | memoryview) -> bool:
    """Whether a JPEG has its end mark. OpenCV fills what is missing of a JPEG that was cut, and does not say so.

    Args:
        data: The file.

    Returns:
        True with an end mark; the pictures within the file's metadata do not count.
    """
    return any(marker == _EOI for marker in _markers(data))


def _markers(data: bytes | memoryview) -> Iterator[int]:
    """The markers up to the end mark, each by its second byte."""
    at = 0
    while (match := _NEXT.search(data, at)) is not None:
        marker, at = match[0][1], match.end()
        yield marker
        if marker == _EOI:
            return
        if marker not in (_SOI, 0x01):  # these have no length
            at += int.from_bytes(data[at : at + 2], "big")
