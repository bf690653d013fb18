"""Texts for pictures: phrases alone, and captions composed of several, as rows of tokens, with what holds for what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mien.lookalikes.captions import PHRASES
from mien.towers import tokenize

MOST = 5
"""Phrases of a caption. Our choice: as many as the class texts of `tasks` have cues."""

CERTAIN = 0.01
"""A share of pictures nearer to 0 or 1 counts as this far from it."""


class Wording:
    """The phrases as tokens of the tokenizer in `folder`; `holds` bool (N, P): for which of all pictures each holds."""

    def __init__(self, folder: str | Path, holds: np.ndarray) -> None:
        self._tokens = [[tokenize([way], folder)[0].tolist() for way in ways] for ways in PHRASES]
        self._comma = tokenize([","], folder)[0].tolist()[1:-1]
        self.start, *_, self.end = self._tokens[0][0]
        self._holds = holds

    def draw(self, seen: np.ndarray, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """seen bool (B, P): what holds for the pictures of a batch -> P + count texts K, each phrase alone first.

        ids (K, L); true (B, K) float: whether the whole text holds; prior (K,): logit of its share of all pictures.
        Each composed text is true of one picture of the batch at least; words and order are drawn.
        """
        sets = _sets(seen, count, rng)
        true = np.column_stack([seen[:, chosen].all(axis=1) for chosen in sets])
        share = np.array([self._holds[:, chosen].all(axis=1).mean() for chosen in sets])
        prior = torch.logit(torch.from_numpy(share).float().clamp(CERTAIN, 1 - CERTAIN))
        return self.rows(sets, rng), torch.from_numpy(true).float(), prior

    def name(self, seen: np.ndarray, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """As `draw` -> ids (K, L), and which phrases each text names, (K, P) 0 or 1."""
        sets = _sets(seen, count, rng)
        named = torch.zeros(len(sets), len(PHRASES))
        for row, chosen in zip(named, sets, strict=True):
            row[chosen] = 1.0
        return self.rows(sets, rng), named

    def rows(self, sets: Sequence[np.ndarray], rng: np.random.Generator) -> Tensor:
        """Sets of phrases -> ids (K, L), padded with the end token."""
        texts = []
        for chosen in sets:
            text: list[int] = []
            for k in chosen:
                ways = self._tokens[k]
                text += (self._comma if text else []) + ways[int(rng.integers(len(ways)))][1:-1]
            texts.append([self.start, *text, self.end])
        longest = max(map(len, texts))
        return torch.tensor([text + [self.end] * (longest - len(text)) for text in texts])


def _sets(seen: np.ndarray, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Every phrase alone, then `count` sets of phrases that hold together."""
    sets = [np.array([k]) for k in range(len(PHRASES))]
    for row in rng.integers(len(seen), size=count):
        there = np.flatnonzero(seen[row])
        sets.append(rng.permutation(there)[: rng.integers(2, MOST + 1)])
    return sets
