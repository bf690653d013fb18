"""Other people's models: an ONNX file that the test makes, its card, its hash and its licence; a hub on 127.0.0.1."""

from __future__ import annotations

import importlib
import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import mien
from mien import video
from mien.cli import app
from mien.core.hashing import sha256
from mien.core.observations import Window
from mien.core.results import Measurement
from mien.core.tasks import ACTION_UNITS
from mien.face import alignment
from mien.face.backend import OnnxFaceBackend
from mien.face.still import still_landmarks
from mien.inference.expression_card import read_card
from mien.inference.onnx_model import load_onnx, onnx_file
from mien.inference.onnx_pins import pin_file as pin
from mien.inference.prediction import BUILT_IN, StepObservation, StepPredictor
from mien.reporting.html import formatting, html
from mien.simulation.datasets.expression_sets import LabelledPerson

onnx = pytest.importorskip("onnx")

SIZE = 32
CARD = {"name": "brightness", "labels": ["happy", "sad", "bright"], "size": SIZE, "mean": [0.5, 0.5, 0.5],
        "deviation": [0.25, 0.25, 0.25], "licence_weights": "ours", "licence_data": "none"}


def write_model(path: Path, size: int = SIZE, classes: int = 3) -> Path:
    """Logits (1, K): the mean of each colour; a further class gets 0."""
    helper, kinds = onnx.helper, onnx.TensorProto
    weight = np.zeros((3, classes), np.float32)
    weight[np.arange(min(3, classes)), np.arange(min(3, classes))] = 1.0
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
             helper.make_node("Flatten", ["pooled"], ["flat"]),
             helper.make_node("MatMul", ["flat", "weight"], ["logits"])]
    ends = (helper.make_tensor_value_info("x", kinds.FLOAT, [1, 3, size, size]),
            helper.make_tensor_value_info("logits", kinds.FLOAT, [1, classes]))
    graph = helper.make_graph(nodes, "brightness", [ends[0]], [ends[1]],
                              [onnx.numpy_helper.from_array(weight, "weight")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def model(tmp_path) -> Path:
    write_model(tmp_path / "bright.onnx")
    (tmp_path / "bright.json").write_text(json.dumps(CARD), encoding="utf-8")
    return tmp_path / "bright.onnx"


def window(rgb: tuple[int, int, int], side: int) -> Window:
    none = np.zeros((1, 4, 3), np.float32)
    return Window(0.0, 1.0, np.zeros(1), none, none[:, 0], np.zeros((1, 18), np.float32), none[:, 0], none[:, 0, :2],
                  faces=np.full((1, side, side, 3), rgb, np.uint8), pictured=np.zeros(1))


def test_a_model_reads_pictures_as_its_card_says(model):
    pin(model, accept=True)
    read = load_onnx(f"onnx:{model}")
    assert read.task.classes == ("happy", "sad", "bright")
    result = read.predict_window(window((255, 128, 0), read.needs.size))
    logits = (np.array([255, 128, 0]) / 255 - 0.5) / 0.25
    np.testing.assert_allclose(result, np.exp(logits) / np.exp(logits).sum(), atol=1e-6)
    card = json.loads(model.with_suffix(".json").read_text(encoding="utf-8"))
    model.with_suffix(".json").write_text(json.dumps(card | {"colour": "BGR"}), encoding="utf-8")
    turned = load_onnx(f"onnx:{model}").predict_window(window((255, 128, 0), read.needs.size))
    np.testing.assert_allclose(turned, result[::-1], atol=1e-6)


def test_from_a_picture_to_a_row(model, tmp_path):
    run = CliRunner().invoke
    assert run(app, ["models", "pin", str(model), "--accept"]).exit_code == 0
    LabelledPerson(0, seed=2).picture(tmp_path / "face.png", "happy")
    (row,) = mien.analyze(tmp_path / "face.png", model=f"onnx:{model}", pictures=False).emotions
    assert row.probs.shape == (3,)
    assert row.probs.sum() == pytest.approx(1)
    assert row.label in CARD["labels"]
    out = ["-o", str(tmp_path / "out"), "-q"]
    done = run(app, ["analyze", str(tmp_path / "face.png"), "--model", f"onnx:{model}", *out])
    assert done.exit_code == 0, done.output


def write_video_model(path: Path, frames: int) -> Path:
    """Logits (1, 2) of T pictures (1, T, 3, H, W): mean red of the first and of the last picture."""
    helper, kinds = onnx.helper, onnx.TensorProto
    constants = [onnx.numpy_helper.from_array(np.array(values, np.int64), name) for name, values in (
        ("first", [0, 0]), ("last", [frames - 1, 0]), ("end", [frames, 1]), ("start", [1, 1]), ("axes", [1, 2]))]
    nodes = [helper.make_node("ReduceMean", ["x"], ["means"], axes=[3, 4], keepdims=0),
             helper.make_node("Slice", ["means", "first", "start", "axes"], ["red_first"]),
             helper.make_node("Slice", ["means", "last", "end", "axes"], ["red_last"]),
             helper.make_node("Concat", ["red_first", "red_last"], ["both"], axis=1),
             helper.make_node("Flatten", ["both"], ["logits"])]
    ends = (helper.make_tensor_value_info("x", kinds.FLOAT, [1, frames, 3, SIZE, SIZE]),
            helper.make_tensor_value_info("logits", kinds.FLOAT, [1, 2]))
    graph = helper.make_graph(nodes, "brightening", [ends[0]], [ends[1]], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_a_model_of_several_pictures_gets_them_in_the_order_of_time(tmp_path):
    path = write_video_model(tmp_path / "video.onnx", 4)
    card = CARD | {"labels": ["dark", "bright"], "frames": 4, "seconds": 2.0, "mean": [0, 0, 0], "deviation": [1, 1, 1]}
    (tmp_path / "video.json").write_text(json.dumps(card), encoding="utf-8")
    pin(path, accept=True)
    read = load_onnx(f"onnx:{path}")
    assert (read.seconds, read.needs.frames) == (2.0, 4)
    for reds in ((0, 60, 120, 180, 240), (0, 51)):  # more pictures than the model takes, and fewer
        faces = np.stack([np.full((read.needs.size, read.needs.size, 3), (red, 0, 0), np.uint8) for red in reds])
        seen = replace(window((0, 0, 0), read.needs.size), faces=faces, pictured=np.linspace(0, 1, len(reds)))
        probs = read.predict_window(seen)
        shown = np.array([reds[index] for index in video.pick_frames(len(reds), 4)]) / 255
        assert shown[0] < shown[-1]
        assert probs[1] / probs[0] == pytest.approx(np.exp(shown[-1] - shown[0]))


def test_valence_and_arousal_of_a_model_take_the_place_of_those_of_its_classes(tmp_path):
    """The outputs behind the labels are the means of green and blue."""
    path = write_model(tmp_path / "affect.onnx", classes=3)
    card = CARD | {"labels": ["happy", "sad"], "others": ["valence"], "mean": [0, 0, 0], "deviation": [1, 1, 1]}
    (tmp_path / "affect.json").write_text(json.dumps(card), encoding="utf-8")
    pin(path, accept=True)
    read = load_onnx(f"onnx:{path}")
    probs, affect = read.predict_with_affect(window((255, 0, 102), read.needs.size))
    np.testing.assert_allclose(probs, np.exp([1, 0]) / np.exp([1, 0]).sum(), atol=1e-6)
    np.testing.assert_allclose(affect, [0.4, np.nan], atol=1e-6)
    LabelledPerson(0, seed=2).picture(tmp_path / "face.png", "happy")
    (row,) = mien.analyze(tmp_path / "face.png", model=f"onnx:{path}", pictures=False).emotions
    picture = cv2.imread(str(tmp_path / "face.png"))[..., 0] / 255
    assert picture.min() < row.valence < picture.max()  # the mean blue of the cut
    assert np.isnan(row.arousal)
    (person,) = mien.analyze(tmp_path / "face.png", model=f"onnx:{path}", pictures=False).faces
    assert person.valence == row.valence


def write_card(path: Path, **changes: object) -> str:
    """Write a card of plain colours 0..1 beside a model, pin it, and return the name of the model."""
    plain = {"mean": [0, 0, 0], "deviation": [1, 1, 1]}
    path.with_suffix(".json").write_text(json.dumps(CARD | plain | changes), encoding="utf-8")
    pin(path, accept=True)
    return f"onnx:{path}"


@pytest.mark.parametrize(("fields", "smile", "lips"), [
    ({"unit_output": "intensities", "unit_top": 1}, 5 * 0.4, 5 * 0.8),
    ({"unit_output": "intensities", "unit_top": 0.5}, 10 * 0.4, 5),  # twice the largest: rounded to it
    ({"unit_output": "probabilities"}, 5 * 0.4, 5 * 0.8),
    ({"unit_output": "logits"}, 5 / (1 + np.exp(-0.4)), 5 / (1 + np.exp(-0.8)))])
def test_action_units_of_a_model_come_on_the_scale_of_mien(fields, smile, lips, tmp_path):
    """The outputs are the means of red, green and blue: one unused, two units."""
    name = write_card(write_model(tmp_path / "units.onnx"), labels=[], others=["", "AU12", "AU25"], **fields)
    read = load_onnx(name)
    seen = replace(window((255, 102, 204), read.needs.size), expression=np.full((1, 7), 1 / 7))
    result = read.predict_with_units(seen)
    units = dict(zip(ACTION_UNITS, result.units, strict=True))
    assert (units.pop("AU12"), units.pop("AU25")) == pytest.approx((smile, lips), abs=1e-4)
    assert np.isnan(list(units.values())).all()
    np.testing.assert_allclose(result.probs, 1 / 7)


def test_units_of_a_model_take_the_place_of_those_of_mien_up_to_the_report(tmp_path):
    """Red is valence and green AU14, which mien does not see; the classes stay those of the built-in model."""
    name = write_card(write_model(tmp_path / "units.onnx"), labels=[], others=["valence", "AU14", "AU12"],
                      unit_output="probabilities", name="units of ours")
    LabelledPerson(0, seed=2).picture(tmp_path / "face.png", "happy")
    ours = mien.analyze(tmp_path / "face.png", pictures=False)
    timeline = mien.analyze(tmp_path / "face.png", model=name, pictures=False)
    (row,), (person,), (before,) = timeline.emotions, timeline.faces, ours.emotions
    np.testing.assert_array_equal(row.probs, before.probs)
    known = [unit for unit, value in zip(ACTION_UNITS, row.aus, strict=True) if np.isfinite(value)]
    assert known == ["AU12", "AU14"]
    picture = cv2.imread(str(tmp_path / "face.png"))[..., :2] / 51
    assert picture.min() < row.aus[ACTION_UNITS.index("AU14")] < picture.max()
    np.testing.assert_array_equal(person.aus, row.aus)
    red = cv2.imread(str(tmp_path / "face.png"))[..., 2] / 255
    assert red.min() < row.valence < red.max()
    assert row.valence != before.valence
    assert np.isnan(row.arousal)
    assert (person.valence, np.isnan(person.arousal)) == (row.valence, True)
    page = html(timeline, images=False, script="plotly.min.js")
    scale = "units of ours (probability that a unit is present, times 5): AU14, AU12"
    assert timeline.settings["units_by"] == scale
    assert page.count(scale) == 2  # how to read this, and the settings
    assert "(not seen)" not in page
    assert formatting.BASELINE in page
    assert "dimpler (not seen)" in html(ours, images=False, script="plotly.min.js")


def test_a_row_without_a_reading_has_no_units_of_another_scale(tmp_path):
    """A step that mien measured, but that the model cannot read, has no action units."""
    name = write_card(write_model(tmp_path / "units.onnx"), labels=["happy", "sad"], others=["AU12"])
    none = np.zeros(3)
    step = StepObservation(0.0, 0.5, 0, "tracked", np.zeros(4), np.full(len(ACTION_UNITS), 2.0), none, none[:2],
                           Measurement(None, "bpm", 0.0, "", "too_short"), reason="turned_away")
    for model, expected in ((load_onnx(name), np.nan), (BUILT_IN, 2.0)):
        np.testing.assert_array_equal(StepPredictor(model, 0.0).predict(step).aus, expected)


def test_named_outputs_are_read_one_after_another(tmp_path):
    """Scores of labels and units in two ONNX outputs, in another order than in the file."""
    helper, kinds = onnx.helper, onnx.TensorProto
    path = write_model(tmp_path / "several.onnx")
    graph = onnx.load(path)
    graph.graph.node.append(helper.make_node("Neg", ["logits"], ["minus"]))
    graph.graph.output.append(helper.make_tensor_value_info("minus", kinds.FLOAT, [1, 3]))
    onnx.save(graph, path)
    read = load_onnx(write_card(path, labels=["happy", "sad", "bright"], output="scores", outputs=["minus", "logits"],
                                others=["AU12", "AU25", "AU26"], unit_top=1))
    result = read.predict_with_units(window((255, 102, 0), read.needs.size))
    np.testing.assert_allclose(result.probs, 1 / 3)  # no score is above 0
    assert result.units[ACTION_UNITS.index("AU25")] == pytest.approx(2.0, abs=1e-4)
    turned = load_onnx(write_card(path, output="scores", outputs=["logits"], sha256=""))
    np.testing.assert_allclose(turned.predict_window(window((255, 102, 51), 42)), np.array([5, 2, 1]) / 8, atol=1e-6)


FIVE = (10.0, 10.0, 22.0, 10.0, 16.0, 16.0, 11.0, 22.0, 21.0, 22.0)


def test_five_points_of_a_turned_face_lie_where_the_card_wants_them(tmp_path):
    """The cut of a face that is turned by 20 degrees in the picture is that of the upright face."""
    LabelledPerson(0, seed=2).picture(tmp_path / "face.png", "neutral")
    rgb = cv2.cvtColor(cv2.imread(str(tmp_path / "face.png")), cv2.COLOR_BGR2RGB)
    height, width = rgb.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 20, 0.9)
    cuts = []
    backend = OnnxFaceBackend()
    for picture in (rgb, cv2.warpAffine(rgb, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)):
        landmarks = still_landmarks(picture, backend)
        cut = alignment.align(picture, landmarks, 4 * np.array(FIVE).reshape(5, 2), 4 * SIZE)
        after = alignment.similarity(alignment.five_points(landmarks), np.array(FIVE).reshape(5, 2))
        placed = alignment.five_points(landmarks) @ after[:, :2].T + after[:, 2]
        assert np.abs(placed - np.array(FIVE).reshape(5, 2)).max() < 4  # the face has other proportions than the card
        assert placed.mean(axis=0) == pytest.approx(np.array(FIVE).reshape(5, 2).mean(axis=0))
        cuts.append(cut.astype(float))
    upright = np.abs(cuts[0] - cuts[1]).mean()
    turned = np.abs(cuts[0] - cuts[0].transpose(1, 0, 2)).mean()  # another picture differs far more
    assert upright < 12
    assert upright < turned / 2


def test_a_model_with_five_points_reads_a_picture_and_abstains_without_a_face(tmp_path):
    path = write_model(tmp_path / "points.onnx")
    (tmp_path / "points.json").write_text(json.dumps(CARD | {"points": FIVE}), encoding="utf-8")
    pin(path, accept=True)
    read = load_onnx(f"onnx:{path}")
    assert np.isnan(read.predict_window(window((90, 90, 90), read.needs.size))).all()
    LabelledPerson(0, seed=2).picture(tmp_path / "face.png", "happy")
    (row,) = mien.analyze(tmp_path / "face.png", model=f"onnx:{path}", pictures=False).emotions
    assert row.probs.sum() == pytest.approx(1)
    assert row.reason == ""


def test_similarity_recovers_a_planted_turn():
    points = np.array(FIVE).reshape(5, 2)
    angle = np.deg2rad(37)
    matrix = 1.7 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    result = alignment.similarity(points, points @ matrix.T + [3, -8])
    np.testing.assert_allclose(result, np.column_stack([matrix, [3, -8]]), atol=1e-9)


@pytest.mark.parametrize(("change", "text"), [
    ({"labels": ["one", "two"]}, r"expected 2 outputs, one a label of the card .*, got 3: correct labels or others"),
    ({"others": ["valence"]}, r"expected 4 outputs"), ({"others": ["sleep"]}, "expected valence, arousal and"),
    ({"labels": ["happy", "sad"], "others": ["AU1"]}, "action units of mien such as AU12"),
    ({"labels": ["happy"], "others": ["AU12", "AU12"]}, "expected two different names or more, or none beside action"),
    ({"labels": []}, "none beside action units"), ({"unit_output": "votes"}, "expected intensities or probabilities"),
    ({"unit_output": "logits", "unit_top": 1}, "for intensities alone"), ({"unit_top": 0}, "a positive number"),
    ({"outputs": ["units"]}, "expected the output units of the card, got logits: correct outputs"),
    ({"frames": 4}, r"expected the input \[4, 3, 32, 32\] of the card, got \[3, 32, 32\]"),
    ({"points": [1, 2, 3]}, "expected no points or five"), ({"points": [99.0] * 10}, "within the picture"),
    ({"size": 48}, r"expected the input \[3, 48, 48\] of the card, got \[3, 32, 32\]: correct size, layout or frames"),
    ({"layout": "NHWC"}, r"expected the input \[32, 32, 3\]"), ({"sha256": "0" * 64}, "it is another file"),
    ({"sha256": ""}, r"expected a SHA-256 in its card, got none.*models pin"),
    ({"accepted": ""}, r"expected its licence to be accepted \(weights: ours; data: none\)"),
    ({"licence_data": "others"}, "expected its licence to be accepted"), ({"box_factor": 2.0}, "expected 0.5 to 1.3"),
    ({"labels": ["one", "one", "two"]}, "two different names"), ({"speed": 3}, "got speed"),
    ({"licence_weights": ""}, "expected the licence of the weights"),
    ({"licence_data": " "}, "expected the licence of the data"), ({"licence_data": 5}, "expected text in licence_data"),
    ({"name": None}, "expected text in name, got None"), ({"sha256": 5}, "expected text in sha256"),
    ({"size": "32"}, "expected a whole number in size"), ({"size": 32.0}, "expected a whole number in size"),
    ({"frames": True}, "expected a whole number in frames"), ({"labels": "abc"}, "expected a list of texts in labels"),
    ({"labels": [1, 2, 3]}, r"expected a list of texts in labels, got \[1, 2, 3\]"),
    ({"labels": {"a": "happy"}}, "expected a list of texts in labels"), ({"labels": ["", "b", "c"]}, "different names"),
    ({"mean": 0.5}, "expected a list of finite numbers in mean"),
    ({"mean": ["a", "b", "c"]}, "expected a list of finite numbers in mean"),
    ({"deviation": [1, float("nan"), 1]}, "expected a list of finite numbers in deviation"),
    ({"points": ["1"] * 10}, "expected a list of finite numbers in points"),
    ({"scale": "1/255"}, "expected a finite number in scale"), ({"scale": 0}, "expected a number other than 0")])
def test_a_card_that_does_not_fit_is_refused_in_one_sentence(change, text, model):
    pin(model, accept=True)
    path = model.with_suffix(".json")
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(ValueError, match=text) as caught:
        load_onnx(f"onnx:{model}")
    assert "\n" not in str(caught.value)


def test_a_card_or_a_file_that_cannot_be_read_is_refused_in_one_sentence(model):
    pin(model, accept=True)
    card = json.loads(model.with_suffix(".json").read_text(encoding="utf-8"))
    model.with_suffix(".json").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ValueError, match=r"bright\.json: expected JSON, got"):
        load_onnx(f"onnx:{model}")
    model.write_bytes(b"no model")
    model.with_suffix(".json").write_text(json.dumps(card | {"sha256": sha256(model)}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"cannot load .*; export or download it again$"):
        load_onnx(f"onnx:{model}")


def test_logits_that_the_card_calls_probabilities_are_refused(model):
    model.with_suffix(".json").write_text(json.dumps(CARD | {"output": "probabilities"}), encoding="utf-8")
    pin(model, accept=True)
    read = load_onnx(f"onnx:{model}")
    with pytest.raises(ValueError, match="expected probabilities from 0 to 1, got -2 to 2"):  # (0 and 1 - 0.5) / 0.25
        read.predict_window(window((255, 128, 0), read.needs.size))
    probs = read.predict_window(window((160, 160, 160), read.needs.size))
    np.testing.assert_allclose(probs, 1 / 3)


def test_load_onnx_reports_missing_files(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="expected an ONNX file, got nothing"):
        load_onnx("onnx:gone.onnx")
    model.with_suffix(".json").unlink()
    with pytest.raises(FileNotFoundError, match="expected a card beside it"):
        load_onnx(f"onnx:{model}")
    for name in ("hf:owner/name", "hf:owner/name@main:x.onnx", "hf:owner@" + 40 * "a"):
        with pytest.raises(ValueError, match="a commit of 40 hexadecimal digits"):
            load_onnx(name)


def test_a_pinned_hash_is_kept_and_the_ready_cards_have_none(model):
    assert pin(model, accept=False).sha256 == sha256(model)
    write_model(model, classes=4)
    with pytest.raises(ValueError, match="remove it from the card"):
        pin(model, accept=True)
    cards = sorted((Path(mien.__file__).parent / "inference" / "cards").glob("*.json"))
    assert cards
    for path in cards:
        card = read_card(path.with_suffix(".onnx"))
        assert (card.sha256, card.accepted) == ("", "")


COMMIT = "0123456789" * 4


@pytest.fixture
def hub(model, monkeypatch, tmp_path):
    """A hub on 127.0.0.1 with one repository of one file."""
    huggingface_hub = pytest.importorskip("huggingface_hub")
    data, requests = model.read_bytes(), []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.answer()
            self.wfile.write(data)

        def answer(self) -> None:
            requests.append(self.path)
            known = self.path == f"/owner/faces/resolve/{COMMIT}/bright.onnx"
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", '"one"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    constants = importlib.import_module("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # tests are off line, but for this machine
    download = huggingface_hub.hf_hub_download
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *names, **options: download(
        *names, **options, endpoint=address, cache_dir=tmp_path / "hub"))
    yield requests
    server.shutdown()


def test_a_model_of_a_hub_is_pinned_by_its_commit_and_its_hash(hub, model):
    name = f"hf:owner/faces@{COMMIT}:bright.onnx"
    path = onnx_file(name)
    assert path.read_bytes() == model.read_bytes()
    assert all(COMMIT in each for each in hub)
    path.with_suffix(".json").write_text(json.dumps(CARD), encoding="utf-8")
    with pytest.raises(ValueError, match="expected a SHA-256"):
        load_onnx(name)
    pin(path, accept=True)
    assert load_onnx(name).task.classes == tuple(CARD["labels"])


def test_a_file_that_the_hub_lacks_is_one_sentence_that_names_it(hub):
    with pytest.raises(FileNotFoundError, match=r"expected gone\.onnx in the repository owner/faces") as refused:
        onnx_file(f"hf:owner/faces@{COMMIT}:gone.onnx")
    assert "onnx:FILE" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_model_that_gives_no_numbers_is_refused(model):
    pin(model, accept=True)
    loaded = load_onnx(f"onnx:{model}")
    loaded.card = replace(loaded.card, scale=np.nan)
    with pytest.raises(ValueError, match="expected numbers from the model, got NaN"):
        loaded.predict_window(window((200, 30, 30), loaded.needs.size))


PY_FEAT = [f"AU{number:02d}" for number in (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43)]
"""Order of p_au in py-feat's feat/multitask/MODEL_CARD.md."""

HEADS = ["affection", "amusement", "anger", "astonishment_surprise", "awe", "bitterness", "concentration", "confusion",
         "contemplation", "contempt", "contentment", "disappointment", "disgust", "distress", "doubt", "elation",
         "embarrassment", "emotional_numbness", "fatigue_exhaustion", "fear", "helplessness",
         "hope_enthusiasm_optimism", "impatience_and_irritability", "infatuation", "interest",
         "intoxication_altered_states_of_consciousness",
         "jealousy_&_envy", "longing", "malevolence_malice", "pain", "pleasure_ecstasy", "pride", "relief", "sadness",
         "sexual_lust", "shame", "sourness", "teasing", "thankfulness_gratitude", "triumph"]
"""Names of the files model_NAME_best.pth of Empathic-Insight-Face, in their order."""


def write_constant(path: Path, size: int, outputs: dict[str, np.ndarray]) -> Path:
    """An ONNX file with the same named outputs (1, K) for every picture."""
    helper, kinds = onnx.helper, onnx.TensorProto
    nodes, weights = [helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1, 2, 3], keepdims=0)], []
    for name, values in outputs.items():
        weights.append(onnx.numpy_helper.from_array(np.zeros((1, len(values)), np.float32), f"{name}_zero"))
        weights.append(onnx.numpy_helper.from_array(values[None].astype(np.float32), f"{name}_values"))
        nodes += [helper.make_node("Mul", ["mean", f"{name}_zero"], [f"{name}_none"]),
                  helper.make_node("Add", [f"{name}_none", f"{name}_values"], [name])]
    ends = [helper.make_tensor_value_info(name, kinds.FLOAT, [1, len(values)]) for name, values in outputs.items()]
    graph = helper.make_graph(nodes, "constant", [helper.make_tensor_value_info("x", kinds.FLOAT, [1, 3, size, size])],
                              ends, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_the_ready_card_of_py_feat_puts_each_unit_in_its_place(tmp_path):
    shares = np.linspace(0, 1, 20)
    path = write_constant(tmp_path / "face_multitask_v28.onnx", 224, {
        "p_au": shares, "emotion_logits": np.arange(7.0), "va": np.array([-0.5, 0.25]), "gaze": np.zeros(2)})
    with pytest.raises(ValueError, match="expected a SHA-256"):
        load_onnx(f"onnx:{path}")
    pin(path, accept=True)
    read = load_onnx(f"onnx:{path}")
    result = read.predict_with_units(window((90, 90, 90), read.needs.size))
    assert read.task.label(result.probs) == "angry"
    np.testing.assert_allclose(result.affect, [-0.5, 0.25])
    expected = [5 * shares[PY_FEAT.index(unit)] if unit in PY_FEAT else np.nan for unit in ACTION_UNITS]
    np.testing.assert_allclose(result.units, expected, atol=1e-6)
    assert np.isnan(result.units).sum() == 1  # AU45: py-feat has AU43, closed eyes, not a blink


def test_the_ready_card_of_empathic_insight_names_every_head(tmp_path):
    path = write_constant(tmp_path / "empathic_insight_face_large.onnx", 384, {"scores": np.eye(40)[12] * 7})
    pin(path, accept=True)
    read = load_onnx(f"onnx:{path}")
    assert read.task.label(read.predict_window(window((90, 90, 90), read.needs.size))) == HEADS[12] == "disgust"
    ours = {"anger": "angry", "astonishment": "surprise", "sadness": "sad", "thankfulness": "gratitude"}
    for head, label in zip(HEADS, read.task.classes, strict=True):
        assert label.split()[0] == ours.get(head.split("_")[0], head.split("_")[0])
