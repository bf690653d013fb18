"""Find the installed face models."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

DETECTOR, LANDMARKS = "face_detector.onnx", "face_landmarks.onnx"
FILES = (DETECTOR, LANDMARKS)
PACKAGE = "mien_models"  # the import package inside the wheel of mien
VARIABLE = "MIEN_MODELS"
DIGESTS = Path(__file__).with_name("digests.json")


class ModelsError(ValueError):
    """The face models cannot be had or are not the ones that mien knows."""


class ModelsMissing(ModelsError):
    """No face models are installed."""


@dataclass(frozen=True)
class ModelPaths:
    """The two ONNX files.

    Attributes:
        detector: path of the face detector.
        landmarks: path of the face mesh.
        source: where they were found, in words.
    """

    detector: Path
    landmarks: Path
    source: str

    @property
    def folder(self) -> Path:
        """The folder that holds both."""
        return self.detector.parent


def remedy() -> str:
    """What to do about models that cannot be used. What MIEN_MODELS names comes first, so it is corrected first."""
    named = os.environ.get(VARIABLE, "")
    if named:
        return f"{VARIABLE} names {named}: correct it, or unset it"
    return "install the models again: mien models install"


def paths() -> ModelPaths:
    """Find the face models: in the folder that MIEN_MODELS names, in the installed package, or in the user's cache.

    Where MIEN_MODELS names a wheel or a folder with the .tflite files, these are what `mien models install` converts;
    the installed files are then used.

    Returns:
        The paths of the two ONNX files.

    Raises:
        ModelsError: MIEN_MODELS names nothing that holds the models.
        ModelsMissing: no models are installed.
    """
    named = os.environ.get(VARIABLE, "")
    if named:
        folder = Path(named).expanduser()
        if has_models(folder):
            return _paths(folder, f"the folder that {VARIABLE} names")
        if not _has_sources(folder):
            got = "holds neither" if folder.exists() else "does not exist"
            raise ModelsError(f"{VARIABLE}: expected a wheel of mediapipe 0.10.21 or a folder with {DETECTOR} and "
                              f"{LANDMARKS} or with their .tflite files, got {named}, which {got}; correct the path or "
                              "unset the variable")
    stale = ""
    spec = importlib.util.find_spec(PACKAGE)
    for place in map(Path, (spec.submodule_search_locations or []) if spec else []):
        if has_models(place) and manifest(place).get("version") == version():
            return _paths(place, f"the package {PACKAGE}")
        stale = f" (the package in {place} is of another version of mien, or not whole)"
    if has_models(installed_folder()):
        return _paths(installed_folder(), "the user's cache")
    raise ModelsMissing(f"face models: expected {DETECTOR} and {LANDMARKS} in the package {PACKAGE} or in "
                        f"{installed_folder()}, got neither{stale}; run: mien models install")


def _paths(folder: Path, source: str) -> ModelPaths:
    return ModelPaths(folder / DETECTOR, folder / LANDMARKS, source)


def _has_sources(path: Path) -> bool:
    """Whether a wheel or a folder holds both TFLite files, by their names."""
    from .pins import SOURCES

    if path.is_dir():
        return all((path / source.name).is_file() for source in SOURCES.values())
    try:
        with zipfile.ZipFile(path) as wheel:
            return {source.member for source in SOURCES.values()} <= set(wheel.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def has_models(folder: Path) -> bool:
    """Whether a folder holds both ONNX files."""
    return all((folder / name).is_file() for name in FILES)


def cache_folder() -> Path:
    """The folder where mien keeps what it downloads: MIEN_CACHE, or the platform's own place."""
    named = os.environ.get("MIEN_CACHE", "")
    if named:
        return Path(named).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "mien" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "mien"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mien"


def version() -> str:
    """A name for the models that this mien expects: it changes with every pinned tensor."""
    return hashlib.sha256(DIGESTS.read_bytes()).hexdigest()[:12]


def installed_folder() -> Path:
    """Where `mien models install` puts the ONNX files: one folder for each version."""
    return cache_folder() / "models" / version()


def manifest(folder: Path) -> dict[str, str]:
    """Read where installed models come from.

    Args:
        folder: that holds them.

    Returns:
        `origin`, `license`, `version` and the sha256 of each ONNX file by its name; empty where no manifest lies there.

    Raises:
        ModelsError: the manifest is damaged.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        return {}
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):  # no JSON, no UTF-8, or nested too deeply
        stated = None
    if not isinstance(stated, dict):
        raise ModelsError(f"{path}: expected a JSON object, got a damaged file; {remedy()}")
    return stated
