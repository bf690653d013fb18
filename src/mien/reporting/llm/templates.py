"""Turn `Utterance` into a sentence with the template file of a language."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any

from mien.core.results import Prediction
from mien.reporting.llm.message import NO_PERSON, Utterance, make_utterance

WORDS, LETTERS = 3, 24
"""Most words and letters of a user-defined label in a sentence. Our choice: enough for a name such as "slightly bored",
too little for an instruction."""


def describe(emotion: Prediction | None, language: str = "en") -> str:
    """Describe a row in one sentence.

    Args:
        emotion: A row of a stream or a timeline; None when no person is visible.
        language: One of `languages`.

    Returns:
        The sentence.

    Raises:
        ValueError: The language is unknown.
    """
    return render(NO_PERSON if emotion is None else make_utterance(emotion), language)


def render(utterance: Utterance, language: str = "en") -> str:
    """The sentence for `utterance`. Raises ValueError for an unknown language."""
    words = template(language)
    if utterance.reason == "no_face" and utterance.heart_rate is None:
        return words["no_face"]
    if utterance.heart_rate is None:
        heart = words["no_heart_rate"].format(reason=words["reasons"][utterance.heart_reason])
    else:
        heart = words["heart_rate"].format(rate=utterance.heart_rate)
    return words["sentence"].format(face=face_clause(utterance, language), heart=heart)


def face_clause(utterance: Utterance, language: str) -> str:
    """The clause about the expression, without a full stop."""
    words = template(language)
    if not utterance.label:
        return words["abstained"].format(reason=words["reasons"][utterance.reason])
    return words["certainty"][utterance.certainty].format(label=label_words(utterance.task, utterance.label, language))


def label_words(task: str, label: str, language: str) -> str:
    """The words for a class: those of the language, or its own name in quotation marks."""
    words = template(language)
    return words["labels"].get(task, {}).get(label) or words["label"].format(label=_plain(label))


def no_picture(language: str = "en") -> str:
    """The sentence for a missing picture."""
    return template(language)["no_picture"]


def system_message(sentence: str, language: str = "en") -> str:
    """The system message for a language model: the sentence, its origin and how far to trust it."""
    return template(language)["system"].format(sentence=sentence).strip()


@lru_cache(maxsize=1)
def languages() -> tuple[str, ...]:
    """The languages that have a template file."""
    return tuple(sorted(each.name.removesuffix(".toml") for each in _folder().iterdir() if each.name.endswith(".toml")))


def language_names() -> dict[str, str]:
    """The name of each language in that language, by code."""
    return {language: template(language)["name"] for language in languages()}


@lru_cache(maxsize=16)
def template(language: str) -> dict[str, Any]:
    """The wording of a language. Raises ValueError if it is unknown."""
    if language not in languages():  # this also prevents path traversal with a client's value
        raise ValueError(f"language: expected {' or '.join(languages())}, got {language!r}")
    return tomllib.loads((_folder() / f"{language}.toml").read_text(encoding="utf-8"))


def _folder():
    return files("mien.reporting.llm")


def _plain(label: str) -> str:
    """A user-defined label as data: its letters, digits and hyphens, in at most `WORDS` words and `LETTERS` letters.

    The template puts it in quotation marks, which it cannot contain, and `system` says what stands between them.
    """
    words = re.sub(r"[^\w-]+", " ", label).replace("_", " ").split()[:WORDS]
    return " ".join(words)[:LETTERS].strip()
