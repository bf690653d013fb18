"""A recipe with other values, from the command line or from a card."""

from __future__ import annotations

import difflib
import types
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from mien.recipes.clip import Pretraining
from mien.recipes.recipe import OPTIONS, Recipe

Kind = TypeVar("Kind", Recipe, Pretraining)

_Setting = tuple[list[str], str, str]
"""Names on the way that is left, the whole path, the value as text."""

_FIXED = {"name", "method", "dataset", "published", "tiny", "changed", "licence"}  # what --set would make a lie


def change(recipe: Kind, settings: Mapping[str, str]) -> Kind:
    """{"path.to.field": "value"} -> the recipe with these values, checked by the type of each field.

    Raises ValueError for a path that is none, a value of another type, and one that the field refuses.
    """
    return replace(_put(recipe, [(path.split("."), path, text) for path, text in settings.items()]),
                   changed={**recipe.changed, **settings})


def _put(value: Any, settings: Sequence[_Setting]) -> Any:
    """All at once: what one of them asks of another holds in whichever order they come."""
    hints = get_type_hints(type(value))
    fixed = _FIXED if isinstance(value, Recipe | Pretraining) else set()
    known = [one.name for one in fields(value) if one.name not in fixed]
    new: dict[str, Any] = {}
    below: dict[str, list[_Setting]] = {}
    for (name, *deeper), path, text in settings:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            told = f": did you mean {near[0]}?" if near else ""
            raise ValueError(f"--set {path}: expected one of {', '.join(known)}, got {name!r}{told}")
        inner = getattr(value, name)
        if is_dataclass(inner) != bool(deeper):
            start = path[: len(path) - len(".".join([name, *deeper]))] + name
            inside = ", ".join(f"{start}.{one.name}" for one in fields(inner)) if is_dataclass(inner) else start
            raise ValueError(f"--set {path}={text}: expected the name of a single value, {inside}, got {path}")
        if deeper:
            below.setdefault(name, []).append((deeper, path, text))
        else:
            new[name] = parse(text, hints[name], path)
    new |= {name: _put(getattr(value, name), own) for name, own in below.items()}
    told = " ".join(f"{path}={text}" for (_, *deeper), path, text in settings if not deeper)
    try:
        return replace(value, **new)
    except ValueError as error:
        raise ValueError(f"--set {told}: {error}" if told else str(error)) from error


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
        inner: Any = next((one for one in _options(hints[name]) if is_dataclass(one)), None)
        if kind is Recipe and name == "options":
            inner = OPTIONS[data["method"]]
        if inner is not None and value is not None:
            values[name] = _build(inner, value)
        else:
            values[name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)
