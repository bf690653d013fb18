"""Cache frame features between overlapping windows: in a live stream, most frames of a window were in the last one.

A cached feature is exact up to rounding if it depends on its frame alone, as in zero-shot CLIP or SigLIP 2 and in DuSE
without HTPC. HTPC encodes the position of the frame in the window; a cached feature keeps the position of its first
window, which is an approximation. `docs/live.md` reports its size. In each segment of a window, a cached frame is
preferred to the middle frame; training uses a random frame of the segment.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import numpy as np
import torch

from mien.checkpoints.predictor import Predictor
from mien.core.observations import Window
from mien.metrics.classification import probabilities
from mien.models.method import FrameFeatures
from mien.preprocessing.model_inputs import prepare_batch
from mien.video import pick_frames

MAX_FEATURES = 4096
"""Number of cached features; the least recently used is dropped first. Our choice: 8 MB at B/32, for 32 people."""


class FeatureCache:
    """A `Predictor` model with `FrameFeatures`, such as DuSE or zero-shot CLIP, that encodes each picture once.

    `pictures`: number of pictures so far; `fresh`: how many of them were encoded.

    Raises:
        ValueError: the model has no frame features.
    """

    def __init__(self, trained: Any) -> None:
        if not isinstance(trained, Predictor) or not isinstance(trained.model, FrameFeatures):
            raise ValueError("--reuse: expected a checkpoint with separate features of each frame, clip: or siglip:, "
                             "got another model: leave it out")
        self.trained: Predictor = trained
        self.model: Any = trained.model
        self.task, self.seconds, self.needs, self.doubt = trained.task, trained.seconds, trained.needs, trained.doubt
        self.pictures = self.fresh = 0
        self._features: OrderedDict[bytes, torch.Tensor] = OrderedDict()

    @property
    def exact(self) -> bool:
        """Whether the feature of a frame is the same at every position of a window."""
        return self.model.frames_independent

    def predict_window(self, window: Window) -> np.ndarray:
        """Probabilities (K,) for a window of one person. Raises ValueError for a window without a picture."""
        return self.predict_proba([window])[0]

    def predict_proba(self, windows: Sequence[Window]) -> np.ndarray:
        """Probabilities (N, K) for windows (N,) in temporal order."""
        return np.concatenate([self._probabilities(window) for window in windows])

    @torch.inference_mode()
    def _probabilities(self, window: Window) -> np.ndarray:
        faces = self._picked(window.faces)
        frames: Any = prepare_batch([replace(window, faces=faces, pictured=np.zeros(len(faces)))], self.needs).frames
        picked = np.minimum(np.arange(frames.shape[1]), len(faces) - 1)  # repeats the last frame, as `prepare` does
        names = [_name(faces[place]) for place in picked]
        missing = {name: place for place, name in enumerate(names) if name not in self._features}
        self.pictures, self.fresh = self.pictures + len(names), self.fresh + len(missing)
        if missing:
            places = sorted(missing.values())
            device = next(self.model.parameters()).device
            features = self.model.frame_features(frames[:, places].to(device), places)[0]
            self._features |= {names[place]: feature for place, feature in zip(places, features, strict=True)}
        for name in names:
            self._features.move_to_end(name)
        video = torch.stack([self._features[name] for name in names])[None]
        while len(self._features) > MAX_FEATURES:
            self._features.popitem(last=False)
        logits = self.model.predict_features(video).logits
        return probabilities(logits.double().cpu().numpy(), self.trained.temperature)

    def _picked(self, faces: np.ndarray | None) -> np.ndarray:
        """One picture of each segment: the cached one closest to the middle, or the middle one if none is cached."""
        count = self.needs.frames or 1
        if faces is None:
            return np.empty((0, 1, 1, 3), np.uint8)
        if len(faces) < count:
            return faces
        edges = np.arange(count + 1) * len(faces) // count
        picked = []
        for middle, low, high in zip(pick_frames(len(faces), count), edges, edges[1:], strict=False):
            nearest = sorted(range(low, high), key=lambda place: abs(place - middle))
            picked.append(next((place for place in nearest if _name(faces[place]) in self._features), middle))
        return faces[picked]


def _name(picture: np.ndarray) -> bytes:
    """The key of a picture; equal pictures share it, whichever person they show."""
    return blake2b(picture.tobytes(), digest_size=16).digest()
