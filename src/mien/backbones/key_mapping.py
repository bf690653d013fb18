"""Map the tensor names of published checkpoints to ours.

A layout has two tables from their names to ours, one for a layer and one for the rest. A key is a full name, or a name
without its final `.weight` or `.bias`. The names are from the files and the public code of huggingface/transformers,
mlfoundations/open_clip (and openai/CLIP), huggingface/pytorch-image-models (timm) and MCG-NJU/VideoMAE. None of these
packages is needed to read a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mien.backbones.config import Kind


@dataclass(frozen=True)
class KeyMapping:
    """The names in one published format.

    A file has this layout if it contains `embedding` and `block` + "0." + `query` under one prefix.

    Attributes:
        name: name of the format.
        kinds: the towers that use it.
        embedding: name of the embedding tensor.
        block: prefix of the layers.
        query: name of the query tensor in a layer.
        layer: their names -> ours, in a layer.
        rest: their names -> ours, outside the layers.
        part: end of the prefix when the file contains several towers.
        turned: tensors that the file stores transposed.
    """

    name: str
    kinds: tuple[Kind, ...]
    embedding: str
    block: str
    query: str
    layer: Mapping[str, str]
    rest: Mapping[str, str]
    part: str = ""
    turned: tuple[str, ...] = ()


@dataclass(frozen=True)
class TensorNames:
    """The names of one tower's tensors in a file.

    `theirs`: our name -> their names, which are concatenated; "" stands for a bias of zeros. `fc_norm`: the last layer
    norm comes after the average over tokens (timm's and VideoMAE's classifiers).
    """

    layout: str
    theirs: Mapping[str, tuple[str, ...]]
    turned: tuple[str, ...]
    fc_norm: bool


_CLIP_LAYER = {
    "layer_norm1": "attend.norm", "self_attn.q_proj": "attend.q", "self_attn.k_proj": "attend.k",
    "self_attn.v_proj": "attend.v", "self_attn.out_proj": "attend.out",
    "layer_norm2": "mlp.norm", "mlp.fc1": "mlp.up", "mlp.fc2": "mlp.down",
}
_OPEN_LAYER = {
    "ln_1": "attend.norm", "attn.in_proj_weight": "attend.qkv.weight", "attn.in_proj_bias": "attend.qkv.bias",
    "attn.out_proj": "attend.out", "ln_2": "mlp.norm", "mlp.c_fc": "mlp.up", "mlp.c_proj": "mlp.down",
}
_VIT_LAYER = {
    "layernorm_before": "attend.norm", "attention.attention.query": "attend.q", "attention.attention.key": "attend.k",
    "attention.attention.value": "attend.v", "attention.attention.q_bias": "attend.q.bias",
    "attention.attention.v_bias": "attend.v.bias", "attention.output.dense": "attend.out",
    "layernorm_after": "mlp.norm", "intermediate.dense": "mlp.up", "output.dense": "mlp.down",
}
_VIT5_LAYER = {
    "layernorm_before": "attend.norm", "attention.q_proj": "attend.q", "attention.k_proj": "attend.k",
    "attention.v_proj": "attend.v", "attention.o_proj": "attend.out",
    "layernorm_after": "mlp.norm", "mlp.fc1": "mlp.up", "mlp.fc2": "mlp.down",
}
_TIMM_LAYER = {
    "norm1": "attend.norm", "attn.qkv": "attend.qkv", "attn.q_bias": "attend.q.bias", "attn.v_bias": "attend.v.bias",
    "attn.proj": "attend.out", "norm2": "mlp.norm", "mlp.fc1": "mlp.up", "mlp.fc2": "mlp.down",
}
_VIT_REST = {
    "embeddings.cls_token": "embed.cls", "embeddings.position_embeddings": "embed.positions",
    "embeddings.patch_embeddings.projection": "embed.patch", "layernorm": "finish.norm", "fc_norm": "finish.fc_norm",
}
_PROJECT = ("finish.project.weight",)
_SIGLIP_POOL = {
    "head.probe": "finish.attention.probe", "head.attention.in_proj_weight": "finish.attention.qkv.weight",
    "head.attention.in_proj_bias": "finish.attention.qkv.bias", "head.attention.out_proj": "finish.attention.out",
    "head.layernorm": "finish.attention.mlp.norm", "head.mlp.fc1": "finish.attention.mlp.up",
    "head.mlp.fc2": "finish.attention.mlp.down",
}

KEY_MAPPINGS = (
    KeyMapping("transformers", ("clip-image",), "embeddings.patch_embedding.weight", "encoder.layers.",
           "self_attn.q_proj.weight", _CLIP_LAYER, {
               "embeddings.class_embedding": "embed.cls", "embeddings.patch_embedding": "embed.patch",
               "embeddings.position_embedding.weight": "embed.positions", "pre_layrnorm": "embed.pre",
               "post_layernorm": "finish.norm", "visual_projection": "finish.project"}, part="vision_model."),
    KeyMapping("transformers", ("clip-text",), "embeddings.token_embedding.weight", "encoder.layers.",
           "self_attn.q_proj.weight", _CLIP_LAYER, {
               "embeddings.token_embedding": "embed.words", "embeddings.position_embedding.weight": "embed.positions",
               "final_layer_norm": "finish.norm", "text_projection": "finish.project"}, part="text_model."),
    KeyMapping("transformers", ("siglip-image",), "embeddings.patch_embedding.weight", "encoder.layers.",
           "self_attn.q_proj.weight", _CLIP_LAYER, {
               "embeddings.patch_embedding": "embed.patch", "embeddings.position_embedding.weight": "embed.positions",
               "post_layernorm": "finish.norm", **_SIGLIP_POOL}, part="vision_model."),
    KeyMapping("transformers", ("siglip-text",), "embeddings.token_embedding.weight", "encoder.layers.",
           "self_attn.q_proj.weight", _CLIP_LAYER, {
               "embeddings.token_embedding": "embed.words", "embeddings.position_embedding.weight": "embed.positions",
               "final_layer_norm": "finish.norm", "head": "finish.project"}, part="text_model."),
    KeyMapping("open_clip", ("clip-image",), "visual.conv1.weight", "visual.transformer.resblocks.",
           "attn.in_proj_weight", _OPEN_LAYER, {
               "visual.class_embedding": "embed.cls", "visual.conv1": "embed.patch",
               "visual.positional_embedding": "embed.positions", "visual.ln_pre": "embed.pre",
               "visual.ln_post": "finish.norm", "visual.proj": "finish.project.weight"}, turned=_PROJECT),
    KeyMapping("open_clip", ("clip-text",), "token_embedding.weight", "transformer.resblocks.",
           "attn.in_proj_weight", _OPEN_LAYER, {
               "token_embedding": "embed.words", "positional_embedding": "embed.positions", "ln_final": "finish.norm",
               "text_projection": "finish.project.weight"}, turned=_PROJECT),
    KeyMapping("transformers", ("vit", "videomae"), "embeddings.patch_embeddings.projection.weight", "encoder.layer.",
           "attention.attention.query.weight", _VIT_LAYER, _VIT_REST, part="videomae."),
    KeyMapping("transformers 5 in memory", ("vit",), "embeddings.patch_embeddings.projection.weight", "layers.",
           "attention.q_proj.weight", _VIT5_LAYER, _VIT_REST),
    KeyMapping("timm", ("vit", "videomae"), "patch_embed.proj.weight", "blocks.", "attn.qkv.weight", _TIMM_LAYER, {
        "cls_token": "embed.cls", "pos_embed": "embed.positions", "patch_embed.proj": "embed.patch",
        "norm": "finish.norm", "fc_norm": "finish.fc_norm"}),
)

_NOT_PLAIN = ("reg_token", "dist_token", "norm_pre", "attn_pool")


def find_key_mapping(names: Iterable[str], kind: Kind, file: str) -> TensorNames:
    """Find the tower of `kind` among the tensor names of `file`.

    Raises:
        ValueError: there is no such tower, or it has unknown parts.
    """
    names = set(names)
    layout, prefix = _recognise(names, kind, file)
    parent = prefix.removesuffix(layout.part)
    ours: dict[str, str] = {}
    for name in names:
        if name.startswith(prefix + layout.block):
            number, _, rest = name.removeprefix(prefix + layout.block).partition(".")
            new = _rename(rest, layout.layer)
            if new is None:
                raise ValueError(_unknown(file, kind, name))
            ours[f"blocks.{number}.{new}"] = name
            continue
        inner = name.removeprefix(prefix)
        if not kind.endswith("-text") and inner.removeprefix("visual.").startswith(_NOT_PLAIN):
            raise ValueError(_unknown(file, kind, name))
        new = None
        if name.startswith(prefix):
            new = _rename(inner, layout.rest)
        if new is None and name.startswith(parent):
            new = _rename(name.removeprefix(parent), layout.rest)
        if new is not None:
            ours[new] = name
    fc_norm = "finish.fc_norm.weight" in ours and "finish.norm.weight" not in ours
    if fc_norm:
        ours |= {f"finish.norm.{end}": ours.pop(f"finish.fc_norm.{end}") for end in ("weight", "bias")}
    return TensorNames(layout.name, _stack(ours), layout.turned, fc_norm)


def _recognise(names: set[str], kind: Kind, file: str) -> tuple[KeyMapping, str]:
    for layout in KEY_MAPPINGS:
        if kind in layout.kinds:
            prefixes = [name.removesuffix(layout.embedding) for name in names if name.endswith(layout.embedding)]
            for prefix in sorted(prefixes, key=len):
                if (not prefix or prefix.endswith(".")) and f"{prefix}{layout.block}0.{layout.query}" in names:
                    return layout, prefix
    known = ", ".join(sorted({layout.name for layout in KEY_MAPPINGS if kind in layout.kinds}))
    raise ValueError(f"{file}: expected a {kind} tower in the layout of {known}, got names like "
                     f"{sorted(names)[:3]}: is this another kind of model?")


def _rename(name: str, table: Mapping[str, str]) -> str | None:
    if name in table:
        return table[name]
    stem, dot, end = name.rpartition(".")
    if stem in table and end in ("weight", "bias"):
        return table[stem] + dot + end
    return None


def _stack(ours: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Group the separate query, key and value tensors under our joint name."""
    theirs: dict[str, tuple[str, ...]] = {}
    for name, value in ours.items():
        start, attend, last = name.rpartition(".attend.")
        part, _, end = last.partition(".")
        if attend and part in ("q", "k", "v"):
            theirs[f"{start}.attend.qkv.{end}"] = tuple(ours.get(f"{start}.attend.{p}.{end}", "") for p in "qkv")
        else:
            theirs[name] = (value,)
    return theirs


def _unknown(file: str, kind: Kind, name: str) -> str:
    return f"{file}: expected a plain {kind} tower, got {name!r}, which it does not have: use another checkpoint"
