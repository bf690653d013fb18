"""Compare the clocks of two recordings of one heart by its beats: the offset and the drift between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

RATE = 4.0
"""Hz of the series of intervals. Our choice: intervals change slowly."""

SEARCHED = 30.0
"""s by which the clocks may differ. Our choice: people start two recordings within half a minute."""

LEAST_OVERLAP = 60.0
"""s that both must cover. Our choice: variability below 0.1 Hz then shows six waves."""

LEAST_MATCH, LEAST_LEAD = 0.6, 0.15
"""Least correlation of the intervals at the best offset, and its lead over any other one more than `APART` s away. Our
choice: a steady heart or a wrong person fits many offsets alike."""

APART = 3.0

NEAR = 0.3
"""s within which two beats are the same one. Our choice: less than half the interval at 100 bpm."""

NEIGHBOURS, JUMP = 9, 0.3
"""Intervals whose median an interval is compared with, and the largest relative difference, as in `beats.JUMP`."""

SMOOTHED = 5
"""Intervals that are averaged. Our choice: the camera's beats scatter by 40 ms, and waves slower than 0.1 Hz remain."""

LONGEST_GAP = 5.0
"""s without an interval that are bridged."""

LEAST_SHARE = 0.6
"""Least share of beats with a partner."""

LARGEST_SCATTER = 0.08
"""s by which paired beats may scatter. Our choice: the camera's beats scatter by 40 to 60 ms, and those of
two hearts that happen to change alike by more than 120 ms."""

REFINED = 1.0
"""s around the coarse offset that are searched. Our choice: smoothed intervals place it to within a beat."""

LARGEST_DRIFT = 0.005
"""Largest relative drift. Our choice: clocks drift by 0.01 %, nominal rates are off by some tenths of a
percent; a wrong rate is reported by the heart rate."""

WIDE = 3.0
"""Standard errors of the stated certainty. Our choice instead of 2, since errors of neighbouring beats are alike."""


@dataclass(frozen=True)
class ClockComparison:
    """How the clock of a sensor differs from the camera's.

    Attributes:
        offset: s to add to the sensor's times at the middle of the recording. It holds the time that the pulse takes
            from the sensor's place to the face.
        offset_error: certainty of it in s.
        drift: relative; 0.001 means that the sensor's clock loses 1 ms each second.
        drift_error: certainty of it.
        beats: number of beats that were compared.
        middle: s of the camera's clock for which the offset is stated.
    """

    offset: float
    offset_error: float
    drift: float
    drift_error: float
    beats: int
    middle: float

    @property
    def to_camera(self) -> tuple[float, float]:
        """Slope, and offset in s, that turn times of the sensor into those of the camera."""
        return 1 / (1 - self.drift), (self.offset - self.drift * self.middle) / (1 - self.drift)


def compare_clocks(sensor: np.ndarray, camera: np.ndarray) -> ClockComparison | None:
    """Estimate offset and drift from two series of beats.

    The offset is searched at which the intervals between beats change alike. Beats are then paired, from the middle
    outwards, and a line is fitted to their differences.

    Args:
        sensor: (N,) increasing times in s by the sensor's clock.
        camera: (M,) increasing times in s by the camera's clock.

    Returns:
        The estimate; None if the beats are too few, or fit no offset or several.
    """
    if min(len(sensor), len(camera)) < LEAST_OVERLAP / 2:
        return None
    coarse = _coarse_offset(sensor, camera)
    if coarse is None:
        return None
    middle = float(camera[0] + camera[-1]) / 2
    half = float(camera[-1] - camera[0]) / 2
    line = np.array([0.0, _fine_offset(sensor, camera, coarse, middle)])  # slope, and offset at the middle
    for reach in (0.25, 0.5, 0.75, 1.0, 1.0):
        within = camera[np.abs(camera - middle) <= max(reach * half, LEAST_OVERLAP / 4)]
        times, differences = _pairs(sensor, within, line, middle)
        if len(times) < max(LEAST_SHARE * len(within), 10):
            return None
        line = _robust_line(times - middle, differences)
    errors = differences - np.polyval(line, times - middle)
    scatter = 1.4826 * float(np.median(np.abs(errors)))
    if scatter > LARGEST_SCATTER or abs(line[0]) > LARGEST_DRIFT:
        return None
    spread = float(np.std(times)) * np.sqrt(len(times))
    return ClockComparison(float(line[1]), float(WIDE * scatter / np.sqrt(len(times))), float(line[0]),
                           float(WIDE * scatter / spread), len(times), middle)


def _coarse_offset(sensor: np.ndarray, camera: np.ndarray) -> float | None:
    """The offset at which the intervals change alike; None without a single one."""
    lags = np.arange(-SEARCHED, SEARCHED + 1e-9, 1 / RATE)
    grid = np.arange(camera[0], camera[-1], 1 / RATE)
    seen = _intervals(camera, grid)
    match = np.full(len(lags), -1.0)
    for k, lag in enumerate(lags):
        other = _intervals(sensor + lag, grid)
        known = np.isfinite(seen) & np.isfinite(other)
        if known.sum() >= LEAST_OVERLAP * RATE and np.ptp(other[known]) > 0 and np.ptp(seen[known]) > 0:
            match[k] = np.corrcoef(seen[known], other[known])[0, 1]
    best = int(np.argmax(match))
    others = match[np.abs(lags - lags[best]) > APART]
    if match[best] < LEAST_MATCH or match[best] - others.max(initial=-1.0) < LEAST_LEAD:
        return None
    return float(lags[best])


def _fine_offset(sensor: np.ndarray, camera: np.ndarray, coarse: float, middle: float) -> float:
    """The offset near the coarse one at which most beats around the middle meet."""
    within = camera[np.abs(camera - middle) <= LEAST_OVERLAP / 2]
    tried = coarse + np.arange(-REFINED, REFINED, LARGEST_SCATTER / 4)
    meet = [(np.abs(_pairs(sensor, within, np.array([0.0, offset]), middle)[1] - offset) < LARGEST_SCATTER).sum()
            for offset in tried]
    return float(tried[int(np.argmax(meet))])


def _intervals(beats: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Smoothed intervals in s between beats at the times of a grid, NaN outside and in gaps.

    Intervals that differ much from their neighbours are left out: a beat was missed, or none was there.
    """
    gaps = np.diff(beats)
    usual = ndimage.median_filter(gaps, min(NEIGHBOURS, len(gaps)))
    good = np.abs(gaps - usual) <= JUMP * usual
    middles = (beats[1:] + beats[:-1])[good] / 2
    if len(middles) < 2:
        return np.full(len(grid), np.nan)
    out = np.interp(grid, middles, ndimage.uniform_filter1d(gaps[good], SMOOTHED))
    place = np.clip(np.searchsorted(middles, grid), 1, len(middles) - 1)
    gap = middles[place] - middles[place - 1] > LONGEST_GAP
    out[gap | (grid < middles[0]) | (grid > middles[-1])] = np.nan
    return out


def _pairs(sensor: np.ndarray, camera: np.ndarray, line: np.ndarray, middle: float) -> tuple[np.ndarray, np.ndarray]:
    """Times of the camera's beats with a partner, and how much later they are than it."""
    expected = camera - np.polyval(line, camera - middle)
    place = np.clip(np.searchsorted(sensor, expected), 1, len(sensor) - 1)
    nearest = np.where(expected - sensor[place - 1] < sensor[place] - expected, sensor[place - 1], sensor[place])
    near = np.abs(nearest - expected) < NEAR
    return camera[near], (camera - nearest)[near]


def _robust_line(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Slope and intercept by least squares, with outliers left out twice."""
    kept = np.ones(len(x), dtype=bool)
    line = np.polyfit(x, y, 1)
    for _ in range(2):
        errors = np.abs(y - np.polyval(line, x))
        kept = errors <= max(3 * 1.4826 * float(np.median(errors)), 1e-6)
        if kept.sum() >= 3:
            line = np.polyfit(x[kept], y[kept], 1)
    return line
