"""Count the scans of a JPEG without decoding it.

A progressive JPEG stores the whole picture in several scans, and a decoder goes through all pixels for each. Thousands
of empty scans fit into some kilobytes and keep a decoder busy for seconds.
"""

from __future__ import annotations

import re

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
    scans, at = 0, 0
    while scans <= most:
        match = _NEXT.search(data, at)
        if match is None:
            return scans
        marker, at = match[0][1], match.end()
        if marker == _EOI:
            return scans
        if marker in (_SOI, 0x01):  # these have no length
            continue
        scans += marker == _SOS
        at += int.from_bytes(data[at : at + 2], "big")
    return scans
