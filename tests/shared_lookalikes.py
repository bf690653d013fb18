"""A lookalike that several modules need with real faces: drawing its people takes a while, so it is drawn once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mien.core.folder_lock import folder_lock
from mien.simulation.datasets import LOOKALIKES


def copy_dfew(tmp_path_factory, place: Path) -> Path:
    """Copy a lookalike of DFEW with 15 clips, three a fold, to `place`; all processes of a run of tests share one."""
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    with folder_lock(shared / "dfew-15", "drawing films", wait=True):
        films = shared / "dfew-15" / "films"
        if not films.exists():
            LOOKALIKES["dfew"](films.with_name("new"), size=15)
            films.with_name("new").rename(films)
    shutil.copytree(films, place)
    return place
