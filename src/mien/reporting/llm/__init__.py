"""Describe a person's expression and heart rate in one sentence for a language model, with uncertainty in words.

>>> describe(prediction)
'The person probably looks happy; heart rate about 72 beats a minute.'

Each language has a template file in this folder: `en.toml`, `de.toml`.
"""

from mien.reporting.llm.message import CERTAINTY, NO_PERSON, Utterance, make_utterance
from mien.reporting.llm.observation import PersonObservation, fields, parse, render_observation
from mien.reporting.llm.templates import describe, languages, no_picture, render, system_message

__all__ = [
    "CERTAINTY", "NO_PERSON", "PersonObservation", "Utterance", "describe", "fields", "languages",
    "make_utterance", "no_picture", "parse", "render", "render_observation", "system_message",
]
