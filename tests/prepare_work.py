"""Preparing without a face library, importable by other processes; as a script, the whole of it, to be killed midway.

    python prepare_work.py CLIPS CACHE WORKERS

CLIPS is a folder of folders of pictures. Nobody is found in them: such pictures are kept whole all the same.
"""

from __future__ import annotations

import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np

from mien.core.parallel.outcome import Outcome, ProgressCallback
from mien.core.trials import Trial
from mien.datasets.index import DatasetIndex
from mien.preprocessing import build_cache, preprocess_trial


class Blind:
    """A face backend that sees nobody."""

    name = "blind"

    def detect(self, rgb: np.ndarray) -> list:
        return []

    def mesh(self, rgb: np.ndarray, region: object) -> None:
        return None

    def close(self) -> None:
        pass


def work(job: preprocess_trial.PreprocessingJob, progress: ProgressCallback | None) -> Outcome:
    """`preprocess_trial`, blind."""
    with patch.object(preprocess_trial, "_backend", Blind):
        return preprocess_trial.preprocess_trial(job, progress)


def here(clips: str, cache: str) -> None:
    """Prepare in this very process, one trial after the other."""
    build_cache.run = lambda jobs, work, *_: ((job, work(job, None)) for job in jobs)
    prepare(clips, cache, 1)


def prepare(clips: str, cache: str, workers: int) -> build_cache.CacheBuildReport:
    """Prepare `clips` into `cache`."""
    import prepare_work  # by its name: other processes import it

    how = preprocess_trial.Preparation(size=32)
    return build_cache.build_cache(survey(Path(clips)), cache, how, workers=workers, work=prepare_work.work)


def survey(clips: Path) -> DatasetIndex:
    """A trial for each folder in `clips`."""
    folders = sorted(path for path in clips.iterdir() if path.is_dir())
    trials = tuple(Trial(path.name, "clips", video=path, frame_rate=25.0) for path in folders)
    return DatasetIndex("clips", clips, "folders", trials, (), ())


if __name__ == "__main__":
    prepare(sys.argv[1], sys.argv[2], int(sys.argv[3]))
