"""Splits that keep people apart: leave one out, k folds, and the fixed lists of EEGain."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from mien.labels import Rule
from mien.types import Fold, Trial

from .table import fold, hashed, natural, share, table, validation

VAL_SUBJECTS = 0.2
"""Share of the training subjects that validates: EEGain (EmotionLab/EEGain) keeps 20 % of its training pool, but of
trials, so that its subjects are on both sides; here they are not."""

EEGAIN = {  # test_subjects.json of EmotionLab/EEGain (CC BY 4.0)
    "amigos": ("2-6 8-10 13 14 17-19 21-29 31-34 36 38-40", "1 7 11 12 15 16 20 30 35 37"),
    "deap": ("1 3-6 8 10 11 13 14 17-20 22-31", "2 7 9 12 15 16 21 32"),
    "mahnob": ("2 4-8 10 13 17-22 24 25 28-30", "1 3 11 14 16 23 27"),
}
"""dataset -> subjects of train and of test. Subject 9 of MAHNOB is on neither list."""


def leave_one_subject_out(trials: Iterable[Trial], val: float = VAL_SUBJECTS, seed: int = 0) -> tuple[Fold, ...]:
    """As many folds as subjects, each judged by one of them and named after it.

    Raises:
        ValueError: a trial without a subject, or too few subjects.
    """
    trials, left = _short(table(trials))
    subjects = _subjects(trials, 3 if val else 2)
    words = f"leave one subject out; {validation(val, seed, 'subjects')}{left}"
    names = Counter(name for _, name in subjects)
    return tuple(_by_subject(name if names[name] == 1 else f"{dataset} {name}", words, subjects, [(dataset, name)], val,
                             seed) for dataset, name in subjects)


def kfold(trials: Iterable[Trial], k: int = 5, val: float = VAL_SUBJECTS, seed: int = 0, alike: Rule | None = None
          ) -> tuple[Fold, ...]:
    """k folds over subjects, their numbers of subjects equal within one -> fold1..foldk.

    `alike`: a rule of labels whose classes every fold should have in about the same shares: subjects are dealt out in
    rounds, those with most trials first, each to where it evens out the classes. Without it their order is random.

    Raises:
        ValueError: a trial without a subject, fewer subjects than folds, or k below 2.
    """
    trials, left = _short(table(trials))
    if k < 2:
        raise ValueError(f"kfold: expected two folds or more, got {k}")
    why = f"for {k} folds: of fewer people take {'protocol=kfold, five folds, or ' * (k > 5)}protocol=loso"
    subjects = _subjects(trials, max(k, 3 if val else 2), why)
    order = sorted(subjects, key=lambda subject: hashed(f"{seed} {subject}"))
    parts = [order[i::k] for i in range(k)] if alike is None else _dealt(order, subjects, k, alike)
    how = "order random" if alike is None else f"classes made alike by {alike.name} ({alike.label}) of all trials"
    words = f"{k}-fold over subjects, {how}; {validation(val, seed, 'subjects')}{left}"
    return tuple(_by_subject(f"fold{i}", words, subjects, part, val, seed) for i, part in enumerate(parts, 1))


def eegain(trials: Iterable[Trial], val: float = VAL_SUBJECTS, seed: int = 0) -> tuple[Fold, ...]:
    """The fixed split by subject of EEGain for AMIGOS, DEAP or MAHNOB-HCI (`EEGAIN`) -> one fold.

    Subjects are told by the number in their name. Those on neither list are left out, and the protocol's name says so.

    Raises:
        ValueError: another dataset, several, or a subject without a number; nobody of one side is there.
    """
    trials, left = _short(table(trials))
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
        there = ", ".join(name for _, name in known) or "none"
        raise ValueError(f"eegain: expected subjects on both lists, got {there}")
    words = f"EEGain's fixed subjects; {validation(val, seed, 'subjects')}{left}"
    words += f"; on neither list, left out: {', '.join(neither)}" if neither else ""
    return (_by_subject("fixed", words, known, judged, val, seed),)


def _short(trials: Sequence[Trial]) -> tuple[list[Trial], str]:
    """Without the long videos of AMIGOS, which published results leave out -> trials, and words that say so."""
    kept = [trial for trial in trials if trial.about.get("videos") != "long"]
    left = len(trials) - len(kept)
    return kept, f"; short videos only, {left} long ones left out" if left else ""


def _subjects(trials: Sequence[Trial], least: int, why: str = "") -> dict[tuple[str, str], list[Trial]]:
    """(dataset, subject) -> trials, in natural order."""
    nobody = [trial.id for trial in trials if not trial.subject]
    if nobody:
        raise ValueError(f"expected a subject for every trial; {len(nobody)} have none, such as {nobody[0]}: "
                         "a split by subject needs them all")
    groups: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for trial in trials:
        groups[trial.dataset, trial.subject].append(trial)
    if len(groups) < least:
        raise ValueError(f"expected at least {least} subjects, got {len(groups)}{f' {why}' if why else ''}")
    return dict(sorted(groups.items(), key=lambda item: (item[0][0], natural(item[0][1]))))


def _by_subject(name: str, words: str, subjects: dict[tuple[str, str], list[Trial]], test: Sequence[tuple[str, str]],
                val: float, seed: int) -> Fold:
    """The fold that these subjects judge; of the others the share `val`, but one at least, validates."""
    rest = sorted(subjects.keys() - set(test), key=lambda subject: hashed(f"{seed} {name} {subject}"))
    count = max(share(len(rest), val), 1) if val else 0
    if count >= len(rest):
        raise ValueError(f"{name}: expected subjects to learn from, got {len(rest)} and {count} to validate")

    def of(people: Iterable[tuple[str, str]]) -> list[Trial]:
        wanted = set(people)
        return [trial for subject, trials in subjects.items() if subject in wanted for trial in trials]

    return fold(name, words, of(rest), of(rest[:count]), of(test), apart=True)


def _dealt(order: Sequence[tuple[str, str]], subjects: dict[tuple[str, str], list[Trial]], k: int, rule: Rule
           ) -> list[list[tuple[str, str]]]:
    """Subjects dealt to k parts in rounds, each to the part in which its classes are rarest."""
    kept = rule(trial for trials in subjects.values() for trial in trials)
    counts: dict[tuple[str, str], Counter[int]] = {subject: Counter() for subject in subjects}
    for trial, target in zip(kept.trials, kept.target, strict=True):
        counts[trial.dataset, trial.subject][int(target)] += 1
    parts: list[list[tuple[str, str]]] = [[] for _ in range(k)]
    totals: list[Counter[int]] = [Counter() for _ in range(k)]
    whole = Counter(int(target) for target in kept.target)
    for place, subject in enumerate(sorted(order, key=lambda subject: -counts[subject].total())):
        open_ = [i for i in range(k) if len(parts[i]) == place // k]
        fullness = {i: sum(n * totals[i][c] / whole[c] ** 2 for c, n in counts[subject].items()) for i in open_}
        best = min(open_, key=lambda i: fullness[i])
        parts[best].append(subject)
        totals[best] += counts[subject]
    return parts


def _number(subject: str) -> int:
    """`s07`, `P01` or `7` -> the number."""
    digits = re.findall(r"\d+", subject)
    if len(digits) != 1:
        raise ValueError(f"eegain: expected one number in the name of a subject, such as s07, got {subject!r}")
    return int(digits[0])


def _numbers(text: str) -> set[int]:
    """`1 3-5` -> 1, 3, 4, 5."""
    ends = [tuple(map(int, part.split("-"))) for part in text.split()]
    return {number for end in ends for number in range(end[0], end[-1] + 1)}
