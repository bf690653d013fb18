"""Draw the two pictures of docs/architecture.md: `python tools/draw_architecture.py`.

The floors come from the contract in .importlinter, so the picture shows what the linter enforces. Each package's
line of text is the first sentence of its docstring, which therefore has to fit into two lines of the box.
"""

from __future__ import annotations

import ast
import configparser
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
WIDTH, MARGIN, FLOOR, GAP = 1080, 20, 62, 10
STYLE = """<style>
text { font-family: system-ui, sans-serif; fill: #1f2933 }
.name { font-size: 15px; font-weight: 600 }
.text { font-size: 11.5px; fill: #52606d }
.level { font-size: 12px; fill: #7b8794 }
rect { fill: #eef4fb; stroke: #9fb3c8 }
.step { fill: #f3f0e8; stroke: #c9b88a }
path { stroke: #7b8794; fill: none; marker-end: url(#head) }
</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 0L8 4L0 8z" style="fill:#7b8794;stroke:none"/></marker></defs>"""

STEPS = {
    "A frame, live or from a file": [
        ("frame", "mien.video", "RGB, time in s"),
        ("observation", "mien.face", "track id, landmarks, skin colour, action units, pose"),
        ("window", "mien.face", "the last seconds of one person"),
        ("batch", "mien.preprocessing", "tensors, as the model's requirements say"),
        ("prediction", "mien.inference", "probabilities, heart rate, or the reason why not"),
        ("timeline", "mien.reporting", "tables, report, overlay, text for a language model"),
    ],
    "A training clip": [
        ("trial", "mien.datasets", "one video with its labels, as the dataset stores it"),
        ("cache", "mien.preprocessing", "the same observations, written once"),
        ("fold", "mien.datasets", "train, validation and test subjects"),
        ("batch", "mien.preprocessing", "the same tensors as in inference"),
        ("loss", "mien.models", "one file or folder a paper"),
        ("checkpoint", "mien.checkpoints", "trained weights and a card"),
    ],
}


def floors() -> list[list[str]]:
    """Packages by floor, the highest first, from the layers contract of import-linter."""
    config = configparser.ConfigParser()
    config.read(ROOT / ".importlinter", encoding="utf-8")
    layers = config["importlinter:contract:floors"]["layers"].split("\n")
    return [[room.strip() for room in layer.split("|")] for layer in layers if layer.strip()]


def purpose(room: str) -> str:
    """The first sentence of a package's docstring."""
    module = ast.parse((ROOT / "src" / "mien" / room / "__init__.py").read_text(encoding="utf-8"))
    text = (ast.get_docstring(module) or "").split("\n\n")[0].replace("\n", " ")
    return text.split(". ")[0].rstrip(".").replace("`", "")


def box(x: float, y: float, width: float, height: float, name: str, lines: list[str], kind: str = "") -> str:
    """A rectangle with a name and small lines under it."""
    parts = [f'<rect class="{kind}" x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}" rx="6"/>',
             f'<text class="name" x="{x + 10:.0f}" y="{y + 20:.0f}">{escape(name)}</text>']
    for number, line in enumerate(lines):
        parts.append(f'<text class="text" x="{x + 10:.0f}" y="{y + 37 + 14 * number:.0f}">{escape(line)}</text>')
    return "\n".join(parts)


def wrap(text: str, characters: int, most: int) -> list[str]:
    """Lines of at most so many characters. Raises ValueError if the text needs more than `most` lines."""
    lines: list[str] = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) + 1 > characters and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    if len(lines) > most:
        raise ValueError(f"expected a text for {most} lines of {characters} characters, got {text!r}: shorten it")
    return lines


def svg(height: float, parts: list[str]) -> str:
    """A whole picture."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}">'
    return "\n".join([head, STYLE, *parts, "</svg>", ""])


def draw_rooms() -> str:
    """One row of boxes a floor; a package imports only from the floors below its own."""
    parts, y = [], MARGIN
    levels = floors()
    for number, rooms in enumerate(levels):
        width = (WIDTH - 2 * MARGIN - 40 - GAP * (len(rooms) - 1)) / len(rooms)
        parts.append(f'<text class="level" x="{MARGIN}" y="{y + 34}">{len(levels) - 1 - number}</text>')
        for place, room in enumerate(rooms):
            lines = wrap(purpose(room), int(width / 6.1) - 3, 2)
            parts.append(box(MARGIN + 40 + place * (width + GAP), y, width, FLOOR, f"mien.{room}", lines))
        y += FLOOR + GAP
    return svg(y + MARGIN - GAP, parts)


def draw_ways() -> str:
    """The way of a frame and of a training clip, left to right."""
    parts, y = [], MARGIN
    for title, steps in STEPS.items():
        parts.append(f'<text class="name" x="{MARGIN}" y="{y + 14}">{escape(title)}</text>')
        y += 26
        width = (WIDTH - 2 * MARGIN - 24 * (len(steps) - 1)) / len(steps)
        for place, (name, room, text) in enumerate(steps):
            x = MARGIN + place * (width + 24)
            parts.append(box(x, y, width, 96, name, [room, *wrap(text, int(width / 6.1) - 3, 3)], "step"))
            if place:
                parts.append(f'<path d="M{x - 22:.0f} {y + 48} H{x - 3:.0f}"/>')
        y += 96 + 24
    return svg(y, parts)


def main() -> None:
    """Write both pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name, drawing in (("rooms", draw_rooms()), ("ways", draw_ways())):
        (PICTURES / f"{name}.svg").write_text(drawing, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
