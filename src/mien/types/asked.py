"""What a model asks for."""

from __future__ import annotations

from dataclasses import dataclass

from .checking import expect


@dataclass(frozen=True)
class Needs:
    """What a model asks of `data.prepare`; None for what it does not look at.

    `frames`: number of pictures of the face, `size` their side in px, `mean`, `std` (3,) of pixels in 0..1;
    `seconds`: length of the window; `signals`: names of the channels, at `rate` Hz; `aus`: rate in Hz of the series of
    action units, read by the program `aus_by`, None for any; `clips`: which video tower's features, one row a clip;
    `tfr`: (F, T) of the time-frequency image, `tfr_kind` (`tfr.Kind`) of the pulse `tfr_of`: "camera", or the name of a
    wire.
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
            expect(together, self, name, f"a value exactly where {other} are asked for", getattr(self, name))
