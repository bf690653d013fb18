"""The datasets: where their trials are on disk, what is wrong with them, and their signals beside the video.

Each module has `survey(root) -> Survey`, `TREE`, the expected tree as a drawing, and, where there are signals,
`signals(trial) -> Signal`, time 0 being the trial's.

    found = DATASETS["dfew"].survey("DFEW-part2")
    found.usable, found.trials, found.problems, found.counts
"""

from __future__ import annotations

from types import ModuleType

from . import amigos, deap, dfew, ferv39k, folder, mahnob
from .survey import Count, Problem, Survey

__all__ = ["DATASETS", "Count", "Problem", "Survey"]

DATASETS: dict[str, ModuleType] = {
    "dfew": dfew, "ferv39k": ferv39k, "deap": deap, "amigos": amigos, "mahnob": mahnob, "folder": folder,
}
"""Name -> its module."""
