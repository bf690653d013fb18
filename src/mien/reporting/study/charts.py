"""Charts of a study as static SVG: each participant a thin line, the mean with its 95 % interval in front."""

from __future__ import annotations

import math
from html import escape

import numpy as np
import pandas as pd
from scipy import stats

from mien.reporting.study.measure_names import digits, measure_name, measure_unit, number

MAX_LINES = 60
"""Participants that a chart shows as lines; more hide each other and make the page large."""

WIDTH, HEIGHT = 320.0, 210.0
LEFT, RIGHT, TOP, BOTTOM = 42.0, 12.0, 10.0, 30.0


def mean_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean and 95 % interval (Student's t) of values (N,), NaN left out; NaN limits for fewer than two values."""
    values = values[np.isfinite(values)]
    if not len(values):
        return math.nan, math.nan, math.nan
    mean = float(values.mean())
    if len(values) < 2:
        return mean, math.nan, math.nan
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
    return mean, mean - half, mean + half


def value_range(table: pd.DataFrame) -> tuple[float, float]:
    """Lower and upper end of the axis for all values and intervals."""
    limits = np.concatenate([table.to_numpy(float).ravel(), *(mean_interval(table[name].to_numpy(float))
                                                              for name in table)])
    limits = limits[np.isfinite(limits)]
    if not len(limits):
        return 0.0, 1.0
    low, high = float(limits.min()), float(limits.max())
    pad = 0.06 * (high - low) or max(abs(high) * 0.1, 0.1)
    return low - pad, high + pad


def chart(measure: str, table: pd.DataFrame) -> str:
    """Draw one measure.

    Args:
        measure: Its column.
        table: The means, a row for each participant and a column for each condition; NaN where missing.

    Returns:
        An SVG element that takes its colours from the page.
    """
    low, high = value_range(table)
    names = list(table)
    step = (WIDTH - LEFT - RIGHT) / max(len(names), 1)
    xs = [LEFT + step * (i + 0.5) for i in range(len(names))]

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [_axis(low, high, y, digits(measure))]
    shown = table.iloc[np.linspace(0, len(table) - 1, min(len(table), MAX_LINES)).round().astype(int)]
    for row in shown.to_numpy(float):
        points = [(x, y(value)) for x, value in zip(xs, row, strict=True) if math.isfinite(value)]
        if len(points) > 1:
            parts.append(f'<polyline class="one" points="{" ".join(f"{x:.0f},{v:.1f}" for x, v in points)}"/>')
        elif points:
            parts.append(f'<circle class="dot" cx="{points[0][0]:.0f}" cy="{points[0][1]:.1f}" r="2"/>')
    means = [mean_interval(table[name].to_numpy(float)) for name in names]
    line = " ".join(f"{x:.0f},{y(mean):.1f}" for x, (mean, _, _) in zip(xs, means, strict=True) if math.isfinite(mean))
    parts.append(f'<polyline class="mean" points="{line}"/>')
    for x, name, (mean, bottom, top) in zip(xs, names, means, strict=True):
        if math.isfinite(bottom):
            parts.append(f'<line class="mean" x1="{x:.0f}" x2="{x:.0f}" y1="{y(bottom):.1f}" y2="{y(top):.1f}"/>')
        if math.isfinite(mean):
            parts.append(f'<circle class="big" cx="{x:.0f}" cy="{y(mean):.1f}" r="4"/>')
        text = escape(_short(str(name), step))
        parts.append(f'<text x="{x:.0f}" y="{HEIGHT - 10:.0f}" text-anchor="middle">{text}</text>')
    described = "; ".join(f"{name} {number(mean, digits(measure))}"
                          for name, (mean, _, _) in zip(names, means, strict=True))
    label = escape(f"{measure_name(measure)}, {measure_unit(measure)}: means {described}", quote=True)
    return (f'<svg viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" aria-label="{label}">{"".join(parts)}</svg>')


def _axis(low: float, high: float, y, places: int) -> str:
    out = []
    for tick in ticks(low, high):
        at = y(tick)
        out.append(f'<line class="grid" x1="{LEFT:.0f}" x2="{WIDTH - RIGHT:.0f}" y1="{at:.1f}" y2="{at:.1f}"/>'
                   f'<text x="{LEFT - 6:.0f}" y="{at + 4:.1f}" text-anchor="end">{_tick(tick, places)}</text>')
    return "".join(out)


def ticks(low: float, high: float) -> list[float]:
    """Three to seven round numbers between two ends."""
    size = 10.0 ** math.floor(math.log10(high - low))
    for step in (size, size / 2, size / 4, size / 5, size / 10):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first >= 2:
            break
    return [round(step * i, 12) for i in range(first, last + 1)]


def _tick(value: float, places: int) -> str:
    text = f"{value:.{places + 2}f}".rstrip("0").rstrip(".")
    return text.replace("-", "\N{MINUS SIGN}") if text != "-0" else "0"


def _short(name: str, width: float) -> str:
    letters = max(int(width / 6.2), 3)
    return name if len(name) <= letters else name[:letters - 1] + "\N{HORIZONTAL ELLIPSIS}"
