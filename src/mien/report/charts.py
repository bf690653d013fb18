"""The numbers behind each chart, as compact JSON data; script.js draws them."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from mien import signals
from mien.report.cells import Cells
from mien.report.truth import Curve, Curves
from mien.tasks import ACTION_UNITS
from mien.timeline import Track
from mien.types import REASONS, Person, Signal

CELLS = 3600
"""Columns that all people together get, for a file below 6 MB; each gets at most `MOST`, as many as a screen shows."""
MOST, LEAST = 720, 200

EXCERPT = 60.0
"""s of the pulse that are kept, `VIEW` s of which are shown at first: more is a smear."""
VIEW = 15.0

IMAGE_BINS, IMAGE_COLUMNS = 64, 600
FLOOR = 15.0
"""dB below the strongest that are drawn as nothing. Our choice: a pulse and its first harmonic show, noise hardly."""


def columns(people: int) -> int:
    """How many cells each of so many people gets."""
    return int(np.clip(CELLS // max(people, 1), LEAST, MOST))


def person(who: Person, track: Track | None, cells: Cells | None, truth: Curves, people: int) -> dict[str, Any]:
    """One person's data for script.js. Times in ms, as its time axis wants them."""
    data: dict[str, Any] = {"id": who.id}
    if cells is not None:
        data |= {
            "edges": _ms(cells.edges),
            "probs": [numbers(row, 3) for row in cells.probs.T],
            "label": cells.label.tolist(),
            "state": cells.state.tolist(),
            "reason": [REASONS.get(code, "") for code in cells.reasons],
            "affect": [numbers(row, 3) for row in cells.affect.T],
            "rate": numbers(cells.rate, 1),
            "quality": numbers(cells.quality, 2),
            "pulseReason": [REASONS.get(code, "") for code in cells.pulse_reasons],
            "aus": matrix(cells.aus.T, 0.0, 5.0),
        }
    data["overall"] = who.heart_rate.value
    if who.pulse is not None:
        data["wave"] = wave(who.pulse, track)
        data["image"] = image(who.pulse, max(IMAGE_COLUMNS // max(people // 3, 1), 150))
    if truth:
        data["truth"] = {name: _curve(curve, data.get("wave") if name == "pulse" else None)
                         for name, curve in truth.items()}
        data["estimate"] = {name: numbers(cells.aus[:, ACTION_UNITS.index(name)], 3)
                            for name in truth if name in ACTION_UNITS and cells is not None}
    return data


def _curve(curve: Curve, excerpt: dict[str, Any] | None) -> dict[str, Any]:
    """A planted curve; beside an excerpt of the pulse, what lies within it, in its own spread."""
    times, values = curve.times, curve.values
    if excerpt is not None:
        end = excerpt["start"] + excerpt["step"] * len(excerpt["y"])
        inside = (times * 1000 >= excerpt["start"]) & (times * 1000 <= end)
        times, values = times[inside], values[inside]
        values = (values - values.mean()) / (values.std() or 1.0) if len(values) else values
    return {"x": _ms(times), "y": numbers(values, 3)}


def wave(pulse: Signal, track: Track | None) -> dict[str, Any]:
    """The stretch of the pulse around its best `VIEW` s, in its own spread, and where to look first."""
    values = np.asarray(pulse.values[0], dtype=np.float64)
    times = pulse.times
    start = best(pulse, track)
    low = max(times[0], min(start + VIEW / 2 - EXCERPT / 2, times[-1] - EXCERPT)) if len(times) else 0.0
    inside = (times >= low) & (times <= low + EXCERPT)
    part = values[inside]
    known = part[np.isfinite(part)]
    spread = float(known.std()) if len(known) and known.std() > 0 else 1.0
    middle = float(known.mean()) if len(known) else 0.0
    return {"start": round(float(times[inside][0]) * 1000, 1) if inside.any() else 0, "step": 1000 / pulse.rate,
            "y": numbers((part - middle) / spread, 2), "view": _ms(np.array([start, start + VIEW]))}


def best(pulse: Signal, track: Track | None) -> float:
    """s at which the `VIEW` s with the best pulse begin."""
    first, last = float(pulse.times[0]), float(pulse.times[-1])
    good = [row for row in track.rows if row.heart_rate.value is not None] if track is not None else []
    end = max(good, key=lambda row: row.quality).end if good else first + VIEW
    return float(np.clip(end - VIEW, first, max(first, last - VIEW)))


def image(pulse: Signal, columns: int) -> dict[str, Any]:
    """The pulse's wavelet transform in dB below its strongest, 0.7 to 4 Hz, and nothing where nobody was seen."""
    values = np.asarray(pulse.values[0], dtype=np.float64)
    seconds = len(values) / pulse.rate
    hop = max(0.1, seconds / columns)
    times, frequencies, magnitude = signals.time_frequency(values, pulse.rate, bins=IMAGE_BINS, hop=hop)
    top = float(np.percentile(magnitude, 99.5)) if magnitude.size else 0.0
    decibel = 20 * np.log10(np.maximum(magnitude, 1e-12) / top) if top > 0 else np.full(magnitude.shape, -FLOOR)
    seen = np.isfinite(values)[np.clip(np.round(times * pulse.rate).astype(int), 0, len(values) - 1)]
    decibel[:, ~seen] = np.nan
    step = float(times[1] - times[0]) if len(times) > 1 else hop
    return {"start": round(pulse.start * 1000, 1), "step": round(step * 1000, 3),
            "bpm": numbers(frequencies * 60, 2), "z": matrix(decibel, -FLOOR, 0.0)}


def matrix(values: np.ndarray, low: float, high: float) -> dict[str, Any]:
    """values (rows, columns) -> bytes in base64: 0..254 from `low` to `high`, 255 where NaN."""
    scaled = np.clip((values - low) / (high - low), 0, 1) * 254
    coded = np.where(np.isfinite(values), np.round(np.nan_to_num(scaled)), 255).astype(np.uint8)
    return {"rows": values.shape[0], "low": low, "high": high, "z": base64.b64encode(coded.tobytes()).decode("ascii")}


def numbers(values: np.ndarray, digits: int) -> list[float | None]:
    """Rounded, None where NaN."""
    return [None if value != value else round(value, digits) for value in np.asarray(values, dtype=np.float64).tolist()]


def _ms(times: np.ndarray) -> list[float]:
    return np.round(np.asarray(times, dtype=np.float64) * 1000, 1).tolist()
