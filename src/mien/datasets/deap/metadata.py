"""Gender, age, title and artist from the metadata tables of DEAP, if present; columns are matched by pattern."""

from __future__ import annotations

import re
from dataclasses import replace

from mien.core.trials import Trial
from mien.datasets.index import DatasetProblem
from mien.datasets.readers import tables
from mien.datasets.scan import Tree

Named = dict[tuple[str, int], dict[str, str]]

WANTED = (
    ("participant_questionnaire.csv", "subject", r"participant.?id", {"gender": r"gender|sex", "age": r"age"}),
    ("video_list.csv", "film", r"experiment.?id", {"title": r"title", "artist": r"artist"}),
)


def read_metadata(listing: Tree, problems: list[DatasetProblem]) -> Named:
    """Metadata of participants and films, by ("subject" or "film", number)."""
    named: Named = {}
    for name, kind, key, columns in WANTED:
        path = next((path for path in listing.files if path.name.lower() == name), None)
        if path is None:
            continue
        try:
            table = tables.read_table(path, ())
        except tables.TableError as error:
            problems.append(tables.as_problem(error, path))
            continue
        header = {field: next((column for column in table.columns if re.fullmatch(pattern, column, re.IGNORECASE)), "")
                  for field, pattern in {"key": key, **columns}.items()}
        for _, cells in table.rows:
            number = re.search(r"\d{1,9}", cells.get(header["key"], ""))
            if number:
                named[kind, int(number.group())] = {
                    field: cells[column] for field, column in header.items()
                    if field != "key" and tables.known(cells.get(column, ""))
                }
    return named


def with_metadata(trial: Trial, named: Named) -> Trial:
    """Add the metadata of its participant and film to a trial."""
    more = named.get(("subject", int(trial.subject[1:])), {}) | named.get(("film", int(trial.about["film"])), {})
    if not more:
        return trial
    return replace(trial, about=trial.about | more)
