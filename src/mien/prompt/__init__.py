"""What is read of a person, in one sentence that a language model can use; doubt and abstention in words.

>>> prompt.describe(emotion)
'The person looks probably happy; heart rate about 72 beats a minute.'

A language is a template file in this folder: `en.toml`, `de.toml`.
"""

from mien.prompt.said import CERTAINTY, NOBODY, Said, say
from mien.prompt.words import describe, languages, no_picture, system, words

__all__ = ["CERTAINTY", "NOBODY", "Said", "describe", "languages", "no_picture", "say", "system", "words"]
