"""The hash and the one-line description of a split, for reports."""

from __future__ import annotations

import json
from hashlib import sha256

from mien.core.trials import Fold


def split_hash(*folds: Fold) -> str:
    """SHA-256 of the sorted dataset and trial ids of each side of the folds: it identifies a split."""
    sides = [[side, sorted([trial.dataset, trial.id] for trial in trials)] for fold in folds for side, trials in fold]
    return sha256(json.dumps(sides, separators=(",", ":")).encode()).hexdigest()


def split_statement(fold: Fold) -> str:
    """The line that every result states about its fold: trials and subjects of each side, protocol and hash."""
    sides = []
    for side, trials in fold:
        people = len({(trial.dataset, trial.subject) for trial in trials if trial.subject})
        line = f"{side} {len(trials)}"
        if people:
            line += f" ({people} subjects)"
        sides.append(line)
    subjects = {True: "apart", False: "unknown"}[fold.subject_independent]
    return f"{fold.name}: {', '.join(sides)}; subjects {subjects}; {fold.protocol}; split sha256 {split_hash(fold)}"
