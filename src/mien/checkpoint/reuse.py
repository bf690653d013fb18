"""Features of frames kept from window to window: live, most frames of a window were in the one before it.

A feature is exact, but for rounding, where it is its frame's alone: zero-shot CLIP, DuSE without HTPC. HTPC tells the
image tower in its first layer which frame of the window it sees; a kept feature was told its place in the window in
which the frame was first read, and that is an approximation; `docs/live.md` says how far it goes. Of each segment of a
window a frame that was read before is preferred to the middle one, as in training any of them is taken.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import numpy as np
import torch

from mien.checkpoint.trained import Trained
from mien.data.prepare import prepare
from mien.models.duse import DuSE
from mien.types import Window
from mien.video import pick_frames

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
        faces = self._picked(window.faces)
        frames: Any = prepare([replace(window, faces=faces, pictured=np.zeros(len(faces)))], self.needs).frames
        picked = np.minimum(np.arange(frames.shape[1]), len(faces) - 1)  # too few repeat the last, as in `prepare`
        names = [_name(faces[place]) for place in picked]
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

    def _picked(self, faces: np.ndarray | None) -> np.ndarray:
        """Of each segment of the window a picture that was read already, the one next to its middle, or that itself."""
        wanted = self.needs.frames or 1
        if faces is None or len(faces) < wanted:
            return np.empty((0, 1, 1, 3), np.uint8) if faces is None else faces
        edges = np.arange(wanted + 1) * len(faces) // wanted
        found = []
        for middle, low, high in zip(pick_frames(len(faces), wanted), edges, edges[1:], strict=False):
            nearest = sorted(range(low, high), key=lambda place: abs(place - middle))
            found.append(next((place for place in nearest if _name(faces[place]) in self._features), middle))
        return faces[found]


def _name(picture: np.ndarray) -> bytes:
    """Two pictures are one where they are the same to the last bit, whoever's they are."""
    return blake2b(picture.tobytes(), digest_size=16).digest()
