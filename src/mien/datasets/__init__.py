"""Readers of datasets: trials on disk, their problems, and physiological signals.

Each module has `survey(root) -> Survey` and `TREE`, a drawing of the expected folders. Datasets with signals also have
`signals(trial) -> Signal`, with time 0 at the start of the trial. A module may have `PROTOCOLS` and `RULES`: the splits
and label rules of this dataset only, by name.

    index = dataset("dfew").survey("DFEW-part2")
    index.usable, index.trials, index.problems, index.counts

An installed package adds a dataset by an entry point of the group `mien.datasets`, with its name and module:

    [project.entry-points."mien.datasets"]
    colours = "my_package.colours"
"""

from __future__ import annotations

from types import ModuleType

from mien.core import entry_points
from mien.datasets import amigos, deap, dfew, ferv39k, folder, mahnob
from mien.datasets.index import Count, DatasetIndex, DatasetProblem

__all__ = ["DATASETS", "Count", "DatasetIndex", "DatasetProblem", "dataset", "names"]

GROUP = "mien.datasets"

DATASETS: dict[str, ModuleType] = {
    "dfew": dfew, "ferv39k": ferv39k, "deap": deap, "amigos": amigos, "mahnob": mahnob, "folder": folder,
}
"""Name -> its module. A dataset of this package needs this row and its file or folder."""


def dataset(name: str) -> ModuleType:
    """Find the module of a dataset.

    Args:
        name: of `DATASETS`, or of an installed package.

    Returns:
        The module.

    Raises:
        ValueError: neither this package nor an installed one has the name.
    """
    return entry_points.find("dataset", name, DATASETS, GROUP)


def names() -> list[str]:
    """The names of all datasets: those of this package, then those of installed packages."""
    return entry_points.names(DATASETS, GROUP)
