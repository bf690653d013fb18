"""CLIP, ViT and VideoMAE as open towers: `tower` says how to walk one, `load` where weights come from."""

from mien.towers.load import load, locate
from mien.towers.plan import CLIP, VIDEOMAE_B, VIT_B16, Plan
from mien.towers.tiny import tiny, tiny_tokens
from mien.towers.tower import Attend, Block, Mlp, Tower, digest, ends, fast_dtype, pixels, sinusoids
from mien.towers.words import tokenize

__all__ = ["CLIP", "VIDEOMAE_B", "VIT_B16", "Attend", "Block", "Mlp", "Plan", "Tower", "digest", "ends", "fast_dtype",
           "load", "locate", "pixels", "sinusoids", "tiny", "tiny_tokens", "tokenize"]
