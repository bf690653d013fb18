"""Films with a contact pulse, by the published layouts of the field's datasets.

Each row of `LAYOUTS` says which files are films, and where and how the contact signal of a film is read. A dataset that
is not here is read as a folder: films with a table of the same name beside each (`folder`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mien.core.observations import Frame
from mien.datasets.pulse import readers
from mien.datasets.pulse.readers import ContactPulse, PulseRecording

__all__ = ["LAYOUTS", "ContactPulse", "PulseLayout", "PulseRecording", "find_recordings"]


@dataclass(frozen=True)
class PulseLayout:
    """How a dataset lays out its films and contact signals.

    Attributes:
        title: the dataset and its description.
        films: pattern of the films below the root.
        contact: reads the contact sensor of a film.
        person: name of the person in a film.
        fits: whether a file of the pattern is a film of this layout.
        frames: iterates over a film's frames.
        about: what is known of a film: skin tone, motion, light.
    """

    title: str
    films: str
    contact: Callable[[Path], ContactPulse]
    person: Callable[[Path], str]
    fits: Callable[[Path], bool] = lambda film: True
    frames: Callable[[Path], Iterator[Frame]] = readers.film_frames
    about: Callable[[Path], dict[str, str]] = field(default=lambda film: {})


LAYOUTS: dict[str, PulseLayout] = {
    "ubfc-rppg-2": PulseLayout(
        "UBFC-rPPG, dataset 2 (Bobbia et al. 2019, 10.1016/j.patrec.2017.10.017)", "subject*/vid.avi",
        readers.ubfc_2, lambda film: film.parent.name, lambda film: (film.parent / "ground_truth.txt").is_file()),
    "ubfc-rppg-1": PulseLayout(
        "UBFC-rPPG, dataset 1 (the same)", "vid.avi", readers.ubfc_1, lambda film: film.parent.name,
        lambda film: (film.parent / "gtdump.xmp").is_file()),
    "ubfc-phys": PulseLayout(
        "UBFC-Phys (Meziati Sabour et al. 2021, 10.1109/TAFFC.2021.3056960)", "vid_s*_T*.avi", readers.ubfc_phys,
        lambda film: film.stem.split("_")[1], lambda film: readers.ubfc_phys_contact(film).is_file(),
        about=lambda film: {"task": film.stem.split("_")[2]}),
    "pure": PulseLayout(
        "PURE (Stricker, Mueller & Gross 2014, 10.1109/ROMAN.2014.6926392)", "[0-9][0-9]-[0-9][0-9].json", readers.pure,
        lambda film: film.stem.split("-")[0], lambda film: bool(readers.pure_pictures(film)),
        frames=readers.pure_frames, about=lambda film: {"setup": film.stem.split("-")[1]}),
    "cohface": PulseLayout(
        "COHFACE (Heusch, Anjos & Marcel 2017, arXiv 1709.00962)", "data.avi", readers.cohface,
        lambda film: film.parent.parent.name, lambda film: film.with_suffix(".hdf5").is_file()),
    "mmpd": PulseLayout(
        "MMPD (Tang et al. 2023, 10.1109/EMBC40787.2023.10340857)", "p*_*.mat", readers.mmpd,
        lambda film: film.stem.split("_")[0], lambda film: film.stem[1:].replace("_", "").isdigit(),
        frames=readers.mmpd_frames, about=readers.mmpd_about),
    "scamps": PulseLayout(
        "SCAMPS (McDuff et al. 2022, arXiv 2206.04197)", "P*.mat", readers.scamps, lambda film: film.stem,
        lambda film: film.stem[1:].isdigit(), frames=readers.scamps_frames),
    "ibvp": PulseLayout(
        "iBVP (Joshi & Cho 2024, 10.3390/electronics13071334)", "*_bvp.csv", readers.ibvp,
        lambda film: film.name.split("_")[0], lambda film: readers.ibvp_pictures(film).is_dir(),
        frames=readers.ibvp_frames),
    "mcd-rppg": PulseLayout(
        "MCD-rPPG (Egorov et al. 2025, arXiv 2508.17924)", "video/*_*_*.avi", readers.mcd,
        lambda film: film.stem.split("_")[0], lambda film: readers.mcd_contact(film).is_file(),
        about=readers.mcd_about),
    "folder": PulseLayout(
        "own folder: a table of the same name beside each film, with a contact sensor or a column heart_rate", "*",
        readers.own_contact, lambda film: film.stem.split("_")[0], readers.has_own_contact),
}
"""Name -> layout. Where several fit, the first one counts."""


def find_recordings(root: Path, layout: str = "") -> list[PulseRecording]:
    """Find the films with a contact sensor below a folder.

    Args:
        root: the folder.
        layout: name of `LAYOUTS`; "" for the first that fits.

    Returns:
        The recordings, in the order of their names.

    Raises:
        ValueError: there is no such layout, or no film with a contact sensor.
    """
    if layout and layout not in LAYOUTS:
        raise ValueError(f"layout: expected one of {', '.join(LAYOUTS)}, got {layout!r}: choose one of them")
    for each in [LAYOUTS[layout]] if layout else LAYOUTS.values():
        films = sorted(film for film in root.rglob(each.films) if each.fits(film))
        if films:
            return [PulseRecording(film.relative_to(root).as_posix(), each.person(film), film, each.frames,
                                   each.contact, each.about(film)) for film in films]
    raise ValueError(f"{root}: expected films with a contact pulse in the layout of {layout or ', '.join(LAYOUTS)}, "
                     "got none: put a table of the same name beside each film, such as one.mp4 and one.csv")
