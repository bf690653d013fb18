"""The card of a checkpoint: recipe, labels, inputs, training data and scores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from mien import recipes
from mien.core import atomic_files
from mien.core.plain_text import printable
from mien.core.read_json import read_json
from mien.core.tasks import Task, make_task
from mien.recipes.recipe import Recipe

SCHEMA = "mien.checkpoint/1"
CARD, WEIGHTS, README = "card.json", "model.safetensors", "README.md"

LIMITATIONS = (
    "The model predicts how people labelled clips like these, not what a person feels. Do not base a decision "
    "about a person on it. In the European Union, emotion recognition at work and in education is prohibited, "
    "and other uses are high-risk (Regulation (EU) 2024/1689, article 5(1)(f) and annex III)."
)
"""The last paragraph of every checkpoint's README."""


@dataclass(frozen=True, eq=False)
class Card:
    """The description of a checkpoint.

    `classes`, `texts` (K,): labels and their texts, `tokens`: the texts' token ids; `image`, `text`: sha256 of the
    towers from `recipe.tower` (`weights_digest`); `words`: the configuration of the text tower; `preprocessing`: frame
    size, normalisation and sampling; `data`: dataset, fold and numbers of trials; `scores`: by the name of the scored
    side, including the temperature of "val"; `parameters`: number of trained values.
    """

    recipe: Recipe
    classes: tuple[str, ...]
    texts: tuple[str, ...]
    tokens: tuple[tuple[int, ...], ...]
    image: str
    text: str
    words: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    parameters: int
    seed: int = 0
    step: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""

    @property
    def task(self) -> Task:
        """The labels, with the texts of the training."""
        known = self.recipe.task
        if known.classes == self.classes:
            return replace(known, texts=self.texts or None)
        return make_task(dict(zip(self.classes, self.texts, strict=True)))

    @property
    def answer(self) -> str:
        """The meaning of the output of a rating model; "" for a model of classes."""
        rule = self.recipe.label_rule
        if rule.task.scale is None:
            return ""
        low, high = rule.task.scale
        return (f"one number, the rating of {rule.label} from {low:g} to {high:g} that the person would give; within "
                f"the model -1 to 1, linearly; no classes and no probabilities. Labels: {rule}")

    @property
    def temperature(self) -> float:
        """The divisor of the logits that calibrates the probabilities, fitted on validation; 1 without validation."""
        return float(self.scores.get("val", {}).get("temperature", 1.0))

    @property
    def bond(self) -> dict[str, str]:
        """The metadata that the weights file repeats, so that a card of other weights is detected."""
        return {"format": "pt", "method": self.recipe.method, "classes": json.dumps(self.classes), "image": self.image,
                "text": self.text, "step": str(self.step)}

    def save(self, path: Path) -> None:
        """Write the card as JSON, atomically."""
        with atomic_files.replacing(path) as temporary:
            temporary.write_text(json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def to_json(self) -> dict[str, Any]:
        """The card as JSON data for `parse`."""
        data = {"schema": SCHEMA, "licence": self.recipe.licence, "tiny": self.recipe.tiny, **asdict(self)}
        if self.answer:
            data["answer"] = self.answer
        return {**data, "recipe": recipes.to_json(self.recipe)}

    def readme(self) -> str:
        """The README that the hub shows."""
        recipe = self.recipe
        about = f"Classes: {', '.join(self.classes)}"
        if self.answer:
            about = f"Answer: {self.answer}"
        lines = ["---", "library_name: mien", "license: other", "tags: [mien, facial-expression]", "---", "",
                 f"# {recipe.name}", ""]
        if recipe.tiny:
            lines += [f"{recipe.doubt[0].upper()}{recipe.doubt[1:]}.", ""]
        lines += [f"Trained tensors only ({self.parameters:,} numbers); the towers are those of `{recipe.tower}`.", "",
                  "```python", "import mien", 'model = mien.load("this/repository")', "```", "",
                  f"{about}. Licence: {recipe.licence}.", "",
                  f"Scores: `{json.dumps(self.scores)}`. Everything else is in `{CARD}`.", "", LIMITATIONS]
        return "\n".join(lines) + "\n"


def read_card(path: Path) -> Card:
    """Read the card that `Card.save` wrote.

    Raises:
        FileNotFoundError: there is no card.
        ValueError: the file is no card of this version.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path.parent}: expected a checkpoint with {CARD} and {WEIGHTS}, got no {CARD}: name "
                                "the folder that mien train wrote, or a hub id owner/name")
    return parse_card(decode_card(path, "copy the card again from its source"), path)


def decode_card(path: Path, remedy: str) -> Any:
    """Read a JSON file. Raises ValueError with the `remedy` if it is not JSON."""
    return read_json(path, remedy)


def parse_card(data: Any, path: Path) -> Card:
    """Convert the data of `Card.to_json`, read from `path`, to a card. Raises ValueError for any other data."""
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        got = data.get("schema") if isinstance(data, dict) else type(data).__name__
        raise ValueError(f"{path}: expected the schema {SCHEMA}, got {got!r}: use a matching version of mien, or "
                         "another checkpoint")
    data = {name: value for name, value in data.items() if name not in ("schema", "licence", "tiny", "answer")}
    names = {item.name for item in fields(Card)}
    if missing := sorted(names - set(data)) or sorted(set(data) - names):
        raise ValueError(f"{path}: expected the fields of a card, these are missing or unknown: {', '.join(missing)}")
    data["recipe"] = recipes.from_json(data["recipe"])
    for name in ("classes", "texts"):
        data[name] = tuple(data[name])
        if not all(isinstance(text, str) and printable(text) == text for text in data[name]):
            raise ValueError(f"{path}: expected {name} without control characters, got others: use another checkpoint")
    return Card(**{**data, "tokens": tuple(map(tuple, data["tokens"]))})
