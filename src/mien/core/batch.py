"""The model's input batch: tensors of several trials or windows."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

_SHAPES = {"frames": "BT3SS", "signals": "BCN", "signals_mask": "BN", "video": "BSD", "video_mask": "BS", "tfr": "B1FT",
           "pulse_quality": "B", "target": "B", "subject": "B", "votes": "BK", "weight": "B"}


@dataclass(frozen=True, eq=False)
class Batch:
    """Tensors of B trials or windows. A field that the model's `needs` do not request is None.

    Masks are True for data and False for padding.

    Attributes:
        frames: (B, T, 3, S, S) uint8 0..255, or float 0..1 after augmentation.
        signals: (B, C, N) float.
        signals_mask: (B, N) bool.
        video: (B, S, D) float, a series of action units or of clip features.
        video_mask: (B, S) bool.
        tfr: (B, 1, F, T) float, time-frequency images of the pulse.
        pulse_quality: (B,) 0..1.
        target: (B,) int64 class, or a float rating -1..1.
        subject: (B,) int64.
        votes: (B, K) shares of annotators per class, summing to 1. They replace the target in the loss.
        weight: (B,) weight of each row in the loss.
        trial: the name of each trial.

    Raises:
        ValueError: a shape or dtype is wrong, or frames on the CPU are not finite.
    """

    frames: Tensor | None = None
    signals: Tensor | None = None
    signals_mask: Tensor | None = None
    video: Tensor | None = None
    video_mask: Tensor | None = None
    tfr: Tensor | None = None
    pulse_quality: Tensor | None = None
    target: Tensor | None = None
    subject: Tensor | None = None
    votes: Tensor | None = None
    weight: Tensor | None = None
    trial: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {"3": 3, "1": 1}
        if self.trial:
            sizes["B"] = len(self.trial)
        for name, letters in _SHAPES.items():
            value = getattr(self, name)
            if value is not None:
                _check_shape(name, value, letters, sizes)
        frames = self.frames
        if frames is not None and frames.is_floating_point() and frames.device.type == "cpu":
            if not bool(torch.isfinite(frames).all()):  # on an accelerator this check would stall the queue
                raise ValueError("Batch.frames: expected finite pixels, got NaN or infinity: mend the recording")
        elif frames is not None and not frames.is_floating_point() and frames.dtype != torch.uint8:
            raise ValueError(f"Batch.frames: expected uint8 0..255 or float 0..1, got {frames.dtype}")

    def __len__(self) -> int:
        """B."""
        tensors = (getattr(self, name) for name in _SHAPES)
        return next((len(value) for value in tensors if value is not None), len(self.trial))

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """Copy the batch to `device`."""
        return self._each(lambda value: value.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """Copy the batch to page-locked memory. A DataLoader calls this."""
        return self._each(Tensor.pin_memory)

    def __getitem__(self, rows: slice) -> Batch:
        """Select rows."""
        return self._each(lambda value: value[rows], trial=self.trial[rows])

    def _each(self, change, **others: object) -> Batch:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        tensors = {name: change(value) for name, value in values.items() if isinstance(value, Tensor)}
        return Batch(**values | tensors | others)


def _check_shape(name: str, value: Tensor, letters: str, sizes: dict[str, int]) -> None:
    """Check axis sizes: each letter is an axis. Equal letters within a tensor, and B in all of them, have equal sizes.
    """
    inside = {letter: sizes[letter] for letter in "B31" if letter in sizes}
    good = value.ndim == len(letters)
    for letter, size in zip(letters, value.shape, strict=False):
        good = good and inside.setdefault(letter, size) == size
    if not good:
        axes = ", ".join(str(inside.get(letter, letter) if letter in sizes else letter) for letter in letters)
        raise ValueError(f"Batch.{name}: expected ({axes}), got {tuple(value.shape)}")
    sizes["B"] = inside["B"]
