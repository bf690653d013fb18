"""`mien models`: install the weights of the face detector and the face mesh, and show where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.console import exit_on_error, print_line

app = typer.Typer(no_args_is_help=True, help="Install the face models, or show where they are.")

Debug = Annotated[bool, typer.Option("--debug", help="Print the traceback of an error.")]


@app.command()
def install(
    into: Annotated[Path | None, typer.Option(
        "--into", metavar="FOLDER", help="Write the models to this folder. Set MIEN_MODELS to the folder to use it. "
                                         "Default: the user's cache.")] = None,
    debug: Debug = False,
) -> None:
    """Download the face models, check them, convert them to ONNX and install them for this user.

    Most installations of mien include the models; this command is for an installation without them. It needs pip and
    onnx. If MIEN_MODELS names a wheel of mediapipe 0.10.21, or a folder with its two .tflite files, the command
    downloads nothing.
    """
    with exit_on_error(debug, "nothing was installed"):
        from mien.face.weights.install import install as install_models

        print_line(f"face models installed in {install_models(into)}")


@app.command()
def pin(
    model: Annotated[str, typer.Argument(metavar="FILE", help="An ONNX file with a card beside it, or "
                                                               "hf:owner/name@COMMIT:file.")],
    accept: Annotated[bool, typer.Option("--accept", help="Accept the licences of the weights and of the data that the "
                                                           "card names.")] = False,
    debug: Debug = False,
) -> None:
    """Write the SHA-256 of a third-party model into its card. mien then refuses any other file."""
    with exit_on_error(debug, "nothing was written"):
        from mien.inference.onnx_model import onnx_file
        from mien.inference.onnx_pins import pin_file

        card = pin_file(onnx_file(model), accept)
        print_line(f"{card.name}: {card.sha256}, {card.licence}: {'accepted' if card.accepted else 'not accepted yet'}")


@app.command("list")
def list_models(debug: Debug = False) -> None:
    """Print the path, the licence and the origin of the face models in use. The exit status is 1 if there are none."""
    with exit_on_error(debug):
        from mien.face.weights.locate import manifest, paths

        models = paths()
        about = manifest(models.folder)
        for path in (models.detector, models.landmarks):
            print(f"{path}\t{about.get('license', 'licence not stated')}\t{about.get('origin', 'origin not stated')}")
