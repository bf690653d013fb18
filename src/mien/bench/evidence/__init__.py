"""Do the parts of the three methods do what their papers say, on synthetic people with known truth and confounds?

    found = run(EVIDENCE["mvp"], "runs/evidence/mvp", seeds=3, workers=2)
    write(found, Path("runs/evidence/mvp"))            # table.md, table.csv, scores.json
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mien import writing
from mien.bench.evidence import duse, mvp, scpt
from mien.bench.evidence.study import Claim, Found, Study, read, run
from mien.bench.evidence.tables import findings, markdown, page, write

__all__ = ["ALL", "EVIDENCE", "Claim", "Found", "Study", "asked", "collect", "findings", "markdown", "page", "read",
           "run", "write"]

ALL = "all"
EVIDENCE: dict[str, Study] = {study.name: study for study in (duse.STUDY, scpt.STUDY, mvp.STUDY)}
"""Every study by its name."""


def asked(name: str) -> tuple[Study, ...]:
    """`duse`, or `all`. ValueError for what is neither."""
    if name == ALL:
        return tuple(EVIDENCE.values())
    if name not in EVIDENCE:
        known = ", ".join(f"evidence/{one}" for one in (*EVIDENCE, ALL))
        raise ValueError(f"evidence: expected one of {known}, got {f'evidence/{name}'!r}")
    return (EVIDENCE[name],)


def collect(out: str | Path, path: str | Path) -> Sequence[str]:
    """Write the page of every study that is finished below `out` -> their names. FileNotFoundError where none is."""
    founds, told = [], {}
    for name, study in EVIDENCE.items():
        place = Path(out) / name / "scores.json"
        if place.is_file():
            told[name] = json.loads(place.read_text(encoding="utf-8"))
            founds.append(read(study, place.parent, told[name]["seeds"], told[name]["tiny"]))
    if not founds:
        raise FileNotFoundError(f"--page: expected a finished study below {out}, got none: run evidence/all first")
    writing.text(path, page(founds, told))
    return list(told)
