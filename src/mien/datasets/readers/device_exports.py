"""Exports with the names of channels above the table: OpenSignals (biosignalsplux, BITalino), LabChart, AcqKnowledge.

Each format is rewritten as a plain table with as many lines, so that messages name the lines of the file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mien.core.read_json import parse_json

SEARCHED = 200
"""Lines in which a format is recognised."""

INTERVAL = re.compile(r"([\d.]+) (sec|msec|usec|min)/sample")
INTERVAL_UNITS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6, "min": 60.0}
"""How AcqKnowledge writes the interval of the samples, and its units in s."""


def plain_table(lines: list[str]) -> list[str]:
    """The lines of a known export as those of a plain table; other lines as they are."""
    top = lines[:SEARCHED]
    if any(line.startswith("# OpenSignals") for line in top[:3]):
        return _opensignals(lines)
    if any(line.startswith("ChannelTitle=") for line in top):
        return _labchart(lines)
    at = next((i for i, line in enumerate(top[:10]) if re.fullmatch(r"\d+ channels?\s*", line)), None)
    if at is not None:
        return _acqknowledge(lines, at)
    return lines


def _opensignals(lines: list[str]) -> list[str]:
    """Rows of samples without a time, below a description in JSON with the sampling rate and the sensors."""
    description = next((line.lstrip("# ") for line in lines[:SEARCHED] if line.startswith("# {")), "")
    end = next((i for i, line in enumerate(lines[:SEARCHED]) if line.strip() == "# EndOfHeader"), None)
    try:
        devices = list(parse_json(description).values())
        rate = float(devices[0]["sampling rate"])
        names = [name for device in devices for name in _sensors(device)]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return lines
    if end is None or not rate > 0:
        return lines
    out = [""] * end + ["\t".join(["time (s)", *names])]
    count = 0
    for line in lines[end + 1 :]:
        if line.strip():
            out.append(f"{count / rate:.6f}\t{line.strip()}")
            count += 1
        else:
            out.append("")
    return out


def _sensors(device: dict) -> list[str]:
    """The columns of a device, with the sensor's name in place of the socket's."""
    sensors = dict(zip(device.get("label", ()), device.get("sensor", ()), strict=False))
    named = [str(sensors.get(column, column)) for column in device["column"]]
    return [re.sub(r"BIT$", "", name) for name in named]


def _labchart(lines: list[str]) -> list[str]:
    """Blocks of rows, each below `Interval=`, `ChannelTitle=` and `UnitName=`; the time is the first column."""
    out = []
    header_at = None
    title: list[str] = []
    units: list[str] = []
    for line in lines:
        key, _, rest = line.partition("=")
        if re.fullmatch(r"[A-Za-z]+", key) and rest:
            fields = [field.strip() for field in rest.strip("\r\n").split("\t")][1:]
            title = fields if key == "ChannelTitle" and not title else title
            units = fields if key == "UnitName" and not units else units
            out.append("")
            if header_at is None or not any(out[header_at + 1 :]):
                header_at = len(out) - 1
        else:
            out.append(re.sub(r"\t#[^\t]*$", "", line))
    if header_at is not None:
        out[header_at] = "\t".join(["time", *_with_units(title, units)]).rstrip("\t")
    return out


def _with_units(names: Sequence[str], units: Sequence[str]) -> list[str]:
    units = [*units, *[""] * len(names)]
    return [f"{name} ({unit})" if name and unit and unit != "*" else name
            for name, unit in zip(names, units, strict=False)]


def _acqknowledge(lines: list[str], at: int) -> list[str]:
    """Two lines for each channel, name and unit; then `sec,CH1,CH2`, a row with counts of samples, and the rows."""
    count = int(lines[at].split()[0])
    named = [line.strip() for line in lines[at + 1 : at + 1 + 2 * count]]
    start = next((i for i, line in enumerate(lines[at : at + SEARCHED], at)
                  if re.match(r"\s*(?:sec|min|msec|ms|hour|minutes|seconds|milliseconds)\s*[,;\t]", line)), None)
    if len(named) < 2 * count:
        return lines
    if start is None:
        return _acqknowledge_without_times(lines, at, _with_units(named[::2], named[1::2]))
    out = [""] * start + lines[start:]
    mark = re.search(r"[,;\t]", lines[start])
    delimiter = mark[0] if mark else ","
    unit = lines[start].split(delimiter)[0].strip()
    channels = [re.sub(rf"[{delimiter}]", " ", name) for name in _with_units(named[::2], named[1::2])]
    out[start] = delimiter.join([f"time ({unit})", *channels])
    if len(lines) > start + 1 and lines[start + 1].startswith(delimiter):
        out[start + 1] = ""
    return out


def _acqknowledge_without_times(lines: list[str], at: int, channels: Sequence[str]) -> list[str]:
    """Rows below `CH1,CH2` and a row with counts of samples; the interval stands above, such as `10 msec/sample`."""
    steps = [INTERVAL.fullmatch(line.strip()) for line in lines[:at]]
    step = next((float(match[1]) * INTERVAL_UNITS[match[2]] for match in steps if match is not None), None)
    start = next((i for i, line in enumerate(lines[at : at + SEARCHED], at)
                  if re.match(r"\s*CH\d+\s*[,;\t]", line)), None)
    if step is None or start is None:
        return lines
    mark = re.search(r"[,;\t]", lines[start])
    delimiter = mark[0] if mark else ","
    first = start + 1
    if first < len(lines) and re.fullmatch(rf"(?:\d+{delimiter})+\d*", lines[first].strip(" ")):
        first += 1
    named = [re.sub(rf"[{delimiter}]", " ", name) for name in channels]
    out = [""] * start + [delimiter.join(["time (s)", *named])] + [""] * (first - start - 1)
    count = 0
    for line in lines[first:]:
        out.append(f"{count * step:.7f}{delimiter}{line.strip()}" if line.strip() else "")
        count += bool(line.strip())
    return out
