"""Which action units make up an expression, to plant whole expressions."""

from __future__ import annotations

# Prototypes of the basic expressions: action units seen in more than 70 % of the people (Du, Tao & Martinez 2014,
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

# Seen in half of the people or more, beside the prototype (same table): happy 6 (51 %); sad 1 (60 %), 6 (50 %),
# 17 (67 %); angry 17 (52 %); surprise 5 (66 %); fear 2 (57 %), 5 (63 %).
OFTEN: dict[str, tuple[str, ...]] = {
    "happy": ("AU06",), "sad": ("AU01", "AU06", "AU17"), "neutral": (), "angry": ("AU17",), "surprise": ("AU05",),
    "disgust": (), "fear": ("AU02", "AU05"),
}


def expression(name: str, strength: float = 3.0, often: bool = True) -> dict[str, float]:
    """Name of a basic expression -> intensities 0..5 of its action units.

    The units of the prototype get `strength`; with `often`, those that half of the people add get two thirds of it
    (our choice).
    """
    if name not in PROTOTYPES:
        raise ValueError(f"expression: expected one of {', '.join(PROTOTYPES)}, got {name!r}")
    out = dict.fromkeys(PROTOTYPES[name], float(strength))
    if often:
        out |= dict.fromkeys(OFTEN[name], float(strength) * 2 / 3)
    return out
