"""Walk the outer structure of a file, to find what FFmpeg skips without a word: broken blocks, a second recording."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
"""FFmpeg's name of mp4 and mov."""

MOST_BOXES = 100_000
"""Outermost boxes of an mp4 that are looked at; a fragmented one has two a fragment."""

ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
"""GUIDs of the Header Object, File Properties Object and Data Object: ASF specification 1.20.3, sections 3.1, 3.2, 5.1.
"""

TRAILERS = {"flv": 64, "ivf": 64, "ogg": 4096, "asf": 4096, "mpeg": 4096, "mpegts": 4096, "nut": 4096}
"""Formats that are read from front to back, and the bytes that may follow their last packet. Our choice."""

TRAILER_SHARE = 0.01
"""Share of the file that may follow the last packet as well: an index. Our choice."""

TS_PACKETS = ((188, 0), (192, 4), (204, 0))
"""Size of a transport packet in bytes and offset of its sync byte 0x47: ISO 13818-1; m2ts; with error correction."""


def fault(format: str, path: Path, packets: int, read_to: int) -> str:
    """Describe a fault of the file's structure; empty without one or for a format that is not known.

    Args:
        format: FFmpeg's name of the format.
        path: The file.
        packets: Number of pictures' packets that were demuxed.
        read_to: Byte at which the last packet of any stream ended.
    """
    check = CHECKS.get(format)
    problem = ""
    if check is not None:
        with path.open("rb") as file:
            problem = check(file, path.stat().st_size, packets)
    size = path.stat().st_size
    if not problem and format in TRAILERS and size - read_to > TRAILERS[format] + size * TRAILER_SHARE:
        problem = f"reading ended at byte {read_to} of {size}: the rest is damaged, or a second recording was appended"
    return problem


def boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """Kind and first byte of the outermost boxes of an mp4 or mov (ISO 14496-12, 4.2), as far as their sizes lead."""
    at = 0
    for _ in range(MOST_BOXES):
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4])
        if length == 1:
            length = int.from_bytes(head[8:])
        if len(head) < 8 or (length < 8 and length):
            return
        yield head[4:8], at
        at += length
        if not length or at >= size:  # 0: to the end of the file
            return


def _gif(file: BinaryIO, size: int, packets: int) -> str:
    """GIF89a, section 12 and on: blocks up to the end mark; several files in a row are one animation to FFmpeg."""
    images, uneven, at = 0, 0, 0
    while at < size:
        blocks, odd, good = _gif_blocks(file, at)
        images, uneven, end = images + blocks, uneven + odd, file.tell()
        if not good and end >= size:
            return "the file has no end mark: it is cut short"
        if not good:
            return f"the blocks of the file are broken at byte {end} of {size}"
        at = end if file.read(3) == b"GIF" else size
    if images > packets:
        return f"the file holds {images} pictures, {packets} were read"
    if 0 < uneven <= images / 2:  # a writer may cut blocks as it likes
        return f"the data of {uneven} of {images} pictures is torn: others may be missing"
    return ""


def _gif_blocks(file: BinaryIO, at: int) -> tuple[int, int, bool]:
    """Walk one GIF from byte `at`.

    Returns:
        Its pictures; those with blocks of data of several sizes; and whether its end mark came, where the file then
        stands. Otherwise the file stands where the blocks break.
    """
    file.seek(at)
    _skip_palette(file, file.read(13)[10:11])
    images = uneven = 0
    while kind := file.read(1):
        if kind == b";":
            return images, uneven, True
        if kind not in b",!":
            file.seek(-1, 1)
            break
        if kind == b",":
            _skip_palette(file, file.read(9)[8:9])
        file.read(1)  # size of the first code, or the kind of the extension
        even = _skip_data(file)
        images += kind == b","
        uneven += kind == b"," and not even
    return images, uneven, False


def _skip_data(file: BinaryIO) -> bool:
    """Skip the blocks of data of a picture; whether all but the last one have the same length."""
    lengths: set[int] = set()
    last = 0
    while (length := file.read(1)) and length[0]:
        if last:
            lengths.add(last)
        last = length[0]
        file.seek(last, 1)
    return len(lengths) < 2


def _skip_palette(file: BinaryIO, flags: bytes) -> None:
    if flags and flags[0] & 0x80:
        file.seek(3 << ((flags[0] & 7) + 1), 1)


def _asf(file: BinaryIO, size: int, _: int) -> str:
    """The data packets are of one size, and their number is announced; each begins with its error correction data."""
    head = file.read(min(size, 1 << 20))
    properties, data = head.find(ASF_PROPERTIES), head.find(ASF_DATA)
    if not head.startswith(ASF_HEADER) or min(properties, data) < 0:
        return ""
    length = int.from_bytes(head[properties + 92 : properties + 96], "little")
    announced = int.from_bytes(head[data + 40 : data + 48], "little")
    first = data + 50
    if head[properties + 88] & 1:  # a broadcast: its header states nothing
        return ""
    if not length or not announced or length > size:
        return "the header of the file is damaged: it announces no data packets"
    complete = min(announced, (size - first) // length)
    broken = 0
    for number in range(complete):
        file.seek(first + number * length)
        broken += file.read(3) != b"\x82\0\0"
    if complete < announced:
        return f"the container announces {announced} data packets, the file holds {complete}: it is cut short"
    if 0 < broken <= complete / 2:  # a writer may leave the error correction data out of all
        return f"{broken} of {announced} data packets are damaged"
    return ""


def _mpegts(file: BinaryIO, size: int, _: int) -> str:
    head = file.read(4096)
    sizes = [length for length, sync in TS_PACKETS if set(head[sync::length]) == {0x47}]
    return "the file ends in the middle of a packet: it is cut short" if sizes and size % sizes[0] else ""


CHECKS: dict[str, Callable[[BinaryIO, int, int], str]] = {"gif": _gif, "asf": _asf, "mpegts": _mpegts}
"""FFmpeg's name of a format -> its check: open file, size in bytes and number of packets to what is wrong."""
