"""MAHNOB-HCI: 27 people, 20 stimuli each, 527 rated sessions; a colour video, ECG, skin conductance, respiration.

Soleymani et al. 2012, A multimodal database for affect recognition and implicit tagging (10.1109/T-AFFC.2011.25). The
colour video begins with the stimulus and continues after it. The BDF has 30 s on either side; its status channel has
pulses at the start and end of the stimulus.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mien.core.observations import Signal
from mien.core.trials import Trial
from mien.datasets import file_matching
from mien.datasets.index import Count, DatasetIndex, DatasetProblem
from mien.datasets.mahnob import physiology
from mien.datasets.mahnob.session import NEUTRAL, TAGGING, MahnobSession, missing_sessions
from mien.datasets.scan import scan_tree, wrong_entries

TREE = """\
MAHNOB-HCI/
  Sessions/2/session.xml
  Sessions/2/P1-Rec1-2009.07.09.17.53.46_C1 trigger _C_Section_2.avi    colour; the grey ones are not needed
  Sessions/2/Part_1_S_Trial1_emotion.bdf
  ... Sessions/3898/
"""


def survey(root: str | Path) -> DatasetIndex:
    """Index the MAHNOB-HCI files below `root`; trial 2 is session 2, the first rated one of participant 1.

    The labels are valence, arousal, dominance (control) and predictability, 1..9, and emotion, a word. `about` has film
    and gender. A face video's span is in its own time; its rate is often a rounding of the camera's.

    Raises:
        FileNotFoundError: `root` does not exist.
        ValueError: `root` is no folder.
    """
    listing = scan_tree(root)
    folders = sorted((folder for folder in listing.folders if folder.name.isdecimal()),
                     key=lambda each: (int(each.name), len(each.name)))  # of 2 and 002 the first is the official name
    problems: list[DatasetProblem] = []
    first_folders: dict[str, Path] = {}
    trials = []
    for folder in folders:
        first = first_folders.setdefault(str(int(folder.name)), folder)
        if first is not folder:
            problems.append(DatasetProblem("doubtful", folder.name, f"expected it once, got another: {first} is used",
                                           folder))
            continue
        trial = MahnobSession(folder, problems).trial()
        if trial:
            trials.append(trial)
    some = next((folder for folder in folders if (folder / "session.xml").is_file()), None)
    if some is None:
        missing = DatasetProblem(
            "missing", "MAHNOB-HCI", wrong_entries(listing, "Sessions/2/session.xml and so on", ()), listing.root
        )
        return DatasetIndex("mahnob", listing.root, "", (), (missing, *problems), _counts((), ()))
    problems += [
        *file_matching.zip_archives(listing),
        *missing_sessions({int(name) for name in first_folders}, some.parent),
    ]
    layout = file_matching.folder_arrangement(listing.root, some.parent, "Sessions")
    counts = _counts(tuple(trials), tuple(problems))
    return DatasetIndex("mahnob", listing.root, layout, tuple(trials), tuple(problems), counts)


def signals(trial: Trial) -> Signal:
    """Read ecg, eda, respiration and temperature of a session, from 30 s before the stimulus to its end.

    Time is that of the face video. If its container states 61 Hz for a camera of 60.97 Hz, the rate exceeds 256 Hz by
    the same factor. respiration is left out if the belt was off. eda is in uS if the values are Ohm or Siemens;
    otherwise its unit ends in a question mark.

    Raises:
        ValueError: the trial has no signals, or they can no longer be read.
    """
    if trial.dataset != "mahnob" or trial.signals is None:
        raise ValueError(f"expected a trial of MAHNOB-HCI with signals, got {trial.dataset} {trial.id} without")
    recorded, shown = physiology.read_channels(trial.signals)
    rate = (shown.end - shown.begin) / (trial.span[1] - trial.span[0])
    values = np.stack([values for values, _ in recorded.values()])
    return Signal(values, rate, tuple(recorded), tuple(unit for _, unit in recorded.values()), -shown.begin / rate)


def _counts(trials: tuple[Trial, ...], problems: tuple[DatasetProblem, ...]) -> tuple[Count, ...]:
    return (Count("participants", len({trial.subject for trial in trials}), 27, limit=True),
            Count("rated sessions", len(trials), 527, limit=True),
            Count("rated sessions with face video", sum(trial.video is not None for trial in trials), 527),
            Count("rated sessions with signals", sum(trial.signals is not None for trial in trials), 527),
            Count("rated sessions with both", sum(bool(trial.video and trial.signals) for trial in trials), 527),
            Count("neutral clips", sum(problem.reason == NEUTRAL for problem in problems), 527),
            Count("tagging sessions", sum(problem.reason == TAGGING for problem in problems)))
