"""rPPG methods that look at pictures: an ONNX file that the test makes, on a film with a pulse that it plants."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import mien
from mien import rppg
from mien.cli import app
from mien.core.observations import Frame, Window
from mien.rppg import frame_methods
from mien.rppg.onnx_pulse import PulseCard
from mien.simulation import Actor, Pulse, Scene, identity, write_video

onnx = pytest.importorskip("onnx")

SIZE, CLIP = 16, 128
CARD = {"kind": "pulse", "name": "green mean", "size": SIZE, "frames": CLIP, "layout": "NDHWC", "inputs": ["raw"],
        "systole": "down", "licence_weights": "ours", "licence_data": "none"}


def write_model(path: Path, layout: str = "NDHWC", channels: int = 3, frames: int = CLIP) -> Path:
    """Waveform (1, T): the mean green of each picture."""
    helper, kinds = onnx.helper, onnx.TensorProto
    sizes = {"D": frames, "H": SIZE, "W": SIZE, "C": channels, "N": 1}
    axes = [layout.index(letter) for letter in "HW"]
    nodes = [helper.make_node("ReduceMean", ["x"], ["colours"], axes=axes, keepdims=0),
             helper.make_node("Gather", ["colours", "green"], ["wave"],
                              axis=[letter for letter in layout if letter not in "HW"].index("C"))]
    rest = [sizes[letter] for letter in layout if letter not in "HWC"]
    ends = (helper.make_tensor_value_info("x", kinds.FLOAT, [sizes[letter] for letter in layout]),
            helper.make_tensor_value_info("wave", kinds.FLOAT, rest))
    graph = helper.make_graph(nodes, "green", [ends[0]], [ends[1]],
                              [onnx.numpy_helper.from_array(np.array(1, np.int64), "green")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_model(tmp_path / "green.onnx")
    (tmp_path / "green.json").write_text(json.dumps(CARD), encoding="utf-8")
    assert CliRunner().invoke(app, ["models", "pin", str(tmp_path / "green.onnx"), "--accept"]).exit_code == 0
    return tmp_path / "green.onnx"


def pulse(times: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * 1.3 * times)


def seen(times: np.ndarray, hidden: tuple[float, float] = (np.inf, np.inf)) -> Window:
    """A face in the middle of the picture, hidden for some s."""
    place = np.tile(np.array([60.0, 50.0, 40.0]), (len(times), 1))
    place[(times >= hidden[0]) & (times < hidden[1])] = np.nan
    none = np.zeros((len(times), 4, 3), np.float32)
    return Window(times[0], times[-1], times, none, place, np.zeros((len(times), 18), np.float32), none[:, 0],
                  none[:, 0, :2])


def film(times: np.ndarray) -> Iterator[Frame]:
    """Skin that is darker in systole, by a tenth."""
    for time, wave in zip(times, pulse(times), strict=True):
        rgb = np.full((100, 120, 3), 90, np.uint8)
        rgb[20:90, 30:90] = np.array([180, 130 - 13 * wave, 110]).round().astype(np.uint8)
        yield Frame(float(time), rgb)


@pytest.mark.parametrize("fps", [25.0, 30.0, 60.0])
def test_the_waveform_of_a_model_is_the_planted_one(model: Path, fps: float) -> None:
    times = 2.0 + np.arange(int(20 * fps)) / fps
    method = rppg.frame_method(f"onnx:{model}")
    wave = rppg.frame_waves(film(times), {4: seen(times)}, method)[4]
    assert wave.rate == 30.0
    assert wave.times[0] == 2.0
    assert np.isfinite(wave.values[0]).all()
    assert np.corrcoef(wave.values[0], pulse(wave.times))[0, 1] > 0.97


def test_a_face_that_was_away_begins_a_new_clip(model: Path) -> None:
    times = np.arange(600) / 30
    wave = rppg.frame_waves(film(times), {1: seen(times, (8.0, 12.0))}, rppg.frame_method(f"onnx:{model}"))[1]
    known = np.isfinite(wave.values[0])
    assert known[: int(7.9 * 30)].all()
    assert known[int(12.1 * 30) : -1].all()
    assert not known[int(8.1 * 30) : int(11.9 * 30)].any()
    assert np.corrcoef(wave.values[0][known], pulse(wave.times[known]))[0, 1] > 0.95


def test_a_stretch_shorter_than_a_clip_has_no_waveform(model: Path) -> None:
    times = np.arange(CLIP - 1) / 30
    wave = rppg.frame_waves(film(times), {1: seen(times)}, rppg.frame_method(f"onnx:{model}"))[1]
    assert np.isnan(wave.values).all()


@pytest.mark.parametrize(("layout", "inputs"), [("NDCHW", ["raw"]), ("NCDHW", ["standardized"]),
                                                ("DCHW", ["diff_normalized", "standardized"])])
def test_layouts_and_inputs_of_the_field(tmp_path: Path, layout: str, inputs: list[str]) -> None:
    write_model(tmp_path / "one.onnx", layout, channels=3 * len(inputs))
    change = inputs[0] == "diff_normalized"
    card = {**CARD, "layout": layout, "inputs": inputs, "output": "difference" if change else "waveform"}
    (tmp_path / "one.json").write_text(json.dumps(card), encoding="utf-8")
    CliRunner().invoke(app, ["models", "pin", str(tmp_path / "one.onnx"), "--accept"])
    times = np.arange(300) / 30
    wave = rppg.frame_waves(film(times), {1: seen(times)}, rppg.frame_method(f"onnx:{tmp_path / 'one.onnx'}"))[1]
    assert np.corrcoef(wave.values[0], pulse(wave.times))[0, 1] > 0.9


def test_pulse_model_card_errors_are_one_sentence(model: Path, tmp_path: Path) -> None:
    card = json.loads(model.with_suffix(".json").read_text(encoding="utf-8"))
    for change, message in (({"sha256": ""}, "expected a SHA-256"), ({"accepted": ""}, "licence to be accepted"),
                            ({"layout": "HWC"}, "expected NDCHW, NDHWC"), ({"frames": 4}, "expected 16 to 2048"),
                            ({"fps": 30}, "expected the fields"), ({"rate": "30"}, "expected a finite number in rate"),
                            ({"inputs": "raw"}, "expected a list of texts in inputs"),
                            ({"size": 32.5}, "expected a whole number in size")):
        model.with_suffix(".json").write_text(json.dumps({**card, **change}), encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            rppg.frame_method(f"onnx:{model}")
    model.with_suffix(".json").write_text(json.dumps({**card, "frames": 64}), encoding="utf-8")
    with pytest.raises(ValueError, match="correct its card"):
        rppg.frame_method(f"onnx:{model}").waveform(np.zeros((64, SIZE, SIZE, 3), np.uint8))
    with pytest.raises(FileNotFoundError, match="got nothing at"):
        rppg.expect_method(f"onnx:{tmp_path / 'none.onnx'}")
    with pytest.raises(ValueError, match="record the camera"):
        rppg.expect_method(f"onnx:{model}", live=True)
    with pytest.raises(ValueError, match="expected one of"):
        rppg.expect_method("nothing")


def test_analyze_shows_the_waveform_of_a_model(model: Path, tmp_path: Path) -> None:
    actor = Actor(identity(3), pulse=Pulse(75.0, amplitude=0.012))
    write_video(Scene((actor,), size=(320, 240), seconds=12.0, noise=0.5), tmp_path / "film.mp4", crf=10)
    with_model = mien.analyze(tmp_path / "film.mp4", pulse_only=True, pictures=False)
    other = mien.analyze(tmp_path / "film.mp4", pulse_only=True, pictures=False, pulse_method=f"onnx:{model}")
    (face,), (before,) = other.faces, with_model.faces
    assert face.heart_rate.value == before.heart_rate.value  # always from the posterior
    assert face.heart_rate.method.endswith(f"waveform: onnx:{model}")
    assert face.pulse is not None
    assert before.pulse is not None
    inside = (face.pulse.times > 2) & (face.pulse.times < 10)
    assert not np.array_equal(face.pulse.values, before.pulse.values)
    assert np.corrcoef(face.pulse.values[0][inside], before.pulse.values[0][inside])[0, 1] > 0.5


class Thirds:
    """A method of another package."""

    size, frames, rate, box_factor = 8, 32, 20.0, 1.0

    def waveform(self, pictures: np.ndarray) -> np.ndarray:
        return -pictures[..., 1].mean(axis=(1, 2)).astype(float)


def test_a_package_adds_a_method(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("thirds", f"{__name__}:Thirds", frame_methods.GROUP)
    monkeypatch.setattr(frame_methods, "entry_points", lambda **_: EntryPoints([entry]))
    monkeypatch.setattr(frame_methods.tables, "entry_points", lambda **_: EntryPoints([entry]))
    assert rppg.names_frames("thirds")
    assert rppg.frame_method("thirds").rate == 20.0


def test_open_rppg_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rppg", None)
    with pytest.raises(ValueError, match="pip install open-rppg"):
        rppg.frame_method("open-rppg:FacePhys.rlap")

    def refuses(name: str) -> None:
        raise ValueError(f"no {name}")

    monkeypatch.setitem(sys.modules, "rppg", types.SimpleNamespace(Model=refuses))
    with pytest.raises(ValueError, match=r"expected a model of open-rppg, got none \(no x\)"):
        rppg.frame_method("open-rppg:x")


def test_a_card_names_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="card of a: expected up or down in systole, got 'left'"):
        PulseCard(name="a", size=64, frames=128, licence_weights="x", licence_data="y", systole="left")
