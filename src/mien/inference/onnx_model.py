"""Other people's expression models: an ONNX file and a card that says how it looks at a face, by onnxruntime alone.

The card (`mien.core.onnx_card`) is checked before the model runs: its hash, its sizes, its labels, and that its licence
was accepted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from mien.core.observations import Window
from mien.core.onnx_card import OnnxCard, card_of, read_values
from mien.core.requirements import ModelRequirements
from mien.core.tasks import Task
from mien.face.crop import MARGIN
from mien.face.inference import session
from mien.inference.prediction import own_task

ONNX, HUB = "onnx:", "hf:"
"""Prefixes of model names: a file here; a file of a hub repository at a commit, hf:owner/name@COMMIT:file."""

SECONDS = 0.5
"""s of pictures that a model of single pictures reads; the probabilities are their mean. Our choice: one step."""

OUTPUTS = "logits", "probabilities"


@dataclass(frozen=True, kw_only=True)
class ExpressionCard(OnnxCard):
    """How a model of expressions looks at a face.

    Args:
        labels: Name of each output, ours where the class is ours (K).
        output: "logits" or "probabilities".
        box_factor: Side of the cut, of the longer side of the face's box; up to 1.3.
        size: Side of the picture in px.
        layout: "NCHW" or "NHWC".
        colour: "RGB" or "BGR".
        scale: Factor of the grey levels 0..255.
        mean: Is subtracted from the scaled picture, for each colour.
        deviation: Divides it then.
    """

    labels: tuple[str, ...]
    size: int
    output: str = "logits"
    box_factor: float = 1.3
    layout: str = "NCHW"
    colour: str = "RGB"
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    deviation: tuple[float, ...] = (1.0, 1.0, 1.0)

    def rules(self) -> dict[str, tuple[bool, str]]:
        """Whether each field is as expected, and what is expected."""
        return super().rules() | {
            "labels": (len(set(self.labels)) == len(self.labels) > 1, "two different names or more"),
            "output": (self.output in OUTPUTS, " or ".join(OUTPUTS)),
            "box_factor": (0.5 <= self.box_factor <= 1 + MARGIN, f"0.5 to {1 + MARGIN:g}"),
            "size": (16 <= self.size <= 1024, "16 to 1024 px"),
            "layout": (self.layout in ("NCHW", "NHWC"), "NCHW or NHWC"),
            "colour": (self.colour in ("RGB", "BGR"), "RGB or BGR"),
            "mean": (len(self.mean) == 3, "three numbers"),
            "deviation": (len(self.deviation) == 3 and min(self.deviation) > 0, "three positive numbers"),
        }


class OnnxModel:
    """A model of single pictures of a face.

    Args:
        path: The ONNX file.
        card: How it looks at a face.

    Raises:
        ValueError: Hash, licence, input or output are not those of the card.
    """

    seconds = SECONDS

    def __init__(self, path: Path, card: ExpressionCard) -> None:
        card.expect_accepted(path)
        self.card = card
        self.task: Task = own_task(card.labels)
        self._side = math.ceil(card.size * (1 + MARGIN) / card.box_factor)
        self.needs = ModelRequirements(frames=1, size=self._side)
        self._session = session(path, 1)
        self._expect_shapes(path)

    def predict_window(self, window: Window) -> np.ndarray:
        """A window with pictures of one person -> probabilities (K,)."""
        if window.faces is None or not len(window.faces):
            raise ValueError(f"{self.card.name}: expected a window with pictures of the face, got none")
        return np.mean([self._probs(face) for face in window.faces], axis=0)

    def _probs(self, face: np.ndarray) -> np.ndarray:
        edge = (self._side - self.card.size) // 2
        rgb = face[edge : edge + self.card.size, edge : edge + self.card.size]
        order = rgb if self.card.colour == "RGB" else rgb[:, :, ::-1]
        centred = order.astype(np.float32) * self.card.scale - np.array(self.card.mean, np.float32)
        values: np.ndarray = centred / np.array(self.card.deviation, np.float32)
        batch = values[None] if self.card.layout == "NHWC" else values.transpose(2, 0, 1)[None]
        (output, *_) = self._session.run(None, {self._session.get_inputs()[0].name: batch.astype(np.float32)})
        out = np.asarray(output, np.float64).reshape(-1)
        if self.card.output == "probabilities":
            return out / out.sum()
        odds = np.exp(out - out.max())
        return odds / odds.sum()

    def _expect_shapes(self, path: Path) -> None:
        expected = [self.card.size, self.card.size, 3]
        if self.card.layout == "NCHW":
            expected = [3, self.card.size, self.card.size]
        given = list(self._session.get_inputs()[0].shape)[1:]
        if any(isinstance(size, int) and size != other for size, other in zip(given, expected, strict=False)):
            raise ValueError(f"{path.name}: expected the input {expected} of the card, got {given}: correct size or "
                             "layout in the card")
        outputs = self._session.get_outputs()[0].shape[-1]
        if isinstance(outputs, int) and outputs != len(self.card.labels):
            raise ValueError(f"{path.name}: expected {len(self.card.labels)} outputs, one a label of the card, got "
                             f"{outputs}: correct labels in the card")


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


def load_onnx(name: str) -> OnnxModel:
    """The model of a name with one of the prefixes.

    Raises:
        FileNotFoundError, ValueError: There is none, or it is not as its card says.
    """
    path = onnx_file(name)
    return OnnxModel(path, read_card(path))


def onnx_file(name: str) -> Path:
    """The file of onnx:FILE; or of hf:owner/name@COMMIT[:file], downloaded once, with the card of a `pin` beside it.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The name has no commit of 40 digits, or the packages for the hub are missing.
    """
    if not name.startswith(HUB):
        path = Path(name.removeprefix(ONNX)).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"--model: expected an ONNX file, got nothing at {path}: check the spelling")
        return path
    repository, _, rest = name.removeprefix(HUB).partition("@")
    commit, _, file = rest.partition(":")
    if len(commit) != 40 or set(commit) - set("0123456789abcdef") or repository.count("/") != 1:
        raise ValueError("--model: expected hf:owner/name@COMMIT:file with a commit of 40 hexadecimal digits, got "
                         f"{name}")
    try:
        import huggingface_hub
    except ImportError as error:
        raise ValueError('hf: expected the packages that models need: install them with pip install "mien[models]"'
                         ) from error
    return Path(huggingface_hub.hf_hub_download(repository, file or "model.onnx", revision=commit))
