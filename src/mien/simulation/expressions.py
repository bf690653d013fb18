"""Action units of the basic expressions."""

from __future__ import annotations

# Prototypes of the basic expressions: action units of more than 70 % of the people (Du, Tao & Martinez 2014,
# Compound facial expressions of emotion, PNAS 111:E1454, table 1, 10.1073/pnas.1322355111).
PROTOTYPES: dict[str, tuple[str, ...]] = {
    "happy": ("AU12", "AU25"),
    "sad": ("AU04", "AU15"),
    "neutral": (),
    "angry": ("AU04", "AU07", "AU24"),
    "surprise": ("AU01", "AU02", "AU25", "AU26"),
    "disgust": ("AU09", "AU10", "AU17"),
    "fear": ("AU01", "AU04", "AU20", "AU25"),
}

# Additional action units of half of the people or more (same table): happy 6 (51 %); sad 1 (60 %), 6 (50 %),
# 17 (67 %); angry 17 (52 %); surprise 5 (66 %); fear 2 (57 %), 5 (63 %).
OFTEN: dict[str, tuple[str, ...]] = {
    "happy": ("AU06",), "sad": ("AU01", "AU06", "AU17"), "neutral": (), "angry": ("AU17",), "surprise": ("AU05",),
    "disgust": (), "fear": ("AU02", "AU05"),
}


def expression(name: str, strength: float = 3.0, often: bool = True) -> dict[str, float]:
    """Intensities of the action units of a basic expression.

    Args:
        name: name of the expression.
        strength: intensity of the units of the prototype, 0..5.
        often: add the units that half of the people show, with two thirds of the strength (our choice).

    Returns:
        Intensity 0..5 by action unit.

    Raises:
        ValueError: the expression is unknown.
    """
    if name not in PROTOTYPES:
        raise ValueError(f"expression: expected one of {', '.join(PROTOTYPES)}, got {name!r}")
    out = dict.fromkeys(PROTOTYPES[name], float(strength))
    if often:
        out |= dict.fromkeys(OFTEN[name], float(strength) * 2 / 3)
    return out
