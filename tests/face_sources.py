"""The two TFLite files for the tests: from the cache or downloaded once, in the way the build does it."""

from __future__ import annotations

import os
from unittest import mock

import pytest

from mien.face.weights.locate import ModelsError
from mien.face.weights.obtain import obtain
from mien.face.weights.pins import SOURCES


@pytest.fixture(scope="session")
def tflite_files() -> dict[str, bytes]:
    """ONNX file name -> content of its TFLite file. Skips the test only where no package index answers."""
    environment = {name: value for name, value in os.environ.items() if name != "MIEN_MODELS"}
    with mock.patch.dict(os.environ, environment, clear=True):
        try:
            return obtain()
        except ModelsError as error:
            if "from the package index, got none" not in str(error):
                raise
            pytest.skip(f"no network: {error}")


@pytest.fixture(scope="session")
def tflite_folder(tflite_files, tmp_path_factory):
    """A folder with both TFLite files under their own names."""
    folder = tmp_path_factory.mktemp("tflite")
    for name, source in SOURCES.items():
        (folder / source.name).write_bytes(tflite_files[name])
    return folder
