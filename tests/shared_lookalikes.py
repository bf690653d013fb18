"""Lookalikes that several modules need: DFEW with rendered faces, drawn once, and AMIGOS with signals only."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import prepare_work
from mien.core.folder_lock import folder_lock
from mien.datasets import DATASETS
from mien.preprocessing import build_cache, preprocess_trial
from mien.simulation.datasets import LOOKALIKES, amigos


def copy_dfew(tmp_path_factory, place: Path) -> Path:
    """Copy a lookalike of DFEW with 15 clips, three a fold, to `place`; all processes of a run of tests share one."""
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    with folder_lock(shared / "dfew-15", "drawing clips", wait=True):
        clips = shared / "dfew-15" / "clips"
        if not clips.exists():
            LOOKALIKES["dfew"](clips.with_name("new"), size=15)
            clips.with_name("new").rename(clips)
    shutil.copytree(clips, place)
    return place


def prepared_dfew(tmp_path_factory) -> Path:
    """A folder with that lookalike in `dfew`, prepared without looking for faces in `cache`."""
    folder = tmp_path_factory.mktemp("data")
    survey = DATASETS["dfew"].survey(copy_dfew(tmp_path_factory, folder / "dfew"))
    build_cache.build_cache(survey, folder / "cache", preprocess_trial.Preparation(size=32), work=prepare_work.work)
    return folder


def amigos_without_videos(root: Path) -> Path:
    """Write a lookalike of AMIGOS with three participants and their signals only, which takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(amigos, "_film", lambda *arguments: None)
        LOOKALIKES["amigos"](root, size=4, participants=(1, 2, 3), seconds=8.0)
    return root
