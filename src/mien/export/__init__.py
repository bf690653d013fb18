"""Export a checkpoint to a folder for OpenVINO or ONNX Runtime: the model files and a card.

The model is `Method.export_graph`. For DuSE this is the image tower with its prompts, LSEA, and the text features as
constants. The input is one clip of pictures uint8 (1, T, 3, S, S), the output `logits` (1, K). The export compares the
written model with torch in float32 before it finishes.
"""

from mien.export.example_clips import ExampleClip, noise_clips, record_clips
from mien.export.export_checkpoint import ExportReport, export
from mien.export.parity import Parity

__all__ = ["ExampleClip", "ExportReport", "Parity", "export", "noise_clips", "record_clips"]
