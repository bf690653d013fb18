"""Recipes: everything that decides what a training makes of a fold, a paper's table each, in frozen values.

    recipe = change(RECIPES["duse/dfew"], {"options.beta": "0.5", "schedule.epochs": "30"})

What a paper does not state is marked, with its reason; docs/methods.md has more. Published numbers stand beside the
recipe that they belong to: they are the authors', not ours.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from mien.data.augment import Augment
from mien.labels import RULES
from mien.models.duse import LITERAL, Options
from mien.tasks import Task

TINY = "tiny"
"""The tower of trials and tests: small, its weights drawn at random, always the same (`towers.tiny`)."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast is learnt. `batch` trials over all devices; `milestones`: shares of the epochs after which
    the rate is multiplied by `gamma`; `choose`: what picks the epoch on validation."""

    epochs: int = 50  # not stated; DFER-CLIP's, whose data and backbone these are
    batch: int = 16  # section IV-A2
    rate: float = 1e-3  # Adam, section IV-A2
    weight_decay: float = 0.0  # not stated; plain Adam
    milestones: tuple[float, ...] = (0.6, 0.8)  # not stated; DFER-CLIP: epochs 30 and 40 of 50
    gamma: float = 0.1  # DFER-CLIP
    choose: Literal["uar", "war"] = "uar"  # our choice: classes differ by a factor of 17, and WAR forgets the small

    def __post_init__(self) -> None:
        for name, good, expected in (
            ("epochs", self.epochs >= 1, "1 or more"), ("batch", self.batch >= 1, "1 or more"),
            ("rate", self.rate > 0, "more than 0"), ("weight_decay", self.weight_decay >= 0, "0 or more"),
            ("milestones", all(0 < share < 1 for share in self.milestones), "shares between 0 and 1"),
            ("gamma", 0 < self.gamma <= 1, "above 0, at most 1"),
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
    """`method` in `models`, `dataset`, `protocol`, and `rule` of `labels.RULES`; `tower`: folder or hub id of a CLIP;
    `seconds`: length of a window when the model reads a recording or a camera; `licence` of what is trained; `tiny`,
    `changed`: what was asked for beyond the recipe's name."""

    name: str
    method: Literal["duse"]
    dataset: str
    protocol: str
    tower: str
    seconds: float
    licence: str
    options: Options = field(default_factory=Options)
    augment: Augment = field(default_factory=Augment)
    schedule: Schedule = field(default_factory=Schedule)
    rule: str = "expression"
    published: Published | None = None
    tiny: bool = False
    changed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise ValueError(f"Recipe.seconds: expected more than 0, got {self.seconds}")
        if self.rule not in RULES:
            raise ValueError(f"Recipe.rule: expected one of {', '.join(RULES)}, got {self.rule!r}")

    @property
    def task(self) -> Task:
        """The label space."""
        return RULES[self.rule].task


_CLIP = "openai/clip-vit-large-patch14"  # tables I and IV: ViT-L/14, depth normal
_DFEW = Recipe(
    "duse/dfew", "duse", "dfew", "dfew", _CLIP,
    seconds=3.0,  # our choice: DFEW's clips have 77 frames on average, three seconds of a film
    licence="research only, not commercial: the agreement of DFEW binds what is trained on it",
    published=Published(64.88, 75.36, "arXiv 2604.12777, table I: DFEW, five folds"))

RECIPES: dict[str, Recipe] = {
    "duse/dfew": _DFEW,
    "duse/dfew-literal": replace(_DFEW, name="duse/dfew-literal", options=LITERAL),
    "duse/ferv39k": replace(
        _DFEW, name="duse/ferv39k", dataset="ferv39k", protocol="ferv39k",
        seconds=1.2,  # our choice: FERV39k's clips have 28 frames on average
        licence="research only, not commercial: the agreement of FERV39k binds what is trained on it",
        published=Published(43.39, 53.05, "arXiv 2604.12777, table I: FERV39k, official test")),
}
"""Every recipe by its name; `tiny(recipe)` is the small one of each."""

_FIXED = {"name", "method", "dataset", "published", "tiny", "changed", "licence"}  # what --set would make a lie


def find(name: str) -> Recipe:
    """The recipe of this name. ValueError names the nearest ones otherwise."""
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=1)
        told = f": did you mean {near[0]}?" if near else ""
        raise ValueError(f"recipe: expected one of {', '.join(RECIPES)}, got {name!r}{told}")
    return RECIPES[name]


def tiny(recipe: Recipe) -> Recipe:
    """The same with a small random tower and few steps: it shows that everything runs, and knows nothing."""
    return replace(recipe, tower=TINY, tiny=True, schedule=replace(recipe.schedule, epochs=2, batch=4))


def change(recipe: Recipe, settings: Mapping[str, str]) -> Recipe:
    """{"path.to.field": "value"} -> the recipe with these values, checked by the type of each field.

    Raises ValueError for a path that is none, a value of another type, and one that the field refuses.
    """
    for path, text in settings.items():
        recipe = _put(recipe, path.split("."), text, path)
    return replace(recipe, changed={**recipe.changed, **settings})


def _put(value: Any, names: list[str], text: str, path: str) -> Any:
    hints = get_type_hints(type(value))
    fixed = _FIXED if isinstance(value, Recipe) else set()
    known = [one.name for one in fields(value) if one.name not in fixed]
    name, *deeper = names
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        told = f": did you mean {near[0]}?" if near else ""
        raise ValueError(f"--set {path}: expected one of {', '.join(known)}, got {name!r}{told}")
    inner = getattr(value, name)
    if is_dataclass(inner) != bool(deeper):
        start = path[: len(path) - len(".".join(names))] + name
        below = ", ".join(f"{start}.{one.name}" for one in fields(inner)) if is_dataclass(inner) else start
        raise ValueError(f"--set {path}={text}: expected the name of a single value, {below}, got {path}")
    new = _put(inner, deeper, text, path) if deeper else parse(text, hints[name], path)
    try:
        return replace(value, **{name: new})
    except ValueError as error:
        raise ValueError(f"--set {path}={text}: {error}") from error


def parse(text: str, kind: Any, path: str) -> Any:
    """Text -> a value of this type: bool, int, float, str, a Literal, a tuple of one type, or a union of them."""
    for option in _options(kind):
        found, value = _read(text.strip(), option)
        if found:
            return value
    raise ValueError(f"--set {path}: expected {' or '.join(map(_word, _options(kind)))}, got {text!r}")


def _options(kind: Any) -> list[Any]:
    """The members of a union, numbers before names."""
    if get_origin(kind) in (Union, types.UnionType):
        members = [member for one in get_args(kind) for member in _options(one)]
        return sorted(members, key=lambda one: get_origin(one) is Literal or one is str)
    return [kind]


def _read(text: str, kind: Any) -> tuple[bool, Any]:
    """(whether the text is of this type, its value)."""
    if get_origin(kind) is Literal:
        return text in get_args(kind), text
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        parts = [part for part in text.strip("()[]").split(",") if part.strip()]
        read = [_read(part.strip(), inner[0]) for part in parts]
        whole = all(good for good, _ in read) and (inner[-1] is Ellipsis or len(read) == len(inner))
        return whole, tuple(value for _, value in read)
    if kind is bool:
        return text.lower() in ("true", "false"), text.lower() == "true"
    if kind is str:
        return bool(text), text
    try:
        value = kind(text)
    except ValueError:
        return False, None
    return value == value and abs(value) != float("inf"), value


def _word(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(get_args(kind))
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        return "numbers with commas" if inner[-1] is Ellipsis else f"{len(inner)} numbers with a comma"
    return {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}[kind]


def to_json(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON data; `from_json` reads it back."""
    return asdict(recipe)


def from_json(data: Mapping[str, Any]) -> Recipe:
    """What `to_json` gave -> the recipe. ValueError for fields that this version does not know."""
    return _build(Recipe, data)


def _build(kind: Any, data: Mapping[str, Any]) -> Any:
    unknown = sorted(set(data) - {one.name for one in fields(kind)})
    if unknown:
        raise ValueError(f"{kind.__name__}: expected fields that this version knows, got {', '.join(unknown)}: "
                         "take a newer mien")
    hints, values = get_type_hints(kind), {}
    for name, value in data.items():
        inner = next((one for one in _options(hints[name]) if is_dataclass(one)), None)
        if inner is not None and value is not None:
            values[name] = _build(inner, value)
        else:
            values[name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)
