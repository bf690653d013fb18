"""Is one of two better? Paired tests on the trials that both were judged by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mien import metrics
from mien.bench.run import PREDICTIONS


@dataclass(frozen=True)
class Comparison:
    """Of two benchmarks, by one checkpoint of each. `trials` both have; `only` (first, second): right in one alone,
    `mcnemar` its p; `people`, `gap` (median difference of their accuracies, first less second), `wilcoxon` its p, NaN
    where nobody is known."""

    checkpoint: str
    trials: int
    war: tuple[float, float]
    only: tuple[int, int]
    mcnemar: float
    people: int
    gap: float
    wilcoxon: float

    def lines(self, first: str, second: str) -> list[str]:
        """In words."""
        told = [f"{self.checkpoint}: {self.trials} trials, accuracy {100 * self.war[0]:.2f} % ({first}) and "
                f"{100 * self.war[1]:.2f} % ({second})",
                f"  McNemar over trials: right in the first alone {self.only[0]}, in the second alone {self.only[1]}, "
                f"p {self.mcnemar:.3g}" + " (clips of one person or film are not independent: p is too small)"]
        if self.people > 1:
            told.append(f"  Wilcoxon over {self.people} people: median difference {100 * self.gap:+.2f} points, "
                        f"p {self.wilcoxon:.3g}")
        return told


def compare(first: str | Path, second: str | Path) -> tuple[Comparison, ...]:
    """Two folders that `mien bench` wrote -> a comparison for each checkpoint.

    Raises FileNotFoundError for a folder without predictions, ValueError where the trials or their labels differ.
    """
    frames = [_read(Path(folder)) for folder in (first, second)]
    keys = ["dataset", "trial", "fold", "checkpoint"]
    both = frames[0].merge(frames[1], on=keys, suffixes=("", "_second"), validate="one_to_one")
    if len(both) < len(frames[0]) or len(both) < len(frames[1]):
        counts = [len(frame) // 2 for frame in frames]
        raise ValueError("--compare: expected two benchmarks of the same trials in the same folds, got "
                         f"{counts[0]} and {counts[1]} trials, {len(both) // 2} of them in both: judge both alike")
    if (both["label"] != both["label_second"]).any():
        raise ValueError("--compare: expected the same labels, got two rules of labels: compare recipes of one rule")
    return tuple(_compared(part, str(name)) for name, part in both.groupby("checkpoint", sort=False))


def _compared(both: pd.DataFrame, name: str) -> Comparison:
    right = [(both["predicted"] == both["label"]).to_numpy(), (both["predicted_second"] == both["label"]).to_numpy()]
    one, other, p = metrics.mcnemar(*right)
    gap, signed, people = float("nan"), float("nan"), 0
    if (both["subject"] != "").all():
        each = pd.DataFrame({"first": right[0], "second": right[1]}).groupby(
            (both["dataset"] + " " + both["subject"]).to_numpy()).mean()
        people = len(each)
        gap, signed = metrics.wilcoxon(each["first"].to_numpy(), each["second"].to_numpy())
    return Comparison(name, len(both), (float(np.mean(right[0])), float(np.mean(right[1]))), (one, other), p, people,
                      gap, signed)


def _read(folder: Path) -> pd.DataFrame:
    path = folder / PREDICTIONS
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: expected a finished benchmark with {PREDICTIONS}, got none: run mien bench "
                                f"with --out {folder} first")
    return pd.read_parquet(path)
