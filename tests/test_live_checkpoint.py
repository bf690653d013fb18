"""A trained checkpoint, live: read from its folder by name, its events like the default model's, exact to the file."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from live_films import film, write

pytest.importorskip("torch")

import torch

import mien
from mien.backbones.tiny import SOURCE
from mien.checkpoints.factory import build_model, load_clip
from mien.checkpoints.feature_cache import FeatureCache
from mien.checkpoints.predictor import Predictor, make_card
from mien.core.observations import Window
from mien.core.requirements import ModelRequirements
from mien.core.settings import Settings
from mien.core.tasks import EXPRESSION
from mien.inference.live.camera_thread import Live
from mien.inference.live.session import LiveSession, load_live_model
from mien.inference.live.worker import InferenceWorker, WorkerStep
from mien.inference.stream import Stream
from mien.recipes import RECIPES, tiny_recipe


def saved(name: str, folder: Path) -> Path:
    """A tiny checkpoint that knows nothing."""
    recipe = tiny_recipe(RECIPES[name])
    parts = load_clip(recipe.tower)
    model = build_model(recipe, recipe.task, parts)
    card = make_card(recipe, recipe.task, model, (parts.image.hash, parts.text.hash))
    return Predictor(model, recipe.task, recipe.seconds, card).save_pretrained(folder / "model")


def test_a_checkpoint_reads_live_what_it_reads_of_a_file(tmp_path):
    settings = Settings(model=str(saved("duse/dfew", tmp_path)), pictures=False)
    with LiveSession(settings) as session:
        events = [event for frame in film(3.0) for event in session.push(frame)]
        with Stream(session._model, settings, keep_all=True) as stream:
            rows = [row for frame in film(3.0) for row in stream.push(frame)]
    reported = [event for event in events if event.row is not None and not event.row.abstained]
    assert len(reported) >= 4
    for event in reported:
        row = next(row for row in rows if row.start == event.start)
        assert np.array_equal(event.row.probs, row.probs)  # nothing is reused between windows, nothing approximated
    plain = json.loads(json.dumps(reported[-1].json(), allow_nan=False))
    assert set(plain["expression"]) == set(session.classes)
    assert plain["text"].startswith("The person ")


CEILING = 300.0
"""s that a test waits for what must come, however busy the machine is."""


class Slow:
    """Takes its time, and says what it read: the share of its first class is the window's end."""

    task, needs, seconds = EXPRESSION, ModelRequirements(frames=2, size=32), 0.5

    def __init__(self, pause=0.0):
        self.pause, self.windows = pause, []
        self.gate = threading.Event()  # closed: it reads on and on
        self.gate.set()

    def predict_window(self, window):
        self.windows.append(window)
        time.sleep(self.pause)
        assert self.gate.wait(CEILING)
        first = window.end / 100
        return np.array([first, *[(1 - first) / 6] * 6])


def test_a_slow_model_does_not_make_frames_wait_and_reads_the_newest_window():
    model, frames = Slow(), list(film(2.6))
    model.gate.clear()
    with LiveSession(Settings(pictures=False, smoothing=0), model=model, worker=True) as session:
        assert session.push(frames[0]) == []  # what is made at the first frame is made
        events = [event for frame in frames[1:] for event in session.push(frame)]
        assert len(model.windows) <= 1  # the model has been at its first window all the time
        skipped = session.skipped
        model.gate.set()
        events += session.due(wait=True)
    reported = [event for event in events if event.row is not None and not event.row.abstained]
    assert skipped > 0
    assert len(events) + session.skipped == 5  # nothing is lost uncounted
    assert reported[-1].end == 2.5  # the newest is read in the end
    for event in reported:
        assert event.row.probs[0] == pytest.approx(event.end / 100)  # each by its own window
        assert event.latency > 0
        assert event.row.label == EXPRESSION.classes[int(event.row.probs.argmax())]
    for window in model.windows:
        assert window.faces.shape[1:] == (32, 32, 3)
        assert (np.diff(window.times) > 0).all()  # its own, whatever the stream writes meanwhile
        assert window.start <= window.times[0] <= window.times[-1] < window.end


def test_several_streams_share_one_model_in_turn():
    model, frames = Slow(0.05), list(film(1.6))
    distance = InferenceWorker(model)
    try:
        with (LiveSession(Settings(pictures=False), worker=distance) as first,
              LiveSession(Settings(pictures=False), worker=distance) as second):
            events = [[], []]
            for frame in frames:
                for result, session in zip(events, (first, second), strict=True):
                    result += session.push(frame)
            for result, session in zip(events, (first, second), strict=True):
                result += session.due(wait=True)
            steps = [len(result) + session.skipped for result, session in zip(events, (first, second), strict=True)]
            assert steps == [3, 3]
            assert all(result[-1].end == 1.5 for result in events)
    finally:
        distance.close()


def test_worker_cancel_drops_results_and_waits_for_one_window():
    model = Slow()
    model.gate.clear()
    distance = InferenceWorker(model)
    queue = distance.queue()

    def step(windows, end):
        return WorkerStep(0.0, end, [SimpleNamespace(window=SimpleNamespace(end=end))] * windows, 0.0)

    def reading(count):
        while len(model.windows) < count:
            time.sleep(0.01)

    try:
        queue.submit(step(50, 1.0))
        reading(1)
        queue.submit(step(50, 2.0))
        queue.cancel()
        threading.Timer(0.2, model.gate.set).start()
        assert queue.results(wait=True) == []
        queue.submit(step(1, 3.0))
        assert [answer.step.end for answer in queue.results(wait=True)] == [3.0]
        assert [window.end for window in model.windows] == [1.0, 3.0]  # of 101 that were asked
        model.gate.clear()
        queue.submit(step(50, 4.0))
        reading(3)
        closing = threading.Thread(target=distance.close)
        closing.start()
        while not distance._over:
            time.sleep(0.01)
    finally:
        model.gate.set()
        distance.close()
    closing.join()
    assert [window.end for window in model.windows] == [1.0, 3.0, 4.0]


def test_the_end_does_not_wait_for_steps_that_were_asked(tmp_path):
    model = Slow()
    model.gate.clear()
    session = LiveSession(model=model, worker=True)
    leave = session.leave
    session.leave = lambda: (leave(), model.gate.set())  # what is under way ends after it was said that all is over
    with Live(str(write(tmp_path / "clip.mp4", 6.0)), session=session) as live:
        until = time.monotonic() + CEILING
        while not live.session.skipped and time.monotonic() < until:  # one is read, and another waits
            time.sleep(0.01)
        assert live.session.skipped
    assert len(model.windows) == 1
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("mien-")] == []


def test_worker_raises_model_errors_in_the_session(tmp_path):
    class Broken(Slow):
        def predict_window(self, window):
            raise ZeroDivisionError("planted")

    path = write(tmp_path / "clip.mp4", 1.2)
    with (Live(str(path), session=LiveSession(model=Broken(0), worker=True)) as live,
          pytest.raises(ZeroDivisionError, match="planted")):
        list(live.events())


def test_kept_features_are_exact_for_zero_shot_and_read_once():
    settings = Settings(model=f"clip:{SOURCE}", pictures=False, smoothing=0)
    frames = list(film(4.6))
    reported = []
    for reuse in (False, True):
        with LiveSession(settings, reuse=reuse) as session:
            reported.append([event for frame in frames for event in session.push(frame)])
            model = session._model
    assert model.exact
    assert model.fresh < 0.7 * model.pictures  # of a film at 10 Hz each picture is there anew in every window
    assert model.fresh <= len(frames)
    for single, second in zip(*reported, strict=True):
        assert (single.row is None) == (second.row is None)
        if single.row is not None:
            np.testing.assert_allclose(second.row.probs, single.row.probs, atol=1e-4)


def test_kept_features_of_duse_are_those_of_the_place_at_which_each_was_first_read(tmp_path):
    """Against the model itself, reported those places; where every place says the same nothing is approximated."""
    model = mien.load(saved("duse/dfew", tmp_path), precision="32")
    reusing = FeatureCache(model)
    assert not reusing.exact
    side, rng = model.needs.size, np.random.default_rng(0)
    pictures = rng.integers(0, 256, (24, side, side, 3), dtype=np.uint8)

    def window(first):
        times = np.arange(first, first + 16, dtype=float)
        rows = {name: np.zeros((16, *shape)) for name, shape in (("skin", (4, 3)), ("position", (3,)), ("aus", (17,)),
                                                                 ("pose", (3,)), ("gaze", (2,)))}
        return Window(start=first, end=first + 16.0, times=times, faces=pictures[first:first + 16], **rows)

    def logs(read, first):
        return np.log(read.predict_window(window(first)))

    np.testing.assert_allclose(logs(reusing, 0), logs(model, 0), atol=1e-3)
    result = logs(reusing, 8)
    assert (reusing.pictures, reusing.fresh) == (32, 24)
    frames = torch.from_numpy(pictures[8:]).permute(0, 3, 1, 2)[None]
    with torch.no_grad():
        video = model.model.frame_features(frames, (*range(8, 16), *range(8, 16)))  # not 0 to 15
        expected = model.model.infer_features(video).logits.double().log_softmax(-1).numpy()[0]
    np.testing.assert_allclose(result, expected, atol=1e-3)
    assert np.abs(result - logs(model, 8)).max() > 0.02  # an approximation, and said to be one
    model.model.htpc.phase.data.zero_()
    still = FeatureCache(model)
    still.predict_window(window(0))
    assert still.exact
    np.testing.assert_allclose(logs(still, 8), logs(model, 8), atol=1e-3)


def test_reuse_is_refused_where_there_is_nothing_to_keep():
    with pytest.raises(ValueError, match="--reuse: expected a checkpoint"):
        load_live_model(Settings(), reuse=True)
    with pytest.raises(ValueError, match="--reuse: expected a checkpoint with separate features of each frame"):
        FeatureCache(Slow(0))


def test_the_default_model_needs_no_torch_live():
    code = (
        "from live_films import film; from mien.inference.live import LiveSession; import sys\n"
        "with LiveSession() as session:\n"
        "    for frame in film(1.1): session.push(frame)\n"
        "print([name for name in ('torch', 'transformers', 'fastapi', 'mcp') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120,
                          cwd=Path(__file__).parent)
    assert done.stdout.strip() == "[]"
