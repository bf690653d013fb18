"""Does an installation work? doctor, analyze on a clip that mien makes, and train --tiny, each in a process of its own.

python .ci/smoke.py [--core]    --core: without what needs the extras models and data
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CLIP = """
import sys
from mien import simulation
person = simulation.Actor(simulation.identity(1), aus={"AU12": lambda time: 4.0 * (time > 1)})
simulation.write_video(simulation.Scene((person,), size=(320, 240), fps=15.0, seconds=4), sys.argv[1])
"""

READ = """
import sys, mien, pandas
from mien.core.parquet import read_parquet
rows = read_parquet(sys.argv[1])
seen = rows[~rows["abstained"]]
assert len(seen) >= 3, rows
assert seen["AU12"].iloc[-1] > seen["AU12"].iloc[0] + 0.5, seen["AU12"]
print(f"mien {mien.__version__}, pandas {pandas.__version__}: {len(seen)} rows, the smile is read")
"""


def run(place: Path, *arguments: str) -> None:
    """One process, in a folder where no source lies beside it. CalledProcessError where it fails."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=place, check=True, timeout=600)
    print(f"-- {' '.join(arguments[:4])[:70].strip()!r}: {time.perf_counter() - start:.1f} s", flush=True)


def main() -> int:
    """Run all steps -> 0, or the exit status of the first that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core", action="store_true", help="without training")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        mien = ("-m", "mien.cli")
        run(place, *mien, "doctor")
        run(place, "-c", CLIP, "clip.mp4")
        run(place, *mien, "analyze", "clip.mp4", "--out", "results", "-q")
        run(place, "-c", READ, str(next((place / "results").rglob("timeline.parquet"))))
        if not chosen.core:
            run(place, *mien, "data", "fake", "dfew", "dfew", "--size", "15")
            run(place, *mien, "train", "duse/dfew", "--data", "dfew", "--fold", "1", "--tiny", "--set",
                "schedule.epochs=1", "--device", "cpu", "--out", "run")
            run(place, *mien, "analyze", "clip.mp4", "--model", "run/chosen", "--out", "trained", "-q")
    print("smoke: all steps passed")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        command = " ".join(error.cmd)[:200]
        print(f"smoke: expected exit status 0, got {error.returncode} from {command}", file=sys.stderr)
        sys.exit(1)
