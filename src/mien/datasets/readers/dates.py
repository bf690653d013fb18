"""Parse dates and times of day as devices and offices write them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone

import numpy as np

DAY = 86400.0
MONTHS = {name: number for number, names in enumerate(
    ("jan", "feb", "mar mär mrz", "apr", "may mai", "jun", "jul", "aug", "sep", "oct okt", "nov", "dec dez"), 1)
    for name in names.split()}
"""First three letters of a month in English and German -> its number."""

_TIME = re.compile(
    r"(?P<hour>\d{1,3}):(?P<minute>\d{1,2})(?::(?P<second>\d{1,2}))?(?:[.,:](?P<fraction>\d{1,9}))?\s*(?P<half>[ap]\.?m\.?)?"
    r"\s*(?P<zone>z|utc|gmt|[+-]\d\d:?\d\d)?", re.IGNORECASE)
_DATE = re.compile(
    r"(?P<a>\d{1,4})(?P<mark>[./\- ])(?P<b>\d{1,2}|[^\W\d]{3,9})\.?[./\- ](?P<c>\d{2,4})(?:[T,;\s_]+(?P<time>\d.*))?")

_COMPACT = re.compile(r"20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d[0-5]\d(?:\d{3}|\d{6})?")
_ISO = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)[T\s_-]?(\d\d)[-.:h_]?(\d\d)[-.:m_]?(\d\d)(?:[-.,:_]?(\d{1,9}))?\s*(Z|[+-]\d\d:?\d\d)?",
    re.IGNORECASE)
_OTHER_TIME = re.compile(
    r"(\d{1,2})(?:\.|\s?h\s?)(\d\d)(?:\.|\s?m(?:in)?\s?)(\d\d(?:[.,]\d{1,9})?)\s?s?", re.IGNORECASE)
_DAYS = re.compile(r"(-?\d+)\s*days?,?\s+(\d.*)", re.IGNORECASE)
_WEEKDAY = re.compile(r"[^\W\d]{2,9}\.?,?\s+(?=\d)")

_CLOCK = re.compile(r"(?:(?P<hour>\d{1,3}):)?(?P<minute>\d{1,4}):(?P<second>\d{1,2}(?:[.,]\d{1,9})?)")
_UNITS = re.compile(
    r"(?:(\d+(?:[.,]\d+)?)\s*h(?:ours?)?)?\s*(?:(\d+(?:[.,]\d+)?)\s*m(?:in(?:utes?)?)?)?"
    r"\s*(?:(\d+(?:[.,]\d+)?)\s*s(?:ec(?:onds?)?)?)?\s*(?:(\d+(?:[.,]\d+)?)\s*ms)?", re.IGNORECASE)

_WORDED = re.compile(
    r"(?:[^\W\d]{2,9}\.?,?\s+)?(?P<month>[^\W\d]{3,9})\.?\s+(?P<day>\d{1,2}),?\s+"
    r"(?:(?P<year>\d{4})(?:,?\s+(?P<time>\d.*))?|(?P<inner>\d{1,2}:\S+)\s+(?P<last>\d{4}))", re.IGNORECASE)

ORDERS = {"year-month-day": "abc", "day.month.year": "cba", "month/day/year": "cab"}
"""Order of the three numbers of a date -> which of them are year, month and day."""


def iso(text: str, naive: timezone = UTC) -> float | None:
    """UTC in s since 1970 of an ISO date; None if it is none. A date without a zone is in the zone `naive`."""
    text = re.sub(r"\s*(utc|gmt)$", "Z", text.strip(), flags=re.IGNORECASE)
    parts = _ISO.fullmatch(text)
    if text.isdigit() and not _COMPACT.fullmatch(text):
        return None
    if parts is not None:
        year, month, day, hour, minute, second, fraction, zone_name = parts.groups()
        text = f"{year}-{month}-{day}T{hour}:{minute}:{second}.{fraction or '0'}{(zone_name or '').upper()}"
    elif not re.match(r"\d{4}-?\d\d-?\d\d(?:[T\s]|$)", text):
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=naive)
    return when.timestamp()


def are_digits(cells: Sequence[str]) -> bool:
    """Whether all cells are dates without any mark, such as 20251129140005250."""
    return bool(cells) and all(_COMPACT.fullmatch(cell.strip()) for cell in cells)


def zone(text: str) -> timezone:
    """The zone that a date is written in; UTC for one without."""
    match = re.search(r"\d\s*([+-])(\d\d):?(\d\d)$", text.strip())
    if match is None or ":" not in text:
        return UTC
    minutes = int(match[2]) * 60 + int(match[3])
    return timezone(timedelta(minutes=minutes if match[1] == "+" else -minutes))


def time_of_day(text: str) -> float | None:
    """s of a text such as 14:00:05.250, 2:00:05 PM, 14.00.05, 14h00m05s or 01:05.250 (min:s); None if it is none."""
    days = _DAYS.fullmatch(text.strip())
    if days is not None:
        rest = time_of_day(days[2])
        return None if rest is None else int(days[1]) * DAY + rest
    match = _TIME.fullmatch(_OTHER_TIME.sub(r"\1:\2:\3", text.strip(), count=1))
    if match is None:
        return None
    hour, minute, second = int(match["hour"]), int(match["minute"]), match["second"]
    if second is None and match["fraction"] is not None and ":" not in text.strip()[-len(match["fraction"]) - 1:]:
        hour, minute, second = 0, hour, str(minute)
    if (second is not None and int(second) > 60) or (minute > 59 and hour):
        return None
    half = (match["half"] or "").replace(".", "").lower()
    if half and not 1 <= hour <= 12:
        return None
    if half:
        hour = hour % 12 + 12 * (half == "pm")
    fraction = float(f"0.{match['fraction']}") if match["fraction"] else 0.0
    return hour * 3600.0 + minute * 60.0 + int(second or 0) + fraction


def duration(text: str) -> float | None:
    """s of a duration such as 1:05 (min:s), 0:01:05.250, 65 s, 2 min 5 s or 1.5 h; None if it is none.

    Unlike in a time of day, two numbers are min:s. A time code with a number of a frame, such as 0:01:05:12, is none.
    """
    text = text.strip()
    parts = _CLOCK.fullmatch(text)
    if parts is not None:
        hours, minutes = int(parts["hour"] or 0), int(parts["minute"])
        seconds = float(parts["second"].replace(",", "."))
        return hours * 3600.0 + minutes * 60.0 + seconds if seconds < 60 and (minutes < 60 or not hours) else None
    match = _UNITS.fullmatch(text)
    if match is None or not any(match.groups()):
        return None
    parted = [float((each or "0").replace(",", ".")) for each in match.groups()]
    return sum(value * size for value, size in zip(parted, (3600.0, 60.0, 1.0, 0.001), strict=True))


def local_date(text: str, order: str, naive: timezone = UTC) -> float | None:
    """UTC in s since 1970 of a date such as 29.11.2025 14:00:05.250 in an order of `ORDERS`; None if it is none."""
    match = _DATE.fullmatch(_reordered(text.strip()))
    if match is None:
        return None
    year, month, day = (match[group] for group in ORDERS[order])
    number = MONTHS.get(month[:3].lower(), 0) if not month.isdigit() else int(month)
    if not year.isdigit() or not day.isdigit() or len(year) not in (2, 4):
        return None
    seconds = 0.0
    if match["time"]:
        known = time_of_day(match["time"])
        if known is None:
            return None
        seconds = known
    try:
        begin = datetime(int(year) + 2000 * (len(year) == 2), number, int(day), tzinfo=_own_zone(match["time"], naive))
    except ValueError:
        return None
    return begin.timestamp() + seconds


def _reordered(text: str) -> str:
    """A date whose month stands before the day, such as Nov 29, 2025 2:00 PM or Sat Nov 29 14:00:00 2025, as 29 Nov."""
    words = _WORDED.fullmatch(text)
    if words is None:
        return _WEEKDAY.sub("", text, count=1)
    year = words["year"] or words["last"]
    time = words["time"] or words["inner"] or ""
    return f"{words['day']} {words['month']} {year} {time}".strip()


def _own_zone(time: str | None, naive: timezone) -> timezone:
    match = _TIME.fullmatch((time or "").strip())
    if match is None or not match["zone"]:
        return naive
    if match["zone"][0] in "+-":
        return zone(f"0:0{match['zone']}")
    return UTC


def find_format(cells: Sequence[str]) -> tuple[str, Callable[[str], float | None]] | None:
    """Find how the dates of a column are written.

    Where the order of day and month is open, the one with the shorter recording is taken, then day before month if a
    point stands between them, else month before day.

    Args:
        cells: some cells of the column, not empty.

    Returns:
        Words for the format, and a function that parses a cell; None if most cells are neither dates nor times of day.
    """
    least = max(1, round(0.5 * len(cells)))
    if sum(iso(cell) is not None for cell in cells) >= least:
        return "dates", iso
    ranks: list[tuple[tuple[int, float, bool], str]] = []
    for order in ORDERS:
        times = np.array([np.nan if (value := local_date(cell, order)) is None else value for cell in cells])
        known = times[np.isfinite(times)]
        if len(known) < least or (order == "month/day/year" and any("." in cell[:5] for cell in cells)):
            continue
        ranks.append(((len(known), -float(known.max() - known.min()), order == "month/day/year"), order))
    if ranks:
        (count, span, _), order = max(ranks)
        open_order = sum(rank[:2] == (count, span) for rank, _ in ranks) > 1
        doubt = ", or with day and month the other way round" if open_order else ""
        return f"dates, {order}{doubt}", lambda cell: local_date(cell, order)
    if sum(time_of_day(cell) is not None for cell in cells) >= least:
        return "times of day", time_of_day
    return None
