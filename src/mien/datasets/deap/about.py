"""Gender and title from the other tables, where they are: what their columns are called is looked for, not assumed."""

from __future__ import annotations

import re
from dataclasses import replace

from mien.types import Trial

from .. import tables
from ..layout import Tree
from ..survey import Problem

Named = dict[tuple[str, int], dict[str, str]]

WANTED = (
    ("participant_questionnaire.csv", "subject", r"participant.?id", {"gender": r"gender|sex", "age": r"age"}),
    ("video_list.csv", "film", r"experiment.?id", {"title": r"title", "artist": r"artist"}),
)


def read(found: Tree, problems: list[Problem]) -> Named:
    """What the tables say of participants and films, by ("subject" or "film", number)."""
    named: Named = {}
    for name, kind, key, columns in WANTED:
        path = next((path for path in found.files if path.name.lower() == name), None)
        if path is None:
            continue
        try:
            table = tables.read(path, ())
        except tables.TableError as error:
            problems.append(tables.problem(error, path))
            continue
        header = {wanted: next((column for column in table.columns if re.fullmatch(pattern, column, re.IGNORECASE)), "")
                  for wanted, pattern in {"key": key, **columns}.items()}
        for _, cells in table.rows:
            number = re.search(r"\d{1,9}", cells.get(header["key"], ""))
            if number:
                named[kind, int(number.group())] = {
                    wanted: cells[column] for wanted, column in header.items()
                    if wanted != "key" and tables.known(cells.get(column, ""))
                }
    return named


def added(trial: Trial, named: Named) -> Trial:
    """The trial with what is known of its participant and film."""
    more = named.get(("subject", int(trial.subject[1:])), {}) | named.get(("film", int(trial.about["film"])), {})
    return replace(trial, about=trial.about | more) if more else trial
