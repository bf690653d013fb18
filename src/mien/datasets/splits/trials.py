"""The ordered table of trials, and the steps that all protocols share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from hashlib import sha256

from mien.core.trials import Fold, Trial


def trial_table(trials: Iterable[Trial], dataset: str = "") -> list[Trial]:
    """Sort the trials naturally by dataset and id.

    Raises:
        ValueError: there are no trials, or `dataset` is given and a trial is of another one.
    """
    out = sorted(trials, key=lambda trial: (trial.dataset, natural_key(trial.id)))
    if not out:
        raise ValueError("expected trials to split, got none")
    strange = sorted({trial.dataset for trial in out} - {dataset})
    if dataset and strange:
        raise ValueError(f"expected trials of {dataset} alone for its official split, got some of {', '.join(strange)}")
    return out


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key in natural order: `s2/10` comes after `s2/9`."""
    return tuple(_key_of_part(part) for part in re.split(r"(\d+)", text) if part)


def _key_of_part(part: str) -> tuple[int, int, str]:
    if part.isdigit():
        return 0, int(part), part
    return 1, 0, part


def hash_key(text: str) -> str:
    """A key for a random order that is the same on every machine and with every version."""
    return sha256(text.encode()).hexdigest()


def rounded_share(count: int, val: float) -> int:
    """The share `val` of `count`, rounded. Raises ValueError unless 0 <= val < 1."""
    if not 0 <= val < 1:
        raise ValueError(f"val: expected a share of train, 0 or more and less than 1, got {val}")
    return int(count * val + 0.5)


def validation_text(val: float, seed: int, what: str) -> str:
    """The protocol's text about its validation part."""
    if not val:
        return "no validation"
    return f"validation {val:.0%} of the training {what}, seed {seed}"


def fold(name: str, words: str, rest: Sequence[Trial], val: Sequence[Trial], test: Sequence[Trial],
         subject_independent: bool) -> Fold:
    """Make a fold: the training trials are those of `rest` that are not in `val`."""
    validating = {id(trial) for trial in val}
    train = tuple(trial for trial in rest if id(trial) not in validating)
    return Fold(name, words, train, tuple(val), tuple(test), subject_independent)
