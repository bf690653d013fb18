"""Checkpoints: trained tensors and a card. The card names the frozen towers; a checkpoint does not copy them.

    model = mien.load("runs/duse-dfew/chosen")         # or a hub id
    model.predict_window(window)                                 # probabilities, as `Stream` needs them
    model.push_to_hub("somebody/duse-dfew")
"""

from mien.checkpoints.card import CARD, WEIGHTS, Card
from mien.checkpoints.factory import ClipEncoders, build_model, load_clip, load_towers, to_device
from mien.checkpoints.feature_cache import FeatureCache
from mien.checkpoints.load import load, locate, zero_shot
from mien.checkpoints.predictor import Predictor, make_card

__all__ = [
           "CARD",
           "WEIGHTS",
           "Card",
           "ClipEncoders",
           "FeatureCache",
           "Predictor",
           "build_model",
           "load",
           "load_clip",
           "load_towers",
           "locate",
           "make_card",
           "to_device",
           "zero_shot",
]
