"""A study of simulated people, to see the page and to check it: a planted difference must be found, and no other.

    python examples/simulated_study.py --out study

Twelve people rest, watch a film and talk, 60 s each. The film adds 0.5 to AU12, the smile, and talking 6 bpm to the
heart rate, in some people more and in some less. While they talk, motion hides the pulse for half of the time. No video
is rendered: the rows are numbers drawn at random, with the columns of a timeline.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mien import __version__
from mien.core.tasks import ACTION_UNITS, EXPRESSION
from mien.reporting.events import Event
from mien.reporting.study import Study, StudyOptions, StudyRecording, compute_study, write_study

STEP, LENGTH = 0.5, 60.0
CONDITIONS = ("rest", "film", "talk")
SMILE, RATE = 0.5, 6.0


def events() -> list[Event]:
    """A minute of each condition; rest is the baseline."""
    return [Event(i * LENGTH, (i + 1) * LENGTH, name, baseline=i == 0) for i, name in enumerate(CONDITIONS)]


def timeline(random: np.random.Generator) -> pd.DataFrame:
    """The rows of one person, who differs from others by a level of their own."""
    start = np.arange(0, LENGTH * len(CONDITIONS), STEP)
    condition = (start // LENGTH).astype(int)
    aus = {name: random.uniform(0.2, 1.5) + random.normal(0, 0.3, len(start)) for name in ACTION_UNITS}
    aus["AU12"] += random.normal(SMILE, SMILE / 2) * (condition == 1)
    rate = random.normal(70, 8) + random.normal(0, 2, len(start)) + random.normal(RATE, RATE / 2) * (condition == 2)
    rate[(condition == 2) & (start % 20 < 10)] = np.nan
    probs = random.dirichlet(np.full(len(EXPRESSION.classes), 3.0), len(start))
    affect = np.array([EXPRESSION.affect(row) for row in probs])
    return pd.DataFrame({
        "start": start, "end": start + STEP, "face_id": 0, "state": "tracked",
        **{name: np.clip(values, 0, 5) for name, values in aus.items()},
        **{f"p_{name}": probs[:, i] for i, name in enumerate(EXPRESSION.classes)},
        "valence": affect[:, 0], "arousal": affect[:, 1], "heart_rate": rate})


def simulated(people: int = 12, seed: int = 1, measures: Sequence[str] = ()) -> Study:
    """The study of `people` simulated people."""
    random = np.random.default_rng(seed)
    settings, versions = {"step": STEP, "model": "simulated"}, {"mien": __version__}
    recordings = [StudyRecording(f"P{i + 1:02d}.mp4", f"P{i + 1:02d}", timeline(random), settings, versions)
                  for i in range(people)]
    return compute_study(recordings, events(), options=StudyOptions(tuple(measures)))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("study"))
    options = parser.parse_args(arguments)
    print(write_study(simulated(), options.out))


if __name__ == "__main__":
    main()
