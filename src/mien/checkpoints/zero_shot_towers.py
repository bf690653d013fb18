"""The backbones of zero-shot classification by name: which towers each has, its tokenizer and its model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mien.backbones.config import Kind
from mien.backbones.load import locate
from mien.backbones.siglip_tokenizer import tokenize_siglip
from mien.backbones.tiny import SOURCE
from mien.backbones.tokenizer import tokenize
from mien.checkpoints.factory import load_tower, tokenize_texts
from mien.core.class_texts import split_texts
from mien.core.read_json import read_json
from mien.core.tasks import Task
from mien.models.siglip_zero_shot import SiglipZeroShot
from mien.models.zero_shot import zero_shot


@dataclass(frozen=True)
class ZeroShotTowers:
    """A backbone for zero-shot classification.

    Attributes:
        image, text: kinds of its towers.
        tokenize: texts (R,), source and context -> token ids (R, L).
        build: image tower, text tower, token ids and number of texts of each class -> the model.
    """

    image: Kind
    text: Kind
    tokenize: Callable[..., Tensor]
    build: Callable[..., Any]


ZERO_SHOT: dict[str, ZeroShotTowers] = {
    "clip": ZeroShotTowers("clip-image", "clip-text", tokenize, zero_shot),
    "siglip": ZeroShotTowers("siglip-image", "siglip-text", tokenize_siglip, SiglipZeroShot),
}
"""The name is the prefix of `--model NAME:FOLDER_OR_HUB_ID`."""


def build_zero_shot(backbone: str, source: str, labels: Task) -> Any:
    """Load both towers and build the model of the class texts.

    Args:
        backbone: a name in `ZERO_SHOT`.
        source: folder or hub id of the towers with their tokenizer.
        labels: classes with texts.

    Raises:
        FileNotFoundError: there are no weights or no tokenizer at `source`.
        ValueError: they are those of another backbone, or the labels have no texts.
    """
    row = ZERO_SHOT[backbone]
    _expect_backbone(backbone, source)
    image, text = load_tower(source, row.image), load_tower(source, row.text)
    tokens = tokenize_texts(source, labels, text.plan.context, row.tokenize)
    return row.build(image, text, tokens, split_texts(labels)[1])


def _expect_backbone(backbone: str, source: str) -> None:
    """Refuse a folder whose config.json names another backbone."""
    if source == SOURCE:
        if backbone != "clip":
            raise ValueError(f"{backbone}:{source}: expected a folder or a hub id, got the random CLIP of dry runs: "
                             f"name it clip:{source}")
        return
    place = locate(source)
    config = (place if place.is_dir() else place.parent) / "config.json"
    content = read_json(config) if config.is_file() else {}
    kind = content.get("model_type") if isinstance(content, dict) else None
    if kind == "siglip2":
        raise ValueError(f"{source}: expected towers of a fixed size, got a NaFlex SigLIP 2: use one such as "
                         "google/siglip2-base-patch16-224")
    if kind in ZERO_SHOT and kind != backbone:
        raise ValueError(f"{source}: expected the towers of {backbone}, got those of {kind}: name it {kind}:{source}")
