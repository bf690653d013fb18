"""The recipe of a small CLIP that is pre-trained on captions of synthetic people: sizes, schedule and augmentation.

All values are our choice: a laptop's processor trains these sizes in two minutes, and the other values scored best on
held-out people. docs/methods.md has the figures.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mien.recipes.recipe import TINY_DOUBT


@dataclass(frozen=True)
class AugmentConfig:
    """Strength of the random augmentation.

    `shift`: share of the side; `zoom`: share of the size; `turn`: degrees; all three in both directions. `light`,
    `tint`: shares by which the brightness and each colour vary; `mirror`: probability.
    """

    shift: float = 0.03
    zoom: float = 0.04
    turn: float = 2.0
    light: float = 0.2
    tint: float = 0.06
    mirror: float = 0.5

    def __post_init__(self) -> None:
        for name in ("shift", "zoom", "light", "tint", "mirror"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"AugmentConfig.{name}: expected 0..1, got {getattr(self, name)}")


@dataclass(frozen=True)
class Pretraining:
    """The recipe of a small CLIP.

    Data: `pictures` of each of `people`. Image tower: `size` px, `patch` px, `width`, `layers`. Text tower:
    `text_width`, `text_layers`. Both towers output `features`. Training: `steps` of `batch` pictures, with the largest
    learning rate `rate`; `captions`: composed texts in each step, in addition to every single phrase; `scale` of the
    cosines; `views`: augmentation.
    """

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
    views: AugmentConfig = field(default_factory=AugmentConfig)
    licence: str = "Apache-2.0: the people are synthetic"
    tiny: bool = False
    changed: dict[str, str] = field(default_factory=dict)

    @property
    def doubt(self) -> str:
        """Why the scores of a tiny training are not meaningful; "" for a full one."""
        if not self.tiny:
            return ""
        return TINY_DOUBT

    def __post_init__(self) -> None:
        counts = ("people", "pictures", "size", "patch", "width", "layers", "text_width", "text_layers",
                  "features", "steps", "batch")
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(f"Pretraining.{name}: expected 1 or more, got {getattr(self, name)}")
        for name in ("rate", "scale"):
            if not getattr(self, name) > 0:
                raise ValueError(f"Pretraining.{name}: expected more than 0, got {getattr(self, name)}")
        if self.size % self.patch:
            raise ValueError(f"Pretraining.patch: expected a divisor of the size {self.size} px, got {self.patch}")

    @property
    def heads(self) -> int:
        """Heads of the image tower: one for each patch, see `training.clip_init`."""
        return (self.size // self.patch) ** 2


PRETRAINING: dict[str, Pretraining] = {"clip/synthetic": Pretraining("clip/synthetic")}
"""Recipes that train a tower instead of a model of a dataset, by name."""


def tiny_pretraining(recipe: Pretraining) -> Pretraining:
    """The recipe with few people, small towers and few steps: it only checks that the pipeline runs."""
    return replace(recipe, tiny=True, people=3, pictures=4, size=32, patch=16, width=144, text_width=32,
                   text_layers=2, features=32, steps=3, batch=4, captions=4)
