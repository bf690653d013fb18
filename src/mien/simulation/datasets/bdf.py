"""Write BioSemi's 24-bit BDF files, from the published layout.

References:
    biosemi.com/faq/file_format.htm
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

LOW, HIGH = -(1 << 23), (1 << 23) - 1


@dataclass(frozen=True, eq=False)
class Channel:
    """One signal.

    The Status channel holds codes: its unit is `Boolean`, and its limits are those of the codes.

    Attributes:
        label: name of the channel.
        values: (N,) in `unit`.
        unit: unit of the values.
        limits: values of the smallest and the largest code.
        transducer: text in the header.
        filtering: text in the header.
    """

    label: str
    values: np.ndarray
    unit: str = "uV"
    limits: tuple[int, int] = (-262144, 262143)
    transducer: str = "Active Electrode, pin type"
    filtering: str = "HP: DC; LP: 67 Hz"

    @property
    def codes(self) -> np.ndarray:
        """int32 (N,) codes, -2^23 .. 2^23 - 1."""
        low, high = self.limits
        scaled = (np.asarray(self.values, float) - low) / (high - low) * (HIGH - LOW) + LOW
        return np.clip(np.round(scaled), LOW, HIGH).astype(np.int32)


def status(codes: np.ndarray) -> Channel:
    """Make the Status channel from codes int (N,) of 24 bits, unsigned or signed."""
    signed = (np.asarray(codes, np.int64) + (1 << 23)) % (1 << 24) - (1 << 23)
    return Channel("Status", signed.astype(float), "Boolean", (LOW, HIGH), "Triggers and Status", "No filtering")


def write_bdf(path: Path, channels: list[Channel], rate: int, start: datetime, patient: str = "", recording: str = ""
          ) -> None:
    """Write channels in records of 1 s. The last record is filled with the last value.

    Args:
        path: file to write; missing folders are created.
        channels: the signals, all of the same length.
        rate: sampling rate in Hz.
        start: start of the recording.
        patient: text in the header.
        recording: text in the header.

    Raises:
        ValueError: the channels differ in length, or a header field is too long.
    """
    lengths = {len(channel.values) for channel in channels}
    if len(lengths) != 1:
        raise ValueError(f"write_bdf: expected channels of one length, got {sorted(lengths)}")
    samples = lengths.pop()
    records = -(-samples // rate)
    codes = np.stack([channel.codes for channel in channels])
    codes = np.pad(codes, ((0, 0), (0, records * rate - samples)), mode="edge")
    blocks = codes.reshape(len(channels), records, rate).transpose(1, 0, 2)
    data = np.ascontiguousarray(blocks).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(_header(channels, rate, records, start, patient, recording))
        file.write(data.tobytes())


def _header(channels: list[Channel], rate: int, records: int, start: datetime, patient: str, recording: str) -> bytes:
    count = len(channels)
    fixed = [(patient, 80), (recording, 80), (f"{start:%d.%m.%y}", 8), (f"{start:%H.%M.%S}", 8),
             (256 * (count + 1), 8), ("24BIT", 44), (records, 8), (1, 8), (count, 4)]
    columns: list[tuple[Sequence[object], int]] = [
        ([c.label for c in channels], 16), ([c.transducer for c in channels], 80), ([c.unit for c in channels], 8),
        ([c.limits[0] for c in channels], 8), ([c.limits[1] for c in channels], 8), ([LOW] * count, 8),
        ([HIGH] * count, 8), ([c.filtering for c in channels], 80), ([rate] * count, 8), ([""] * count, 32)]
    head = b"\xffBIOSEMI" + b"".join(_field(value, width) for value, width in fixed)
    return head + b"".join(_field(value, width) for values, width in columns for value in values)


def _field(value: object, width: int) -> bytes:
    text = str(value).encode("ascii")
    if len(text) > width:
        raise ValueError(f"write_bdf: expected a header field of at most {width} characters, got {value!r}")
    return text.ljust(width)
