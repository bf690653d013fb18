"""The table of trials, in an order of its own, and what all protocols do with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from hashlib import sha256

from mien.types import Fold, Trial


def table(trials: Iterable[Trial], dataset: str = "") -> list[Trial]:
    """The trials in natural order of dataset and id; those of another dataset than the protocol's are refused."""
    out = sorted(trials, key=lambda trial: (trial.dataset, natural(trial.id)))
    if not out:
        raise ValueError("expected trials to split, got none")
    strange = sorted({trial.dataset for trial in out} - {dataset})
    if dataset and strange:
        raise ValueError(f"expected trials of {dataset} alone for its official split, got some of {', '.join(strange)}")
    return out


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """`s2/10` after `s2/9`."""
    return tuple((0, int(part), part) if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text) if part)


def hashed(text: str) -> str:
    """The key by which things come in random order, the same everywhere and for ever."""
    return sha256(text.encode()).hexdigest()


def share(count: int, val: float) -> int:
    """`val` of `count`, rounded."""
    if not 0 <= val < 1:
        raise ValueError(f"val: expected a share of train, 0 or more and less than 1, got {val}")
    return int(count * val + 0.5)


def validation(val: float, seed: int, what: str) -> str:
    """What the protocol says of its validation part."""
    return f"validation {val:.0%} of the training {what}, seed {seed}" if val else "no validation"


def fold(name: str, words: str, rest: Sequence[Trial], val: Sequence[Trial], test: Sequence[Trial], apart: bool
         ) -> Fold:
    """`rest` less `val` is train."""
    taken = {id(trial) for trial in val}
    return Fold(name, words, tuple(trial for trial in rest if id(trial) not in taken), tuple(val), tuple(test), apart)
