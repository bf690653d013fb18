"""`Said` -> one sentence, by the template file of a language."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any

from mien.prompt.said import NOBODY, Said, say
from mien.types import Emotion


def describe(emotion: Emotion | None, language: str = "en") -> str:
    """A row of a stream or a timeline -> one sentence; None: nobody is there. ValueError for an unknown language."""
    return words(NOBODY if emotion is None else say(emotion), language)


def words(said: Said, language: str = "en") -> str:
    """What is said -> one sentence. ValueError for an unknown language."""
    told = _template(language)
    if said.reason == "no_face" and said.heart_rate is None:
        return told["nobody"]
    if said.label:
        label = told["labels"].get(said.task, {}).get(said.label) or told["label"].format(label=_plain(said.label))
        face = told["certainty"][said.certainty].format(label=label)
    else:
        face = told["abstained"].format(reason=told["reasons"][said.reason])
    if said.heart_rate is None:
        heart = told["no_heart_rate"].format(reason=told["reasons"][said.heart_reason])
    else:
        heart = told["heart_rate"].format(rate=said.heart_rate)
    return told["sentence"].format(face=face, heart=heart)


def no_picture(language: str = "en") -> str:
    """The sentence where there is nothing to look at."""
    return _template(language)["no_picture"]


def system(sentence: str, language: str = "en") -> str:
    """The sentence -> the system message for a language model: what it is, and how far to trust it."""
    return _template(language)["system"].format(sentence=sentence).strip()


@lru_cache(maxsize=1)
def languages() -> tuple[str, ...]:
    """Of which there is a template file."""
    return tuple(sorted(each.name.removesuffix(".toml") for each in _folder().iterdir() if each.name.endswith(".toml")))


def names() -> dict[str, str]:
    """Each language -> its name in itself."""
    return {language: _template(language)["name"] for language in languages()}


@lru_cache(maxsize=16)
def _template(language: str) -> dict[str, Any]:
    if language not in languages():  # also keeps a name from outside from becoming a path
        raise ValueError(f"language: expected {' or '.join(languages())}, got {language!r}")
    return tomllib.loads((_folder() / f"{language}.toml").read_text(encoding="utf-8"))


def _folder():
    return files("mien.prompt")


def _plain(label: str) -> str:
    """A label of somebody's own file, on one line: a prompt is no place for what looks like instructions."""
    return re.sub(r"[^\w .'-]+", " ", label)[:60].strip()
