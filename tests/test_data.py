"""The prepared dataset: faces, rows and signals at their true times, whole whatever happens, and nothing lost."""

from __future__ import annotations

import csv
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

import prepare_work
from mien import datasets, face, simulation, video
from mien.core.observations import Signal
from mien.core.trials import Trial
from mien.datasets.index import DatasetIndex
from mien.preprocessing import build_cache, face_extraction, preprocess_trial
from mien.preprocessing.cache import Cache

FPS = 25
SCRIPT = Path(prepare_work.__file__)


def survey_of(root: Path, *trials: Trial) -> DatasetIndex:
    return DatasetIndex("folder", root, "by hand", trials, (), ())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*")) if path.is_file()}  # fmt: skip


def manifest(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "manifest.csv").read_text(encoding="utf-8").splitlines()))


def pictures(folder: Path, count: int, size: int = 48, first: int = 1) -> Path:
    """A folder of pictures; what each shows is said by its number."""
    folder.mkdir(parents=True)
    for number in range(first, first + count):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((size, size, 3), (10 * number) % 256, np.uint8))
    return folder


# ---------------------------------------------------------------- what is seen


def path(time: float) -> tuple[float, float]:
    """Where the walker stands, px: fast enough that a frame too early or too late is 8 px away."""
    return 90 + 200 * time, 110.0


@pytest.fixture(scope="module")
def filmed(tmp_path_factory) -> SimpleNamespace:
    """Films of one person: walking, with the head tilted to one side and the other, and the cache of them."""
    root = tmp_path_factory.mktemp("filmed")
    person = simulation.identity(3)
    scenes = {
        "walking": (simulation.Actor(person, position=path, scale=0.45), 0.8),
        "left": (simulation.Actor(person, pose=(0.0, 0.0, 20.0), scale=0.6), 0.2),
        "right": (simulation.Actor(person, pose=(0.0, 0.0, -20.0), scale=0.9), 0.2),
    }
    truths = {}
    for name, (actor, seconds) in scenes.items():
        scene = simulation.Scene((actor,), size=(320, 240), fps=FPS, seconds=seconds, noise=0.5)
        truths[name] = simulation.write_video(scene, root / f"{name}.mp4")
    trials = (Trial("all of it", "folder", "a", root / "walking.mp4", labels={"valence": 7.5}, side="train"),
              Trial("part/of: it", "folder", "a", root / "walking.mp4", (0.2, 0.6)),
              Trial("left", "folder", "b", root / "left.mp4"), Trial("right", "folder", "b", root / "right.mp4"))
    built = build_cache.build_cache(survey_of(root, *trials), root / "cache")
    return SimpleNamespace(root=root, trials=trials, truths=truths, built=built, cache=Cache(root / "cache"))


def test_every_trial_is_prepared_and_known_again(filmed):
    assert filmed.built.complete
    assert [trial.id for trial in filmed.cache.trials] == [trial.id for trial in filmed.trials]
    first = filmed.cache.trials[0]
    assert (first.subject, first.labels, first.side, first.span) == ("a", {"valence": 7.5}, "train", (0.0, np.inf))
    assert first.video == Path("walking.mp4")
    assert [row["status"] for row in manifest(filmed.root / "cache")] == ["ok"] * 4


def test_times_are_those_of_the_film_and_zero_is_the_start_of_the_trial(filmed):
    assert np.allclose(filmed.cache.times("all of it"), np.arange(20) / FPS, atol=1e-6)
    assert np.allclose(filmed.cache.times("part/of: it"), np.arange(10) / FPS, atol=1e-6)


@pytest.mark.parametrize(("trial", "start"), [("all of it", 0.0), ("part/of: it", 0.2)])
def test_the_rows_show_what_was_there_at_their_time(filmed, trial, start):
    window = filmed.cache.window(trial)
    truth = filmed.truths["walking"].actors[0].box
    middle = np.interp(window.times + start, filmed.truths["walking"].times, (truth[:, 0] + truth[:, 2]) / 2)
    distance = window.position[:, 0] - middle
    assert np.isfinite(distance).all()
    assert np.ptp(distance) < 3  # a frame is 8 px


def test_pictures_show_the_face_of_their_time_however_it_moves(filmed):
    """The nose stays in one place of the cut while the face crosses the picture; a wrong frame would be 8 px off."""
    backend = face.OnnxFaceBackend()
    count = len(filmed.cache.pictured("all of it"))
    window = filmed.cache.window("all of it", pictures=range(count))
    assert count == 20
    assert np.array_equal(window.pictured, window.times)
    noses = []
    for picture in window.faces[::4]:
        marks = backend.mesh(picture, face.Region(112, 112, 224, 0.0))
        noses.append(marks[4, :2])
    scale = 224 / (1.3 * 1.25 * np.nanmedian(window.position[:, 2]))
    assert np.ptp(noses, axis=0).max() < 4 * scale
    assert np.abs(np.mean(noses, axis=0) - [112, 112]).max() < 30


@pytest.mark.parametrize("trial", ["left", "right"])
def test_a_tilted_head_is_upright_in_its_picture_and_as_large_as_any(filmed, trial):
    backend = face.OnnxFaceBackend()
    picture = filmed.cache.window(trial, pictures=[0]).faces[0]
    marks = backend.mesh(picture, face.Region(112, 112, 224, 0.0))
    right, left = marks[33, :2], marks[263, :2]
    tilt = np.degrees(np.arctan2(left[1] - right[1], left[0] - right[0]))
    assert abs(tilt) < 3  # 20 degrees in the film
    assert np.linalg.norm(marks[454] - marks[234]) == pytest.approx(224 / (1.3 * 1.25), rel=0.06)


def test_a_window_has_its_rows_and_the_pictures_that_were_asked_for(filmed):
    cache = filmed.cache
    window = cache.window("all of it", 0.2, 0.6, pictures=[3, 3, 0])
    assert np.allclose(window.times, np.arange(5, 15) / FPS, atol=1e-6)
    assert (window.start, window.end) == (0.2, 0.6)
    assert np.allclose(window.pictured, np.array([3, 3, 0]) / FPS, atol=1e-6)
    assert np.array_equal(window.faces[0], window.faces[1])
    assert not np.array_equal(window.faces[0], window.faces[2])
    assert cache.window("all of it").faces is None
    clip = cache.clip(cache.trials[0], lambda count: video.pick_frames(count, 4))
    assert np.array_equal(clip.faces, cache.window("all of it", pictures=[2, 7, 12, 17]).faces)
    with pytest.raises(KeyError, match=r"expected the id of a prepared trial, got 'nobody'"):
        cache.window("nobody")
    with pytest.raises(IndexError):
        cache.window("all of it", pictures=[20])


def test_a_cache_can_be_sent_to_other_processes(filmed):
    other = pickle.loads(pickle.dumps(filmed.cache))
    assert np.array_equal(other.window("left", pictures=[0]).faces, filmed.cache.window("left", pictures=[0]).faces)


def test_the_pictures_are_a_film_that_any_player_shows(filmed):
    entry = filmed.cache.entries["all of it"]
    frames = list(video.open_video(filmed.root / "cache" / entry.folder / "faces.mjpeg"))
    assert len(frames) == 20
    shown = filmed.cache.window("all of it", pictures=[7]).faces[0].astype(float)
    assert np.abs(frames[7].rgb - shown).mean() < 3  # two decoders of one JPEG


@pytest.mark.slow
def test_two_workers_and_one_killed_run_leave_the_same_bytes(filmed):
    """The real thing, with the face library: stopped dead once its first trial is there, then done again."""
    again = filmed.root / "again"
    code = ("import sys; sys.path.insert(0, sys.argv[1]); import pickle; from mien.preprocessing import build_cache; "
            "build_cache.build_cache(pickle.load(open(sys.argv[2], 'rb')), sys.argv[3], workers=2)")
    job = filmed.root / "survey.pickle"
    job.write_bytes(pickle.dumps(survey_of(filmed.root, *filmed.trials)))
    command = [sys.executable, "-c", code, str(SCRIPT.parent), str(job), str(again)]
    running = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    while running.poll() is None and not list(again.glob("trials/*/*/trial.json")):
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert not (again / "cache.json").exists()
    with pytest.raises(ValueError, match="expected a prepared dataset"):
        Cache(again)
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    assert contents(again) == contents(filmed.root / "cache")


def test_of_several_people_the_one_seen_largest_for_longest_is_kept(tmp_path):
    actors = (simulation.Actor(simulation.identity(1), position=(80.0, 100.0), scale=0.35),
              simulation.Actor(simulation.identity(2), position=(235.0, 110.0), scale=0.6))
    truth = simulation.write_video(
        simulation.Scene(actors, size=(320, 240), fps=FPS, seconds=0.4), tmp_path / "two.mp4"
    )
    build_cache.build_cache(survey_of(tmp_path, Trial("two", "folder", video=tmp_path / "two.mp4")), tmp_path / "cache")
    cache = Cache(tmp_path / "cache")
    box = truth.actors[1].box[-1]
    assert box[0] < cache.window("two").position[-1, 0] < box[2]
    assert "2 people were found" in cache.entries["two"].note


# ---------------------------------------------------------------- pictures that are faces already


@pytest.fixture
def blind(monkeypatch) -> None:
    """No face library: nobody is found."""
    monkeypatch.setattr(preprocess_trial, "_backend", prepare_work.Blind)


def prepare(
    root: Path, *trials: Trial, how: preprocess_trial.Preparation | None = None
) -> build_cache.CacheBuildReport:
    return build_cache.build_cache(
        survey_of(root, *trials), root / "cache", how or preprocess_trial.Preparation(size=32)
    )


def levels(cache: Cache, id: str) -> list[int]:
    count = len(cache.pictured(id))
    return [round(float(picture.mean())) for picture in cache.window(id, pictures=range(count)).faces]


def test_pictures_come_in_the_order_of_their_numbers_and_at_their_rate(tmp_path, blind):
    pictures(tmp_path / "clip", 12)
    prepare(tmp_path, Trial("clip", "folder", video=tmp_path / "clip", frame_rate=10.0))
    cache = Cache(tmp_path / "cache")
    assert np.allclose(cache.pictured("clip"), np.arange(12) / 10)
    assert levels(cache, "clip") == pytest.approx([10 * n for n in range(1, 13)], abs=1)
    assert cache.size == 32
    assert np.isnan(cache.window("clip").aus).all()
    assert cache.entries["clip"].note == "no face was found"


def test_a_gap_in_the_numbers_is_a_gap_in_time(tmp_path, blind):
    pictures(tmp_path / "clip", 6)
    (tmp_path / "clip/3.png").unlink()
    prepare(tmp_path, Trial("clip", "folder", video=tmp_path / "clip", frame_rate=10.0))
    assert np.allclose(Cache(tmp_path / "cache").pictured("clip"), [0, 0.1, 0.3, 0.4, 0.5])


def test_a_picture_that_is_a_face_is_taken_whole_and_its_face_is_read(tmp_path):
    scene = simulation.Scene((simulation.Actor(simulation.identity(4), scale=0.75),), size=(160, 160), seconds=0.2)
    (tmp_path / "clip").mkdir()
    for number, frame in enumerate(scene.frames()):
        cv2.imwrite(str(tmp_path / f"clip/{number}.png"), frame.rgb[..., ::-1])
    prepare(
        tmp_path, Trial("clip", "folder", video=tmp_path / "clip", frame_rate=30.0), how=preprocess_trial.Preparation()
    )
    cache = Cache(tmp_path / "cache")
    window = cache.window("clip", pictures=[0])
    full = cv2.resize(next(iter(scene.frames())).rgb, (224, 224), interpolation=cv2.INTER_LINEAR)
    assert np.abs(window.faces[0].astype(float) - full).mean() < 3
    box = scene.truth().actors[0].box[0]
    assert cache.entries["clip"].coverage == 1
    assert box[0] < window.position[0, 0] < box[2]
    assert box[1] < window.position[0, 1] < box[3]
    assert np.isfinite(window.aus).all()


@pytest.mark.parametrize(("rate", "kept"), [(25.0, 1), (30.5, 1), (50.0, 2), (60.0, 2), (61.0, 2), (120.0, 4)])
def test_pictures_are_thinned_evenly_and_rows_are_not(tmp_path, blind, rate, kept):
    pictures(tmp_path / "clip", 25)
    prepare(tmp_path, Trial("clip", "folder", video=tmp_path / "clip", frame_rate=rate))
    cache = Cache(tmp_path / "cache")
    assert len(cache.times("clip")) == 25
    assert np.allclose(cache.pictured("clip"), np.arange(0, 25, kept) / rate)


@pytest.mark.parametrize("kind", ["flat", "face", "noise"])
def test_a_picture_takes_no_more_than_its_room(kind):
    rng = np.random.default_rng(0)
    smooth = cv2.resize(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8), (224, 224), interpolation=cv2.INTER_CUBIC)
    grain = np.clip(smooth + rng.normal(0, 12, smooth.shape), 0, 255).astype(np.uint8)
    picture = {"flat": np.full((224, 224, 3), 90, np.uint8), "face": smooth, "noise": grain}[kind]
    data = face_extraction.encode_jpeg(picture)
    assert len(data) <= face_extraction.ROOM
    error = cv2.imdecode(np.frombuffer(data, np.uint8), 1)[..., ::-1].astype(float) - picture
    assert np.sqrt((error**2).mean()) < (13 if kind == "noise" else 3)


# ---------------------------------------------------------------- signals


def test_signals_come_with_their_own_times_and_the_baseline_before_zero(tmp_path, blind, monkeypatch):
    (tmp_path / "wires.dat").write_bytes(b"1")
    values = np.arange(2 * 600, dtype=np.float32).reshape(2, 600)
    full = Signal(values, 100.0, ("ecg", "eda"), ("mV", "uS"), start=-2.0, quality=np.linspace(0, 1, 600))
    module = SimpleNamespace(signals=lambda trial: full if trial.entry == "3" else None)
    monkeypatch.setattr(datasets, "DATASETS", {"folder": module})
    prepare(tmp_path, Trial("wired", "folder", signals=tmp_path / "wires.dat", entry="3"))
    cache = Cache(tmp_path / "cache")
    result = cache.signals("wired")
    assert np.array_equal(result.values, values)
    assert (result.rate, result.names, result.units, result.start) == (100.0, ("ecg", "eda"), ("mV", "uS"), -2.0)
    assert np.allclose(result.quality, full.quality)
    part = cache.signals("wired", 0.0, 1.0)
    assert part.start == pytest.approx(0.0)
    assert np.array_equal(part.values, values[:, 200:300])
    assert np.allclose(part.times, full.times[200:300])
    window = cache.window("wired")
    assert (len(window.times), window.end) == (0, pytest.approx(3.99))


def test_a_trial_without_face_and_signal_is_a_failure_with_its_reason(tmp_path, blind):
    simulation.write_video(simulation.Scene(size=(64, 48), fps=FPS, seconds=0.2), tmp_path / "room.mp4")
    built = prepare(tmp_path, Trial("room", "folder", video=tmp_path / "room.mp4"))
    assert not built.complete
    assert built.failed[0][0] == "room"
    assert "expected a face or a signal, got no face in 5 frames" in built.failed[0][1]


@pytest.mark.parametrize("start", [0.0, 0.2])
def test_an_event_is_at_one_time_in_film_and_signal(tmp_path, start):
    """The lamp goes up at 0.52 s of the film, and the wire says so; whatever the trial's start, both agree."""
    event = 0.52
    lamp = lambda time: 0.6 if time < event - 1e-6 else 1.0  # noqa: E731
    scene = simulation.Scene(
        (simulation.Actor(simulation.identity(3), scale=0.6),), size=(320, 240), fps=FPS, seconds=1.0, light=lamp
    )
    simulation.write_video(scene, tmp_path / "film.mp4", crf=12)
    times = np.arange(-1, 1.5, 0.01)
    rows = [f"{time:.2f},{float(time >= event):.0f},{time:.3f}" for time in times]
    (tmp_path / "film.csv").write_text("\n".join(["time,eda,ecg", *rows]) + "\n")
    (tmp_path / "manifest.csv").write_text(f"video,subject,valence,signals,start\nfilm.mp4,a,7,film.csv,{start}\n")
    result = datasets.DATASETS["folder"].survey(tmp_path)
    assert build_cache.build_cache(result, tmp_path / "cache").complete
    cache = Cache(tmp_path / "cache")
    (trial,) = cache.trials
    window, wires = cache.window(trial.id), cache.signals(trial.id)
    bright = window.times[np.argmax(np.diff(window.skin[:, 0, 1])) + 1]
    spoken = wires.times[np.argmax(wires.values[wires.names.index("eda")] > 0.5)]
    assert bright == pytest.approx(event - start, abs=1e-3)
    assert spoken == pytest.approx(event - start, abs=0.011)
    assert wires.start == pytest.approx(-1 - start, abs=0.011)
    assert cache.signals(trial.id, 0.0, 0.3).values.shape[1] == pytest.approx(0.3 * wires.rate, abs=1)
