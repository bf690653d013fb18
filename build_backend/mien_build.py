"""PEP 517 build backend: setuptools, and the face models added to the finished wheel.

Only `build_wheel` and `build_editable` need the models; the hooks for metadata and the sdist pass straight to
setuptools and never use the network. The models become the import package `mien_models` inside the wheel, editable or
not; nothing is written into the source tree.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
import io
import os
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from setuptools import build_meta
from setuptools.build_meta import (  # noqa: F401  the other hooks of PEP 517 and PEP 660
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "mien_models"


def build_wheel(wheel_directory: str, config_settings: dict | None = None,
               metadata_directory: str | None = None) -> str:
    """Build the wheel, then add the face models."""
    files = model_files()
    name = build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
    add_to_wheel(Path(wheel_directory) / name, files)
    return name


def build_editable(wheel_directory: str, config_settings: dict | None = None,
                  metadata_directory: str | None = None) -> str:
    """Build the editable wheel, then add the face models: they are files of the environment, not of the source tree."""
    files = model_files()
    name = build_meta.build_editable(wheel_directory, config_settings, metadata_directory)
    add_to_wheel(Path(wheel_directory) / name, files)
    return name


def model_files() -> dict[str, bytes]:
    """Make the files of `mien_models`: file name -> content. An error ends the build with its message alone."""
    install = _weights("install")
    try:
        return install.package_files((ROOT / "LICENSE").read_text(encoding="utf-8"))
    except ValueError as error:
        raise SystemExit(f"mien: {error}") from error


def _weights(name: str) -> ModuleType:
    """A module of mien.face.weights, loaded by its path: mien itself is not imported, nor what it depends on."""
    folder = ROOT / "src" / "mien" / "face" / "weights"
    if "_mien_weights" not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            "_mien_weights", folder / "__init__.py", submodule_search_locations=[str(folder)])
        if spec is None or spec.loader is None:
            raise SystemExit(f"mien: expected {folder}, got no package there; unpack the source again")
        sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[spec.name])
    return importlib.import_module(f"_mien_weights.{name}")


def add_to_wheel(path: Path, files: Mapping[str, bytes]) -> None:
    """Add the package `mien_models` to a wheel and rewrite its RECORD.

    Args:
        path: of the wheel; it is replaced when the new one is whole.
        files: file name -> content.
    """
    partial = path.with_suffix(".partial")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as new:
        (record_name,) = (name for name in old.namelist() if name.endswith(".dist-info/RECORD"))
        rows = [row for row in csv.reader(io.StringIO(old.read(record_name).decode())) if row[0] != record_name]
        for info in old.infolist():
            if info.filename != record_name:
                content = old.read(info)
                if info.filename.endswith(".dist-info/top_level.txt"):
                    content = _with_package(content)
                    rows = [row for row in rows if row[0] != info.filename] + [_row(info.filename, content)]
                new.writestr(info, content)
        template = old.getinfo(record_name)
        for name, content in files.items():
            inside = f"{PACKAGE}/{name}"
            new.writestr(_entry(inside, template), content)
            rows.append(_row(inside, content))
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows([*rows, [record_name, "", ""]])
        new.writestr(_entry(record_name, template), table.getvalue())
    os.replace(partial, path)


def _with_package(top_level: bytes) -> bytes:
    return "".join(f"{name}\n" for name in sorted({*top_level.decode().split(), PACKAGE})).encode()


def _row(name: str, content: bytes) -> list[str]:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return [name, f"sha256={digest}", str(len(content))]


def _entry(name: str, like: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """A zip entry with the date and the permissions of another."""
    made = zipfile.ZipInfo(name, like.date_time)
    made.compress_type, made.external_attr = zipfile.ZIP_DEFLATED, like.external_attr
    return made
