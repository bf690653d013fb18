"""The paragraph on methods that a paper can quote, with versions and settings."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from mien.core.hashing import version as own_version
from mien.core.plain_text import counted
from mien.reporting.study.compute import Study
from mien.reporting.study.people import StudyRecording

REPORTED = {"step": "step {} s", "duration": "heart rate from the {} s before each value", "model": "model {}",
            "neutral": "neutral face {}", "detection_threshold": "detection threshold {}"}
"""Settings that a paper names."""


def methods_text(study: Study) -> str:
    """The paragraph as plain text.

    Args:
        study: The study.

    Returns:
        Sentences on the sample, the measurement, the statistics and the software.
    """
    tests = int(study.comparisons["p"].notna().sum())
    planned = "the columns that were chosen" if study.options.measures else "all measures"
    base = f" The baseline was {_list(study.baseline)}." if study.baseline else ""
    return " ".join((
        f"We analysed {counted(len(study.recordings), 'recording')} of "
        f"{counted(len(study.participants), 'participant')} in the conditions {_list(study.conditions)}.{base}",
        "Facial expression, action units and the heart rate were estimated from video with mien "
        f"{_versions(study.recordings, 'mien')} ({_settings(study.recordings)}; "
        f"{', '.join(f'{name} {_versions(study.recordings, name)}' for name in _engines(study.recordings))}).",
        "Expressions are what faces show, not what people feel. Values that could not be measured were missing, not "
        "zero. For each participant and condition we averaged the values over the time of the condition. A mean "
        f"counted if values covered at least {study.options.min_coverage:.0%} of the condition.",
        f"Conditions were compared in pairs for {planned} by two-sided paired t tests with the effect size dz (mean "
        "difference over the standard deviation of the differences) and 95 % intervals. The p values were adjusted "
        f"over all {tests} tests (Holm 1979). A linear mixed model with the condition as fixed effect and a random "
        "intercept for each participant, fitted with restricted maximum likelihood, tested each measure over all "
        "conditions (F test with the degrees of freedom within participants); its p values were adjusted over all "
        f"{int(study.models['p'].notna().sum())} measures.",
        f"Statistics: mien {own_version()}, numpy {version('numpy')}, scipy {version('scipy')}, pandas "
        f"{version('pandas')}, Python {platform.python_version()}.",
    ))


def _list(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _engines(recordings: Sequence[StudyRecording]) -> list[str]:
    return sorted({name for each in recordings for name in each.versions} - {"mien"})


def _versions(recordings: Sequence[StudyRecording], package: str) -> str:
    """The version of a package in all analyses; several if they differ."""
    return " and ".join(sorted({each.versions.get(package, "unknown") for each in recordings})) or "unknown"


def _settings(recordings: Sequence[StudyRecording]) -> str:
    parts = []
    for name, text in REPORTED.items():
        values = sorted({_shown(each.settings.get(name)) for each in recordings})
        if values and values != [""]:
            parts.append(text.format(" or ".join(value or "estimated" for value in values)))
    return ", ".join(parts) or "settings unknown"


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None or isinstance(value, Mapping) else str(value)
