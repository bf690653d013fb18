"""The parts that an analysis is made of, each tried."""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from mien.cli.diagnostics.check_result import CheckResult

if TYPE_CHECKING:
    import av

DEBIAN = {
    "libGL.so": "libgl1",
    "libEGL.so": "libegl1",
    "libGLESv2.so": "libgles2",
    "libgthread-2.0.so": "libglib2.0-0",
    "libglib-2.0.so": "libglib2.0-0",
    "libSM.so": "libsm6",
    "libICE.so": "libice6",
    "libX11.so": "libx11-6",
    "libXext.so": "libxext6",
    "libXrender.so": "libxrender1",
    "libxcb.so": "libxcb1",
    "libgomp.so": "libgomp1",
}
"""Shared libraries that OpenCV may expect of the system -> Debian's and Ubuntu's package."""

IMPORTED = ("scipy.signal", "pandas", "pyarrow.parquet", "pydantic", "plotly.graph_objects", "joblib", "rich",
            "onnxruntime")
PATIENCE = 600.0
"""s that a child process may take. Our choice: it takes 2 to 5 s on an idle machine, and a loaded machine is no
fault of the installation."""
BUSY = "wait until other programs are done, then run mien doctor again"
CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg", "ffv1", "gif")


def imports() -> list[CheckResult]:
    """Packages of fitting versions may still not fit each other, which shows when they are imported."""
    bad = []
    for name in IMPORTED:
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 - whatever an import raises is the finding
            remedy = _library(str(error)) or "pip install --force-reinstall mien: its versions fit each other"
            bad.append(CheckResult(f"import {name}", "failure", _line(error), remedy))
    return bad or [CheckResult("imports", "ok", ", ".join(name.split(".")[0] for name in IMPORTED))]


def decoder() -> list[CheckResult]:
    """Writes a video of two pictures and reads it through `open_video`, as `mien analyze` does."""
    import av

    from mien import video

    remedy = 'pip install --force-reinstall "av>=15" (the wheel of PyPI carries FFmpeg)'
    grey = (60, 190)
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "two.mp4"
        try:
            _two_pictures(path, codec, grey)
            with video.open_video(path) as recording:
                frames = [(frame.time, float(frame.rgb.mean())) for frame in recording]
        except Exception as error:  # noqa: BLE001 - whatever breaks is the finding
            return [
                CheckResult(
                    "decoder", "failure", f"PyAV {av.__version__} cannot write and read a video: {_line(error)}", remedy
                )
            ]
    right = len(frames) == 2 and all(abs(level - mean) < 4 for level, (_, mean) in zip(grey, frames, strict=True))
    if not right or not np.allclose([time for time, _ in frames], [0, 0.04]):
        return [CheckResult("decoder", "failure", f"two {codec} pictures came back as {frames}", remedy)]
    text = f"PyAV {av.__version__}, FFmpeg {getattr(av, 'ffmpeg_version_info', '')}: {codec} written and read"
    missing = [name for name in CODECS if name not in av.codecs_available]
    if missing:
        return [CheckResult("decoder", "warning", f"{text}; cannot read {', '.join(missing)}", remedy)]
    return [CheckResult("decoder", "ok", text)]


def _two_pictures(path: Path, codec: str, grey: tuple[int, int]) -> None:
    import av

    with av.open(str(path), "w") as out:
        stream = cast("av.VideoStream", out.add_stream(codec, rate=25))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in grey:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), "rgb24")))
        out.mux(stream.encode())


def opencv() -> list[CheckResult]:
    """The headless OpenCV needs nothing of the system; one with windows, which another package brings, wants libGL."""
    try:
        cv2 = importlib.import_module("cv2")
    except Exception as error:  # noqa: BLE001 - whatever an import raises is the finding
        remedy = _library(str(error)) or "pip install --force-reinstall opencv-python-headless"
        return [CheckResult("OpenCV", "failure", _line(error), remedy)]
    return [CheckResult("OpenCV", "ok", f"{cv2.__version__}, imported with all its libraries")]


def detector() -> list[CheckResult]:
    """The default detector must find the face of a synthetic person. In a child process: it might die."""
    return [check_outcome(*isolated("from mien.cli.diagnostics.components import see_a_face; see_a_face()"))]


def see_a_face() -> None:
    """Draws synthetic person 0, looks for faces in the picture and writes what was found as JSON."""
    from mien.face.backend import OnnxFaceBackend
    from mien.face.region import Region
    from mien.simulation.actor import Actor
    from mien.simulation.identity import identity
    from mien.simulation.scene import Scene

    scene = Scene(actors=(Actor(identity(0)),), size=(640, 480), fps=30.0, seconds=1)
    frame = next(iter(scene.frames()))
    backend = OnnxFaceBackend()
    detections = backend.detect(frame.rgb)
    meshes = [backend.mesh(frame.rgb, Region.of_detection(each)) for each in detections]
    backend.close()
    score = max((each.score for each in detections), default=0.0)
    seen = {"faces": len(detections), "meshes": sum(mesh is not None for mesh in meshes), "score": score}
    sys.stdout.write(json.dumps(seen))


def check_outcome(code: int | None, out: str, error: str) -> CheckResult:
    """Exit status (None: no answer in time), standard output and standard error of `see_a_face` -> finding."""
    if code is None:
        return CheckResult("face detector", "warning", error, BUSY)
    reinstall = "pip install --force-reinstall onnxruntime mien"
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        old = "this CPU lacks an instruction of onnxruntime's wheel: use another machine"
        return CheckResult("face detector", "failure", f"died of {name}", old if name == "SIGILL" else reinstall)
    if code:
        last = [line for line in error.splitlines() if line.strip()][-1:] or [f"ended with {code}"]
        if ".ModelsMissing:" in last[0] or ".ModelsError:" in last[0]:
            from mien.face.weights.locate import remedy

            return CheckResult("face detector", "failure", last[0].split(": ", 1)[1].strip(), remedy())
        return CheckResult("face detector", "failure", last[0].strip(), _library(error) or reinstall)
    outcome = json.loads(out.strip().splitlines()[-1])
    if outcome["faces"] != 1 or outcome["meshes"] != 1:
        text = f"{outcome['faces']} faces, {outcome['meshes']} meshes in a picture of one synthetic person"
        return CheckResult("face detector", "failure", text, reinstall)
    return CheckResult("face detector", "ok",
                       f"found one synthetic person and their mesh, score {outcome['score']:.2f}")


def weights() -> list[CheckResult]:
    """List the weights of others in the hub's cache; the default analysis needs none of them."""
    hub = Path(os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME") or "~/.cache/huggingface") / "hub")
    folders = (each.name.removeprefix("models--").replace("--", "/") for each in hub.expanduser().glob("models--*"))
    others = ", ".join(sorted(folders)) or "none (the default needs none)"
    return [CheckResult("weights of others", "ok", f"in {hub}: {others}")]


def isolated(code: str, seconds: float = PATIENCE) -> tuple[int | None, str, str]:
    """Runs code in an interpreter of its own, for at most so many seconds.

    Args:
        code: Python.
        seconds: s.

    Returns:
        Exit status, or None where the process did not end in time; standard output; standard error.
    """
    quiet = {**os.environ, "GLOG_minloglevel": "2", "TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=seconds, env=quiet,
                              errors="replace")
    except subprocess.TimeoutExpired:
        return None, "", f"no answer in {seconds:g} s: the machine is slow or busy"
    return done.returncode, done.stdout, done.stderr


def _library(text: str) -> str:
    """An ImportError's text -> the command that brings the shared library it misses; empty where it misses none."""
    missing = re.search(r"(lib[\w.+-]+?\.so)[\w.]*: cannot open shared object file", text)
    if not missing:
        return ""
    library = missing.group(1)
    package = DEBIAN.get(library)
    if package is None:
        return f"install the system's package with {library} (Debian: apt-file search {library})"
    return f"apt-get update && apt-get install -y --no-install-recommends {package}"


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
