"""Motion of an actor at the times of the frames, from the actor's script."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mien.simulation.action_units import ACTION_UNITS, GAPS, unit
from mien.simulation.actor import Actor
from mien.simulation.disturbances import curve
from mien.simulation.physiology import Rhythm, blinks, rhythm


@dataclass(frozen=True, eq=False)
class Motion:
    """Motion of an actor at the times of the frames.

    Attributes:
        aus: (T, 18) intensities.
        pose: (T, 3) in degrees.
        gaze: (T, 2) in degrees.
        offset: (T, 2) movement of the body to the right and up in mm.
        rhythm: heart beats and breathing.
        present: (T,) bool.
        blinks: (B,) onsets in s.
    """

    aus: np.ndarray
    pose: np.ndarray
    gaze: np.ndarray
    offset: np.ndarray
    rhythm: Rhythm
    present: np.ndarray
    blinks: np.ndarray


def motion(actor: Actor, times: np.ndarray, fps: float) -> Motion:
    """Evaluate the script of an actor.

    Args:
        actor: the actor.
        times: (T,) in s.
        fps: rate of sampled curves in Hz.
    """
    if actor.still:
        frozen = motion(_stilled(actor), times[:1], fps)
        return _repeat(frozen, len(times), _present(actor, times))
    beat = rhythm(times, None if actor.painted else actor.pulse, actor.respiration)
    aus = np.zeros((len(times), len(ACTION_UNITS)))
    for name, value in actor.aus.items():
        aus[:, ACTION_UNITS.index(unit(name))] = curve(value, times, fps)
    if actor.speech:
        for name, value in actor.speech.aus(times).items():
            aus[:, ACTION_UNITS.index(name)] += value
    shut, onsets = np.zeros(len(times)), np.empty(0)
    if actor.blinks:
        shut, onsets = blinks(times, actor.blinks)
    closed = ACTION_UNITS.index("AU45")
    aus[:, closed] = np.maximum(aus[:, closed], shut)
    aus = np.clip(aus, 0, 5)
    pose = curve(actor.pose, times, fps, 3)
    if actor.nod:
        pose[:, 0] += actor.nod.degrees * np.sin(2 * np.pi * actor.nod.rate * times)
    offset = np.zeros((len(times), 2))
    if actor.sway:
        waves = drift(times, actor.identity.seed)
        pose += actor.sway * waves[:, :3] * [0.6, 1.0, 0.5]
        offset += actor.sway * waves[:, 3:] * [1.2, 0.5]
    if actor.respiration:
        offset[:, 1] += actor.respiration.rise * beat.respiration
    return Motion(aus, pose, curve(actor.gaze, times, fps, 2), offset, beat, _present(actor, times), onsets)


def parted(aus: np.ndarray) -> np.ndarray:
    """Ground truth of the intensities (T, 18) that drive the muscles: AU25 is at least the opening of the lips.

    FACS scores AU25 whenever the lips are apart, so a ground truth with AU26 but without AU25 would be wrong.
    """
    out = aus.copy()
    gap = sum(mm * aus[:, ACTION_UNITS.index(name)] for name, mm in GAPS.items())
    lips = ACTION_UNITS.index("AU25")
    out[:, lips] = np.maximum(out[:, lips], np.clip(gap / GAPS["AU25"], 0, 5))
    return out


def _stilled(actor: Actor) -> Actor:
    return replace(actor, still=False, pulse=None, respiration=None, blinks=None, speech=None, nod=None, sway=0.0)


def _repeat(frozen: Motion, count: int, present: np.ndarray) -> Motion:
    flat = np.zeros(count)
    quiet = Rhythm(flat, np.full(count, np.nan), flat.copy(), flat.copy(), np.empty(0))
    aus, pose, gaze, offset = (
        np.repeat(rows, count, 0) for rows in (frozen.aus, frozen.pose, frozen.gaze, frozen.offset))
    return Motion(aus, pose, gaze, offset, quiet, present, np.empty(0))


def _present(actor: Actor, times: np.ndarray) -> np.ndarray:
    if actor.present is None:
        return np.ones(len(times), bool)
    return (times >= actor.present[0]) & (times < actor.present[1])


def drift(times: np.ndarray, seed: int) -> np.ndarray:
    """Slow random motion (T, 5) at times (T,) in s: sines of 0.05-0.5 Hz with unit variance; fast ones are weaker."""
    rng = np.random.default_rng([seed, 5])
    rates = np.geomspace(0.05, 0.5, 6)
    phases = rng.uniform(0, 2 * np.pi, (5, 6))
    weights = (rates[0] / rates) ** 0.7
    waves = np.sin(2 * np.pi * rates * times[:, None, None] + phases) * weights
    return waves.sum(-1) / np.sqrt((weights**2).sum() / 2) / 2
