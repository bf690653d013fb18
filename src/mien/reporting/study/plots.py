"""Plots of a study for papers, as SVG and PDF; they need matplotlib (`pip install "mien[study]"`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from mien.core import atomic_files
from mien.reporting.study.charts import mean_interval, value_range
from mien.reporting.study.compute import Study
from mien.reporting.study.measure_names import measure_name, measure_unit

SETTINGS = {"svg.fonttype": "none", "pdf.fonttype": 42, "svg.hashsalt": "mien", "font.size": 9.0,
            "axes.spines.top": False, "axes.spines.right": False}
"""Text stays text in both formats, and the same study gives the same file."""

COLOUR = "#17667f"


def write_plots(study: Study, folder: Path) -> None:
    """Write a plot of each measure as NAME.svg and NAME.pdf.

    Args:
        study: The study.
        folder: The folder to write into.

    Raises:
        OSError: A file cannot be written.
    """
    for measure in study.measures:
        table = study.means(measure)
        with rc_context(SETTINGS):  # type: ignore[arg-type]  # the stubs want literal names
            width = 1.2 + 0.9 * len(study.conditions)
            figure = Figure(figsize=(width, 2.6))
            axes = figure.subplots(gridspec_kw={"left": 0.75 / width, "right": 0.98, "top": 0.96, "bottom": 0.12})
            places = np.arange(len(study.conditions))
            axes.plot(places, table.to_numpy(float).T, color="#8a949b", linewidth=0.6, alpha=0.6, marker=".",
                      markersize=2)
            limits = np.array([mean_interval(table[name].to_numpy(float)) for name in study.conditions])
            axes.errorbar(places, limits[:, 0], [limits[:, 0] - limits[:, 1], limits[:, 2] - limits[:, 0]],
                          color=COLOUR, linewidth=1.6, marker="o", markersize=5, capsize=0)
            axes.set_xticks(places, study.conditions)
            axes.set_xlim(-0.5, len(places) - 0.5)
            axes.set_ylim(*value_range(table))
            unit = measure_unit(measure)
            axes.set_ylabel(f"{measure_name(measure)}{f' ({unit})' if unit else ''}")
            for suffix, metadata in ((".svg", {"Date": None}), (".pdf", {"CreationDate": None})):
                with atomic_files.replacing(folder / f"{measure}{suffix}") as temporary:
                    figure.savefig(temporary, metadata=metadata)
