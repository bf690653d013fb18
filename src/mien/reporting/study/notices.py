"""Sentences about a study that a reader must know: what is missing, and where."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from mien.core.tasks import ACTION_UNIT_NAMES
from mien.metrics.paired import LEAST_PAIRS

NOTICEABLE = 0.1
"""Difference of two conditions' mean coverage that the page points out. Our choice."""


def abstention_notices(table: pd.DataFrame, measures: Sequence[str], conditions: Sequence[str]) -> list[str]:
    """A sentence for each kind of measure that is missing more often under one condition than under another."""
    out = []
    kinds = {"the heart rate": ["heart_rate"], "the expression": ["valence"],
             "the action units": [name for name in measures if name in ACTION_UNIT_NAMES]}
    for what, names in kinds.items():
        here = table[table["measure"].isin(names)]
        shares = (1 - here.groupby("condition")["coverage"].mean()).reindex(list(conditions)).dropna()
        if len(shares) > 1 and shares.max() - shares.min() >= NOTICEABLE:
            out.append(f"{what} is missing more often during {shares.idxmax()} ({shares.max():.0%} of the time) than "
                       f"during {shares.idxmin()} ({shares.min():.0%}): a difference between them may come from the "
                       "moments that were measured".replace("units is", "units are"))
    return out


def coverage_notices(long: pd.DataFrame, min_coverage: float) -> list[str]:
    """A sentence about means that do not count, and one where there are too few participants for tests."""
    out = []
    left = long[~long["counts"] & (long["coverage"] > 0)]
    if len(left):
        out.append(f"{len(left)} of {len(long)} means do not count, because the measure has values in less than "
                   f"{min_coverage:.0%} of the condition; long.csv marks them")
    people = long["participant"].nunique()
    if people < LEAST_PAIRS:
        out.append(f"there are no tests: they need {LEAST_PAIRS} participants, and there "
                   f"{'is' if people == 1 else 'are'} {people}")
    return out


