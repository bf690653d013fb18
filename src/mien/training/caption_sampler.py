"""Sample captions for pictures: single phrases and compositions of several, as token ids with their truth values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mien.backbones.tokenizer import tokenize
from mien.simulation.captioned_pictures import PHRASES

MAX_PHRASES = 5
"""Largest number of phrases of a caption. Our choice: as many as the class texts of `tasks` have cues."""

MIN_SHARE = 0.01
"""Shares of pictures are clamped to this distance from 0 and 1."""


class CaptionSampler:
    """Samples captions with the tokenizer in `folder`; `holds` bool (N, P): which phrases hold for each picture."""

    def __init__(self, folder: str | Path, holds: np.ndarray) -> None:
        self._tokens = [[tokenize([way], folder)[0].tolist() for way in ways] for ways in PHRASES]
        self._comma = tokenize([","], folder)[0].tolist()[1:-1]
        self.start, *_, self.end = self._tokens[0][0]
        self._holds = holds

    def draw(self, seen: np.ndarray, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Draw K = P + count texts: each phrase alone, then composed captions with random words and order.

        Each composed caption is true for at least one picture of the batch.

        Args:
            seen: bool (B, P), which phrases hold for the pictures of a batch.
            count: number of composed captions.
            rng: random generator.

        Returns:
            ids (K, L); float (B, K), 1 if all of the text holds for the picture; and the logit (K,) of the share of all
            pictures that the text holds for.
        """
        sets = _sets(seen, count, rng)
        true = np.column_stack([seen[:, chosen].all(axis=1) for chosen in sets])
        share = np.array([self._holds[:, chosen].all(axis=1).mean() for chosen in sets])
        prior = torch.logit(torch.from_numpy(share).float().clamp(MIN_SHARE, 1 - MIN_SHARE))
        return self.rows(sets, rng), torch.from_numpy(true).float(), prior

    def name(self, seen: np.ndarray, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Draw texts as `draw` does and return ids (K, L), and (K, P) 0 or 1, which phrases each text names."""
        sets = _sets(seen, count, rng)
        named = torch.zeros(len(sets), len(PHRASES))
        for row, chosen in zip(named, sets, strict=True):
            row[chosen] = 1.0
        return self.rows(sets, rng), named

    def rows(self, sets: Sequence[np.ndarray], rng: np.random.Generator) -> Tensor:
        """Token ids (K, L) of sets of phrases, padded with the end token."""
        texts = []
        for chosen in sets:
            text: list[int] = []
            for k in chosen:
                if text:
                    text += self._comma
                ways = self._tokens[k]
                text += ways[int(rng.integers(len(ways)))][1:-1]
            texts.append([self.start, *text, self.end])
        longest = max(map(len, texts))
        return torch.tensor([text + [self.end] * (longest - len(text)) for text in texts])


def _sets(seen: np.ndarray, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Every phrase alone, then `count` sets of phrases that hold together."""
    sets = [np.array([k]) for k in range(len(PHRASES))]
    for row in rng.integers(len(seen), size=count):
        holding = np.flatnonzero(seen[row])
        sets.append(rng.permutation(holding)[: rng.integers(2, MAX_PHRASES + 1)])
    return sets
