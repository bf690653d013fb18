"""CLIP, ViT and VideoMAE backbones, with published weights. `tower` has the modules, `load` reads the weights."""

from mien.backbones.config import CLIP, VIDEOMAE_B, VIT_B16, BackboneConfig
from mien.backbones.load import load, locate
from mien.backbones.tiny import tiny_tokens, tiny_tower
from mien.backbones.tokenizer import tokenize
from mien.backbones.tower import (
           Block,
           Mlp,
           SelfAttention,
           Tower,
           end_positions,
           fast_dtype,
           normalise_pixels,
           sinusoids,
           weights_digest,
)

__all__ = [
           "CLIP",
           "VIDEOMAE_B",
           "VIT_B16",
           "BackboneConfig",
           "Block",
           "Mlp",
           "SelfAttention",
           "Tower",
           "end_positions",
           "fast_dtype",
           "load",
           "locate",
           "normalise_pixels",
           "sinusoids",
           "tiny_tokens",
           "tiny_tower",
           "tokenize",
           "weights_digest",
]
