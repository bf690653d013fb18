"""Rendered videos of synthetic people with known ground truth: facial movement, and a pulse in the skin.

The renderer shares no code with the estimators.
"""

from mien.simulation.action_units import ACTION_UNITS
from mien.simulation.actor import Actor
from mien.simulation.disturbances import Flicker, LightChange, Nod, Occlusion, Speech
from mien.simulation.expressions import PROTOTYPES, expression
from mien.simulation.identity import Identity, identity
from mien.simulation.physiology import SIGNATURE, Blinks, Pulse, Respiration
from mien.simulation.portrait import Portrait, portrait
from mien.simulation.renderer import Light
from mien.simulation.scene import Scene
from mien.simulation.truth import ActorTruth, SceneTruth, load_truth
from mien.simulation.video_file import write_video

__all__ = [
           "ACTION_UNITS",
           "PROTOTYPES",
           "SIGNATURE",
           "Actor",
           "ActorTruth",
           "Blinks",
           "Flicker",
           "Identity",
           "Light",
           "LightChange",
           "Nod",
           "Occlusion",
           "Portrait",
           "Pulse",
           "Respiration",
           "Scene",
           "SceneTruth",
           "Speech",
           "expression",
           "identity",
           "load_truth",
           "portrait",
           "write_video",
]
