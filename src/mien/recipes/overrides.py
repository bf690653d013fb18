"""Override the values of a recipe from text, and convert recipes to and from JSON data."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from mien.core.plain_text import unknown_name
from mien.models.registry import method
from mien.recipes.clip import Pretraining
from mien.recipes.recipe import Recipe

Kind = TypeVar("Kind", Recipe, Pretraining)

_Setting = tuple[list[str], str, str]
"""Remaining names of the path, the full path, the value as text."""

_FIXED = {"name", "method", "dataset", "published", "tiny", "changed", "licence"}  # --set would make them untrue


def override(recipe: Kind, settings: Mapping[str, str]) -> Kind:
    """Override values of a recipe.

    Args:
        recipe: the recipe, not changed.
        settings: {"path.to.field": "value"}; values are parsed by the type of the field.

    Raises:
        ValueError: an unknown path, a value of another type, or one that the field rejects.
    """
    return replace(_put(recipe, [(path.split("."), path, text) for path, text in settings.items()]),
                   changed={**recipe.changed, **settings})


def _put(value: Any, settings: Sequence[_Setting]) -> Any:
    """Apply all settings at once, so that checks between fields do not depend on their order."""
    hints = get_type_hints(type(value))
    fixed = _FIXED if isinstance(value, Recipe | Pretraining) else set()
    known = [item.name for item in fields(value) if item.name not in fixed]
    new: dict[str, Any] = {}
    below: dict[str, list[_Setting]] = {}
    for (name, *deeper), path, text in settings:
        if name not in known:
            raise ValueError(unknown_name(f"--set {path}", known, name))
        inner = getattr(value, name)
        if is_dataclass(inner) != bool(deeper):
            names = path[: len(path) - len(".".join([name, *deeper]))] + name
            if is_dataclass(inner):
                names = ", ".join(f"{names}.{item.name}" for item in fields(inner))
            raise ValueError(f"--set {path}={text}: expected the name of a single value, {names}, got {path}")
        if deeper:
            below.setdefault(name, []).append((deeper, path, text))
        else:
            new[name] = parse(text, hints[name], path)
    new |= {name: _put(getattr(value, name), inner) for name, inner in below.items()}
    given = " ".join(f"{path}={text}" for (_, *deeper), path, text in settings if not deeper)
    try:
        return replace(value, **new)
    except ValueError as error:
        raise ValueError(f"--set {given}: {error}" if given else str(error)) from error


def parse(text: str, kind: Any, path: str) -> Any:
    """Parse text as a type: bool, int, float, str, a Literal, a tuple of one type, or a union of them.

    Raises:
        ValueError: the text has another type; the message names `path`.
    """
    for option in _options(kind):
        valid, value = _read(text.strip(), option)
        if valid:
            return value
    raise ValueError(f"--set {path}: expected {' or '.join(map(_word, _options(kind)))}, got {text!r}")


def _options(kind: Any) -> list[Any]:
    """The members of a union, numbers before names."""
    if get_origin(kind) in (Union, types.UnionType):
        members = [member for part in get_args(kind) for member in _options(part)]
        return sorted(members, key=lambda member: get_origin(member) is Literal or member is str)
    return [kind]


def _read(text: str, kind: Any) -> tuple[bool, Any]:
    """Whether the text has this type, and its value."""
    if get_origin(kind) is Literal:
        return text in get_args(kind), text
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        parts = [part for part in text.strip("()[]").split(",") if part.strip()]
        items = [_read(part.strip(), inner[0]) for part in parts]
        valid = all(good for good, _ in items) and (inner[-1] is Ellipsis or len(items) == len(inner))
        return valid, tuple(value for _, value in items)
    if kind is types.NoneType:
        return text.lower() == "none", None
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
        if inner[-1] is Ellipsis:
            return "numbers with commas"
        return f"{len(inner)} numbers with a comma"
    return {bool: "true or false", int: "a whole number", float: "a number", str: "a word",
            types.NoneType: "none"}[kind]


def to_json(recipe: Recipe) -> dict[str, Any]:
    """Convert a recipe to JSON data.

    Args:
        recipe: the recipe.

    Returns:
        Data for `from_json`.
    """
    return asdict(recipe)


def from_json(data: Mapping[str, Any]) -> Recipe:
    """Convert JSON data to a recipe.

    Args:
        data: of `to_json`.

    Returns:
        The recipe.

    Raises:
        ValueError: a field is unknown to this version.
    """
    return _build(Recipe, data)


def _build(kind: Any, data: Mapping[str, Any]) -> Any:
    unknown = sorted(set(data) - {item.name for item in fields(kind)})
    if unknown:
        raise ValueError(f"{kind.__name__}: expected fields that this version knows, got {', '.join(unknown)}: "
                         "install a newer mien")
    hints, values = get_type_hints(kind), {}
    for name, value in data.items():
        inner: Any = next((option for option in _options(hints[name]) if is_dataclass(option)), None)
        if kind is Recipe and name == "options":
            inner = method(data["method"]).options_type
        if inner is not None and value is not None:
            value = _build(inner, value)
        elif isinstance(value, list):
            value = tuple(value)
        values[name] = value
    return kind(**values)
