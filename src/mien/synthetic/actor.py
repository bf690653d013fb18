"""One person in a scene: who it is and what face, head, heart and lungs do over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from mien.synthetic.disturbances import Curve, Nod, Speech, curve
from mien.synthetic.identity import Identity
from mien.synthetic.muscles import ACTION_UNITS, JAW
from mien.synthetic.physiology import Blinks, Pulse, Respiration, Rhythm, blinks, rhythm


@dataclass(frozen=True, eq=False)
class Actor:
    """A person and a plan of what it does.

    Everything that moves is a number, a function of time in s, or samples at the scene's `fps`.
    `aus`: intensities 0..5 by action unit ("AU12", "AU1" and "AU01" alike). `pose`: pitch, yaw, roll in degrees (up, to
    the person's left, to the person's left shoulder); `gaze`: yaw, pitch of the eyes in the head, degrees.
    `position`: (x, y) px of the point between the eyes on the head's axis, None: placed by the scene;
    `scale`: px a mm, None: by the scene. `sway`: degrees of slow natural motion, about a hundredth of the swing below
    0.5 Hz in the pulse's band. `nod`, `speech`, `blinks`: None for none. `present`: from, to in s, None: throughout.
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


def unit(name: str) -> str:
    """"AU1", "AU01", "au1" -> "AU01"; an error names the known ones."""
    digits = name.upper().removeprefix("AU")
    canonical = f"AU{int(digits):02d}" if digits.isdigit() else name
    if canonical not in ACTION_UNITS:
        raise ValueError(f"action unit: expected one of {', '.join(ACTION_UNITS)}, got {name!r}")
    return canonical


@dataclass(frozen=True, eq=False)
class Motion:
    """An actor's plan at the times of the frames: `aus` (T, 18), `pose` (T, 3) and `gaze` (T, 2) degrees, `offset`
    (T, 2) mm that the body moves right and up, `rhythm`, `present` (T,) bool, `blinks` (B,) s."""

    aus: np.ndarray
    pose: np.ndarray
    gaze: np.ndarray
    offset: np.ndarray
    rhythm: Rhythm
    present: np.ndarray
    blinks: np.ndarray


def motion(actor: Actor, times: np.ndarray, fps: float) -> Motion:
    """Actor, times (T,) s, fps of sampled curves -> Motion."""
    if actor.still:
        frozen = motion(_stilled(actor), times[:1], fps)
        return _repeat(frozen, len(times), _present(actor, times))
    beat = rhythm(times, None if actor.painted else actor.pulse, actor.respiration)
    aus = np.zeros((len(times), len(ACTION_UNITS)))
    for name, value in actor.aus.items():
        aus[:, ACTION_UNITS.index(unit(name))] = curve(value, times, fps)
    spoken = actor.speech.aus(times) if actor.speech else {}
    for name, value in spoken.items():
        aus[:, ACTION_UNITS.index(name)] += value
    shut, onsets = blinks(times, actor.blinks) if actor.blinks else (np.zeros(len(times)), np.empty(0))
    closed = ACTION_UNITS.index("AU45")
    aus[:, closed] = np.maximum(aus[:, closed], shut)
    aus = parted(np.clip(aus, 0, 5))
    pose = curve(actor.pose, times, fps, 3)
    if actor.nod:
        pose[:, 0] += actor.nod.degrees * np.sin(2 * np.pi * actor.nod.rate * times)
    offset = np.zeros((len(times), 2))
    if actor.sway:
        drift = _drift(times, actor.identity.seed)
        pose += actor.sway * drift[:, :3] * [0.6, 1.0, 0.5]
        offset += actor.sway * drift[:, 3:] * [1.2, 0.5]
    if actor.respiration:
        offset[:, 1] += actor.respiration.rise * beat.respiration
    return Motion(aus, pose, curve(actor.gaze, times, fps, 2), offset, beat, _present(actor, times), onsets)


def parted(aus: np.ndarray) -> np.ndarray:
    """Intensities (T, 18) -> the same with AU25 at least as the dropping jaw parts the lips.

    FACS scores 25 wherever the lips are apart, so a truth that has 26 without it would be wrong about the picture.
    Half of the jaw's drop is taken up by the lips' own slack (see `muscles`).
    """
    out = aus.copy()
    lips, jaw = ACTION_UNITS.index("AU25"), ACTION_UNITS.index("AU26")
    out[:, lips] = np.maximum(out[:, lips], np.clip(0.70 * JAW * out[:, jaw] / 5 / 7.5 * 5, 0, 5))
    return out


def _stilled(actor: Actor) -> Actor:
    from dataclasses import replace

    return replace(actor, still=False, pulse=None, respiration=None, blinks=None, speech=None, nod=None, sway=0.0)


def _repeat(one: Motion, count: int, present: np.ndarray) -> Motion:
    flat = np.zeros(count)
    quiet = Rhythm(flat, np.full(count, np.nan), flat.copy(), flat.copy(), np.empty(0))
    return Motion(*(np.repeat(v, count, 0) for v in (one.aus, one.pose, one.gaze, one.offset)), quiet, present, np.empty(0))


def _present(actor: Actor, times: np.ndarray) -> np.ndarray:
    if actor.present is None:
        return np.ones(len(times), bool)
    return (times >= actor.present[0]) & (times < actor.present[1])


def _drift(times: np.ndarray, seed: int) -> np.ndarray:
    """times (T,) s -> (T, 5) slow wandering of unit size: sines of 0.05-0.5 Hz, weaker the faster."""
    rng = np.random.default_rng([seed, 5])
    rates = np.geomspace(0.05, 0.5, 6)
    phases = rng.uniform(0, 2 * np.pi, (5, 6))
    weights = (rates[0] / rates) ** 0.7
    waves = np.sin(2 * np.pi * rates * times[:, None, None] + phases) * weights
    return waves.sum(-1) / np.sqrt((weights**2).sum() / 2) / 2
