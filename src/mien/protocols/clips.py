"""The official splits of clips whose people nobody named: DFEW and FERV39k."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from mien.types import Fold, Trial

from .table import fold, hashed, share, table, validation

VAL_CLIPS = 0.1
"""Share of the training clips. Our choice, as neither DFEW nor FERV39k has a validation part: a tenth is about 940 and
3,100 clips, an accuracy within 3 points and 2."""

BLOCK = 100
"""Clips in a row that go to validation together. Our choice: some hundred neighbours hold several films, so that few
films are cut in two, and nine blocks still sample the whole of DFEW."""

def dfew(trials: Iterable[Trial], val: float = VAL_CLIPS, seed: int = 0, block: int = BLOCK) -> tuple[Fold, ...]:
    """The official five folds of DFEW, `Trial.side` 1..5 naming the fold that tests the clip -> fd1..fd5.

    Jiang et al. 2020, 10.1145/3394171.3413620. Subjects are unknown. Validation: blocks of neighbours by clip number,
    since neighbours may come from one film, one block in each equal stretch of the training clips.

    Raises:
        ValueError: a clip of another dataset or without an official fold, or a fold without clips.
    """
    trials = table(trials, "dfew")
    parts = _sides(trials, [str(k) for k in range(1, 6)])
    words = f"DFEW official 5-fold; {validation(val, seed, f'clips, blocks of {block} by number')}"
    folds = []
    for name, test in parts.items():
        rest = [trial for trial in trials if trial.side != name]
        chosen = _blocks(rest, val, block, f"{seed} fd{name}")
        folds.append(fold(f"fd{name}", words, rest, chosen, test, apart=False))
    return tuple(folds)


def ferv39k(trials: Iterable[Trial], val: float = VAL_CLIPS, seed: int = 0) -> tuple[Fold, ...]:
    """The official split of FERV39k, `Trial.side` train or test, id `Scene/Emotion/0123` -> one fold.

    Wang et al. 2022, 10.1109/CVPR52688.2022.02025. Subjects are unknown. Validation: of every scene and emotion one
    block of neighbours by clip number, since neighbours may come from one film.

    Raises:
        ValueError: a clip of another dataset or on neither side, or a side without clips.
    """
    parts = _sides(table(trials, "ferv39k"), ["train", "test"])
    groups: dict[str, list[Trial]] = defaultdict(list)
    for trial in parts["train"]:
        groups[trial.id.rpartition("/")[0]].append(trial)
    chosen: list[Trial] = []
    seen = 0
    for name, group in groups.items():
        count = share(seen + len(group), val) - share(seen, val)  # rounding is carried on: small groups have their turn
        chosen += _run(group, count, f"{seed} {name}")
        seen += len(group)
    words = f"FERV39k official split; {validation(val, seed, 'clips, a block by number in each scene and emotion')}"
    return (fold("official", words, parts["train"], chosen, parts["test"], apart=False),)


def _sides(trials: Sequence[Trial], names: Sequence[str]) -> dict[str, list[Trial]]:
    """The trials by official side; every one must have one, and every side some."""
    lost = [trial.id for trial in trials if trial.side not in names]
    if lost:
        raise ValueError(f"expected Trial.side to be one of {', '.join(names)}; {len(lost)} clips have another or none,"
                         f" such as {lost[0]}: leave them out, they are not part of the official split")
    parts = {name: [trial for trial in trials if trial.side == name] for name in names}
    empty = [name for name, part in parts.items() if not part]
    if empty:
        raise ValueError(f"expected clips on every official side, got none on {', '.join(empty)}: is all there?")
    return parts


def _run(trials: Sequence[Trial], count: int, key: str) -> list[Trial]:
    """`count` neighbours out of trials, from a place that the key tells."""
    start = int(hashed(key), 16) % (len(trials) - count + 1)
    return list(trials[start : start + count])


def _blocks(trials: Sequence[Trial], val: float, block: int, key: str) -> list[Trial]:
    """A share of the trials, in blocks of about `block` neighbours, one in each equal stretch."""
    if block < 1:
        raise ValueError(f"block: expected one clip or more, got {block}")
    total = share(len(trials), val)
    pieces = max(1, round(total / block))
    cuts = [len(trials) * i // pieces for i in range(pieces + 1)]
    sizes = [total * (i + 1) // pieces - total * i // pieces for i in range(pieces)]
    return [trial for i in range(pieces) for trial in _run(trials[cuts[i] : cuts[i + 1]], sizes[i], f"{key} {i}")]
