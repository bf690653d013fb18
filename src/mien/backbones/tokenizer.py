"""Tokenize texts for CLIP's text tower."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mien.backbones.bpe import END, START
from mien.backbones.load import locate
from mien.core.read_json import read_json

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PIECES = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
"""What CLIP splits texts into before byte pairs (Radford et al. 2021, 2103.00020; openai/CLIP, simple_tokenizer.py)."""


def tokenize(texts: Sequence[str], source: str | Path, context: int = 77, **where: object) -> Tensor:
    """Tokenize texts.

    Args:
        texts: (K,) texts.
        source: the folder or hub id of the text tower, with its tokenizer.
        context: maximum number of tokens.
        where: `revision`, `offline` and `cache`, as in `load`.

    Returns:
        Token ids (K, L), from the start token to the end token, padded with the end token.

    Raises:
        ValueError: there are no texts, a text is empty, or a text has more than `context` tokens; we never truncate.
        FileNotFoundError: `source` has no tokenizer.
    """
    if not texts or any(not text.strip() for text in texts):
        raise ValueError(f"texts: expected one or more texts with words in them, got {list(texts)}")
    folder = locate(source, **where)  # type: ignore[arg-type]
    tokenizer = read_tokenizer(folder if folder.is_dir() else folder.parent)
    rows = [tokenizer.encode(text).ids for text in texts]
    longest = max(map(len, rows))
    if longest > context:
        text = texts[[len(row) for row in rows].index(longest)]
        raise ValueError(f"texts: expected at most {context} tokens, got {longest} for {text[:40]!r}...: shorten it")
    return torch.tensor([row + [row[-1]] * (longest - len(row)) for row in rows])


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer that a CLIP was published with.

    Args:
        folder: holds tokenizer.json, or vocab.json and merges.txt; tokenizer_config.json may name other special tokens.

    Returns:
        A tokenizer that puts the start token before each text and the end token after it, and cuts and pads nothing.

    Raises:
        FileNotFoundError: the folder has neither form.
        ValueError: a file cannot be read, or the vocabulary lacks a special token.
    """
    from tokenizers import Tokenizer  # slow to import, and an image tower alone does not need it

    tokenizer_json, vocabulary, merges = (folder / name for name in ("tokenizer.json", "vocab.json", "merges.txt"))
    if not tokenizer_json.exists() and not (vocabulary.exists() and merges.exists()):
        raise FileNotFoundError(f"{folder}: expected tokenizer.json, or vocab.json and merges.txt, got neither: name "
                                "the folder or hub id of a CLIP that has them")
    special = _special(folder / "tokenizer_config.json")
    try:
        tokenizer = (Tokenizer.from_file(str(tokenizer_json)) if tokenizer_json.exists()
                     else _from_parts(vocabulary, merges, special))
    except Exception as error:  # tokenizers raises plain Exception for what it cannot parse
        raise ValueError(f"{folder}: expected the files of a tokenizer, got {error}: download them again") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    _enclose(tokenizer, special, folder)
    return tokenizer


def _special(path: Path) -> tuple[str, str, str]:
    """Start, end and unknown token: those that tokenizer_config.json names, or CLIP's."""
    stated = read_json(path) if path.exists() else {}
    usual = {"bos_token": START, "eos_token": END, "unk_token": END}
    tokens = [stated.get(name) or token for name, token in usual.items()]
    start, end, unknown = (token["content"] if isinstance(token, dict) else token for token in tokens)
    return start, end, unknown


def _from_parts(vocabulary: Path, merges: Path, special: tuple[str, str, str]) -> Tokenizer:
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    pairs = models.BPE.from_file(str(vocabulary), str(merges), end_of_word_suffix="</w>", unk_token=special[2])
    tokenizer = Tokenizer(pairs)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(PIECES), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    return tokenizer


def _enclose(tokenizer: Tokenizer, special: tuple[str, str, str], folder: Path) -> None:
    """Start before each text, end after it, and both read as one token where a text holds them."""
    from tokenizers import processors

    start, end, _ = special
    missing = [token for token in (start, end) if tokenizer.token_to_id(token) is None]
    if missing:
        raise ValueError(f"{folder}: expected {' and '.join(missing)} in the vocabulary of CLIP's tokenizer, got none: "
                         "name the folder or hub id of a CLIP")
    tokenizer.add_special_tokens([start, end])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (start, end)])
