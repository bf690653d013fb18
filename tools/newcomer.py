"""Follow the README in a fresh clone, as a newcomer would, and time three tasks; each must end within ten minutes.

    python tools/newcomer.py [--python PYTHON]

The commands are the README's own lines; where a line names a file or an address of the reader, that one is put in. The
recordings are rendered people, and the language model is a small server that answers with one word. Without `--python`
an environment is made and the clone installed into it with pip, and the time for that is printed, too.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 600.0
"""s that a task may take."""

RENDER = """
from mien import simulation
for person in range(4):
    portrait = simulation.portrait(pulse=simulation.Pulse(60.0 + 8 * person, 0.015), respiration=None, seconds=40.0,
                                   fps=15.0, size=(320, 240), noise=1.0, sway=0.3)
    simulation.write_video(portrait, f"recordings/P{person + 1}.avi", codec="mjpeg", crf=None)
"""
EVENTS = "start,end,condition\n0,20,rest\n20,40,film\n"


class Newcomer:
    """Runs lines of the README in an empty folder.

    Args:
        clone: The fresh clone.
        python: The Python of the environment.
        folder: The folder to work in.
    """

    def __init__(self, clone: Path, python: str, folder: Path) -> None:
        self.lines = [line.partition("  #")[0].strip()
                      for block in (clone / "README.md").read_text(encoding="utf-8").split("```")[1::2]
                      for line in block.splitlines()]
        self.python, self.folder = python, folder
        self.environment = {**os.environ, "PYTHONPATH": str(clone / "src"), "HF_HUB_OFFLINE": "1"}

    def command(self, beginning: str, **replacements: str) -> list[str]:
        """The README's line with this beginning as a command. `own` are texts of it and what the reader has instead."""
        result = [line for line in self.lines if line.startswith(beginning)]
        if not result:
            raise SystemExit(f"newcomer: expected a line of the README that begins with {beginning!r}, got none")
        line = result[0]
        for text, mine in replacements.items():
            if text not in line:
                raise SystemExit(f"newcomer: expected {text!r} in the line {line!r} of the README")
            line = line.replace(text, mine)
        program, *arguments = shlex.split(line)
        return {"mien": [self.python, "-m", "mien.cli"], "python": [self.python]}[program] + arguments

    def run(self, command: list[str]) -> None:
        """Run a command in the folder; the program ends with its output where it fails."""
        print("  $", shlex.join(command[1:]))
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True,
                              check=False)
        if done.returncode:
            raise SystemExit(f"newcomer: expected {shlex.join(command)} to end with 0, got {done.returncode}:\n"
                             f"{done.stdout[-2000:]}{done.stderr[-4000:]}")

    def expect(self, name: str) -> None:
        """A file that the task must have made."""
        if not (self.folder / name).is_file():
            raise SystemExit(f"newcomer: expected {name}, got none")


def study(who: Newcomer) -> None:
    """A folder of recordings becomes the page of a study."""
    who.run(who.command("mien analyze recordings"))
    who.run(who.command("mien study recordings", **{"study recordings": "study results"}))
    who.expect("study/study.html")
    who.expect("study/comparisons.csv")


def training(who: Newcomer) -> None:
    """A fold is trained, then judged, on a lookalike."""
    who.run(who.command("mien data fake dfew"))
    who.run(who.command("mien data check dfew"))
    who.run(who.command("mien train duse/dfew"))
    bench = who.command("mien bench duse/dfew", **{"/path/to/DFEW-part2": "playground"})
    who.run([*bench, "--folds", "1", "--tiny", "--out", "judged"])
    who.expect("judged/table.md")


class Model(BaseHTTPRequestHandler):
    """A language model that answers with one word and keeps what it was told."""

    requests: ClassVar[list[dict]] = []

    def do_POST(self) -> None:
        """Answer a chat."""
        self.requests.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        answer = json.dumps({"choices": [{"message": {"role": "assistant", "content": "Hello."}}]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def language_model(who: Newcomer) -> None:
    """A language model is told what a camera sees."""
    model = HTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=model.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{model.server_port}/v1"
    serve = who.command("mien serve", **{"http://127.0.0.1:11434/v1": address})
    with server([*serve, "--port", "0", "--source", "recordings/P1.avi"], who) as page:
        until = time.monotonic() + LIMIT
        while time.monotonic() < until:
            body = json.dumps({"model": "any", "messages": [{"role": "user", "content": "Hello"}]}).encode()
            request = urllib.request.Request(f"{page}v1/chat/completions", body, {"content-type": "application/json"})
            with urllib.request.urlopen(request, timeout=60) as response:
                response.read()
            messages = Model.requests[-1]["messages"]
            if messages[0]["role"] == "system" and "The person" in messages[0]["content"]:
                print("  told:", messages[0]["content"].splitlines()[1])
                return
            time.sleep(0.5)
    raise SystemExit("newcomer: expected the language model to be told about the person, got nothing")


@contextmanager
def server(command: list[str], who: Newcomer) -> Iterator[str]:
    """`mien serve` while the block lasts -> its address, which it prints."""
    print("  $", shlex.join(command[1:]))
    with subprocess.Popen(command, cwd=who.folder, env=who.environment, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if "http://" in line:
                threading.Thread(target=running.stderr.read, daemon=True).start()
                yield next(word for word in line.split() if word.startswith("http://"))
                running.terminate()
                return
        raise SystemExit("newcomer: expected mien serve to say its address, got an end")


TASKS: dict[str, Callable[[Newcomer], None]] = {
    "a folder to a study page": study,
    "a fold trained and evaluated on a lookalike": training,
    "a language model told what a camera sees": language_model,
}


def environment(clone: Path) -> str:
    """A new environment with mien -> its Python."""
    subprocess.run([sys.executable, "-m", "venv", clone / ".venv"], check=True)
    python = str(clone / ".venv" / ("Scripts" if os.name == "nt" else "bin") / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "-c", clone / "constraints.txt",
                    f"{clone}[demo,models,data,serve,study]"], check=True)
    return python


def main() -> None:
    """Print a line for each task with its time; end with 1 where one took too long."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", help="the Python of an environment that has what mien needs")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        clone, folder = Path(place) / "mien", Path(place) / "work"
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", ROOT.as_uri(), clone], check=True)
        started = time.monotonic()
        who = Newcomer(clone, given.python or environment(clone), folder)
        print(f"environment: {time.monotonic() - started:.0f} s")
        (folder / "recordings").mkdir(parents=True)
        (folder / "events.csv").write_text(EVENTS, encoding="utf-8")
        subprocess.run([who.python, "-c", RENDER], cwd=folder, env=who.environment, check=True)
        later = False
        for name, task in TASKS.items():
            started = time.monotonic()
            print(f"{name}:")
            task(who)
            spent = time.monotonic() - started
            later |= spent > LIMIT
            print(f"  {spent:.0f} s")
    sys.exit(later)


if __name__ == "__main__":
    main()
