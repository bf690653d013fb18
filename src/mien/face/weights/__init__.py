"""The weights of the face detector and the face mesh: where they come from, and where they are installed.

The repository holds no weights. The build backend, or `mien models install`, takes the two TFLite files out of the
wheel of mediapipe 0.10.21, checks them, and converts them to ONNX. This package imports nothing but the standard
library when it is imported; NumPy and onnx are needed to convert, pip to download.
"""

from .locate import ModelPaths, ModelsError, ModelsMissing, paths

__all__ = ["ModelPaths", "ModelsError", "ModelsMissing", "paths"]
