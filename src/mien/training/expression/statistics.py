"""Statistics of real faces that the simulation draws from: neutral faces, and what a smile does to the same person."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from mien.core.tasks import ACTION_UNITS
from mien.face.au_regression import MATRIX, NOISE
from mien.face.distances import MEASURES
from mien.face.population import Population

_SMILE, _PART = ACTION_UNITS.index("AU12"), ACTION_UNITS.index("AU25")
_CORNER = [MEASURES.index(name) for name in ("corner_rise", "corner_out", "corner_depth")]
_GAP = MEASURES.index("lip_gap")

FITTED = (_SMILE, _PART)
"""Indices of the units whose effects come from people; those of the others come from the published table."""

SOURCE = ("142 neutral and 102 smiling faces: Face Research Lab London Set, DeBruine & Jones 2017, "
          "10.6084/m9.figshare.5047666, and 40 young adults by the same authors, "
          "10.6084/m9.figshare.4220517; both CC BY 4.0")
"""Of the statistics in the package: means and covariances alone, no picture."""

# our choice: people who are asked to smile do so at every grade from B to E alike, 3.5 of 5 on average.
_POSED = 3.5


@dataclass(frozen=True, eq=False)
class FaceStatistics:
    """What the simulation knows of real faces.

    Attributes:
        population: Neutral faces.
        effects: (M, A + 1) in mm for each unit of intensity; the last column is for each mm of vertical gaze.
        spread: Standard deviation between people of an effect on a measure, as a share of the effect.
        omitted: What the published table leaves out of a unit: standard deviation of what a measure moves beyond it, in
            units of the measure's noise, as a share of the unit's size in these units.
        together: (M, M) correlation of these differences between measures: a cheek goes with its corner of the mouth.
        people: Ids of the people behind it.
    """

    population: Population
    effects: np.ndarray
    spread: float
    omitted: float
    together: np.ndarray
    people: tuple[str, ...] = ()


def face_statistics(neutral: np.ndarray, before: np.ndarray, smiling: np.ndarray, people: tuple[str, ...] = ()
                    ) -> FaceStatistics:
    """Estimate the statistics from measures of real faces.

    A smile is modelled as a movement of the corners of the mouth and a gap between the lips; the other measures follow
    both linearly (least squares over the pairs). The residuals beyond the noise of the measures are the spread between
    people.

    Args:
        neutral: (N, M) mm, neutral faces of different people.
        before: (P, M) mm, the neutral faces of people who also smile.
        smiling: (P, M) mm, the same people, smiling.
        people: Ids of the people, for the card.

    Returns:
        The statistics; the effects of units that no pair shows are those of the published table.
    """
    moved = smiling - before
    drivers = np.stack([moved[:, _CORNER].sum(axis=1), np.maximum(moved[:, _GAP], 0)], axis=1)
    follow = np.linalg.lstsq(drivers, moved, rcond=None)[0]  # (2, M) mm for each mm
    amplitude = float(drivers[:, 0].mean())
    effects = MATRIX.copy()
    effects[:, _SMILE] = follow[0] * amplitude / _POSED
    effects[:, _PART] = follow[1] * MATRIX[_GAP, _PART]
    residual = moved - drivers @ follow
    parts = (drivers**2 @ follow**2).mean(axis=0)
    beyond = np.maximum((residual**2).mean(axis=0) - 2 * (0.5 * NOISE) ** 2, 0)
    spread = float(np.sqrt(beyond[parts > 1].sum() / parts[parts > 1].sum()))
    together = Population.of(residual).covariance
    scale = np.sqrt(np.diag(together))
    return FaceStatistics(Population.of(neutral), effects, spread, _omitted(effects), together / np.outer(scale, scale),
                          people)


def _omitted(effects: np.ndarray) -> float:
    """By the two units that were estimated, apart from their overall strength: `FaceStatistics.omitted`."""
    shares = []
    for unit in FITTED:
        scaled, table = effects[:, unit] / NOISE, MATRIX[:, unit] / NOISE
        rest = scaled - table * (scaled @ table) / (table @ table)
        shares.append(np.sqrt((rest**2).mean()) / np.linalg.norm(scaled))
    return float(np.mean(shares))


def save_statistics(statistics: FaceStatistics, path: Path) -> None:
    """Write statistics as JSON, with their source."""
    values = {"source": SOURCE, "people": len(statistics.people), "measures": list(MEASURES),
              "count": statistics.population.count, "mean": statistics.population.mean.round(4).tolist(),
              "covariance": statistics.population.covariance.round(5).tolist(),
              "effects": statistics.effects.round(5).tolist(), "spread": round(statistics.spread, 4),
              "omitted": round(statistics.omitted, 4), "together": statistics.together.round(4).tolist()}
    path.write_text(json.dumps(values) + "\n", encoding="utf-8")


def shipped_statistics() -> FaceStatistics:
    """The statistics in the package."""
    text = (resources.files("mien.training.expression") / "statistics.json").read_text(encoding="utf-8")
    values = json.loads(text)
    population = Population(np.array(values["mean"]), np.array(values["covariance"]), values["count"])
    return FaceStatistics(population, np.array(values["effects"]), values["spread"],
                          values["omitted"], np.array(values["together"]))
