"""Published scores of the methods and of other works, in %, with their sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mien.core.tasks import EXPRESSION


@dataclass(frozen=True)
class PublishedValue:
    """Published scores of a recipe: `values`: measure, as in `metrics`, -> %; `note`: remark for the reader."""

    values: Mapping[str, float] = field(default_factory=dict)
    source: str = ""
    note: str = ""


_DUSE = "arXiv 2604.12777"
_BEST = ("published numbers of the field may be those of the epoch that is best on test, as in DFER-CLIP; ours never "
         "are")
_F1 = "a summary of arXiv 2501.03103 (alphaxiv.org/overview/2501.03103); the paper's own tables are not public"
_WHICH = ("the kind of F1 is not stated; with F1 of the high class, random classes at their frequency would reach 62 "
          "on AMIGOS' arousal")


_DIGEST = ("a second-hand digest of arXiv 2605.05694, written by a program, which we found in a public collection of "
           "paper summaries; leave one subject out")
_DOUBT = "second-hand: we have not read the paper's own table"


def _recalls(*values: float) -> dict[str, float]:
    return dict(zip((f"recall_{name}" for name in EXPRESSION.classes), values, strict=True))


PUBLISHED_SCORES: dict[str, PublishedValue] = {
    "duse/dfew": PublishedValue(
        {"uar": 64.88, "war": 75.36, **_recalls(92.89, 81.05, 72.76, 78.51, 62.69, 20.69, 45.57)},
        f"{_DUSE}, tables I and II: mean of the official five folds",
        _BEST,
    ),
    "duse/ferv39k": PublishedValue({"uar": 43.39, "war": 53.05}, f"{_DUSE}, table I: official test side", _BEST),
    "mvp/amigos-valence": PublishedValue({"macro_f1": 66.0}, _F1, _WHICH),
    "mvp/amigos-arousal": PublishedValue({"macro_f1": 58.0}, _F1, _WHICH),
    "mvp/deap-valence": PublishedValue({"macro_f1": 61.0}, _F1, _WHICH),
    "mvp/deap-arousal": PublishedValue({"macro_f1": 55.0}, _F1, _WHICH),
    "scpt/mahnob-valence": PublishedValue({"war": 75.83}, _DIGEST, _DOUBT),
    "scpt/mahnob-arousal": PublishedValue({"war": 74.17}, _DIGEST, _DOUBT),
    "scpt/deap-valence": PublishedValue({"war": 67.92}, _DIGEST, _DOUBT),
    "scpt/deap-arousal": PublishedValue({"war": 65.41}, _DIGEST, _DOUBT),
}
PUBLISHED_SCORES |= {name: PUBLISHED_SCORES[name.rpartition("-")[0]]
                     for name in ("duse/dfew-literal", "duse/dfew-official", "duse/ferv39k-official")}
"""Recipe -> published scores. WAR is the accuracy. Those of SCPT are second-hand, as their notes say."""

_NO = float("nan")

PEERS: dict[str, tuple[float, float, float, float]] = {
    "C3D": (42.74, 53.54, 22.68, 31.69), "P3D": (43.97, 54.47, 23.20, 33.39), "I3D-RGB": (43.40, 54.27, 30.17, 38.78),
    "3D ResNet18": (46.52, 58.27, 26.67, 37.57), "EC-STFL": (45.35, 56.51, _NO, _NO),
    "Former-DFER": (53.69, 65.70, 37.20, 46.85), "NR-DFERNet": (54.21, 68.19, 33.99, 45.97),
    "DPCNet": (57.11, 66.32, _NO, _NO), "EST": (53.94, 65.85, _NO, _NO), "LOGO-Former": (54.21, 66.98, 38.22, 48.13),
    "GCA-IAL": (55.71, 69.24, 35.82, 48.54), "MSCM": (58.49, 70.16, _NO, _NO), "M3DFEL": (56.10, 69.25, 35.94, 47.67),
    "AEN": (56.66, 69.37, 38.18, 47.88), "DFER-CLIP": (59.61, 71.25, 41.27, 51.65),
    "MAE-DFER": (63.41, 74.43, 43.12, 52.07), "EmoCLIP": (58.04, 62.12, 31.41, 36.18),
    "SW-FSCL": (57.25, 70.81, 36.83, 49.87), "CLIPER": (57.56, 70.84, 41.23, 51.34),
    "CDGT": (59.16, 70.07, 41.34, 50.80), "LSGTnet": (61.33, 72.34, 41.30, 51.31),
    "UMBEnet": (64.55, 73.93, 44.01, 52.10), "DuSE": (64.88, 75.36, 43.39, 53.05),
}
"""Method -> UAR and WAR on DFEW, UAR and WAR on FERV39k: DuSE's table I. NaN: not printed."""

PEER_COLUMNS = {"duse/dfew": 0, "duse/dfew-literal": 0, "duse/dfew-official": 0, "duse/ferv39k": 2,
                "duse/ferv39k-official": 2,
                **{f"clip/{kind}-{dataset}": column for kind in ("probe", "coop", "maple", "dfer-clip")
                   for dataset, column in (("dfew", 0), ("ferv39k", 2))}}
"""Recipe -> the column of UAR in a row of `PEERS`; WAR is the next one. Other recipes are not compared with `PEERS`."""

PEER_RECALLS: dict[str, dict[str, float]] = {
    "C3D": _recalls(75.17, 39.49, 55.11, 62.49, 45.00, 1.38, 20.51),
    "I3D-RGB": _recalls(78.61, 44.19, 56.69, 55.87, 45.88, 2.07, 20.51),
    "P3D": _recalls(74.85, 43.40, 54.18, 60.42, 50.99, 0.69, 23.28),
    "3D ResNet18": _recalls(76.32, 50.21, 64.18, 62.85, 47.52, 0.00, 24.56),
    "EC-STFL": _recalls(79.18, 49.05, 57.85, 60.98, 46.15, 2.76, 21.51),
    "Former-DFER": _recalls(84.05, 62.57, 67.52, 70.03, 56.43, 3.45, 31.78),
    "GCA-IAL": _recalls(87.95, 67.21, 70.10, 76.06, 62.22, 0.00, 26.44),
    "SW-FSCL": _recalls(88.35, 68.52, 70.98, 78.17, 64.25, 1.42, 28.66),
    "LSGTnet": _recalls(90.67, 71.70, 70.48, 76.71, 65.01, 14.48, 40.24),
    "DuSE": _recalls(92.89, 81.05, 72.76, 78.51, 62.69, 20.69, 45.57),
}
"""Method -> recall of each class on DFEW: DuSE's table II."""


@dataclass(frozen=True)
class OtherPublished:
    """Scores in % of another work on the same labels by another protocol, for orientation; `f1` of the high class."""

    work: str
    protocol: str
    accuracy: str
    f1: str = ""
    weighted_f1: str = ""


def _eegain(trivial: str, best: str) -> tuple[OtherPublished, ...]:
    """EEGain's trivial classifier, mean and deviation over subjects, and its best EEG models, by leave-one-subject-out.
    """
    trivial_row = OtherPublished("EEGain, trivial: the majority, or a guess by frequency (README of EmotionLab/EEGain)",
                        "leave one subject out, low to 4.5", *trivial.split("/"))
    title = "EEGain, the best of its EEG models"
    if "to" in best:
        title += ", range over models"
    return trivial_row, OtherPublished(title, "the same", *best.split("/"))


_TAO, _MTDE = "Tao et al. 2024, BSPC: camera pulse and face", "MTDE 2025, Sensors: camera pulse"
_LI = "Li & Peng 2024, JBHI: camera pulse and face"
_SUBSET = "dataset not named in its abstract; a subset with an accurate pulse; overall the pulse adds"
_MIXED = "27 subjects; the preprint says subject-independent, the journal says mixed"

OTHER_WORKS: dict[str, tuple[OtherPublished, ...]] = {
    "deap-valence": (
        OtherPublished(_TAO, "not stated in its abstract; the face alone 5.31 lower", "70.82"),
        OtherPublished(_LI, f"{_SUBSET} 7.31", "91.11"),
        *_eegain("57 ± 9/56 ± 5/51 ± 3", "53/61/47"),
    ),
    "deap-arousal": (
        OtherPublished(_TAO, "not stated in its abstract; the face alone 7.23 lower", "72.37"),
        OtherPublished(_LI, f"{_SUBSET} 4.23", "90.00"),
        *_eegain("59 ± 15/58 ± 8/53 ± 4", "57/57/53"),
    ),
    "mahnob-valence": (
        OtherPublished(_MTDE, _MIXED, "62.26"),
        OtherPublished(_LI, f"{_SUBSET} 7.31", "91.11"),
        *_eegain("55 ± 10/53 ± 6/50 ± 3", "57/58/54"),
    ),
    "mahnob-arousal": (
        OtherPublished(_MTDE, _MIXED, "66.04", "", "61.97"),
        OtherPublished(_LI, f"{_SUBSET} 4.23", "90.00"),
        *_eegain("34 ± 11/48 ± 11/52 ± 4", "54/49/51"),
    ),
    "amigos-valence": _eegain("56 ± 14/55 ± 7/51 ± 5", "53 to 55/56 to 60/50 to 52"),
    "amigos-arousal": _eegain("66 ± 26/62 ± 19/59 ± 11", "56 to 60/64 to 70/55 to 57"),
}
"""Dataset and label, the part of the recipe's name after its method -> scores of other works."""

S2D: dict[str, tuple[float, float, float, float]] = {
    "S2D": (61.82, 76.03, 41.28, 52.56), "S2D, oversampled": (65.45, 74.81, 43.97, 46.21),
}
"""As `PEERS`: MSA-LMC/S2D (its repository), which DuSE's tables do not have. DFEW: the mean of `S2D_FOLDS`."""

S2D_FOLDS = ((61.56, 76.16), (59.93, 73.99), (61.33, 76.41), (62.75, 76.31), (63.51, 77.27))
"""UAR and WAR of S2D on each of DFEW's five folds."""
