"""Save and load the fold's video tower of a checkpoint that was trained on its features."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from mien.backbones.load import load
from mien.backbones.tiny import SOURCE, tiny_tower
from mien.backbones.tower import Tower
from mien.models.registry import method
from mien.preprocessing.clip_feature_cache import PROGRESS_LOG

if TYPE_CHECKING:
    from mien.checkpoints.card import Card

TOWER_FOLDER = "tower"
"""The folder next to the card."""


def save_video_backbone(card: Card, folder: Path, before: Path | None = None) -> None:
    """Link a fine-tuned tower into `folder`/tower, or copy it if links are not possible.

    A published tower stays at its place.

    Args:
        card: the card of the checkpoint.
        folder: the folder of the checkpoint.
        before: the folder that the checkpoint was loaded from, if any.
    """
    source = card.data.get("tower", {}).get("source", "")
    places = []
    if before:
        places.append(before / TOWER_FOLDER)
    if source:
        places.append(Path(source))
    tuned = next((place for place in places if (place / PROGRESS_LOG).is_file()), None)
    out = folder / TOWER_FOLDER
    if tuned is None or (out.exists() and out.samefile(tuned)):
        return
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(tuned.iterdir()):
        target = out / path.name
        if target.exists() and (target.samefile(path) or target.stat().st_mtime_ns == path.stat().st_mtime_ns):
            continue
        target.unlink(missing_ok=True)
        try:
            os.link(path, target)
        except OSError:  # another file system, or a file system without links
            shutil.copy2(path, target)


def load_video_backbone(card: Card, where: str = "", folder: Path | None = None) -> Tower:
    """Load the video tower that gives the inputs of a checkpoint's model.

    Args:
        card: the card of the checkpoint.
        where: folder or hub id of the tower; "" for the checkpoint's folder, or else the source in the card.
        folder: the folder of the checkpoint.

    Raises:
        FileNotFoundError: there is no tower.
        ValueError: the tower is another one.
    """
    stored = card.data.get("tower", {})
    clips = method(card.recipe.method).inputs(card.recipe.options).clips
    source, expect = stored.get("source", ""), stored.get("sha256", "")
    if not source and clips:
        source = clips.source
    if where:
        return load(where, "videomae", expect=expect)
    if folder is not None and (folder / TOWER_FOLDER).is_dir():
        return load(folder / TOWER_FOLDER, "videomae", expect=expect)
    if source == SOURCE:
        return tiny_tower("videomae")
    try:
        return load(source, "videomae", expect=expect)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}; this model reads clips by a VideoMAE: --tower, in Python clip=, says where "
                                f"the one with sha256 {expect[:16]}... is now, a folder with config.json and "
                                "model.safetensors") from error
