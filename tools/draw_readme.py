"""Make the pictures of the README: `python tools/draw_readme.py [--keep FOLDER]`.

    docs/pictures/live.webp     10 s of a synthetic person with the estimates drawn in, as `mien analyze --overlay` does
    docs/pictures/report.webp   the report of that recording
    docs/pictures/page.webp     the live page while it watches that recording
    docs/pictures/study.webp    the page of a study of simulated people

Every person is rendered: no picture shows a real one. It needs `pip install "mien[serve,test]"` and Chromium (Debian:
apt install chromium). `--keep` keeps the video and the results, and uses them again if they are there.
"""

from __future__ import annotations

import argparse
import io
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

if TYPE_CHECKING:
    from mien.simulation.scene import Scene

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
LENGTH, FPS = 18.0, 15.0
PLAN = (("happy", 9.5, 12.5), ("surprise", 14.0, 16.5))
"""Length in s and frame rate of the recording, and its expressions: name, start and end in s."""

FROM, SECONDS, RATE = 7.5, 10.0, 7.5
"""Start and length in s of the animation, and its pictures a second."""

WIDTH = 480
"""Width of the animation in px."""


def scene() -> Scene:
    """A synthetic person who smiles, then is surprised, with a pulse of 84 bpm."""
    from mien import simulation
    from mien.simulation.scene import Scene

    times = np.arange(round(LENGTH * FPS)) / FPS
    curves: dict[str, np.ndarray] = {}
    for name, start, end in PLAN:
        shape = np.clip(np.minimum(times - start, end - times) / 0.6, 0, 1)
        for unit, strength in simulation.expression(name, 4.0).items():
            curves[unit] = np.maximum(curves.get(unit, 0.0), strength * shape)
    person = simulation.Actor(simulation.identity(3), aus=curves, pulse=simulation.Pulse(84.0, 0.012),
                              blinks=simulation.Blinks(), sway=0.7)
    return Scene((person,), size=(480, 360), fps=FPS, seconds=LENGTH, coarse=2)


def recording(folder: Path) -> Path:
    """The synthetic person, analysed."""
    from mien import simulation

    video = folder / "person.mp4"
    if not video.exists():
        simulation.write_video(scene(), video)
    if not (folder / "results/manifest.json").exists():
        subprocess.run([sys.executable, "-m", "mien.cli", "analyze", video.name, "--out", "results", "--overlay"],
                       cwd=folder, check=True)
    return folder / "results" / video.name


def animation(overlay: Path) -> None:
    """Write the animation from the annotated video."""
    from mien import video

    pictures = []
    with video.open_video(overlay) as frames:
        for frame in frames:
            if FROM + len(pictures) / RATE <= frame.time < FROM + SECONDS:
                height = round(frame.rgb.shape[0] * WIDTH / frame.rgb.shape[1])
                pictures.append(Image.fromarray(frame.rgb).resize((WIDTH, height), Image.Resampling.LANCZOS))
    pictures[0].save(PICTURES / "live.webp", save_all=True, append_images=pictures[1:], duration=round(1000 / RATE),
                     loop=0, quality=55, method=6)


@contextmanager
def browser_page(width: int, height: int) -> Iterator[Page]:
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=shutil.which("chromium"))
        yield browser.new_page(viewport={"width": width, "height": height})
        browser.close()


def save(shot: bytes, name: str) -> None:
    Image.open(io.BytesIO(shot)).convert("RGB").save(PICTURES / name, quality=80, method=6)


def file_picture(page: Path, name: str, height: int) -> None:
    """The upper part of a page on disk."""
    with browser_page(1200, height) as shown:
        shown.goto(page.absolute().as_uri())
        shown.wait_for_timeout(3000)
        save(shown.screenshot(), name)


def live_page(video: Path) -> None:
    """The page of `mien serve` while it watches the video."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "mien.cli", "serve", "--port", str(port)])
    try:
        for _ in range(240):
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.5)
        with browser_page(1200, 1000) as shown:
            shown.goto(f"http://127.0.0.1:{port}/")
            shown.set_input_files("#watch", video)
            shown.wait_for_timeout(17_000)
            save(shown.screenshot(), "page.webp")
    finally:
        server.terminate()
        server.wait()


def study(folder: Path) -> Path:
    """The page of a study of twelve simulated people; film adds 0.5 to the smile."""
    sys.path.insert(0, str(ROOT / "examples"))
    import simulated_study

    simulated_study.main(["--out", str(folder / "study")])
    return folder / "study" / "study.html"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--only", choices=("live", "report", "page", "study"))
    options = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if options.only in (None, "study"):
            file_picture(study(folder), "study.webp", 1100)
        if options.only == "study":
            return
        results = recording(folder)
        if options.only in (None, "live"):
            animation(results / "overlay.mp4")
        if options.only in (None, "report"):
            file_picture(results / "report.html", "report.webp", 1500)
        if options.only in (None, "page"):
            live_page(folder / "person.mp4")


if __name__ == "__main__":
    main()
