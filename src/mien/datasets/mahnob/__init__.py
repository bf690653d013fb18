"""MAHNOB-HCI: 27 people, 20 film clips each, 527 rated sessions; a colour film, ECG, skin conductance, breath.

Soleymani et al. 2012, A multimodal database for affect recognition and implicit tagging (10.1109/T-AFFC.2011.25). The
colour film begins with the stimulus and runs on after it; the BDF has 30 s on either side, and pulses of its status
channel at the stimulus' two edges.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mien.types import Signal, Trial

from .. import places
from ..layout import tree, wrong
from ..survey import Count, Problem, Survey
from . import body
from .session import NEUTRAL, TAGGING, Session, absent

TREE = """\
MAHNOB-HCI/
  Sessions/2/session.xml
  Sessions/2/P1-Rec1-2009.07.09.17.53.46_C1 trigger _C_Section_2.avi    colour; the grey ones are not needed
  Sessions/2/Part_1_S_Trial1_emotion.bdf
  ... Sessions/3898/
"""


def survey(root: str | Path) -> Survey:
    """What there is of MAHNOB-HCI below root; trial 2 is session 2, which is participant 1's first rated one.

    `labels`: valence, arousal, dominance (control), predictability, 1..9, and emotion in a word; `about`: film, gender.
    A film's span is in the film's own time, whose rate is often a rounding of the camera's.

    Raises:
        FileNotFoundError, ValueError: root is no folder.
    """
    found = tree(root)
    folders = sorted((folder for folder in found.folders if folder.name.isdecimal()),
                     key=lambda each: (int(each.name), len(each.name)))  # of 2 and 002 the first is as it should be
    problems: list[Problem] = []
    taken: dict[str, Path] = {}
    trials = []
    for folder in folders:
        first = taken.setdefault(str(int(folder.name)), folder)
        if first is not folder:
            problems.append(Problem("doubtful", folder.name, f"expected it once, got another: {first} is used", folder))
            continue
        trial = Session(folder, problems).trial()
        trials += [trial] if trial else []
    some = next((folder for folder in folders if (folder / "session.xml").is_file()), None)
    if some is None:
        missing = Problem("missing", "MAHNOB-HCI", wrong(found, "Sessions/2/session.xml and so on", ()), found.root)
        return Survey("mahnob", found.root, "", (), (missing, *problems), _counts((), ()))
    problems += [*places.zipped(found), *absent({int(name) for name in taken}, some.parent)]
    layout = places.arrangement(found.root, some.parent, "Sessions")
    return Survey("mahnob", found.root, layout, tuple(trials), tuple(problems), _counts(tuple(trials), tuple(problems)))


def signals(trial: Trial) -> Signal:
    """ecg, eda, respiration and temperature of a session, from 30 s before the stimulus to its end.

    Time is the film's: where its container says 61 Hz of a camera of 60.97, the rate is as much more than 256 Hz.
    respiration is left out where the belt was off; eda is in uS where the values are Ohm or Siemens, else its unit ends
    in a question mark.

    Raises:
        ValueError: the trial has no signals, or they cannot be read any more.
    """
    if trial.dataset != "mahnob" or trial.signals is None:
        raise ValueError(f"expected a trial of MAHNOB-HCI with signals, got {trial.dataset} {trial.id} without")
    held, shown = body.channels(trial.signals)
    rate = (shown.end - shown.begin) / (trial.span[1] - trial.span[0])
    values = np.stack([values for values, _ in held.values()])
    return Signal(values, rate, tuple(held), tuple(unit for _, unit in held.values()), -shown.begin / rate)


def _counts(trials: tuple[Trial, ...], problems: tuple[Problem, ...]) -> tuple[Count, ...]:
    return (Count("participants", len({trial.subject for trial in trials}), 27),
            Count("rated sessions", len(trials), 527),
            Count("rated sessions with film", sum(trial.video is not None for trial in trials), 527),
            Count("rated sessions with signals", sum(trial.signals is not None for trial in trials), 527),
            Count("rated sessions with both", sum(bool(trial.video and trial.signals) for trial in trials), 527),
            Count("neutral clips", sum(problem.reason == NEUTRAL for problem in problems), 527),
            Count("tagging sessions", sum(problem.reason == TAGGING for problem in problems)))
