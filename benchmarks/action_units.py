"""How well action units, head pose, gaze, blinks and expression are read from landmarks.

    python benchmarks/action_units.py [--quick]

Rendered people (identities 40 to 59, none of which was looked at while the measures were written) go through the
tracker and the reader, each with the neutral learnt on line; two real faces beside them, where they are to be had.
Prints markdown.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from mien import simulation, video
from mien.core.observations import Frame
from mien.core.tasks import ACTION_UNITS, EXPRESSION
from mien.face import AUEstimator, FaceMeasurements, blinks
from mien.face.tracker import Tracker
from mien.face.tracker_settings import TrackerSettings
from mien.simulation.actor import Actor
from mien.simulation.disturbances import Speech
from mien.simulation.physiology import Blinks
from mien.simulation.scene import Scene

RATE = 12.5  # Hz, of the clips without blinks
LEAD, EACH = 3.0, 2.5  # s: neutral first, then one action unit after the other
REAL = Path(__file__).parents[2] / "shared" / "real" / "faces" / "single_face.mp4"
BLINK = ACTION_UNITS.index("AU45")
SHAKE = np.array([12.0, 18.0, 5.0])  # degrees of pitch, yaw, roll by which the turning head swings


def swing(t: float) -> tuple[float, float, float]:
    pitch, yaw, roll = SHAKE * np.sin(2 * np.pi * t / np.array([7.3, 5.1, 9.0]))
    return pitch, yaw, roll


def bump(start: float, level: float = 5.0, rise: float = 0.5, hold: float = 0.8) -> Callable[[float], float]:
    return lambda t: level * np.clip(np.minimum((t - start) / rise, (start + 2 * rise + hold - t) / rise), 0, 1)


def recorded(frames: object) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Frames -> times (T,) s, landmarks (T, 478, 3) px of the first person, size px."""
    tracker = Tracker(settings=TrackerSettings(faces=1, confirmations=1, probation=0.0))
    times, marks, size = [], [], (0, 0)
    for frame in frames:  # type: ignore[attr-defined]
        result = [face.landmarks for face in tracker.update(frame) if face.landmarks is not None]
        marks.append(result[0] if result else np.full((478, 3), np.nan))
        times.append(frame.time)
        size = frame.rgb.shape[1], frame.rgb.shape[0]
    tracker.close()
    return np.array(times), np.array(marks), size


def read(times: np.ndarray, marks: np.ndarray, size: tuple[int, int], chunk: int = 15) -> FaceMeasurements:
    reader = AUEstimator()
    parts = [reader.measure(times[i : i + chunk], marks[i : i + chunk], size) for i in range(0, len(times), chunk)]
    return FaceMeasurements(
        *(np.concatenate([getattr(p, name) for p in parts]) for name in ("aus", "pose", "gaze", "expression"))
    )


def measured(
    seed: int, seconds: float, fps: float = RATE, **plan: object
) -> tuple[np.ndarray, FaceMeasurements, object]:
    """An actor's plan -> times, what was read, what was planted."""
    actor = Actor(simulation.identity(seed), sway=1.0, **plan)  # type: ignore[arg-type]
    scene = Scene((actor,), fps=fps, seconds=seconds, seed=seed)
    return scene.times, read(*recorded(scene.frames())), scene.truth().actors[0]


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    good = np.isfinite(a)
    if a[good].std() == 0 or b[good].std() == 0:
        return 0.0
    return float(np.corrcoef(a[good], b[good])[0, 1])


def planted_units(seed: int, turning: bool) -> dict[str, np.ndarray]:
    plan = {unit: bump(LEAD + EACH * i) for i, unit in enumerate(ACTION_UNITS)}
    seconds = LEAD + EACH * len(ACTION_UNITS)
    times, result, truth = measured(seed, seconds, aus=plan, pose=swing if turning else (0.0, 0.0, 0.0))
    alone, full = np.zeros(len(ACTION_UNITS)), np.zeros(len(ACTION_UNITS))
    level = np.zeros((len(ACTION_UNITS), len(ACTION_UNITS)))
    for i in range(len(ACTION_UNITS)):
        custom = (times >= LEAD + EACH * i - 0.35) & (times < LEAD + EACH * (i + 1) - 0.35)
        alone[i] = correlation(result.aus[custom, i], truth.aus[custom, i])
        full[i] = correlation(result.aus[:, i], truth.aus[:, i])
        level[i] = np.nanmean(result.aus[custom & (truth.aus[:, i] > 4.9)], axis=0)
    return {"alone": alone, "whole": full, "level": level}


def unmoved(seed: int) -> dict[str, np.ndarray]:
    """A neutral face that sways, turns, nods, looks around, speaks."""
    def highest(aus: np.ndarray) -> np.ndarray:
        return np.nanpercentile(aus, 95, axis=0)

    out = {}
    _, result, _ = measured(seed, 8.0)
    out["rest"] = highest(result.aus)
    for name, axis in (("yaw 20", 1), ("pitch 20", 0)):
        def turn(t: float, axis: int = axis) -> tuple[float, float, float]:
            pose = [0.0, 0.0, 0.0]
            pose[axis] = 20 * np.sin(2 * np.pi * t / 6)
            return pose[0], pose[1], pose[2]

        _, result, truth = measured(seed, 6.0, pose=turn)
        out[name] = highest(result.aus)
        error = result.pose[:, axis] - truth.pose[:, axis]
        out[f"{name} error"] = np.array([np.polyfit(truth.pose[:, axis], result.pose[:, axis], 1)[0], np.nanmean(error),
                                         np.nanstd(error), np.nanmax(abs(result.gaze).max(axis=1))])
    def look(t: float) -> tuple[float, float]:
        return 20 * np.sin(2 * np.pi * t / 3), 10 * np.sin(2 * np.pi * t / 4)

    _, result, truth = measured(seed, 8.0, gaze=look)
    out["gaze 20, 10"] = highest(result.aus)
    seen = np.isfinite(result.gaze).all(axis=1)
    out["gaze error"] = np.array([
        [correlation(b, a), *np.polyfit(a, b, 1), np.std(b - a)]
        for a, b in zip(truth.gaze[seen].T, result.gaze[seen].T, strict=True)
    ])
    _, result, truth = measured(seed, 10.0, speech=Speech(seed=seed))
    out["speech"] = highest(result.aus)
    out["speech planted"] = highest(truth.aus)
    out["speech class"] = np.nanmean(result.expression, axis=0)
    return out


def posed(seed: int, strength: float, often: bool) -> np.ndarray:
    """(K, K) mean probabilities: rows are planted, a second and a half each after a neutral second and a half."""
    order = np.random.default_rng(seed).permutation(len(EXPRESSION.classes))
    plan: dict[str, list[Callable[[float], float]]] = {}
    for place, index in enumerate(order):
        for unit, level in simulation.expression(EXPRESSION.classes[index], strength, often).items():
            plan.setdefault(unit, []).append(bump(1.5 + 3 * place, level, 0.3, 1.2))
    curves = {unit: (lambda t, parts=tuple(parts): sum(part(t) for part in parts)) for unit, parts in plan.items()}
    times, result, _ = measured(seed, 1.5 + 3 * len(order), aus=curves)
    probs = result.expression
    out = np.zeros((len(order), len(order)))
    for place, index in enumerate(order):
        out[index] = np.nanmean(probs[(times > 1.8 + 3 * place) & (times < 3.0 + 3 * place)], axis=0)
    return out


def blinked(seed: int) -> np.ndarray:
    """Planted, found, found at a planted one, the rate's error in 1/min."""
    fps = (25.0, 30.0, 50.0)[seed % 3]
    times, result, truth = measured(seed, 30.0, fps, blinks=Blinks(rate=17, seed=seed, seconds=0.2 + 0.05 * (seed % 4)))
    starts, rate = blinks(times, result.aus[:, BLINK])
    hits = sum(np.any(abs(starts - onset) < 0.15) for onset in truth.blinks)
    return np.array([len(truth.blinks), len(starts), hits, abs((rate.value or 0) - 2 * len(truth.blinks))])


def table(head: list[str], rows: list[list[str]]) -> None:
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def print_units(straight: list[dict[str, np.ndarray]], turning: list[dict[str, np.ndarray]]) -> None:
    rows = []
    for i, unit in enumerate(ACTION_UNITS):
        row, shown = [unit], []
        for runs, key in ((straight, "alone"), (straight, "whole"), (turning, "whole")):
            values = np.array([run[key][i] for run in runs])
            shown.append(values.mean())
            row.append(f"{values.mean():.2f} ({np.percentile(values, 10):.2f})")
        level = np.array([run["level"][i, i] for run in straight])
        rows.append([*row, f"{level.mean():.1f} ± {level.std():.1f}", "yes" if min(shown[:2]) >= 0.8 else "no"])
    head = ["unit", "r alone", "r whole clip", "r whole clip, head turning", "read at planted 5", "bar 0.8, straight"]
    table(head, rows)
    level = np.mean([run["level"] for run in straight], axis=0)
    print("Cross-talk: rows planted at 5, columns read (mean); below 0.15 left empty. A dropped jaw parts the lips, "
          "so AU25 beside AU26 is planted too.\n")  # fmt: skip
    table(["", *(u[2:] for u in ACTION_UNITS)],
          [[u, *(f"{v:.1f}" if v >= 0.15 else "" for v in level[i])] for i, u in enumerate(ACTION_UNITS)])
    off = level - np.diag(np.diag(level))
    off[ACTION_UNITS.index("AU26"), ACTION_UNITS.index("AU25")] = 0
    for i, j in zip(*np.nonzero(off >= 1), strict=True):
        print(f"- {ACTION_UNITS[i]} planted reads as {ACTION_UNITS[j]} {off[i, j]:.1f}: over the bar of 1")
    print()


def print_unmoved(runs: list[dict[str, np.ndarray]]) -> None:
    names = ["rest", "yaw 20", "pitch 20", "gaze 20, 10", "speech", "speech planted"]
    rows = [[name, *(f"{np.mean([r[name][i] for r in runs]):.1f}" for i in range(len(ACTION_UNITS))),
             f"{max(np.delete(r[name], BLINK).max() for r in runs):.1f}"] for name in names]  # fmt: skip
    print("A neutral face: 95th percentile of each unit over the clip, mean of the people; last, the worst of all.\n")
    table(["", *(u[2:] for u in ACTION_UNITS), "worst"], rows)
    rows = []
    for name in ("yaw 20", "pitch 20"):
        gain, bias, spread, look = np.mean([r[f"{name} error"] for r in runs], axis=0)
        rows.append([name, f"{gain:.2f}", f"{bias:+.1f}", f"{spread:.1f}", f"{look:.0f}"])
    table(["head", "slope", "bias, degrees", "spread of the error", "largest gaze read (planted 0)"], rows)
    error = np.mean([r["gaze error"] for r in runs], axis=0)
    table(["gaze", "r", "slope", "bias, degrees", "spread of the error"],
          [[name, *(f"{v:.2f}" for v in row)] for name, row in zip(("yaw", "pitch"), error, strict=True)])
    labels = [EXPRESSION.label(r["speech class"]) for r in runs]
    print(f"Speech with a neutral face: neutral in {labels.count('neutral')} of {len(labels)}.\n")


def print_posed(name: str, runs: list[np.ndarray]) -> None:
    counts = np.zeros_like(runs[0])
    for run in runs:
        counts[np.arange(len(run)), run.argmax(axis=1)] += 1
    recall = np.diag(counts) / counts.sum(axis=1)
    print(f"{name}: {recall.mean():.0%} right (mean of the classes). Rows planted, columns read.\n")
    table(["", *EXPRESSION.classes],
          [[c, *(f"{v:.0f}" if v else "" for v in row)] for c, row in zip(EXPRESSION.classes, counts, strict=True)])


def print_real() -> None:
    rows = []
    if REAL.exists():
        times, marks, size = recorded(video.open_video(REAL))
        result = read(times, marks, size)
        for name, part in (("before the smile", times < 0.5), ("the smile", (times > 1.2) & (times < 2.2))):
            rows.append((f"single_face.mp4, {name}", result.aus[part], result.expression[part]))
    else:
        print(f"{REAL.name} is not here: skipped.")
    from skimage import data

    picture = np.ascontiguousarray(data.astronaut())
    times, marks, size = recorded([Frame(i / 15, picture) for i in range(3)])
    result = read(times, marks, size)
    rows.append(("scikit-image's astronaut, first frames", result.aus, result.expression))
    shown = []
    for name, aus, expression in rows:
        units = [f"{u} {v:.1f}" for u, v in zip(ACTION_UNITS, np.nanmean(aus, axis=0), strict=True) if v >= 0.5]
        probs = np.nanmean(expression, axis=0)
        shown.append([name, ", ".join(units), f"{EXPRESSION.label(probs)} {probs.max():.2f}"])
    table(["real face", "units read at 0.5 or more", "expression"], shown)


def print_cost(seed: int) -> None:
    scene = Scene((Actor(simulation.identity(seed), sway=1.0),), seconds=10, fps=30)
    times, marks, size = recorded(scene.frames())
    best = min(_timed(lambda: read(times, marks, size)) for _ in range(5)) / len(times)
    print(f"Cost: {1e3 * best:.3f} ms a frame in chunks of 15 (bar 0.15), best of 5.")


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two people instead of twenty")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    seeds = range(40, 42 if arguments.quick else 60)
    pool = Parallel(n_jobs=arguments.jobs)
    print(f"`python benchmarks/action_units.py{' --quick' if arguments.quick else ''}`: {len(seeds)} people\n")
    print_units(*(pool(delayed(planted_units)(s, turning) for s in seeds) for turning in (False, True)))
    print_unmoved(pool(delayed(unmoved)(s) for s in seeds))
    for strength, often in ((3.0, True), (4.0, False)):
        also = "and what half of the people add" if often else "alone"
        print_posed(f"Prototypes at {strength:.0f} {also}", pool(delayed(posed)(s, strength, often) for s in seeds))
    planted, result, hits, error = np.array(pool(delayed(blinked)(s) for s in seeds)).T
    print(f"Blinks: {planted.sum():.0f} planted, {hits.sum():.0f} found ({hits.sum() / planted.sum():.0%}), "
          f"{result.sum() - hits.sum():.0f} false; rate's mean error {error.mean():.1f} a minute.\n")  # fmt: skip
    print_real()
    print_cost(seeds[0])


if __name__ == "__main__":
    main()
