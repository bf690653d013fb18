"""The papers' ablations as grids of changes to a recipe, each row beside what is printed of it, in %."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from mien.models import scpt
from mien.recipes.published import PRINTED


@dataclass(frozen=True)
class Row:
    """`name`: as the table calls it; `settings`: what it changes (`recipes.change`), without a tower where the recipe
    is tiny; `printed`: recipe -> measure -> %, where any is public."""

    name: str
    settings: Mapping[str, str] = field(default_factory=dict)
    printed: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Ablation:
    """`recipes` that it may start from, the first when none is named; `measures`: columns; `source` of what is printed,
    empty where nothing is; `note`: what a reader must know."""

    title: str
    recipes: tuple[str, ...]
    rows: tuple[Row, ...]
    measures: tuple[str, ...] = ("uar", "war")
    source: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        names = [row.name for row in self.rows]
        if len(set(names)) < len(names):
            raise ValueError(f"Ablation {self.title}: expected rows of different names, got {names}")


_DUSE = ("duse/dfew", "duse/ferv39k")


def _both(dfew: tuple[float, float], ferv39k: tuple[float, float]) -> dict[str, dict[str, float]]:
    """UAR and WAR on each."""
    return {name: {"uar": uar, "war": war} for name, (uar, war) in zip(_DUSE, (dfew, ferv39k), strict=True)}


_WHOLE = _both((64.88, 75.36), (43.39, 53.05))

_TABLE3 = Ablation(
    "DuSE's modules", _DUSE, (
        Row("CoOp, average over frames", {"options.htpc": "false", "options.lsea": "false"},
            _both((55.64, 66.80), (33.74, 46.26))),
        Row("HTPC alone", {"options.lsea": "false"}, _both((58.86, 70.28), (35.77, 47.85))),
        Row("LSEA alone", {"options.htpc": "false"}, _both((60.27, 71.83), (36.53, 48.80))),
        Row("HTPC and LSEA", {}, _WHOLE)),
    source="arXiv 2604.12777, table III",
    note="The ticks of the printed table are lost in the public text: which of the two single modules is row 2 and "
         "which row 3 is taken from the usual order.")

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
    tuple(Row(f"{clip}, {depth}", {"tower": _CLIP[clip], "options.depth": depth}, _both(*printed))
          for (clip, depth), printed in _DEPTHS.items()),
    source="arXiv 2604.12777, table IV",
    note="L/14 shallow is printed below both single modules of table III: the two tables disagree with each other.")

_LSEA = {
    ("N", "2"): ((64.37, 74.92), (43.16, 52.71)), ("N", "4"): ((64.88, 75.36), (43.39, 53.05)),
    ("N", "6"): ((64.21, 74.83), (42.94, 52.08)), ("beta", "0.3"): ((61.26, 71.82), (38.55, 48.73)),
    ("beta", "0.5"): ((62.01, 73.56), (40.98, 50.09)), ("beta", "0.7"): ((64.88, 75.36), (43.39, 53.05)),
    ("beta", "0.9"): ((63.38, 74.33), (42.47, 51.74)),
}

_TABLE5 = Ablation(
    "LSEA's heads N and beta", _DUSE,
    tuple(Row(f"{name} = {value}", {f"options.{'heads' if name == 'N' else 'beta'}": value}, _both(*printed))
          for (name, value), printed in _LSEA.items()),
    source="arXiv 2604.12777, table V")

_PROMPTS = Ablation(
    "Prompts a layer, n", _DUSE,
    tuple(Row(f"n = {n}", {"options.prompts": str(n)}, _WHOLE if n == 4 else {}) for n in (1, 2, 4, 8, 16)),
    source="arXiv 2604.12777, table I for n = 4", note="The paper has no such table; n = 4 is its setting.")

_MVP = tuple(f"mvp/{dataset}-{label}" for dataset in ("amigos", "deap") for label in ("valence", "arousal"))
_F1 = {name: PRINTED[name].values for name in _MVP}
_CLIPS = {"options.video": "MCG-NJU/videomae-base", "options.features": "768"}
_SOURCE = PRINTED[_MVP[0]].source

_MODALITIES = Ablation(
    "Face, physiology, and how they meet", _MVP, (
        Row("video alone", {"options.modality": "video"}), Row("physiology alone", {"options.modality": "physio"}),
        Row("both, late average", {"options.fusion": "late"}), Row("both, concatenated", {"options.fusion": "concat"}),
        Row("both, video asks", {"options.fusion": "swapped"}), Row("both, physiology asks", {}, _F1)),
    measures=("macro_f1", "war"), source=_SOURCE, note=PRINTED[_MVP[0]].note)

_LENGTH = Ablation(
    "Length of the input, s", _MVP,
    tuple(Row(f"{seconds} s", {"options.seconds": str(seconds)}) for seconds in (5, 10, 30, 60, 120)),
    measures=("macro_f1", "war"),
    note="The paper says that longer is better; its numbers are not public. Trials of DEAP end at 60 s.")


_CROP = Ablation(
    "Crop of the clips", _MVP,
    (Row("head and some background", {**_CLIPS, "options.crop": "large"}),
     Row("face alone", {**_CLIPS, "options.crop": "tight"})),
    measures=("macro_f1", "war"),
    note="The paper's figure 4, on AMIGOS, says that the larger crop gives the higher F1; its numbers are not public.")


def _place(name: str) -> int:
    """Each setting is checked as it is made: what needs others comes after them, what others need goes first."""
    return {"read": 0, "fusion": 2}.get(name, 1)


def _modules() -> tuple[Row, ...]:
    """`scpt.ABLATIONS` as settings: what differs from the whole."""
    whole, rows = scpt.Options(), []
    for title, options in scpt.ABLATIONS.items():
        names = sorted((one.name for one in fields(options)), key=_place)
        pairs = ((name, getattr(options, name), getattr(whole, name)) for name in names)
        rows.append(Row(title, {f"options.{key}": str(value).lower() if isinstance(value, bool) else str(value)
                               for key, value, usual in pairs if value != usual}))
    return tuple(rows)


_SCPT = tuple(f"scpt/{dataset}-{label}" for dataset in ("mahnob", "deap") for label in ("valence", "arousal"))

ABLATIONS: dict[str, Ablation] = {
    "duse/table3": _TABLE3, "duse/table4": _TABLE4, "duse/table5": _TABLE5, "duse/prompts": _PROMPTS,
    "mvp/modalities": _MODALITIES, "mvp/length": _LENGTH, "mvp/crop": _CROP,
    "scpt/modules": Ablation("SCPT's modules", _SCPT, _modules(), measures=("macro_f1", "war"),
                             note="No number of arXiv 2605.05694 is public."),
}
"""Name -> grid. What no source gives stays empty."""
