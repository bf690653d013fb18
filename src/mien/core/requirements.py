"""The inputs that a model requires."""

from __future__ import annotations

from dataclasses import dataclass

from mien.core.validation import expect


@dataclass(frozen=True)
class ModelRequirements:
    """The inputs that `prepare_batch` makes for a model; None for inputs that the model does not use.

    Args:
        frames: Number of pictures of the face.
        size: Side of a picture in px.
        mean: Mean of the pixels (3,), in 0..1.
        std: Standard deviation of the pixels (3,), in 0..1.
        seconds: Length of the window in s.
        signals: Names of the channels.
        rate: Sampling rate of the channels in Hz.
        aus: Sampling rate of the action units in Hz.
        aus_by: The program that measured the action units; None for any.
        clips: The video backbone of the clip features, one row per clip.
        tfr: Shape (F, T) of the time-frequency image.
        tfr_kind: Kind of the image (`tfr.Kind`).
        tfr_of: The pulse signal of the image: "camera", or the name of a contact signal.

    Raises:
        ValueError: A number is not positive, or a value is missing that belongs to another one.
    """

    frames: int | None = None
    size: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    seconds: float | None = None
    signals: tuple[str, ...] | None = None
    rate: float | None = None
    aus: float | None = None
    aus_by: str | None = None
    clips: str | None = None
    tfr: tuple[int, int] | None = None
    tfr_kind: str = "cwt"
    tfr_of: str = "camera"

    def __post_init__(self) -> None:
        for name in ("frames", "size", "seconds", "rate", "aus"):
            value = getattr(self, name)
            expect(value is None or value > 0, self, name, "a positive number or None", value)
        for name, other in (("size", "frames"), ("rate", "signals")):
            together = (getattr(self, name) is None) == (getattr(self, other) is None)
            expect(together, self, name, f"a value if and only if {other} are needed", getattr(self, name))
