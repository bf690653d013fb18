"""The models of the default analysis: where they are from, their licence, and whether they compute what they should."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from mien.cli.diagnostics.check_result import CheckResult
from mien.cli.diagnostics.components import BUSY, isolated

_INSTALL = "mien models install"


def _again() -> str:
    """What to do about files that are damaged."""
    from mien.face.weights.locate import VARIABLE, remedy

    if os.environ.get(VARIABLE, ""):
        return remedy()
    return f"pip install --force-reinstall --no-deps mien, or {_INSTALL} where it made these files"


def _named_source() -> list[CheckResult]:
    """What MIEN_MODELS names, where only `mien models install` reads it: a wheel, or a folder of .tflite files."""
    from mien.face.weights.locate import VARIABLE, ModelsError, has_models
    from mien.face.weights.obtain import from_path

    named = os.environ.get(VARIABLE, "")
    path = Path(named).expanduser()
    if not named or has_models(path):
        return []
    try:
        from_path(path)
    except ModelsError as error:
        todo = f"correct {VARIABLE} or unset it"
        return [CheckResult(VARIABLE, "failure", f"not in use, and unusable: {error}", todo)]
    return [CheckResult(VARIABLE, "ok", f"{named} is what {_INSTALL} converts; the models above are in use")]


def face_models() -> list[CheckResult]:
    """Find the face models, read their origin and licence, and compare their outputs with mediapipe 0.10.21."""
    from mien.face.weights.locate import VARIABLE, ModelsError, manifest, paths, remedy

    try:
        files = paths()
    except ModelsError as error:
        todo = remedy() if os.environ.get(VARIABLE, "") else _INSTALL
        return [CheckResult("face models", "failure", str(error), todo)]
    about = manifest(files.folder)
    origin = about.get("origin", "origin not stated")
    place = f"{files.detector.name} and {files.landmarks.name} in {files.folder} ({files.source})"
    wrong = [path.name for path in (files.detector, files.landmarks)
             if about and hashlib.sha256(path.read_bytes()).hexdigest() != about.get(path.name)]
    if wrong:
        return [
            CheckResult(
                "face models",
                "failure",
                f"{' and '.join(wrong)} in {files.folder} differ from manifest.json: damaged or replaced",
                _again(),
            )
        ]
    return [
        CheckResult("face models", "ok", f"{place}, from {origin}; no download is needed"),
        CheckResult("licences of models", "ok", f"face detector and face mesh: {about.get('license', 'not stated')}"),
        parity_result(*isolated("from mien.cli.diagnostics.models import run_parity; run_parity()")),
        *_named_source(),
    ]


def run_parity() -> None:
    """Compare the models with mediapipe's outputs and write the differences as JSON."""
    from mien.face.weights.locate import paths
    from mien.face.weights.parity import compare

    files = paths()
    difference = compare(files.detector, files.landmarks)
    sys.stdout.write(json.dumps({**asdict(difference), "small": difference.small}))


def parity_result(code: int | None, out: str, error: str) -> CheckResult:
    """Turn the result of `run_parity` in a child process into a finding.

    Args:
        code: exit status; None: it did not end in time.
        out: standard output.
        error: standard error.

    Returns:
        The finding.
    """
    name = "parity of the face models"
    if code is None:
        return CheckResult(name, "warning", error, BUSY)
    if code:
        last = [line for line in error.splitlines() if line.strip()][-1:] or [f"ended with {code}"]
        return CheckResult(name, "failure", last[0].strip(), f"pip install --force-reinstall onnxruntime; {_again()}")
    got = json.loads(out.strip().splitlines()[-1])
    text = (f"on mien's own drawing, against mediapipe 0.10.21: landmarks within {got['landmarks']:.2g} px, boxes "
            f"within {got['boxes']:.2g} px, presence of a face {'as' if got['presence'] else 'NOT as'} there")
    if not got["small"]:
        return CheckResult(name, "failure", text, f"{_again()}; if it stays, pip install --force-reinstall onnxruntime")
    return CheckResult(name, "ok", text)
