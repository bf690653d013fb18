"""The video tower of a fold: kept with the checkpoint that was trained on its features, and found again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from mien.data.features import TOLD
from mien.recipes import TINY
from mien.towers import Tower, load, tiny

if TYPE_CHECKING:
    from mien.checkpoint.card import Card

TOWER = "tower"
"""The folder beside the card."""


def keep(card: Card, folder: Path, before: Path | None = None) -> None:
    """A tower that learnt for this fold -> `folder`/tower: linked, or copied where it cannot be; a published one stays
    where it is. `before`: the checkpoint's folder until now, where it was loaded from one."""
    source = card.data.get("tower", {}).get("source", "")
    places = [*([before / TOWER] if before else []), *([Path(source)] if source else [])]
    found = next((place for place in places if (place / TOLD).is_file()), None)
    out = folder / TOWER
    if found is None or (out.exists() and out.samefile(found)):
        return
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(found.iterdir()):
        target = out / path.name
        if target.exists() and (target.samefile(path) or target.stat().st_mtime_ns == path.stat().st_mtime_ns):
            continue
        target.unlink(missing_ok=True)
        try:
            os.link(path, target)
        except OSError:  # another file system, or one without links
            shutil.copy2(path, target)


def tower(card: Card, where: str = "", folder: Path | None = None) -> Tower:
    """The tower whose features the model of this card reads: at `where` if given, else in `folder`, the checkpoint's,
    else where the card says. Raises FileNotFoundError or ValueError for none, and for another one."""
    told = card.data.get("tower", {})
    source, expect = told.get("source") or str(card.recipe.options.video), told.get("sha256", "")  # type: ignore[union-attr]
    if where:
        return load(where, "videomae", expect=expect)
    if folder is not None and (folder / TOWER).is_dir():
        return load(folder / TOWER, "videomae", expect=expect)
    if source == TINY:
        return tiny("videomae")
    try:
        return load(source, "videomae", expect=expect)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}; this model reads clips by a VideoMAE: --tower, in Python clip=, says where "
                                f"the one with sha256 {expect[:16]}... is now, a folder with config.json and "
                                "model.safetensors") from error
