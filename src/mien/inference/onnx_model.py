"""Other people's expression models: an ONNX file and a card that says how it looks at a face, by onnxruntime alone.

The card is checked before the model runs: its hash, its sizes, its labels, and that its licence was accepted.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from mien.core.observations import Window
from mien.core.plain_text import hub_reason
from mien.core.requirements import ModelRequirements
from mien.core.tasks import ACTION_UNITS, EXPRESSION, Task
from mien.face.alignment import align
from mien.face.backend import OnnxFaceBackend
from mien.face.crop import MARGIN
from mien.face.inference import session
from mien.face.region import Region
from mien.inference.expression_card import AFFECT, TOP, ExpressionCard, read_card
from mien.inference.expression_model import ExpressionResult
from mien.inference.prediction import BUILT_IN, own_task
from mien.video import pick_frames

ONNX, HUB = "onnx:", "hf:"
"""Prefixes of model names: a file here; a file of a hub repository at a commit, hf:owner/name@COMMIT:file."""

_ROUNDING = 1e-3
"""A probability of a model in half precision may lie so far outside of 0..1; our choice."""


class OnnxModel:
    """A model of pictures of a face.

    Args:
        path: The ONNX file.
        card: How it looks at a face.

    Raises:
        ValueError: Hash, licence, input or output are not those of the card.
    """

    def __init__(self, path: Path, card: ExpressionCard) -> None:
        card.expect_accepted(path)
        self.card = card
        self.task: Task = own_task(card.labels) if card.labels else EXPRESSION
        self.units, self.units_by, self.units_only = card.units, card.units_by, not card.labels
        self.predicts_affect = bool(set(AFFECT) & set(card.others))
        self.seconds = card.seconds
        factor = 1.0 if card.points else card.box_factor
        self._side = math.ceil(card.size * (1 + MARGIN) / factor)
        self.needs = ModelRequirements(frames=card.frames, size=self._side)
        self._session = session(path, 1, "export or download it again")
        self._backend = OnnxFaceBackend() if card.points else None
        self._outputs = self._chosen_outputs(path)
        self._expect_shapes(path)

    def predict_window(self, window: Window) -> np.ndarray:
        """A window with pictures of one person -> probabilities (K,); NaN where no five points were found."""
        return self.predict_with_units(window).probs

    def predict_with_affect(self, window: Window) -> tuple[np.ndarray, np.ndarray | None]:
        """A window with pictures of one person -> probabilities (K,), and valence and arousal (2,) by the model.

        They are NaN where no five points were found. Valence and arousal are None for a model of classes only.
        """
        result = self.predict_with_units(window)
        return result.probs, result.affect

    def predict_with_units(self, window: Window) -> ExpressionResult:
        """Read a window with pictures of one person.

        Args:
            window: The pictures; for a model of action units alone also `expression` of the built-in model.

        Returns:
            Probabilities, valence and arousal, and action units. All are NaN where no five points were found, but for
            the probabilities of the built-in model.

        Raises:
            ValueError: The window has no pictures.
        """
        if window.faces is None or not len(window.faces):
            raise ValueError(f"{self.card.name}: expected a window with pictures of the face, got none")
        pictures = [picture for face in window.faces if (picture := self._cut(face)) is not None]
        if not pictures:
            outputs = np.full((1, len(self.card.labels) + len(self.card.others)), np.nan)
        elif self.card.frames == 1:
            outputs = np.stack([self._run(picture[None]) for picture in pictures])
        else:
            chosen = [pictures[index] for index in pick_frames(len(pictures), self.card.frames)]
            outputs = self._run(np.stack(chosen))[None]
        probs = BUILT_IN.predict_window(window) if self.units_only else self._probs(outputs).mean(axis=0)
        return ExpressionResult(probs, affect=self._affect(outputs.mean(axis=0)), units=self._units(outputs))

    def _cut(self, face: np.ndarray) -> np.ndarray | None:
        """The picture (size, size, 3) that the model looks at; None where the face has no five points."""
        if self._backend is None:
            edge = (self._side - self.card.size) // 2
            return face[edge : edge + self.card.size, edge : edge + self.card.size]
        middle = self._side / 2
        region = Region(middle, middle, Region.MARGIN * self._side / (1 + MARGIN), 0.0)
        landmarks = self._backend.mesh(np.ascontiguousarray(face), region)
        if landmarks is None:
            return None
        return align(face, landmarks, np.array(self.card.points).reshape(5, 2), self.card.size)

    def _run(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures (T, size, size, 3) -> all outputs (K and others)."""
        order = pictures if self.card.colour == "RGB" else pictures[..., ::-1]
        centred = order.astype(np.float32) * self.card.scale - np.array(self.card.mean, np.float32)
        values: np.ndarray = centred / np.array(self.card.deviation, np.float32)
        if self.card.layout == "NCHW":
            values = values.transpose(0, 3, 1, 2)
        batch = values if self.card.frames == 1 else values[None]
        names = [each.name for each in self._outputs]
        outputs = self._session.run(names, {self._session.get_inputs()[0].name: batch.astype(np.float32)})
        joined = np.concatenate([np.asarray(each, np.float64).reshape(-1) for each in outputs])
        if np.isnan(joined).any():
            raise ValueError(f"{self.card.name}: expected numbers from the model, got NaN for a face: correct mean, "
                             "deviation and scale in the card, or take another file")
        return joined

    def _probs(self, outputs: np.ndarray) -> np.ndarray:
        """All outputs (T, K and others) -> the probabilities (T, K) of the labels."""
        values = outputs[:, : len(self.card.labels)]
        if self.card.output == "logits":
            values = np.exp(values - values.max(axis=1, keepdims=True))
        elif self.card.output == "scores":
            values = np.maximum(values, np.finfo(float).tiny)  # equal shares where every score is 0 or less
        elif values.size and (values.min() < -_ROUNDING or values.max() > 1 + _ROUNDING):
            raise ValueError(f"{self.card.name}: expected probabilities from 0 to 1, got {values.min():.3g} to "
                             f"{values.max():.3g}: correct output in the card, perhaps to logits")
        return np.asarray(values / values.sum(axis=1, keepdims=True))

    def _units(self, outputs: np.ndarray) -> np.ndarray | None:
        """All outputs (T, K and others) -> mean action units (A,) on 0..5, NaN for those without an output; or None."""
        if not self.units:
            return None
        units = np.full(len(ACTION_UNITS), np.nan)
        for name, values in zip(self.card.others, outputs[:, len(self.card.labels) :].T, strict=True):
            if name in self.units:
                if self.card.unit_output == "logits":
                    values = expit(values)
                units[ACTION_UNITS.index(name)] = np.clip(self.card.unit_factor * values, 0.0, TOP).mean()
        return units

    def _affect(self, output: np.ndarray) -> np.ndarray | None:
        """Valence and arousal, each NaN if the model has no such output; None if it has neither."""
        known = dict(zip(self.card.others, output[len(self.card.labels) :], strict=True))
        if not set(AFFECT) & set(known):
            return None
        return np.clip([known.get(name, np.nan) for name in AFFECT], -1.0, 1.0)

    def _expect_shapes(self, path: Path) -> None:
        expected = [self.card.size, self.card.size, 3]
        if self.card.layout == "NCHW":
            expected = [3, self.card.size, self.card.size]
        if self.card.frames > 1:
            expected = [self.card.frames, *expected]
        given = list(self._session.get_inputs()[0].shape)[1:]
        fits = all(size == other for size, other in zip(given, expected, strict=False) if isinstance(size, int))
        if len(given) != len(expected) or not fits:
            raise ValueError(f"{path.name}: expected the input {expected} of the card, got {given}: correct size, "
                             "layout or frames in the card")
        given = [each.shape[-1] if each.shape else 1 for each in self._outputs]
        stated = len(self.card.labels) + len(self.card.others)
        if all(isinstance(size, int) for size in given) and sum(given) != stated:
            raise ValueError(f"{path.name}: expected {stated} outputs, one a label of the card and one for each of "
                             f"others, got {sum(given)}: correct labels or others in the card")

    def _chosen_outputs(self, path: Path) -> list[Any]:
        """The ONNX outputs that the card names; the first one where it names none."""
        outputs = {each.name: each for each in self._session.get_outputs()}
        if missing := [name for name in self.card.outputs if name not in outputs]:
            raise ValueError(f"{path.name}: expected the output {missing[0]} of the card, got {', '.join(outputs)}: "
                             "correct outputs in the card")
        return [outputs[name] for name in self.card.outputs] or self._session.get_outputs()[:1]


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
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ImportError as error:
        raise ValueError('hf: expected the packages that models need: install them with pip install "mien[models]"'
                         ) from error
    remote = file or "model.onnx"
    try:
        return Path(huggingface_hub.hf_hub_download(repository, remote, revision=commit))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise FileNotFoundError(f"--model: expected {remote} in the repository {repository} of the hub, got: "
                                f"{hub_reason(error)}. Check spelling and network, or download the file and give "
                                "onnx:FILE") from error
