"""Make the pictures of the tutorials from their own code: `python tools/draw_tutorials.py [--only NAME]`.

    docs/pictures/tutorial_pulse.webp       the pulse in the report of the tutorial's video
    docs/pictures/tutorial_own_clips.webp   the six clips, at their strongest
    docs/pictures/tutorial_dataset.webp     clips of the lookalike
    docs/pictures/tutorial_robot.webp       the visitor before and after the smile, with the sentence of that moment

Every person is rendered. The pulse's picture needs Chromium (Debian: apt install chromium).
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from draw_readme import PICTURES, ROOT, browser_page, save
from PIL import Image, ImageDraw, ImageFont

CELL = (300, 225)
"""Size of a picture in a contact sheet, in px."""

TEXT = 30
"""Height of the line of text below a picture, in px."""


def code(name: str) -> str:
    """The first Python block of a tutorial."""
    page = (ROOT / "docs" / "tutorials" / f"{name}.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]


def mien(*arguments: str) -> None:
    """Run a command of mien."""
    subprocess.run([sys.executable, "-m", "mien.cli", *arguments], check=True)


def frame_at(video_file: Path, seconds: float) -> np.ndarray:
    """The first frame at or after a time, the last one of a shorter video."""
    from mien import video

    with video.open_video(video_file) as frames:
        for frame in frames:
            if frame.time >= seconds:
                break
    return frame.rgb


def sheet(pictures: Sequence[np.ndarray], texts: Sequence[str], name: str, columns: int) -> None:
    """Save pictures in rows, each with a line of text below."""
    width, height = CELL
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (columns * width, rows * (height + TEXT)), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(15)
    for i, (rgb, text) in enumerate(zip(pictures, texts, strict=True)):
        left, top = i % columns * width, i // columns * (height + TEXT)
        picture = Image.fromarray(rgb)
        picture.thumbnail((width - 6, height - 4))
        page.paste(picture, (left, top))
        draw.text((left + 2, top + picture.height + 4), text, "black", font)
    page.save(PICTURES / name, quality=80, method=6)


def pulse() -> None:
    """The figures of the pulse in the report."""
    exec(code("pulse"), {})
    mien("analyze", "me.mp4", "--pulse-only", "--out", "results", "--quiet")
    with browser_page(1000, 900) as page:
        page.goto(Path("results/me.mp4/report.html").absolute().as_uri())
        figure = page.locator("figure:has([data-chart=image])")
        figure.locator(".main-svg").first.wait_for(timeout=60_000)
        page.wait_for_timeout(500)
        save(figure.screenshot(), "tutorial_pulse.webp")


def own_clips() -> None:
    """The six clips."""
    exec(code("own_clips"), {})
    clips = sorted(Path("clips").glob("*.mp4"))
    sheet([frame_at(clip, 0.5) for clip in clips], [clip.name for clip in clips], "tutorial_own_clips.webp", 3)


def dataset() -> None:
    """Six clips of the lookalike."""
    mien("data", "fake", "ferv39k", "playground", "--size", "14", "--quiet")
    pictures, texts = [], []
    folders = sorted({path.parent for path in Path("playground").rglob("*.jpg")})
    for folder in folders[:: max(len(folders) // 6, 1)][:6]:
        frames = sorted(folder.glob("*.jpg"))
        pictures.append(np.asarray(Image.open(frames[len(frames) // 2]).convert("RGB")))
        texts.append("/".join(folder.parts[-3:]))
    sheet(pictures, texts, "tutorial_dataset.webp", 3)


def robot() -> None:
    """Two moments of the visitor, each with the sentence of a live session."""
    from mien import video
    from mien.core.settings import Settings
    from mien.inference.live.session import LiveSession

    exec(code("robot"), {})
    moments: dict[float, tuple[np.ndarray, str]] = {}
    session, text = LiveSession(Settings(pictures=False)), ""
    with video.open_video("visitor.mp4") as frames:
        for frame in frames:
            for event in session.push(frame):
                text = event.text
            for second in (3.5, 7.5):
                if frame.time <= second:
                    moments[second] = (frame.rgb, text)
    session.close()
    sheet([rgb for rgb, _ in moments.values()], [text.partition(";")[0] for _, text in moments.values()],
          "tutorial_robot.webp", 2)


DRAWN: dict[str, Callable[[], None]] = {"pulse": pulse, "own_clips": own_clips, "dataset": dataset, "robot": robot}


def main() -> None:
    """Draw all pictures, or one, in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=DRAWN)
    chosen = parser.parse_args().only
    for name, draw in DRAWN.items():
        if chosen in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                os.chdir(folder)
                draw()


if __name__ == "__main__":
    main()
