"""Features of frames kept from window to window: live, most frames of a window were in the one before it.

Exact, but for rounding, where a frame's feature is its own alone: zero-shot CLIP, DuSE without HTPC. HTPC tells the
image tower in its first layer which frame of the window it sees; a kept feature was told its place in the window in
which the frame was first read, and that is an approximation. `docs/live.md` says how far it goes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import torch

from mien.checkpoint.trained import Trained
from mien.data.prepare import prepare
from mien.models.duse import DuSE
from mien.types import Window

KEPT = 4096
"""Features that are kept, those used longest ago go first. Our choice: 8 MB at B/32, and enough for 32 people."""


class Reusing:
    """A `Trained` DuSE or zero-shot CLIP that reads each picture once. ValueError for a model of another kind."""

    def __init__(self, trained: Any) -> None:
        if not isinstance(trained, Trained) or not isinstance(trained.model, DuSE):
            raise ValueError("--reuse: expected a checkpoint of DuSE, or clip:, whose frames are read one by one, got "
                             "another model: leave it out")
        self.trained, self.model = trained, trained.model
        self.task, self.seconds, self.needs, self.doubt = trained.task, trained.seconds, trained.needs, trained.doubt
        self.pictures = self.fresh = 0  # asked for so far, and those that were read
        self._features: OrderedDict[bytes, torch.Tensor] = OrderedDict()

    @property
    def exact(self) -> bool:
        """Whether a frame's feature is the same at every place of a window."""
        htpc = self.model.htpc
        return htpc is None or not self.model.options.htpc or not bool(htpc.phase.any())

    def read(self, window: Window) -> np.ndarray:
        """A window of one person -> probabilities (K,). ValueError for one without a picture."""
        return self.read_all([window])[0]

    def read_all(self, windows: Sequence[Window]) -> np.ndarray:
        """Windows (N,), in the order of time -> probabilities (N, K)."""
        return np.concatenate([self._one(window) for window in windows])

    @torch.inference_mode()
    def _one(self, window: Window) -> np.ndarray:
        frames: Any = prepare([window], self.needs).frames
        names = [blake2b(picture.tobytes(), digest_size=16).digest() for picture in frames[0].numpy()]
        missing = {name: place for place, name in enumerate(names) if name not in self._features}
        self.pictures, self.fresh = self.pictures + len(names), self.fresh + len(missing)
        if missing:
            places = sorted(missing.values())
            device = next(self.model.parameters()).device
            found = self.model.frame_features(frames[:, places].to(device), places)[0]
            self._features |= {names[place]: feature for place, feature in zip(places, found, strict=True)}
        for name in names:
            self._features.move_to_end(name)
        video = torch.stack([self._features[name] for name in names])[None]
        while len(self._features) > KEPT:
            self._features.popitem(last=False)
        logits = self.model.judge(video).logits
        return (logits.double() / self.trained.temperature).softmax(dim=-1).cpu().numpy()
