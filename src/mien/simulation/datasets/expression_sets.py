"""Lookalikes of sets of labelled faces: the folders, names and lists of each, with rendered people.

`write_expression_set("jaffe", root)` writes three people with seven expressions (CREMA-D: six). Where the set says who
is in a file, so does the lookalike. Two files of each lookalike are no part of the set, and no loader may take them: a
picture of another name, and a text.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from mien.core.tasks import EXPRESSION
from mien.simulation.actor import Actor
from mien.simulation.expressions import expression
from mien.simulation.identity import identity
from mien.simulation.scene import Scene
from mien.simulation.video_file import write_video

PEOPLE = 3
SIDE = 224
STRENGTH = 4.0

_CREMAD = {"happy": "HAP", "sad": "SAD", "neutral": "NEU", "angry": "ANG", "disgust": "DIS", "fear": "FEA"}
_RAVDESS = {"neutral": 1, "happy": 3, "sad": 4, "angry": 5, "fear": 6, "disgust": 7, "surprise": 8}
_RAFDB = {"surprise": 1, "fear": 2, "disgust": 3, "happy": 4, "sad": 5, "angry": 6, "neutral": 7}
_AFFECTNET = {"neutral": 0, "happy": 1, "sad": 2, "surprise": 3, "fear": 4, "disgust": 5, "angry": 6}
_FERPLUS = {"neutral": 0, "happy": 1, "surprise": 2, "sad": 3, "angry": 4, "disgust": 5, "fear": 6}
_CKPLUS = {"neutral": 0, "angry": 1, "disgust": 3, "fear": 4, "happy": 5, "sad": 6, "surprise": 7}
_JAFFE = {"angry": "AN", "disgust": "DI", "fear": "FE", "happy": "HA", "neutral": "NE", "sad": "SA", "surprise": "SU"}


class LabelledPerson:
    """One rendered person of a set: `index` from 0, and pictures and clips by the name of an expression."""

    def __init__(self, index: int, seed: int) -> None:
        self.index, self._who = index, identity(60 + 10 * seed + index)

    def scene(self, name: str, seconds: float = 0.4) -> Scene:
        """The person with an expression that lasts."""
        aus = {} if name == "neutral" else expression(name, STRENGTH)
        actor = Actor(self._who, aus=aus, pulse=None, blinks=None, sway=0.0, scale=0.8)
        return Scene((actor,), size=(SIDE, SIDE), fps=10, seconds=seconds, noise=0.5, coarse=2)

    def picture(self, path: Path, name: str, side: int = SIDE) -> None:
        """Write one picture."""
        path.parent.mkdir(parents=True, exist_ok=True)
        rgb = next(iter(self.scene(name, 0.1).frames())).rgb
        if side != SIDE:
            rgb = cv2.resize(rgb, (side, side), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(path), np.ascontiguousarray(rgb[:, :, ::-1]))

    def clip(self, path: Path, name: str) -> None:
        """Write four frames."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(self.scene(name), path)


def _each(people: list[LabelledPerson]) -> Iterator[tuple[int, LabelledPerson, str]]:
    """Running number, person, expression."""
    for number, (person, name) in enumerate((person, name) for person in people for name in EXPRESSION.classes):
        yield number, person, name


def _folder(root: Path, people: list[LabelledPerson]) -> None:
    for _, person, name in _each(people):
        person.picture(root / name / f"p{person.index}" / "1.jpg", name)


def _cremad(root: Path, people: list[LabelledPerson]) -> None:
    for _, person, name in _each(people):
        if name in _CREMAD:
            person.clip(root / "VideoFlash" / f"{1001 + person.index}_DFA_{_CREMAD[name]}_XX.mp4", name)


def _ravdess(root: Path, people: list[LabelledPerson]) -> None:
    for _, person, name in _each(people):
        actor = person.index + 1
        person.clip(root / f"Actor_{actor:02d}" / f"02-01-{_RAVDESS[name]:02d}-01-01-01-{actor:02d}.mp4", name)


def _rafdb(root: Path, people: list[LabelledPerson]) -> None:
    lines = []
    for number, person, name in _each(people):
        person.picture(root / "Image" / "aligned" / f"train_{number + 1:05d}_aligned.jpg", name, 100)
        lines.append(f"train_{number + 1:05d}.jpg {_RAFDB[name]}")
    _write(root / "EmoLabel" / "list_patition_label.txt", lines)


def _affectnet(root: Path, people: list[LabelledPerson]) -> None:
    (root / "train_set" / "annotations").mkdir(parents=True)
    for number, person, name in _each(people):
        person.picture(root / "train_set" / "images" / f"{number}.jpg", name)
        np.save(root / "train_set" / "annotations" / f"{number}_exp.npy", np.array(str(_AFFECTNET[name])))


def _ferplus(root: Path, people: list[LabelledPerson]) -> None:
    with (root / "fer2013new.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["Usage", "Image name", "neutral", "happiness", "surprise", "sadness", "anger", "disgust",
                        "fear", "contempt", "unknown", "NF"])
        for number, person, name in _each(people):
            person.picture(root / "FER2013Train" / f"fer{number:07d}.png", name, 96)
            votes = [0] * 10
            votes[_FERPLUS[name]], votes[8] = 8, 2
            table.writerow(["Training", f"fer{number:07d}.png", *votes])
        table.writerow(["Training", "", 0, 0, 0, 0, 0, 0, 0, 0, 0, 10])


def _ckplus(root: Path, people: list[LabelledPerson]) -> None:
    for number, person, name in _each(people):
        if name == "neutral":
            continue
        who, session = f"S{person.index + 5:03d}", f"{number % 7 + 1:03d}"
        for frame, shown in ((1, "neutral"), (2, name)):
            person.picture(root / "cohn-kanade-images" / who / session / f"{who}_{session}_{frame:08d}.png", shown)
        _write(root / "Emotion" / who / session / f"{who}_{session}_{2:08d}_emotion.txt",
               [f"   {_CKPLUS[name]:.7e}"])


def _jaffe(root: Path, people: list[LabelledPerson]) -> None:
    for number, person, name in _each(people):
        person.picture(root / f"{('KA', 'KL', 'KM')[person.index]}.{_JAFFE[name]}1.{number + 1}.tiff", name)


def _write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


EXPRESSION_SETS: dict[str, Callable[[Path, list[LabelledPerson]], None]] = {
    "folder": _folder, "cremad": _cremad, "ravdess": _ravdess, "rafdb": _rafdb, "affectnet": _affectnet,
    "ferplus": _ferplus, "ckplus": _ckplus, "jaffe": _jaffe,
}
"""Name of a set: its writer."""


def write_expression_set(name: str, root: str | Path, seed: int = 0) -> Path:
    """Write a lookalike.

    Args:
        name: Of `EXPRESSION_SETS`.
        root: Folder to write, new or empty.
        seed: Of the people.

    Returns:
        The folder.

    Raises:
        ValueError: The name is unknown.
        FileExistsError: The folder is not empty.
    """
    if name not in EXPRESSION_SETS:
        raise ValueError(f"NAME: expected expression/ with one of {', '.join(EXPRESSION_SETS)}, got {name!r}")
    folder = Path(root)
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder}: expected a new or empty folder, got one with files in it; name another")
    folder.mkdir(parents=True, exist_ok=True)
    people = [LabelledPerson(index, seed) for index in range(PEOPLE)]
    EXPRESSION_SETS[name](folder, people)
    people[0].picture(folder / "cover.png", "neutral", 64)
    _write(folder / "LOOKALIKE.txt", [f"A lookalike of {name}: its names and lists, with rendered people; no real "
                                      "person is shown."])
    return folder
