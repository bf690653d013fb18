"""Marks that say which trial this is and when its event happened, in pictures and in signals, and how to read them.

In every picture of a lookalike:

- **Number.** A panel of 2 rows and 10 columns of square cells starts in the top left corner. A cell is `min(H, W) / 32`
  px wide (not rounded), so that the panel survives scaling. Column 0 is white in the upper row and black in the
  lower: the reference. Columns 1..8 hold the number's high byte (upper row) and low byte (lower row), most significant
  bit first, white for 1. Column 9 makes the count of white cells in columns 1..9 odd, in each row.
- **Lamp.** A square of 2 x 2 cells in the top right corner is black, and white from the event on for `LAMP` s.
- **Light.** For the same time everything but the marks is `LIGHT` brighter, so that the event is also seen in the mean
  colour of the skin and of the background, where a loader keeps no pictures.

The frame at time t shows the event when event <= t < event + LAMP.

In the skin conductance and the skin temperature: a rectangle is added from the first sample at or after the event on,
for `WIDTH * (number + 8)` s, so that its width tells the number (0..63). It is the steepest edge in the signal.

Everything else about a trial (beats, skin conductance responses, ratings) is not marked but true: see `Item`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mien.types import Frame

LAMP = 0.2        # s; our choice: five frames at 25 fps, the slowest of the five datasets
LIGHT = 0.02      # our choice: plain in the mean of a patch, yet a pulse can still be read over a few seconds around it
WIDTH = 1 / 32    # s; our choice: four samples at 128 Hz, the slowest rate of the five
LEAST = 8         # our choice: the narrowest rectangle, of number 0, lasts a quarter of a second

_CELLS = 32       # cells along the shorter side
_BITS = 16


def _bits(number: int) -> np.ndarray:
    """number 0..65535 -> bool (2, 10), the panel."""
    if not 0 <= number < 1 << _BITS:
        raise ValueError(f"marks: expected a number from 0 to {(1 << _BITS) - 1}, got {number}")
    panel = np.zeros((2, 10), bool)
    panel[0, 0] = True
    panel[:, 1:9] = np.array([number >> shift & 1 for shift in reversed(range(_BITS))], bool).reshape(2, 8)
    panel[:, 9] = panel[:, 1:9].sum(1) % 2 == 0
    return panel


def _edges(count: int, cell: float) -> np.ndarray:
    """(count + 1,) px of the edges of cells."""
    return np.round(np.arange(count + 1) * cell).astype(int)


def draw(rgb: np.ndarray, number: int, lit: bool = False) -> np.ndarray:
    """rgb uint8 (H, W, 3) -> the same picture with the marks, brighter where `lit`. Number -1: a lamp, no number."""
    out = np.clip(rgb * np.float32(1 + LIGHT) + 0.5, 0, 255).astype(np.uint8) if lit else rgb.copy()
    cell = min(rgb.shape[:2]) / _CELLS
    rows, columns = _edges(2, cell), _edges(10, cell)
    if number >= 0:
        panel = np.where(_bits(number), 240, 15).astype(np.uint8)
        tall = np.repeat(panel, np.diff(rows), axis=0)
        out[: rows[-1], : columns[-1]] = np.repeat(tall, np.diff(columns), axis=1)[..., None]
    out[: rows[-1], -rows[-1] :] = 240 if lit else 15
    return out


def read_trial_number(rgb: np.ndarray) -> int | None:
    """rgb uint8 (H, W, 3), any uniform scaling of a marked picture -> its number, None where no panel is readable."""
    grey = np.asarray(rgb, np.float32).mean(-1)
    cell = min(grey.shape) / _CELLS
    level = np.array([[_centre(grey, row, column, cell) for column in range(10)] for row in range(2)])
    white, black = level[0, 0], level[1, 0]
    if white - black < 60:  # our choice: between noise and the 225 that were drawn
        return None
    panel = level > (white + black) / 2
    if not (panel[:, 1:].sum(1) % 2 == 1).all():
        return None
    return int("".join("1" if bit else "0" for bit in panel[:, 1:9].ravel()), 2)


def _centre(grey: np.ndarray, row: float, column: float, cell: float) -> float:
    """Mean of the inner half of one cell."""
    y, x = int((row + 0.25) * cell), int((column + 0.25) * cell)
    size = max(int(cell / 2), 1)
    return float(grey[y : y + size, x : x + size].mean())


def lit(rgb: np.ndarray) -> bool:
    """rgb uint8 (H, W, 3) -> whether the lamp in the top right corner is on."""
    height, width = rgb.shape[:2]
    size = round(2 * min(height, width) / _CELLS)
    quarter = max(size // 4, 1)
    return float(rgb[quarter : size - quarter, width - size + quarter : width - quarter].mean()) > 128


def read_event(frames: Iterable[Frame]) -> float | None:
    """Frames in order -> time in s of the first on which the lamp is on; None where it never is."""
    return next((frame.time for frame in frames if lit(frame.rgb)), None)


def read_light(brightness: np.ndarray, times: np.ndarray) -> float:
    """brightness (T,) of any patch of skin or background, times (T,) s -> time of the event, s.

    The first frame after the steepest relative rise that is followed, `LAMP` later, by as steep a fall.
    """
    value = np.log(np.asarray(brightness, float))
    step = float(np.median(np.diff(times)))
    width = max(round(LAMP / step), 1)
    change = np.diff(value)
    score = change[: len(change) - width] - change[width:]
    return float(times[int(np.argmax(score)) + 1])


def rectangle(times: np.ndarray, event: float, number: int) -> np.ndarray:
    """times (N,) s -> (N,) 0 or 1: the mark that is added to skin conductance and temperature."""
    if not 0 <= number < 64:
        raise ValueError(f"marks: expected a number from 0 to 63 for a signal, got {number}")
    return ((times >= event) & (times < event + WIDTH * (number + LEAST))).astype(float)


def read_signal_mark(values: np.ndarray, rate: float) -> tuple[float, int]:
    """values (N,) skin conductance, resistance or temperature at `rate` Hz -> (event in s after its start, number).

    The event is the steepest edge of either sign; the number is the width to the next edge of the opposite sign.
    """
    change = np.diff(np.asarray(values, float))
    strongest = np.abs(change).max()
    edges = np.flatnonzero(np.abs(change) > 0.5 * strongest)
    first = edges[0]
    opposite = edges[(edges > first) & (np.sign(change[edges]) != np.sign(change[first]))]
    if len(opposite) == 0:
        raise ValueError("marks.read_signal_mark: expected a rectangle with two edges, got one; was it cut?")
    width = (opposite[0] - first) / rate
    return float((first + 1) / rate), round(width / WIDTH) - LEAST
