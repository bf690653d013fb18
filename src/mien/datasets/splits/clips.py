"""The official splits of DFEW and FERV39k, clips of unknown people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from mien.core.trials import Fold, Trial
from mien.datasets.splits.trials import fold, hash_key, rounded_share, trial_table, validation_text

VAL_CLIPS = 0.1
"""Validation share of the training clips. Our choice, as neither DFEW nor FERV39k has a validation part: a tenth is
about 940 and 3,100 clips, an accuracy within 3 points and 2."""

BLOCK = 100
"""Consecutive clips that go to validation together. Our choice: a hundred neighbours hold several films, so few films
are cut in two, and nine blocks still sample all of DFEW."""


def dfew(trials: Iterable[Trial], val: float = VAL_CLIPS, seed: int = 0, block: int = BLOCK) -> tuple[Fold, ...]:
    """The five official folds of DFEW, fd1..fd5.

    Subjects are unknown. Validation takes blocks of neighbours by clip number, since neighbours may come from the same
    film: one block in each equal stretch of the training clips.

    Args:
        trials: clips of DFEW; `Trial.side` 1..5 is the fold that tests the clip.
        val: validation share of the training clips, 0 or more and below 1.
        seed: of the random choice.
        block: clips in a validation block.

    Raises:
        ValueError: a clip is of another dataset or has no official fold, or a fold has no clips.

    References:
        Jiang et al. 2020, 10.1145/3394171.3413620.
    """
    trials = trial_table(trials, "dfew")
    parts = _sides(trials, [str(k) for k in range(1, 6)])
    words = f"DFEW official 5-fold; {validation_text(val, seed, f'clips, blocks of {block} by number')}"
    folds = []
    for name, test in parts.items():
        rest = [trial for trial in trials if trial.side != name]
        chosen = _blocks(rest, val, block, f"{seed} fd{name}")
        folds.append(fold(f"fd{name}", words, rest, chosen, test, subject_independent=False))
    return tuple(folds)


def ferv39k(trials: Iterable[Trial], val: float = VAL_CLIPS, seed: int = 0) -> tuple[Fold, ...]:
    """The official split of FERV39k, a single fold.

    Subjects are unknown. Validation takes a block of neighbours by clip number from every scene and emotion, since
    neighbours may come from the same film.

    Args:
        trials: clips of FERV39k; `Trial.side` is train or test, the id is `Scene/Emotion/0123`.
        val: validation share of the training clips, 0 or more and below 1.
        seed: of the random choice.

    Raises:
        ValueError: a clip is of another dataset or on neither side, or a side has no clips.

    References:
        Wang et al. 2022, 10.1109/CVPR52688.2022.02025.
    """
    parts = _sides(trial_table(trials, "ferv39k"), ["train", "test"])
    groups: dict[str, list[Trial]] = defaultdict(list)
    for trial in parts["train"]:
        groups[trial.id.rpartition("/")[0]].append(trial)
    chosen: list[Trial] = []
    seen = 0
    for name, group in groups.items():
        count = rounded_share(seen + len(group), val) - rounded_share(
            seen, val
        )  # the rounding error carries over to the next group
        chosen += _consecutive(group, count, f"{seed} {name}")
        seen += len(group)
    words = (
        f"FERV39k official split; {validation_text(val, seed, 'clips, a block by number in each scene and emotion')}"
    )
    return (fold("official", words, parts["train"], chosen, parts["test"], subject_independent=False),)


def _sides(trials: Sequence[Trial], names: Sequence[str]) -> dict[str, list[Trial]]:
    """The trials by official side. Every trial must have a side, and every side must have trials."""
    lost = [trial.id for trial in trials if trial.side not in names]
    if lost:
        raise ValueError(f"expected Trial.side to be one of {', '.join(names)}; {len(lost)} clips have another or none,"
                         f" such as {lost[0]}: leave them out, they are not part of the official split")
    parts = {name: [trial for trial in trials if trial.side == name] for name in names}
    empty = [name for name, part in parts.items() if not part]
    if empty:
        raise ValueError(f"expected clips on every official side, got none on {', '.join(empty)}: check the dataset")
    return parts


def _consecutive(trials: Sequence[Trial], count: int, key: str) -> list[Trial]:
    """`count` consecutive trials from a start that depends on the key."""
    start = int(hash_key(key), 16) % (len(trials) - count + 1)
    return list(trials[start : start + count])


def _blocks(trials: Sequence[Trial], val: float, block: int, key: str) -> list[Trial]:
    """A share of the trials in blocks of about `block` neighbours, one block in each equal stretch."""
    if block < 1:
        raise ValueError(f"block: expected one clip or more, got {block}")
    total = rounded_share(len(trials), val)
    blocks = max(1, round(total / block))
    cuts = [len(trials) * i // blocks for i in range(blocks + 1)]
    sizes = [total * (i + 1) // blocks - total * i // blocks for i in range(blocks)]
    return [
        trial for i in range(blocks) for trial in _consecutive(trials[cuts[i] : cuts[i + 1]], sizes[i], f"{key} {i}")
    ]
