"""A study: arms that are trained and tested once for each seed, and claims about their scores.

Each finished arm of a seed has its own file, so an interruption costs one arm. Data that arms share (a tower, rendered
people) is prepared first. Each process has one thread.
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

from mien.core import atomic_files
from mien.core.hashing import version
from mien.core.parallel.polling import suppress_loky_warnings
from mien.core.read_json import read_json
from mien.recipes.recipe import TINY_DOUBT

Values = dict[str, float]
"""Measure -> value, 0..1."""

Cell = tuple[str, str]
"""An arm and one of its measures."""


@dataclass(frozen=True)
class Claim:
    """The claim that `first` exceeds `second`, a cell or a number such as chance; `text` describes the comparison.

    `room`: the claim is tested only where the first of these exceeds the second, such as a ceiling and `second`, or an
    arm and chance; None for a claim that needs no room. `solved`: from which score on a seed counts as solved, 0..1.
    `margin`: added to the first side for the verdict, for a claim that it is not far below. `expected`: the papers, or
    the sense of the method, say so: the page lists it first.
    """

    text: str
    first: Cell
    second: Cell | float
    room: tuple[Cell | float, Cell | float] | None = None
    solved: float | None = None
    margin: float = 0.0
    expected: bool = False


@dataclass(frozen=True, eq=False)
class EvidenceStudy:
    """`world`: the simulated data, in words; `arms`: name -> the table of the arm; `claims`: the comparisons.

    `settings(tiny)`: every size that affects the results, for the full and the tiny study; `evaluate(arm, seed, tiny,
    shared)`: trains an arm and returns its scores; `prepare(seeds, tiny, shared, workers)`: writes the missing shared
    data of the arms into the folder `shared`; `marks`: measure -> chance level, 0..1.
    """

    name: str
    title: str
    world: str
    arms: Mapping[str, str]
    claims: tuple[Claim, ...]
    settings: Callable[[bool], Mapping[str, Any]]
    evaluate: Callable[[str, int, bool, Path], Values]
    prepare: Callable[[Sequence[int], bool, Path, int], None] | None = None
    marks: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ArmResult:
    """`values`: arm -> measure -> one value for each of `seeds`, without the arms that were not run; `seconds`: total
    time on one core."""

    study: EvidenceStudy
    seeds: tuple[int, ...]
    tiny: bool
    seconds: float
    values: Mapping[str, Mapping[str, Sequence[float]]]

    @property
    def doubt(self) -> str:
        """Why the scores of a tiny study are not meaningful; "" for a full one."""
        if not self.tiny:
            return ""
        return TINY_DOUBT


def run_study(study: EvidenceStudy, out: str | Path, *, seeds: int = 3, first: int = 0, workers: int = 1,
        tiny: bool = False, progress: Callable[[float], None] | None = None, arms: Sequence[str] = ()) -> ArmResult:
    """Train and test every arm of a study. Finished arms are kept.

    Args:
        study: The study.
        out: Folder of the results.
        seeds: Number of seeds.
        first: The first seed.
        workers: Number of processes, of one thread each.
        tiny: Whether to use the tiny sizes.
        progress: Receives the finished share, 0..1.
        arms: Train these arms alone; empty for all.

    Returns:
        The scores of every finished arm.

    Raises:
        ValueError: The finished arms have other settings.
    """
    out, report = Path(out), progress or (lambda share: None)
    if seeds < 1:
        raise ValueError(f"--seeds: expected 1 or more, got {seeds}")
    stated = {"study": study.name, "version": version(), "tiny": tiny, "settings": dict(study.settings(tiny))}
    _expect_same(out / "study.json", stated)
    chosen = tuple(range(first, first + seeds))
    jobs = [(arm, seed) for seed in chosen for arm in arms or study.arms]
    left = [job for job in jobs if not _place(out, *job).is_file()]
    if left and study.prepare is not None:
        start = time.perf_counter()
        with suppress_loky_warnings():
            study.prepare(chosen, tiny, out / "shared", workers)
        _spent(out / "shared.json", workers * (time.perf_counter() - start))
    report((len(jobs) - len(left)) / len(jobs))
    with joblib.parallel_config("loky", inner_max_num_threads=1), suppress_loky_warnings():
        finished = joblib.Parallel(n_jobs=workers, return_as="generator_unordered")(
            joblib.delayed(_work)(study, arm, seed, tiny, out) for arm, seed in left)
        for done, _ in enumerate(finished, len(jobs) - len(left) + 1):
            report(done / len(jobs))
    return read_results(study, out, chosen, tiny)


def read_results(study: EvidenceStudy, out: Path, seeds: Sequence[int], tiny: bool = False) -> ArmResult:
    """Read the results of `run` from its folder.

    Args:
        study: the study.
        out: the folder.
        seeds: seeds of the runs.
        tiny: whether they were runs with `tiny`.

    Returns:
        The scores by arm and measure, of the arms that are finished for every seed.
    """
    finished = [arm for arm in study.arms if all(_place(out, arm, seed).is_file() for seed in seeds)]
    data = {(arm, seed): read_json(_place(out, arm, seed)) for arm in finished for seed in seeds}
    values = {arm: {measure: [data[arm, seed]["values"][measure] for seed in seeds]
                    for measure in data[arm, seeds[0]]["values"]} for arm in finished}
    seconds = sum(result["seconds"] for result in data.values()) + _spent(out / "shared.json")
    return ArmResult(study, tuple(seeds), tiny, seconds, values)


def _work(study: EvidenceStudy, arm: str, seed: int, tiny: bool, out: Path) -> None:
    """Train and test one arm for one seed, and write its file."""
    torch.set_num_threads(1)
    start = time.process_time()
    values = study.evaluate(arm, seed, tiny, out / "shared")
    data = {"arm": arm, "seed": seed, "seconds": round(time.process_time() - start, 2), "values": values}
    atomic_files.text(_place(out, arm, seed), atomic_files.json_line(data) + "\n")


def _place(out: Path, arm: str, seed: int) -> Path:
    """The file of an arm and a seed."""
    return out / "arms" / f"{re.sub(r'[^A-Za-z0-9]+', '-', arm).strip('-').lower()}-seed{seed}.json"


def _spent(path: Path, more: float = 0.0) -> float:
    """Add `more` s to the core time of the shared preparation, an upper bound, and return the total."""
    total = more
    if path.is_file():
        total += read_json(path)["seconds"]
    if more:
        atomic_files.text(path, atomic_files.json_line({"seconds": round(total, 2)}) + "\n")
    return float(total)


def _expect_same(path: Path, stated: Mapping[str, Any]) -> None:
    """Raise ValueError if the folder holds a study with other settings."""
    line = atomic_files.json_line(stated)
    if path.is_file() and read_json(path) != json.loads(line):
        raise ValueError(f"--out {path.parent}: expected the same study, size and settings as before, got other ones: "
                         f"name another folder (what it was made with stands in {path.name})")
    atomic_files.text(path, line + "\n")
