"""Read videos and contact signals of the datasets with a contact pulse, each by its published description."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from mien import video
from mien.core.observations import Frame
from mien.core.read_json import read_json
from mien.datasets.readers import csv_signals, mat, native
from mien.video.stills import read_picture

VIDEO_SUFFIXES = (".avi", ".mp4", ".mkv", ".mov", ".webm")
PICTURE_RATE = 30.0
"""Hz of the pictures of iBVP, MMPD and SCAMPS, by their descriptions."""

E4_RATE = 64.0
"""Hz of the blood volume of the Empatica E4, which UBFC-Phys used."""


@dataclass(frozen=True, eq=False)
class ContactPulse:
    """A contact pulse, or only a heart rate.

    Attributes:
        values: (N,) in any unit; empty where only a rate is known.
        rate: Hz.
        start: s of the first sample, by the clock of the video as the dataset states it.
        kind: "ppg" or "ecg".
        heart_rate: bpm of the whole recording, where only that is known.
        respiration: (N,) of a belt or another sensor of the breath, at the same times; empty where there is none.
    """

    values: np.ndarray
    rate: float
    start: float = 0.0
    kind: str = "ppg"
    heart_rate: float | None = None
    respiration: np.ndarray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True, eq=False)
class PulseRecording:
    """One video with a contact sensor; nothing is loaded.

    Attributes:
        id: path of the video below the root.
        person: name of the person.
        path: the video.
        open_frames: iterates over the frames of the path.
        read_contact: reads the contact sensor of the path.
        about: skin tone, motion and such, where known.
    """

    id: str
    person: str
    path: Path
    open_frames: Callable[[Path], Iterator[Frame]]
    read_contact: Callable[[Path], ContactPulse]
    about: dict[str, str] = field(default_factory=dict)


def video_frames(path: Path) -> Iterator[Frame]:
    """The frames of a video."""
    with video.open_video(path) as frames:
        yield from frames


def ubfc_2(path: Path) -> ContactPulse:
    """ground_truth.txt: three lines, of the blood volume, the heart rate, and the times in s."""
    lines = (path.parent / "ground_truth.txt").read_text(encoding="ascii").split("\n")
    values, _, times = (np.array(line.split(), float) for line in lines[:3])
    return _by_times(times, values)


def ubfc_1(path: Path) -> ContactPulse:
    """gtdump.xmp: a row for each sample with the time in ms, the heart rate, the oxygen saturation and the blood
    volume."""
    table = np.loadtxt(path.parent / "gtdump.xmp", delimiter=",", ndmin=2)
    return _by_times(table[:, 0] / 1000, table[:, 3])


def ubfc_phys_contact(path: Path) -> Path:
    """The contact sensor beside vid_s1_T1.avi: bvp_s1_T1.csv."""
    return path.with_name(path.stem.replace("vid_", "bvp_", 1) + ".csv")


def ubfc_phys(path: Path) -> ContactPulse:
    """bvp_s1_T1.csv: one column without a name, from an Empatica E4."""
    return ContactPulse(np.loadtxt(ubfc_phys_contact(path), delimiter=",", ndmin=1), E4_RATE)


def pure_pictures(contact: Path) -> list[Path]:
    """Pictures of a recording of PURE: Image1392643993642815000.png in the folder 01-01 beside 01-01.json."""
    folder = contact.with_suffix("")
    return sorted(folder.glob("Image*.png")) or sorted((folder / contact.stem).glob("Image*.png"))


def pure_frames(contact: Path) -> Iterator[Frame]:
    """The pictures; their names hold the time in ns."""
    names = pure_pictures(contact)
    stamps = [_stamp(name) for name in names]
    for name, stamp in zip(names, stamps, strict=True):
        yield Frame((stamp - stamps[0]) / 1e9, read_picture(name))


def pure(contact: Path) -> ContactPulse:
    """01-01.json: "/FullPackage", a list of time stamps in ns with the waveform of a pulse oximeter."""
    package = read_json(contact)
    try:
        stamps = np.array([each["Timestamp"] for each in package["/FullPackage"]], np.int64)
        values = np.array([each["Value"]["waveform"] for each in package["/FullPackage"]], float)
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"{contact}: expected /FullPackage with the Timestamp and the waveform of each sample, got "
                         "others: copy it again") from error
    times = (stamps - _stamp(pure_pictures(contact)[0])) / 1e9
    return _by_times(times, values)


def cohface(path: Path) -> ContactPulse:
    """data.hdf5: "pulse" and "time" in s, at 256 Hz."""
    values, times = native.call(_cohface, path.with_suffix(".hdf5"))
    return _by_times(times, values)


def _cohface(path: Path) -> tuple[np.ndarray, np.ndarray]:
    import h5py

    with h5py.File(path, "r") as file:
        return np.asarray(file["pulse"], float).reshape(-1), np.asarray(file["time"], float).reshape(-1)


def mmpd(path: Path) -> ContactPulse:
    """p1_0.mat: "GT_ppg", a value for each picture."""
    return ContactPulse(mat.load(path, ("GT_ppg",))["GT_ppg"].reshape(-1).astype(float), PICTURE_RATE)


def mmpd_frames(path: Path) -> Iterator[Frame]:
    """p1_0.mat: "video" (T, H, W, 3), 0..1."""
    return _array_frames(mat.load(path, ("video",))["video"])


def mmpd_about(path: Path) -> dict[str, str]:
    """Skin tone by Fitzpatrick, motion, light and exercise."""
    known = mat.load(path, ("skin_color", "motion", "light", "exercise"))
    return {name: str(np.asarray(value).reshape(-1)[0]) for name, value in known.items()}


def scamps(path: Path) -> ContactPulse:
    """P000001.mat: "d_ppg", a value for each picture."""
    return ContactPulse(mat.load(path, ("d_ppg",))["d_ppg"].reshape(-1).astype(float), PICTURE_RATE)


def scamps_frames(path: Path) -> Iterator[Frame]:
    """P000001.mat: "RawFrames", or "Xsub" of the small version, (T, H, W, 3), 0..1."""
    known = mat.load(path, ("RawFrames", "Xsub"))
    if not known:
        raise ValueError(f"{path}: expected RawFrames or Xsub, got neither: unpack it again")
    return _array_frames(next(iter(known.values())))


def ibvp_pictures(contact: Path) -> Path:
    """The folder p01_a_rgb beside p01_a_bvp.csv."""
    return contact.with_name(contact.name.replace("_bvp.csv", "_rgb"))


def ibvp_frames(contact: Path) -> Iterator[Frame]:
    """The pictures, in the order of their names."""
    for index, name in enumerate(sorted(ibvp_pictures(contact).glob("*.bmp"))):
        yield Frame(index / PICTURE_RATE, read_picture(name))


def ibvp(contact: Path) -> ContactPulse:
    """p01_a_bvp.csv: the blood volume in the first column, its quality in the fourth, over the length of the video.

    Samples of a quality of 0.3 or less are unknown, as in the authors' own tool.
    """
    table = pd.read_csv(contact)
    values = table.iloc[:, 0].to_numpy(float)
    if table.shape[1] > 3:
        values = np.where(table.iloc[:, 3].to_numpy(float) > 0.3, values, np.nan)
    seconds = len(list(ibvp_pictures(contact).glob("*.bmp"))) / PICTURE_RATE
    return ContactPulse(values, len(values) / max(seconds, 1.0))


def mcd_contact(path: Path) -> Path:
    """The contact sensor of video/1020_FullHDwebcam_before.avi: ppg_sync/1020_FullHDwebcam_before.txt."""
    return path.parent.parent / "ppg_sync" / f"{path.stem}.txt"


def mcd(path: Path) -> ContactPulse:
    """ppg_sync/1020_FullHDwebcam_before.txt: a line for each sample with the blood volume and the s since the sample
    before (second-hand: from the code of a user of the dataset)."""
    lines = mcd_contact(path).read_text(encoding="ascii").replace(",", " ").split("\n")
    table = np.array([line.split() for line in lines if line.strip()], float)
    if table.shape[1] != 2 or not 0 < np.median(table[:, 1]) < 1 or (table[:, 1] < 0).any():
        raise ValueError(f"{mcd_contact(path)}: expected two columns, the blood volume and the s since the last "
                         "sample, got others: read the videos as a folder")
    return _by_times(np.cumsum(table[:, 1]) - table[0, 1], table[:, 0])


def mcd_about(path: Path) -> dict[str, str]:
    """Camera and step, before or after exertion, from the name of the video."""
    _, camera, step = path.stem.split("_")
    return {"camera_model": camera, "step": step}


def has_own_contact(path: Path) -> bool:
    """Whether a table of the same name is beside a video."""
    return path.suffix.lower() in VIDEO_SUFFIXES and path.with_suffix(".csv").is_file()


def own_contact(video_path: Path) -> ContactPulse:
    """one.csv beside one.mp4: a time column and a column whose name begins with ppg, bvp or ecg; or a column
    heart_rate, whose mean counts. A column whose name begins with resp or rsp is the breath."""
    path = video_path.with_suffix(".csv")
    names = [str(name).strip() for name in pd.read_csv(path, nrows=0)]
    if "heart_rate" in names:
        rate = float(pd.read_csv(path).rename(columns=str.strip)["heart_rate"].mean())
        return ContactPulse(np.empty(0), 1.0, heart_rate=rate)
    signal = csv_signals.read_signal(path)
    kinds = [re.split(r"[^a-z]", name.lower())[0] for name in signal.names]
    breath = [signal.values[index] for index, kind in enumerate(kinds) if kind in ("resp", "respiration", "rsp")]
    for index, kind in enumerate(kinds):
        if kind in ("ppg", "bvp", "ecg"):
            contact = ContactPulse(signal.values[index], signal.rate, signal.start, "ecg" if kind == "ecg" else "ppg")
            return replace(contact, respiration=breath[0]) if breath else contact
    raise ValueError(f"{path}: expected a column whose name begins with ppg, bvp or ecg, or heart_rate, got "
                     f"{', '.join(names)}: rename one")


def _by_times(times: np.ndarray, values: np.ndarray) -> ContactPulse:
    """A contact sensor on an even clock, at the most common rate of its times (N,) s."""
    count = min(len(times), len(values))
    times, values = times[:count], values[:count]
    kept = np.concatenate([[True], np.diff(times) > 0])
    times, values = times[kept], values[kept]
    rate = (len(times) - 1) / (times[-1] - times[0])
    even = times[0] + np.arange(int((times[-1] - times[0]) * rate) + 1) / rate
    return ContactPulse(np.interp(even, times, values), rate, float(times[0]))


def _array_frames(values: np.ndarray) -> Iterator[Frame]:
    for index, picture in enumerate(values):
        if picture.dtype != np.uint8:
            picture = np.clip(np.round(picture * 255), 0, 255).astype(np.uint8)
        yield Frame(index / PICTURE_RATE, np.ascontiguousarray(picture))


def _stamp(path: Path) -> int:
    """The time in ns in the name of a picture of PURE."""
    return int(path.stem.removeprefix("Image"))
