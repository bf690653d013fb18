"""Lookalikes of the datasets: their formats on disk, with their traps, and synthetic people as content.

They are written from the description of the formats alone and share no code with the loaders, so that a loader that
reads one right was held against the description, not against itself. `marks` says how to read off pictures and signals
which trial they show and when its event happened; `Truth` says what was planted.

    truth = LOOKALIKES["deap"]("somewhere", size=4)
    truth["s01/3"].video, truth["s01/3"].labels, truth.traps
"""

from __future__ import annotations

from collections.abc import Callable

from mien.lookalikes import amigos, deap, dfew, ferv39k, folder, mahnob
from mien.lookalikes.marks import lit, read_event, read_light, read_signal_mark, read_trial_number
from mien.lookalikes.truth import Item, Truth

LOOKALIKES: dict[str, Callable[..., Truth]] = {
    "dfew": dfew.write, "ferv39k": ferv39k.write, "deap": deap.write, "amigos": amigos.write, "mahnob": mahnob.write,
    "folder": folder.write,
}
"""Name -> write(root, size=..., seed=0, variant="official", workers=1) -> Truth; `size` counts clips (DFEW, FERV39k,
folder) or trials a person (DEAP, AMIGOS, MAHNOB)."""

VARIANTS: dict[str, tuple[str, ...]] = {
    "dfew": dfew.VARIANTS, "ferv39k": ferv39k.VARIANTS, "deap": deap.VARIANTS, "amigos": amigos.VARIANTS,
    "mahnob": mahnob.VARIANTS, "folder": folder.VARIANTS,
}
"""Name -> layouts that can be written; what they are is said at each `write`."""

__all__ = ["LOOKALIKES", "VARIANTS", "Item", "Truth", "lit", "read_event", "read_light", "read_signal_mark",
           "read_trial_number"]
