"""One person in a scene: identity, and the script of the face, head, heart and breathing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from mien.simulation.action_units import unit
from mien.simulation.disturbances import Curve, Nod, Speech
from mien.simulation.identity import Identity
from mien.simulation.physiology import Blinks, Pulse, Respiration


@dataclass(frozen=True, eq=False)
class Actor:
    """A person and the script of the person's movements.

    Every curve is a number, a function of time in s, or samples at the scene's `fps`.

    Attributes:
        identity: the person.
        aus: intensities 0..5 by action unit; "AU1" and "AU01" mean the same.
        pulse: the pulse, or None.
        respiration: breathing, or None.
        pose: pitch (up), yaw (to the person's left) and roll (to the person's left shoulder) in degrees.
        gaze: yaw and pitch of the eyes relative to the head in degrees.
        position: (x, y) px of the point between the eyes on the axis of the head. None: the scene decides.
        scale: px for each mm. None: the scene decides.
        nod: nodding, or None.
        speech: talking, or None.
        blinks: blinking, or None.
        present: start and end in s, including the time to walk in and out. None: always present.
        sway: slow natural motion in degrees. About a hundredth of the amplitude below 0.5 Hz is in the pulse band.
        still: the person is a photograph: no movement, no pulse.
        painted: the face is a painting: flat colours, no pulse.

    Raises:
        ValueError: the name of an action unit is unknown.
    """

    identity: Identity
    aus: Mapping[str, Curve] = field(default_factory=dict)
    pulse: Pulse | None = field(default_factory=Pulse)
    respiration: Respiration | None = field(default_factory=Respiration)
    pose: tuple[float, float, float] | Callable[[float], tuple[float, float, float]] | np.ndarray = (0.0, 0.0, 0.0)
    gaze: tuple[float, float] | Callable[[float], tuple[float, float]] | np.ndarray = (0.0, 0.0)
    position: tuple[float, float] | Callable[[float], tuple[float, float]] | np.ndarray | None = None
    scale: float | None = None
    nod: Nod | None = None
    speech: Speech | None = None
    blinks: Blinks | None = None
    present: tuple[float, float] | None = None
    sway: float = 0.0
    still: bool = False
    painted: bool = False

    def __post_init__(self) -> None:
        for name in self.aus:
            unit(name)
