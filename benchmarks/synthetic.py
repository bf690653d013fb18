"""Are the synthetic people seen as people? Speed of the renderer, detection rate, and how the mesh follows the muscles.

    python benchmarks/synthetic.py [--quick] [--save FOLDER]

- speed: frames a second at 640x480, one thread (`cv2.setNumThreads(1)`; set OMP_NUM_THREADS=1 as well); CPU time is
  what counts where other work shares the machine;
- detection: mien's face detector at its default threshold on every identity, ahead and turned;
- place: the face mesh against the truth of where the features are, in mm on the face;
- following: one action unit planted at a time, 0 to 5 and back; how well one distance of the mesh follows.

The mesh's point numbers appear here only: the generator does not know them. `--save` writes the pictures to look at.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np

from mien import simulation
from mien.face.backend import OnnxFaceBackend
from mien.face.region import Region
from mien.simulation.renderer import figure

SIZE = (640, 480)
POSES = {
    "ahead": [(0, 0, 0)],
    "yaw up to 25": [(0, yaw, 0) for yaw in (-25, -17, -8, 8, 17, 25)],
    "pitch up to 15": [(pitch, 0, 0) for pitch in (-15, -8, 8, 15)],
    "roll up to 20": [(0, 0, roll) for roll in (-20, -10, 10, 20)],
    "yaw 40": [(0, -40, 0), (0, 40, 0)],
}

# (name, mesh points of both sides, their mean is compared; place on the head: x, y, lift over the surface in mm)
PLACES = {
    "outer corner of the eye": ((33, 263), "eye_outer"), "inner corner of the eye": ((133, 362), "eye_inner"),
    "iris": ((468, 473), "iris"), "corner of the mouth": ((61, 291), "mouth"),
    "middle of the lips": ((13, 13), "sto"), "chin": ((152, 152), "gn"),
}


def height(*points: int):
    """How far points lie above the line of the eyes' corners."""
    return lambda p: p[[33, 133, 362, 263], 1].mean() - p[list(points), 1].mean()


def gap(a: int, b: int):
    return lambda p: float(np.linalg.norm(p[a] - p[b]))


def both(first, second):
    return lambda p: (first(p) + second(p)) / 2


LID = both(gap(159, 145), gap(386, 374))
RED = both(gap(0, 13), gap(14, 17))
# action unit: (what is measured, distance of the mesh, sign of its change)
DISTANCES = {
    "AU01": ("inner brow over the eyes", height(55, 285, 107, 336), 1),
    "AU02": ("outer brow over the eyes", height(70, 300, 46, 276), 1),
    "AU04": ("inner brow over the eyes", height(55, 285, 107, 336), -1),
    "AU05": ("gap of the lids", LID, 1), "AU06": ("gap of the lids", LID, -1), "AU07": ("gap of the lids", LID, -1),
    "AU09": ("wings of the nose", height(64, 294, 129, 358), 1),
    "AU10": ("upper lip's edge", height(0, 37, 267), 1),
    "AU12": ("width of the mouth", gap(61, 291), 1),
    "AU14": ("width of the mouth", gap(61, 291), 1),
    "AU15": ("corners under the middle of the lips", lambda p: p[[61, 291], 1].mean() - p[[13, 14], 1].mean(), 1),
    "AU17": ("lower lip's edge", height(17, 84, 314), 1),
    "AU20": ("width of the mouth", gap(61, 291), 1),
    "AU23": ("height of the lips' red", RED, -1), "AU24": ("height of the lips' red", RED, -1),
    "AU25": ("gap of the lips", lambda p: p[14, 1] - p[13, 1], 1),
    "AU26": ("chin under the eyes", height(152), -1),
    "AU45": ("gap of the lids", LID, -1),
}


def speed(quick: bool) -> None:
    cv2.setNumThreads(1)
    person, other = simulation.identity(6), simulation.identity(3)

    def wave(t: float) -> float:
        return float(2.5 - 2.5 * np.cos(3 * t))

    recordings = {
        "one person, still face, small motion": (simulation.Actor(person, sway=1.0),),
        "one person, mouth, brows and lids moving": (
            simulation.Actor(
                person, sway=1.0, aus={"AU01": wave, "AU12": wave, "AU25": wave}, blinks=simulation.Blinks()
            ),
        ),
        "two people": (
            simulation.Actor(person, sway=1.0),
            simulation.Actor(other, sway=1.0, speech=simulation.Speech()),
        ),
    }
    count = 60 if quick else 300
    print("| video, 640x480 | frames/s, one thread | frames a second of CPU time |\n|---|---|---|")
    for name, actors in recordings.items():
        scene = simulation.Scene(actors=actors, size=SIZE, seconds=count / 30)
        scene.frame(0)
        start, spent = time.perf_counter(), time.process_time()
        for _ in scene.frames():
            pass
        start, spent = time.perf_counter() - start, time.process_time() - spent
        print(f"| {name} | {count / start:.0f} | {count / spent:.0f} |", flush=True)
    print()


def detection(seeds: list[int], save: Path | None) -> None:
    print("| pose, degrees | frames | exactly one face found | lowest person |\n|---|---|---|---|")
    with closing(OnnxFaceBackend()) as backend:
        for name, poses in POSES.items():
            rates = {}
            for seed in seeds:
                actor = simulation.Actor(simulation.identity(seed), pose=np.array(poses, float))
                scene = simulation.Scene(actors=(actor,), size=SIZE, seconds=len(poses) / 30, seed=seed)
                result = [len(backend.detect(frame.rgb)) == 1 for frame in scene.frames()]
                rates[seed] = float(np.mean(result))
                if save:
                    cv2.imwrite(str(save / f"person_{seed:02d}_{name.replace(' ', '_')}.png"),
                                scene.frame(len(poses) - 1).rgb[..., ::-1])
            worst = min(rates, key=lambda seed: rates[seed])
            print(f"| {name} | {len(seeds) * len(poses)} | {100 * np.mean(list(rates.values())):.1f} % | "
                  f"{worst}: {100 * rates[worst]:.0f} % |", flush=True)
    print()


class Mesh:
    """The face mesh on one video: it starts where the detector finds a face and follows it by its own landmarks."""

    def __init__(self, backend: OnnxFaceBackend) -> None:
        self._backend = backend
        self._landmarks: np.ndarray | None = None

    def __call__(self, rgb: np.ndarray) -> np.ndarray | None:
        """The next frame, rgb uint8 (H, W, 3) -> (478, 2) px; None where no face is found."""
        if self._landmarks is None:
            result = self._backend.detect(rgb)
            self._landmarks = self._backend.mesh(rgb, Region.of_detection(result[0])) if result else None
        if self._landmarks is not None:
            self._landmarks = self._backend.mesh(rgb, Region.of_landmarks(self._landmarks))
        return None if self._landmarks is None else self._landmarks[:, :2]


def true_place(seed: int, what: str, side: int, scene: simulation.Scene) -> np.ndarray:
    """(2,) px of a feature of the neutral face that looks ahead."""
    head = figure(simulation.identity(seed))
    at = head.place
    x, y = {"eye_outer": (at.eye_outer, at.tilt / 2), "eye_inner": (at.eye_inner, -at.tilt / 2), "iris": (at.eye, 1.9),
            "mouth": (at.mouth, float(at.mouth_line(np.array(at.mouth)))), "sto": (0, at.sto), "gn": (0, at.gn)}[what]
    return scene.view(0, 0).project(np.array([side * x, y, 80.0]))


def placing(seeds: list[int], save: Path | None) -> None:
    off: dict[str, list[float]] = {name: [] for name in PLACES}
    lost = 0
    for seed in seeds:
        scene = simulation.Scene(
            actors=(simulation.Actor(simulation.identity(seed)),), size=SIZE, seconds=0.2, seed=seed
        )
        with closing(OnnxFaceBackend()) as backend:
            mesh = Mesh(backend)
            points = [mesh(scene.frame(k).rgb) for k in range(5)][-1]
        if points is None:
            lost += 1
            continue
        if save:
            cv2.imwrite(str(save / f"mesh_{seed:02d}.png"), drawn(scene.frame(4).rgb, points)[..., ::-1])
        for name, (pair, what) in PLACES.items():
            truth = [true_place(seed, what, side, scene) for side in (-1, 1)]
            errors = [np.linalg.norm(points[i] - t) for i, t in zip(pair, truth, strict=True)]
            off[name].append(float(np.mean(errors)) / scene.view(0, 0).scale)
    print(f"| feature | median distance of the mesh from the truth, mm | worst of {len(seeds) - lost} people, mm |")
    print("|---|---|---|")
    for name, errors in off.items():
        print(f"| {name} | {np.median(errors):.1f} | {max(errors):.1f} |")
    print(f"\nNo mesh: {lost} of {len(seeds)} people.\n")


def following(seeds: list[int], save: Path | None) -> None:
    steps = np.concatenate([np.zeros(3), np.linspace(0, 5, 21), np.full(3, 5.0)])
    print("| action unit | distance of the mesh | correlation, median (lowest) | change at 3, mm | change at 5, mm |")
    print("|---|---|---|---|---|")
    for name, (what, measure, sign) in DISTANCES.items():
        rows = [item for item in (follow(seed, name, measure, steps, save) for seed in seeds) if item is not None]
        if not rows:
            print(f"| {name} | {what} | no mesh | | |")
            continue
        fits = [sign * np.corrcoef(row, steps)[0, 1] for row in rows]
        three, five = int(np.argmin(np.abs(steps - 3))), -1
        change = [np.median([sign * (row[k] - row[:3].mean()) for row in rows]) for k in (three, five)]
        print(f"| {name} | {what} | {np.median(fits):.2f} ({min(fits):.2f}) | {change[0]:+.1f} | {change[1]:+.1f} |",
              flush=True)
    print()


def follow(seed: int, name: str, measure, steps: np.ndarray, save: Path | None) -> np.ndarray | None:
    """(T,) mm of one distance of the mesh while one action unit rises; None where the mesh was lost."""
    person = simulation.identity(seed)
    scene = simulation.Scene(actors=(simulation.Actor(person, aus={name: steps}),), size=SIZE, seconds=len(steps) / 30)
    rows = []
    with closing(OnnxFaceBackend()) as backend:
        mesh = Mesh(backend)
        for frame in scene.frames():
            points = mesh(frame.rgb)
            if points is None:
                return None
            rows.append(measure(points) / np.linalg.norm(points[33] - points[263]) * person["biocular"])
    if save:
        cv2.imwrite(str(save / f"{name}_{seed:02d}.png"), drawn(frame.rgb, points)[..., ::-1])
    return np.array(rows)


def drawn(rgb: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The picture beside itself with the mesh's points, twice the size, cut to the face."""
    plain = cv2.resize(rgb, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    marked = plain.copy()
    for place in (2 * points).astype(int).tolist():
        cv2.circle(marked, place, 1, (0, 255, 0), -1, cv2.LINE_AA)
    x0, y0 = np.maximum((2 * points.min(0) - 80).astype(int), 0)
    x1, y1 = (2 * points.max(0) + 80).astype(int)
    return np.hstack([plain[y0:y1, x0:x1], marked[y0:y1, x0:x1]])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="five people instead of twenty")
    parser.add_argument("--save", type=Path, help="folder for pictures to look at")
    options = parser.parse_args()
    if options.save:
        options.save.mkdir(parents=True, exist_ok=True)
    seeds = [0, 3, 5, 9, 13] if options.quick else list(range(20))
    speed(options.quick)
    detection(seeds, options.save)
    placing(seeds, options.save)
    following(seeds if options.quick else seeds[::2] + [5, 17], options.save)
    return 0


if __name__ == "__main__":
    sys.exit(main())
