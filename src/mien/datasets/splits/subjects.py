"""Subject-independent splits: leave one subject out, k-fold, and the fixed lists of EEGain."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from mien.core.trials import Fold, Trial
from mien.datasets.labels import Rule
from mien.datasets.splits.trials import fold, hash_key, natural_key, rounded_share, trial_table, validation_text

VAL_SUBJECTS = 0.2
"""Validation share of the training subjects. EEGain (EmotionLab/EEGain) also uses 20 % of its training pool, but of
trials, so its subjects are on both sides; ours are not."""

EEGAIN = {  # test_subjects.json of EmotionLab/EEGain (CC BY 4.0)
    "amigos": ("2-6 8-10 13 14 17-19 21-29 31-34 36 38-40", "1 7 11 12 15 16 20 30 35 37"),
    "deap": ("1 3-6 8 10 11 13 14 17-20 22-31", "2 7 9 12 15 16 21 32"),
    "mahnob": ("2 4-8 10 13 17-22 24 25 28-30", "1 3 11 14 16 23 27"),
}
"""dataset -> subjects of train and of test. Subject 9 of MAHNOB is on neither list."""


def leave_one_subject_out(trials: Iterable[Trial], val: float = VAL_SUBJECTS, seed: int = 0) -> tuple[Fold, ...]:
    """One fold per subject: that subject is the test side and names the fold.

    Args:
        trials: trials with subjects.
        val: validation share of the training subjects, 0 or more and below 1.
        seed: of the random choice.

    Raises:
        ValueError: a trial has no subject, or there are too few subjects.
    """
    trials, left = _without_long_videos(trial_table(trials))
    subjects = _subjects(trials, 2 + bool(val))
    words = f"leave one subject out; {validation_text(val, seed, 'subjects')}{left}"
    names = Counter(name for _, name in subjects)
    folds = []
    for dataset, name in subjects:
        title = name if names[name] == 1 else f"{dataset} {name}"
        folds.append(_subject_fold(title, words, subjects, [(dataset, name)], val, seed))
    return tuple(folds)


def kfold(trials: Iterable[Trial], k: int = 5, val: float = VAL_SUBJECTS, seed: int = 0, alike: Rule | None = None
          ) -> tuple[Fold, ...]:
    """k folds over subjects, fold1..foldk; their numbers of subjects differ by at most one.

    Args:
        trials: trials with subjects.
        k: number of folds, 2 or more.
        val: validation share of the training subjects, 0 or more and below 1.
        seed: of the random order.
        alike: a label rule; every fold gets about the same share of each of its classes. Subjects are assigned in
            rounds, those with most trials first, to the fold that balances the classes. None: random order.

    Raises:
        ValueError: a trial has no subject, there are fewer subjects than folds, or k is below 2.
    """
    trials, left = _without_long_videos(trial_table(trials))
    if k < 2:
        raise ValueError(f"kfold: expected two folds or more, got {k}")
    remedy = "protocol=kfold, five folds, or protocol=loso" if k > 5 else "protocol=loso"
    why = f"for {k} folds: for fewer people use {remedy}"
    subjects = _subjects(trials, max(k, 2 + bool(val)), why)
    order = sorted(subjects, key=lambda subject: hash_key(f"{seed} {subject}"))
    if alike is None:
        parts, how = [order[i::k] for i in range(k)], "order random"
    else:
        parts = _balanced_parts(order, subjects, k, alike)
        how = f"classes made alike by {alike.name} ({alike.label}) of all trials"
    words = f"{k}-fold over subjects, {how}; {validation_text(val, seed, 'subjects')}{left}"
    return tuple(_subject_fold(f"fold{i}", words, subjects, part, val, seed) for i, part in enumerate(parts, 1))


def eegain(trials: Iterable[Trial], val: float = VAL_SUBJECTS, seed: int = 0) -> tuple[Fold, ...]:
    """The fixed subject split of EEGain for AMIGOS, DEAP or MAHNOB-HCI (`EEGAIN`), a single fold.

    The number in a subject's name identifies it. Subjects on neither list are left out, and the protocol's text says
    so.

    Args:
        trials: trials of one of the three datasets.
        val: validation share of the training subjects, 0 or more and below 1.
        seed: of the random choice.

    Raises:
        ValueError: the trials are of another dataset or of several, a subject has no number, or a side is empty.
    """
    trials, left = _without_long_videos(trial_table(trials))
    subjects = _subjects(trials, 2)
    datasets = sorted({dataset for dataset, _ in subjects})
    if len(datasets) != 1 or datasets[0] not in EEGAIN:
        raise ValueError(f"eegain: expected trials of one of {', '.join(EEGAIN)}, got {', '.join(datasets) or 'none'}; "
                         "use kfold or loso for others")
    train, test = map(_numbers, EEGAIN[datasets[0]])
    sides = {subject: _number(subject[1]) for subject in subjects}
    neither = [name for (_, name), number in sides.items() if number not in train | test]
    known = {subject: subjects[subject] for subject, number in sides.items() if number in train | test}
    judged = [subject for subject in known if sides[subject] in test]
    if not judged or len(judged) == len(known):
        present = ", ".join(name for _, name in known) or "none"
        raise ValueError(f"eegain: expected subjects on both lists, got {present}")
    words = f"EEGain's fixed subjects; {validation_text(val, seed, 'subjects')}{left}"
    if neither:
        words += f"; on neither list, left out: {', '.join(neither)}"
    return (_subject_fold("fixed", words, known, judged, val, seed),)


def _without_long_videos(trials: Sequence[Trial]) -> tuple[list[Trial], str]:
    """The trials without the long videos of AMIGOS, which published results leave out, and a text that says so."""
    kept = [trial for trial in trials if trial.about.get("videos") != "long"]
    left = len(trials) - len(kept)
    if not left:
        return kept, ""
    return kept, f"; short videos only, {left} long ones left out"


def _subjects(trials: Sequence[Trial], least: int, why: str = "") -> dict[tuple[str, str], list[Trial]]:
    """(dataset, subject) -> trials, in natural order."""
    unknown = [trial.id for trial in trials if not trial.subject]
    if unknown:
        raise ValueError(f"expected a subject for every trial; {len(unknown)} have none, such as {unknown[0]}: "
                         "a split by subject needs them all")
    groups: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for trial in trials:
        groups[trial.dataset, trial.subject].append(trial)
    if len(groups) < least:
        raise ValueError(f"expected at least {least} subjects, got {len(groups)} {why}".rstrip())
    return dict(sorted(groups.items(), key=lambda item: (item[0][0], natural_key(item[0][1]))))


def _subject_fold(name: str, words: str, subjects: dict[tuple[str, str], list[Trial]], test: Sequence[tuple[str, str]],
                val: float, seed: int) -> Fold:
    """The fold with these test subjects. The share `val` of the others, at least one subject, is for validation."""
    rest = sorted(subjects.keys() - set(test), key=lambda subject: hash_key(f"{seed} {name} {subject}"))
    count = 0
    if val:
        count = max(rounded_share(len(rest), val), 1)
    if count >= len(rest):
        raise ValueError(f"{name}: expected subjects to learn from, got {len(rest)} and {count} to validate")

    def of(people: Iterable[tuple[str, str]]) -> list[Trial]:
        chosen = set(people)
        return [trial for subject, trials in subjects.items() if subject in chosen for trial in trials]

    return fold(name, words, of(rest), of(rest[:count]), of(test), subject_independent=True)


def _balanced_parts(order: Sequence[tuple[str, str]], subjects: dict[tuple[str, str], list[Trial]], k: int, rule: Rule
           ) -> list[list[tuple[str, str]]]:
    """Assign subjects to k parts in rounds, each to the part where its classes are rarest."""
    kept = rule(trial for trials in subjects.values() for trial in trials)
    counts: dict[tuple[str, str], Counter[int]] = {subject: Counter() for subject in subjects}
    for trial, target in zip(kept.trials, kept.target, strict=True):
        counts[trial.dataset, trial.subject][int(target)] += 1
    parts: list[list[tuple[str, str]]] = [[] for _ in range(k)]
    totals: list[Counter[int]] = [Counter() for _ in range(k)]
    overall = Counter(int(target) for target in kept.target)
    for place, subject in enumerate(sorted(order, key=lambda subject: -counts[subject].total())):
        open_ = [i for i in range(k) if len(parts[i]) == place // k]
        fullness = {i: sum(n * totals[i][c] / overall[c] ** 2 for c, n in counts[subject].items()) for i in open_}
        best = min(open_, key=lambda i: fullness[i])
        parts[best].append(subject)
        totals[best] += counts[subject]
    return parts


def _number(subject: str) -> int:
    """The number in `s07`, `P01` or `7`."""
    digits = re.findall(r"\d+", subject)
    if len(digits) != 1:
        raise ValueError(f"eegain: expected one number in the name of a subject, such as s07, got {subject!r}")
    return int(digits[0])


def _numbers(text: str) -> set[int]:
    """The numbers in `1 3-5`: 1, 3, 4, 5."""
    ends = [tuple(map(int, part.split("-"))) for part in text.split()]
    return {number for end in ends for number in range(end[0], end[-1] + 1)}
