"""Splits into training, validation and test trials: each protocol is a pure function of the trials.

The same trials give the same folds, independent of row order, machine and library version: the random order is that of
SHA-256 hashes of a seed and a name. Validation is part of the training side; the test side never selects a model. We
offer no random split of windows: it would put windows of the same trial on both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mien.core.trials import Fold
from mien.datasets.splits.clips import dfew, ferv39k
from mien.datasets.splits.fingerprint import split_hash, split_statement
from mien.datasets.splits.subjects import EEGAIN, eegain, kfold, leave_one_subject_out

__all__ = ["EEGAIN", "PROTOCOLS", "dfew", "eegain", "ferv39k", "kfold", "leave_one_subject_out", "split_hash",
           "split_statement"]

PROTOCOLS: dict[str, Callable[..., tuple[Fold, ...]]] = {
    "dfew": dfew,
    "ferv39k": ferv39k,
    "loso": leave_one_subject_out,
    "kfold": kfold,
    "kfold10": partial(kfold, k=10),
    "eegain": eegain,
}
"""Name -> function of the trials, with keyword options `val` (0 for no validation: the last epoch counts) and
`seed`."""
