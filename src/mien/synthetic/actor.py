"""One person in a scene: who it is, and the plan of what face, head, heart and lungs do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from mien.synthetic.action_units import unit
from mien.synthetic.disturbances import Curve, Nod, Speech
from mien.synthetic.identity import Identity
from mien.synthetic.physiology import Blinks, Pulse, Respiration


@dataclass(frozen=True, eq=False)
class Actor:
    """A person and a plan of what it does.

    Everything that moves is a number, a function of time in s, or samples at the scene's `fps`.
    `aus`: intensities 0..5 by action unit ("AU12", "AU1" and "AU01" alike). `pose`: pitch, yaw, roll in degrees (up, to
    the person's left, to the person's left shoulder); `gaze`: yaw, pitch of the eyes in the head, degrees.
    `position`: (x, y) px of the point between the eyes on the head's axis, None: placed by the scene;
    `scale`: px a mm, None: by the scene. `sway`: degrees of slow natural motion, about a hundredth of the swing below
    0.5 Hz in the pulse's band. `nod`, `speech`, `blinks`: None for none. `present`: from, to in s, walking in and out
    within them, None: throughout.
    `still`: a photograph: nothing moves, no pulse. `painted`: a painted face: flat colours, no pulse.
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
