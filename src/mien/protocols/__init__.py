"""Who learns, who chooses and who is judged: each protocol is a pure function of the table of trials.

The same trials give the same folds, whatever the order of the rows, the machine or the version of a library: what is
random is the order of SHA-256 hashes of a seed and a name. Validation comes out of train; test never chooses. A random
split of windows is not here: it would put pieces of one trial on both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mien.types import Fold

from .clips import dfew, ferv39k
from .people import EEGAIN, eegain, kfold, leave_one_subject_out
from .statement import split_hash, stated

__all__ = ["EEGAIN", "PROTOCOLS", "dfew", "eegain", "ferv39k", "kfold", "leave_one_subject_out", "split_hash", "stated"]

PROTOCOLS: dict[str, Callable[..., tuple[Fold, ...]]] = {
    "dfew": dfew,
    "ferv39k": ferv39k,
    "loso": leave_one_subject_out,
    "kfold": kfold,
    "kfold10": partial(kfold, k=10),
    "eegain": eegain,
}
"""Name -> function of the trials, with options by keyword: `val` (0 for none: the last epoch counts) and `seed`."""
