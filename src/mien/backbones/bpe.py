"""Train a small byte-pair tokenizer and save it in the format of CLIP's tokenizer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

START, END = "<|startoftext|>", "<|endoftext|>"
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789,.:;'-"


def train_bpe(texts: Sequence[str], folder: str | Path, most: int = 1000) -> None:
    """Train byte-pair encoding and write vocab.json, merges.txt and tokenizer_config.json.

    Any other word in lower-case letters is split into smaller subwords, down to single letters.

    Args:
        texts: the training texts.
        folder: an existing folder.
        most: maximum number of subwords.

    References:
        Sennrich, Haddow & Birch 2016, Neural machine translation of rare words with subword units, 1508.07909.
    """
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers  # slow to import

    last = "</w>"
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix=last))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("[a-z]+|[^a-z ]"), "removed", invert=True)
    tokenizer.train_from_iterator([text.lower() for text in texts], trainers.BpeTrainer(
        vocab_size=most, initial_alphabet=list(LETTERS), end_of_word_suffix=last, show_progress=False))
    model = json.loads(tokenizer.to_str())["model"]
    subwords = dict.fromkeys([*model["vocab"], *(letter + last for letter in LETTERS), START, END])
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in model["merges"]]
    folder = Path(folder)
    (folder / "vocab.json").write_text(json.dumps({subword: number for number, subword in enumerate(subwords)}) + "\n",
                                       encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "CLIPTokenizer", "bos_token": START, "eos_token": END, "unk_token": END,
        "pad_token": END}, indent=2) + "\n", encoding="utf-8")
