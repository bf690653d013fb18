"""Synthetic copies of the datasets: the real file formats with their usual faults, and synthetic people as content.

The writers follow the descriptions of the formats and share no code with the loaders. So a loader that reads a copy is
tested against the description, not against itself. `marks` reads the number of the trial and the time of its event from
pictures and signals. `DatasetTruth` holds the ground truth.

    truth = LOOKALIKES["deap"]("somewhere", size=4)
    truth["s01/3"].video, truth["s01/3"].labels, truth.traps
"""

from __future__ import annotations

from collections.abc import Callable

from mien.simulation.datasets import amigos, deap, dfew, ferv39k, folder, mahnob
from mien.simulation.datasets.markers import lit, read_event, read_light, read_signal_mark, read_trial_number
from mien.simulation.datasets.truth import DatasetTruth, Item

LOOKALIKES: dict[str, Callable[..., DatasetTruth]] = {
    "dfew": dfew.write_dfew,
    "ferv39k": ferv39k.write_ferv39k,
    "deap": deap.write_deap,
    "amigos": amigos.write_amigos,
    "mahnob": mahnob.write_mahnob,
    "folder": folder.write_folder,
}
"""Name of a dataset: write(root, size=..., seed=0, variant="official", workers=1) -> DatasetTruth.

`size` is the number of clips (DFEW, FERV39k, folder), or of trials for each person (DEAP, AMIGOS, MAHNOB)."""

VARIANTS: dict[str, tuple[str, ...]] = {
    "dfew": dfew.VARIANTS, "ferv39k": ferv39k.VARIANTS, "deap": deap.VARIANTS, "amigos": amigos.VARIANTS,
    "mahnob": mahnob.VARIANTS, "folder": folder.VARIANTS,
}
"""Name of a dataset: its layouts. The docstring of each `write` describes them."""

__all__ = [
    "LOOKALIKES",
    "VARIANTS",
    "DatasetTruth",
    "Item",
    "lit",
    "read_event",
    "read_light",
    "read_signal_mark",
    "read_trial_number",
]
