"""`mien train` and `mien bench` for heads that read expressions: of simulated measures, or of your labelled faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mien.cli.console import exit_on_error, print_line, progress_bar, run_folder, spinner

if TYPE_CHECKING:
    from mien.datasets.labelled_faces import LabelledFaces
    from mien.training.expression.measured_faces import MeasuredFaces

SIMULATED = "expression/simulated"


def is_expression(name: str) -> bool:
    """Whether a recipe's name is that of a head."""
    return name.partition("/")[0] == "expression"


def train_expression(name: str, root: Path | None, out: str, seed: int, tiny: bool, changes: Sequence[str],
                     quiet: bool, debug: bool) -> None:
    """Run `mien train` for an expression head. The parameters are the options of `mien train`."""
    with exit_on_error(debug):
        if changes:
            raise ValueError(f"--set: expected none for {name}, got {changes[0]}: remove --set")
        _expect_packages(name)
        if name != SIMULATED:
            lines = _train_own(name, root, out, quiet)
        else:
            if root is not None:
                raise ValueError(f"--data: expected none for {name}, which draws its faces from statistics, got "
                                 f"{root}: remove --data, or train expression on your own labels")
            lines = _train_simulated(out, seed, tiny, quiet)
    if not quiet:
        print("\n".join(lines))


def bench_expression(name: str, root: Path | None, out: str, quiet: bool) -> None:
    """Run `mien bench expression/NAME`. The parameters are the options of `mien bench`."""
    _expect_packages(name)
    labelled, faces = _measure(name, root, quiet)
    from mien.evaluation.face_labels import bench_faces

    folder = run_folder(out, f"bench-{name}")
    with spinner(lambda: f"bench {name}", quiet):
        text = bench_faces(labelled, faces, folder)
    if not quiet:
        print(f"{text}see {folder / 'table.md'} and {folder / 'predictions.csv'}")


def _train_simulated(out: str, seed: int, tiny: bool, quiet: bool) -> list[str]:
    from mien.training.expression.train import TINY, train_simulated

    folder = run_folder(out, SIMULATED, tiny=tiny, tail=f"-seed{seed}")
    with spinner(lambda: f"training {SIMULATED}", quiet):
        _, figures = train_simulated(folder, seed, TINY if tiny else None)
    return [f"{SIMULATED}, other simulated people: {100 * figures['accuracy']:.1f} % right, expected "
            f"calibration error {figures['ece']:.3f}, temperature {figures['temperature']:.2f}",
            f"see {folder / 'simulated.npz'} and its card {folder / 'simulated.json'}"]


def _train_own(name: str, root: Path | None, out: str, quiet: bool) -> list[str]:
    labelled, faces = _measure(name, root, quiet)
    from mien.training.expression.train import train_own

    folder = run_folder(out, name)
    with spinner(lambda: f"training {name}", quiet):
        card = train_own(labelled, faces, folder)
    return [f"{name}, {card['files']} files of {card['people']} people ({labelled.layout}), classes "
            f"{', '.join(faces.classes)}",
            *(f"  people left out, {title}: UAR {100 * value:.1f} % (chance {100 / len(faces.classes):.1f})"
              for title, value in card["uar_of_people_left_out"].items()),
            f"  terms of the data: {labelled.terms}", f"see {folder}: mien analyze VIDEO --model {folder}"]


def _measure(name: str, root: Path | None, quiet: bool) -> tuple[LabelledFaces, MeasuredFaces]:
    from mien.datasets.labelled_faces import LAYOUTS, find_faces
    from mien.face.backend import OnnxFaceBackend
    from mien.training.expression.measured_faces import measure_faces

    layout = name.partition("/")[2]
    if layout and layout not in LAYOUTS:
        raise ValueError(f"recipe: expected expression, {SIMULATED} or expression/ with one of {', '.join(LAYOUTS)}, "
                         f"got {name!r}")
    if root is None:
        raise ValueError(f"--data: expected a folder of labelled faces or a table for {name}, got none")
    labelled = find_faces(root, layout)
    for note in () if quiet else labelled.notes:
        print_line(note)
    backend = OnnxFaceBackend()
    with progress_bar(f"measuring {len(labelled.faces)} files", 1, quiet) as (progress, _):
        faces = measure_faces(labelled, backend, progress)
    backend.close()
    if faces.missed and not quiet:
        print_line(f"{len(faces.missed)} of {len(labelled.faces)} files show no face that can be read, such as "
                   f"{faces.missed[0]}")
    return labelled, faces


def _expect_packages(name: str) -> None:
    try:
        import mien.training.expression.train  # noqa: F401 - only whether it can be imported
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("mien"):
            raise
        raise ValueError(f"{name}: expected the packages that training needs, {error.name} is missing: install "
                         'them with pip install "mien[models]"') from error
