"""`mien export`: convert a checkpoint to OpenVINO or ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.console import exit_on_error, print_line, unless
from mien.cli.options import Debug, Quiet

if TYPE_CHECKING:
    from mien.export.export_checkpoint import ExportReport

SHOWN = 10
"""Largest number of clips whose probabilities are printed; parity.csv has all clips."""


def export(
    checkpoint: Annotated[
        str, typer.Argument(metavar="CHECKPOINT", help="Folder that mien train wrote, or a hub id.")
    ],
    to: Annotated[
        str, typer.Option("--to", metavar="FORMAT", help="Format: openvino or onnx.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to write; it must not exist.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="Quantise the backbone to 8-bit integers; needs --clips.")
    ] = False,
    clips: Annotated[
        list[str] | None,
        typer.Option(metavar="VIDEO", help="Video, folder or pattern. Its faces compare the exported "
                     "model with torch, and calibrate --int8. You may repeat it."),
    ] = None,
    tower: Annotated[
        str, typer.Option(metavar="FOLDER_OR_HUB_ID", help="Folder or hub id of the backbone, if it moved. Default: "
                          "the place in the checkpoint's card.")
    ] = "",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Convert CHECKPOINT to OpenVINO or ONNX in DIR, for mien analyze --model DIR. Needs mien[export].

    The export holds the image encoder, the prompts, LSEA and the text features of the classes. Its labels are fixed.
    The exported model is compared with torch before DIR appears.
    """
    with exit_on_error(debug, "nothing was written"):
        try:
            from mien.export.export_checkpoint import export as run
        except ImportError as error:
            raise ValueError(f"expected the packages that models need, {error.name} is missing: install them with pip "
                             'install "mien[models,export]"') from error
        from mien.core.folder_lock import folder_lock

        with folder_lock(out, "an export", sibling=True, log=print_line):
            report = run(checkpoint, to, out, int8=int8, videos=_videos(clips or [], out),  # type: ignore[arg-type]
                         tower=tower, log=unless(quiet, print_line))
    if not quiet:
        print(_sum(report))


def _videos(names: list[str], out: Path) -> list[Path]:
    if not names:
        return []
    from mien.inference import batch
    from mien.video import image_sequences

    return [file.path for file in batch.find_inputs(names, out) if not image_sequences.is_picture(file.path.name)]


def _sum(report: ExportReport) -> str:
    from mien.export.parity import parity_lines
    from mien.recipes.recipe import TINY_DOUBT

    parity, card = report.parity, report.card
    weights = "int8" if card.precision == "int8" else "float32"
    lines = [f"{card.format}, weights {weights}; input uint8 {' x '.join(map(str, card.shape))}"]
    if card.checkpoint.recipe.tiny:
        lines.append(TINY_DOUBT)
    if report.exact is not None:
        lines.append(f"largest difference of a probability from torch, both in float32: {report.exact:.1e}")
    noise = "" if report.from_videos else " of noise (use --clips for your videos)"
    lines.append(f"largest change of a probability on this machine, {len(parity.names)} clips{noise}: "
                 f"{parity.largest:.4f}; another label in {int(parity.relabelled.sum())}")
    if card.precision == "int8":
        unseen = card.parity["largest_change_not_calibrated_on"]
        change = "no such clips, give more --clips" if unseen is None else f"{unseen:.4f}"
        lines.append(f"on clips that were not used for calibration: {change}")
    if report.from_videos:
        lines += ["torch -> exported, the most changed first:", *(f"  {line}" for line in parity_lines(parity, SHOWN))]
    return "\n".join([*lines, f"see {report.folder} (all probabilities in parity.csv)"])
