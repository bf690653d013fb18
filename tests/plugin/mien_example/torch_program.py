"""The file of torch.export as an export format: torch itself reads it, without the code of the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mien.checkpoints.factory import Precision
from mien.checkpoints.formats import ExportFormat, Run


def write(program: Any, clips: Sequence[np.ndarray], path: Path) -> None:
    """Write an exported program to `path`. `clips` are empty: this format has no int8."""
    torch.export.save(program, path)


def load(path: Path, precision: Precision) -> Run:
    """Load what `write` wrote: a function from frames uint8 (1, T, 3, S, S) to logits (1, K)."""
    module = torch.export.load(path).module()

    def run(frames: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            logits, _ = module(torch.from_numpy(frames))
        return logits.numpy()

    return run


FORMAT = ExportFormat(files=("model.pt2",), load=load)
