"""Marks in pictures and signals that encode the number of the trial and the time of its event.

Every picture of a lookalike has these marks:

- **Number.** A panel of 2 rows and 10 columns of square cells in the top left corner. A cell is `min(H, W) / 32` px
  wide (not rounded), so the panel survives scaling. Column 0 is the reference: white in the upper row, black in the
  lower row. Columns 1..8 hold the high byte (upper row) and the low byte (lower row) of the number, most significant
  bit first, white for 1. Column 9 is a parity bit: the number of white cells in columns 1..9 of each row is odd.
- **Lamp.** A square of 2 x 2 cells in the top right corner. It is black, and white for `LAMP` s from the event on.
- **Light.** For the same time, everything except the marks is `LIGHT` brighter. So the event is also visible in the
  mean colour of the skin and of the background, for loaders that keep no pictures.

The frame at time t shows the event if event <= t < event + LAMP.

The skin conductance and the skin temperature contain a rectangle. It starts at the first sample at or after the event
and lasts `WIDTH * (number + 8)` s, so its width encodes the number (0..63). Its edges are the steepest in the signal.

The other ground truth of a trial (beats, skin conductance responses, ratings) is in `Item`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mien.core.observations import Frame

LAMP = 0.2        # s; our choice: five frames at 25 fps, the slowest of the five datasets
LIGHT = 0.02      # our choice: clear in the mean of a patch, but a pulse stays measurable over a few seconds around it
WIDTH = 1 / 32    # s; our choice: four samples at 128 Hz, the slowest rate of the five
LEAST = 8         # our choice: the narrowest rectangle, of number 0, lasts a quarter of a second

_CELLS = 32       # cells along the shorter side
_BITS = 16


def _bits(number: int) -> np.ndarray:
    """The panel of a number 0..65535, bool (2, 10)."""
    if not 0 <= number < 1 << _BITS:
        raise ValueError(f"marks: expected a number from 0 to {(1 << _BITS) - 1}, got {number}")
    panel = np.zeros((2, 10), bool)
    panel[0, 0] = True
    panel[:, 1:9] = np.array([number >> shift & 1 for shift in reversed(range(_BITS))], bool).reshape(2, 8)
    panel[:, 9] = panel[:, 1:9].sum(1) % 2 == 0
    return panel


def _edges(count: int, cell: float) -> np.ndarray:
    """(count + 1,) positions of the edges of cells in px."""
    return np.round(np.arange(count + 1) * cell).astype(int)


def draw(rgb: np.ndarray, number: int, lit: bool = False) -> np.ndarray:
    """Draw the marks.

    Args:
        rgb: uint8 (H, W, 3).
        number: number in the panel; -1: no panel.
        lit: the lamp is on and the picture is brighter.

    Returns:
        A copy with the marks.
    """
    out = rgb.copy()
    if lit:
        out = np.clip(rgb * np.float32(1 + LIGHT) + 0.5, 0, 255).astype(np.uint8)
    cell = min(rgb.shape[:2]) / _CELLS
    rows, columns = _edges(2, cell), _edges(10, cell)
    if number >= 0:
        panel = np.where(_bits(number), 240, 15).astype(np.uint8)
        tall = np.repeat(panel, np.diff(rows), axis=0)
        out[: rows[-1], : columns[-1]] = np.repeat(tall, np.diff(columns), axis=1)[..., None]
    out[: rows[-1], -rows[-1] :] = 240 if lit else 15
    return out


def read_trial_number(rgb: np.ndarray) -> int | None:
    """Read the number from a marked picture of any uniform scaling.

    Args:
        rgb: uint8 (H, W, 3).

    Returns:
        The number, or None if no panel is readable.
    """
    grey = np.asarray(rgb, np.float32).mean(-1)
    cell = min(grey.shape) / _CELLS
    level = np.array([[_centre(grey, row, column, cell) for column in range(10)] for row in range(2)])
    white, black = level[0, 0], level[1, 0]
    if white - black < 60:  # our choice: between the noise and the drawn difference of 225
        return None
    panel = level > (white + black) / 2
    if not (panel[:, 1:].sum(1) % 2 == 1).all():
        return None
    return int("".join(str(int(bit)) for bit in panel[:, 1:9].ravel()), 2)


def _centre(grey: np.ndarray, row: float, column: float, cell: float) -> float:
    """Mean of the inner half of one cell."""
    y, x = int((row + 0.25) * cell), int((column + 0.25) * cell)
    size = max(int(cell / 2), 1)
    return float(grey[y : y + size, x : x + size].mean())


def lit(rgb: np.ndarray) -> bool:
    """Whether the lamp in the top right corner of a picture, uint8 (H, W, 3), is on."""
    height, width = rgb.shape[:2]
    size = round(2 * min(height, width) / _CELLS)
    quarter = max(size // 4, 1)
    return float(rgb[quarter : size - quarter, width - size + quarter : width - quarter].mean()) > 128


def read_event(frames: Iterable[Frame]) -> float | None:
    """Time in s of the first frame with the lamp on, or None if there is none."""
    return next((frame.time for frame in frames if lit(frame.rgb)), None)


def read_light(brightness: np.ndarray, times: np.ndarray) -> float:
    """Read the event from the brightness of a patch of skin or background.

    The event is the first frame after the steepest relative rise that is followed, `LAMP` s later, by an equal fall.

    Args:
        brightness: (T,) mean brightness of the patch.
        times: (T,) in s.

    Returns:
        Time of the event in s.
    """
    value = np.log(np.asarray(brightness, float))
    step = float(np.median(np.diff(times)))
    width = max(round(LAMP / step), 1)
    change = np.diff(value)
    score = change[: len(change) - width] - change[width:]
    return float(times[int(np.argmax(score)) + 1])


def rectangle(times: np.ndarray, event: float, number: int) -> np.ndarray:
    """The mark for skin conductance and temperature at times (N,) in s: (N,) 0 or 1."""
    if not 0 <= number < 64:
        raise ValueError(f"marks: expected a number from 0 to 63 for a signal, got {number}")
    return ((times >= event) & (times < event + WIDTH * (number + LEAST))).astype(float)


def read_signal_mark(values: np.ndarray, rate: float) -> tuple[float, int]:
    """Read the mark from skin conductance, skin resistance or temperature.

    The event is the steepest edge of either sign. The width to the next edge of the opposite sign encodes the number.

    Args:
        values: (N,) the signal.
        rate: sampling rate in Hz.

    Returns:
        The time of the event in s after the start of the signal, and the number.

    Raises:
        ValueError: the signal has only one edge.
    """
    change = np.diff(np.asarray(values, float))
    strongest = np.abs(change).max()
    edges = np.flatnonzero(np.abs(change) > 0.5 * strongest)
    first = edges[0]
    opposite = edges[(edges > first) & (np.sign(change[edges]) != np.sign(change[first]))]
    if len(opposite) == 0:
        raise ValueError("markers.read_signal_mark: expected a rectangle with two edges, got one; was it cut?")
    width = (opposite[0] - first) / rate
    return float((first + 1) / rate), round(width / WIDTH) - LEAST
