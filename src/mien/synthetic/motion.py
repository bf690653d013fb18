"""What an actor does at the times of the frames: its plan turned into curves."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mien.synthetic.action_units import ACTION_UNITS, GAPS, unit
from mien.synthetic.actor import Actor
from mien.synthetic.disturbances import curve
from mien.synthetic.physiology import Rhythm, blinks, rhythm


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
    aus = np.clip(aus, 0, 5)
    pose = curve(actor.pose, times, fps, 3)
    if actor.nod:
        pose[:, 0] += actor.nod.degrees * np.sin(2 * np.pi * actor.nod.rate * times)
    offset = np.zeros((len(times), 2))
    if actor.sway:
        way = drift(times, actor.identity.seed)
        pose += actor.sway * way[:, :3] * [0.6, 1.0, 0.5]
        offset += actor.sway * way[:, 3:] * [1.2, 0.5]
    if actor.respiration:
        offset[:, 1] += actor.respiration.rise * beat.respiration
    return Motion(aus, pose, curve(actor.gaze, times, fps, 2), offset, beat, _present(actor, times), onsets)


def parted(aus: np.ndarray) -> np.ndarray:
    """Intensities (T, 18) that drive the muscles -> the truth: AU25 is at least what parts the lips.

    FACS scores 25 wherever the lips are apart, so a truth that has 26 without it would be wrong about the picture.
    """
    out = aus.copy()
    gap = sum(mm * aus[:, ACTION_UNITS.index(name)] for name, mm in GAPS.items())
    lips = ACTION_UNITS.index("AU25")
    out[:, lips] = np.maximum(out[:, lips], np.clip(gap / GAPS["AU25"], 0, 5))
    return out


def _stilled(actor: Actor) -> Actor:
    return replace(actor, still=False, pulse=None, respiration=None, blinks=None, speech=None, nod=None, sway=0.0)


def _repeat(one: Motion, count: int, present: np.ndarray) -> Motion:
    flat = np.zeros(count)
    quiet = Rhythm(flat, np.full(count, np.nan), flat.copy(), flat.copy(), np.empty(0))
    aus, pose, gaze, offset = (np.repeat(v, count, 0) for v in (one.aus, one.pose, one.gaze, one.offset))
    return Motion(aus, pose, gaze, offset, quiet, present, np.empty(0))


def _present(actor: Actor, times: np.ndarray) -> np.ndarray:
    if actor.present is None:
        return np.ones(len(times), bool)
    return (times >= actor.present[0]) & (times < actor.present[1])


def drift(times: np.ndarray, seed: int) -> np.ndarray:
    """times (T,) s -> (T, 5) slow wandering of unit size: sines of 0.05-0.5 Hz, weaker the faster."""
    rng = np.random.default_rng([seed, 5])
    rates = np.geomspace(0.05, 0.5, 6)
    phases = rng.uniform(0, 2 * np.pi, (5, 6))
    weights = (rates[0] / rates) ** 0.7
    waves = np.sin(2 * np.pi * rates * times[:, None, None] + phases) * weights
    return waves.sum(-1) / np.sqrt((weights**2).sum() / 2) / 2
