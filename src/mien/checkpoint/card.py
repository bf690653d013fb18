"""The card beside the weights: what they are, what they need, what they were trained on and how well they do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from mien import recipes, writing
from mien.labels import RULES
from mien.recipes import Recipe
from mien.tasks import Task, own

SCHEMA = "mien.checkpoint/1"
CARD, WEIGHTS, README = "card.json", "model.safetensors", "README.md"

LIMITS = ("What it says is how people labelled clips like these, not what somebody feels; no decision about a person "
          "should rest on it. In the European Union emotion recognition at work and in education is prohibited, and "
          "elsewhere a system of high risk (Regulation (EU) 2024/1689, article 5(1)(f) and annex III).")
"""What the page of every checkpoint ends with."""


@dataclass(frozen=True, eq=False)
class Card:
    """What a checkpoint says of itself.

    `classes`, `texts` (K,) the label map and what the texts were, `tokens` their ids; `image`, `text`: sha256 of the
    towers (`towers.digest`), which came from `recipe.tower`, and `words`: the measures of the text tower;
    `preprocessing`: pixels and sampling; `data`: dataset, fold, number of trials; `scores`: by the name of what was
    scored, the temperature of "val" too; `parameters`: trained numbers.
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
        """The label map, with the texts that the model was trained with."""
        known = self.recipe.task
        if known.classes == self.classes:
            return replace(known, texts=self.texts or None)
        return own(dict(zip(self.classes, self.texts, strict=True)))

    @property
    def answer(self) -> str:
        """Of a model that guesses a rating, what its number is; '' of one of classes."""
        rule = RULES[self.recipe.rule]
        if rule.task.scale is None:
            return ""
        low, high = rule.task.scale
        return (f"one number, the rating of {rule.label} from {low:g} to {high:g} that the person would give; within "
                f"the model -1 to 1, linearly; no classes and no probabilities. Labels: {rule}")

    @property
    def temperature(self) -> float:
        """What logits are divided by so that probabilities are calibrated; fitted on validation, 1 without any."""
        return float(self.scores.get("val", {}).get("temperature", 1.0))

    @property
    def bond(self) -> dict[str, str]:
        """What the weights say of themselves too, so that no card can stand beside other weights."""
        return {"format": "pt", "method": self.recipe.method, "classes": json.dumps(self.classes), "image": self.image,
                "text": self.text, "step": str(self.step)}

    def save(self, path: Path) -> None:
        """Write it as JSON; whole or not at all."""
        with writing.replacing(path) as temporary:
            temporary.write_text(json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def to_json(self) -> dict[str, Any]:
        """As JSON data; `parse` reads it back."""
        return {"schema": SCHEMA, "licence": self.recipe.licence, "tiny": self.recipe.tiny, **asdict(self),
                **({"answer": self.answer} if self.answer else {}), "recipe": recipes.to_json(self.recipe)}

    def readme(self) -> str:
        """The page that the hub shows."""
        recipe = self.recipe
        about = f"Answer: {self.answer}" if self.answer else f"Classes: {', '.join(self.classes)}"
        lines = ["---", "library_name: mien", "license: other", "tags: [mien, facial-expression]", "---", "",
                 f"# {recipe.name}", ""]
        if recipe.tiny:
            lines += [f"{recipe.doubt[0].upper()}{recipe.doubt[1:]}.", ""]
        lines += [f"Trained tensors only ({self.parameters:,} numbers); the towers are those of `{recipe.tower}`.", "",
                  "```python", "import mien", 'model = mien.load("this/repository")', "```", "",
                  f"{about}. Licence: {recipe.licence}.", "",
                  f"Scores: `{json.dumps(self.scores)}`. Everything else is in `{CARD}`.", "", LIMITS]
        return "\n".join(lines) + "\n"


def read(path: Path) -> Card:
    """What `Card.save` wrote. FileNotFoundError or ValueError say what is wrong with it."""
    if not path.is_file():
        raise FileNotFoundError(f"{path.parent}: expected a checkpoint with {CARD} and {WEIGHTS}, got no {CARD}: name "
                                "the folder that mien train wrote, or a hub id owner/name")
    return parse(decode(path, "take the card again from where it came"), path)


def decode(path: Path, remedy: str) -> Any:
    """What a file of JSON holds. ValueError, with the `remedy`, where it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON, got {error}: {remedy}") from error


def parse(data: Any, path: Path) -> Card:
    """What `Card.to_json` gave, found in the file `path`. ValueError for anything else."""
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        got = data.get("schema") if isinstance(data, dict) else type(data).__name__
        raise ValueError(f"{path}: expected the schema {SCHEMA}, got {got!r}: take another mien, or another checkpoint")
    data = {name: value for name, value in data.items() if name not in ("schema", "licence", "tiny", "answer")}
    names = {one.name for one in fields(Card)}
    if missing := sorted(names - set(data)) or sorted(set(data) - names):
        raise ValueError(f"{path}: expected the fields of a card, these are missing or unknown: {', '.join(missing)}")
    data["recipe"] = recipes.from_json(data["recipe"])
    for name in ("classes", "texts"):
        data[name] = tuple(data[name])
    return Card(**{**data, "tokens": tuple(map(tuple, data["tokens"]))})
