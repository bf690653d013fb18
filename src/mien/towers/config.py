"""Shapes of tensors and the config beside them -> the plan of a tower."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from mien.towers.layouts import Names
from mien.towers.plan import CLIP_MEAN, CLIP_STD, HALF, IMAGENET_MEAN, IMAGENET_STD, Kind, Plan

_HEAD = 64  # width of a head in every published size of CLIP, ViT-B and VideoMAE-B
_ACTS = {"quick_gelu": "quick_gelu", "gelu": "gelu"}
_DEFAULTS = {  # what transformers assumes where a published config is silent
    "clip-image": {"num_attention_heads": 12, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5},
    "clip-text": {"num_attention_heads": 8, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "eos_token_id": 49407},
    "vit": {"num_attention_heads": 12, "hidden_act": "gelu", "layer_norm_eps": 1e-12},
    "videomae": {"num_attention_heads": 12, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
                 "image_size": 224, "num_frames": 16, "tubelet_size": 2},
}
_PIXELS = {"clip-image": (CLIP_MEAN, CLIP_STD), "clip-text": (CLIP_MEAN, CLIP_STD), "vit": (HALF, HALF),
           "videomae": (IMAGENET_MEAN, IMAGENET_STD)}  # of the published preprocessors, where a folder has none
_PART = {"clip-image": "vision_config", "clip-text": "text_config"}


def measure(ours: Mapping[str, Tensor], kind: Kind, names: Names, folder: Path, changes: Mapping[str, object]) -> Plan:
    """Tensors by our names, in the layout `names`, with the configs in `folder` -> Plan.

    Sizes come from the tensors; heads, activation, eps and pixel statistics from the config. ValueError where a CLIP
    has no config and `changes` does not name its activation: a tensor cannot tell quick_gelu from gelu.
    """
    width = ours["blocks.0.attend.out.weight"].shape[0]
    told = {**_sizes(ours, kind, names), **_told(kind, names, folder, width)}
    if "act" not in told and "act" not in changes:
        raise ValueError(f"{folder}: expected a config.json or open_clip_config.json beside the weights, got none: say "
                         "act='quick_gelu' (OpenAI's weights) or act='gelu' (most others), the tensors do not tell; or "
                         "put the config.json of that CLIP beside it")
    return Plan(kind=kind, width=width, **{"heads": width // _HEAD, **told, **changes})  # type: ignore[arg-type]


def _sizes(ours: Mapping[str, Tensor], kind: Kind, names: Names) -> dict[str, object]:
    layers = {name.split(".")[1] for name in ours if name.startswith("blocks.")}
    found: dict[str, object] = {
        "layers": len(layers),
        "inner": ours["blocks.0.mlp.up.weight"].shape[0],
        "out": ours["finish.project.weight"].shape[0] if "finish.project.weight" in ours else 0,
        "norm": "finish.norm.weight" in ours,
    }
    if kind == "clip-text":
        found |= {"vocab": len(ours["embed.words.weight"]), "context": ours["embed.positions"].shape[-2], "pool": "end"}
        return found
    patch = ours["embed.patch.weight"].shape
    if len(patch) != (5 if kind == "videomae" else 4):
        raise ValueError(f"expected patches of a {kind} tower, got a kernel of {tuple(patch)}: another kind of model?")
    found["patch"] = patch[-1]
    if kind == "videomae":
        return found | {"tubelet": patch[2], "pool": "mean-norm" if names.fc_norm else "norm-mean"}
    side = (ours["embed.positions"].shape[-2] - 1) ** 0.5
    if side != int(side):
        raise ValueError(f"expected positions of a class token and a square of patches, got {side**2 + 1:.0f} rows")
    return found | {"size": int(side) * patch[-1], "pool": "mean-norm" if names.fc_norm else "first"}


def _told(kind: Kind, names: Names, folder: Path, width: int) -> dict[str, object]:
    """What the config in `folder` says about a tower of this layout."""
    config = _json(folder / "config.json")
    if names.layout.startswith("transformers"):
        told = _transformers(kind, config, _json(folder / "preprocessor_config.json"))
        return told | ({"last_eps": 1e-5} if names.fc_norm else {})  # transformers' fc_norm keeps torch's own eps
    if names.layout == "open_clip":
        return _open_clip(kind, _json(folder / "open_clip_config.json") or config, width)
    told = {"act": "gelu", "eps": 1e-6}  # timm's and VideoMAE's code: nn.GELU, LayerNorm(eps=1e-6)
    pixels = config.get("pretrained_cfg", config)
    return told | {"mean": tuple(pixels.get("mean", IMAGENET_MEAN)), "std": tuple(pixels.get("std", IMAGENET_STD))}


def _transformers(kind: Kind, config: dict, pixels: dict) -> dict[str, object]:
    part = _PART.get(kind, "")
    said = config.get(part) or config.get(f"{part}_dict") or config
    told = {**_DEFAULTS[kind], **said}
    mean, std = _PIXELS[kind]
    found = {
        "heads": told["num_attention_heads"], "act": _act(told["hidden_act"]), "eps": told["layer_norm_eps"],
        "mean": tuple(pixels.get("image_mean", mean)), "std": tuple(pixels.get("image_std", std)),
    }
    if kind == "clip-text":
        # transformers: configs written before its pull request 24773 say 2; the end token then is the highest id
        found["end"] = None if told["eos_token_id"] == 2 else told["eos_token_id"]
    if kind == "videomae":
        found |= {"size": told["image_size"], "frames": told["num_frames"], "tubelet": told["tubelet_size"]}
    if not config:  # nobody said it: the tensors' own measures hold, and a CLIP's activation has to be named
        del found["heads"], found["act"]
        return found if kind.startswith("clip") else found | {"act": "gelu"}
    return found


def _open_clip(kind: Kind, config: dict, width: int) -> dict[str, object]:
    pixels, model = config.get("preprocess_cfg", {}), config.get("model_cfg", config)
    told: dict[str, object] = {"mean": tuple(pixels.get("mean", CLIP_MEAN)), "std": tuple(pixels.get("std", CLIP_STD))}
    if "vision_cfg" in model:
        told["act"] = "quick_gelu" if model.get("quick_gelu") else "gelu"
        if kind == "clip-text":
            told["heads"] = model["text_cfg"].get("heads", 8)
        else:
            told["heads"] = width // model["vision_cfg"].get("head_width", _HEAD)
    return told


def _act(name: str) -> str:
    if name not in _ACTS:
        raise ValueError(f"config.json: expected hidden_act {' or '.join(_ACTS)}, got {name!r}: use another checkpoint")
    return _ACTS[name]


def _json(file: Path) -> dict:
    """The content of a JSON file, {} where there is none."""
    if not file.exists():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{file}: expected JSON, got {error}: download it again") from error
    if not isinstance(found, dict):
        raise ValueError(f"{file}: expected a JSON object, got {type(found).__name__}")
    return found
