"""AMIGOS: 40 people, 16 short videos each, and 4 long ones, alone or in groups of four; ECG, skin conductance, faces.

Miranda-Correa et al. 2021, AMIGOS: a dataset for affect, personality and mood research on individuals and groups
(10.1109/TAFFC.2018.2884461); files as at eecs.qmul.ac.uk/mmv/datasets/amigos/readme.html. Every participant's cells are
in an order of their own, which `VideoIDs` says; the self-assessment begins with arousal.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mien.types import Signal, Trial

from .. import places, sweat
from ..layout import tree, wrong
from ..recording import RecordingError
from ..survey import Count, Problem, Survey
from . import recordings
from .participant import LONG, PARTICIPANTS, SHORT, Films, Participant

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


def survey(root: str | Path) -> Survey:
    """What there is of AMIGOS below root; trial P01/80 is participant 1, VideoID 80.

    `about`: film (the VideoID) and videos, which is short or long; the papers' protocols use the short ones. Labels are
    the self-assessment and the observers' mean, external_valence and external_arousal, -1..1.

    Raises:
        FileNotFoundError, ValueError: root is no folder.
    """
    found = tree(root)
    mats, problems = places.by_name(found.files, MATS)
    alone, more = places.by_name(found.files, FILMS)
    groups, others = places.by_name(found.files, GROUPS)
    problems += more + others + places.zipped(found)
    if not mats:
        expected = "Data_Preprocessed_P01.mat and so on, which hold signals and labels"
        missing = Problem("missing", "AMIGOS", wrong(found, expected, ()), found.root)
        return Survey("amigos", found.root, "", (), (missing,), _counts((), len(alone), len(groups)))
    films = Films({(int(who), video): path for (who, video), path in alone.items()},
                  {(int(who), video): path for (names, video), path in groups.items() for who in names.split(",")})
    there = {int(who) for who, in mats}
    problems += [Problem("missing", f"P{number:02d}", f"no Data_Preprocessed_P{number:02d}.mat", found.root)
                 for number in range(1, PARTICIPANTS + 1) if number not in there]
    trials: list[Trial] = []
    for number, path in sorted((int(who), path) for (who,), path in mats.items()):
        if number <= PARTICIPANTS:
            trials += Participant(number, path, films, problems).trials()
        else:
            problems.append(Problem("excluded", f"P{number}", f"AMIGOS has participants 1..{PARTICIPANTS}", path))
    first = next(iter(mats.values())).parent
    layout = places.arrangement(found.root, first, first.name)
    return Survey("amigos", found.root, layout, tuple(trials), tuple(problems),
                  _counts(tuple(trials), len(alone), len(groups)))


def signals(trial: Trial) -> Signal:
    """ecg (the right arm's), ecg_left and eda of a trial, 128 Hz, from 5 s before the video on; short gaps are bridged.

    eda is in uS where the values bear out that they are Ohm; else its unit ends in a question mark, and levels are to
    be compared within the participant only.

    Raises:
        ValueError: the trial has no signals, or they cannot be read any more.
    """
    recording, cell = _cell(trial)
    gsr, unit = sweat.conductance(cell.values[2], recordings.GSR_UNIT, recording.gsr)
    values = np.concatenate([cell.values[:2], gsr[None]])
    return Signal(values, recordings.RATE, tuple(recordings.CHANNELS), ("", "", unit),
                  -recordings.BASELINE / recordings.RATE)


def segments(trial: Trial) -> np.ndarray:
    """(S, 4) start and end, s of the trial, and valence and arousal, -1..1, of the observers' segments of 20 s.

    The first counts the baseline, so that it begins 5 s before the video; the last are the video's final 20 s; those
    between follow each other from the video's start on. No rows where nobody annotated the trial.

    Raises:
        ValueError: as `signals`, or the number of segments does not fit the video's length.
    """
    _, cell = _cell(trial)
    outside = cell.outside[np.argsort(cell.outside[:, 0], kind="stable")]
    count, seconds = len(outside), cell.seconds
    if not count:
        return np.zeros((0, 4))
    if abs((count - 2) * SEGMENT - seconds + SEGMENT / 2) > SEGMENT / 2 + 1:  # 1 s: lengths are not whole
        raise RecordingError(f"expected {2 + int(seconds // SEGMENT)} segments of {SEGMENT:g} s for {trial.id}, which "
                             f"lasts {seconds:.1f} s, got {count}: which is when is not known")
    starts = np.array([-recordings.BASELINE / recordings.RATE, *(SEGMENT * np.arange(count - 2)), seconds - SEGMENT])
    return np.column_stack([starts, starts + SEGMENT, np.clip(outside[:, 1:], -1, 1)])


def _cell(trial: Trial) -> tuple[recordings.Recording, recordings.Cell]:
    if trial.dataset != "amigos" or trial.signals is None:
        raise ValueError(f"expected a trial of AMIGOS with signals, got {trial.dataset} {trial.id} without")
    recording = recordings.load(trial.signals)
    if trial.entry not in recording.cells:
        why = recording.broken.get(trial.entry, "not among its VideoIDs")
        raise RecordingError(f"expected video {trial.entry} in {trial.signals}, got: {why}")
    return recording, recording.cells[trial.entry]


def _counts(trials: tuple[Trial, ...], alone: int, groups: int) -> tuple[Count, ...]:
    short = [trial for trial in trials if trial.about["videos"] == "short"]
    return (Count("participants", len({trial.subject for trial in trials}), PARTICIPANTS),
            Count("trials of short videos", len(short), PARTICIPANTS * len(SHORT)),
            Count("trials of long videos", len(trials) - len(short), (PARTICIPANTS - 3) * len(LONG)),
            Count("films of one person", alone), Count("films of groups", groups),
            Count("trials with film and signals", sum(trial.video is not None for trial in trials)))
