"""Synthetic people with known truth: faces that move, a pulse in their skin; no code is shared with the estimators."""

from mien.synthetic.action_units import ACTION_UNITS
from mien.synthetic.actor import Actor
from mien.synthetic.disturbances import Flicker, LightChange, Nod, Occlusion, Speech
from mien.synthetic.expressions import PROTOTYPES, expression
from mien.synthetic.figure import Light
from mien.synthetic.identity import Identity, identity
from mien.synthetic.physiology import SIGNATURE, Blinks, Pulse, Respiration
from mien.synthetic.portrait import Portrait, portrait
from mien.synthetic.scene import Scene
from mien.synthetic.truth import ActorTruth, Truth, load
from mien.synthetic.write import write

__all__ = [
    "ACTION_UNITS", "PROTOTYPES", "SIGNATURE", "Actor", "ActorTruth", "Blinks", "Flicker", "Identity", "Light",
    "LightChange", "Nod", "Occlusion", "Portrait", "Pulse", "Respiration", "Scene", "Speech", "Truth", "expression",
    "identity", "load", "portrait", "write",
]
