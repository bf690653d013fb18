"""What a recipe is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mien.labels import RULES
from mien.models import duse, mvp, scpt
from mien.protocols import PROTOCOLS
from mien.tasks import Task

OPTIONS = {"duse": duse.Options, "scpt": scpt.Options, "mvp": mvp.Options}
"""Method -> what may be chosen of it."""

TINY = "tiny"
"""The tower of trials and tests: small, its weights drawn at random, always the same (`towers.tiny`)."""

KNOWS_NOTHING = "tiny: it knows nothing"


@dataclass(frozen=True)
class Augment:
    """How far pictures are changed; DuSE names the four kinds, section IV-A2, and no strength.

    The strengths are those of DFER-CLIP (Zhao & Patras 2023, arXiv 2308.13382), which shares its data and backbone.
    `area` share of the picture that is kept and `ratio` of its sides; `flip` probability; `rotation` degrees to both
    sides; `brightness` share by which it varies. MAE-DFER's authors advise area (0.8, 1.0) for aligned faces.
    """

    area: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    rotation: float = 4.0
    brightness: float = 0.5
    on: bool = True

    def __post_init__(self) -> None:
        for name, good, expected in (
            ("area", 0 < self.area[0] <= self.area[1] <= 1, "low and high in 0..1"),
            ("ratio", 0 < self.ratio[0] <= self.ratio[1], "low and high above 0"),
            ("flip", 0 <= self.flip <= 1, "0..1"), ("rotation", 0 <= self.rotation <= 180, "0..180 degrees"),
            ("brightness", 0 <= self.brightness <= 1, "0..1"),
        ):
            if not good:
                raise ValueError(f"Augment.{name}: expected {expected}, got {getattr(self, name)}")


@dataclass(frozen=True)
class Schedule:
    """How long and how fast is learnt. `batch` trials over all devices; `milestones`: shares of the epochs after which
    the rate is multiplied by `gamma`; `choose`: what picks the epoch on validation; `optimiser`: AdamW's decay is apart
    from the gradient; `curve` cosine: down to zero after `warmup` epochs, without milestones; `clip`: the largest norm
    of the gradient, 0: any; `people`: subjects in every batch, 0: as it comes; `patience`: epochs without a better
    score on validation after which it ends, 0: never; `sampling` balanced: every class is drawn equally often, see
    `data.order`; `weights` balanced: a trial counts in the cross entropy inversely to how often its class is there."""

    epochs: int = 50  # not stated; DFER-CLIP's, whose data and backbone these are
    batch: int = 16  # section IV-A2
    rate: float = 1e-3  # Adam, section IV-A2
    weight_decay: float = 0.0  # not stated; plain Adam
    milestones: tuple[float, ...] = (0.6, 0.8)  # not stated; DFER-CLIP: epochs 30 and 40 of 50
    gamma: float = 0.1  # DFER-CLIP
    choose: Literal["uar", "war", "macro_f1", "ccc"] = "uar"  # ours: classes differ by 17 to 1; WAR forgets the small
    optimiser: Literal["adam", "adamw"] = "adam"
    curve: Literal["steps", "cosine"] = "steps"
    warmup: int = 0
    clip: float = 0.0
    people: int = 0
    patience: int = 0  # no paper stops early
    sampling: Literal["plain", "balanced"] = "plain"  # no paper states another; S2D tells of oversampling beside
    weights: Literal["equal", "balanced"] = "equal"

    def __post_init__(self) -> None:
        for name, good, expected in (
            ("epochs", self.epochs >= 1, "1 or more"), ("batch", self.batch >= 1, "1 or more"),
            ("rate", self.rate > 0, "more than 0"), ("weight_decay", self.weight_decay >= 0, "0 or more"),
            ("milestones", all(0 < share < 1 for share in self.milestones), "shares between 0 and 1"),
            ("gamma", 0 < self.gamma <= 1, "above 0, at most 1"),
            ("warmup", 0 <= self.warmup < max(self.epochs, 1), "fewer epochs than there are"),
            ("clip", self.clip >= 0, "0 or more"), ("people", self.people >= 0, "0 or more"),
            ("patience", self.patience >= 0, "0 or more"),
            ("weights", self.sampling == "plain" or self.weights == "equal", "equal where classes are drawn equally "
             "often: rare ones would count twice"),
        ):
            if not good:
                raise ValueError(f"Schedule.{name}: expected {expected}, got {getattr(self, name)!r}")


@dataclass(frozen=True)
class Published:
    """The authors' numbers, in %, and where they stand."""

    uar: float
    war: float
    source: str


@dataclass(frozen=True)
class Recipe:
    """`method` in `models`, `dataset`, `protocol`, and `rule` of `labels.RULES`; `tower`: folder or hub id, if any;
    `seconds`: length of a window when the model reads a recording or a camera; `licence` of what is trained; `labels`:
    what is learnt, each trial's single class, or how its annotators voted, where the dataset has that: it is judged by
    the single class; `tiny`, `changed`: what was asked for beyond the recipe's name."""

    name: str
    method: Literal["duse", "scpt", "mvp"]
    dataset: str
    protocol: str
    tower: str
    seconds: float
    licence: str
    options: duse.Options | scpt.Options | mvp.Options = field(default_factory=duse.Options)
    augment: Augment = field(default_factory=Augment)
    schedule: Schedule = field(default_factory=Schedule)
    rule: str = "expression"
    labels: Literal["single", "votes"] = "single"
    published: Published | None = None
    tiny: bool = False
    changed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.tower == TINY and not self.tiny:
            raise ValueError(f"Recipe.tower: expected a folder or a hub id, got {TINY!r}, the random one of trials: "
                             "give --tiny")
        if not self.seconds > 0:
            raise ValueError(f"Recipe.seconds: expected more than 0, got {self.seconds}")
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"Recipe.protocol: expected one of {', '.join(PROTOCOLS)}, got {self.protocol!r}")
        if self.rule not in RULES:
            raise ValueError(f"Recipe.rule: expected one of {', '.join(RULES)}, got {self.rule!r}")
        if (self.schedule.choose == "ccc") != (self.task.scale is not None):
            raise ValueError("schedule.choose: expected ccc for a rule of ratings and for no other, got "
                             f"{self.schedule.choose!r} for {self.rule}")
        if self.labels == "votes" and self.rule != "expression":
            raise ValueError(f"Recipe.labels: expected single for {self.rule}, got votes: these are for expressions")
        if self.task.scale is not None and "balanced" in (self.schedule.sampling, self.schedule.weights):
            raise ValueError(f"schedule.sampling, schedule.weights: expected plain and equal for {self.rule}, "
                             "got balanced: ratings have no classes to balance")
        if not isinstance(self.options, OPTIONS[self.method]):
            raise ValueError(f"Recipe.options: expected those of {self.method}, got {type(self.options).__module__}")

    @property
    def doubt(self) -> str:
        """What is to be said of a trial; '' of a whole training."""
        if not self.tiny:
            return ""
        return KNOWS_NOTHING if self.tower == TINY else "a trial of few steps"

    @property
    def windowed(self) -> bool:
        """Whether trials are cut into windows of `seconds`, and decided upon by the mean of these."""
        return self.method == "scpt"

    @property
    def task(self) -> Task:
        """The label space."""
        return RULES[self.rule].task
