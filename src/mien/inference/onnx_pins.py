"""Pin somebody else's ONNX file of any kind: of expressions, or of the pulse."""

from __future__ import annotations

from pathlib import Path

from mien.core.onnx_card import OnnxCard, pin_card
from mien.inference.expression_card import read_card
from mien.rppg.onnx_pulse import is_pulse_card, read_pulse_card


def pin_file(path: Path, accept: bool) -> OnnxCard:
    """Write the SHA-256 of a file, and with `accept` its licences as accepted, into the card beside it.

    Args:
        path: The ONNX file.
        accept: Whether to accept the licences.

    Returns:
        The card as written.

    Raises:
        FileNotFoundError: There is no file or no card.
        ValueError: The card is not valid, or has the hash of another file.
    """
    read = read_pulse_card if is_pulse_card(path) else read_card
    return pin_card(path, read(path), accept)
