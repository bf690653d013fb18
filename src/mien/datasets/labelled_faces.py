"""Pictures and clips of faces with a label each: your own folder or table, and seven published sets by their layouts.

A layout is one row of `LAYOUTS`: how a path, or a list beside the pictures, gives label and person, and the terms of
the data, which a model that was trained on them inherits. Nothing is downloaded.

References, in the order of the table: Cao et al. 2014 (10.1109/TAFFC.2014.2336244); Livingstone & Russo 2018
(10.1371/journal.pone.0196391); Li, Deng & Du 2017 (10.1109/CVPR.2017.277); Mollahosseini, Hasani & Mahoor 2017
(10.1109/TAFFC.2017.2740923); Barsoum et al. 2016 (10.1145/2993148.2993165); Lucey et al. 2010
(10.1109/CVPRW.2010.5543262); Lyons et al. 1998 (10.1109/AFGR.1998.670949).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mien.core.text_tables import TableError
from mien.datasets.folder import inside
from mien.datasets.index import DatasetProblem
from mien.datasets.readers import tables

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".flv", ".webm", ".mpg", ".mpeg", ".m4v")
OWN_TERMS = "as you hold these recordings: mien knows no terms of them"

LARGEST_VALUE = 4096
"""Most bytes of an .npy file with one value. Our choice: AffectNet's have some 140."""


@dataclass(frozen=True)
class LabelledFace:
    """One picture or clip.

    Attributes:
        path: The file.
        label: Its class.
        person: Who it is; "" where the set does not say.
        neutral: A picture of the same person's neutral face that belongs to it, or None.
    """

    path: Path
    label: str
    person: str = ""
    neutral: Path | None = None


@dataclass(frozen=True)
class LabelledFaces:
    """A set of labelled faces: its `layout`, the `terms` of the data, the `faces` and `notes` for the user."""

    layout: str
    terms: str
    faces: tuple[LabelledFace, ...]
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels, sorted."""
        return tuple(sorted({face.label for face in self.faces}))


@dataclass(frozen=True)
class FaceLayout:
    """How a published set lies on disk: `title`, `terms`, a drawing `tree`, and `read`, which finds its faces."""

    title: str
    terms: str
    tree: str
    read: Callable[[Path], list[LabelledFace]]


def _named(pattern: str, labels: dict[str, str]) -> Callable[[Path], list[LabelledFace]]:
    """A reader of sets whose file names say everything, by a pattern with the groups `label` and `person`."""
    known = re.compile(pattern, re.IGNORECASE)

    def read(root: Path) -> list[LabelledFace]:
        """Find the files whose names the pattern fits."""
        faces = []
        for path in _files(root):
            match = known.fullmatch(path.name)
            if match and match["label"].upper() in labels:
                faces.append(LabelledFace(path, labels[match["label"].upper()], match["person"].upper()))
        return faces

    return read


def _rafdb(root: Path) -> list[LabelledFace]:
    listed = next(iter(sorted(root.rglob("list_patition_label.txt"))), None)
    if listed is None:
        return []
    places = {re.sub(r"_aligned$", "", path.stem): path for path in sorted(_files(root), reverse=True)}
    rows = [line.split() for _, line in tables.read_lines(listed)]
    return [LabelledFace(places[Path(row[0]).stem], _RAFDB[row[1]]) for row in rows
            if len(row) == 2 and Path(row[0]).stem in places and row[1] in _RAFDB]


def _affectnet(root: Path) -> list[LabelledFace]:
    faces = []
    for path in _files(root):
        label = path.parent.parent / "annotations" / f"{path.stem}_exp.npy"
        if path.parent.name == "images" and label.is_file():
            code = _array_value(label)
            if code in _AFFECTNET:
                faces.append(LabelledFace(path, _AFFECTNET[code]))
    return faces


def _array_value(path: Path) -> str:
    """The single value of an .npy file as text. Raises TableError for anything else: NumPy has many errors for it."""
    try:
        if path.stat().st_size > LARGEST_VALUE:
            raise ValueError(f"{path.stat().st_size} bytes")
        return str(np.load(path, allow_pickle=False).item())
    except Exception as error:
        got = " ".join(str(error).split()) or type(error).__name__
        raise TableError(f"expected an .npy file with one value, got {got}: copy it again", path) from error


def _ferplus(root: Path) -> list[LabelledFace]:
    listed = next(iter(sorted(root.rglob("fer2013new.csv"))), None)
    if listed is None:
        return []
    places, faces = {path.name: path for path in _files(root)}, []
    for _, row in tables.read_table(listed, ("Image name", *_FERPLUS)).rows:
        votes = [_votes(row[name]) for name in _FERPLUS]
        best = int(np.argmax(votes))
        # as in the paper's majority vote: more than half of the votes for one class, and a face
        if row["Image name"] in places and _FERPLUS[best] not in ("unknown", "NF") and 2 * votes[best] > sum(votes):
            faces.append(LabelledFace(places[row["Image name"]], _FERPLUS[best]))
    return faces


def _votes(cell: str) -> float:
    """A count of votes; an empty cell is none."""
    return float(cell) if cell.strip() else 0.0


def _ckplus(root: Path) -> list[LabelledFace]:
    """The last frame of each sequence is the peak that the label names, the first one the person's neutral face."""
    frames: dict[tuple[str, ...], list[Path]] = {}
    for path in _files(root):
        frames.setdefault(tuple(path.stem.split("_")[:2]), []).append(path)
    faces, rested = [], set()
    for note in sorted(root.rglob("*_emotion.txt")):
        sequence = tuple(note.name.split("_")[:2])
        code = note.read_text(encoding="utf-8").strip().partition(".")[0]
        if sequence not in frames or code not in _CKPLUS:
            continue
        first, last = frames[sequence][0], frames[sequence][-1]
        faces.append(LabelledFace(last, _CKPLUS[code], sequence[0], first))
        if sequence[0] not in rested:
            faces.append(LabelledFace(first, "neutral", sequence[0]))
        rested.add(sequence[0])
    return faces


def _files(root: Path) -> Iterator[Path]:
    """Pictures and videos below `root`, in the order of their paths, without hidden ones."""
    for path in sorted(root.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if path.suffix.lower() in (*PICTURES, *VIDEO_SUFFIXES) and not hidden and path.is_file():
            yield path


def _folders(root: Path) -> list[LabelledFace]:
    """A folder a class; below it, where there is one, a folder a person, else a file name that recurs in another class
    is the same person."""
    faces = []
    for path in _files(root):
        parts = path.relative_to(root).parts
        if len(parts) >= 2:
            faces.append(LabelledFace(path, parts[0], parts[1] if len(parts) > 2 else path.stem))
    return faces


def _table(path: Path) -> list[LabelledFace]:
    faces, problems = [], list[DatasetProblem]()
    columns: dict[str, tuple[str, ...]] = {"file": ("file", "path", "image", "picture", "video", "filename"),
                                           "label": ("label", "expression", "emotion", "class")}
    who: dict[str, tuple[str, ...]] = {"person": ("person", "subject", "participant", "identity")}
    try:
        rows = tables.read_named(path, columns | who, problems)
    except TableError:
        rows = tables.read_named(path, columns, problems)
    if problems:
        raise TableError(problems[0].reason, path, problems[0].line)
    for line, row in rows:
        try:
            place = inside(path.parent, row["file"], "picture or video")
        except ValueError as error:
            raise TableError(str(error), path, line) from error
        if not place.is_file():
            raise TableError(f"expected a file below {path.parent.name}, got nothing at {row['file']}", path, line)
        if tables.known(row["label"]):
            faces.append(LabelledFace(place, row["label"].strip(), row.get("person", "").strip()))
    return faces


_CREMAD = {"ANG": "angry", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
_RAVDESS = {"01": "neutral", "02": "calm", "03": "happy", "04": "sad", "05": "angry", "06": "fear", "07": "disgust",
            "08": "surprise"}
_RAFDB = {"1": "surprise", "2": "fear", "3": "disgust", "4": "happy", "5": "sad", "6": "angry", "7": "neutral"}
_AFFECTNET = {"0": "neutral", "1": "happy", "2": "sad", "3": "surprise", "4": "fear", "5": "disgust", "6": "angry",
              "7": "contempt"}
_FERPLUS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
_CKPLUS = {"1": "angry", "2": "contempt", "3": "disgust", "4": "fear", "5": "happy", "6": "sad", "7": "surprise"}
_JAFFE = {"AN": "angry", "DI": "disgust", "FE": "fear", "HA": "happy", "NE": "neutral", "SA": "sad", "SU": "surprise"}
_VIDEO = "(?:" + "|".join(each[1:] for each in VIDEO_SUFFIXES) + ")"
_RESEARCH = "research only, not commercial, by the agreement that you signed for the data"

LAYOUTS: dict[str, FaceLayout] = {
    "cremad": FaceLayout("CREMA-D", "Open Database License 1.0 (ODbL)", "VideoFlash/1001_DFA_ANG_XX.flv",
                         _named(rf"(?P<person>\d{{4}})_[A-Z]{{3}}_(?P<label>[A-Z]{{3}})_\w\w\.{_VIDEO}", _CREMAD)),
    "ravdess": FaceLayout("RAVDESS", "CC BY-NC-SA 4.0", "Actor_01/01-01-03-01-01-01-01.mp4",
                          _named(rf"0[12]-\d\d-(?P<label>\d\d)-\d\d-\d\d-\d\d-(?P<person>\d\d)\.{_VIDEO}", _RAVDESS)),
    "rafdb": FaceLayout("RAF-DB, basic", _RESEARCH, "EmoLabel/list_patition_label.txt, Image/aligned/train_00001_"
                        "aligned.jpg", _rafdb),
    "affectnet": FaceLayout("AffectNet", _RESEARCH, "train_set/images/0.jpg, train_set/annotations/0_exp.npy",
                            _affectnet),
    "ferplus": FaceLayout("FER+", "labels: MIT; pictures of FER2013: " + _RESEARCH,
                          "fer2013new.csv, FER2013Train/fer0000000.png", _ferplus),
    "ckplus": FaceLayout("CK+", _RESEARCH, "cohn-kanade-images/S005/001/S005_001_00000011.png, "
                         "Emotion/S005/001/S005_001_00000011_emotion.txt", _ckplus),
    "jaffe": FaceLayout("JAFFE", _RESEARCH, "KA.AN1.39.tiff",
                        _named(r"(?P<person>[A-Z]{2})\.(?P<label>[A-Z]{2})\d\.\d+\.\w+", _JAFFE)),
    "folder": FaceLayout("one folder for each class", OWN_TERMS, "happy/anna/1.jpg, or happy/1.jpg", _folders),
}
"""Name -> how it lies on disk. `folder` is tried last, for it takes any folder."""


def _tables_in(root: Path) -> str:
    """The first table in a folder, to name in an error; "a table" if there is none."""
    tables = sorted(path for path in root.glob("*") if path.suffix.lower() in (".csv", ".tsv", ".xlsx"))
    return f"the table {tables[0]}" if root.is_dir() and tables else "a table"


def find_faces(root: str | Path, layout: str = "") -> LabelledFaces:
    """Find the labelled faces of a set.

    Args:
        root: Its folder, or a table with the columns file, label and, where known, person.
        layout: Of `LAYOUTS`; "": the first one that finds faces.

    Returns:
        The faces; without persons every file counts as a person of its own, and a note says so.

    Raises:
        FileNotFoundError: There is nothing at `root`.
        ValueError: No layout fits, there are fewer than two classes, or the layout is unknown.
    """
    root = Path(root)
    if layout and layout not in LAYOUTS:
        raise ValueError(f"layout: expected {', '.join(LAYOUTS)}, got {layout!r}")
    if not root.exists():
        raise FileNotFoundError(f"--data: expected a folder of labelled faces, got nothing at {root}: check the path")
    if root.is_file():
        faces, title, terms = _table(root), "table", OWN_TERMS
    else:
        for name in [layout] if layout else LAYOUTS:
            faces, title, terms = LAYOUTS[name].read(root), name, LAYOUTS[name].terms
            if len({face.label for face in faces}) > 1:
                break
    if len({face.label for face in faces}) < 2:
        tree = LAYOUTS[layout or "folder"].tree
        raise ValueError(f"{root}: expected labelled faces of two classes or more, such as {tree}, got "
                         f"{len(faces)} files of {len({face.label for face in faces})}: put each class into a folder "
                         f"of its own, or name {_tables_in(root)} with the columns file, label and person")
    notes = []
    people = {face.person for face in faces}
    if "" in people or len(people) == len(faces):
        notes.append("the files do not identify people, so each file counts as one person and the scores are too "
                     "optimistic")
        faces = [replace(face, person=face.person or str(face.path)) for face in faces]
    return LabelledFaces(title, terms, tuple(faces), tuple(notes))
