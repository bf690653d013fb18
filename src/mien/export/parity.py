"""Compare the probabilities of an exported model with those of torch in float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class Parity:
    """Probabilities (N, K) of N clips.

    `torch`: in float32; `exported`: on this machine; `seen` (N,): whether the calibration used the clip; `names` (N,);
    `classes` (K,).

    Raises:
        ValueError: the shapes do not fit, or a probability is not finite.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    torch: np.ndarray
    exported: np.ndarray
    seen: np.ndarray

    def __post_init__(self) -> None:
        shape = len(self.names), len(self.classes)
        if self.torch.shape != shape or self.exported.shape != shape or self.seen.shape != shape[:1]:
            raise ValueError(f"Parity: expected probabilities {shape}, got {self.torch.shape}, {self.exported.shape}")
        if not np.isfinite(self.exported).all():
            raise ValueError("Parity: expected finite probabilities of the exported model, got NaN: do not use it")

    @property
    def largest(self) -> float:
        """The largest absolute change of a probability."""
        return float(np.abs(self.exported - self.torch).max())

    @property
    def relabelled(self) -> np.ndarray:
        """(N,) whether the predicted label changes."""
        return self.exported.argmax(axis=1) != self.torch.argmax(axis=1)

    def table(self) -> DataFrame:
        """One row for each clip and class: torch, exported, change."""
        count = len(self.classes)
        torch, exported = self.torch.ravel(), self.exported.ravel()
        return DataFrame({
            "clip": np.repeat(self.names, count), "calibrated_on": np.repeat(self.seen, count),
            "class": list(self.classes) * len(self.names), "torch": torch, "exported": exported,
            "change": exported - torch})

    def summary(self) -> dict[str, Any]:
        """The summary for the card."""
        unseen = ~self.seen
        change = np.abs(self.exported - self.torch)
        largest_unseen = float(change[unseen].max()) if unseen.any() else None
        return {"clips": len(self.names), "largest_change": self.largest, "mean_change": float(change.mean()),
                "largest_change_not_calibrated_on": largest_unseen, "other_label": int(self.relabelled.sum())}


def parity_lines(parity: Parity, most: int) -> Sequence[str]:
    """Lines with every probability, torch -> exported, for the `most` clips with the largest changes, in this order."""
    change = np.abs(parity.exported - parity.torch).max(axis=1)
    lines = []
    for i in np.argsort(-change, kind="stable")[:most]:
        cells = ", ".join(f"{name} {a:.3f} -> {b:.3f}" for name, a, b in
                          zip(parity.classes, parity.torch[i], parity.exported[i], strict=True))
        name = parity.names[i]
        if parity.relabelled[i]:
            name += " (other label)"
        lines.append(f"{name}: {cells}")
    return lines
