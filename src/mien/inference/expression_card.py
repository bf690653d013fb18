"""The card of somebody else's model of expressions: how it looks at a face, and what its outputs are."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from mien.core.onnx_card import OnnxCard, card_of, read_values
from mien.core.tasks import ACTION_UNITS
from mien.face.crop import MARGIN

SECONDS = 0.5
"""s of pictures that a model of single pictures reads; the probabilities are their mean. Our choice: one step."""

OUTPUTS = "logits", "probabilities", "scores"

AFFECT = "valence", "arousal"

UNIT_OUTPUTS = {"intensities": "intensity from 0 to {top:g}, times {factor:g}",
                "probabilities": "probability that a unit is present, times {factor:g}",
                "logits": "probability that a unit is present, by a sigmoid, times {factor:g}"}
"""What the outputs of action units are -> what the columns AU01 .. AU45 then hold."""

TOP = 5.0
"""The largest intensity of an action unit in every table of mien."""


@dataclass(frozen=True, kw_only=True)
class ExpressionCard(OnnxCard):
    """How a model of expressions looks at a face.

    Args:
        labels: Name of each output, ours where the class is ours (K); () for a model of action units alone, whose
            expression is that of the built-in model.
        output: "logits", "probabilities", or "scores": a rating of each label by itself, 0 or more. The probability of
            a label is then its share of all scores (our choice).
        others: Names of the outputs after those of the labels: "valence" and "arousal", -1..1, which take the place of
            those that follow from the classes; action units such as "AU12", which take the place of mien's; or "" for
            one that is not used.
        unit_output: What the outputs of action units are: "intensities", "probabilities" or "logits".
        unit_top: Largest intensity on the model's scale; the units are scaled from 0..`unit_top` to 0..5.
        outputs: Names of the ONNX outputs that are read, one after another; () for the first one.
        box_factor: Side of the cut, of the longer side of the face's box; up to 1.3. Not used with `points`.
        points: Where the five points of `face.alignment.five_points` lie in the model's picture, x and y in px one
            after another (10); () for a cut by the box.
        size: Side of the picture in px.
        frames: Number of pictures that the model looks at together. With 1 it looks at each by itself, and the mean of
            its probabilities counts.
        seconds: Length of the window of these pictures in s.
        layout: "NCHW" or "NHWC"; with several frames, their axis lies behind N.
        colour: "RGB" or "BGR".
        scale: Factor of the grey levels 0..255.
        mean: Is subtracted from the scaled picture, for each colour.
        deviation: Divides it then.
    """

    labels: tuple[str, ...]
    size: int
    output: str = "logits"
    others: tuple[str, ...] = ()
    unit_output: str = "intensities"
    unit_top: float = TOP
    outputs: tuple[str, ...] = ()
    box_factor: float = 1.3
    points: tuple[float, ...] = ()
    frames: int = 1
    seconds: float = SECONDS
    layout: str = "NCHW"
    colour: str = "RGB"
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    deviation: tuple[float, ...] = (1.0, 1.0, 1.0)

    def rules(self) -> dict[str, tuple[bool, str]]:
        """Whether each field is as expected, and what is expected."""
        return super().rules() | {
            "labels": (len(set(self.labels)) == len(self.labels) and len(self.labels) != 1 and all(self.labels)
                       and bool(self.labels or self.units), "two different names or more, or none beside action units"),
            "output": (self.output in OUTPUTS, " or ".join(OUTPUTS)),
            "box_factor": (0.5 <= self.box_factor <= 1 + MARGIN, f"0.5 to {1 + MARGIN:g}"),
            "others": (set(self.others) <= {*AFFECT, *ACTION_UNITS, ""}
                       and all(self.others.count(name) < 2 for name in (*AFFECT, *ACTION_UNITS)),
                       "valence, arousal and action units of mien such as AU12, each at most once, or empty names"),
            "unit_output": (self.unit_output in UNIT_OUTPUTS, " or ".join(UNIT_OUTPUTS)),
            "unit_top": (self.unit_top > 0 and (self.unit_output == "intensities" or self.unit_top == TOP),
                         "a positive number, for intensities alone"),
            "outputs": (len(set(self.outputs)) == len(self.outputs), "different names"),
            "points": (len(self.points) in (0, 10) and all(0 <= at <= self.size for at in self.points),
                       "no points or five, x and y of each within the picture"),
            "frames": (1 <= self.frames <= 64, "1 to 64 pictures"),
            "seconds": (0.1 <= self.seconds <= 60, "0.1 to 60 s"),
            "size": (16 <= self.size <= 1024, "16 to 1024 px"),
            "scale": (self.scale != 0, "a number other than 0"),
            "layout": (self.layout in ("NCHW", "NHWC"), "NCHW or NHWC"),
            "colour": (self.colour in ("RGB", "BGR"), "RGB or BGR"),
            "mean": (len(self.mean) == 3, "three numbers"),
            "deviation": (len(self.deviation) == 3 and min(self.deviation) > 0, "three positive numbers"),
        }

    @property
    def units(self) -> tuple[str, ...]:
        """The action units that the model gives, in the order of its outputs."""
        return tuple(name for name in self.others if name in ACTION_UNITS)

    @property
    def unit_factor(self) -> float:
        """What turns a value on the model's scale of units into one on 0..5."""
        return TOP / self.unit_top if self.unit_output == "intensities" else TOP

    @property
    def units_by(self) -> str:
        """Where the action units come from, for readers of a result: the model, its units and its scale; "" without."""
        if not self.units:
            return ""
        scale = UNIT_OUTPUTS[self.unit_output].format(top=self.unit_top, factor=self.unit_factor)
        return f"{self.name} ({scale}): {', '.join(self.units)}"


def read_card(path: Path) -> ExpressionCard:
    """The card beside a model, or a ready one of the package for a file of that name.

    Raises:
        FileNotFoundError: There is no card.
        ValueError: It is not valid.
    """
    name = path.with_suffix(".json").name
    ready = resources.files("mien.inference") / "cards" / name
    text = ready.read_text(encoding="utf-8") if ready.is_file() else ""
    return card_of(read_values(path, text), ExpressionCard, name)
