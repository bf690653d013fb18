"""Exported models: they compute what torch computes, read like a checkpoint, and are whole or refused."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import shutil
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

import mien
from mien import checkpoints, export, simulation
from mien.checkpoints.factory import build_model, load_clip
from mien.checkpoints.formats import FORMATS as EXPORT_FORMATS
from mien.cli import app
from mien.core.requirements import ModelRequirements
from mien.core.settings import Settings
from mien.core.tasks import EXPRESSION
from mien.export import convert, export_checkpoint
from mien.models.duse.config import DuSEConfig
from mien.models.duse.model import ImageSide
from mien.recipes import RECIPES, tiny_recipe
from mien.recipes.overrides import override
from test_checkpoint import LABELS, small_clip, stirred, window

pytestmark = pytest.mark.slow

RECIPE = override(
    tiny_recipe(RECIPES["duse/dfew"]), {"options.score_temperature": "0.2", "options.match_temperature": "0.2"}
)
FORMATS = ("openvino", "onnx")
INT8 = importlib.util.find_spec("nncf") is not None
needs_nncf = pytest.mark.skipif(not INT8, reason="nncf is not installed: the extra int8 caps numpy")


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    return stirred(RECIPE).save_pretrained(tmp_path_factory.mktemp("saved") / "model")


@pytest.fixture(scope="module")
def made(saved, tmp_path_factory) -> dict[str, export.ExportReport]:
    """Each format in float32, and, where NNCF is installed, int8 of both on five clips of noise."""
    place, clips = tmp_path_factory.mktemp("made"), export.noise_clips(mien.load(saved).needs, 5)
    plain = {to: export.export(saved, to, place / to) for to in FORMATS}
    small = FORMATS if INT8 else ()
    return plain | {f"{to}8": export.export(saved, to, place / f"{to}8", int8=True, clips=clips) for to in small}


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("film") / "talk.mp4"
    person = simulation.Actor(simulation.identity(1), aus={"AU12": lambda time: 4.0 * (time > 1)})
    simulation.write_video(simulation.Scene((person,), size=(320, 240), fps=10.0, seconds=3.5), path)
    return path


@pytest.fixture
def copy(made, tmp_path) -> Path:
    return Path(shutil.copytree(made["openvino"].folder, tmp_path / "copy"))


# ---------------------------------------------------------------------------------------------- the same answer

@pytest.mark.parametrize("to", FORMATS)
def test_it_reads_as_the_checkpoint(made, saved, to):
    windows = [window(seed, count) for seed, count in enumerate((20, 16, 5, 1))]
    expected, output = mien.load(saved, precision="32"), mien.load(made[to].folder, precision="32")
    probs = expected.predict_proba(windows)
    assert np.ptp(probs, axis=0).max() > 0.02  # it does look at the pictures
    assert 0.2 < probs.max() < 0.95
    np.testing.assert_allclose(output.predict_proba(windows), probs, atol=1e-5)
    by_window = [output.predict_window(item) for item in windows]
    np.testing.assert_allclose(output.predict_proba(windows), by_window, atol=1e-9)
    assert (output.task, output.needs, output.seconds) == (expected.task, expected.needs, expected.seconds)
    rough = mien.load(made[to].folder).predict_proba(windows)  # in the type that is fast here
    np.testing.assert_allclose(rough, probs, atol=0.02)


@pytest.mark.parametrize("options", [
    DuSEConfig(), DuSEConfig(lsea=False), DuSEConfig(htpc=False), DuSEConfig(prompts=0),
    DuSEConfig(residual=False, match="dot"), DuSEConfig(score="dot", after="keep", mlp="relu"),
])  # fmt: skip
def test_export_graph_matches_the_model(options):
    recipe = replace(RECIPE, options=options)
    model = build_model(recipe, EXPRESSION, load_clip(recipe.tower))
    frames = torch.randint(0, 256, (1, 16, 3, 32, 32), dtype=torch.uint8)
    logits, features = ImageSide(model)(frames)
    assert torch.equal(logits, model.infer(frames).logits)
    assert torch.equal(features, model.frame_features(frames))


def test_the_input_is_left_as_it_was(made):
    """A request that shares memory with its caller writes into it when it is used again."""
    frames = np.stack([item.frames for item in export.noise_clips(mien.load(made["openvino"].folder).needs, 3)])
    before = frames.copy()
    for to in FORMATS:
        output = mien.load(made[to].folder)
        assert np.array_equal(output.probs(frames), output.probs(frames))
    assert np.array_equal(frames, before)


@pytest.mark.parametrize("to", FORMATS)
def test_the_card_says_what_it_is(made, saved, to):
    folder = made[to].folder
    reported = json.loads((folder / "card.json").read_text())
    assert reported["schema"] == "mien.export/1"
    assert reported["tiny"] is True
    assert reported["labels"] == list(EXPRESSION.classes)
    assert reported["shape"] == [1, 16, 3, 32, 32]
    assert reported["source"] == mien.core.parallel.sha256(saved / "model.safetensors")
    assert reported["checkpoint"] == json.loads((saved / "card.json").read_text())
    assert reported["parity"]["largest_change_float32"] == made[to].exact < 1e-5
    names = ["card.json", "parity.csv", *EXPORT_FORMATS[to].files]
    assert sorted(file.name for file in folder.iterdir()) == sorted(names)


# ---------------------------------------------------------------------------------------------- int8

@needs_nncf
@pytest.mark.parametrize("to", FORMATS)
def test_int8_tells_the_change_of_every_probability(made, saved, to):
    report = made[f"{to}8"]
    table = pd.read_csv(report.folder / "parity.csv")
    assert len(table) == 5 * 7
    clips = np.stack([item.frames for item in export.noise_clips(mien.load(saved).needs, 5)])
    probs = mien.load(report.folder).probs(clips)
    np.testing.assert_allclose(table["exported"].to_numpy().reshape(5, 7), probs, atol=1e-6)
    with torch.inference_mode():
        expected = mien.load(saved, precision="32").model.infer(torch.from_numpy(clips)).logits.softmax(-1).numpy()
    np.testing.assert_allclose(table["torch"].to_numpy().reshape(5, 7), expected, atol=1e-5)
    np.testing.assert_allclose(table["change"], table["exported"] - table["torch"], atol=1e-6)
    assert 1e-6 < report.parity.largest < 0.05
    assert report.parity.largest == pytest.approx(np.abs(probs - expected).max(), abs=1e-5)
    assert report.parity.seen.tolist() == [True, False, True, False, True]
    assert report.card.precision == "int8"
    assert report.exact is None


@needs_nncf
def test_int8_leaves_the_head_the_patches_and_the_projection_as_they_are(made):
    import onnx
    import openvino

    model = openvino.Core().read_model(made["openvino8"].folder / "model.xml")
    behind = set(convert._behind_openvino(model.output("features").get_node().input_value(0)))
    kinds = Counter((op.get_type_name(), op.get_friendly_name() in behind) for op in model.get_ops())
    assert kinds["FakeQuantize", False] > 8
    assert kinds["FakeQuantize", True] == 0
    assert kinds["MatMul", True] >= 5
    complete = {"Convolution": [], "MatMul": []}
    for op in model.get_ordered_ops():
        if op.get_type_name() in complete and op.get_friendly_name() not in behind:
            makers = {value.get_source_output().get_node().get_type_name() for value in op.inputs()}
            complete[op.get_type_name()].append("FakeQuantize" not in makers)
    assert complete["Convolution"] == [True]
    assert complete["MatMul"] == [False] * 8 + [True]  # qkv, out, up, down of two layers; the projection
    graph = onnx.load(made["onnx8"].folder / "model.onnx")
    names = set(convert._behind_onnx(graph))
    kinds = Counter((node.op_type, node.name in names) for node in graph.graph.node)
    assert kinds["QuantizeLinear", False] > 8
    assert kinds["QuantizeLinear", True] == 0


# ---------------------------------------------------------------------------------------------- in use

def test_the_command_exports_by_videos_and_analyze_takes_it(saved, film, tmp_path, monkeypatch):
    sent = []
    monkeypatch.setattr("openvino_telemetry.main.TelemetrySender.send", lambda *reported: sent.append(reported))
    out = tmp_path / "out"
    command = ["export", str(saved), "--to", "openvino", "--clips", str(film), "--out", str(out)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "largest difference of a probability from torch, both in float32" in result.output
    assert "talk.mp4 0.0 to 3.0 s" in result.output
    assert "tiny: it only tests the pipeline" in result.output
    assert sent == []
    ours = mien.analyze(film, model=str(out), step=1.0)
    theirs = mien.analyze(film, model=str(saved), step=1.0)
    rows, others = ([row for row in output.emotions if not row.abstained] for output in (ours, theirs))
    assert [row.label for row in rows] == [row.label for row in others]
    assert len(rows) >= 3
    np.testing.assert_allclose([row.probs for row in rows], [row.probs for row in others], atol=0.02)


def test_clips_are_what_the_stream_shows(film, monkeypatch):
    needs = ModelRequirements(16, 32, (0.5,) * 3, (0.5,) * 3)
    output = export.record_clips([film], needs, 1.0)
    assert [item.name for item in output] == [f"talk.mp4 {k}.0 to {k + 1}.0 s" for k in range(3)] + [
        "talk.mp4 2.4 to 3.4 s"]
    assert {item.frames.shape for item in output} == {(16, 3, 32, 32)}
    monkeypatch.setattr("mien.export.example_clips.MAX_CLIPS", 3)
    output = export.record_clips([film, film], needs, 0.5)
    assert [item.name.split()[1] for item in output] == ["0.0", "0.5", "0.0"]


def test_videos_without_a_face_are_refused(tmp_path):
    simulation.write_video(simulation.Scene((), size=(160, 120), fps=10.0, seconds=1), tmp_path / "empty.mp4")
    with pytest.raises(ValueError, match="expected a face in the 1 videos, got none"):
        export.record_clips([tmp_path / "empty.mp4"], ModelRequirements(16, 32, (0.5,) * 3, (0.5,) * 3), 1.0)


def test_an_analysis_is_done_again_after_another_export(made, tmp_path):
    from mien.inference.batch.options import AnalysisOptions

    first, other = (AnalysisOptions(Settings(model=str(made[to].folder))).fingerprint["model"] for to in FORMATS)
    assert first != other
    assert {len(each) for each in (*first, *other)} == {64}


# ---------------------------------------------------------------------------------------------- refusals

def test_an_exported_model_has_its_labels(made, saved):
    for to in FORMATS:
        with pytest.raises(ValueError, match=r"--labels: .* got an exported model, which has none"):
            mien.load(made[to].folder, labels=LABELS)
    other = replace(EXPRESSION, classes=EXPRESSION.classes[::-1], texts=None)
    assert mien.load(made["onnx"].folder, task=EXPRESSION).task == EXPRESSION
    with pytest.raises(ValueError, match=r"expected the labels fear, disgust.*got a model for happy, sad"):
        mien.load(made["onnx"].folder, task=other)


@pytest.mark.parametrize("name", EXPORT_FORMATS["openvino"].files)
def test_a_truncated_model_is_refused(copy, name):
    data = (copy / name).read_bytes()
    for keep in (0, len(data) // 2, len(data) - 1):
        (copy / name).write_bytes(data[:keep])
        with pytest.raises(ValueError, match=r"expected the file that its card\.json names by sha256"):
            mien.load(copy)
    (copy / name).unlink()
    with pytest.raises(FileNotFoundError, match="expected the model next to its card"):
        mien.load(copy)


@pytest.mark.parametrize(("spoil", "reported"), [
    (lambda card: "{", "expected JSON"),
    (lambda card: json.dumps({**card, "schema": "mien.export/9"}), r"expected the schema mien\.export/1"),
    (lambda card: json.dumps({**card, "format": "coreml"}), "of openvino or onnx"),
    (lambda card: json.dumps({k: v for k, v in card.items() if k != "shape"}), "these are missing: shape"),
    (lambda card: json.dumps({**card, "checkpoint": {}}), r"expected the schema mien\.checkpoint/1"),
])  # fmt: skip
def test_a_card_that_does_not_belong_is_refused(copy, spoil, reported):
    card = json.loads((copy / "card.json").read_text())
    (copy / "card.json").write_text(spoil(card))
    with pytest.raises(ValueError, match=reported):
        mien.load(copy)


def test_a_folder_without_its_card_is_reported(copy):
    (copy / "card.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected an exported model with its card\.json"):
        mien.load(copy)


@pytest.mark.parametrize(("arguments", "reported"), [
    pytest.param({"int8": True}, "--int8: expected --clips, videos like those", marks=needs_nncf),
    ({"to": "coreml"}, "--to: expected openvino or onnx, got 'coreml'"),
])
def test_export_refuses_before_it_writes_files(saved, tmp_path, arguments, reported):
    with pytest.raises(ValueError, match=reported):
        export.export(saved, **{"to": "onnx", "out": tmp_path / "out", **arguments})
    assert list(tmp_path.iterdir()) == []


def test_an_exported_model_is_not_exported_again(made, tmp_path):
    with pytest.raises(ValueError, match="expected a checkpoint, got an exported model"):
        export.export(made["onnx"].folder, "openvino", tmp_path / "out")


def test_the_tower_is_taken_from_where_it_is_said_to_be(saved, tmp_path):
    small_clip(tmp_path / "other")
    with pytest.raises(ValueError, match=r"expected the clip-image tower with sha256 \w{16}\.\.\., got"):
        export.export(saved, "onnx", tmp_path / "out", tower=str(tmp_path / "other"))


@pytest.mark.parametrize("name", ["scpt/deap-arousal", "mvp/deap-arousal"])
def test_a_method_without_an_export_graph_is_not_exported(tmp_path, name):
    recipe = tiny_recipe(RECIPES[name])
    towers = checkpoints.load_towers(recipe)
    model = build_model(recipe, recipe.task, towers)
    card = checkpoints.make_card(recipe, recipe.task, model, (towers.image.hash if towers else "", ""))
    saved = checkpoints.Predictor(model, recipe.task, recipe.seconds, card).save_pretrained(tmp_path / "saved")
    kind = "SCPT" if towers else "MVP"
    with pytest.raises(ValueError, match=f"expected a checkpoint of a method with an export, got one of {kind}"):
        export.export(saved, "openvino", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]


def test_a_folder_that_holds_something_is_kept(saved, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    for out in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(ValueError, match="--out: expected a new folder"):
            export.export(saved, "openvino", out)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(("to", "package"), [("openvino", "openvino"), ("onnx", "onnxruntime"), ("onnx", "nncf")])
def test_a_missing_extra_is_named(saved, made, tmp_path, monkeypatch, to, package):
    monkeypatch.setitem(sys.modules, package, None)
    extra = "int8" if package == "nncf" else "export"
    reported = rf'{package} is missing: install them with pip install "mien\[{extra}\]"'
    with pytest.raises(ValueError, match=reported):
        export.export(saved, to, tmp_path / "out", int8=True, clips=export.noise_clips(mien.load(saved).needs))
    if package != "nncf":
        with pytest.raises(ValueError, match=reported):
            mien.load(made[to].folder)


def test_the_command_without_torch_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "mien.export.export_checkpoint", None)
    result = CliRunner().invoke(app, ["export", "x", "--to", "onnx", "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert 'pip install "mien[models,export]"' in result.output


def test_the_other_options_of_opening_are_checked(made):
    with pytest.raises(ValueError, match="--device: expected auto or cpu"):
        mien.load(made["onnx"].folder, device="cuda")
    with pytest.raises(ValueError, match="expected auto or 32 for onnx, got 'bf16'"):
        mien.load(made["onnx"].folder, precision="bf16")


def test_a_wrong_conversion_is_not_written(saved, made, tmp_path, monkeypatch):
    other = made["openvino"]

    def wrong(model, to, clips, folder):
        for name in EXPORT_FORMATS[to].files:
            shutil.copy(other.folder / name, folder)

    monkeypatch.setattr(convert, "write_model", wrong)
    assert export.export(saved, "openvino", tmp_path / "right").exact < 1e-5
    monkeypatch.setattr(export_checkpoint, "_torch", lambda *_: np.roll(other.parity.torch, 1, axis=1))
    with pytest.raises(ValueError, match="the conversion is wrong"):
        export.export(saved, "openvino", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["right"]


def test_a_full_disk_leaves_nothing(saved, tmp_path, monkeypatch):
    def full(program, clips, path):
        path.write_bytes(b"half")
        raise RuntimeError("No space left on device")

    monkeypatch.setitem(convert.WRITERS, "openvino", full)
    with pytest.raises(ValueError, match=r"model\.xml: expected to write it, got No space left"):
        export_checkpoint.export(saved, "openvino", tmp_path / "deep" / "out")
    assert list((tmp_path / "deep").iterdir()) == []


def test_the_statistics_of_use_are_off_and_nothing_else_changes(monkeypatch):
    monkeypatch.setenv("CI", "mine")
    monkeypatch.delenv("NNCF_CI", raising=False)
    before = logging.root.manager.disable
    with convert.in_subprocess():
        assert os.environ["CI"] == "true"
        assert os.environ["NNCF_CI"] == "1"
    assert os.environ["CI"] == "mine"
    assert "NNCF_CI" not in os.environ
    assert logging.root.manager.disable == before
