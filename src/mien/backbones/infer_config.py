"""Infer the plan of a tower from the shapes of its tensors and the config file next to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from mien.backbones.config import CLIP_MEAN, CLIP_STD, HALF, IMAGENET_MEAN, IMAGENET_STD, BackboneConfig, Kind
from mien.backbones.key_mapping import TensorNames
from mien.core.read_json import read_json

_HEAD = 64  # width of a head in every published size of CLIP, ViT-B and VideoMAE-B
_ACTS = {"quick_gelu": "quick_gelu", "gelu": "gelu", "gelu_pytorch_tanh": "gelu_tanh"}
_DEFAULTS = {  # transformers' defaults for fields that a published config omits
    "clip-image": {"num_attention_heads": 12, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5},
    "clip-text": {"num_attention_heads": 8, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "eos_token_id": 49407},
    "siglip-image": {"num_attention_heads": 12, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6},
    "siglip-text": {"num_attention_heads": 12, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6},
    "vit": {"num_attention_heads": 12, "hidden_act": "gelu", "layer_norm_eps": 1e-12},
    "videomae": {"num_attention_heads": 12, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
                 "image_size": 224, "num_frames": 16, "tubelet_size": 2},
}
_PIXELS = {  # of the published preprocessors, for folders without one
    "clip-image": (CLIP_MEAN, CLIP_STD), "clip-text": (CLIP_MEAN, CLIP_STD), "vit": (HALF, HALF),
    "siglip-image": (HALF, HALF), "siglip-text": (HALF, HALF), "videomae": (IMAGENET_MEAN, IMAGENET_STD)}
_PART = {"clip-image": "vision_config", "clip-text": "text_config", "siglip-image": "vision_config",
         "siglip-text": "text_config"}


def infer_config(
    ours: Mapping[str, Tensor], kind: Kind, names: TensorNames, folder: Path, changes: Mapping[str, object]
) -> BackboneConfig:
    """Infer the plan of a tower.

    Sizes come from the tensors; heads, activation, eps and pixel statistics come from the config.

    Args:
        ours: tensors by our names.
        kind: the kind of tower.
        names: the layout that the file uses.
        folder: the folder with the config files.
        changes: fields of `BackboneConfig` that replace the inferred ones.

    Raises:
        ValueError: a CLIP or SigLIP has no config and `changes` has no `act`; the tensors do not show the activation.
    """
    width = ours["blocks.0.attend.out.weight"].shape[0]
    plan_fields = {**_sizes(ours, kind, names), **_from_config(kind, names, folder, width)}
    if "act" not in plan_fields and "act" not in changes and kind.startswith("siglip"):
        raise ValueError(f"{folder}: expected the config.json of the SigLIP next to the weights, got none: the tensors "
                         "do not show its heads; download it too")
    if "act" not in plan_fields and "act" not in changes:
        raise ValueError(f"{folder}: expected a config.json or open_clip_config.json next to the weights, got none: "
                         "the tensors do not show the activation; say act='quick_gelu' (OpenAI's weights) or "
                         "act='gelu' (most others), or put the config.json of that CLIP next to the weights")
    return BackboneConfig(kind=kind, width=width, **{"heads": width // _HEAD, **plan_fields, **changes})  # type: ignore[arg-type]


def _sizes(ours: Mapping[str, Tensor], kind: Kind, names: TensorNames) -> dict[str, object]:
    layers = {name.split(".")[1] for name in ours if name.startswith("blocks.")}
    sizes: dict[str, object] = {
        "layers": len(layers),
        "inner": ours["blocks.0.mlp.up.weight"].shape[0],
        "out": len(ours.get("finish.project.weight", ())),
        "norm": "finish.norm.weight" in ours,
    }
    if kind.endswith("-text"):
        return sizes | {"vocab": len(ours["embed.words.weight"]), "context": ours["embed.positions"].shape[-2],
                        "pool": {"clip-text": "end"}.get(kind, "last")}
    patch = ours["embed.patch.weight"].shape
    if len(patch) != {"videomae": 5}.get(kind, 4):
        raise ValueError(f"expected patches of a {kind} tower, got a kernel of {tuple(patch)}: another kind of model?")
    sizes["patch"] = patch[-1]
    if kind == "videomae":
        return sizes | {"tubelet": patch[2], "pool": {True: "mean-norm", False: "norm-mean"}[names.fc_norm]}
    before = int(kind != "siglip-image")  # class tokens
    side = (ours["embed.positions"].shape[-2] - before) ** 0.5
    if side != int(side):
        raise ValueError(f"expected positions of {before} class token and a square of patches, got "
                         f"{side**2 + before:.0f} rows")
    if kind == "siglip-image":
        return sizes | {"size": int(side) * patch[-1], "pool": "attention"}
    return sizes | {"size": int(side) * patch[-1], "pool": "mean-norm" if names.fc_norm else "first"}


def _from_config(kind: Kind, names: TensorNames, folder: Path, width: int) -> dict[str, object]:
    """The fields of `BackboneConfig` that the config in `folder` states."""
    config = _json(folder / "config.json")
    if names.layout.startswith("transformers"):
        stated = _transformers(kind, config, _json(folder / "preprocessor_config.json"))
        if names.fc_norm:
            stated["last_eps"] = 1e-5  # transformers' fc_norm has torch's default eps
        return stated
    if names.layout == "open_clip":
        return _open_clip(kind, _json(folder / "open_clip_config.json") or config, width)
    stated = {"act": "gelu", "eps": 1e-6}  # timm's and VideoMAE's code: nn.GELU, LayerNorm(eps=1e-6)
    pixels = config.get("pretrained_cfg", config)
    return stated | {"mean": tuple(pixels.get("mean", IMAGENET_MEAN)), "std": tuple(pixels.get("std", IMAGENET_STD))}


def _transformers(kind: Kind, config: dict, pixels: dict) -> dict[str, object]:
    part = _PART.get(kind, "")
    section = config.get(part) or config.get(f"{part}_dict") or config
    values = {**_DEFAULTS[kind], **section}
    mean, std = _PIXELS[kind]
    stated = {
        "heads": values["num_attention_heads"], "act": _act(values["hidden_act"]), "eps": values["layer_norm_eps"],
        "mean": tuple(pixels.get("image_mean", mean)), "std": tuple(pixels.get("image_std", std)),
    }
    if kind == "clip-text":
        # transformers: configs written before its pull request 24773 have 2; the end token then is the highest id
        stated["end"] = None if values["eos_token_id"] == 2 else values["eos_token_id"]
    if kind == "videomae":
        stated |= {"size": values["image_size"], "frames": values["num_frames"], "tubelet": values["tubelet_size"]}
    if not config:  # the sizes of the tensors count then, and the caller has to name the activation of a CLIP
        del stated["heads"], stated["act"]
        if kind in ("vit", "videomae"):
            stated["act"] = "gelu"
    return stated


def _open_clip(kind: Kind, config: dict, width: int) -> dict[str, object]:
    pixels, model = config.get("preprocess_cfg", {}), config.get("model_cfg", config)
    stated: dict[str, object] = {
        "mean": tuple(pixels.get("mean", CLIP_MEAN)), "std": tuple(pixels.get("std", CLIP_STD))}
    if "vision_cfg" in model:
        stated["act"] = "quick_gelu" if model.get("quick_gelu") else "gelu"
        if kind == "clip-text":
            stated["heads"] = model["text_cfg"].get("heads", 8)
        else:
            stated["heads"] = width // model["vision_cfg"].get("head_width", _HEAD)
    return stated


def _act(name: str) -> str:
    if name not in _ACTS:
        raise ValueError(f"config.json: expected hidden_act {' or '.join(_ACTS)}, got {name!r}: use another checkpoint")
    return _ACTS[name]


def _json(file: Path) -> dict:
    """Read a JSON object, {} if the file does not exist."""
    if not file.exists():
        return {}
    content = read_json(file, "download it again")
    if not isinstance(content, dict):
        raise ValueError(f"{file}: expected a JSON object, got {type(content).__name__}")
    return content
