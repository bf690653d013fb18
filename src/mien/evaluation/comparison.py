"""Compare two benchmarks of the same trials by paired tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mien.core.parquet import read_parquet
from mien.evaluation.cross_validation import PREDICTIONS
from mien.metrics import significance


@dataclass(frozen=True)
class Comparison:
    """Two benchmarks compared by one checkpoint of each.

    `trials`: number of common trials; `war`: accuracy of each, 0..1; `only`: trials that only the first, and only the
    second, predicts correctly; `mcnemar`: p of McNemar's test over trials; `people`: number of people, 0 if the dataset
    does not name them; `gap`: median difference of accuracy over people, first minus second; `wilcoxon`: p of
    Wilcoxon's signed-rank test over people. `gap` and `wilcoxon` are NaN without people.
    """

    checkpoint: str
    trials: int
    war: tuple[float, float]
    only: tuple[int, int]
    mcnemar: float
    people: int
    gap: float
    wilcoxon: float

    def lines(self, first: str, second: str) -> list[str]:
        """Describe the comparison in lines of text.

        Args:
            first: name of the first benchmark.
            second: name of the second.

        Returns:
            The lines.
        """
        lines = [f"{self.checkpoint}: {self.trials} trials, accuracy {100 * self.war[0]:.2f} % ({first}) and "
                 f"{100 * self.war[1]:.2f} % ({second})",
                 f"  McNemar over trials: right in the first alone {self.only[0]}, in the second alone {self.only[1]}, "
                 f"p {self.mcnemar:.3g}" + " (clips of one person or movie are not independent: p is too small)"]
        if self.people > 1:
            lines.append(f"  Wilcoxon over {self.people} people: median difference {100 * self.gap:+.2f} points, "
                         f"p {self.wilcoxon:.3g}")
        return lines


def compare(first: str | Path, second: str | Path) -> tuple[Comparison, ...]:
    """Compare two benchmarks with paired tests.

    Args:
        first: a folder that `mien bench` wrote.
        second: another one, of the same trials in the same folds.

    Returns:
        One comparison for each checkpoint.

    Raises:
        FileNotFoundError: a folder has no predictions.
        ValueError: the trials or their labels differ.
    """
    frames = [_read(Path(folder)) for folder in (first, second)]
    keys = ["dataset", "trial", "fold", "checkpoint"]
    both = frames[0].merge(frames[1], on=keys, suffixes=("", "_second"), validate="one_to_one")
    if len(both) < len(frames[0]) or len(both) < len(frames[1]):
        counts = [len(frame) // 2 for frame in frames]
        raise ValueError("--compare: expected two benchmarks of the same trials in the same folds, got "
                         f"{counts[0]} and {counts[1]} trials, {len(both) // 2} of them in both: evaluate both on the "
                         "same folds")
    if (both["label"] != both["label_second"]).any():
        raise ValueError("--compare: expected the same labels, got two label rules: compare recipes with one rule")
    return tuple(_compared(part, str(name)) for name, part in both.groupby("checkpoint", sort=False))


def _compared(both: pd.DataFrame, name: str) -> Comparison:
    right = [(both["predicted"] == both["label"]).to_numpy(), (both["predicted_second"] == both["label"]).to_numpy()]
    first_only, second_only, p = significance.mcnemar(*right)
    gap, signed, people = float("nan"), float("nan"), 0
    if (both["subject"] != "").all():
        each = pd.DataFrame({"first": right[0], "second": right[1]}).groupby(
            (both["dataset"] + " " + both["subject"]).to_numpy()).mean()
        people = len(each)
        gap, signed = significance.wilcoxon(each["first"].to_numpy(), each["second"].to_numpy())
    return Comparison(name, len(both), (float(np.mean(right[0])), float(np.mean(right[1]))),
                      (first_only, second_only), p, people, gap, signed)


def _read(folder: Path) -> pd.DataFrame:
    path = folder / PREDICTIONS
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: expected a finished benchmark with {PREDICTIONS}, got none: run mien bench "
                                f"with --out {folder} first")
    return read_parquet(path)
