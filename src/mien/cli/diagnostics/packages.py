"""Installed packages against what mien asks for, and their licences."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from importlib.metadata import PackageMetadata, PackageNotFoundError, distribution, metadata, requires, version

from mien.cli.diagnostics.check_result import CheckResult

OPTIONAL = {
    "demo": "the embedded sample of `make demo`",
    "models": "trained models",
    "cluster": "--cluster, on several machines",
    "serve": "mien serve",
    "mcp": "mien mcp",
    "export": "mien export",
    "int8": "mien export --int8",
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


def python() -> list[CheckResult]:
    """The interpreter against Requires-Python."""
    from packaging.specifiers import SpecifierSet

    running = ".".join(map(str, sys.version_info[:3]))
    required = _stated(metadata("mien"), "Requires-Python")
    if SpecifierSet(required).contains(running, prereleases=True):
        return [CheckResult("python", "ok", f"{running} ({sys.executable})")]
    return [CheckResult("python", "failure", f"{running}, expected {required}",
                    "make the environment with Python 3.11 or later: python3.12 -m venv .venv")]


def versions() -> list[CheckResult]:
    """What every analysis needs."""
    try:
        good, bad = _against_ranges("")
    except PackageNotFoundError:
        return [
            CheckResult("packages", "failure", "mien runs from its source and is not installed", "pip install -e .")
        ]
    checks = [CheckResult("packages", "ok", ", ".join(good))] if good else []
    return checks + [CheckResult(f"package {name}", "failure", text, remedy) for name, text, remedy in bad]


def extras() -> list[CheckResult]:
    """What only some need: absent is fine, half there is not."""
    checks = []
    for name, purpose in OPTIONAL.items():
        good, bad = _against_ranges(name)
        install = f'pip install "mien[{name}]"'
        if not bad:
            checks.append(CheckResult(f"extra {name}", "ok", f"installed, for {purpose}: {', '.join(good)}"))
        elif all(text == "not installed" for _, text, _ in bad):
            missing = ", ".join(each for each, _, _ in bad)
            checks.append(CheckResult(f"extra {name}", "ok", f"not installed, only for {purpose} ({missing})", install))
        else:
            text = "; ".join(f"{each} {what}" for each, what, _ in bad)
            checks.append(CheckResult(f"extra {name}", "warning", f"for {purpose}: {text}", install))
    return checks


def strangers() -> list[CheckResult]:
    """Packages that break others only by being there."""
    checks = []
    for name in ("torchvision", "torchaudio"):
        if _version(name):
            checks.append(CheckResult(
                f"package {name}", "warning",
                f"{_version(name)} installed: unless its build matches torch's, transformers no longer imports",
                f"pip uninstall {name} (mien does not use it)"))
    cv2 = [name for name in CV2 if _version(name)]
    if len(cv2) > 1:
        checks.append(CheckResult(
            "OpenCV", "warning", f"{' and '.join(cv2)} write into the same folder cv2",
            f"pip uninstall {' '.join(cv2)}, then pip install --force-reinstall opencv-python-headless"))
    return checks


def licences() -> list[CheckResult]:
    """The register: code and models that the default analysis uses, read from the packages' own metadata."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(_closure("mien")):
        groups[licence(name)].append(name)
    text = "; ".join(f"{each}: {', '.join(names)}" for each, names in sorted(groups.items()))
    checks = [CheckResult("licence of mien", "ok", licence("mien"))]
    strict = {each: names for each, names in groups.items() if each == "unknown" or re.search(r"\bA?GPL", each)}
    if strict:
        names = ", ".join(f"{name} ({each})" for each, names in strict.items() for name in names)
        checks.append(CheckResult("licences of packages", "warning", text,
                                  f"read the terms before you pass on {names}"))
    else:
        checks.append(CheckResult("licences of packages", "ok", text))
    return [*checks, _ffmpeg(), *_opencv()]


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


def _ffmpeg() -> CheckResult:
    """FFmpeg inside PyAV's wheel: its own word, and the GPL encoders that it was built with."""
    from av import _core  # PyAV has no public name for this

    meta = getattr(_core, "library_meta", {})
    if "libavcodec" not in meta:
        return CheckResult("licence of FFmpeg", "warning", "this PyAV does not tell how its FFmpeg was built",
                       "read the terms of your FFmpeg before you pass it on")
    about = meta["libavcodec"]
    gpl = [name for name in ("libx264", "libx265") if f"--enable-{name}" in about["configuration"]]
    text = f"inside PyAV's wheel: {about['license']}"
    if gpl:
        text += f"; with {' and '.join(gpl)}, GPL-2.0-or-later (encoders): that matters to who passes the wheel on"
    return CheckResult("licence of FFmpeg", "ok", text)


def _opencv() -> list[CheckResult]:
    """OpenCV's wheels are Apache-2.0 and carry LGPL libraries beside it (their LICENSE-3RD-PARTY.txt)."""
    checks = []
    for name in (each for each in CV2 if _version(each)):
        files = {str(file) for file in distribution(name).files or []}
        inside = [part for part, mark in (("FFmpeg", "libavcodec"), ("Qt 5", "libQt5Core")) if mark in " ".join(files)]
        if inside:
            text = f"{licence(name)}; its wheel carries {' and '.join(inside)}: LGPL"
            checks.append(CheckResult(f"licence of {name}", "ok", text))
    return checks


def _against_ranges(extra: str) -> tuple[list[str], list[tuple[str, str, str]]]:
    """-> "name version" of the requirements that are met, and (name, what is wrong, remedy) of the others."""
    good, bad = [], []
    for requirement in _requirements("mien", extra):
        if requirement.name == "mien":  # an extra that brings another one
            continue
        name, specifier = requirement.name, str(requirement.specifier)
        install = f'pip install "{name}{specifier}"'
        installed = _version(name)
        if installed is None:
            bad.append((name, "not installed", install))
        elif requirement.specifier.contains(installed, prereleases=True):
            good.append(f"{name} {installed}")
        else:
            bad.append((name, f"{installed}, expected {specifier}", install))
    return good, bad


def _requirements(name: str, extra: str = "") -> list:
    """Those of one extra only; of the package itself where `extra` is empty."""
    from packaging.requirements import Requirement

    checks = []
    for requirement in map(Requirement, requires(name) or []):
        plain = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        with_extra = requirement.marker is not None and requirement.marker.evaluate({"extra": extra})
        if (plain and not extra) or (extra and with_extra and not plain):
            checks.append(requirement)
    return checks


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
