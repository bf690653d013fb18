"""The recipe of a small CLIP that learns from captions of synthetic people: what it is made of and how it learns.

All of it is our choice: the sizes that a laptop's processor trains in two minutes, and what told most about people not
seen in training. docs/methods.md has the figures.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Views:
    """How far a picture is changed each time it is seen: `shift` of its side, `zoom` of its size, `turn` degrees, to
    both sides; `light` and `tint`: shares by which it and each of its colours vary; `mirror`: probability."""

    shift: float = 0.03
    zoom: float = 0.04
    turn: float = 2.0
    light: float = 0.2
    tint: float = 0.06
    mirror: float = 0.5

    def __post_init__(self) -> None:
        for name in ("shift", "zoom", "light", "tint", "mirror"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"Views.{name}: expected 0..1, got {getattr(self, name)}")


@dataclass(frozen=True)
class Pretraining:
    """`people` are drawn, `pictures` of each. The image tower: `size` px, `patch` px, `width`, `layers`; the
    text tower: `text_width`, `text_layers`; both end in `features`. `steps` of `batch` pictures at `rate` at its
    highest; `captions`: composed texts a step, beside every phrase alone; `scale` of the cosines."""

    name: str
    people: int = 500
    pictures: int = 12
    size: int = 64
    patch: int = 32
    width: int = 288
    layers: int = 2
    text_width: int = 96
    text_layers: int = 2
    features: int = 96
    steps: int = 60
    batch: int = 96
    rate: float = 1e-4
    weight_decay: float = 0.05
    captions: int = 24
    scale: float = 15.0
    views: Views = field(default_factory=Views)
    licence: str = "Apache-2.0: the people are synthetic"
    tiny: bool = False
    changed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        whole = ("people", "pictures", "size", "patch", "width", "layers", "text_width", "text_layers",
                 "features", "steps", "batch")
        for name in whole:
            if getattr(self, name) < 1:
                raise ValueError(f"Pretraining.{name}: expected 1 or more, got {getattr(self, name)}")
        for name in ("rate", "scale"):
            if not getattr(self, name) > 0:
                raise ValueError(f"Pretraining.{name}: expected more than 0, got {getattr(self, name)}")
        if self.size % self.patch:
            raise ValueError(f"Pretraining.patch: expected a divisor of the size {self.size} px, got {self.patch}")

    @property
    def heads(self) -> int:
        """Of the image tower: one for each patch, see `train.beginning`."""
        return (self.size // self.patch) ** 2


PRETRAINING: dict[str, Pretraining] = {"clip/synthetic": Pretraining("clip/synthetic")}
"""Recipes that make a tower instead of a model of a data set, by name."""


def small(recipe: Pretraining) -> Pretraining:
    """The same with few people, small towers and few steps: it shows that everything runs, and knows nothing."""
    return replace(recipe, tiny=True, people=3, pictures=4, size=32, patch=16, width=144, text_width=32,
                   text_layers=2, features=32, steps=3, batch=4, captions=4)
