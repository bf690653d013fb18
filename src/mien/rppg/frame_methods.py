"""rPPG methods that look at pictures of the face instead of the mean colour of its skin: neural ones."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mien.core import entry_points as tables
from mien.rppg.methods import AUTO, rppg_method
from mien.rppg.onnx_pulse import OnnxPulse, read_pulse_card

ONNX, OPEN_RPPG = "onnx:", "open-rppg:"
"""Prefixes of names: a file with a card; a model of the package open-rppg."""

GROUP = "mien.rppg.frames"
"""Entry points: an object without arguments that makes a `FrameMethod`."""


CLIP = 10.0
"""s of a clip for open-rppg. Our choice: its models read any length, and a recording of 10 s should have a waveform."""


class FrameMethod(Protocol):
    """Computes the waveform of a clip of face pictures.

    Attributes:
        size: Side of the pictures in px.
        frames: Pictures of a clip (T).
        rate: Hz of the pictures.
        box_factor: Side of the cut, of the longer side of the face's box.
    """

    size: int
    frames: int
    rate: float
    box_factor: float

    def waveform(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures uint8 (T, S, S, 3) RGB -> waveform (T,) in any unit, systole is up."""
        ...


class OpenRppg:
    """A model of the package open-rppg, which is not installed with mien: `pip install open-rppg`.

    Args:
        name: Of one of its models, such as FacePhys.rlap.

    Raises:
        ValueError: The package is not installed, or has no such model.
    """

    box_factor = 1.5
    """Our choice: its own cut holds the whole head."""

    def __init__(self, name: str) -> None:
        try:
            import rppg
        except ImportError as error:
            raise ValueError(f"--pulse-method {OPEN_RPPG}{name}: expected the package open-rppg, got none: install it "
                             "with pip install open-rppg") from error
        try:
            self._model: Any = rppg.Model(name)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            why = " ".join(str(error).split())
            raise ValueError(f"--pulse-method {OPEN_RPPG}{name}: expected a model of open-rppg, got none ({why})"
                             ) from error
        self.size, self.rate = int(self._model.input[1]), float(self._model.fps)
        self.frames = round(CLIP * self.rate)

    def waveform(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures uint8 (T, S, S, 3) RGB -> waveform (T,), systole is up; 0 where the model gives none."""
        with self._model:
            for index, picture in enumerate(pictures):
                self._model.update_face(np.ascontiguousarray(picture), index / self.rate)
        wave, times = self._model.bvp(raw=True)
        if not len(wave):
            return np.zeros(len(pictures))
        return np.interp(np.arange(len(pictures)) / self.rate, np.asarray(times), np.asarray(wave, np.float64), 0, 0)


def names_frames(name: str) -> bool:
    """Whether the name of an rPPG method is that of a method that looks at pictures."""
    return name.startswith((ONNX, OPEN_RPPG)) or name in entry_points(group=GROUP).names


def expect_method(name: str, live: bool = False) -> None:
    """Check the name of a method before any video is read.

    Args:
        name: `methods.AUTO`, or what `rppg_method` or `frame_method` finds.
        live: Whether a camera is read: methods that look at pictures read recordings.

    Raises:
        FileNotFoundError: The method's file or card is missing.
        ValueError: There is no such method, or it does not read a camera.
    """
    if not names_frames(name):
        if name != AUTO:
            rppg_method(name)
        return
    if live:
        raise ValueError(f"--pulse-method: expected a method of mean colours for a camera, such as pos, got {name}, "
                         "which looks at pictures: record the camera and use mien analyze")
    frame_method(name)


def frame_method(name: str) -> FrameMethod:
    """Load a method that looks at pictures.

    Args:
        name: onnx:FILE with a card beside the file; open-rppg:MODEL; or of an installed package.

    Raises:
        FileNotFoundError: There is no file or no card.
        ValueError: It is not as its card says, or there is no such method.
    """
    if name.startswith(OPEN_RPPG):
        return OpenRppg(name.removeprefix(OPEN_RPPG))
    if not name.startswith(ONNX):
        make: Callable[[], FrameMethod] = tables.find("rPPG method of frames", name, {}, GROUP)
        return make()
    path = Path(name.removeprefix(ONNX)).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"--pulse-method: expected an ONNX file, got nothing at {path}: check the spelling")
    return OnnxPulse(path, read_pulse_card(path))
