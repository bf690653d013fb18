"""What was trained, kept small: the trained tensors and a card; the frozen towers are named, never copied.

    model = mien.load("runs/duse-dfew/chosen")         # or a hub id
    model.read(window)                                 # probabilities, as `Stream` asks for them
    model.push_to_hub("somebody/duse-dfew")
"""

from mien.checkpoint.card import CARD, WEIGHTS, Card
from mien.checkpoint.opening import load, locate, zero_shot
from mien.checkpoint.parts import Clip, build, clip, place, towers
from mien.checkpoint.reuse import Reusing
from mien.checkpoint.trained import Trained, make_card

__all__ = ["CARD", "WEIGHTS", "Card", "Clip", "Reusing", "Trained", "build", "clip", "load", "locate", "make_card",
           "place", "towers", "zero_shot"]
