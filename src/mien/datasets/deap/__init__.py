"""DEAP: 32 people, 40 music videos each; signals of all, films of the faces of the first 22.

Koelstra et al. 2012, DEAP: a database for emotion analysis using physiological signals (10.1109/T-AFFC.2011.15);
files as at eecs.qmul.ac.uk/mmv/datasets/deap/readme.html. The films are numbered in the order of presentation, signals
and labels by the video shown: `participant_ratings.csv` joins them, and without it nothing is paired.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mien.types import Signal, Trial

from .. import places, sweat, tables
from ..layout import Tree, tree, wrong
from ..recording import RecordingError
from ..survey import Count, Problem, Survey
from . import about, ratings, recordings
from .participant import FILMED, Participant
from .ratings import Ratings

TREE = """\
DEAP/
  metadata_csv/participant_ratings.csv       joins films and signals: needed for both together
  metadata_csv/participant_questionnaire.csv, video_list.csv            not needed
  data_preprocessed_python/s01.dat ... s32.dat                          or
  data_preprocessed_matlab/s01.mat ... s32.mat                          or
  data_original/s01.bdf ... s32.bdf
  face_video/s01/s01_trial01.avi ... s22/s22_trial40.avi                participants 1 to 22
"""

FOLDERS = {"dat": "data_preprocessed_python", "mat": "data_preprocessed_matlab", "bdf": "data_original"}
LAYOUTS = {"mat": "matlab", "bdf": "original"}
"""Names of the official arrangement where not the pickles are used."""


def survey(root: str | Path) -> Survey:
    """What there is of DEAP below root; trial s01/7 is participant 1, Experiment_id 7.

    `about`: lab, film (the Experiment_id), presented (the Trial), and gender and title where the tables have them.

    Raises:
        FileNotFoundError, ValueError: root is no folder.
    """
    found = tree(root)
    films, problems = places.by_name(found.files, r"s(\d{2})_trial(\d{2})\.(?:avi|mp4|mov|mkv)")
    files: dict[int, Path] = {}
    for suffix in FOLDERS:
        matched, doubles = places.by_name(found.files, rf"s(\d{{2}})\.{suffix}")
        problems += doubles
        for (who,), path in matched.items():
            files.setdefault(int(who), path)
    if not files and not films:
        expected = "s01.dat, s01.mat or s01.bdf, and s01_trial01.avi"
        missing = Problem("missing", "DEAP", wrong(found, expected, (*FOLDERS.values(), "face_video")), found.root)
        return Survey("deap", found.root, "", (), (missing,), _counts((), 0))
    joined = _joined(found, bool(films), problems)
    named = about.read(found, problems)
    trials: list[Trial] = []
    for number in sorted({*files, *(row.participant for row in joined.rows.values())}):
        if 1 <= number <= ratings.PARTICIPANTS:
            mine = {int(trial): path for (who, trial), path in films.items() if int(who) == number}
            trials += Participant(number, files.get(number), joined.of(number), mine, problems).trials()
        else:
            problems.append(Problem("excluded", f"s{number}", "DEAP has participants 1..32", files[number]))
    problems += places.zipped(found)
    problems += [Problem("missing", f"s{number:02d}", f"no s{number:02d}.dat, .mat or .bdf, and no line in "
                         "participant_ratings.csv", found.root)
                 for number in range(1, ratings.PARTICIPANTS + 1)
                 if number not in files and not joined.of(number)]
    unrated = {int(who) for who, _ in films} - {row.participant for row in joined.rows.values()}
    if joined.rows:
        reason = "participant_ratings.csv has no usable line: the films are not paired"
        problems += [Problem("excluded", f"s{number:02d}", reason) for number in sorted(unrated)]
    trials = [about.added(trial, named) for trial in trials]
    folder = next(iter(files.values())).parent if files else next(iter(films.values())).parent.parent
    return Survey("deap", found.root, _layout(found.root, folder), tuple(trials), tuple(problems),
                  _counts(tuple(trials), len(films)))


def signals(trial: Trial) -> Signal:
    """eda, respiration, ppg and temperature of a trial, at 128 Hz (512 Hz of an original) from 3 s before the film on.

    eda is in uS where the values bear out the unit that the recording lab is said to have used; else its unit ends in a
    question mark, and levels must not be compared between labs. ppg, respiration and temperature are as recorded.

    Raises:
        ValueError: the trial has no signals, or they cannot be read any more.
    """
    if trial.dataset != "deap" or trial.signals is None:
        raise ValueError(f"expected a trial of DEAP with signals, got {trial.dataset} {trial.id} without")
    participant, number = int(trial.subject[1:]), int(trial.entry)
    before = recordings.BASELINE / recordings.RATE
    names = tuple(recordings.CHANNELS)
    if trial.signals.suffix.lower() == ".bdf":
        values, rate, units, start = recordings.original(trial.signals, participant, number, before)
        return Signal(values, rate, names, units, start)
    recording = recordings.load(trial.signals, participant)
    if not 1 <= number <= len(recording.values):
        raise RecordingError(f"expected trial {number} of {len(recording.values)} in {trial.signals}: survey it again")
    gsr, unit = sweat.conductance(recording.values[number - 1, 0], recordings.gsr_unit(participant), recording.gsr)
    values = np.concatenate([gsr[None], recording.values[number - 1, 1:]])
    return Signal(values, recordings.RATE, names, (unit, "", "", ""), -before)


def _joined(found: Tree, films: bool, problems: list[Problem]) -> Ratings:
    """The ratings, or an empty table where there are none that can be used."""
    path = next((path for path in found.files if path.name.lower() == "participant_ratings.csv"), None)
    refused = "without it films are not paired with signals and labels, which are numbered otherwise"
    if path is None:
        other = [each for each in found.files if each.stem.lower() == "participant_ratings"]
        got = f"{other[0].name}: save it as csv" if other else "none: copy it from metadata_csv"
        problems.append(Problem("missing", "participant_ratings.csv", f"expected it, got {got}; {refused}",
                                other[0] if other else found.root))
        return Ratings()
    try:
        joined = ratings.read(path)
    except tables.TableError as error:
        problems.append(Problem("unreadable", path.name, f"{error}; {refused}", path, error.line))
        return Ratings()
    problems += joined.problems
    return joined


def _layout(root: Path, folder: Path) -> str:
    """The name of the arrangement, and of the kind of files where they are not the pickles."""
    for suffix, official in FOLDERS.items():
        if folder.name == official:
            name = places.arrangement(root, folder, official)
            return LAYOUTS.get(suffix, name) if name == "official" else name
    return places.arrangement(root, folder, "face_video")


def _counts(trials: tuple[Trial, ...], films: int) -> tuple[Count, ...]:
    paired = [trial for trial in trials if trial.video and trial.signals]
    return (Count("participants", len({trial.subject for trial in trials}), ratings.PARTICIPANTS),
            Count("trials", len(trials), ratings.PARTICIPANTS * ratings.TRIALS),
            Count("trials with signals", sum(trial.signals is not None for trial in trials), 1280),
            Count("films", films),
            Count("trials with film and signals", len(paired)),
            Count("participants with films", len({trial.subject for trial in trials if trial.video}), FILMED))
