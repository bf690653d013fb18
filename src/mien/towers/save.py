"""Towers -> a folder as transformers publishes a CLIP: config, weights, how pictures are prepared. `load` reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor, tensor

from mien.towers.layouts import LAYOUTS
from mien.towers.plan import Plan
from mien.towers.tower import Tower


def save(image: Tower, text: Tower, folder: str | Path, *, start: int, scale: float) -> None:
    """Both towers of one CLIP -> config.json, model.safetensors and preprocessor_config.json in `folder`, which is
    there. `start`: id of the start token; `scale`: logarithm of what cosines are multiplied by, for zero-shot use.

    Raises ValueError for towers of other kinds, and for a text tower that does not know its end token.
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


def save_videomae(tower: Tower, folder: str | Path, told: Mapping[str, str] | None = None) -> None:
    """A VideoMAE -> config.json, model.safetensors and preprocessor_config.json in `folder`, which is there.

    `told`: what the weights are to say of themselves, `Tower.told` when they are loaded. Raises ValueError for a tower
    of another kind.
    """
    plan, folder = tower.plan, Path(folder)
    if plan.kind != "videomae":
        raise ValueError(f"save_videomae: expected a tower of kind videomae, got {plan.kind}")
    tensors = {name.removeprefix("videomae."): value.detach().float().cpu().contiguous()
               for name, value in _named(tower).items()}
    if plan.pool == "mean-norm":
        tensors = {name.replace("layernorm.", "fc_norm.") if name.startswith("layernorm.") else name: value
                   for name, value in tensors.items()}
    save_file(tensors, folder / "model.safetensors", {**(told or {}), "format": "pt"})
    sizes = {name: value for name, value in _measures(plan).items() if name != "projection_dim"}
    _write(folder / "config.json", {
        **sizes, "model_type": "videomae", "image_size": plan.size, "patch_size": plan.patch,
        "num_frames": plan.frames, "tubelet_size": plan.tubelet, "num_channels": 3})
    _write(folder / "preprocessor_config.json", {"image_mean": list(plan.mean), "image_std": list(plan.std)})


def _named(tower: Tower) -> dict[str, Tensor]:
    """The tensors of a tower by the names that transformers gives them."""
    layout = next(one for one in LAYOUTS if one.name == "transformers" and tower.plan.kind in one.kinds)
    rest = {ours: theirs for theirs, ours in layout.rest.items()}
    layer = {ours: theirs for theirs, ours in layout.layer.items()}
    found = {}
    for name, value in tower.state_dict().items():
        stem, _, end = name.rpartition(".")
        if name.startswith("blocks."):
            _, number, inner = stem.split(".", 2)
            parts = zip("qkv", value.chunk(3), strict=True) if inner == "attend.qkv" else (("", value),)
            for letter, part in parts:
                theirs = layer[f"attend.{letter}" if letter else inner]
                found[f"{layout.part}{layout.block}{number}.{theirs}.{end}"] = part
        else:
            theirs = rest[name] if name in rest else f"{rest[stem]}.{end}"
            found[theirs if stem == "finish.project" else layout.part + theirs] = value
    return found


def _config(image: Plan, text: Plan, start: int, scale: float) -> dict[str, object]:
    words = {**_measures(text), "vocab_size": text.vocab, "max_position_embeddings": text.context,
             "bos_token_id": start, "eos_token_id": text.end, "pad_token_id": text.end}
    pictures = {**_measures(image), "image_size": image.size, "patch_size": image.patch, "num_channels": 3}
    return {"architectures": ["CLIPModel"], "model_type": "clip", "projection_dim": image.out,
            "logit_scale_init_value": scale, "torch_dtype": "float32",
            "text_config": {**words, "model_type": "clip_text_model"},
            "vision_config": {**pictures, "model_type": "clip_vision_model"}}


def _measures(plan: Plan) -> dict[str, object]:
    return {"hidden_size": plan.width, "intermediate_size": plan.inner, "num_hidden_layers": plan.layers,
            "num_attention_heads": plan.heads, "hidden_act": plan.act, "layer_norm_eps": plan.eps,
            "projection_dim": plan.out}


def _preprocessing(plan: Plan) -> dict[str, object]:
    side = {"height": plan.size, "width": plan.size}
    return {"image_processor_type": "CLIPImageProcessor", "do_resize": True, "size": {"shortest_edge": plan.size},
            "do_center_crop": True, "crop_size": side, "do_rescale": True, "do_normalize": True,
            "image_mean": list(plan.mean), "image_std": list(plan.std)}


def _write(path: Path, data: dict[str, object]) -> None:
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
