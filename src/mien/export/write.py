"""The whole export: convert, read back, compare, and only then give the folder its name."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mien import checkpoint, work, writing
from mien.checkpoint import CARD, WEIGHTS, Trained
from mien.checkpoint.exported import FILES, ExportCard, Format, load
from mien.checkpoint.opening import locate
from mien.export import convert
from mien.export.clips import Clip, noise, watch
from mien.export.compare import Parity
from mien.models.duse import DuSE

EXACT = 1e-3
"""By how much a probability may differ in float32; more, and the conversion is wrong. Our choice: sums in another order
change it by 1e-5."""
FEW = 5
"""Clips of 16 frames, fewer of which tell int8 too little. Our choice: a fourth of the pictures of NNCF's default."""
TABLE = "parity.csv"


@dataclass(frozen=True, eq=False)
class Report:
    """What was written where; `exact`: the largest difference from torch with both in float32, None for int8;
    `parity`: as it runs on this machine."""

    folder: Path
    card: ExportCard
    exact: float | None
    parity: Parity
    own: bool


def export(source: str | Path, to: Format, out: str | Path, *, int8: bool = False, videos: Sequence[str | Path] = (),
           clips: Sequence[Clip] = (), tower: str = "", told: Callable[[str], None] | None = None) -> Report:
    """The checkpoint at `source` -> a new folder `out`; `mien.load` and `--model` take it like a checkpoint.

    Clips of the faces in `videos`, and `clips` that are there already, are compared, else noise; int8 is calibrated on
    every second of them, and needs some. `tower`: where it is now, if not where the card says. `told` hears what is
    being done. Raises ValueError or FileNotFoundError: for what is no checkpoint, a missing package, int8 without
    clips, an `out` that holds something, and a conversion that does not compute the same; then nothing is written.
    """
    out, told = Path(out), told or (lambda text: None)
    convert.check(to, int8)
    if int8 and not (videos or clips):
        raise ValueError("--int8: expected --clips, videos like those that the model is to read, got none: int8 is "
                         "calibrated on them")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"--out: expected a new folder, got {out}, which is there already: name another one")
    model = checkpoint.load(source, clip=tower, precision="32")
    if not isinstance(model, Trained):
        raise ValueError(f"{source}: expected a checkpoint, got an exported model: export its checkpoint again")
    core = model.model
    if not isinstance(core, DuSE):
        raise ValueError(f"{source}: expected a checkpoint of DuSE, got one of {type(core).__name__}, which is not "
                         "exported: use it as it is")
    shown = [*clips, *(watch(videos, model.task, model.needs, model.seconds, told) if videos else [])]
    own = bool(shown)
    shown = shown or noise(model.needs)
    seen = np.arange(len(shown)) % 2 == 0 if int8 else np.zeros(len(shown), bool)
    if int8 and seen.sum() < FEW:
        told(f"int8 is calibrated by {seen.sum()} clips only, {FEW} or more are better: give more --clips")
    told(f"reading {len(shown)} clips in torch, float32")
    wanted = _torch(core, shown, model.temperature)
    out.parent.mkdir(parents=True, exist_ok=True)
    with work.staging(out.parent) as making:
        whole = making / "whole"
        whole.mkdir()
        told(f"converting to {to}" + f", int8 by {seen.sum()} clips" * int8)
        convert.write(core, to, [clip.frames for clip, used in zip(shown, seen, strict=True) if used], whole)
        report = _compared(model, source, to, int8, shown, seen, wanted, whole, told)
        if out.is_dir():
            out.rmdir()
        os.rename(whole, out)
    return Report(out, report.card, report.exact, report.parity, own)


def _compared(model: Trained, source: str | Path, to: Format, int8: bool, clips: Sequence[Clip], seen: np.ndarray,
              wanted: np.ndarray, whole: Path, told: Callable[[str], None]) -> Report:
    """Read what was written back, compare, and write card and table beside it."""
    if model.card is None:
        raise ValueError("export: expected a trained model, got one without a card")
    needs, names = model.needs, FILES[to]
    shape = 1, needs.frames or 0, 3, needs.size or 0, needs.size or 0
    hashes = {name: work.sha256(whole / name) for name in names}
    origin = work.sha256(locate(source) / WEIGHTS)
    first = ExportCard(to, "int8" if int8 else "32", hashes, shape, origin, {}, model.card)
    first.save(whole / CARD)
    told("comparing")
    frames = np.stack([clip.frames for clip in clips])
    exact = None
    if not int8:
        exact = float(np.abs(load(whole, precision="32").probs(frames) - wanted).max())
        if not exact <= EXACT:
            raise ValueError(f"{to}: expected the probabilities of torch within {EXACT}, got them {exact:.2g} off: the "
                             "conversion is wrong; please report it with the versions of the packages")
    found = load(whole).probs(frames)
    parity = Parity(tuple(clip.name for clip in clips), model.task.classes, wanted, found, seen)
    card = ExportCard(to, first.precision, hashes, shape, origin, {"largest_change_float32": exact, **parity.told()},
                      model.card)
    card.save(whole / CARD)
    writing.table(whole / TABLE, parity.table())
    return Report(whole, card, exact, parity, False)


@torch.inference_mode()
def _torch(model: DuSE, clips: Sequence[Clip], temperature: float) -> np.ndarray:
    """Probabilities (N, K)."""
    rows = [model.read(torch.from_numpy(clip.frames)[None]).logits for clip in clips]
    return (torch.cat(rows).double() / temperature).softmax(dim=-1).numpy()
