"""Export a checkpoint atomically: convert it, load the result, and compare it with torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mien import checkpoints
from mien.checkpoints.card import CARD, WEIGHTS
from mien.checkpoints.exported import ExportCard, load_exported
from mien.checkpoints.formats import FORMATS
from mien.checkpoints.load import locate
from mien.checkpoints.predictor import Predictor
from mien.core import atomic_files, parallel
from mien.core.batch import Batch
from mien.export import convert
from mien.export.example_clips import ExampleClip, noise_clips, record_clips
from mien.export.parity import Parity
from mien.metrics.classification import probabilities

MAX_DIFFERENCE = 1e-3
"""Largest difference of a probability in float32 for a correct conversion. Our choice: another order of sums changes it
by 1e-5."""
MIN_CLIPS = 5
"""Smallest recommended number of clips of 16 frames for int8. Our choice: a fourth of NNCF's default in pictures."""
PARITY_FILE = "parity.csv"


@dataclass(frozen=True, eq=False)
class ExportReport:
    """The result of an export.

    `exact`: largest difference from torch with both in float32, None for int8; `parity`: the comparison on this
    machine; `from_videos`: whether the user's clips were compared, not noise.
    """

    folder: Path
    card: ExportCard
    exact: float | None
    parity: Parity
    from_videos: bool


def export(
    source: str | Path,
    to: str,
    out: str | Path,
    *,
    int8: bool = False,
    videos: Sequence[str | Path] = (),
    clips: Sequence[ExampleClip] = (),
    tower: str = "",
    log: Callable[[str], None] | None = None,
) -> ExportReport:
    """Export a checkpoint to a new folder for `mien.load` and `--model`.

    The export compares clips of the faces in `videos` and the given `clips`, or noise if there are none. int8 is
    calibrated on every second clip. After an error, nothing is written.

    Args:
        source: folder or hub id of the checkpoint.
        to: "openvino" or "onnx".
        out: the new folder.
        int8: whether to quantise the tower; needs videos or clips.
        videos: videos like those that the model will analyse.
        clips: further clips.
        tower: folder or hub id of the tower; "" for the source in the card.
        log: receives a line for each stage.

    Raises:
        FileNotFoundError: there is no checkpoint, or its tower is missing.
        ValueError: the method has no export; a package is missing; int8 without clips; `out` is not empty; or the
            converted model computes other probabilities.
    """
    out, log = Path(out), log or (lambda text: None)
    convert.check_packages(to, int8)
    if int8 and not (videos or clips):
        raise ValueError("--int8: expected --clips, videos like those that the model will analyse, got none: int8 is "
                         "calibrated on them")
    _expect_new(out)
    model = _load_exportable(source, tower)
    core = model.model
    shown = [*clips, *record_clips(videos, model.needs, model.seconds, log)]
    from_videos = bool(shown)
    shown = shown or noise_clips(model.needs)
    seen = np.zeros(len(shown), bool)
    if int8:
        seen[::2] = True
        if seen.sum() < MIN_CLIPS:
            log(f"int8 is calibrated by {seen.sum()} clips only, {MIN_CLIPS} or more are better: give more --clips")
    log(f"reading {len(shown)} clips in torch, float32")
    expected = _torch(core, shown, model.temperature)
    out.parent.mkdir(parents=True, exist_ok=True)
    with parallel.staging(out.parent) as parent:
        folder = parent / "export"
        folder.mkdir()
        log(f"converting to {to}, int8 by {seen.sum()} clips" if int8 else f"converting to {to}")
        convert.write_model(core, to, [clip.frames for clip, used in zip(shown, seen, strict=True) if used], folder)
        report = _compared(model, source, to, int8, shown, seen, expected, folder, log)
        if out.is_dir():
            out.rmdir()
        os.rename(folder, out)
    return ExportReport(out, report.card, report.exact, report.parity, from_videos)


def _expect_new(out: Path) -> None:
    """Raise ValueError if the folder exists with something in it."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"--out: expected a new folder, got {out}, which exists already: name another folder")


def _load_exportable(source: str | Path, tower: str) -> Predictor:
    """Load a checkpoint whose method has an export. Raises ValueError for others."""
    model = checkpoints.load(source, clip=tower, precision="32")
    if not isinstance(model, Predictor):
        raise ValueError(f"{source}: expected a checkpoint, got an exported model: export its checkpoint again")
    if model.model.export_graph() is None:
        raise ValueError(f"{source}: expected a checkpoint of a method with an export, got one of "
                         f"{type(model.model).__name__}, which has none: use it as it is")
    return model


def _compared(model: Predictor, source: str | Path, to: str, int8: bool, clips: Sequence[ExampleClip], seen: np.ndarray,
              expected: np.ndarray, folder: Path, log: Callable[[str], None]) -> ExportReport:
    """Load the written model, compare it, and write its card and the table of probabilities."""
    if model.card is None:
        raise ValueError("export: expected a trained model, got one without a card")
    needs, names = model.needs, FORMATS[to].files
    shape = 1, needs.frames or 0, 3, needs.size or 0, needs.size or 0
    hashes = {name: parallel.sha256(folder / name) for name in names}
    origin = parallel.sha256(locate(source) / WEIGHTS)
    first = ExportCard(to, "int8" if int8 else "32", hashes, shape, origin, {}, model.card)
    first.save(folder / CARD)
    log("comparing")
    frames = np.stack([clip.frames for clip in clips])
    exact = None
    if not int8:
        exact = float(np.abs(load_exported(folder, precision="32").probs(frames) - expected).max())
        if not exact <= MAX_DIFFERENCE:
            raise ValueError(
                f"{to}: expected the probabilities of torch within {MAX_DIFFERENCE}, got them {exact:.2g} off: the "
                "conversion is wrong; please report it with the versions of the packages"
            )
    exported = load_exported(folder).probs(frames)
    parity = Parity(tuple(clip.name for clip in clips), model.task.classes, expected, exported, seen)
    card = ExportCard(to, first.precision, hashes, shape, origin, {"largest_change_float32": exact, **parity.summary()},
                      model.card)
    card.save(folder / CARD)
    atomic_files.table(folder / PARITY_FILE, parity.table())
    return ExportReport(folder, card, exact, parity, False)


@torch.inference_mode()
def _torch(model: Any, clips: Sequence[ExampleClip], temperature: float) -> np.ndarray:
    """Probabilities (N, K)."""
    rows = [model.predict(Batch(frames=torch.from_numpy(clip.frames)[None])).logits for clip in clips]
    return probabilities(torch.cat(rows).double().numpy(), temperature)
