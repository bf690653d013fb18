"""Commands that are killed, or whose disk fills up or becomes read-only, at random moments: is the result the same?

    python benchmarks/reliability.py --part kill --count 20 --work WORK [--only analyze,export]
    python benchmarks/reliability.py --part disk --count 20 --work WORK      # Linux, as root: it mounts a small tmpfs
    python benchmarks/reliability.py --part twice --count 1 --work WORK

WORK keeps the small data and the results without a fault, so that another run goes on from there. `kill` sends SIGKILL
at a random moment of each run, within the time that the command needs undisturbed, then runs the same command again,
and so on until there were COUNT kills; whenever a run ends by itself, its result is compared and the folder is emptied.
After every kill each file under its final name must be whole. `disk` gives the command a disk of a random size, or
makes it read-only at a random moment: it must succeed or end with one line, and the same command must give the same
result when the disk is large enough. `twice` starts the same command two times at once in one folder: each must succeed
or be refused in one line, and the result must be that of one run.

The commands, and their worker processes, are forks of a process that has imported all packages (Linux and macOS). A run
then has little but its own work, and the random moments fall into it instead of into 5 to 10 s of imports.
"""

from __future__ import annotations

import argparse
import atexit
import hashlib
import importlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from joblib.externals.loky.backend import context as loky
from safetensors import safe_open

from mien import simulation
from mien.cli import main
from mien.core.parquet import read_parquet
from mien.simulation.video_file import write_video

CEILING = 1800.0  # s, for one run
PRELOADED = ["torch", "lightning_fabric", "mien.cli.demo", "mien.cli.train", "mien.training",
             "mien.evaluation.ablation", "mien.evaluation.cross_validation", "mien.preprocessing.build_cache",
             "mien.inference.batch", "mien.export.export_checkpoint", "mien.reporting.html", "mien.checkpoints.load"]
RESULTS = (".parquet", ".npy", ".safetensors", ".onnx", ".csv")
WITH_TIMES = ("log.csv", "manifest.csv", "table.csv")
"""Files of results that hold wall times."""


@dataclass(frozen=True)
class Command:
    """Arguments of `mien`, with {work} and {out}; `data` names what must be made before, in this order."""

    arguments: str
    data: tuple[str, ...] = ()


MAKE = {
    "dfew": "data fake dfew {work}/dfew --size 14",
    "cache": "data prepare dfew {work}/dfew --out {work}/cache --size 64 --rate 2",
    "deap": "data fake deap {work}/deap --size 4",
    "amigos": "data fake amigos {work}/amigos --size 4",
    "deap-cache": "data prepare deap {work}/deap --out {work}/deap-cache",
    "amigos-cache": "data prepare amigos {work}/amigos --out {work}/amigos-cache",
    "run": "train duse/dfew --data {work}/dfew --cache {work}/cache --tiny --out {work}/run",
}

COMMANDS = {
    "analyze --workers 2": Command("analyze {work}/videos --workers 2 --out {out}", ("videos",)),
    "data prepare": Command("data prepare dfew {work}/dfew --out {out} --size 64 --rate 2", ("dfew",)),
    "train duse": Command("train duse/dfew --data {work}/dfew --cache {work}/cache --tiny --out {out}",
                          ("dfew", "cache")),
    "train scpt": Command("train scpt/deap-arousal --data {work}/deap --cache {work}/deap-cache --tiny --out {out}",
                          ("deap", "deap-cache")),
    "train mvp": Command("train mvp/amigos-valence --data {work}/amigos --cache {work}/amigos-cache --tiny --out {out}",
                         ("amigos", "amigos-cache")),
    "bench": Command("bench duse/dfew --data {work}/dfew --cache {work}/cache --folds 1 --tiny --out {out}",
                     ("dfew", "cache")),
    "ablate --parallel 2": Command("ablate duse/table3 --data {work}/dfew --cache {work}/cache --rows 1,2 --folds 1 "
                                   "--parallel 2 --tiny --out {out}", ("dfew", "cache")),
    "export": Command("export {work}/run/chosen --to onnx --out {out}", ("dfew", "cache", "run")),
}


class Run:
    """A running command of `mien`, in a fork of this process.

    Args:
        arguments: As in `Command`.
        work: Replaces {work} in them.
        out: Replaces {out} in them.
    """

    def __init__(self, arguments: str, work: Path, out: Path) -> None:
        words = [word.format(work=work, out=out) for word in arguments.split()]
        handle, name = tempfile.mkstemp(suffix=".txt")
        self._output = Path(name)
        self.status: int | None = None
        self._process = os.fork()
        if not self._process:
            _mien([*words, "-q"], handle)
        os.close(handle)

    def ended(self) -> bool:
        """Whether the command has ended; `status` is then its exit status, or a negative signal."""
        if self.status is None:
            process, status = os.waitpid(self._process, os.WNOHANG)
            if process:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def wait(self, seconds: float = CEILING) -> str:
        """Wait for the end of the command and return what it printed. Raises TimeoutError if it still runs."""
        end = time.monotonic() + seconds
        while not self.ended():
            if time.monotonic() > end:
                raise TimeoutError
            time.sleep(0.005)
        output = self._output.read_text(encoding="utf-8")
        self._output.unlink()
        return output

    def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        os.kill(self._process, signal.SIGKILL)
        self.wait()


def _mien(words: list[str], output: int) -> NoReturn:
    """The child: run `mien` with these arguments, with both outputs into a file, and end as Python does."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.argv, status = ["mien", *words], 1
    try:
        main()
        status = 0
    except SystemExit as error:
        status = int(error.code or 0)
    except BaseException:
        traceback.print_exc()
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(status)


def make(name: str, work: Path) -> None:
    """Make the data of this name, once; a mark says that it is complete."""
    mark = work / f"{name}.made"
    if mark.exists():
        return
    shutil.rmtree(work / name, ignore_errors=True)
    if name == "videos":
        (work / name).mkdir(parents=True)
        for number in range(4):
            scene = simulation.Scene((simulation.Actor(simulation.identity(number)),), (160, 120), fps=10, seconds=3)
            write_video(scene, work / name / f"{number}.mp4")
    else:
        output = Run(MAKE[name], work, work).wait()
        if not (work / name).is_dir():
            raise SystemExit(f"{name}: {output}")
    mark.touch()


def result(out: Path) -> dict[str, str]:
    """Digest of every file of results, by its path."""
    files = [path for path in sorted(out.rglob("*")) if path.suffix in RESULTS and path.name not in WITH_TIMES
             and not any(part.startswith(".") for part in path.relative_to(out).parts)]
    return {path.relative_to(out).as_posix(): hashlib.sha256(_content(path)).hexdigest() for path in files}


def _content(path: Path) -> bytes:
    """The bytes of a file; of safetensors the tensors by name, since the order in its header is arbitrary."""
    if path.suffix != ".safetensors":
        return path.read_bytes()
    with safe_open(path, framework="np") as file:
        return b"".join(name.encode() + file.get_tensor(name).tobytes() for name in sorted(file.keys()))


def expect_whole(out: Path) -> None:
    """Open every file that has its final name. Whatever a reader raises ends the benchmark."""
    for path in out.rglob("*"):
        if any(part.startswith(".") for part in path.relative_to(out).parts):
            continue
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".parquet":
            read_parquet(path)
        elif path.suffix == ".npy":
            np.load(path)
        elif path.suffix == ".safetensors":
            with safe_open(path, framework="np"):
                pass


def reference(name: str, command: Command, work: Path) -> tuple[dict[str, str], float]:
    """The result without a fault, and how long it took in s; from an earlier run where it exists."""
    stored = work / f"{name.split()[0]}-{name.split()[-1]}.reference.json"
    if not stored.exists():
        out = work / "out"
        shutil.rmtree(out, ignore_errors=True)
        began = time.perf_counter()
        output = Run(command.arguments, work, out).wait()
        seconds = time.perf_counter() - began
        digests = result(out)
        if not digests:
            raise SystemExit(f"{name}: {output}")
        stored.write_text(json.dumps([digests, seconds]))
        shutil.rmtree(out)
    return tuple(json.loads(stored.read_text()))


def kill(name: str, command: Command, work: Path, count: int, rng: random.Random) -> bool:
    expected, seconds = reference(name, command, work)
    out, kills, ended, same = work / "out", 0, 0, 0
    shutil.rmtree(out, ignore_errors=True)
    began = time.perf_counter()
    while kills < count or not ended or out.exists():
        run = Run(command.arguments, work, out)
        limit = rng.uniform(0.1, seconds) if kills < count else CEILING
        try:
            run.wait(limit)
        except TimeoutError:
            run.kill()
            kills += 1
            time.sleep(1.5)  # its workers end within 1 s
            expect_whole(out)
            continue
        ended += 1
        same += result(out) == expected
        shutil.rmtree(out, ignore_errors=True)
    print(f"| {name} | {kills} | {ended} | {same} | {seconds:.0f} | {time.perf_counter() - began:.0f} |", flush=True)
    return same == ended


def disk(name: str, command: Command, work: Path, count: int, rng: random.Random) -> bool:
    expected, seconds = reference(name, command, work)
    mount, reported, same, harmless = work / "disk", 0, 0, 0
    mount.mkdir(exist_ok=True)
    began = time.perf_counter()
    for number in range(count):
        full = number % 2 == 0
        size = rng.randrange(4096, 1 << rng.randrange(14, 22)) if full else 2**30
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", mount], check=True)
        try:
            run = Run(command.arguments, work, mount / "out")
            if not full:
                _read_only(run, mount, rng.uniform(0.1, seconds))
            output = run.wait()
            harmless += run.status == 0
            lines = output.strip().splitlines()
            named = bool(lines) and "Traceback" not in output and "expected" in lines[-1]
            reported += run.status == 0 or named
            if run.status and not named:
                print(f"{name}, fault {number}: exit status {run.status}:\n{output}", file=sys.stderr, flush=True)
            subprocess.run(["mount", "-o", "remount,rw,size=1g", mount], check=True)
            Run(command.arguments, work, mount / "out").wait()
            same += result(mount / "out") == expected
        finally:
            subprocess.run(["umount", mount], check=True)
    print(f"| {name} | {count} | {harmless} | {reported} | {same} | {seconds:.0f} | "
          f"{time.perf_counter() - began:.0f} |", flush=True)
    return reported == same == count


def twice(name: str, command: Command, work: Path, count: int, rng: random.Random) -> bool:
    expected, seconds = reference(name, command, work)
    out, succeeded, refused, same = work / "out", 0, 0, 0
    began = time.perf_counter()
    for _ in range(count):
        shutil.rmtree(out, ignore_errors=True)
        pair = [Run(command.arguments, work, out)]
        time.sleep(rng.uniform(0, seconds / 2))
        pair.append(Run(command.arguments, work, out))
        for run in pair:
            output = run.wait()
            succeeded += run.status == 0
            refused += run.status == 1 and output.count("\n") == 1 and "another command at work" in output
        expect_whole(out)
        same += result(out) == expected
    shutil.rmtree(out, ignore_errors=True)
    print(f"| {name} | {count} | {succeeded} | {refused} | {same} | {seconds:.0f} | "
          f"{time.perf_counter() - began:.0f} |", flush=True)
    return same == count and succeeded + refused == 2 * count and succeeded >= count


def _read_only(run: Run, mount: Path, wait: float) -> None:
    """Make the disk read-only after a while: as soon as no file on it is open for writing."""
    moment = time.monotonic() + wait
    while not run.ended():
        if time.monotonic() > moment and not subprocess.run(["mount", "-o", "remount,ro", mount], check=False,
                                                            capture_output=True).returncode:
            return
        time.sleep(0.02)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("kill", "disk", "twice"), required=True)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", default="", help="beginnings of the commands' names, with commas between")
    given = parser.parse_args()
    for module in PRELOADED:
        importlib.import_module(module)
    loky.set_start_method("fork")
    warnings.filterwarnings("ignore", "`fork` start method")
    given.work.mkdir(parents=True, exist_ok=True)
    where, good = given.work.resolve(), True
    head = {"kill": "| command | kills | runs that ended | same result |",
            "disk": "| command | faults | without effect | reported in one line | same result after |",
            "twice": "| command | pairs | runs that succeeded | refused in one line | same result |"}[given.part]
    head += " undisturbed, s | all, s |"
    print(head + "\n" + "|---" * (head.count("|") - 1) + "|", flush=True)
    for title, chosen in COMMANDS.items():
        if title.startswith(tuple(given.only.split(","))):
            for needed in chosen.data:
                make(needed, where)
            test = {"kill": kill, "disk": disk, "twice": twice}[given.part]
            good = test(title, chosen, where, given.count, random.Random(0)) and good
    raise SystemExit(0 if good else 1)
