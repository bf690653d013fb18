"""Compare the clock of contact signals with the camera's by the beats in both, and align it where that is asked for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mien import rppg
from mien.core.observations import Window
from mien.datasets.readers.physiology_sync import ContactSignals
from mien.signals import ppg
from mien.signals.clock_comparison import LEAST_OVERLAP, ClockComparison, compare_clocks

OFFSET, DRIFT = 0.5, 2e-4
"""s and relative drift between the clocks of sensor and camera from which on they are reported. Our choice: the pulse
needs up to 0.3 s from the heart to the face, and a drift of 0.02 % is 0.1 s in ten minutes."""


def clock_notes(contact: ContactSignals | None, window: Window) -> list[str]:
    """Describe clocks of contact signals that differ from the camera's; nothing is corrected.

    Args:
        contact: the signals, None without.
        window: the whole recording of the person who wears the sensors.
    """
    return [f"{_described(name, clocks)}: not corrected, give --physio-anchor beats to correct it"
            for name, clocks in _compared(contact, window).items() if _differs(clocks)]


def align_by_beats(contact: ContactSignals, window: Window,
                   correct: Callable[[tuple[float, float]], ContactSignals | None]
                   ) -> tuple[ContactSignals, list[str]]:
    """Align contact signals with the camera by the beats in both.

    Of several cardiac channels, the one with the most certain offset decides.

    Args:
        contact: the signals as they are aligned so far.
        window: as in `clock_notes`.
        correct: reads the signals again with a slope and an offset in s.

    Returns:
        The signals, corrected where the beats fit one offset, and a note that says so.
    """
    compared = _compared(contact, window)
    if not compared:
        return contact, ["--physio-anchor beats: expected the same beats in a contact signal and the camera for "
                         f"{LEAST_OVERLAP:g} s or more, got none that fit a single offset: not corrected"]
    name = min(compared, key=lambda channel: compared[channel].offset_error)
    note = f"{_described(name, compared[name])}: corrected, the pulse's way to the face included"
    return correct(compared[name].to_camera) or contact, [note]


def _compared(contact: ContactSignals | None, window: Window) -> dict[str, ClockComparison]:
    """The comparison of each cardiac channel; those whose beats fit no offset, or several, are left out."""
    names = [name for signal in contact.signals for name in signal.names if name in contact.rates] if contact else []
    if contact is None or not names or len(window.times) < 2 or window.times[-1] - window.times[0] < LEAST_OVERLAP:
        return {}
    pulse = rppg.waveform(window)
    if not (pulse.quality is not None and (pulse.quality > 0).any()) or len(pulse.times) < pulse.rate:
        return {}
    beats = ppg.beats_of(pulse.values[0], pulse.rate).times[0]
    beats = beats[np.isfinite(beats)]
    sure = pulse.quality[np.minimum((beats * pulse.rate).astype(int), len(pulse.quality) - 1)] > 0
    compared = {name: compare_clocks(contact.beats(name), pulse.start + beats[sure]) for name in names}
    return {name: clocks for name, clocks in compared.items() if clocks is not None}


def _differs(clocks: ClockComparison) -> bool:
    return abs(clocks.drift) > max(clocks.drift_error, DRIFT) or abs(clocks.offset) > OFFSET


def _described(name: str, clocks: ClockComparison) -> str:
    early, pace = "early" if clocks.offset > 0 else "late", "slow" if clocks.drift > 0 else "fast"
    return (f"{name}: by {clocks.beats} beats of sensor and camera, its times are {abs(clocks.offset):.2f} "
            f"(+- {clocks.offset_error:.2f}) s {early} in the middle and its clock is {abs(clocks.drift):.3%} "
            f"(+- {clocks.drift_error:.3%}) {pace}")
