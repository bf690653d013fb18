"""A study: arms that are trained and judged once for each seed, and the claims that their scores bear out or not.

Every finished arm of a seed is a file of its own, so that a kill costs one arm; what arms share (a tower, rendered
people) is made first. A process has one thread.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import torch

from mien import writing
from mien.work import unworried, version

Values = dict[str, float]
"""Measure -> value, 0..1."""

Cell = tuple[str, str]
"""An arm and one of its measures."""


@dataclass(frozen=True)
class Claim:
    """That `first` is more than `second`, another cell or a number such as chance; `text` says what of what."""

    text: str
    first: Cell
    second: Cell | float


@dataclass(frozen=True, eq=False)
class Study:
    """`world`: what is planted, in words; `settings`: sizes that decide what comes out, of the whole and of the tiny
    one; `arms`: name -> the table that it stands in; `claims`; `judge(arm, seed, tiny, shared)` trains an arm and tells
    its scores, `prepare(seeds, tiny, shared, workers)` leaves in the folder `shared` what arms share and is not there
    yet; `marks`: measure -> what guessing gets, 0..1.
    """

    name: str
    title: str
    world: str
    arms: Mapping[str, str]
    claims: tuple[Claim, ...]
    settings: Callable[[bool], Mapping[str, Any]]
    judge: Callable[[str, int, bool, Path], Values]
    prepare: Callable[[Sequence[int], bool, Path, int], None] | None = None
    marks: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Found:
    """`values`: arm -> measure -> a value for each of `seeds`; `seconds`: of all work together, of one core."""

    study: Study
    seeds: tuple[int, ...]
    tiny: bool
    seconds: float
    values: Mapping[str, Mapping[str, Sequence[float]]]


def run(study: Study, out: str | Path, *, seeds: int = 3, first: int = 0, workers: int = 1, tiny: bool = False,
        tick: Callable[[float], None] | None = None) -> Found:
    """Train and judge every arm for `seeds` seeds from `first` on, in `workers` processes of one thread, below `out`.

    What is finished there is kept. Raises ValueError where it was made with other settings.
    """
    out, tell = Path(out), tick or (lambda share: None)
    if seeds < 1:
        raise ValueError(f"--seeds: expected 1 or more, got {seeds}")
    stated = {"study": study.name, "version": version(), "tiny": tiny, "settings": dict(study.settings(tiny))}
    _expect_same(out / "study.json", stated)
    chosen = tuple(range(first, first + seeds))
    jobs = [(arm, seed) for seed in chosen for arm in study.arms]
    left = [job for job in jobs if not _place(out, *job).is_file()]
    if left and study.prepare is not None:
        start = time.perf_counter()
        with unworried():
            study.prepare(chosen, tiny, out / "shared", workers)
        _spent(out / "shared.json", workers * (time.perf_counter() - start))
    tell((len(jobs) - len(left)) / len(jobs))
    with joblib.parallel_config("loky", inner_max_num_threads=1), unworried():
        found = joblib.Parallel(n_jobs=workers, return_as="generator_unordered")(
            joblib.delayed(_work)(study, arm, seed, tiny, out) for arm, seed in left)
        for done, _ in enumerate(found, len(jobs) - len(left) + 1):
            tell(done / len(jobs))
    return read(study, out, chosen, tiny)


def read(study: Study, out: Path, seeds: Sequence[int], tiny: bool = False) -> Found:
    """What `run` left in a folder. FileNotFoundError where an arm of a seed is not finished."""
    told = {(arm, seed): json.loads(_place(out, arm, seed).read_text("utf-8")) for arm in study.arms for seed in seeds}
    values = {arm: {measure: [told[arm, seed]["values"][measure] for seed in seeds]
                    for measure in told[arm, seeds[0]]["values"]} for arm in study.arms}
    seconds = sum(one["seconds"] for one in told.values()) + _spent(out / "shared.json")
    return Found(study, tuple(seeds), tiny, seconds, values)


def _work(study: Study, arm: str, seed: int, tiny: bool, out: Path) -> None:
    """One arm of one seed into its file."""
    torch.set_num_threads(1)
    start = time.process_time()
    values = study.judge(arm, seed, tiny, out / "shared")
    told = {"arm": arm, "seed": seed, "seconds": round(time.process_time() - start, 2), "values": values}
    writing.text(_place(out, arm, seed), writing.json_line(told) + "\n")


def _place(out: Path, arm: str, seed: int) -> Path:
    """The file of an arm and a seed."""
    return out / "arms" / f"{re.sub(r'[^A-Za-z0-9]+', '-', arm).strip('-').lower()}-seed{seed}.json"


def _spent(path: Path, more: float = 0.0) -> float:
    """s of cores that what is shared took up to now, at most, `more` of them since the last time."""
    whole = (json.loads(path.read_text("utf-8"))["seconds"] if path.is_file() else 0.0) + more
    if more:
        writing.text(path, writing.json_line({"seconds": round(whole, 2)}) + "\n")
    return float(whole)


def _expect_same(path: Path, stated: Mapping[str, Any]) -> None:
    """What lies in the folder was made the same way, or nothing lies there."""
    line = writing.json_line(stated)
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")) != json.loads(line):
        raise ValueError(f"--out {path.parent}: expected the same study, size and settings as before, got other ones: "
                         f"name another folder (what it was made with stands in {path.name})")
    writing.text(path, line + "\n")
