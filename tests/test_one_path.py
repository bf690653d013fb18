"""One path from frames to rows: prepared, analysed and live, the rows of one recording are equal."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import mien
from mien import checkpoints, face, simulation, video
from mien.checkpoints.factory import load_clip
from mien.checkpoints.predictor import Predictor, make_card
from mien.core.observations import Frame
from mien.core.results import Measurement
from mien.core.settings import Settings
from mien.core.tasks import EXPRESSION, seen_units
from mien.core.trials import Trial
from mien.datasets.index import DatasetIndex
from mien.face.backend import OnnxFaceBackend
from mien.face.region import Region
from mien.face.track_buffer import mean
from mien.inference import prediction
from mien.inference.live.session import LiveSession
from mien.inference.stream import Stream
from mien.models import mvp
from mien.preprocessing import build_cache
from mien.preprocessing.cache import Cache
from mien.recipes import RECIPES, tiny_recipe
from mien.recipes.overrides import override

FPS, SECONDS = 20, 4.0


@pytest.fixture(scope="module")
def filmed(tmp_path_factory) -> SimpleNamespace:
    """A recording of one person who smiles, and its cache."""
    root = tmp_path_factory.mktemp("path")
    smile = lambda t: 3.0 * (t > 1.5)  # noqa: E731 - a course in time
    actor = simulation.Actor(simulation.identity(3), aus={"AU12": smile}, scale=0.7, sway=2.0)
    scene = simulation.Scene((actor,), size=(240, 200), fps=FPS, seconds=SECONDS, noise=0.5)
    simulation.write_video(scene, root / "talk.mp4", crf=14)
    built = build_cache.build_cache(
        DatasetIndex("folder", root, "by hand", (Trial("talk", "folder", "a", root / "talk.mp4"),), (), ()),
        root / "cache",
    )
    assert built.complete
    return SimpleNamespace(root=root, film=root / "talk.mp4", cache=Cache(root / "cache"))


def live(film, **settings) -> list:
    """Rows of the live session, with the model in the same thread."""
    with video.open_video(film) as frames, LiveSession(Settings(**settings)) as session:
        return [event.row for frame in frames for event in session.push(frame) if event.row is not None]


def test_prepared_analysed_and_live_rows_of_the_default_model_are_equal(filmed):
    timeline = mien.analyze(filmed.film, pictures=False)
    window = filmed.cache.window("talk")
    assert timeline.faces[0].coverage == filmed.cache.entries["talk"].coverage == 1.0
    assert timeline.faces[0].first == window.times[0] == 0.0
    smoother = prediction.StepPredictor(prediction.BUILT_IN, Settings().smoothing)
    for row in timeline.emotions:
        part = filmed.cache.window("talk", row.start, row.end)
        for name in ("aus", "pose", "gaze"):
            expected = mean(getattr(part, name))
            np.testing.assert_array_equal(getattr(row, name), seen_units(expected) if name == "aus" else expected,
                                          err_msg=name)
        step = prediction.StepObservation(row.start, row.end, row.face, "tracked", row.box, row.aus, row.pose,
                                               row.gaze, row.heart_rate, window=part)
        np.testing.assert_array_equal(row.probs, smoother.predict(step).probs)
    given = {"neutral": "first:1s", "pictures": False}  # files know the neutral face of the whole recording, live none
    rows, timeline = live(filmed.film, **given), mien.analyze(filmed.film, **given)
    assert len(rows) == len(timeline.emotions) - 1  # live, the last step does not end
    for first, other in zip(rows, timeline.emotions, strict=False):
        assert (first.start, first.end, first.face, first.state, first.label, first.reason, first.heart_rate) == (
            other.start, other.end, other.face, other.state, other.label, other.reason, other.heart_rate)
        for name in ("probs", "aus", "pose", "gaze", "box"):
            np.testing.assert_array_equal(getattr(first, name), getattr(other, name), err_msg=name)


def test_every_frame_of_a_prepared_trial_is_the_one_of_the_stream(filmed):
    with video.open_video(filmed.film) as frames, Stream(settings=Settings(pictures=False), keep_all=True) as stream:
        for _ in stream.run(frames):
            pass
        stream.close()
    person, cached = stream.people[1].seen, filmed.cache.window("talk")
    person.measure()
    person.measure_again()
    seen = person.window(-np.inf, np.inf)
    for name in ("times", "skin", "position", "aus", "pose", "gaze"):
        np.testing.assert_array_equal(getattr(seen, name), getattr(cached, name), err_msg=name)


@pytest.fixture(scope="module", params=["duse/dfew", "scpt/deap-valence"])
def windowed(request, tmp_path_factory) -> str:
    """A tiny checkpoint of a method that reads windows of pictures."""
    recipe = tiny_recipe(RECIPES[request.param])
    parts = load_clip(recipe.tower)
    model = checkpoints.build_model(recipe, recipe.task, parts, seed=0)
    card = make_card(recipe, recipe.task, model, (parts.image.hash, parts.text.hash))
    return str(Predictor(model, recipe.task, recipe.seconds, card).save_pretrained(tmp_path_factory.mktemp("model")))


def test_probabilities_of_a_windowed_method_are_equal_prepared_analysed_and_live(filmed, windowed):
    """Prepared pictures are JPEGs, which is all that may differ: at most 0.01."""
    settings = {"model": windowed, "smoothing": 0.0, "pictures": False, "step": 1.0}
    model, pictured = mien.load(windowed, precision="32"), filmed.cache.pictured("talk")
    rows = mien.analyze(filmed.film, **settings).emotions
    others = live(filmed.film, **settings)
    assert len(rows) == len(others) + 1 == 4
    for first, other in zip(rows, others, strict=False):
        np.testing.assert_array_equal(first.probs, other.probs)
    for row in rows[:-1]:
        start = min(row.start, row.end - model.seconds)
        inside = np.flatnonzero((pictured >= start) & (pictured < row.end))
        prepared = model.predict_window(filmed.cache.window("talk", start, row.end, pictures=inside))
        np.testing.assert_allclose(row.probs, prepared, atol=0.01)


def test_probabilities_of_a_whole_recording_are_equal_prepared_and_analysed(filmed):
    recipe = override(tiny_recipe(RECIPES["mvp/amigos-valence"]), {"options.seconds": "2"})
    untrained = mvp.MVP(recipe.options)
    folder = filmed.root / "mvp"
    Predictor(untrained, recipe.task, 2.0, make_card(recipe, recipe.task, untrained, ("", ""))).save_pretrained(folder)
    model = mien.load(folder, precision="32")
    rows = mien.analyze(filmed.film, model=str(folder), pictures=False).emotions
    read = [row for row in rows if not row.reason]
    assert len(read) >= 4
    hop = 2.0 / 24  # as in the session: answers come on a grid of a twenty-fourth of what the model looks at
    for row in read:
        end = np.floor(row.end / hop + 1e-9) * hop
        start = max(end - 2.0, 0.0)
        np.testing.assert_allclose(row.probs, model.predict_window(filmed.cache.window("talk", start, end)), atol=1e-5)


@pytest.mark.parametrize("fps", [0.5, 1, 2, 5, 10, 15, 25, 30, 60, 120])
def test_one_scene_gives_the_same_people_coverage_and_units_at_every_frame_rate(people_at_rest, fps):
    """Two people who hold an expression. Tolerance of the mean units: 0.35 of 5, the noise of some frames' meshes; of
    their coverage 1 frame."""
    truth, pictures = people_at_rest
    count = int(min(max(8, 0.7 * fps), 40))
    with Stream(settings=Settings(pictures=False), keep_all=True) as stream:
        for i in range(count):
            stream.push(Frame(i / fps, pictures[i % len(pictures)]))
        stream.close()
    assert sorted(stream.people) == [1, 2]
    for id_, known in stream.people.items():
        assert known.seen.frames_tracked >= count - 1
        known.seen.measure()
        assert np.abs(mean(known.seen.window(0.0, 1.0).aus) - truth[id_]).max() < 0.35  # before a neutral is learnt


@pytest.mark.parametrize("fps", [0.5, 1, 2, 5, 15, 30, 120])
def test_the_neutral_face_is_learnt_as_fast_at_every_frame_rate(people_at_rest, fps):
    """An expression that is held for 12 s: what is left of it is what is left at 25 frames a second, within 0.3 of 5;
    where nothing is learnt, 0.5 and more is missing."""
    backend, rgb = OnnxFaceBackend(), people_at_rest[1][0]
    result = min(backend.detect(rgb), key=lambda detection: detection.box[0])
    marks = backend.mesh(rgb, Region.of_landmarks(backend.mesh(rgb, Region.of_detection(result))))
    last = []
    for rate in (25, fps):
        times = np.arange(0, 12.01, 1 / rate)
        repeated = np.repeat(marks[None], len(times), axis=0)
        last.append(face.AUEstimator().measure(times, repeated, (320, 160)).aus[[0, -1]])
    assert np.abs(last[0][0] - last[0][1]).max() > 0.5
    assert np.abs(last[0] - last[1]).max() < 0.3


@pytest.fixture(scope="module")
def people_at_rest() -> tuple[dict[int, np.ndarray], list[np.ndarray]]:
    """Some frames of a scene with other grain, and the units by id that 8 frames at 25 Hz give."""
    actors = tuple(simulation.Actor(simulation.identity(seed), aus={"AU12": smile}, scale=0.55, pulse=None,
                                   respiration=None) for seed, smile in ((3, 3.0), (5, 0.0)))
    scene = simulation.Scene(actors, size=(320, 160), fps=25, seconds=0.16, noise=0.5)
    pictures = [frame.rgb for frame in scene.frames()]
    with Stream(settings=Settings(pictures=False), keep_all=True) as stream:
        for i in range(8):
            stream.push(Frame(i / 25, pictures[i % len(pictures)]))
        stream.close()
    assert sorted(stream.people) == [1, 2]
    return {id_: mean(known.seen.window(-np.inf, np.inf).aus) for id_, known in stream.people.items()}, pictures


def test_a_row_is_assembled_in_one_place():
    """Label, confidence and affect follow from the probabilities; without them the row abstains."""
    step = prediction.StepObservation(0.0, 0.5, 1, "tracked", np.zeros(4), np.zeros(18), np.zeros(3), np.zeros(2),
                                           Measurement(None, "bpm", 0.0, "", "too_short"), reason="cut_off")
    probs = np.array([0.1, 0.1, 0.5, 0.1, 0.1, 0.05, 0.05])
    row = prediction.assemble_row(step, EXPRESSION, probs)
    none = prediction.assemble_row(step, EXPRESSION, None, reason=step.reason)
    assert (row.label, row.confidence, row.reason) == (EXPRESSION.classes[2], 0.5, "")
    assert (row.valence, row.arousal) == EXPRESSION.affect(probs)
    assert (none.label, none.confidence, none.reason) == ("", 0.0, "cut_off")
    assert np.isnan(none.probs).all()
