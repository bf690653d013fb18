"""Other people's neural rPPG methods: an ONNX file of a clip of face pictures, and a card that says how it sees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.core.onnx_card import OnnxCard, card_of, read_values
from mien.face.inference import session

KIND = "pulse"
"""The field `kind` of a card of this kind."""

LAYOUTS = {"NDCHW": (0, 3, 1, 2), "NDHWC": (0, 1, 2, 3), "NCDHW": (3, 0, 1, 2), "DCHW": (0, 3, 1, 2)}
"""Order of frame, height, width and colour (0 to 3) in the model's input. N is one clip; without it, the frames are the
batch."""

INPUTS = ("raw", "standardized", "diff_normalized")
OUTPUTS = ("waveform", "difference")


@dataclass(frozen=True, kw_only=True)
class PulseCard(OnnxCard):
    """How a neural rPPG method looks at a face.

    Args:
        size: Side of the pictures in px.
        frames: Pictures of a clip (T).
        kind: "pulse".
        rate: Hz of the pictures.
        box_factor: Side of the cut, of the longer side of the face's box.
        layout: Of `LAYOUTS`.
        colour: "RGB" or "BGR".
        inputs: Of `INPUTS`, stacked along the colours: grey levels 0..255; less the clip's mean, over its deviation;
            the difference of two frames over their sum, over its deviation (Chen & McDuff 2018,
            10.1007/978-3-030-01216-8_22).
        output: "waveform", or "difference" of one sample and the next.
        systole: "up" or "down" in the output.
    """

    size: int
    frames: int
    kind: str = KIND
    rate: float = 30.0
    box_factor: float = 1.5
    layout: str = "NCDHW"
    colour: str = "RGB"
    inputs: tuple[str, ...] = ("diff_normalized",)
    output: str = "waveform"
    systole: str = "up"

    def rules(self) -> dict[str, tuple[bool, str]]:
        """Whether each field is as expected, and what is expected."""
        return super().rules() | {
            "kind": (self.kind == KIND, KIND),
            "size": (8 <= self.size <= 512, "8 to 512 px"),
            "frames": (16 <= self.frames <= 2048, "16 to 2048"),
            "rate": (5 <= self.rate <= 120, "5 to 120 Hz"),
            "box_factor": (0.5 <= self.box_factor <= 3, "0.5 to 3"),
            "layout": (self.layout in LAYOUTS, ", ".join(LAYOUTS)),
            "colour": (self.colour in ("RGB", "BGR"), "RGB or BGR"),
            "inputs": (bool(self.inputs) and not set(self.inputs) - set(INPUTS), f"some of {', '.join(INPUTS)}"),
            "output": (self.output in OUTPUTS, " or ".join(OUTPUTS)),
            "systole": (self.systole in ("up", "down"), "up or down"),
        }


class OnnxPulse:
    """A neural rPPG method, by onnxruntime.

    Args:
        path: The ONNX file.
        card: How it looks at a face.

    Raises:
        ValueError: Hash or licence are not those of the card.
    """

    def __init__(self, path: Path, card: PulseCard) -> None:
        card.expect_accepted(path)
        self.card = card
        self.size, self.frames, self.rate, self.box_factor = card.size, card.frames, card.rate, card.box_factor
        self._path, self._session = path, session(path, 1, "export or download it again")

    def waveform(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures of a clip uint8 (T, S, S, 3) RGB -> waveform (T,), systole is up.

        Raises:
            ValueError: The model cannot read them, or gives no value for each picture.
        """
        rgb = pictures.astype(np.float32)
        if self.card.colour == "BGR":
            rgb = rgb[..., ::-1]
        stacked = np.concatenate([_PREPARED[name](rgb) for name in self.card.inputs], axis=3)
        batch = np.ascontiguousarray(stacked.transpose(LAYOUTS[self.card.layout]))
        if self.card.layout.startswith("N"):
            batch = batch[None]
        try:
            (output, *_) = self._session.run(None, {self._session.get_inputs()[0].name: batch})
        except Exception as error:  # those of onnxruntime share no narrower class
            why = " ".join(str(error).split())
            raise ValueError(f"{self._path.name}: expected a model that reads {self.card.layout} {batch.shape}, got "
                             f"one that does not ({why}): correct its card") from error
        wave = np.asarray(output, np.float64).reshape(-1)
        if len(wave) != len(pictures):
            raise ValueError(f"{self._path.name}: expected {len(pictures)} values, one a picture, got {len(wave)}: "
                             "correct frames in its card")
        if self.card.output == "difference":
            wave = np.cumsum(wave - wave.mean())
        return wave if self.card.systole == "up" else -wave


def _standardized(rgb: np.ndarray) -> np.ndarray:
    return np.asarray((rgb - rgb.mean()) / max(float(rgb.std()), 1e-6))


def _diff_normalized(rgb: np.ndarray) -> np.ndarray:
    """Difference of two frames over their sum, over its deviation; 0 for the last frame."""
    change = np.zeros_like(rgb)
    change[:-1] = np.diff(rgb, axis=0) / np.maximum(rgb[1:] + rgb[:-1], 1.0)
    return np.asarray(change / max(float(change.std()), 1e-6))


_PREPARED = {"raw": lambda rgb: rgb, "standardized": _standardized, "diff_normalized": _diff_normalized}


def is_pulse_card(path: Path) -> bool:
    """Whether the card beside an ONNX file is one of the pulse; False without a card."""
    try:
        return read_values(path).get("kind") == KIND
    except FileNotFoundError:
        return False


def read_pulse_card(path: Path) -> PulseCard:
    """Read the card beside an ONNX file.

    Raises:
        FileNotFoundError: There is no card.
        ValueError: It is not valid.
    """
    return card_of(read_values(path), PulseCard, path.with_suffix(".json").name)
