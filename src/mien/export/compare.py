"""How far an exported model is from torch in float32, probability by probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class Parity:
    """Probabilities (N, K) of N clips: `torch` in float32, `exported` as it runs here; `seen` (N,): whether a clip was
    calibrated on. `names` (N,), `classes` (K,)."""

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
        """The largest change of a probability."""
        return float(np.abs(self.exported - self.torch).max())

    @property
    def relabelled(self) -> np.ndarray:
        """(N,) whether the label is another one."""
        return self.exported.argmax(axis=1) != self.torch.argmax(axis=1)

    def table(self) -> DataFrame:
        """A row a clip and class: torch, exported, change."""
        count = len(self.classes)
        torch, exported = self.torch.ravel(), self.exported.ravel()
        return DataFrame({
            "clip": np.repeat(self.names, count), "calibrated_on": np.repeat(self.seen, count),
            "class": list(self.classes) * len(self.names), "torch": torch, "exported": exported,
            "change": exported - torch})

    def told(self) -> dict[str, Any]:
        """In a few numbers, for the card."""
        unseen = ~self.seen
        change = np.abs(self.exported - self.torch)
        return {"clips": len(self.names), "largest_change": self.largest, "mean_change": float(change.mean()),
                "largest_change_not_calibrated_on": float(change[unseen].max()) if unseen.any() else None,
                "other_label": int(self.relabelled.sum())}


def rows(parity: Parity, most: int) -> Sequence[str]:
    """Lines of text: for each clip, the most changed first, the label and every probability, torch -> exported."""
    change = np.abs(parity.exported - parity.torch).max(axis=1)
    lines = []
    for i in np.argsort(-change, kind="stable")[:most]:
        cells = ", ".join(f"{name} {a:.3f} -> {b:.3f}" for name, a, b in
                          zip(parity.classes, parity.torch[i], parity.exported[i], strict=True))
        lines.append(f"{parity.names[i]}{' (other label)' * bool(parity.relabelled[i])}: {cells}")
    return lines
