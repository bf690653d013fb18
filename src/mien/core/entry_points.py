"""Entry points: how an installed package adds a method, a recipe, a dataset or an rPPG method to the tables of mien.

    [project.entry-points."mien.datasets"]
    colours = "my_package.colours"
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

Value = TypeVar("Value")


def names(builtin: Mapping[str, Any], group: str) -> list[str]:
    """All names of a table.

    Args:
        own: the table of this package, by name.
        group: the group of entry points that adds to it, such as "mien.methods".

    Returns:
        The names of `own` in their order, then those that installed packages add, in alphabetical order.
    """
    return [*builtin, *sorted(entry_points(group=group).names - builtin.keys())]


def find(kind: str, name: str, builtin: Mapping[str, Value], group: str) -> Value:
    """Find an entry of a table by name. A name of this package wins over the same name of another package.

    Args:
        kind: what the table holds, in one word, for the error message.
        name: the name to look for.
        own: the table of this package, by name.
        group: the group of entry points that adds to it.

    Returns:
        The entry, or the object that the entry point names.

    Raises:
        ValueError: neither this package nor an installed one has the name, two packages have it, or the object cannot
            be imported.
    """
    if name in builtin:
        return builtin[name]
    matches = tuple(entry_points(group=group, name=name))
    if len(matches) > 1:
        raise ValueError(f"{kind}: expected one package that adds {name!r}, got {', '.join(map(_package, matches))}: "
                         "uninstall all but one")
    if not matches:
        raise ValueError(f"{kind}: expected one of {', '.join(names(builtin, group))}, got {name!r}: install "
                         f"the package that adds it by an entry point of {group}")
    return _load(matches[0], group)


def loaded(group: str) -> dict[str, Any]:
    """Load what installed packages add to a table.

    Args:
        group: the group of entry points.

    Returns:
        The objects by name.

    Raises:
        ValueError: one of them cannot be imported.
    """
    return {entry.name: _load(entry, group) for entry in entry_points(group=group)}


def _load(entry: EntryPoint, group: str) -> Any:
    try:
        return entry.load()
    except Exception as error:  # importing a package runs its code, which may raise anything
        why = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{group}: expected {entry.value} of the package {_package(entry)}, got {why}: mend the "
                         "package or uninstall it") from error


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value
