"""Several short sentences about a person for a language model, and their way back into fields.

>>> fields(parse(render_observation(observation))) == fields(observation)
True
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from mien.core.tasks import EXPRESSION
from mien.reporting.llm.message import CERTAINTY, NO_PERSON, Utterance
from mien.reporting.llm.templates import face_clause, label_words, template

SMILES = (("", 0.0), ("slight", 2.0), ("clear", 3.0))
"""Each word for a smile and the smallest intensity of AU12 for it: B (slight) and C (marked) of FACS's A to E."""

TURNED = 20.0
"""Degrees of yaw or pitch from which the head does not face the camera. Our choice: ten times the spread of the error
of the head pose on rendered people (docs/results.md). The eyes in the head are measured too, but with slopes of 0.70
and 0.40: too coarse to say whether somebody looks into the camera. The sentence therefore speaks of the head."""

HEADS = ("", "towards", "aside", "up", "down")
TRENDS = ("", "more_pleasant", "less_pleasant")


@dataclass(frozen=True)
class PersonObservation:
    """What the sentences say.

    Args:
        said: Expression and heart rate with their certainty, as in the short sentence.
        lasting: Whole s for which this expression has lasted; 0 to leave it out.
        smile: A word of `SMILES`.
        head: One of `HEADS`.
        trend: One of `TRENDS`.
        before: The class at the last turn of the conversation, where it is another one now; else "".
        other_person: Whether another person was there at the last turn.
        rate_change: Heart rate now minus that at the last turn in whole bpm; 0 to leave it out.
    """

    said: Utterance = NO_PERSON
    lasting: int = 0
    smile: str = ""
    head: str = ""
    trend: str = ""
    before: str = ""
    other_person: bool = False
    rate_change: int = 0


def smile_word(au12: float) -> str:
    """The word of `SMILES` for an intensity 0..5 of AU12; "" for NaN."""
    return next((word for word, least in reversed(SMILES) if au12 >= least), "")


def head_word(pose: np.ndarray) -> str:
    """The word of `HEADS` for pitch, yaw and roll in degrees; "" for NaN."""
    pitch, yaw = float(pose[0]), float(pose[1])
    if not np.isfinite(pitch + yaw):
        return ""
    if abs(yaw) >= TURNED:
        return "aside"
    if abs(pitch) < TURNED:
        return "towards"
    return ("down", "up")[pitch > 0]


def render_observation(observation: PersonObservation, language: str = "en") -> str:
    """Write an observation as sentences.

    Args:
        observation: The observation.
        language: One of `languages`.

    Returns:
        One to eight sentences. What is not known or has not changed is left out, the heart rate too: without a sentence
        about it, it was not measured.

    Raises:
        ValueError: The language is unknown.
    """
    words, utterance = template(language), observation.said
    if utterance.reason == "no_face" and utterance.heart_rate is None:
        return words["no_face"]
    more = words["observation"]
    sentences = [f"{face_clause(utterance, language)}."]
    if observation.lasting:
        sentences.append(more["lasting"].format(seconds=observation.lasting))
    for group in ("smile", "head", "trend"):
        if word := getattr(observation, group):
            sentences.append(more[group][word])
    if observation.other_person:
        sentences.append(more["other_person"])
    if observation.before:
        sentences.append(more["before"].format(label=label_words(utterance.task, observation.before, language)))
    if utterance.heart_rate is not None:
        sentences.append(more["heart_rate"].format(rate=utterance.heart_rate))
    if observation.rate_change:
        direction = ("lower", "higher")[observation.rate_change > 0]
        sentences.append(more["rate_change"][direction].format(change=abs(observation.rate_change)))
    return " ".join(sentences)


def fields(observation: PersonObservation) -> dict[str, Any]:
    """The fields that the sentences hold, as JSON data."""
    utterance = observation.said
    return {"person": utterance.reason != "no_face" or utterance.heart_rate is not None, "label": utterance.label,
            "certainty": utterance.certainty, "reason": utterance.reason, "lasting": observation.lasting,
            "smile": observation.smile, "head": observation.head, "trend": observation.trend,
            "before": observation.before, "other_person": observation.other_person, "heart_rate": utterance.heart_rate,
            "rate_change": observation.rate_change}


def parse(text: str, language: str = "en", task: str = EXPRESSION.name) -> dict[str, Any]:
    """Read the sentences of `render_observation` back.

    Args:
        text: The sentences.
        language: Their language.
        task: Task of the labels. A class without words of its own stands in quotation marks and is returned as there.

    Returns:
        The same as `fields` of the observation.

    Raises:
        ValueError: The language is unknown, or a part of the text is no sentence of `render_observation`.
    """
    parsed = fields(PersonObservation())
    if text == template(language)["no_face"]:
        return parsed
    parsed |= {"person": True, "reason": ""}
    rest = text
    for pattern, values, names in _sentences(language, task):
        match = pattern.match(rest)
        if match is not None:
            parsed |= values | {name: int(value) if value.isdecimal() else value
                               for name, value in zip(names, match.groups(), strict=True)}
            rest = rest[match.end():].lstrip()
    if rest:
        raise ValueError(f"parse: expected the sentences of render_observation, got {rest!r}")
    if parsed.pop("lower", 0):
        parsed["rate_change"] = -parsed["rate_change"]
    return parsed


@lru_cache(maxsize=16)
def _sentences(language: str, task: str) -> tuple[tuple[re.Pattern[str], dict[str, Any], tuple[str, ...]], ...]:
    """Every sentence in its order: its pattern, what it says, and the names of its groups."""
    words = template(language)
    more, labels = words["observation"], words["labels"].get(task, {})
    sentences = []

    def add(text: str, values: dict[str, Any], **groups: str) -> None:
        pattern = re.escape(text)
        for name in groups:
            pattern = pattern.replace(re.escape(f"{{{name}}}"), r"(.+?)" if name == "label" else r"(\d+)", 1)
        sentences.append((re.compile(pattern), values, tuple(groups.values())))

    quoted = words["label"]
    for (certainty, _), (label, word) in itertools.product(CERTAINTY, labels.items()):
        add(f"{words['certainty'][certainty].format(label=word)}.", {"certainty": certainty, "label": label})
    for certainty, _ in CERTAINTY:
        add(f"{words['certainty'][certainty].format(label=quoted)}.", {"certainty": certainty}, label="label")
    for reason, word in words["reasons"].items():
        add(f"{words['abstained'].format(reason=word)}.", {"reason": reason})
    add(more["lasting"], {}, seconds="lasting")
    for group in ("smile", "head", "trend"):
        for word, text in more[group].items():
            add(text, {group: word})
    add(more["other_person"], {"other_person": True})
    for label, word in labels.items():
        add(more["before"].format(label=word), {"before": label})
    add(more["before"].format(label=quoted), {}, label="before")
    add(more["heart_rate"], {}, rate="heart_rate")
    add(more["rate_change"]["higher"], {}, change="rate_change")
    add(more["rate_change"]["lower"], {"lower": True}, change="rate_change")
    return tuple(sentences)
