"""Names of the action units of the synthetic people, and their opening of the mouth."""

from __future__ import annotations

ACTION_UNITS = ("AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU10", "AU12", "AU14", "AU15", "AU17",
                "AU20", "AU23", "AU24", "AU25", "AU26", "AU45")

JAW = 15.0  # mm, drop of the chin at AU26 = 5; our choice: a relaxed jaw, a third of the widest opening (AU27)

# Opening of the middle of the lips in mm for each step of intensity; it matches the movements in `muscles`.
GAPS = {"AU25": 1.5, "AU26": 0.14 * JAW, "AU10": 0.35, "AU09": 0.18}


def unit(name: str) -> str:
    """Normalise the name of an action unit: "AU1", "AU01" and "au1" give "AU01".

    Raises:
        ValueError: the action unit is unknown; the message lists the known ones.
    """
    digits, canonical = name.upper().removeprefix("AU"), name
    if digits.isdigit():
        canonical = f"AU{int(digits):02d}"
    if canonical not in ACTION_UNITS:
        raise ValueError(f"action unit: expected one of {', '.join(ACTION_UNITS)}, got {name!r}")
    return canonical
