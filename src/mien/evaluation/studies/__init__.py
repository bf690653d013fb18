"""Do the parts of the three methods do what their papers say, on synthetic people with known truth and confounds?

    result = run_study(EVIDENCE["mvp"], "runs/evidence/mvp", seeds=8, workers=2)
    write_page(result, Path("runs/evidence/mvp"))           # table.md, table.csv, scores.json
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mien.core import atomic_files
from mien.core.read_json import read_json
from mien.evaluation.studies import duse, duse_order, mvp, scpt, scpt_pulse
from mien.evaluation.studies.experiment import ArmResult, Claim, EvidenceStudy, read_results, run_study
from mien.evaluation.studies.tables import markdown, page, write_page
from mien.evaluation.studies.verdicts import study_results

__all__ = [
    "ALL",
    "EVIDENCE",
    "ArmResult",
    "Claim",
    "EvidenceStudy",
    "collect",
    "find_studies",
    "markdown",
    "page",
    "read_results",
    "run_study",
    "study_results",
    "write_page",
]

ALL = "all"
EVIDENCE: dict[str, EvidenceStudy] = {study.name: study for study in (
    duse_order.STUDY, duse.STUDY, scpt_pulse.STUDY, scpt.STUDY, mvp.STUDY)}
"""Every study by its name."""


def find_studies(name: str) -> tuple[EvidenceStudy, ...]:
    """The studies of a name such as `duse-order`, of a method such as `duse`, or of `all`.

    Raises:
        ValueError: The name is unknown.
    """
    chosen = tuple(study for study in EVIDENCE.values() if name in (ALL, study.name, study.name.split("-")[0]))
    if not chosen:
        known = ", ".join(f"evidence/{study}" for study in (*EVIDENCE, "duse", "scpt", ALL))
        raise ValueError(f"evidence: expected one of {known}, got {f'evidence/{name}'!r}")
    return chosen


def collect(out: str | Path, path: str | Path) -> Sequence[str]:
    """Write one page for all finished studies.

    Args:
        out: Folder of the studies.
        path: The page.

    Returns:
        The names of the studies.

    Raises:
        FileNotFoundError: There is no finished study.
    """
    results, scores = [], {}
    for name, study in EVIDENCE.items():
        place = Path(out) / name / "scores.json"
        if place.is_file():
            scores[name] = read_json(place)
            results.append(read_results(study, place.parent, scores[name]["seeds"], scores[name]["tiny"]))
    if not results:
        raise FileNotFoundError(f"--page: expected a finished study below {out}, got none: run evidence/all first")
    atomic_files.text(path, page(results, scores, [name for name in EVIDENCE if name not in scores]))
    return list(scores)
