"""Accuracy and abstention of the camera pulse on synthetic people with a planted pulse.

    python benchmarks/pulse.py [--quick] [--people 20] [--jobs 2] [--cache FOLDER] [--stability] [--noise]

Each clip goes the whole way: rendered, encoded by x264, decoded, tracked, read. 20 identities x 5 conditions with a
pulse of 50-150 bpm, green AC/DC 0.3-1.2 %, crf 18-28, 20 s; and 40 clips of the same conditions without a pulse. The
thresholds of `mien.rppg` were chosen on identities 101-140 (`--tuning` runs 101-120); what is reported is of 1-20.
Windows are cached by the content of the clip's recipe and of the code that makes them.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

import mien
from mien import rppg, signals, simulation
from mien.core.observations import Window
from mien.core.results import Measurement
from mien.rppg.evidence import pulse_evidence
from mien.rppg.heart_rate import SURE, read_pulse
from mien.rppg.methods import band
from mien.rppg.nuisance import remove_nuisance
from mien.rppg.rate_posterior import rate_posterior
from mien.rppg.rgb_traces import Traces, rgb_traces
from pulse_oracle import recognises
from pulse_stability import stability
from recording_traces import longest_person

CONDITIONS = ("still", "nod", "speech", "flicker", "all three")
LIFELESS = ("photograph", "painted face", "black video")
REPORTED, TUNING = range(1, 21), range(101, 121)


@dataclass(frozen=True)
class Clip:
    """The recipe of one recording. `amplitude`: AC/DC of green, 0 for none; `crf` of x264."""

    identity: int
    condition: str
    bpm: float
    amplitude: float
    crf: int
    nod_hz: float
    nod_degrees: float
    flicker_hz: float
    flicker: float
    seed: int
    seconds: float = 20.0

    def scene(self) -> simulation.Scene:
        nods, talks, flickers = (name in self.condition or self.condition == "all three"
                                 for name in ("nod", "speech", "flicker"))
        actor = simulation.Actor(
            simulation.identity(self.identity), sway=1.0, blinks=simulation.Blinks(seed=self.seed),
            pulse=simulation.Pulse(bpm=self.bpm, amplitude=self.amplitude, phase=self.seed % 10 / 10),
            respiration=simulation.Respiration(rate=10 + self.seed % 9),
            nod=simulation.Nod(self.nod_hz, self.nod_degrees) if nods else None,
            speech=simulation.Speech(seed=self.seed) if talks else None, still=self.condition == "photograph",
            painted=self.condition == "painted face")
        return simulation.Scene(actors=(actor,), fps=30, seconds=self.seconds, seed=self.seed,
                               black=self.condition == "black video",
                               flicker=simulation.Flicker(self.flicker_hz, self.flicker) if flickers else None)


def plan(identities: Iterable[int], per_identity: tuple[str, ...], amplitude: bool, seed: int) -> list[Clip]:
    """A clip for each identity and condition, everything else drawn at random."""
    rng = np.random.default_rng(seed)
    clips = []
    for identity in identities:
        for condition in per_identity:
            clips.append(Clip(
                identity=identity, condition=condition, bpm=round(float(rng.uniform(50, 150)), 1),
                amplitude=round(float(np.exp(rng.uniform(np.log(0.003), np.log(0.012)))), 5) if amplitude else 0.0,
                crf=int(rng.integers(18, 29)), nod_hz=round(float(rng.uniform(0.8, 2.0)), 2),
                nod_degrees=round(float(rng.uniform(1, 3)), 2), flicker_hz=round(float(rng.uniform(0.8, 2.5)), 2),
                flicker=round(float(rng.uniform(0.003, 0.01)), 4), seed=int(rng.integers(1, 10_000))))
    return clips


def planted(identities: Iterable[int], seed: int) -> list[Clip]:
    return plan(identities, CONDITIONS, True, seed)


def blank(identities: Iterable[int], seed: int) -> list[Clip]:
    """Two conditions an identity, in turn: 8 clips of each condition for 20 identities."""
    return [clip for i, identity in enumerate(identities)
            for clip in plan([identity], (CONDITIONS[2 * i % 5], CONDITIONS[(2 * i + 1) % 5]), False, seed + i)]


def lifeless(identities: Iterable[int], seed: int) -> list[Clip]:
    """Photographs, painted faces and black videos."""
    return plan(list(identities)[:3], LIFELESS, False, seed)


def fingerprint() -> str:
    """The code that makes windows, by content."""
    root = Path(mien.__file__).parent
    files = sorted(p for part in ("simulation", "face", "video") for p in (root / part).rglob("*.py"))
    return hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()[:12]


def window(clip: Clip, cache: Path, key: str) -> Window | None:
    """The clip as it comes out of the tracker; None when no face was found."""
    recipe = json.dumps(dataclasses.asdict(clip), sort_keys=True)
    path = cache / f"{hashlib.sha256((recipe + key).encode()).hexdigest()[:20]}.npz"
    if not path.exists():
        result = _track(clip)
        np.savez_compressed(path, **({} if result is None else {
            name: getattr(result, name) for name in ("times", "skin", "position", "aus", "pose", "gaze")}))
    with np.load(path) as stored:
        if not stored.files:
            return None
        return Window(start=0.0, end=clip.seconds, **{name: stored[name] for name in stored.files})


def _track(clip: Clip) -> Window | None:
    from mien import face
    from mien.face.observer import Observer
    from mien.face.track_buffer import TrackBuffer
    from mien.face.tracker import Tracker

    observer = Observer(Tracker(), lambda _: TrackBuffer(face.AUEstimator()))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        simulation.write_video(clip.scene(), path, crf=clip.crf)
        return longest_person(path, observer)


@dataclass(frozen=True)
class Outcome:
    """What was read of a clip; `alone`: what each published method says of the mean skin, bpm, without abstaining,
    beside our estimator; `oracle`: whether a matched waveform is recognised (pulse_oracle.py)."""

    clip: Clip
    tone: int
    reading: Measurement
    alone: dict[str, float]
    oracle: bool = False

    @property
    def error(self) -> float:
        """bpm; NaN where it abstained."""
        return abs(self.reading.value - self.clip.bpm) if self.reading.value is not None else float("nan")


def outcome(clip: Clip, cache: Path, key: str) -> Outcome:
    seen = window(clip, cache, key)
    reading = rppg.heart_rate(seen) if seen is not None else Measurement(None, "bpm", 0.0, "", "no_face")
    return Outcome(
        clip, simulation.identity(clip.identity).skin_tone, reading, _alone(seen) if seen is not None else {},
        seen is not None and clip.amplitude > 0 and _recognised(clip, seen)
    )


def _recognised(clip: Clip, seen: Window) -> bool:
    """Whether the oracle recognises the planted waveform."""
    traces = rgb_traces(seen)
    if isinstance(traces, str):
        return False
    long = dataclasses.replace(clip, seconds=100.0).scene().truth()
    times, wave = long.times, long.actors[0].bvp
    return recognises(traces, lambda at: np.interp(at % times[-1], times, wave), clip.bpm)


def _alone(seen: Window) -> dict[str, float]:
    result = rgb_traces(seen)
    if isinstance(result, str):
        return {}
    mean = result.skin.mean(axis=1)
    said = {"ours, without a threshold": read_pulse(seen).posterior.answer()[0]}
    for name, method in rppg.installed().items():
        wave = band(method(mean, result.rate), result.rate)
        said[name] = 60 * signals.peak(*signals.spectrum(wave, result.rate, *rppg.BAND))
    return said


def methods_table(living: list[Outcome]) -> list[str]:
    """Every method on every clip with a pulse."""
    lines = ["Without abstaining, all clips with a pulse (the published methods on the mean skin of the regions):", "",
             "| method | MAE bpm | within 3 bpm |", "|---|---|---|"]
    for name in living[0].alone:
        errors = np.array([abs(item.alone[name] - item.clip.bpm) for item in living if item.alone])
        lines.append(f"| {name} | {errors.mean():.1f} | {100 * np.mean(errors <= 3):.0f} % |")
    return lines


def row(name: str, group: list[Outcome]) -> str:
    """One line of the table of clips with a pulse."""
    errors = np.array([item.error for item in group])
    read = np.isfinite(errors)
    fair = [item for item in group if item.clip.crf <= 23 and item.clip.amplitude >= 0.006]
    lost = sum(item.reading.abstained for item in fair)
    figures = ["-"] * 3
    if read.any():
        figures = [f"{errors[read].mean():.2f}", f"{np.median(errors[read]):.2f}", f"{errors[read].max():.1f}"]
    known = sum(item.oracle for item in group)
    return f"| {name} | {len(group)} | {read.sum()} | {known} | {' | '.join(figures)} | {lost} of {len(fair)} |"


def blank_row(name: str, group: list[Outcome]) -> str:
    reasons = sorted({item.reading.reason for item in group} - {""})
    counts = ", ".join(f"{reason} {sum(item.reading.reason == reason for item in group)}" for reason in reasons)
    return f"| {name} | {len(group)} | {sum(item.reading.abstained for item in group)} | {counts} |"


def tables(outcomes: list[Outcome]) -> str:
    living = [item for item in outcomes if item.clip.amplitude > 0]
    blanks = [item for item in outcomes if item.clip.amplitude == 0]
    head = "| {} | clips | read | oracle | MAE bpm | median | worst | abstained at crf <= 23, AC/DC >= 0.6 % |"
    rule = "|---|---|---|---|---|---|---|---|"
    lines = ["Planted pulse:", "", head.format("disturbance"), rule]
    lines += [row(name, [item for item in living if item.clip.condition == name]) for name in CONDITIONS]
    lines += [row("**all**", living), "", head.format("skin tone (Fitzpatrick)"), rule]
    lines += [row(f"{tone}", group) for tone in range(1, 7) 
              if (group := [item for item in living if item.tone == tone])]
    lines += ["", head.format("compression"), rule]
    lines += [row(f"crf {a}-{b}", [item for item in living if a <= item.clip.crf <= b])
              for a, b in ((18, 23), (24, 28))]
    lines += [row(f"{100 * a:.1f}-{100 * b:.1f} %", [item for item in living if a <= item.clip.amplitude < b])
              for a, b in ((0.003, 0.006), (0.006, 0.0121))]
    lines += ["", "No pulse:", "", "| disturbance | clips | abstained | reasons |", "|---|---|---|---|"]
    lines += [blank_row(name, [item for item in blanks if item.clip.condition == name]) for name in CONDITIONS]
    lines.append(blank_row("**all five**", [item for item in blanks if item.clip.condition in CONDITIONS]))
    lines += [blank_row(name, [item for item in blanks if item.clip.condition == name]) for name in LIFELESS]
    return "\n".join([*lines, "", *methods_table(living)])


def noise(seconds: float, rng: np.random.Generator) -> Traces:
    """Traces of that length without a pulse or any other common cause: noise with a spectrum between flat and 1/f^2,
    part of it shared by the channels of a region, each region at its own level."""
    count, slope = int(seconds * 30), rng.uniform(0, 2)
    frequencies = np.fft.rfftfreq(count)
    frequencies[0] = frequencies[1]

    def made(columns: int) -> np.ndarray:
        draws = rng.normal(size=(len(frequencies), columns, 2)) @ np.array([1, 1j])
        wave = np.fft.irfft(draws * frequencies[:, None] ** (-slope / 2), count, axis=0)
        return wave / wave.std(axis=0)

    shared, custom = rng.uniform(0, 1e-3) * made(3), made(9).reshape(count, 3, 3) * rng.uniform(1e-4, 1e-3, 3)
    return Traces(0.0, 30.0, 130 * np.exp(shared[:, :, None] + custom), 120 * np.exp(3e-4 * made(3)), 1e-3 * made(6))


def noise_table(count: int) -> str:
    """How often noise alone is answered, by length."""
    lines = ["Noise alone:", "", "| length s | windows | answered | mean probability of a pulse |", "|---|---|---|---|"]
    for seconds in (10, 15, 20, 30, 60):
        rng = np.random.default_rng(1000 + seconds)
        read = [rate_posterior([pulse_evidence(remove_nuisance(noise(seconds, rng)))]) for _ in range(count)]
        answered = sum(item.answer()[1] >= SURE for item in read)
        present = np.mean([item.present for item in read])
        lines.append(f"| {seconds} | {count} | {100 * answered / count:.1f} % | {present:.3f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="4 identities, 20 clips with a pulse and 8 without")
    parser.add_argument("--people", type=int, help="only so many identities, 5 clips with a pulse and 2 without each")
    parser.add_argument("--tuning", action="store_true", help="the identities that the thresholds were chosen on")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "mien-benchmark-pulse")
    parser.add_argument("--stability", action="store_true", help="only: how stable the answers are")
    parser.add_argument("--noise", action="store_true", help="only: how often noise alone passes, by length")
    options = parser.parse_args()
    if options.noise:
        print(f"`python benchmarks/pulse.py --noise{' --quick' * options.quick}`\n")
        print(noise_table(300 if options.quick else 3000))
        return
    count = 4 if options.quick else options.people
    people = list(TUNING if options.tuning else REPORTED)[:count]
    seeds = (1000, 2000) if options.tuning else (1, 500)
    clips = planted(people, seeds[0]) + blank(people, seeds[1]) + lifeless(people, seeds[1] + 100)
    options.cache.mkdir(parents=True, exist_ok=True)
    key = fingerprint()
    arguments = (f"{' --quick' * options.quick}{f' --people {options.people}' if options.people else ''}"
                 f"{' --tuning' * options.tuning}{' --stability' * options.stability}")
    print(f"`python benchmarks/pulse.py{arguments}`: {len(people)} identities, {len(clips)} clips of "
          f"{clips[0].seconds:g} s, 640x480, 30 fps, x264.\n")
    if options.stability:
        print(stability((f"{clip.identity} {clip.condition} {clip.bpm}", clip.seed, window(clip, options.cache, key))
                        for clip in clips))
        return
    print(tables(Parallel(n_jobs=options.jobs)(delayed(outcome)(clip, options.cache, key) for clip in clips)))


if __name__ == "__main__":
    main()
