"""Accuracy and abstention of the camera pulse on photographs with a planted pulse, beside an oracle.

    python benchmarks/pulse_photographs.py PICTURES [--count 60] [--split reported|tuning] [--cache FOLDER]
           [--each] [--stability]

PICTURES is a folder of photographs, one face each, such as the neutral faces of the Face Research Lab London Set
(DeBruine & Jones 2017, 10.6084/m9.figshare.5047666, CC BY 4.0). `photographs.py` makes the videos: warped and lit
photographs with a random colour of the pulse, a dicrotic wave, breath in the rate, jitter of the beats, gain and lag
over the face, broadband movement, exposure steps, sensor noise, x264 or VP9 at crf 18 to 32, 15 to 60 frames a second.
Every fourth video has no pulse. The splits share neither pictures nor seeds; thresholds may be chosen on "tuning" only.
Each video goes the whole way of `mien analyze --pulse-only`; the windows are cached by recipe, picture and code.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import mien
import photographs
from mien import rppg
from mien.core.observations import Window
from mien.core.results import Measurement
from mien.core.settings import Settings
from mien.face import AUEstimator
from mien.face.observer import Observer
from mien.face.setup import tracker
from mien.face.track_buffer import TrackBuffer
from mien.rppg.rgb_traces import rgb_traces
from photographs import PhotoClip
from pulse_oracle import recognises
from pulse_stability import FIELDS, stability
from recording_traces import longest_person

CLEAR = (0.006, 23)
"""AC/DC from which, and crf up to which, a video must be answered."""

WRONG = 5.0
"""bpm beyond which an answer is wrong."""


def fingerprint() -> str:
    """The code that makes windows, by content."""
    root = Path(mien.__file__).parent
    files = sorted(path for part in ("face", "video") for path in (root / part).rglob("*.py"))
    files.append(Path(photographs.__file__))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def window(clip: PhotoClip, pictures: Path, cache: Path, key: str) -> Window | None:
    """The video as it comes out of the tracker; None when no face was found."""
    recipe = json.dumps(dataclasses.asdict(clip), sort_keys=True).encode() + (pictures / clip.picture).read_bytes()
    path = cache / f"{hashlib.sha256(recipe + key.encode()).hexdigest()[:20]}.npz"
    if not path.exists():
        result = _track(clip, pictures)
        np.savez_compressed(path, **({} if result is None else {name: getattr(result, name) for name in FIELDS}))
    with np.load(path) as stored:
        if not stored.files:
            return None
        return Window(start=0.0, end=clip.seconds, **{name: stored[name] for name in stored.files})


def _track(clip: PhotoClip, pictures: Path) -> Window | None:
    observer = Observer(tracker(Settings(pulse_only=True)), lambda _: TrackBuffer(AUEstimator()))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("clip.webm" if clip.codec == "libvpx-vp9" else "clip.mp4")
        photographs.write(clip, pictures, path)
        return longest_person(path, observer)


@dataclass(frozen=True)
class Outcome:
    """What was read of a video, and whether the oracle recognised the planted waveform in the same traces."""

    clip: PhotoClip
    truth: float
    reading: Measurement
    oracle: bool

    @property
    def error(self) -> float:
        """bpm; NaN without an answer."""
        if self.reading.value is None:
            return float("nan")
        return abs(self.reading.value - self.truth)


def outcome(clip: PhotoClip, pictures: Path, cache: Path, key: str) -> Outcome:
    """Read one video."""
    beating = photographs.heart(clip)
    seen = window(clip, pictures, cache, key)
    inside = beating.beats[(beating.beats > 0) & (beating.beats < clip.seconds)]
    truth = 60.0 / float(np.diff(inside).mean())
    if seen is None:
        return Outcome(clip, truth, Measurement(None, "bpm", 0.0, "", "no_face"), False)
    traces = rgb_traces(seen)
    known = not isinstance(traces, str) and clip.amplitude > 0 and recognises(traces, beating.wave, clip.bpm)
    return Outcome(clip, truth, rppg.vitals(seen).heart_rate, known)


def row(name: str, group: list[Outcome]) -> str:
    """One line of the table of videos with a pulse."""
    errors = np.array([item.error for item in group])
    read = errors[np.isfinite(errors)]
    figures = ["-", "-"]
    if len(read):
        figures = [f"{read.mean():.2f}", f"{read.max():.1f}"]
    share = [f"{sum(marks)} of {len(group)}" for marks in ([*np.isfinite(errors)], [item.oracle for item in group])]
    return f"| {name} | {share[0]} | {share[1]} | {' | '.join(figures)} | {int((read > WRONG).sum())} |"


def tables(outcomes: list[Outcome]) -> str:
    """All tables."""
    living = [item for item in outcomes if item.clip.amplitude > 0]
    still = [item for item in outcomes if item.clip.amplitude == 0]
    clear = [item for item in living if item.clip.amplitude >= CLEAR[0] and item.clip.crf <= CLEAR[1]]
    groups = {"AC/DC >= 0.6 % and crf <= 23": clear, "all others": [item for item in living if item not in clear]}
    for low, high in ((0.003, 0.006), (0.006, 0.0121)):
        for first, last in ((18, 23), (24, 28), (29, 32)):
            groups[f"AC/DC {100 * low:.1f}-{100 * high:.1f} %, crf {first}-{last}"] = [
                item for item in living if low <= item.clip.amplitude < high and first <= item.clip.crf <= last]
    for codec in sorted({item.clip.codec for item in living}):
        groups[codec] = [item for item in living if item.clip.codec == codec]
    groups["**all**"] = living
    lines = [f"| planted pulse | answered | oracle | MAE bpm | worst | wrong by more than {WRONG:g} |",
             "|---|---|---|---|---|---|"]
    lines += [row(name, group) for name, group in groups.items() if group]
    reasons = sorted({item.reading.reason for item in still} - {""})
    counts = ", ".join(f"{reason} {sum(item.reading.reason == reason for item in still)}" for reason in reasons)
    abstained = sum(item.reading.abstained for item in still)
    return "\n".join([*lines, "", f"No pulse: abstained {abstained} of {len(still)} ({counts})."])


def line(outcome: Outcome) -> str:
    """One video."""
    clip, reading = outcome.clip, outcome.reading
    said = reading.reason or f"{reading.value:.1f} (quality {reading.quality:.2f})"
    return (f"| {clip.picture} | {outcome.truth:.1f} | {100 * clip.amplitude:.2f} | {clip.codec} {clip.crf} | "
            f"{clip.fps} | "
            f"{clip.motion} | {clip.screen} | {clip.noise} | {outcome.oracle} | {said} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="folder of photographs, one face each")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--split", choices=list(photographs.SEEDS), default="reported")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "mien-benchmark-photographs")
    parser.add_argument("--stability", action="store_true", help="only: how stable the answers are")
    parser.add_argument("--each", action="store_true", help="also one line for each video")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    key = fingerprint()
    if options.stability:
        clips = photographs.plan(options.pictures, options.split, options.count)
        print(f"`python benchmarks/pulse_photographs.py PICTURES --stability --count {options.count}`\n")
        print(stability((clip.picture, clip.seed, window(clip, options.pictures, options.cache, key))
                        for clip in clips))
        return
    result = [outcome(clip, options.pictures, options.cache, key)
             for clip in photographs.plan(options.pictures, options.split, options.count)]
    print(f"`python benchmarks/pulse_photographs.py PICTURES --count {options.count} --split {options.split}`: "
          f"{len({item.clip.picture for item in result})} pictures, {len(result)} videos of 12 to 20 s.\n")
    print(tables(result))
    if options.each:
        print("\n| picture | bpm | AC/DC % | codec, crf | fps | motion | screen | noise | oracle | read |")
        print("|---|---|---|---|---|---|---|---|---|---|")
        print("\n".join(line(item) for item in result))


if __name__ == "__main__":
    main()
