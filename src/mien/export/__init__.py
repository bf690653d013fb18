"""A checkpoint -> a folder that OpenVINO or ONNX Runtime reads: one model file or two, and a card.

In it: the image tower with its prompts and LSEA, and the text features as numbers; one clip of 16 pictures uint8
(1, T, 3, S, S) in, `logits` (1, K) out. What is written is first read back and compared with torch in float32.
"""

from mien.export.clips import Clip, noise, watch
from mien.export.compare import Parity
from mien.export.write import Report, export

__all__ = ["Clip", "Parity", "Report", "export", "noise", "watch"]
