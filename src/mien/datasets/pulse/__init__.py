"""Videos with a contact pulse, by the published layouts of the field's datasets.

Each row of `LAYOUTS` says which files are videos, and where and how the contact signal of a video is read. Any other
dataset is read as a folder: videos with a table of the same name beside each (`folder`).
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
    """How a dataset lays out its videos and contact signals.

    Attributes:
        title: the dataset and its description.
        videos: pattern of the videos below the root.
        contact: reads the contact sensor of a video.
        person: name of the person in a video.
        fits: whether a file of the pattern is a video of this layout.
        frames: iterates over a video's frames.
        about: what is known of a video: skin tone, motion, light.
    """

    title: str
    videos: str
    contact: Callable[[Path], ContactPulse]
    person: Callable[[Path], str]
    fits: Callable[[Path], bool] = lambda path: True
    frames: Callable[[Path], Iterator[Frame]] = readers.video_frames
    about: Callable[[Path], dict[str, str]] = field(default=lambda path: {})


LAYOUTS: dict[str, PulseLayout] = {
    "ubfc-rppg-2": PulseLayout(
        "UBFC-rPPG, dataset 2 (Bobbia et al. 2019, 10.1016/j.patrec.2017.10.017)", "subject*/vid.avi",
        readers.ubfc_2, lambda path: path.parent.name, lambda path: (path.parent / "ground_truth.txt").is_file()),
    "ubfc-rppg-1": PulseLayout(
        "UBFC-rPPG, dataset 1 (the same)", "vid.avi", readers.ubfc_1, lambda path: path.parent.name,
        lambda path: (path.parent / "gtdump.xmp").is_file()),
    "ubfc-phys": PulseLayout(
        "UBFC-Phys (Meziati Sabour et al. 2021, 10.1109/TAFFC.2021.3056960)", "vid_s*_T*.avi", readers.ubfc_phys,
        lambda path: path.stem.split("_")[1], lambda path: readers.ubfc_phys_contact(path).is_file(),
        about=lambda path: {"task": path.stem.split("_")[2]}),
    "pure": PulseLayout(
        "PURE (Stricker, Mueller & Gross 2014, 10.1109/ROMAN.2014.6926392)", "[0-9][0-9]-[0-9][0-9].json", readers.pure,
        lambda path: path.stem.split("-")[0], lambda path: bool(readers.pure_pictures(path)),
        frames=readers.pure_frames, about=lambda path: {"setup": path.stem.split("-")[1]}),
    "cohface": PulseLayout(
        "COHFACE (Heusch, Anjos & Marcel 2017, arXiv 1709.00962)", "data.avi", readers.cohface,
        lambda path: path.parent.parent.name, lambda path: path.with_suffix(".hdf5").is_file()),
    "mmpd": PulseLayout(
        "MMPD (Tang et al. 2023, 10.1109/EMBC40787.2023.10340857)", "p*_*.mat", readers.mmpd,
        lambda path: path.stem.split("_")[0], lambda path: path.stem[1:].replace("_", "").isdigit(),
        frames=readers.mmpd_frames, about=readers.mmpd_about),
    "scamps": PulseLayout(
        "SCAMPS (McDuff et al. 2022, arXiv 2206.04197)", "P*.mat", readers.scamps, lambda path: path.stem,
        lambda path: path.stem[1:].isdigit(), frames=readers.scamps_frames),
    "ibvp": PulseLayout(
        "iBVP (Joshi & Cho 2024, 10.3390/electronics13071334)", "*_bvp.csv", readers.ibvp,
        lambda path: path.name.split("_")[0], lambda path: readers.ibvp_pictures(path).is_dir(),
        frames=readers.ibvp_frames),
    "mcd-rppg": PulseLayout(
        "MCD-rPPG (Egorov et al. 2025, arXiv 2508.17924)", "video/*_*_*.avi", readers.mcd,
        lambda path: path.stem.split("_")[0], lambda path: readers.mcd_contact(path).is_file(),
        about=readers.mcd_about),
    "folder": PulseLayout(
        "own folder: a table of the same name beside each video, with a contact sensor or a column heart_rate", "*",
        readers.own_contact, lambda path: path.stem.split("_")[0], readers.has_own_contact),
}
"""Name -> layout. Where several fit, the first one counts."""


def find_recordings(root: Path, layout: str = "") -> list[PulseRecording]:
    """Find the videos with a contact sensor below a folder.

    Args:
        root: the folder.
        layout: name of `LAYOUTS`; "" for the first that fits.

    Returns:
        The recordings, in the order of their names.

    Raises:
        ValueError: there is no such layout, or no video with a contact sensor.
    """
    if layout and layout not in LAYOUTS:
        raise ValueError(f"layout: expected one of {', '.join(LAYOUTS)}, got {layout!r}: choose one of them")
    for each in [LAYOUTS[layout]] if layout else LAYOUTS.values():
        videos = sorted(path for path in root.rglob(each.videos) if each.fits(path))
        if videos:
            return [PulseRecording(path.relative_to(root).as_posix(), each.person(path), path, each.frames,
                                   each.contact, each.about(path)) for path in videos]
    raise ValueError(f"{root}: expected videos with a contact pulse in the layout of {layout or ', '.join(LAYOUTS)}, "
                     "got none: put a table of the same name beside each video, such as one.mp4 and one.csv")
