"""Installed packages against what mien asks for, and their licences."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from importlib.metadata import PackageMetadata, PackageNotFoundError, distribution, metadata, requires, version

from .finding import Finding

WHY = {
    "numpy": "mediapipe is built for numpy 1",
    "protobuf": "mediapipe needs protobuf 4; another package lifted it",
    "mediapipe": "later ones carry no models inside",
    "pandas": "neurokit2 and this code expect pandas 2",
    "pyarrow": "from 22 on it refuses numpy 1 at import",
}
"""Why a range of pyproject.toml ends where it does, for the remedy."""

OPTIONAL = {
    "demo": "the embedded sample of `make demo`",
    "models": "trained models",
    "cluster": "--cluster, on several machines",
    "serve": "mien serve",
    "mcp": "mien mcp",
}
"""Extras that a user may want."""

CV2 = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
"""Distributions of OpenCV, which all fill the same folder."""

SHORT = {
    "Apache Software License": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "BSD License": "BSD",
    "3-Clause BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "ISC License (ISCL)": "ISC",
    "Python Software Foundation License": "PSF-2.0",
}
"""Names in older metadata -> SPDX, where that says which."""


def python() -> list[Finding]:
    """The interpreter against Requires-Python."""
    from packaging.specifiers import SpecifierSet

    mine = ".".join(map(str, sys.version_info[:3]))
    wanted = _stated(metadata("mien"), "Requires-Python")
    if SpecifierSet(wanted).contains(mine, prereleases=True):
        return [Finding("python", "ok", f"{mine} ({sys.executable})")]
    return [Finding("python", "failure", f"{mine}, expected {wanted}: mediapipe has no wheels for others",
                    "make the environment with Python 3.11 or 3.12: python3.12 -m venv .venv")]


def versions() -> list[Finding]:
    """What every analysis needs."""
    try:
        good, bad = _against_ranges("")
    except PackageNotFoundError:
        return [Finding("packages", "failure", "mien runs from its source and is not installed", "pip install -e .")]
    found = [Finding("packages", "ok", ", ".join(good))] if good else []
    return found + [Finding(f"package {name}", "failure", said, remedy) for name, said, remedy in bad]


def extras() -> list[Finding]:
    """What only some need: absent is fine, half there is not."""
    found = []
    for name, purpose in OPTIONAL.items():
        good, bad = _against_ranges(name)
        install = f'pip install "mien[{name}]"'
        if not bad:
            found.append(Finding(f"extra {name}", "ok", f"installed, for {purpose}: {', '.join(good)}"))
        elif all(said == "not installed" for _, said, _ in bad):
            missing = ", ".join(each for each, _, _ in bad)
            found.append(Finding(f"extra {name}", "ok", f"not installed, only for {purpose} ({missing})", install))
        else:
            said = "; ".join(f"{each} {what}" for each, what, _ in bad)
            found.append(Finding(f"extra {name}", "warning", f"for {purpose}: {said}", install))
    return found


def strangers() -> list[Finding]:
    """Packages that break others only by being there."""
    found = []
    for name in ("torchvision", "torchaudio"):
        if _version(name):
            found.append(Finding(
                f"package {name}", "warning",
                f"{_version(name)} installed: unless its build matches torch's, transformers no longer imports",
                f"pip uninstall {name} (mien does not use it)"))
    cv2 = [name for name in CV2 if _version(name)]
    if len(cv2) > 1:
        found.append(Finding(
            "OpenCV", "warning", f"{' and '.join(cv2)} write into the same folder cv2",
            f"pip uninstall {' '.join(cv2)}, then pip install --force-reinstall opencv-contrib-python"))
    return found


def licences() -> list[Finding]:
    """The register: code and models that the default analysis uses, read from the packages' own metadata."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(_closure("mien")):
        groups[licence(name)].append(name)
    said = "; ".join(f"{each}: {', '.join(names)}" for each, names in sorted(groups.items()))
    found = [Finding("licence of mien", "ok", licence("mien"))]
    strict = {each: names for each, names in groups.items() if each == "unknown" or re.search(r"\bA?GPL", each)}
    if strict:
        names = ", ".join(f"{name} ({each})" for each, names in strict.items() for name in names)
        found.append(Finding("licences of packages", "warning", said, f"read the terms before you pass on {names}"))
    else:
        found.append(Finding("licences of packages", "ok", said))
    return [*found, _ffmpeg(), *_opencv(), Finding(
        "licences of models", "ok", "mediapipe's face detector and face mesh, inside its wheel: Apache-2.0; no others")]


def licence(name: str) -> str:
    """A package's licence by its metadata, short; "unknown" where it states none."""
    about = metadata(name)
    stated = _stated(about, "License-Expression")
    lines = [line.split("::")[-1].strip() for line in about.get_all("Classifier") or [] if line.startswith("License")]
    classified = [SHORT.get(line, line) for line in lines if line != "OSI Approved"]
    text = _stated(about, "License").strip()
    if stated or classified:
        return stated or " or ".join(classified)
    return SHORT.get(text, text) if text and len(text) < 60 and "\n" not in text else "unknown"


def _stated(about: PackageMetadata, field: str) -> str:
    """A missing field is None by the standard library and a KeyError once the backport importlib_metadata is loaded."""
    return (about[field] or "") if field in about else ""


def _ffmpeg() -> Finding:
    """FFmpeg inside PyAV's wheel: its own word, and the GPL encoders that it was built with."""
    from av import _core  # PyAV 18 has no public name for this

    about = _core.library_meta["libavcodec"]
    gpl = [name for name in ("libx264", "libx265") if f"--enable-{name}" in about["configuration"]]
    said = f"inside PyAV's wheel: {about['license']}"
    if gpl:
        said += f"; with {' and '.join(gpl)}, GPL-2.0-or-later (encoders): that matters to who passes the wheel on"
    return Finding("licence of FFmpeg", "ok", said)


def _opencv() -> list[Finding]:
    """OpenCV's wheels are Apache-2.0 and carry LGPL libraries beside it (their LICENSE-3RD-PARTY.txt)."""
    found = []
    for name in (each for each in CV2 if _version(each)):
        files = {str(file) for file in distribution(name).files or []}
        inside = [part for part, mark in (("FFmpeg", "libavcodec"), ("Qt 5", "libQt5Core")) if mark in " ".join(files)]
        if inside:
            said = f"{licence(name)}; its wheel carries {' and '.join(inside)}: LGPL"
            found.append(Finding(f"licence of {name}", "ok", said))
    return found


def _against_ranges(extra: str) -> tuple[list[str], list[tuple[str, str, str]]]:
    """-> "name version" of the requirements that are met, and (name, what is wrong, remedy) of the others."""
    good, bad = [], []
    for requirement in _requirements("mien", extra):
        name, wanted = requirement.name, str(requirement.specifier)
        install = f'pip install "{name}{wanted}"'
        installed = _version(name)
        if installed is None:
            bad.append((name, "not installed", install))
        elif requirement.specifier.contains(installed, prereleases=True):
            good.append(f"{name} {installed}")
        else:
            why = f": {WHY[name]}" if name in WHY else ""
            bad.append((name, f"{installed}, expected {wanted}{why}", install))
    return good, bad


def _requirements(name: str, extra: str = "") -> list:
    """Those of one extra only; of the package itself where `extra` is empty."""
    from packaging.requirements import Requirement

    found = []
    for requirement in map(Requirement, requires(name) or []):
        plain = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        with_extra = requirement.marker is not None and requirement.marker.evaluate({"extra": extra})
        if (plain and not extra) or (extra and with_extra and not plain):
            found.append(requirement)
    return found


def _closure(name: str) -> set[str]:
    """Everything installed that `name` needs, directly or not."""
    seen: set[str] = set()
    todo = [name]
    while todo:
        for requirement in _requirements(todo.pop()):
            key = re.sub(r"[-_.]+", "-", requirement.name).lower()
            if key not in seen and _version(key):
                seen.add(key)
                todo.append(key)
    return seen


def _version(name: str) -> str | None:
    try:
        distribution(name)
    except PackageNotFoundError:
        return None
    return version(name)
