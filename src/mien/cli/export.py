"""`mien export`: a checkpoint for OpenVINO or ONNX Runtime, by one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.asking import Debug, Quiet
from mien.cli.telling import one_line, say

if TYPE_CHECKING:
    from mien.export import Report

SHOWN = 10
"""Clips whose probabilities are printed; all of them are in parity.csv."""


def export(
    checkpoint: Annotated[
        str, typer.Argument(metavar="CHECKPOINT", help="The folder that mien train wrote, or a hub id.")
    ],
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="openvino or onnx.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The folder to write, which must be new.")],
    int8: Annotated[bool, typer.Option("--int8", help="Whole numbers of 8 bits in the tower; needs --clips.")] = False,
    clips: Annotated[
        list[str] | None,
        typer.Option(metavar="VIDEO", help="A file, folder or pattern, also repeated: the faces there are compared."),
    ] = None,
    tower: Annotated[
        str, typer.Option(metavar="FOLDER_OR_HUB_ID", help="Where the tower is now, if not where the card says.")
    ] = "",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write CHECKPOINT for OpenVINO or ONNX Runtime into DIR, for mien analyze --model DIR; needs mien[export].

    In it are the image tower, prompts and LSEA, and the class texts as numbers: its labels cannot be changed any more.
    What is written is compared with torch before DIR appears.
    """
    with one_line(debug, "nothing was written"):
        try:
            from mien.export import export as run
        except ImportError as error:
            raise ValueError(f"expected the packages that models need, {error.name} is missing: install them with pip "
                             'install "mien[models,export]"') from error
        report = run(checkpoint, to, out, int8=int8, videos=_videos(clips or [], out),  # type: ignore[arg-type]
                     tower=tower, told=None if quiet else say)
    if not quiet:
        print(_sum(report))


def _videos(names: list[str], out: Path) -> list[Path]:
    if not names:
        return []
    from mien import files

    return [found.path for found in files.find(names, out)]


def _sum(report: Report) -> str:
    from mien.export.compare import rows

    parity, card = report.parity, report.card
    lines = [f"{card.format}, {'int8' if card.precision == 'int8' else 'float32'} in the file; input uint8 "
             f"{' x '.join(map(str, card.shape))}"]
    if card.checkpoint.recipe.tiny:
        lines.append("tiny: it knows nothing")
    if report.exact is not None:
        lines.append(f"largest difference of a probability from torch, both in float32: {report.exact:.1e}")
    lines.append(f"largest change of a probability as it runs here, {len(parity.names)} clips"
                 f"{'' if report.own else ' of noise, give --clips for your own'}: {parity.largest:.4f}; another label "
                 f"in {int(parity.relabelled.sum())}")
    unseen = card.parity["largest_change_not_calibrated_on"]
    if card.precision == "int8":
        lines.append("of clips that did not calibrate it: " + (f"{unseen:.4f}" if unseen is not None else
                     "none was left, give more --clips"))
    if report.own:
        lines += ["torch -> exported, the most changed first:", *(f"  {line}" for line in rows(parity, SHOWN))]
    return "\n".join([*lines, f"see {report.folder} (all probabilities in parity.csv)"])
