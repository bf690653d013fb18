"""What a result says of the split that it comes from."""

from __future__ import annotations

import json
from hashlib import sha256

from mien.types import Fold


def split_hash(*folds: Fold) -> str:
    """SHA-256 over dataset and id of the trials of each side, sorted, of one fold or of all: the name of a split."""
    sides = [[side, sorted([trial.dataset, trial.id] for trial in trials)] for fold in folds for side, trials in fold]
    return sha256(json.dumps(sides, separators=(",", ":")).encode()).hexdigest()


def stated(fold: Fold) -> str:
    """The line about a fold that every result carries: trials and subjects of each side, protocol and hash."""
    sides = []
    for side, trials in fold:
        people = len({(trial.dataset, trial.subject) for trial in trials if trial.subject})
        sides.append(f"{side} {len(trials)}" + (f" ({people} subjects)" if people else ""))
    apart = "subjects apart" if fold.apart else "subjects unknown"
    return f"{fold.name}: {', '.join(sides)}; {apart}; {fold.protocol}; split sha256 {split_hash(fold)}"
