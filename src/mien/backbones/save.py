"""Save towers in the format of transformers: config, weights and preprocessor config. `load` reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor, tensor

from mien.backbones.config import BackboneConfig
from mien.backbones.key_mapping import KEY_MAPPINGS
from mien.backbones.tower import Tower


def save(image: Tower, text: Tower, folder: str | Path, *, start: int, scale: float) -> None:
    """Save both towers of one CLIP as config.json, model.safetensors and preprocessor_config.json.

    Args:
        image: the image tower.
        text: the text tower.
        folder: an existing folder.
        start: id of the start token.
        scale: logarithm of the factor of the cosine similarities, for zero-shot use.

    Raises:
        ValueError: the towers are of other kinds, or the text tower has no end token.
    """
    kinds = image.plan.kind, text.plan.kind
    if kinds != ("clip-image", "clip-text") or text.plan.end is None:
        raise ValueError(f"save: expected the image and the text tower of one CLIP with an end token, got {kinds} and "
                         f"{text.plan.end}")
    folder = Path(folder)
    tensors = {**_named(image), **_named(text), "logit_scale": tensor(scale)}
    save_file({name: value.detach().float().cpu().contiguous() for name, value in tensors.items()},
              folder / "model.safetensors", {"format": "pt"})
    _write(folder / "config.json", _config(image.plan, text.plan, start, scale))
    _write(folder / "preprocessor_config.json", _preprocessing(image.plan))


def save_videomae(tower: Tower, folder: str | Path, metadata: Mapping[str, str] | None = None) -> None:
    """Save a VideoMAE as config.json, model.safetensors and preprocessor_config.json.

    Args:
        tower: a tower of kind videomae.
        folder: an existing folder.
        metadata: text fields of the weights file, `Tower.metadata` when it is loaded.

    Raises:
        ValueError: the tower is of another kind.
    """
    plan, folder = tower.plan, Path(folder)
    if plan.kind != "videomae":
        raise ValueError(f"save_videomae: expected a tower of kind videomae, got {plan.kind}")
    tensors = {name.removeprefix("videomae."): value.detach().float().cpu().contiguous()
               for name, value in _named(tower).items()}
    if plan.pool == "mean-norm":
        tensors = {re.sub(r"^layernorm\.", "fc_norm.", name): value for name, value in tensors.items()}
    save_file(tensors, folder / "model.safetensors", {**(metadata or {}), "format": "pt"})
    sizes = {name: value for name, value in _measures(plan).items() if name != "projection_dim"}
    _write(folder / "config.json", {
        **sizes, "model_type": "videomae", "image_size": plan.size, "patch_size": plan.patch,
        "num_frames": plan.frames, "tubelet_size": plan.tubelet, "num_channels": 3})
    _write(folder / "preprocessor_config.json", {"image_mean": list(plan.mean), "image_std": list(plan.std)})


def _named(tower: Tower) -> dict[str, Tensor]:
    """The tensors of a tower by their names in transformers."""
    layout = next(entry for entry in KEY_MAPPINGS if entry.name == "transformers" and tower.plan.kind in entry.kinds)
    rest = {ours: theirs for theirs, ours in layout.rest.items()}
    layer = {ours: theirs for theirs, ours in layout.layer.items()}
    named: dict[str, Tensor] = {}
    for name, value in tower.state_dict().items():
        stem, _, end = name.rpartition(".")
        if name.startswith("blocks."):
            _, number, inner = stem.split(".", 2)
            parts = {inner: value}
            if inner == "attend.qkv":
                parts = dict(zip(("attend.q", "attend.k", "attend.v"), value.chunk(3), strict=True))
            named |= {f"{layout.part}{layout.block}{number}.{layer[ours]}.{end}": part for ours, part in parts.items()}
            continue
        theirs = rest.get(name) or f"{rest[stem]}.{end}"
        if stem != "finish.project":
            theirs = layout.part + theirs
        named[theirs] = value
    return named


def _config(image: BackboneConfig, text: BackboneConfig, start: int, scale: float) -> dict[str, object]:
    words = {**_measures(text), "vocab_size": text.vocab, "max_position_embeddings": text.context,
             "bos_token_id": start, "eos_token_id": text.end, "pad_token_id": text.end}
    pictures = {**_measures(image), "image_size": image.size, "patch_size": image.patch, "num_channels": 3}
    return {"architectures": ["CLIPModel"], "model_type": "clip", "projection_dim": image.out,
            "logit_scale_init_value": scale, "torch_dtype": "float32",
            "text_config": {**words, "model_type": "clip_text_model"},
            "vision_config": {**pictures, "model_type": "clip_vision_model"}}


def _measures(plan: BackboneConfig) -> dict[str, object]:
    return {"hidden_size": plan.width, "intermediate_size": plan.inner, "num_hidden_layers": plan.layers,
            "num_attention_heads": plan.heads, "hidden_act": plan.act, "layer_norm_eps": plan.eps,
            "projection_dim": plan.out}


def _preprocessing(plan: BackboneConfig) -> dict[str, object]:
    side = {"height": plan.size, "width": plan.size}
    return {"image_processor_type": "CLIPImageProcessor", "do_resize": True, "size": {"shortest_edge": plan.size},
            "do_center_crop": True, "crop_size": side, "do_rescale": True, "do_normalize": True,
            "image_mean": list(plan.mean), "image_std": list(plan.std)}


def _write(path: Path, data: dict[str, object]) -> None:
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
