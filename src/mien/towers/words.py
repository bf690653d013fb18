"""Texts -> token ids for CLIP's text tower."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from mien.towers.load import locate


def tokenize(texts: Sequence[str], source: str | Path, context: int = 77, **where: object) -> Tensor:
    """Texts (K,) -> ids (K, L), from the start token to the end token of the longest, shorter ones padded with it.

    `source`: the folder or hub id that the text tower came from, with its tokenizer; `where` as in `load`. ValueError
    for an empty list, an empty text and a text that takes more than `context` tokens (never cut in silence).
    """
    from transformers import CLIPTokenizer  # slow to import, and an image tower alone does not need it

    if not texts or any(not text.strip() for text in texts):
        raise ValueError(f"texts: expected one or more texts with words in them, got {list(texts)}")
    folder = locate(source, **where)  # type: ignore[arg-type]
    folder = folder if folder.is_dir() else folder.parent
    if not any((folder / name).exists() for name in ("tokenizer.json", "vocab.json")):
        raise FileNotFoundError(f"{folder}: expected tokenizer.json, or vocab.json and merges.txt, got neither: name "
                                "the folder or hub id of a CLIP that has them")
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    rows = [tokenizer(text, truncation=False)["input_ids"] for text in texts]
    longest = max(map(len, rows))
    if longest > context:
        text = texts[[len(row) for row in rows].index(longest)]
        raise ValueError(f"texts: expected at most {context} tokens, got {longest} for {text[:40]!r}...: shorten it")
    return torch.tensor([row + [row[-1]] * (longest - len(row)) for row in rows])
