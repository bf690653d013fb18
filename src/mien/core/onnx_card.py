"""The card beside somebody else's ONNX file: what it expects, under which licences, and the hash that it must have.

It is a JSON file of the same name. No hash is guessed: `mien models pin FILE` writes that of a file at hand.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from mien.core import atomic_files
from mien.core.hashing import sha256
from mien.core.read_json import parse_json


@dataclass(frozen=True, kw_only=True)
class OnnxCard:
    """What every card holds.

    Args:
        name: Of the model.
        licence_weights: Of the file.
        licence_data: Of the data that it was trained on.
        sha256: Of the file; "" where no source states one.
        accepted: The licences as they were accepted; "" before.
        source: Where the file comes from, for people.

    Raises:
        ValueError: A value is not as described.
    """

    name: str
    licence_weights: str
    licence_data: str
    sha256: str = ""
    accepted: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        for field, (good, expected) in self.rules().items():
            if not good:
                raise ValueError(f"card of {self.name}: expected {expected} in {field}, got {getattr(self, field)!r}")

    def rules(self) -> dict[str, tuple[bool, str]]:
        """Whether each field is as expected, and what is expected."""
        return {"licence_weights": (bool(self.licence_weights.strip()), "the licence of the weights"),
                "licence_data": (bool(self.licence_data.strip()), "the licence of the data")}

    @property
    def licence(self) -> str:
        """Both licences, as they are accepted."""
        return f"weights: {self.licence_weights}; data: {self.licence_data}"

    def expect_accepted(self, path: Path) -> None:
        """Check that a file is the pinned one and that its licences were accepted.

        Raises:
            ValueError: It is not so.
        """
        if not self.sha256:
            raise ValueError(f"{path.name}: expected a SHA-256 in its card, got none: check where the file is from, "
                             f"then mien models pin {path}")
        if (actual := sha256(path)) != self.sha256:
            raise ValueError(f"{path.name}: expected the SHA-256 {self.sha256} of its card, got {actual}: it is "
                             "another file than the one that was pinned")
        if self.accepted != self.licence:
            raise ValueError(f"{path.name}: expected its licence to be accepted ({self.licence}), got none: accept it "
                             f"with mien models pin {path} --accept")


Card = TypeVar("Card", bound=OnnxCard)


def read_values(path: Path, ready: str = "") -> dict[str, Any]:
    """Read the card beside a model.

    Args:
        path: The ONNX file.
        ready: The text of a card of this package for a file of that name; it counts where no card is beside the file.

    Returns:
        The fields, lists as tuples.

    Raises:
        FileNotFoundError: There is no card.
        ValueError: It is no JSON object.
    """
    json_file = path.with_suffix(".json")
    if not json_file.is_file() and not ready:
        raise FileNotFoundError(f"{path.name}: expected a card beside it, got nothing at {json_file}: write one "
                                "(docs/face_models.md)")
    try:
        values = parse_json(json_file.read_text(encoding="utf-8-sig") if json_file.is_file() else ready)
    except ValueError as error:
        raise ValueError(f"{json_file.name}: expected JSON, got: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{json_file.name}: expected an object with the fields of a card, got no object")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_whole_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_list_of(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, tuple) and all(map(fits, value))


_TYPES: dict[Any, tuple[Callable[[object], bool], str]] = {
    str: (_is_text, "text"),
    int: (_is_whole_number, "a whole number"),
    float: (_is_number, "a finite number"),
    tuple[str, ...]: (_is_list_of(_is_text), "a list of texts"),
    tuple[float, ...]: (_is_list_of(_is_number), "a list of finite numbers"),
}
"""Type of a field of a card -> whether a value from JSON has it, and what it is called."""


def card_of(values: dict[str, Any], kind: type[Card], name: str) -> Card:
    """Make a card of a kind from the fields that were read; `name` of the file, for messages.

    Raises:
        ValueError: A field is missing, unknown, of another type or not as described.
    """
    known = {each.name for each in fields(kind)}
    types = get_type_hints(kind)
    if unknown := set(values) - known:
        raise ValueError(f"{name}: expected the fields {', '.join(sorted(known))}, got {', '.join(sorted(unknown))}")
    for field, value in values.items():
        fits, expected = _TYPES[types[field]]
        if not fits(value):
            given = list(value) if isinstance(value, tuple) else value
            raise ValueError(f"{name}: expected {expected} in {field}, got {given!r}")
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"{name}: expected the fields that every card needs, got: {error}") from error


def pin_card(path: Path, card: Card, accept: bool) -> Card:
    """Write the SHA-256 of a file, and with `accept` its licences as accepted, into the card beside it.

    Raises:
        FileNotFoundError: There is no file.
        ValueError: The card has the hash of another file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"models pin: expected an ONNX file, got nothing at {path}: check the spelling")
    if card.sha256 not in ("", actual := sha256(path)):
        raise ValueError(f"{path.name}: expected the SHA-256 {card.sha256} of its card, got {actual}: remove it from "
                         "the card if this is the file you want")
    values = {each.name: getattr(card, each.name) for each in fields(card)} | {"sha256": actual}
    if accept:
        values["accepted"] = card.licence
    atomic_files.text(path.with_suffix(".json"), json.dumps(values, indent=1, ensure_ascii=False) + "\n")
    return type(card)(**values)
