"""A lookalike of a user's own recordings: videos in folders, a manifest, and contact signals for some videos.

`manifest.csv` has a row for each video: `video` (path relative to the manifest), `subject`, the labels (`expression`,
`valence`, `arousal`), and `signals` (path of a csv, or empty). A csv of signals has the column `time`, in s of the
video, and a column for each signal. It starts before the video.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mien.core.tasks import EXPRESSION
from mien.simulation.datasets import (
    acted_video,
    contact_signals,
    markers,
    media_files,
    output,
    participants,
    table_writers,
)
from mien.simulation.datasets.truth import DatasetTruth, Item

FPS = 25
SIZE = (320, 240)
SUBJECTS = 4
BEFORE = 2.0          # s from the start of the signals to the start of the video
RATE = 100.0

VARIANTS = ("official", "windows")


@dataclass(frozen=True, eq=False)
class FolderTrialScript:
    """One row of the manifest.

    Attributes:
        index: number in the marks.
        name: path of the video.
        expression: name of the expression.
        act: simulated body and face.
        event: time of the event in s of the video.
        wired: there is a csv of signals.
        traps: faults of this row.
    """

    index: int
    name: str
    expression: str
    act: participants.SimulatedTrial
    event: float
    wired: bool
    traps: tuple[str, ...] = ()


@output.marked
def write_folder(root: str | Path, size: int = 14, seed: int = 0, variant: str = "official", workers: int = 1, *,
          seconds: float = 10.0, marked: bool = True) -> DatasetTruth:
    """Write videos of four people and their manifest.

    Three additional rows are wrong: one names a missing video, one names a text file, and one repeats an earlier row.
    Layouts: `official`; `windows` (manifest and signals with byte order mark and CR LF).

    Args:
        root: folder to write, new or empty.
        size: number of videos, 7..64.
        seed: seed of the random content.
        variant: layout.
        workers: number of processes.
        seconds: length of the videos in s, 8 or more.
        marked: add the marks to pictures and signals.

    Returns:
        The ground truth.

    Raises:
        ValueError: an option is out of range.
        FileExistsError: the folder is not empty.
    """
    root = output.fresh(root, "folder", variant, VARIANTS, size, 7, seed)
    if size > 64 or seconds < 8:
        raise ValueError(f"simulation.datasets.folder: expected up to 64 videos of 8 s or more, got {size} "
                         f"of {seconds} s")
    plans = _plans(size, seed, seconds)
    output.each(partial(_row, root, variant, seed, seconds, marked), plans, workers)
    (root / "videos" / "notes.mp4").write_text("This is text, whatever its name says.\n", encoding="utf-8")
    _manifest(root / "manifest.csv", plans, variant)
    traps = {"missing": "videos/gone.mp4 does not exist", "text": "videos/notes.mp4 is text",
             "repeated": f"{plans[0].name} has two rows", "names": f"{plans[1].name} has blanks and an umlaut",
             "label": f"{plans[2].name} has no valence",
             "time": f"signals start {BEFORE:g} s before the video and have uneven time stamps"}
    if variant == "windows":
        traps["windows"] = "every csv starts with a byte order mark and has CR LF"
    return DatasetTruth("folder", root, variant, seed, tuple(_item(plan, seconds) for plan in plans), traps)


def _plans(size: int, seed: int, seconds: float) -> list[FolderTrialScript]:
    rng = np.random.default_rng([seed, 107])
    assert EXPRESSION.valence is not None  # for mypy
    assert EXPRESSION.arousal is not None
    out = []
    for k in range(size):
        kind, number = k % 7, k % SUBJECTS + 1
        expression = EXPRESSION.classes[kind]
        look = acted_video.clip(0, expression, 1, 0, rng).look
        valence, arousal = (float(np.clip(round(5 + 4 * norm + rng.normal(0, 0.3), 1), 1, 9))
                            for norm in (EXPRESSION.valence[kind], EXPRESSION.arousal[kind]))
        who = participants.subject(f"{'abcd'[number - 1]}", number, seed)
        act = participants.trial(who, valence, arousal, seconds, BEFORE, 0.0, rng, look)
        name = f"videos/{who.name}/take{k:02d}.mp4"
        if k == 1:
            name = "videos/zweiter Versuch, schön.mp4"
        traps = {1: ("name with blanks",), 2: ("no valence",)}.get(k, ())
        out.append(FolderTrialScript(k, name, expression, act, participants.event(k, seconds), k % 5 != 4, traps))
    return out


def _row(root: Path, variant: str, seed: int, seconds: float, marked: bool, plan: FolderTrialScript) -> None:
    shot = acted_video.Shot(SIZE, FPS, 0.0, seconds, plan.index, plan.event, 3000 + plan.index, marked,
                            drawn=2)
    media_files.video(root / plan.name, acted_video.frames([plan.act], shot), FPS, audio=plan.index % 2 == 0)
    if not plan.wired:
        return
    rng = np.random.default_rng([seed, 117, plan.index])
    count = round((BEFORE + seconds) * RATE)
    times = np.round((np.arange(count) + rng.uniform(-0.2, 0.2, count)) / RATE - BEFORE, 4)
    act, who = plan.act, plan.act.who
    mark = np.zeros(count)
    if marked:
        mark = markers.rectangle(times, plan.event, plan.index)
    columns = {
        "time": times,
        "ecg": contact_signals.ecg(times, act.beats) + rng.normal(0, 0.01, count),
        "ppg": contact_signals.ppg(times, act.beats) + rng.normal(0, 0.01, count),
        "eda": contact_signals.skin_conductance(times, act.responses, act.sizes, who.tonic)
        + mark
        + rng.normal(0, 0.002, count),
        "respiration": contact_signals.breath(times, who.breath) + rng.normal(0, 0.02, count),
    }
    rows = [",".join(columns), *(",".join(f"{v:.5g}" for v in row) for row in zip(*columns.values(), strict=True))]
    table_writers.lines(root / _wire(plan), rows, variant == "windows")


def _wire(plan: FolderTrialScript) -> str:
    return f"signals/take{plan.index:02d}.csv"


def _manifest(path: Path, plans: list[FolderTrialScript], variant: str) -> None:
    table = [["video", "subject", "expression", "valence", "arousal", "signals"]]
    for plan in plans:
        valence = f"{plan.act.valence:g}"
        if "no valence" in plan.traps:
            valence = ""
        table.append([plan.name, plan.act.who.name, plan.expression, valence, f"{plan.act.arousal:g}",
                      _wire(plan) if plan.wired else ""])
    table += [["videos/gone.mp4", "a", "happy", "7", "6", ""], ["videos/notes.mp4", "b", "sad", "3", "4", ""], table[1]]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    table_writers.lines(path, text.getvalue().splitlines(), variant == "windows")


def _item(plan: FolderTrialScript, seconds: float) -> Item:
    act = plan.act
    labels: dict[str, float | str] = {"expression": plan.expression, "arousal": act.arousal}
    if "no valence" not in plan.traps:
        labels["valence"] = act.valence
    return Item(plan.name, act.who.name, plan.index, labels, video=plan.name,
                signals=_wire(plan) if plan.wired else None, event=plan.event, span=seconds,
                beats=act.beats[(act.beats >= -BEFORE) & (act.beats < seconds)], heart_rate=act.heart_rate,
                rest=act.who.rest, responses=act.responses, aus=act.tops(), frames=round(seconds * FPS),
                traps=plan.traps)
