"""AMIGOS: 40 people, 16 short videos each, and 4 long ones, alone or in groups of four; ECG, skin conductance, faces.

Miranda-Correa et al. 2021, AMIGOS: a dataset for affect, personality and mood research on individuals and groups
(10.1109/TAFFC.2018.2884461); files as at eecs.qmul.ac.uk/mmv/datasets/amigos/readme.html. The order of the cells
differs by participant and is stated by `VideoIDs`; the self-assessment begins with arousal.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mien.core.observations import Signal
from mien.core.trials import Trial
from mien.datasets import eda_units, file_matching
from mien.datasets.amigos import recordings
from mien.datasets.amigos.participant import LONG, PARTICIPANTS, SHORT, AmigosParticipant, ParticipantVideos
from mien.datasets.index import Count, DatasetIndex, DatasetProblem
from mien.datasets.readers.cached_file import RecordingError
from mien.datasets.scan import scan_tree, wrong_entries

TREE = """\
AMIGOS/
  Data_Preprocessed_P01/Data_Preprocessed_P01.mat ... P40               or the .mat files in one folder
  Exp1_P01_face/P1_4_face.mov ...                                       short videos: P<participant>_<VideoID>_face.mov
  Exp2_.../P40_N1_face.mov, P(7,1,2,16)_N1_face.mov                     long videos, alone and in groups
"""

MATS = r"Data_preprocessed_P(\d+)\.mat"
FILMS = r"P(\d+)_([0-9A-Z]+)_face\.(?:mov|mp4|avi|mkv)"
GROUPS = r"P\((\d+(?:, ?\d+)*)\)_([NPBU]1)_face\.(?:mov|mp4|avi|mkv)"
SEGMENT = 20.0


def survey(root: str | Path) -> DatasetIndex:
    """Index the AMIGOS files below `root`; trial P01/80 is participant 1, VideoID 80.

    `about` has film (the VideoID) and videos (short or long); published protocols use the short ones. The labels are
    the self-assessment and the observers' means external_valence and external_arousal, -1..1.

    Raises:
        FileNotFoundError: `root` does not exist.
        ValueError: `root` is no folder.
    """
    listing = scan_tree(root)
    mats, problems = file_matching.by_name(listing.files, MATS)
    alone, more = file_matching.by_name(listing.files, FILMS)
    groups, others = file_matching.by_name(listing.files, GROUPS)
    problems += more + others + file_matching.zip_archives(listing)
    if not mats:
        expected = "Data_Preprocessed_P01.mat and so on, which hold signals and labels"
        missing = DatasetProblem("missing", "AMIGOS", wrong_entries(listing, expected, ()), listing.root)
        return DatasetIndex("amigos", listing.root, "", (), (missing,), _counts((), len(alone), len(groups)))
    face_videos = ParticipantVideos({(int(who), video): path for (who, video), path in alone.items()},
                              {(int(who), video): path for (names, video),
                               path in groups.items() for who in names.split(",")})
    present = {int(who) for who, in mats}
    problems += [DatasetProblem("missing", f"P{number:02d}", f"no Data_Preprocessed_P{number:02d}.mat", listing.root)
                 for number in range(1, PARTICIPANTS + 1) if number not in present]
    trials: list[Trial] = []
    for number, path in sorted((int(who), path) for (who,), path in mats.items()):
        if number <= PARTICIPANTS:
            trials += AmigosParticipant(number, path, face_videos, problems).trials()
        else:
            problems.append(DatasetProblem("excluded", f"P{number}", f"AMIGOS has participants 1..{PARTICIPANTS}",
                                           path))
    first = next(iter(mats.values())).parent
    layout = file_matching.folder_arrangement(listing.root, first, first.name)
    return DatasetIndex("amigos", listing.root, layout, tuple(trials), tuple(problems),
                  _counts(tuple(trials), len(alone), len(groups)))


def signals(trial: Trial) -> Signal:
    """Read ecg (right arm), ecg_left and eda of a trial at 128 Hz from 5 s before the video; short gaps are
    interpolated.

    eda is in uS if the values are plausible as Ohm. Otherwise its unit ends in a question mark, and you may compare
    levels only within a participant.

    Raises:
        ValueError: the trial has no signals, or they can no longer be read.
    """
    recording, cell = _cell(trial)
    gsr, unit = eda_units.to_conductance(cell.values[2], recordings.GSR_UNIT, recording.gsr)
    values = np.concatenate([cell.values[:2], gsr[None]])
    return Signal(values, recordings.RATE, tuple(recordings.CHANNELS), ("", "", unit),
                  -recordings.BASELINE / recordings.RATE)


def segments(trial: Trial) -> np.ndarray:
    """The observers' annotations of segments of 20 s.

    The first segment begins with the baseline, 5 s before the video. The last one covers the final 20 s of the video.
    The others follow each other from the start of the video.

    Returns:
        (S, 4) start and end in s of the trial, valence and arousal -1..1; no rows without annotations.

    Raises:
        ValueError: as `signals`, or the number of segments does not fit the length of the video.
    """
    _, cell = _cell(trial)
    outside = cell.outside[np.argsort(cell.outside[:, 0], kind="stable")]
    count, seconds = len(outside), cell.seconds
    if not count:
        return np.zeros((0, 4))
    if abs((count - 2) * SEGMENT - seconds + SEGMENT / 2) > SEGMENT / 2 + 1:  # 1 s: lengths are not integers
        raise RecordingError(f"expected {2 + int(seconds // SEGMENT)} segments of {SEGMENT:g} s for {trial.id}, which "
                             f"lasts {seconds:.1f} s, got {count}: the segments cannot be placed in time")
    starts = np.array([-recordings.BASELINE / recordings.RATE, *(SEGMENT * np.arange(count - 2)), seconds - SEGMENT])
    return np.column_stack([starts, starts + SEGMENT, np.clip(outside[:, 1:], -1, 1)])


def _cell(trial: Trial) -> tuple[recordings.AmigosRecording, recordings.Cell]:
    if trial.dataset != "amigos" or trial.signals is None:
        raise ValueError(f"expected a trial of AMIGOS with signals, got {trial.dataset} {trial.id} without")
    recording = recordings.load_recording(trial.signals)
    if trial.entry not in recording.cells:
        why = recording.broken.get(trial.entry, "not among its VideoIDs")
        raise RecordingError(f"expected video {trial.entry} in {trial.signals}, got: {why}")
    return recording, recording.cells[trial.entry]


def _counts(trials: tuple[Trial, ...], alone: int, groups: int) -> tuple[Count, ...]:
    short = [trial for trial in trials if trial.about["videos"] == "short"]
    return (Count("participants", len({trial.subject for trial in trials}), PARTICIPANTS, limit=True),
            Count("trials of short videos", len(short), PARTICIPANTS * len(SHORT), limit=True),
            Count("trials of long videos", len(trials) - len(short), (PARTICIPANTS - 3) * len(LONG)),
            Count("face videos of one person", alone), Count("face videos of groups", groups),
            Count("trials with face video and signals", sum(trial.video is not None for trial in trials)))
