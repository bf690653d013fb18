"""`mien train expression/simulated`: from the statistics in the package to a head and its card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mien.datasets.labelled_faces import LabelledFaces
from mien.face.expression_head import HEAD_FILE, ExpressionHead
from mien.training.expression.fit import HeadSettings, fit_head
from mien.training.expression.measured_faces import MeasuredFaces
from mien.training.expression.own_labels import fit_labels, judge_labels, scores
from mien.training.expression.statistics import SOURCE, shipped_statistics

TINY = HeadSettings(faces=20_000, held_out=4_000, epochs=2)
"""Settings that only check that the training runs."""


def train_simulated(folder: Path, seed: int = 0, settings: HeadSettings | None = None
                    ) -> tuple[ExpressionHead, dict[str, float]]:
    """Train the head that the package ships, and write `simulated.npz` and its card `simulated.json`.

    Args:
        folder: Of both files; it is made.
        seed: Of the simulation and the training.
        settings: How; None: as the shipped head.

    Returns:
        The head, and its figures on simulated people that it did not learn from.
    """
    settings = settings or HeadSettings()
    head, figures = fit_head(shipped_statistics(), settings, seed)
    folder.mkdir(parents=True, exist_ok=True)
    head.save(folder / "simulated.npz", _card(settings, seed, figures))
    return head, figures


def train_own(labelled: LabelledFaces, faces: MeasuredFaces, folder: Path) -> dict[str, Any]:
    """Train a head on labelled faces, and write `head.npz` and its card `head.json`.

    Args:
        found: The set.
        faces: The same, measured.
        folder: Of both files; it is made.

    Returns:
        The card.
    """
    head, pull = fit_labels(faces)
    judged = judge_labels(faces)
    figures = {title: score for title, given in (("no neutral", False), ("own neutral", True))
               if (score := scores(judged.trained, faces, given)) is not None}
    card: dict[str, Any] = {
        "name": f"expression/{labelled.layout}",
        "classes": list(faces.classes),
        "files": len(labelled.faces) - len(faces.missed),
        "people": len(set(faces.person.tolist())),
        "terms_of_the_data": labelled.terms,
        "learnt_from": f"{labelled.layout}: measures of the faces alone; no picture is in the head",
        "built_on": "expression/simulated, whose card is in the package",
        "pull_to_the_built_in_head": pull,
        "temperature": round(head.temperature, 3),
        "uar_of_people_left_out": {title: round(score[1], 4) for title, score in figures.items()},
        "recall_of_people_left_out": {title: {name: round(float(value), 4) for name, value in
                                              zip(faces.classes, score[0], strict=True) if np.isfinite(value)}
                                      for title, score in figures.items()},
        "calibration_error_of_people_left_out": {title: round(score[2], 4) for title, score in figures.items()},
        "notes": list(labelled.notes),
    }
    folder.mkdir(parents=True, exist_ok=True)
    head.save(folder / HEAD_FILE, card)
    return card


def _card(settings: HeadSettings, seed: int, figures: dict[str, float]) -> dict[str, object]:
    return {
        "name": "expression/simulated",
        "command": f"mien train expression/simulated --seed {seed}",
        "learnt_from": f"{settings.faces} simulated frames: measures drawn from statistics, no picture",
        "statistics": SOURCE,
        "prototypes": "Du, Tao & Martinez 2014 (10.1073/pnas.1322355111), table 1; Ekman, Friesen & Hager 2002, FACS "
                      "Investigator's Guide, prototypes and major variants",
        "licence": "Apache-2.0; the statistics CC BY 4.0",
        "on_simulated_people_not_learnt_from": {name: round(value, 4) for name, value in figures.items()},
        "measured_on_real_faces": "benchmarks/london.py: happy and neutral only, 142 adults in a studio; angry, sad, "
                                  "disgust and fear were measured on no real face",
    }
