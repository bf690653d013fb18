"""Lookalikes of datasets whose films show nobody: formats, tables and marks are as ever, and they are written fast."""

from __future__ import annotations

import numpy as np
import pytest

from mien import simulation
from mien.core.observations import Frame
from mien.simulation.datasets import LOOKALIKES
from mien.simulation.datasets.truth import DatasetTruth


class Flat:
    """Stands in for the renderer where a test asks for formats and marks, not for faces: grey, the scene's times."""

    def __init__(self, actors, size, fps, seconds, **_):
        self.count, self.fps = round(seconds * fps), fps
        self.rgb = np.full((size[1], size[0], 3), 110, np.uint8)

    def frames(self):
        return (Frame(k / self.fps, self.rgb) for k in range(self.count))


def written(tmp_path_factory, name: str, **options) -> DatasetTruth:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "Scene", Flat)
        return LOOKALIKES[name](tmp_path_factory.mktemp(name), **options)
