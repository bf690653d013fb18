"""Ground truth of a scene, to evaluate estimates."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from mien.core.read_json import read_json
from mien.simulation.action_units import ACTION_UNITS


@dataclass(frozen=True, eq=False)
class ActorTruth:
    """Ground truth of one person, with a row for each frame.

    Attributes:
        seed: seed of the identity.
        skin_tone: Fitzpatrick type of the identity, 1..6.
        amplitude: amplitude of the pulse (AC/DC of green).
        aus: (T, 18) intensities 0..5 in the order of `ACTION_UNITS`.
        bvp: (T,) blood volume -1..1, up at systole.
        heart_rate: (T,) in bpm, NaN without a pulse.
        beats: (B,) times of the systolic peaks in s.
        respiration: (T,) -1..1.
        pose: (T, 3) pitch, yaw and roll in degrees.
        gaze: (T, 2) yaw and pitch in degrees.
        box: (T, 4) px of the face from hairline to chin, NaN while the person is absent.
        visible: (T,) bool, the face is in the picture.
        occluded: (T,) share of the face that is covered, 0..1.
        blinks: (K,) onsets in s.
    """

    seed: int
    skin_tone: int
    amplitude: float
    aus: np.ndarray
    bvp: np.ndarray
    heart_rate: np.ndarray
    beats: np.ndarray
    respiration: np.ndarray
    pose: np.ndarray
    gaze: np.ndarray
    box: np.ndarray
    visible: np.ndarray
    occluded: np.ndarray
    blinks: np.ndarray

    @property
    def bpm(self) -> float:
        """Mean heart rate over the recording in bpm; NaN without a pulse."""
        if not len(self.heart_rate):
            return float("nan")
        return float(np.mean(self.heart_rate))

    def au(self, name: str) -> np.ndarray:
        """(T,) intensities of one action unit, by its name in `ACTION_UNITS`."""
        return self.aus[:, ACTION_UNITS.index(name)]


@dataclass(frozen=True, eq=False)
class SceneTruth:
    """Ground truth of a scene.

    Attributes:
        times: (T,) times of the frames in s.
        actors: the people, in the order of the scene.
        size: (width, height) in px.
    """

    times: np.ndarray
    actors: tuple[ActorTruth, ...]
    size: tuple[int, int]

    def save(self, path: str | Path) -> None:
        """Write a JSON file; NaN becomes null.

        Raises:
            OSError: the path cannot be written.
        """
        people = [{f.name: _plain(getattr(actor, f.name)) for f in fields(actor)} for actor in self.actors]
        content = {"schema": "mien.truth/1", "action_units": list(ACTION_UNITS), "size": list(self.size),
                   "times": _plain(self.times), "actors": people}
        Path(path).write_text(json.dumps(content), encoding="utf-8")


def load_truth(path: str | Path) -> SceneTruth:
    """Load a file that `save` wrote.

    Raises:
        ValueError: the file has another schema.
    """
    content = read_json(Path(path))
    if content.get("schema") != "mien.truth/1":
        raise ValueError(f"{path}: expected schema mien.truth/1, got {content.get('schema')!r}")
    people = tuple(ActorTruth(**{name: _array(name, value) for name, value in person.items()})
                   for person in content["actors"])
    return SceneTruth(np.asarray(content["times"], float), people, tuple(content["size"]))


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        if value.dtype == bool:
            return value.tolist()
        rounded = np.round(value, 6).astype(object)
        rounded[~np.isfinite(value)] = None
        return rounded.tolist()
    return value


def _array(name: str, value: Any) -> Any:
    if name in ("seed", "skin_tone", "amplitude"):
        return value
    return np.asarray(value, bool if name == "visible" else float)
