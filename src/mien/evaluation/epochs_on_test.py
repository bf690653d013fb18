"""Score every epoch on the test side, for a comparison with papers that report the best epoch on test.

Such a score is too high: the test side chose it. It is shown in a column of its own, it never selects a checkpoint, and
a training with it ends with the same weights as one without.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import torch

from mien.core import atomic_files
from mien.datasets.labels import Targets
from mien.evaluation.predict import model_predictions
from mien.evaluation.scores import score
from mien.preprocessing.data_loader import WindowReader

EPOCHS = "test-epochs.csv"
"""One row for each epoch: its number and every measure of the test side, 0..1."""

NAME = "best_on_test"


class TestEpochs:
    """A callback of `training.fit` that scores the model on the test side after each epoch, into `EPOCHS`.

    Args:
        folder: the folder of the fold.
        targets: the test trials, or their windows.
        source: reads the window of a trial.
        windowed: whether `targets` are windows, to be averaged over each trial.
        views: number of test-time views.
    """

    __test__ = False  # pytest takes the name for a test's

    def __init__(self, folder: Path, targets: Targets, source: WindowReader, windowed: bool, views: int = 1) -> None:
        self.path, self.targets, self.source = folder / EPOCHS, targets, source
        self.windowed, self.views = windowed, views

    def __call__(self, model: Any, epoch: int) -> None:
        """Score one epoch. The random numbers of the training do not change, nor does the model."""
        was_training = model.training
        with torch.random.fork_rng(devices=[]), torch.no_grad(), model.eval().scoring():
            predictions = model_predictions(model, self.targets, self.source, self.windowed, views=self.views)
        model.train(was_training)
        values = score(predictions.table(self.targets), self.targets.rule.task).values()
        rows = self._rows()
        rows = [row for row in rows if row["epoch"] < epoch]  # a training that resumes repeats some epochs
        frame = pd.DataFrame([*rows, {"epoch": epoch, **{name: float(value) for name, value in values.items()}}])
        self.path.parent.mkdir(parents=True, exist_ok=True)
        atomic_files.table(self.path, frame)

    def best(self, measure: str) -> dict[str, float]:
        """The scores of the epoch with the highest `measure` on the test side, with its number as `epoch`."""
        return max(self._rows(), key=lambda row: row[measure])

    def _rows(self) -> list[dict[str, float]]:
        if not self.path.exists():
            return []
        return [{str(name): float(value) for name, value in row.items()}
                for row in pd.read_csv(self.path).to_dict("records")]
