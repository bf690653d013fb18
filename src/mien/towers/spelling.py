"""A tokenizer of our own: byte pairs learnt from some texts, in the two files that CLIP's tokenizer reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

START, END = "<|startoftext|>", "<|endoftext|>"
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789,.:;'-"


def spell(texts: Sequence[str], folder: str | Path, most: int = 1000) -> None:
    """Learn at most `most` pieces of words from `texts` -> vocab.json and merges.txt in `folder`, which is there.

    Any other word in plain lower-case letters is spelled with smaller pieces, down to single letters (Sennrich, Haddow
    & Birch 2016, Neural machine translation of rare words with subword units, 1508.07909).
    """
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers  # slow to import

    last = "</w>"
    made = Tokenizer(models.BPE(end_of_word_suffix=last))
    made.pre_tokenizer = pre_tokenizers.Split(Regex("[a-z]+|[^a-z ]"), "removed", invert=True)
    made.train_from_iterator([text.lower() for text in texts], trainers.BpeTrainer(
        vocab_size=most, initial_alphabet=list(LETTERS), end_of_word_suffix=last, show_progress=False))
    told = json.loads(made.to_str())["model"]
    pieces = dict.fromkeys([*told["vocab"], *(letter + last for letter in LETTERS), START, END])
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in told["merges"]]
    folder = Path(folder)
    (folder / "vocab.json").write_text(json.dumps({piece: number for number, piece in enumerate(pieces)}) + "\n",
                                       encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "CLIPTokenizer", "bos_token": START, "eos_token": END, "unk_token": END,
        "pad_token": END}, indent=2) + "\n", encoding="utf-8")
