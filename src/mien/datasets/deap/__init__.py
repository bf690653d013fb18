"""DEAP: 32 people, 40 music videos each; signals of all people, face videos of the first 22.

Koelstra et al. 2012, DEAP: a database for emotion analysis using physiological signals (10.1109/T-AFFC.2011.15);
files as at eecs.qmul.ac.uk/mmv/datasets/deap/readme.html. The face videos are numbered in the order of presentation,
signals and labels by the stimulus: `participant_ratings.csv` joins them, and is needed to pair them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mien.core.observations import Signal
from mien.core.trials import Trial
from mien.datasets import eda_units, file_matching
from mien.datasets.deap import metadata, ratings, recordings
from mien.datasets.deap.participant import FILMED, DeapParticipant
from mien.datasets.deap.ratings import Ratings
from mien.datasets.index import Count, DatasetIndex, DatasetProblem
from mien.datasets.readers import tables
from mien.datasets.readers.cached_file import RecordingError
from mien.datasets.scan import Tree, scan_tree, wrong_entries

TREE = """\
DEAP/
  metadata_csv/participant_ratings.csv       joins face videos and signals: needed for both together
  metadata_csv/participant_questionnaire.csv, video_list.csv            not needed
  data_preprocessed_python/s01.dat ... s32.dat                          or
  data_preprocessed_matlab/s01.mat ... s32.mat                          or
  data_original/s01.bdf ... s32.bdf
  face_video/s01/s01_trial01.avi ... s22/s22_trial40.avi                participants 1 to 22
"""

FOLDERS = {"dat": "data_preprocessed_python", "mat": "data_preprocessed_matlab", "bdf": "data_original"}
LAYOUTS = {"mat": "matlab", "bdf": "original"}
"""Names of the official arrangement of the other file formats than the pickles."""


def survey(root: str | Path) -> DatasetIndex:
    """Index the DEAP files below `root`; trial s01/7 is participant 1, Experiment_id 7.

    `about` has lab, film (the Experiment_id), presented (the Trial), and gender and title if the tables have them.

    Raises:
        FileNotFoundError: `root` does not exist.
        ValueError: `root` is no folder.
    """
    listing = scan_tree(root)
    face_videos, problems = file_matching.by_name(listing.files, r"s(\d{2})_trial(\d{2})\.(?:avi|mp4|mov|mkv)")
    files: dict[int, Path] = {}
    for suffix in FOLDERS:
        matched, doubles = file_matching.by_name(listing.files, rf"s(\d{{2}})\.{suffix}")
        problems += doubles
        for (who,), path in matched.items():
            files.setdefault(int(who), path)
    if not files and not face_videos:
        expected = "s01.dat, s01.mat or s01.bdf, and s01_trial01.avi"
        missing = DatasetProblem("missing", "DEAP", wrong_entries(listing, expected, (*FOLDERS.values(), "face_video")),
                                 listing.root)
        return DatasetIndex("deap", listing.root, "", (), (missing,), _counts((), 0))
    joined = _read_ratings(listing, bool(face_videos), problems)
    named = metadata.read_metadata(listing, problems)
    trials: list[Trial] = []
    for number in sorted({*files, *(row.participant for row in joined.rows.values())}):
        if 1 <= number <= ratings.PARTICIPANTS:
            own_videos = {int(trial): path for (who, trial), path in face_videos.items() if int(who) == number}
            trials += DeapParticipant(number, files.get(number), joined.of(number), own_videos, problems).trials()
        else:
            problems.append(DatasetProblem("excluded", f"s{number}", "DEAP has participants 1..32", files[number]))
    problems += file_matching.zip_archives(listing)
    problems += [DatasetProblem("missing", f"s{number:02d}", f"no s{number:02d}.dat, .mat or .bdf, and no line in "
                                "participant_ratings.csv", listing.root)
                 for number in range(1, ratings.PARTICIPANTS + 1)
                 if number not in files and not joined.of(number)]
    unrated = {int(who) for who, _ in face_videos} - {row.participant for row in joined.rows.values()}
    if joined.rows:
        reason = "participant_ratings.csv has no usable line: the face videos are not paired"
        problems += [DatasetProblem("excluded", f"s{number:02d}", reason) for number in sorted(unrated)]
    trials = [metadata.with_metadata(trial, named) for trial in trials]
    folder = next(iter(files.values())).parent if files else next(iter(face_videos.values())).parent.parent
    return DatasetIndex("deap", listing.root, _layout(listing.root, folder), tuple(trials), tuple(problems),
                  _counts(tuple(trials), len(face_videos)))


def signals(trial: Trial) -> Signal:
    """Read eda, respiration, ppg and temperature of a trial at 128 Hz (512 Hz for originals) from 3 s before the film.

    eda is in uS if the values are plausible in the reported unit of the recording lab. Otherwise its unit ends in a
    question mark, and you must not compare levels between labs. The other channels are as recorded.

    Raises:
        ValueError: the trial has no signals, or they can no longer be read.
    """
    if trial.dataset != "deap" or trial.signals is None:
        raise ValueError(f"expected a trial of DEAP with signals, got {trial.dataset} {trial.id} without")
    participant, number = int(trial.subject[1:]), int(trial.entry)
    before = recordings.BASELINE / recordings.RATE
    names = tuple(recordings.CHANNELS)
    if trial.signals.suffix.lower() == ".bdf":
        values, rate, units, start = recordings.read_original(trial.signals, participant, number, before)
        return Signal(values, rate, names, units, start)
    recording = recordings.load_recording(trial.signals, participant)
    if not 1 <= number <= len(recording.values):
        raise RecordingError(f"expected trial {number} of {len(recording.values)} in {trial.signals}: survey it again")
    gsr, unit = eda_units.to_conductance(
        recording.values[number - 1, 0], recordings.gsr_unit(participant), recording.gsr
    )
    values = np.concatenate([gsr[None], recording.values[number - 1, 1:]])
    return Signal(values, recordings.RATE, names, (unit, "", "", ""), -before)


def _read_ratings(listing: Tree, face_videos: bool, problems: list[DatasetProblem]) -> Ratings:
    """The ratings; an empty table if there is no usable file."""
    path = next((path for path in listing.files if path.name.lower() == "participant_ratings.csv"), None)
    refused = "without it face videos are not paired with signals and labels, which are numbered otherwise"
    if path is None:
        other = [each for each in listing.files if each.stem.lower() == "participant_ratings"]
        got, where = "none: copy it from metadata_csv", listing.root
        if other:
            got, where = f"{other[0].name}: save it as csv", other[0]
        reason = f"expected it, got {got}; {refused}"
        problems.append(DatasetProblem("missing", "participant_ratings.csv", reason, where))
        return Ratings()
    try:
        joined = ratings.read_ratings(path)
    except tables.TableError as error:
        problems.append(DatasetProblem("unreadable", path.name, f"{error}; {refused}", path, error.line))
        return Ratings()
    problems += joined.problems
    return joined


def _layout(root: Path, folder: Path) -> str:
    """The name of the arrangement, or of the file format for other official files than the pickles."""
    for suffix, official in FOLDERS.items():
        if folder.name == official:
            name = file_matching.folder_arrangement(root, folder, official)
            if name == "official":
                name = LAYOUTS.get(suffix, name)
            return name
    return file_matching.folder_arrangement(root, folder, "face_video")


def _counts(trials: tuple[Trial, ...], face_videos: int) -> tuple[Count, ...]:
    paired = [trial for trial in trials if trial.video and trial.signals]
    return (Count("participants", len({trial.subject for trial in trials}), ratings.PARTICIPANTS, limit=True),
            Count("trials", len(trials), ratings.PARTICIPANTS * ratings.TRIALS, limit=True),
            Count("trials with signals", sum(trial.signals is not None for trial in trials), 1280),
            Count("face videos", face_videos),
            Count("trials with face video and signals", len(paired)),
            Count("participants with face videos", len({trial.subject for trial in trials if trial.video}), FILMED))
