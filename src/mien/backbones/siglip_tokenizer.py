"""Tokenize texts for SigLIP 2's text tower.

The rules are those of its training as transformers converted it (convert_siglip_to_hf.py, tokenization_siglip2.py):
lower case, no start token, an end token, padded at the right to the full context, and no mask: the tower attends to the
padding, and its last position is the feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from mien.backbones.load import locate
from mien.core.read_json import read_json

FILE = "tokenizer.json"

END, PADDING = "eos_token", "pad_token"
_USUAL = {END: "<eos>", PADDING: "<pad>"}  # of Gemma's vocabulary, which SigLIP 2 has


def tokenize_siglip(texts: Sequence[str], source: str | Path, context: int = 64, **where: object) -> Tensor:
    """Tokenize texts.

    Args:
        texts: (K,) texts.
        source: the folder or hub id of the text tower, with its tokenizer.json.
        context: number of tokens of every row.
        where: `revision`, `offline` and `cache`, as in `load`.

    Returns:
        Token ids (K, context): the text, the end token, and padding.

    Raises:
        ValueError: there are no texts, a text is empty, a text has more than `context` tokens with its end (we never
            truncate), or the tokenizer is not that of SigLIP 2.
        FileNotFoundError: `source` has no tokenizer.json.
    """
    from tokenizers import Tokenizer  # slow to import

    if not texts or any(not text.strip() for text in texts):
        raise ValueError(f"texts: expected one or more texts with words in them, got {list(texts)}")
    folder = locate(source, **where)  # type: ignore[arg-type]
    path = (folder if folder.is_dir() else folder.parent) / FILE
    if not path.exists():
        raise FileNotFoundError(f"{path.parent}: expected {FILE} of SigLIP 2, got none: name the folder or hub id of a "
                                "SigLIP 2 that has it")
    special = _special(path.with_name("tokenizer_config.json"))
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises plain Exception for what it cannot parse
        raise ValueError(f"{path}: expected the file of a tokenizer, got {error}: download it again") from error
    ids = {name: tokenizer.token_to_id(token) for name, token in special.items()}
    if missing := [special[name] for name in special if ids[name] is None]:
        raise ValueError(f"{path}: expected {' and '.join(missing)} in the vocabulary of SigLIP 2's tokenizer, got "
                         "none: name the folder or hub id of a SigLIP 2")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    rows = [[*tokenizer.encode(text.lower(), add_special_tokens=False).ids, ids[END]] for text in texts]
    longest = max(map(len, rows))
    if longest > context:
        text = texts[[len(row) for row in rows].index(longest)]
        raise ValueError(f"texts: expected at most {context} tokens, got {longest} for {text[:40]!r}...: shorten it")
    return torch.tensor([row + [ids[PADDING]] * (context - len(row)) for row in rows])


def _special(path: Path) -> dict[str, str]:
    """The end and the padding token: those that tokenizer_config.json names, or SigLIP 2's."""
    stated = read_json(path) if path.exists() else {}
    if stated.get("tokenizer_class", "").startswith("SiglipTokenizer"):
        raise ValueError(f"{path.parent}: expected the tokenizer of SigLIP 2, got that of SigLIP, which drops "
                         "punctuation: name a SigLIP 2")
    tokens = {name: stated.get(name) or token for name, token in _USUAL.items()}
    return {name: token["content"] if isinstance(token, dict) else token for name, token in tokens.items()}
