"""The action units that the synthetic people have, by name, and how far they open the mouth."""

from __future__ import annotations

ACTION_UNITS = ("AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU10", "AU12", "AU14", "AU15", "AU17",
                "AU20", "AU23", "AU24", "AU25", "AU26", "AU45")

JAW = 15.0  # mm that the chin drops at AU26 = 5; our choice: a relaxed jaw, a third of the widest opening (AU27)

# mm by which the lips part in their middle for each step of intensity, as the moves in `muscles` are written.
GAPS = {"AU25": 1.5, "AU26": 0.14 * JAW, "AU10": 0.35, "AU09": 0.18}


def unit(name: str) -> str:
    """"AU1", "AU01", "au1" -> "AU01"; an error names the known ones."""
    digits = name.upper().removeprefix("AU")
    canonical = f"AU{int(digits):02d}" if digits.isdigit() else name
    if canonical not in ACTION_UNITS:
        raise ValueError(f"action unit: expected one of {', '.join(ACTION_UNITS)}, got {name!r}")
    return canonical
