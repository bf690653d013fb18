"""Compare a dataset on disk with its official counts, and a synthetic lookalike with its marker."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mien.core.read_json import parse_json
from mien.datasets.index import DatasetIndex, DatasetProblem

MARKER = "LOOKALIKE.json"
"""File in the folder of a synthetic lookalike with the labels of its trials."""

LIKELY = 1e-9
"""Least probability of the shares of the classes in a part of the lists. Our choice: folds are drawn by class and reach
0.99; wrong class numbers make it vanish."""


def contradictions(index: DatasetIndex) -> list[DatasetProblem]:
    """Labels and classes that differ from the official ones in a way that missing files cannot explain.

    Counts above their official number are such, and what the loader found itself. A lookalike is compared with the
    labels in its marker instead of the official counts.
    """
    problems = [problem for problem in index.problems if problem.kind == "contradiction"]
    marker = find_marker(index.root)
    if marker is not None:
        return problems + _differing_labels(index, marker)
    return problems + [
        DatasetProblem("contradiction", count.name, f"expected at most the official {count.official}, got "
                       f"{count.number}: labels or classes are not those of the dataset", index.root)
        for count in index.counts if count.limit and count.official is not None and count.number > count.official]


def class_shares(counts: Mapping[str, int], official: Mapping[str, int]) -> float:
    """Probability of class counts that differ at least as much from the official shares, by a chi-squared test."""
    from scipy import stats

    total = sum(counts.values())
    if not total:
        return 1.0
    expected = [total * number / sum(official.values()) for number in official.values()]
    return float(stats.chisquare([counts.get(name, 0) for name in official], expected).pvalue)


def find_marker(root: Path) -> Path | None:
    """The marker of a lookalike in a folder, or in one of the two above it; None for another dataset."""
    folders = (root, *root.absolute().parents[:2])
    return next((folder / MARKER for folder in folders if (folder / MARKER).is_file()), None)


def _differing_labels(index: DatasetIndex, marker: Path) -> list[DatasetProblem]:
    try:
        written = parse_json(marker.read_text(encoding="utf-8"))
        dataset, labels = written["dataset"], dict(written["labels"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        return [DatasetProblem("contradiction", MARKER, f"expected the labels of a lookalike, got {error!r}: write it "
                               "again with mien data fake", marker)]
    if dataset != index.dataset:
        return [DatasetProblem("contradiction", MARKER, f"expected a lookalike of {index.dataset}, got one of "
                                                        f"{dataset}",
                               marker)]
    out = []
    for trial in index.trials:
        expected = labels.get(trial.id)
        if expected is None:
            out.append(DatasetProblem("contradiction", trial.id, "is not a trial of this lookalike", marker))
            continue
        for name, value in trial.labels.items():
            if name in expected and expected[name] != value:
                out.append(DatasetProblem("contradiction", trial.id, f"expected {name} {expected[name]}, got {value}",
                                          marker))
    return out
