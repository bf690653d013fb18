"""Compact JSON data for the charts that script.js draws."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from mien import signals
from mien.core.observations import Signal
from mien.core.results import REASONS, Person, Source
from mien.core.tasks import ACTION_UNITS
from mien.reporting.html.downsample import DownsampledTrack
from mien.reporting.html.ground_truth import Curve, Curves
from mien.reporting.timeline import Track

MAX_COLUMNS = 2500
"""Number of columns for all people together, so that the report of five people stays below 500 kB."""

MOST, LEAST = 720, 100
"""Largest and smallest number of columns per person; a screen shows about `MOST`."""

EXCERPT_SECONDS = 60.0
"""Length of the stored pulse excerpt in s."""

VIEW_SECONDS = 15.0
"""Length of the part that the chart shows at first, in s; individual beats are not visible in a longer part."""

IMAGE_BINS, IMAGE_COLUMNS = 64, 600
"""Frequency bins and largest number of columns of the time-frequency image."""

MAX_IMAGE_COLUMNS, LEAST_IMAGE_COLUMNS = 1800, 60
"""Columns of the images of all people together, and the smallest number per person."""

DYNAMIC_RANGE_DB = 15.0
"""Range of the image in dB below its strongest value. Our choice: it shows a pulse and its first harmonic, but hardly
any noise."""


MAX_GAPS = 300
"""Most gaps that the charts mark, the longest ones."""


def gaps(source: Source) -> list[list[float]]:
    """Start and end in ms of the gaps of a recording, which the charts mark."""
    if source.timeline is None:
        return []
    longest = sorted(source.timeline.gaps, key=lambda gap: -gap.seconds)[:MAX_GAPS]
    return [_ms(np.array([gap.start, gap.end])) for gap in sorted(longest, key=lambda gap: gap.start)]


def columns(people: int) -> int:
    """Number of columns per person for this number of people."""
    return int(np.clip(MAX_COLUMNS // max(people, 1), LEAST, MOST))


def person(
    who: Person, track: Track | None, cells: DownsampledTrack | None, truth: Curves, people: int
) -> dict[str, Any]:
    """The data of one person.

    Args:
        who: The person.
        track: The person's rows; None without any.
        cells: The downsampled rows; None without any.
        truth: Ground truth curves by name.
        people: Number of people in the recording.

    Returns:
        JSON data; times in ms for the time axis.
    """
    data: dict[str, Any] = {"id": who.id}
    if cells is not None:
        data |= {
            "edges": _ms(cells.edges),
            "probs": matrix(cells.probs.T, 0.0, 1.0, np.uint16),
            "codes": matrix(_codes(cells), 0.0, 254.0),
            "affect": matrix(cells.affect.T, -1.0, 1.0, np.uint16),
            "rate": _row(cells.rate),
            "quality": _row(cells.quality),
            "aus": matrix(cells.aus.T, 0.0, 5.0),
        }
    data["overall"] = who.heart_rate.value
    if who.pulse is not None:
        data["wave"] = wave(who.pulse, track)
        data["image"] = image(who.pulse, int(np.clip(MAX_IMAGE_COLUMNS // people, LEAST_IMAGE_COLUMNS, IMAGE_COLUMNS)))
    if truth:
        data["truth"] = {name: _curve(name, curve, data.get("wave")) for name, curve in truth.items()}
        data["estimate"] = {name: numbers(cells.aus[:, ACTION_UNITS.index(name)], 3)
                            for name in truth if name in ACTION_UNITS and cells is not None}
    return data


REASON_TEXTS = {code: text for code, text in REASONS.items() if code}
"""What the codes of the reasons mean, in the order of their indices."""


def _codes(cells: DownsampledTrack) -> np.ndarray:
    """Class, state, and the reasons of expression and heart rate as indices (4, M); NaN where there is none."""
    order = list(REASON_TEXTS)
    reasons = [[order.index(code) if code in order else -1 for code in codes]
               for codes in (cells.reasons, cells.pulse_reasons)]
    codes = np.array([cells.label, cells.state, *reasons], dtype=np.float64)
    codes[codes < 0] = np.nan
    return codes


def _row(values: np.ndarray) -> dict[str, Any]:
    """Encode one row of values (M,) between its own limits."""
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    return matrix(values[None], low, high if high > low else low + 1.0, np.uint16)


def _curve(name: str, curve: Curve, excerpt: dict[str, Any] | None) -> dict[str, Any]:
    """A ground truth curve. That of the pulse is cut to the excerpt and standardised."""
    times, values = curve.times, curve.values
    if name == "pulse" and excerpt is not None:
        end = excerpt["start"] + 1000 * EXCERPT_SECONDS
        inside = (times * 1000 >= excerpt["start"]) & (times * 1000 <= end)
        times, values = times[inside], values[inside]
        if len(values):
            values = (values - values.mean()) / (values.std() or 1.0)
    return {"x": _ms(times), "y": numbers(values, 3)}


def wave(pulse: Signal, track: Track | None) -> dict[str, Any]:
    """A standardised excerpt of the pulse around its best `VIEW_SECONDS` s, and the part to show first (`view`)."""
    values = np.asarray(pulse.values[0], dtype=np.float64)
    times = pulse.times
    start = best(pulse, track)
    low = max(times[0], min(start + VIEW_SECONDS / 2 - EXCERPT_SECONDS / 2, times[-1] - EXCERPT_SECONDS))
    inside = (times >= low) & (times <= low + EXCERPT_SECONDS)
    part = values[inside]
    known = part[np.isfinite(part)]
    mean, spread = 0.0, 0.0
    if len(known):
        mean, spread = float(known.mean()), float(known.std())
    return {"start": round(float(times[inside][0]) * 1000, 1) if inside.any() else 0, "step": 1000 / pulse.rate,
            "y": _row((part - mean) / (spread or 1.0)), "view": _ms(np.array([start, start + VIEW_SECONDS]))}


def best(pulse: Signal, track: Track | None) -> float:
    """Start in s of the `VIEW_SECONDS` s with the best pulse quality."""
    first, last = float(pulse.times[0]), float(pulse.times[-1])
    rows = () if track is None else track.rows
    good = [row for row in rows if row.heart_rate.value is not None]
    end = first + VIEW_SECONDS
    if good:
        end = max(good, key=lambda row: row.quality).end
    return float(np.clip(end - VIEW_SECONDS, first, max(first, last - VIEW_SECONDS)))


def image(pulse: Signal, columns: int) -> dict[str, Any]:
    """The wavelet transform of the pulse in dB relative to its strongest value, 0.7 to 4 Hz.

    Args:
        pulse: The pulse of the whole recording.
        columns: Largest number of columns.

    Returns:
        JSON data: `start` and `step` in ms, `bpm` of the rows, and the matrix `z`, empty where no face was seen.
    """
    values = np.asarray(pulse.values[0], dtype=np.float64)
    seconds = len(values) / pulse.rate
    hop = max(0.1, seconds / columns)
    times, frequencies, magnitude = signals.time_frequency(values, pulse.rate, bins=IMAGE_BINS, hop=hop)
    top = float(np.percentile(magnitude, 99.5)) if magnitude.size else 0.0
    decibel = np.full(magnitude.shape, -DYNAMIC_RANGE_DB)
    if top > 0:
        decibel = 20 * np.log10(np.maximum(magnitude, 1e-12) / top)
    seen = np.isfinite(values)[np.clip(np.round(times * pulse.rate).astype(int), 0, len(values) - 1)]
    decibel[:, ~seen] = np.nan
    step = float(times[1] - times[0]) if len(times) > 1 else hop
    return {"start": round(pulse.start * 1000, 1), "step": round(step * 1000, 3),
            "bpm": numbers(frequencies * 60, 2), "z": matrix(decibel, -DYNAMIC_RANGE_DB, 0.0)}


def matrix(values: np.ndarray, low: float, high: float, kind: type[np.unsignedinteger] = np.uint8) -> dict[str, Any]:
    """Encode values as bytes in base64.

    Args:
        values: The values (rows, columns); NaN where missing.
        low: Value of code 0.
        high: Value of the largest code but one; the largest code, 255 or 65535, is NaN.
        kind: `uint8`, or `uint16` (little endian) for curves that are read more exactly than a picture.

    Returns:
        JSON data: `rows`, `low`, `high`, `bits` of a code, and the codes `z`.
    """
    most = int(np.iinfo(kind).max)
    scaled = np.clip((values - low) / (high - low), 0, 1) * (most - 1)
    codes = np.where(np.isfinite(values), np.round(np.nan_to_num(scaled)), most)
    codes = codes.astype(np.dtype(kind).newbyteorder("<"))
    return {"rows": values.shape[0], "low": low, "high": high, "bits": 8 * codes.itemsize,
            "z": base64.b64encode(codes.tobytes()).decode("ascii")}


def numbers(values: np.ndarray, digits: int) -> list[float | None]:
    """Round values to `digits`; None for NaN."""
    return [None if value != value else round(value, digits) for value in np.asarray(values, dtype=np.float64).tolist()]


def _ms(times: np.ndarray) -> list[float]:
    return np.round(np.asarray(times, dtype=np.float64) * 1000, 1).tolist()
