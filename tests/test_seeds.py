"""Several seeds of a benchmark: the mean of folds, its deviation over seeds, and folds that run as jobs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mien.core.tasks import EXPRESSION
from mien.evaluation import scores, seeds, tables
from mien.evaluation.cross_validation import CrossValidationResult
from mien.recipes import RECIPES

CLASSES = EXPRESSION.classes


def predictions(*folds: tuple[str, list[tuple[str, str]]]) -> pd.DataFrame:
    """Each fold: its name, and (label, prediction) of its trials. Both checkpoints predict the same."""
    rows = []
    for checkpoint in scores.CHECKPOINTS:
        for name, pairs in folds:
            for number, (label, predicted) in enumerate(pairs):
                single = {f"{kind}{c}": float(c == predicted) for kind in ("p_", "calibrated_") for c in CLASSES}
                rows.append({"fold": name, "checkpoint": checkpoint, "label": label, "predicted": predicted,
                             "subject": "", "dataset": "dfew", "trial": f"{name}{number}", **single})
    return pd.DataFrame(rows)


def result(frame: pd.DataFrame, seed: int, name: str = "duse/dfew") -> CrossValidationResult:
    trained = dict.fromkeys(CLASSES, 1)
    folds = tuple({"name": fold, "train": trained, "stated": "", "labels": "", "notes": []} for fold in ("fd1", "fd2"))
    return CrossValidationResult(RECIPES[name], Path(), seed, "", 5, folds, frame, np.zeros((0, 2)), np.zeros(0))


ONE = predictions(("fd1", [("happy", "happy")]),
                  ("fd2", [("happy", "happy"), ("happy", "sad"), ("sad", "happy"), ("sad", "happy")]))
TWO = predictions(("fd1", [("happy", "sad")]),
                  ("fd2", [("happy", "happy"), ("happy", "happy"), ("sad", "sad"), ("sad", "happy")]))


def test_the_paper_is_compared_with_the_mean_of_folds_and_not_with_all_trials_together():
    table = tables.main_table(result(ONE, 0)).set_index("measure")
    assert table.loc["war", "last"] == pytest.approx(100 * 2 / 5)  # together: 2 of 5
    assert table.loc["war", "folds_last"] == pytest.approx(100 * (1 + 1 / 4) / 2)
    assert table.loc["war", "difference_last"] == pytest.approx(62.5 - 75.36)
    assert table.loc["recall_sad", "folds_last"] == 0  # of the one fold that tests it
    assert np.isnan(table.loc["recall_fear", "folds_last"])
    page = tables.to_markdown(result(ONE, 0))
    assert "| WAR (accuracy) | 75.36 | 40.00" in page
    assert "| 62.50 |" in page


def test_the_table_over_seeds_has_mean_and_deviation():
    table = seeds.seed_table([result(ONE, 0), result(TWO, 1)]).set_index("measure")
    first, second = 62.5, 100 * (0 + 3 / 4) / 2
    assert table.loc["war", "folds_last"] == pytest.approx((first + second) / 2)
    assert table.loc["war", "folds_last_sd"] == pytest.approx(abs(first - second) / 2**0.5)
    assert table.loc["war", "pooled_chosen"] == pytest.approx((40 + 60) / 2)
    assert table.loc["war", "difference_chosen"] == pytest.approx((first + second) / 2 - 75.36)
    page = seeds.seed_page([result(ONE, 0), result(TWO, 1)])
    assert "# duse/dfew, seeds 0, 1" in page
    assert "| WAR (accuracy) | 75.36 | 50.00 ± 17.68 | 50.00 ± 14.14 |" in page
