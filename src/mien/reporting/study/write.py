"""Write a study into a folder: the page, the tables, the paragraph on methods and the plots."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from mien.core import atomic_files
from mien.reporting.study.compute import Study
from mien.reporting.study.methods_text import methods_text
from mien.reporting.study.page import study_page

PAGE = "study.html"

FILES = (
    ("long.csv", "A row for each participant, condition and measure, for R, JASP and SPSS (tidy form)."),
    ("wide.csv", "A row for each participant and a column for each measure and condition, for repeated "
                 "measures in SPSS and JASP."),
    ("conditions.csv", "The table Conditions."),
    ("comparisons.csv", "The table Comparisons in pairs."),
    ("mixed_model.csv", "The table All conditions at once."),
    ("methods.txt", "The paragraph on methods."),
)
PLOTS = ("plots/", "Each chart as SVG and PDF.")


def write_study(study: Study, out: Path) -> Path:
    """Write a study.

    Plots for papers need matplotlib; without it, there is no folder plots.

    Args:
        study: The study.
        out: The folder to write into.

    Returns:
        The page.

    Raises:
        OSError: A file cannot be written.
    """
    files = list(FILES)
    if has_plots():
        from mien.reporting.study.plots import write_plots

        write_plots(study, out / "plots")
        files.append(PLOTS)
    tables = {"long.csv": study.long, "wide.csv": wide_table(study), "conditions.csv": study.descriptives,
              "comparisons.csv": study.comparisons, "mixed_model.csv": study.models}
    for name, table in tables.items():
        atomic_files.table(out / name, table)
    atomic_files.text(out / "methods.txt", methods_text(study) + "\n")
    atomic_files.text(out / PAGE, study_page(study, files))
    return out / PAGE


def has_plots() -> bool:
    """Whether matplotlib is installed, which draws the plots for papers."""
    return find_spec("matplotlib") is not None


def wide_table(study: Study) -> pd.DataFrame:
    """The means that count, a row for each participant and a column MEASURE_CONDITION for each pair."""
    first = study.long.drop_duplicates("participant").set_index("participant")
    out = first.reindex(list(study.participants))[list(study.traits)].reset_index()
    for measure in study.measures:
        table = study.means(measure)
        for condition in study.conditions:
            name = re.sub(r"\W+", "_", f"{measure}_{condition}")
            while name in out:
                name += "_"
            out[name] = table[condition].to_numpy()
    return out
