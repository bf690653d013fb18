"""The papers' ablations: rows of changed settings, with the scores that the paper prints for them, in %."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from mien.models import scpt
from mien.recipes.published import PUBLISHED_SCORES


@dataclass(frozen=True)
class AblationRow:
    """One row of an ablation.

    `name`: title in the table; `settings`: changes as in `overrides.override`, a tiny recipe ignores the tower;
    `printed`: recipe -> measure -> % in the paper, if public; `classifier`: a key of `evaluation.baselines.CLASSIFIERS`
    that is trained on hand-crafted features of the recipe's inputs instead, "" for the recipe's method; `group`: of an
    ablation with several tables, the title of the row's table.
    """

    name: str
    settings: Mapping[str, str] = field(default_factory=dict)
    printed: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    classifier: str = ""
    group: str = ""


@dataclass(frozen=True)
class Ablation:
    """An ablation.

    `recipes`: names of possible base recipes, the first is the default; `measures`: columns of the table; `source`: of
    the printed scores, "" if there are none; `note`: remark for the reader.
    """

    title: str
    recipes: tuple[str, ...]
    rows: tuple[AblationRow, ...]
    measures: tuple[str, ...] = ("uar", "war")
    source: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        names = [row.name for row in self.rows]
        if len(set(names)) < len(names):
            raise ValueError(f"Ablation {self.title}: expected rows of different names, got {names}")


_DUSE = ("duse/dfew", "duse/ferv39k")


def _both(dfew: tuple[float, float], ferv39k: tuple[float, float]) -> dict[str, dict[str, float]]:
    """UAR and WAR on DFEW and on FERV39k."""
    return {name: {"uar": uar, "war": war} for name, (uar, war) in zip(_DUSE, (dfew, ferv39k), strict=True)}


_WHOLE = _both((64.88, 75.36), (43.39, 53.05))

_TABLE3 = Ablation(
    "DuSE's modules", _DUSE, (
        AblationRow("CoOp, average over frames", {"options.htpc": "false", "options.lsea": "false"},
            _both((55.64, 66.80), (33.74, 46.26))),
        AblationRow("HTPC alone", {"options.lsea": "false"}, _both((58.86, 70.28), (35.77, 47.85))),
        AblationRow("LSEA alone", {"options.htpc": "false"}, _both((60.27, 71.83), (36.53, 48.80))),
        AblationRow("HTPC and LSEA", {}, _WHOLE)),
    source="arXiv 2604.12777, table III",
    note="The public text has lost the ticks of the printed table. We assume the usual order of the two single modules "
         "in rows 2 and 3.")

_CLIP = {name: f"openai/clip-vit-{file}" for name, file in
         (("B/32", "base-patch32"), ("B/16", "base-patch16"), ("L/14", "large-patch14"))}
_DEPTHS = {
    ("B/32", "shallow"): ((49.95, 61.35), (33.47, 44.92)), ("B/32", "normal"): ((53.22, 64.70), (35.02, 46.87)),
    ("B/32", "deep"): ((57.75, 68.76), (36.93, 48.54)), ("B/16", "shallow"): ((55.27, 65.97), (35.14, 46.13)),
    ("B/16", "normal"): ((56.84, 68.15), (37.32, 48.05)), ("B/16", "deep"): ((59.86, 71.94), (38.95, 50.03)),
    ("L/14", "shallow"): ((57.03, 68.98), (37.28, 47.94)), ("L/14", "normal"): ((64.88, 75.36), (43.39, 53.05)),
}

_TABLE4 = Ablation(
    "CLIP and depth of the prompts", _DUSE,
    tuple(AblationRow(f"{clip}, {depth}", {"tower": _CLIP[clip], "options.depth": depth}, _both(*printed))
          for (clip, depth), printed in _DEPTHS.items()),
    source="arXiv 2604.12777, table IV",
    note="L/14 shallow scores below both single modules of table III: the two tables disagree with each other.")

_LSEA = {
    ("N", "2"): ((64.37, 74.92), (43.16, 52.71)), ("N", "4"): ((64.88, 75.36), (43.39, 53.05)),
    ("N", "6"): ((64.21, 74.83), (42.94, 52.08)), ("beta", "0.3"): ((61.26, 71.82), (38.55, 48.73)),
    ("beta", "0.5"): ((62.01, 73.56), (40.98, 50.09)), ("beta", "0.7"): ((64.88, 75.36), (43.39, 53.05)),
    ("beta", "0.9"): ((63.38, 74.33), (42.47, 51.74)),
}

_TABLE5 = Ablation(
    "LSEA's heads N and beta", _DUSE,
    tuple(AblationRow(f"{name} = {value}", {f"options.{'heads' if name == 'N' else 'beta'}": value}, _both(*printed))
          for (name, value), printed in _LSEA.items()),
    source="arXiv 2604.12777, table V")

_PROMPTS = Ablation(
    "Prompts a layer, n", _DUSE,
    tuple(AblationRow(f"n = {n}", {"options.prompts": str(n)}, _WHOLE if n == 4 else {}) for n in (1, 2, 4, 8, 16)),
    source="arXiv 2604.12777, table I for n = 4", note="The paper has no such table; n = 4 is its setting.")

_TEXTS = Ablation(
    "Class texts", _DUSE,
    (AblationRow("descriptions", {}, _WHOLE), AblationRow("names alone", {"texts": "names"}),
     AblationRow("description and two sentences, averaged", {"texts": "averaged"})),
    source="arXiv 2604.12777, table I for descriptions",
    note="The paper uses categories with descriptions of subtle changes and compares no others; the words are ours.")

_PEERS = Ablation(
    "Methods around one frozen CLIP", ("clip/coop-dfew", "clip/coop-ferv39k"),
    tuple(AblationRow(title, {"options.kind": kind}) for title, kind in (
        ("linear probe on frame features", "probe"), ("CoOp", "coop"), ("MaPLe's wiring", "maple"),
        ("DFER-CLIP's temporal model", "dfer-clip"), ("DuSE", "duse"))),
    note="The same tower, data, loss and schedule for all; DuSE's table I compares different towers and trainings.")

_MVP = tuple(f"mvp/{dataset}-{label}" for dataset in ("amigos", "deap") for label in ("valence", "arousal"))
_F1 = {name: PUBLISHED_SCORES[name].values for name in _MVP}
_CLIPS = {"options.video": "MCG-NJU/videomae-base", "options.features": "768"}
_SOURCE = PUBLISHED_SCORES[_MVP[0]].source

_MODALITIES = Ablation(
    "Face, physiology and their fusion",
    _MVP,
    (
        AblationRow("video alone", {"options.modality": "video"}),
        AblationRow("physiology alone", {"options.modality": "physio"}),
        AblationRow("both, late average", {"options.fusion": "late"}),
        AblationRow("both, concatenated", {"options.fusion": "concat"}),
        AblationRow("both, queries from video", {"options.fusion": "swapped"}),
        AblationRow("both, queries from physiology", {}, _F1),
    ),
    measures=("macro_f1", "war"),
    source=_SOURCE,
    note=PUBLISHED_SCORES[_MVP[0]].note,
)

_LENGTH = Ablation(
    "Length of the input, s", _MVP,
    tuple(AblationRow(f"{seconds} s", {"options.seconds": str(seconds)}) for seconds in (5, 10, 30, 60, 120)),
    measures=("macro_f1", "war"),
    note="The paper says that longer is better; its numbers are not public. Trials of DEAP end at 60 s.")


_CROP = Ablation(
    "Crop of the clips", _MVP,
    (AblationRow("head and some background", {**_CLIPS, "options.crop": "large"}),
     AblationRow("face alone", {**_CLIPS, "options.crop": "tight"})),
    measures=("macro_f1", "war"),
    note="The paper's figure 4, on AMIGOS, says that the larger crop gives the higher F1; its numbers are not public.")


_VIDEO = Ablation(
    "The video backbone: action units or VideoMAE", _MVP,
    tuple(AblationRow(f"{title}, {kind}", {**changes, "options.modality": modality}) for title, changes in (
        ("action units", {}), ("VideoMAE", _CLIPS)) for kind, modality in (("alone", "video"), ("fused", "both"))),
    measures=("macro_f1", "war"), note="The paper's first question; its numbers are not public.")

_FUSION = Ablation(
    "Fusion", _MVP,
    tuple(AblationRow(title, {"options.fusion": fusion}, _F1 if fusion == "cross" else {}) for title, fusion in (
        ("queries from physiology", "cross"), ("queries from video", "swapped"), ("queries from both", "both"),
        ("concatenation", "concat"), ("late average", "late"))),
    measures=("macro_f1", "war"), source=_SOURCE, note=PUBLISHED_SCORES[_MVP[0]].note)


_MVP_PEERS = Ablation(
    "Classical classifiers and adapted transformers", _MVP, (
        AblationRow("SVM on hand-crafted features", classifier="SVM"),
        AblationRow("random forest on hand-crafted features", classifier="random forest"),
        AblationRow("gradient boosting on hand-crafted features", classifier="gradient boosting"),
        AblationRow("transformer of the video", {"options.modality": "video"}),
        AblationRow("transformer of the signals", {"options.modality": "physio"}),
        AblationRow("two transformers, late average", {"options.fusion": "late"}),
        AblationRow("one transformer over the tokens of both", {"options.fusion": "concat"}),
        AblationRow("cross-attention in both directions", {"options.fusion": "both"}),
        AblationRow("MVP", {}, _F1)),
    measures=("macro_f1", "war"), source=_SOURCE,
    note="A text that cites the paper says that it compares classical classifiers and adapted transformers, without "
         "their names: the choice is ours. All rows have the same inputs and folds.")


_MVP_PAPER = Ablation(
    "All comparisons of the paper", _MVP,
    tuple(replace(row, group=group) for group, part in (
        ("modalities", _MODALITIES), ("video backbones", _VIDEO), ("fusion", _FUSION), ("length", _LENGTH),
        ("crop", _CROP), ("peers", _MVP_PEERS)) for row in part.rows),
    measures=("macro_f1", "war"), source=_SOURCE,
    note=f"{PUBLISHED_SCORES[_MVP[0]].note}. Rows with the same settings are trained once. The paper leaves separate "
         "channels to later work: mvp/signals.")


def _signals(dataset: str, channels: tuple[str, ...]) -> Ablation:
    """Each channel alone and each left out, with the video; and all of them."""
    rows = [AblationRow("all channels", {}, {name: _F1[name] for name in _MVP if dataset in name})]
    for name in channels:
        rows.append(AblationRow(f"{name} alone", {"options.signals": name}))
    if len(channels) > 2:  # of two, one left out is the other alone
        rows += [AblationRow(f"without {name}", {"options.signals": ",".join(
            other for other in channels if other != name)}) for name in channels]
    return Ablation(f"Channels of {dataset.upper()}", tuple(name for name in _MVP if dataset in name), tuple(rows),
                    measures=("macro_f1", "war"), source=_SOURCE,
                    note="The paper leaves separate channels to later work.")


def _place(name: str) -> int:
    """The order in which settings are checked: `read`, which others need, first; `fusion`, which needs others, last."""
    return {"read": 0, "fusion": 2}.get(name, 1)


def _changed(options: scpt.SCPTConfig) -> dict[str, str]:
    """The settings by which these options of SCPT differ from the full model's."""
    full = scpt.SCPTConfig()
    names = sorted((option.name for option in fields(options)), key=_place)
    return {f"options.{name}": _text(getattr(options, name)) for name in names
            if getattr(options, name) != getattr(full, name)}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_SCPT = tuple(f"scpt/{dataset}-{label}" for dataset in ("mahnob", "deap") for label in ("valence", "arousal"))

_ACCURACY = {name: PUBLISHED_SCORES[name].values for name in _SCPT}
_DIGEST = PUBLISHED_SCORES[_SCPT[0]]

_FEW_WEIGHTS = {"spectrum": "0.001", "rate": "0.01"}
"""Learning rates of the two linear readings. Our choice: they have too few weights for the rate of a whole model."""


def _baseline_row(title: str, options: scpt.SCPTConfig) -> AblationRow:
    settings = _changed(options)
    if options.fusion in _FEW_WEIGHTS:
        settings["schedule.rate"] = _FEW_WEIGHTS[options.fusion]
    return AblationRow(title, settings)


def _scpt(title: str, rows: tuple[AblationRow, ...]) -> Ablation:
    return Ablation(title, _SCPT, rows, measures=("war", "macro_f1"), source=_DIGEST.source, note=_DIGEST.note)


def _option_rows(name: str, values: tuple[str, ...]) -> tuple[AblationRow, ...]:
    """One row for each value of an option of SCPT; the first is the default, with the digest's accuracy."""
    first, *others = values
    return (AblationRow(f"{name} = {first}", {}, _ACCURACY),
            *(AblationRow(f"{name} = {value}", {f"options.{name}": value}, {}) for value in others))


_FULL = AblationRow("SCPT", {}, _ACCURACY)
_FORMS = (
    AblationRow("LoRA and MLP", {}, _ACCURACY),
    AblationRow("LoRA and MLP, codes projected by the SVD", {"options.svd": "project"}),
    AblationRow("LoRA and MLP, without the SVD", {"options.svd": "none"}),
    AblationRow("LoRA and MLP, L1 on the gates", {"options.sparse_on": "gate"}),
    AblationRow("LoRA and MLP, without L1", {"options.sparse": "0"}),
    AblationRow("LoRA and MLP, with the kernel loss", {"options.adversarial": "1"}),
    AblationRow("two bottlenecks", {"options.form": "bottleneck"}),
    AblationRow("two bottlenecks, kernel loss, shared codes", _changed(scpt.KERNEL)),
)

ABLATIONS: dict[str, Ablation] = {
    "duse/table3": _TABLE3, "duse/table4": _TABLE4, "duse/table5": _TABLE5, "duse/prompts": _PROMPTS,
    "duse/texts": _TEXTS,
    "clip/peers": _PEERS,
    "mvp/modalities": _MODALITIES, "mvp/length": _LENGTH, "mvp/crop": _CROP, "mvp/video-backbones": _VIDEO,
    "mvp/fusion": _FUSION, "mvp/peers": _MVP_PEERS,
    "mvp/paper": _MVP_PAPER, "mvp/signals": _signals("deap", ("ppg", "eda")),
    "mvp/signals-amigos": _signals("amigos", ("ecg", "ecg_left", "eda")),
    "scpt/modules": _scpt("SCPT's modules", tuple(
        AblationRow(title, _changed(options), _ACCURACY if title == "full" else {})
        for title, options in scpt.ABLATIONS.items())),
    "scpt/baselines": _scpt("SCPT against its baselines", (*(
        _baseline_row(title, options) for title, options in scpt.BASELINES.items()), _FULL)),
    "scpt/encoders": _scpt("SCPT's encoder of the pulse image", _option_rows("encoder", ("cnn", "mlp", "patch"))),
    "scpt/adapters": _scpt("SCPT's adapter and its losses", _FORMS),
}
"""Name -> ablation. Scores without a public source are empty."""
