"""Benchmarks: cross-validation of a recipe by its protocol, its tables and figures, baselines and ablations.

    result = cross_validate(RECIPES["duse/dfew"], "data/dfew", "runs/dfew")
    write_report(result)                                # table.md, table.csv, scores.json, figures, predictions
"""

from mien.evaluation.comparison import Comparison, compare
from mien.evaluation.cross_validation import CrossValidationResult, cross_validate
from mien.evaluation.report import write_report

__all__ = ["Comparison", "CrossValidationResult", "compare", "cross_validate", "write_report"]
