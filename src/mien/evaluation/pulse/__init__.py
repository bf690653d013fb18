"""The camera pulse against a contact pulse, over all videos of a dataset: `mien bench pulse`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from mien import datasets, video
from mien.core import atomic_files
from mien.core.observations import Frame, Window
from mien.core.settings import Settings
from mien.core.trials import Trial
from mien.datasets.pulse import LAYOUTS, ContactPulse, PulseRecording, find_recordings
from mien.datasets.pulse.readers import VIDEO_SUFFIXES
from mien.datasets.video_probe import probe
from mien.evaluation.pulse.recordings import RecordingComparison, compare_recording
from mien.evaluation.pulse.report import write_pulse_report
from mien.inference.stream import Stream
from mien.preprocessing.trial_reader import TrialFrames

__all__ = ["LAYOUTS", "RecordingComparison", "bench_pulse", "recordings_below"]

TRIALS = ("mahnob", "deap", "amigos")
"""Datasets with videos and contact signals that `mien.datasets` reads."""

FOLDS = 5
"""Groups of people that folds.csv lists for methods that learn (our choice)."""

BIT_RATES = (0.05, 0.2)
"""Bits for each pixel of a video that separate a low, a middle and a high bit rate. Our choice: about x264 at crf 28
and at crf 20."""

CHANNELS = ("ecg", "ecg_left", "ppg")
"""Their channels with a pulse, the best first."""


def bench_pulse(root: Path, out: Path, layout: str = "", predictions: Path | None = None, method: str = "auto",
                on_progress: Callable[[float, str], None] = lambda share, activity: None,
                observe: Callable[[PulseRecording], Window | None] | None = None) -> str:
    """Compare the camera with the contact sensor in every video of a dataset, and write the tables.

    Args:
        root: folder of the dataset.
        out: folder of the results: table.md, windows.csv, recordings.csv, folds.csv and two figures.
        layout: name of a layout, or of `TRIALS`; "" for the first layout that fits.
        predictions: a table of another program's heart rates, to be scored by the same rules: columns recording and
            heart_rate, and start, end (s) and quality where known. A column trained_on names the people on whom the
            program was trained, separated by semicolons.
        method: rPPG method of the waveform.
        on_progress: receives the finished share, 0..1, and what is under way.
        observe: gives the skin traces of a video; `skin_of_recording` where None.

    Returns:
        The table as text.

    Raises:
        ValueError: no video with a contact sensor is found, or the predictions lack a column or name no video.
    """
    recordings = recordings_below(root, layout)
    table = None if predictions is None else read_predictions(predictions, recordings)
    write_folds(recordings, out)
    compared = []
    for index, recording in enumerate(recordings):
        about = recording.about | bit_rate_group(recording.path)
        compared.append(compare_recording(replace(recording, about=about), observe or skin_of_recording, method))
        on_progress((index + 1) / len(recordings), f"recording {index + 1} of {len(recordings)}")
    if table is not None:
        compared = [each.with_predictions(table[table.recording == each.id]) for each in compared]
    return write_pulse_report(compared, out, "camera" if predictions is None else predictions.name)


def recordings_below(root: Path, layout: str = "") -> list[PulseRecording]:
    """The videos with a contact sensor below a folder; of `TRIALS` by the readers of `mien.datasets`.

    Raises:
        ValueError: there is none, or no such layout.
    """
    if layout and layout not in (known := (*LAYOUTS, *TRIALS)):
        raise ValueError(f"layout: expected one of {', '.join(known)}, got {layout!r}: choose one of them")
    if layout not in TRIALS:
        return find_recordings(root, layout)
    module = datasets.dataset(layout)
    trials = [trial for trial in module.survey(root).trials if trial.video is not None and trial.signals is not None]
    if not trials:
        raise ValueError(f"{root}: expected videos with contact signals of {layout}, got none: run mien data check "
                         f"{layout} {root}")
    return [PulseRecording(trial.id, trial.subject, trial.video, _frames_of(trial), _contact_of(trial, module.signals))
            for trial in trials if trial.video is not None]


def skin_of_recording(recording: PulseRecording) -> Window | None:
    """The skin traces of the person who is longest in a video; None where no face is found."""
    with Stream(None, Settings(pulse_only=True, pictures=False), keep_all=True) as stream:
        for _ in stream.run(recording.open_frames(recording.path)):
            pass
        stream.close()
        if not stream.people:
            return None
        longest = max(stream.people.values(), key=lambda person: person.seen.frames_tracked)
        return longest.seen.window(-np.inf, np.inf)


def bit_rate_group(path: Path) -> dict[str, str]:
    """The group of a video by its bits per pixel; empty where it is no video file or states too little."""
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        return {}
    try:
        bits = probe(path).bits_per_pixel(path)
    except video.VideoError:
        return {}
    if not np.isfinite(bits):
        return {}
    low, high = BIT_RATES
    names = (f"below {low:g}", f"{low:g} to {high:g}", f"{high:g} or more")
    return {"bits_per_pixel": names[int(np.searchsorted(BIT_RATES, bits, side="right"))]}


def write_folds(recordings: list[PulseRecording], out: Path) -> None:
    """Write folds.csv: the videos in groups without a common person, for methods that are trained.

    A model that is tested on a fold may be trained only on the people of the other folds.
    """
    people = sorted({each.person for each in recordings})
    fold = {person: index % FOLDS for index, person in enumerate(people)}
    out.mkdir(parents=True, exist_ok=True)
    atomic_files.table(out / "folds.csv", pd.DataFrame(
        [{"recording": each.id, "person": each.person, "fold": fold[each.person]} for each in recordings]))


def read_predictions(path: Path, recordings: list[PulseRecording]) -> pd.DataFrame:
    """Read another program's heart rates.

    Raises:
        ValueError: a column is missing or holds something other than numbers, a video is not in the dataset, or the
            program was trained on the person of a video that it predicts.
    """
    known, person = [each.id for each in recordings], {each.id: each.person for each in recordings}
    table = pd.read_csv(path)
    missing = [name for name in ("recording", "heart_rate") if name not in table]
    if missing:
        raise ValueError(f"{path}: expected the columns recording and heart_rate, got none of {', '.join(missing)}: "
                         "add them")
    for name in (each for each in ("heart_rate", "start", "end", "quality") if each in table):
        numbers = pd.to_numeric(table[name], errors="coerce").replace([np.inf, -np.inf], np.nan)
        if (wrong := table[name][numbers.isna() & table[name].notna()]).size:
            raise ValueError(f"{path}: expected numbers in the column {name}, got {wrong.iloc[0]} in row "
                             f"{wrong.index[0] + 1}: leave a cell empty where there is none")
        table[name] = numbers
    strange = sorted(set(table.recording.astype(str)) - set(known))
    if strange:
        raise ValueError(f"{path}: expected recordings such as {known[0]}, got {strange[0]}: name each video by its "
                         "path below the root")
    table = table.assign(recording=table.recording.astype(str))
    if "trained_on" in table:
        for recording, names in zip(table.recording, table.trained_on.fillna("").astype(str), strict=True):
            if person[recording] in [name.strip() for name in names.split(";")]:
                raise ValueError(f"{path}: expected a program that was not trained on the people of the video, got "
                                 f"{recording} with {person[recording]} in trained_on: train by folds.csv")
    return table


def _frames_of(trial: Trial) -> Callable[[Path], Iterator[Frame]]:
    return lambda _: iter(TrialFrames(trial))


def _contact_of(trial: Trial, read: Callable[[Trial], object]) -> Callable[[Path], ContactPulse]:
    def contact(_: Path) -> ContactPulse:
        """Read the first cardiac channel of the trial, and the respiration if it has one."""
        signal = read(trial)
        name = next(name for name in CHANNELS if name in signal.names)  # type: ignore[attr-defined]
        values = signal.values[signal.names.index(name)]  # type: ignore[attr-defined]
        pulse = ContactPulse(np.asarray(values, float), signal.rate, signal.start)  # type: ignore[attr-defined]
        if "respiration" in signal.names:  # type: ignore[attr-defined]
            breath = signal.values[signal.names.index("respiration")]  # type: ignore[attr-defined]
            pulse = replace(pulse, respiration=np.asarray(breath, float))
        return replace(pulse, kind=name.split("_")[0])

    return contact
