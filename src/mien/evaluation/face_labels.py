"""How well heads read labelled faces of people left out: a table by class, beside the built-in head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mien.core import atomic_files
from mien.datasets.labelled_faces import LabelledFaces
from mien.training.expression.measured_faces import MeasuredFaces
from mien.training.expression.own_labels import FOLDS, HeldOutProbabilities, judge_labels, scores


def bench_faces(labelled: LabelledFaces, faces: MeasuredFaces, folder: Path) -> str:
    """Cross-validate by people, and write `table.md` and `predictions.csv`.

    Args:
        found: The set.
        faces: The same, measured.
        folder: Of both files; it is made.

    Returns:
        The table.
    """
    judged = judge_labels(faces)
    text = _table(labelled, faces, judged)
    folder.mkdir(parents=True, exist_ok=True)
    atomic_files.text(folder / "table.md", text)
    table = pd.DataFrame({"file": [str(labelled.faces[file].path) for file in faces.file], "person": faces.person,
                          "label": [faces.classes[place] for place in faces.target],
                          "own_neutral": np.asarray(faces.given, int)})
    probabilities = pd.DataFrame(np.asarray(judged.trained), columns=list(faces.classes)).round(4)
    atomic_files.table(folder / "predictions.csv", pd.concat([table, probabilities], axis=1))
    return text


def _table(labelled: LabelledFaces, faces: MeasuredFaces, judged: HeldOutProbabilities) -> str:
    columns = [("trained, no neutral", scores(judged.trained, faces, False)),
               ("trained, own neutral", scores(judged.trained, faces, True))]
    if judged.built_in is not None:
        columns += [("built-in, no neutral", scores(judged.built_in, faces, False)),
                    ("built-in, own neutral", scores(judged.built_in, faces, True))]
    shown = [(title, score) for title, score in columns if score is not None]
    lines = ["| class | files | " + " | ".join(title for title, _ in shown) + " |", "|---" * (2 + len(shown)) + "|"]
    files, first = np.unique(faces.file, return_index=True)
    for index, name in enumerate(faces.classes):
        count = int((faces.target[first] == index).sum())
        recalls = [f"{score[0][index]:.2f}" if np.isfinite(score[0][index]) else "-" for _, score in shown]
        lines.append(f"| {name} | {count} | {' | '.join(recalls)} |")
    lines.append(f"| mean of the classes (UAR) | {len(files)} | " +
                 " | ".join(f"{score[1]:.2f}" for _, score in shown) + " |")
    lines.append("| calibration error | | " + " | ".join(f"{score[2]:.2f}" for _, score in shown) + " |")
    people = len(set(faces.person.tolist()))
    lines += ["", f"{labelled.layout}: {people} people, recall of each class, {min(FOLDS, people)} folds of people, "
              f"chance {1 / len(faces.classes):.2f}; {len(faces.missed)} files without a face that can be read. "
              f"Terms of the data: {labelled.terms}.", *labelled.notes]
    return "\n".join(lines) + "\n"
