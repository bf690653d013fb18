"""The parts that an analysis is made of, each tried."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np

from .finding import Finding

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
    "libportaudio.so": "libportaudio2",
}
"""Shared libraries that OpenCV and mediapipe expect of the system -> Debian's and Ubuntu's package."""

IMPORTED = ("scipy.signal", "pandas", "pyarrow.parquet", "pydantic", "plotly.graph_objects", "joblib", "rich")
CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg", "ffv1", "gif")
MODELS = (
    "modules/face_detection/face_detection_full_range_sparse.tflite",
    "modules/face_landmark/face_landmark_with_attention.tflite",
)


def imports() -> list[Finding]:
    """Packages of fitting versions may still not fit each other, which shows when they are imported."""
    bad = []
    for name in IMPORTED:
        try:
            importlib.import_module(name)
        except Exception as error:
            remedy = _library(str(error)) or "pip install --force-reinstall mien: its versions fit each other"
            bad.append(Finding(f"import {name}", "failure", _line(error), remedy))
    return bad or [Finding("imports", "ok", ", ".join(name.split(".")[0] for name in IMPORTED))]


def decoder() -> list[Finding]:
    """Two pictures are encoded as h264 in memory and must come back."""
    import av

    remedy = 'pip install --force-reinstall "av>=14" (the wheel of PyPI carries FFmpeg)'
    buffer, grey = BytesIO(), (60, 190)
    with av.open(buffer, "w", format="mp4") as out:
        stream = out.add_stream("libx264" if "libx264" in av.codecs_available else "mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in grey:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), "rgb24")))
        out.mux(stream.encode())
        codec = stream.codec_context.name
    buffer.seek(0)
    with av.open(buffer, "r") as back:
        frames = [(frame.time, float(frame.to_ndarray(format="rgb24").mean())) for frame in back.decode(video=0)]
    right = len(frames) == 2 and all(abs(level - mean) < 4 for level, (_, mean) in zip(grey, frames, strict=True))
    if not right or not np.allclose([time for time, _ in frames], [0, 0.04]):
        return [Finding("decoder", "failure", f"two {codec} pictures came back as {frames}", remedy)]
    said = f"PyAV {av.__version__}, FFmpeg {getattr(av, 'ffmpeg_version_info', '')}: {codec} written and read"
    missing = [name for name in CODECS if name not in av.codecs_available]
    if missing:
        return [Finding("decoder", "warning", f"{said}; cannot read {', '.join(missing)}", remedy)]
    return [Finding("decoder", "ok", said)]


def opencv() -> list[Finding]:
    """mediapipe brings OpenCV with windows, which wants libGL of the system."""
    try:
        cv2 = importlib.import_module("cv2")
    except Exception as error:
        remedy = _library(str(error)) or "pip install --force-reinstall opencv-contrib-python"
        return [Finding("libGL", "failure", _line(error), remedy)]
    return [Finding("libGL", "ok", f"OpenCV {cv2.__version__} found the system's libraries")]


def detector() -> list[Finding]:
    """The default detector must find the face of a synthetic person. In a child process: it might die."""
    return [judge(*isolated("from mien.doctor.parts import see_a_face; see_a_face()"))]


def see_a_face() -> None:
    """Draws synthetic person 0, looks for faces in the picture and writes what was found as JSON."""
    from mien.face import MediapipeFinder, Region
    from mien.synthetic import Actor, Scene, identity

    scene = Scene(actors=(Actor(identity(0)),), size=(640, 480), fps=30.0, seconds=1)
    frame = next(iter(scene.frames()))
    finder = MediapipeFinder()
    found = finder.detect(frame.rgb)
    meshes = [finder.mesh(frame.rgb, Region.of_detection(each)) for each in found]
    finder.close()
    score = max((each.score for each in found), default=0.0)
    seen = {"faces": len(found), "meshes": sum(mesh is not None for mesh in meshes), "score": score}
    sys.stdout.write(json.dumps(seen))


def judge(code: int, out: str, error: str) -> Finding:
    """Exit status, standard output and standard error of `see_a_face` -> finding."""
    reinstall = 'pip install --force-reinstall "mediapipe>=0.10.14,<0.10.30" "numpy<2" "protobuf<5"'
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        old = "this CPU lacks an instruction of mediapipe's wheel: use another machine"
        return Finding("face detector", "failure", f"died of {name}", old if name == "SIGILL" else reinstall)
    if code:
        last = [line for line in error.splitlines() if line.strip()][-1:] or [f"ended with {code}"]
        return Finding("face detector", "failure", last[0].strip(), _library(error) or reinstall)
    found = json.loads(out.strip().splitlines()[-1])
    if found["faces"] != 1 or found["meshes"] != 1:
        said = f"{found['faces']} faces, {found['meshes']} meshes in a picture of one synthetic person"
        return Finding("face detector", "failure", said, reinstall)
    return Finding("face detector", "ok", f"found one synthetic person and their mesh, score {found['score']:.2f}")


def weights() -> list[Finding]:
    """The default needs none but mediapipe's own; others are listed, not loaded."""
    spec = importlib.util.find_spec("mediapipe")
    folder = Path(spec.origin).parent if spec and spec.origin else None
    missing = [name for name in MODELS if folder is None or not (folder / name).is_file()]
    names = ", ".join(os.path.basename(name) for name in missing or MODELS)
    found = Finding("weights of the default", "ok", f"{names}, in mediapipe's wheel; no download is needed")
    if missing:
        found = Finding("weights of the default", "failure", f"mediapipe lacks {names}",
                        'pip install "mediapipe>=0.10.14,<0.10.30", the last line with its models inside')
    hub = Path(os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME") or "~/.cache/huggingface") / "hub")
    folders = (each.name.removeprefix("models--").replace("--", "/") for each in hub.expanduser().glob("models--*"))
    others = ", ".join(sorted(folders)) or "none (the default needs none)"
    return [found, Finding("weights of others", "ok", f"in {hub}: {others}")]


def isolated(code: str, seconds: float = 60.0) -> tuple[int, str, str]:
    """Runs code in an interpreter of its own -> exit status, standard output, standard error."""
    quiet = {**os.environ, "GLOG_minloglevel": "2", "TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=seconds, env=quiet,
                              errors="replace")
    except subprocess.TimeoutExpired:
        return 1, "", f"no answer in {seconds:g} s"
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
