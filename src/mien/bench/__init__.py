"""Evidence: a recipe judged by its protocol, its tables and figures, and ablations.

    judged = cross_validate(RECIPES["duse/dfew"], "data/dfew", "runs/dfew")
    write(judged)                                      # table.md, table.csv, scores.json, figures, predictions
"""

from mien.bench.compare import Comparison, compare
from mien.bench.run import Judged, cross_validate
from mien.bench.write import write

__all__ = ["Comparison", "Judged", "compare", "cross_validate", "write"]
