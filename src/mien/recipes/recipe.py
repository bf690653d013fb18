"""The dataclasses of a recipe: augmentation, schedule, published scores and the recipe itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeVar

from mien.backbones.tiny import SOURCE as TINY
from mien.core.class_texts import TextKind, with_texts
from mien.core.tasks import Task
from mien.core.trials import Fold
from mien.datasets import dataset
from mien.datasets.labels import RULES, Rule
from mien.datasets.splits import PROTOCOLS
from mien.models.method import TrialInputs
from mien.models.registry import method

Entry = TypeVar("Entry")

TINY_DOUBT = "tiny: it only tests the pipeline, its scores are meaningless"
"""Why the predictions of a model of the tiny tower are not meaningful; also the note behind a run with `--tiny`."""


@dataclass(frozen=True)
class AugmentOptions:
    """Augmentation of pictures. DuSE names the four kinds in section IV-A2, but not their strengths.

    Crop, flip and rotation are those of DFER-CLIP, which has the same data and backbone. The colour jitter is that of
    UMBEnet, of the same group, where it is commented out. `area`: range of the share of the
    picture that is kept; `ratio`: range of its aspect ratio; `flip`: probability; `rotation`: degrees in both
    directions; `brightness`, `contrast`, `saturation`: shares by which they vary; `hue`: share of the colour circle;
    `on`: whether to augment. MAE-DFER's authors advise area (0.8,
    1.0) for aligned faces.

    References:
        Zhao & Patras 2023, arXiv 2308.13382.
    """

    area: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    rotation: float = 4.0
    brightness: float = 0.4
    contrast: float = 0.3
    saturation: float = 0.25
    hue: float = 0.05
    on: bool = True

    def __post_init__(self) -> None:
        for name, good, expected in (
            ("area", 0 < self.area[0] <= self.area[1] <= 1, "low and high in 0..1"),
            ("ratio", 0 < self.ratio[0] <= self.ratio[1], "low and high above 0"),
            ("flip", 0 <= self.flip <= 1, "0..1"), ("rotation", 0 <= self.rotation <= 180, "0..180 degrees"),
            *((name, 0 <= getattr(self, name) <= 1, "0..1") for name in ("brightness", "contrast", "saturation")),
            ("hue", 0 <= self.hue <= 0.5, "0..0.5"),
        ):
            if not good:
                raise ValueError(f"AugmentOptions.{name}: expected {expected}, got {getattr(self, name)}")


@dataclass(frozen=True)
class Schedule:
    """Optimiser, learning rate and sampling.

    `batch`: trials over all devices; `rate`: learning rate; `milestones`: shares of the epochs after which the rate
    is multiplied by `gamma`; `choose`: measure that selects the epoch on validation; `smooth`: number of epochs, the
    epoch and those before it, by whose mean it is selected; `average`: decay of the averaged weights (EMA) that are
    validated and saved, 0 for the weights themselves; `optimiser`: AdamW decouples the weight decay from the
    gradient; `curve`: "cosine" falls to zero after `warmup` epochs and has no milestones; `clip`: largest norm of the
    gradient, 0 for no limit; `people`: subjects in every batch, 0 for a random number; `patience`: epochs without a
    better validation score before an early stop, 0 for none; `sampling`: "balanced" draws every class equally often,
    see `preprocessing.samplers`; `weights`: "balanced" weighs a trial in the cross entropy by the inverse
    frequency of its class.
    """

    epochs: int = 50  # not stated; DFER-CLIP's, whose data and backbone these are
    batch: int = 16  # section IV-A2
    rate: float = 1e-3  # Adam, section IV-A2
    weight_decay: float = 0.0  # not stated; plain Adam
    milestones: tuple[float, ...] = (0.6, 0.8)  # not stated; DFER-CLIP: epochs 30 and 40 of 50
    gamma: float = 0.1  # DFER-CLIP
    choose: Literal["uar", "war", "macro_f1", "ccc"] = "uar"  # ours: class sizes differ by 17 to 1; WAR ignores small
    smooth: int = 3  # ours: one clip of DFEW's rarest class moves the UAR by 1.2 points; 1 chooses by single epochs
    average: float = 0.0  # no paper averages; SSM, of SCPT's laboratory, has 0.99
    optimiser: Literal["adam", "adamw"] = "adam"
    curve: Literal["steps", "cosine"] = "steps"
    warmup: int = 0
    clip: float = 0.0
    people: int = 0
    patience: int = 0  # no paper stops early
    sampling: Literal["plain", "balanced"] = "plain"  # no paper states another; S2D also reports oversampling
    weights: Literal["equal", "balanced"] = "equal"

    def __post_init__(self) -> None:
        for name, good, expected in (
            ("epochs", self.epochs >= 1, "1 or more"), ("batch", self.batch >= 1, "1 or more"),
            ("rate", self.rate > 0, "more than 0"), ("weight_decay", self.weight_decay >= 0, "0 or more"),
            ("milestones", all(0 < share < 1 for share in self.milestones), "shares between 0 and 1"),
            ("gamma", 0 < self.gamma <= 1, "above 0, at most 1"),
            ("warmup", 0 <= self.warmup < max(self.epochs, 1), "fewer epochs than there are"),
            ("clip", self.clip >= 0, "0 or more"), ("people", self.people >= 0, "0 or more"),
            ("smooth", self.smooth >= 1, "1 or more epochs"), ("average", 0 <= self.average < 1, "0 or more, below 1"),
            ("patience", self.patience >= 0, "0 or more"),
            ("weights", self.sampling == "plain" or self.weights == "equal", "equal where classes are drawn equally "
             "often: rare ones would count twice"),
        ):
            if not good:
                raise ValueError(f"Schedule.{name}: expected {expected}, got {getattr(self, name)!r}")


@dataclass(frozen=True)
class PublishedResult:
    """The authors' scores, in %, and their source."""

    uar: float
    war: float
    source: str


@dataclass(frozen=True)
class Recipe:
    """A complete experiment configuration.

    `method`: key of `models.registry`, with its `options`, None for the paper's; `dataset`: key of `DATASETS`;
    `protocol`: key of `PROTOCOLS`; `validation`: share of the training side that is held out, 0 for none, None for the
    protocol's own; `split_seed`: seed of the protocol's random choices; `rule`: key of `labels.RULES`; `tower`: folder
    or hub id, "" for none; `seconds`: length of a window; `licence`: of the trained weights; `labels`: training
    targets, each trial's single class or the annotators' votes if the dataset has them; the evaluation always uses the
    single class; `test_epochs`: `bench` also scores every epoch on the test side, and shows the best in a column of its
    own; `views`: test-time views whose logits are averaged; `texts`: kind of the class texts, see
    `class_texts`; `published`: the authors' scores; `tiny`, `changed`: deviations from the named recipe.

    Raises:
        ValueError: a value is unknown, out of range, or does not fit the others.
    """

    name: str
    method: str
    dataset: str
    protocol: str
    tower: str
    seconds: float
    licence: str
    options: Any = None
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    schedule: Schedule = field(default_factory=Schedule)
    rule: str = "expression"
    validation: float | None = None
    split_seed: int = 0
    labels: Literal["single", "votes"] = "single"
    test_epochs: bool = False  # the test side chooses: for comparison with papers that do so, never for a result
    views: int = 1  # no paper averages views; `evaluation.predict.VIEWS` has 1, 2 and 4
    texts: TextKind = "described"  # section IV-A2 of DuSE: categories and descriptions of subtle changes
    published: PublishedResult | None = None
    tiny: bool = False
    changed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kind = method(self.method).options_type
        if self.options is None:
            object.__setattr__(self, "options", kind())
        if not isinstance(self.options, kind):
            raise ValueError(f"Recipe.options: expected those of {self.method}, got {type(self.options).__module__}")
        if self.tower == TINY and not self.tiny:
            raise ValueError(f"Recipe.tower: expected a folder or a hub id, got {TINY!r}, the random one of tiny runs: "
                             "give --tiny")
        if self.validation is not None and not 0 <= self.validation < 1:
            raise ValueError(f"Recipe.validation: expected none, or a share of 0 or more, below 1, "
                             f"got {self.validation}")
        if not self.seconds > 0:
            raise ValueError(f"Recipe.seconds: expected more than 0, got {self.seconds}")
        if self.test_epochs and self.task.scale is not None:
            raise ValueError(f"Recipe.test_epochs: expected false for {self.rule}, got true: it is for classes")
        if self.views not in (1, 2, 4):
            raise ValueError(f"Recipe.views: expected 1, 2 (mirrored too) or 4 (two samplings, each mirrored too), got "
                             f"{self.views}")
        _entry("protocol", self.protocol, PROTOCOLS, self.dataset)
        _entry("rule", self.rule, RULES, self.dataset)
        if (self.schedule.choose == "ccc") != (self.task.scale is not None):
            raise ValueError("schedule.choose: expected ccc for a rule of ratings and for no other, got "
                             f"{self.schedule.choose!r} for {self.rule}")
        if self.labels == "votes" and self.rule != "expression":
            raise ValueError(f"Recipe.labels: expected single for {self.rule}, got votes: votes are for expressions")
        if self.task.scale is not None and "balanced" in (self.schedule.sampling, self.schedule.weights):
            raise ValueError(f"schedule.sampling, schedule.weights: expected plain and equal for {self.rule}, "
                             "got balanced: ratings have no classes to balance")

    @property
    def doubt(self) -> str:
        """Why the predictions of a tiny model are not meaningful; "" for a full training."""
        if not self.tiny:
            return ""
        return TINY_DOUBT if self.tower == TINY else "a trial of few steps"

    @property
    def windowed(self) -> bool:
        """Whether the method cuts trials into windows of `seconds` and averages their predictions."""
        return method(self.method).windowed

    @property
    def inputs(self) -> TrialInputs:
        """What the method takes of a trial."""
        return method(self.method).inputs(self.options)

    @property
    def task(self) -> Task:
        """The label space, with the class texts of this recipe."""
        return with_texts(self.label_rule.task, self.texts)

    @property
    def label_rule(self) -> Rule:
        """The rule of this name, of `labels.RULES` or of the dataset's own module."""
        return _entry("rule", self.rule, RULES, self.dataset)

    @property
    def folds(self) -> Callable[..., tuple[Fold, ...]]:
        """The protocol of this name, of `splits.PROTOCOLS` or of the dataset's own module: trials -> folds."""
        protocol = _entry("protocol", self.protocol, PROTOCOLS, self.dataset)
        chosen: dict[str, Any] = {}
        if self.validation is not None:
            chosen["val"] = self.validation
        if self.split_seed:
            chosen["seed"] = self.split_seed
        return partial(protocol, **chosen) if chosen else protocol


def _entry(kind: str, name: str, general: Mapping[str, Entry], dataset_name: str) -> Entry:
    """An entry of a general table, or of the table of the same name that the dataset's module declares."""
    if name in general:
        return general[name]
    declared: Mapping[str, Entry] = getattr(dataset(dataset_name), f"{kind.upper()}S", {})
    if name not in declared:
        raise ValueError(f"Recipe.{kind}: expected one of {', '.join([*general, *declared])}, got {name!r}")
    return declared[name]
