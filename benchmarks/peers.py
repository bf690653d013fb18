"""Heart rates of other programs and of mien on the same videos, offline.

    python benchmarks/peers.py make FOLDER          # with mien: three videos with a planted pulse, two without a pulse
    python benchmarks/peers.py run VIDEO ...       # in each program's own environment: a line for each method and video

`run` uses what is installed in its Python: mien; open-rppg (pip install open-rppg), whose weights lie in its
package; vitallens (pip install vitallens), of whose methods POS, CHROM and G run without a key. Programs that fetch
their weights at the first call (py-feat, deepface, libreface) are not run. `make` animates a
photograph (scikit-image's astronaut, one woman): the pulse is planted into the skin's colour, so its rate is known. A
video is named after it: planted-72.avi. Times are CPU seconds of the whole call, decoding and face detection included.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

RATES = (58.0, 72.0, 96.0)
SECONDS, FPS = 20.0, 30.0
OPEN_RPPG = ("FacePhys.rlap", "PhysNet.rlap")
"""The default model of open-rppg, and a widely used one."""

Estimate = tuple[float | None, str]
"""A heart rate in bpm, and the program's own quality or reason."""


def make(folder: Path) -> None:
    """Write the videos."""
    from mien import simulation

    folder.mkdir(parents=True, exist_ok=True)
    for rate in RATES:
        video = simulation.portrait(pulse=simulation.Pulse(rate, 0.012), respiration=None, seconds=SECONDS, fps=FPS,
                                    size=(640, 480), sway=2.0, noise=1.0)
        simulation.write_video(video, folder / f"planted-{rate:.0f}.avi", codec="mjpeg", crf=None)
    for sway in (0.0, 2.0):
        video = simulation.portrait(pulse=None, respiration=None, seconds=SECONDS, fps=FPS, size=(640, 480), sway=sway,
                                    noise=1.0)
        simulation.write_video(video, folder / f"no-pulse-sway-{sway:.0f}.avi", codec="mjpeg", crf=None)


def mien_rate(path: Path) -> Estimate:
    """The heart rate of the person who is seen most."""
    import mien

    faces = mien.analyze(path).faces
    if not faces:
        return None, "no face"
    rate = max(faces, key=lambda face: face.coverage).heart_rate
    return rate.value, rate.reason or f"{rate.quality:.2f}"


def open_rppg_rate(path: Path, model: str) -> Estimate:
    """The heart rate by a model of open-rppg."""
    import rppg

    result = rppg.Model(model).process_video(str(path))
    if not result or result["hr"] is None:
        return None, "none"
    return float(result["hr"]), f"{result['SQI']:.2f}"


def vitallens_rate(path: Path, method: str) -> Estimate:
    """The heart rate by a local method of vitallens."""
    from vitallens import VitalLens

    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        faces = VitalLens(method=method, export_to_json=False, export_dir=folder)(str(path))
    if not faces:
        return None, "no face"
    rate = faces[0]["vitals"].get("heart_rate")
    if rate is None or rate["value"] is None:
        return None, "none"
    return float(rate["value"]), f"{float(rate['confidence']):.2f}"


def methods() -> Iterator[tuple[str, str, Callable[[Path], Estimate]]]:
    """Program with its version, method and function of what is installed here."""
    if importlib.util.find_spec("mien"):
        yield f"mien {version('mien')}", "default", mien_rate
    if importlib.util.find_spec("rppg"):
        for model in OPEN_RPPG:
            yield f"open-rppg {version('open-rppg')}", model, lambda path, model=model: open_rppg_rate(path, model)
    if importlib.util.find_spec("vitallens"):
        for method in ("pos", "chrom", "g"):
            yield (f"vitallens {version('vitallens')}", method,
                   lambda path, method=method: vitallens_rate(path, method))


def run(paths: list[Path]) -> None:
    """Print a Markdown table."""
    print("| video | planted | program | method | bpm | its quality or reason | CPU s |\n|---|---|---|---|---|---|---|",
          flush=True)
    for path in paths:
        planted = re.search(r"planted-(\d+)", path.stem)
        truth = planted[1] if planted else "none" if path.stem.startswith("no-pulse") else "unknown"
        for program, method, estimate in methods():
            begin = time.process_time()
            rate, quality = estimate(path)
            spent = time.process_time() - begin
            shown = "none" if rate is None else f"{rate:.1f}"
            print(f"| {path.stem} | {truth} | {program} | {method} | {shown} | {quality} | {spent:.1f} |", flush=True)


def main() -> None:
    """Parse the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "run"))
    parser.add_argument("paths", nargs="+", type=Path)
    given = parser.parse_args()
    if given.what == "make":
        make(given.paths[0])
    else:
        run(given.paths)


if __name__ == "__main__":
    main()
