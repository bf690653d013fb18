"""A lookalike of what people have themselves: videos in folders, a manifest, some signals on the side.

`manifest.csv` has a row a video: `video` (path below the manifest), `subject`, labels (`expression`, `valence`,
`arousal`), `signals` (path of a csv, or nothing). A signals csv has `time` in s of the video (it begins before it) and
a column a signal.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mien.lookalikes import acting, bodies, films, ground, marks, people, sheets
from mien.lookalikes.truth import Item, Truth
from mien.tasks import EXPRESSION

FPS = 25
SIZE = (320, 240)
SUBJECTS = 4
BEFORE = 2.0          # s that the signals begin before the video
RATE = 100.0

VARIANTS = ("official", "windows")


@dataclass(frozen=True, eq=False)
class Plan:
    """One row: `name` of the video, who and what; `wired`: there is a csv of signals."""

    index: int
    name: str
    expression: str
    act: people.Trial
    event: float
    wired: bool
    traps: tuple[str, ...] = ()


def write(root: str | Path, size: int = 14, seed: int = 0, variant: str = "official", workers: int = 1, *,
          seconds: float = 10.0, marked: bool = True) -> Truth:
    """Write `size` videos (7..64) of four people and their manifest; three rows more are wrong.

    One row names a video that is not there, one a text file with a video's name, one repeats an earlier row.
    Layouts: `official`; `windows` (manifest and signals with byte order mark and CR LF).

    Raises:
        ValueError, FileExistsError: see `ground.fresh`.
    """
    root = ground.fresh(root, "folder", variant, VARIANTS, size, 7, seed)
    if size > 64 or seconds < 8:
        raise ValueError(f"lookalikes.folder: expected up to 64 videos of 8 s or more, got {size} of {seconds} s")
    plans = _plans(size, seed, seconds)
    ground.each(partial(_row, root, variant, seed, seconds, marked), plans, workers)
    (root / "videos" / "notes.mp4").write_text("This is text, whatever its name says.\n", encoding="utf-8")
    _manifest(root / "manifest.csv", plans, variant)
    traps = {"missing": "videos/gone.mp4 is not there", "text": "videos/notes.mp4 is text",
             "repeated": f"{plans[0].name} has two rows", "names": f"{plans[1].name} has blanks and an umlaut",
             "label": f"{plans[2].name} has no valence",
             "time": f"signals begin {BEFORE:g} s before the video and are sampled unevenly"}
    if variant == "windows":
        traps["windows"] = "every csv begins with a byte order mark and has CR LF"
    return Truth("folder", root, variant, seed, tuple(_item(plan, seconds) for plan in plans), traps)


def _plans(size: int, seed: int, seconds: float) -> list[Plan]:
    rng = np.random.default_rng([seed, 107])
    assert EXPRESSION.valence is not None  # tells mypy what tasks.py says
    assert EXPRESSION.arousal is not None
    out = []
    for k in range(size):
        kind, number = k % 7, k % SUBJECTS + 1
        expression = EXPRESSION.classes[kind]
        look = acting.clip(0, expression, 1, 0, rng).look
        valence, arousal = (float(np.clip(round(5 + 4 * norm + rng.normal(0, 0.3), 1), 1, 9))
                            for norm in (EXPRESSION.valence[kind], EXPRESSION.arousal[kind]))
        who = people.subject(f"{'abcd'[number - 1]}", number, seed)
        act = people.trial(who, valence, arousal, seconds, BEFORE, 0.0, rng, look)
        name = "videos/zweiter Versuch, schön.mp4" if k == 1 else f"videos/{who.name}/take{k:02d}.mp4"
        traps = (("name with blanks",), ("no valence",))[k - 1] if k in (1, 2) else ()
        out.append(Plan(k, name, expression, act, people.event(k, seconds), k % 5 != 4, traps))
    return out


def _row(root: Path, variant: str, seed: int, seconds: float, marked: bool, plan: Plan) -> None:
    shot = acting.Shot(SIZE, FPS, 0.0, seconds, plan.index, plan.event, 3000 + plan.index, marked)
    films.video(root / plan.name, acting.frames([plan.act], shot), FPS, audio=plan.index % 2 == 0)
    if not plan.wired:
        return
    rng = np.random.default_rng([seed, 117, plan.index])
    count = round((BEFORE + seconds) * RATE)
    times = np.round((np.arange(count) + rng.uniform(-0.2, 0.2, count)) / RATE - BEFORE, 4)
    act, who = plan.act, plan.act.who
    mark = marks.rectangle(times, plan.event, plan.index) if marked else np.zeros(count)
    columns = {
        "time": times, "ecg": bodies.ecg(times, act.beats) + rng.normal(0, 0.01, count),
        "ppg": bodies.ppg(times, act.beats) + rng.normal(0, 0.01, count),
        "eda": bodies.conductance(times, act.responses, act.sizes, who.tonic) + mark + rng.normal(0, 0.002, count),
        "respiration": bodies.breath(times, who.breath) + rng.normal(0, 0.02, count)}
    rows = [",".join(columns), *(",".join(f"{v:.5g}" for v in row) for row in zip(*columns.values(), strict=True))]
    sheets.lines(root / _wire(plan), rows, variant == "windows")


def _wire(plan: Plan) -> str:
    return f"signals/take{plan.index:02d}.csv"


def _manifest(path: Path, plans: list[Plan], variant: str) -> None:
    table = [["video", "subject", "expression", "valence", "arousal", "signals"]]
    for plan in plans:
        valence = "" if "no valence" in plan.traps else f"{plan.act.valence:g}"
        table.append([plan.name, plan.act.who.name, plan.expression, valence, f"{plan.act.arousal:g}",
                      _wire(plan) if plan.wired else ""])
    table += [["videos/gone.mp4", "a", "happy", "7", "6", ""], ["videos/notes.mp4", "b", "sad", "3", "4", ""], table[1]]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    sheets.lines(path, text.getvalue().splitlines(), variant == "windows")


def _item(plan: Plan, seconds: float) -> Item:
    act = plan.act
    labels: dict[str, float | str] = {"expression": plan.expression, "arousal": act.arousal}
    if "no valence" not in plan.traps:
        labels["valence"] = act.valence
    return Item(plan.name, act.who.name, plan.index, labels, video=plan.name,
                signals=_wire(plan) if plan.wired else None, event=plan.event, span=seconds,
                beats=act.beats[(act.beats >= -BEFORE) & (act.beats < seconds)], heart_rate=act.heart_rate,
                rest=act.who.rest, responses=act.responses, aus=act.tops(), frames=round(seconds * FPS),
                traps=plan.traps)
