"""The doctor must see what is planted: missing libraries, wrong versions, dead children, folders not to be written."""

import importlib
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from mien.cli import diagnostics
from mien.cli.diagnostics import components, diagnose, machine, packages
from mien.cli.diagnostics.check_result import CheckResult


@pytest.fixture(scope="module")
def findings():
    return {finding.name: finding for finding in diagnose()}


def test_this_machine_is_looked_at_as_a_whole(findings):
    expected = {"python", "packages", "imports", "decoder", "OpenCV", "face detector", "face models",
                "parity of the face models", "weights of others", "cores",
                "CPU features", "memory", "GPU", "current folder", "temporary folder", "extra models",
                "licence of mien", "licences of packages", "licence of FFmpeg", "licences of models"}
    assert not [finding for finding in findings.values() if "the check itself broke" in finding.detail]
    assert expected <= set(findings)
    assert all("\n" not in finding.detail + finding.remedy for finding in findings.values())


@pytest.mark.parametrize("name", ["python", "packages", "imports", "decoder", "OpenCV", "face detector",
                                  "face models", "parity of the face models"])
def test_doctor_finds_the_default_analysis_usable(findings, name):
    assert findings[name].status == "ok", findings[name]


def test_doctor_findings_are_true(findings):
    import av
    import numpy

    assert f"numpy {numpy.__version__}" in findings["packages"].detail
    assert av.__version__ in findings["decoder"].detail
    assert findings["python"].detail.startswith(".".join(map(str, sys.version_info[:3])))
    assert findings["cores"].detail.startswith(f"{len(os.sched_getaffinity(0))} ")
    assert findings["licence of mien"].detail == "Apache-2.0"
    groups = (group.split(": ") for group in findings["licences of packages"].detail.split("; "))
    register = {name: licence for licence, names in groups for name in names.split(", ")}
    stated = {name: "BSD" for name in ("av", "joblib", "numpy", "scipy", "pandas")}  # by the packages' own pages
    stated |= {"opencv-python-headless": "Apache-2.0", "pyarrow": "Apache-2.0", "pydantic": "MIT", "plotly": "MIT"}
    assert [name for name, licence in stated.items() if licence not in register[name]] == []
    assert "GPL" in findings["licence of FFmpeg"].detail


def test_licences_are_read_through_the_backport_of_importlib_metadata_too(monkeypatch):
    """Once anything imports importlib_metadata, a missing field raises KeyError instead of being None."""

    class Strict(dict):
        def get_all(self, name):
            return self.get(name)

    monkeypatch.setattr(packages, "metadata", lambda name: Strict({"License-Expression": "MIT"}))
    assert packages.licence("x") == "MIT"
    monkeypatch.setattr(packages, "metadata", lambda name: Strict({"License": "Apache 2.0"}))
    assert packages.licence("x") == "Apache-2.0"
    monkeypatch.setattr(packages, "metadata", lambda name: Strict())
    assert packages.licence("x") == "unknown"


def test_a_finding_without_a_remedy_is_refused():
    assert CheckResult("x", "ok", "fine").remedy == ""
    with pytest.raises(ValueError, match="expected what to do"):
        CheckResult("x", "warning", "bad")
    with pytest.raises(ValueError, match="expected ok or warning or failure, got 'failed'"):
        CheckResult("x", "failed", "bad", "mend it")


def test_a_check_that_breaks_is_a_finding(monkeypatch):
    def broken():
        raise RuntimeError("no\nluck")

    monkeypatch.setattr(
        diagnostics, "CHECKS", {"first": broken, "second": lambda: [CheckResult("second", "ok", "fine")]}
    )
    first, second = diagnose()
    assert (first.status, first.detail) == ("failure", "the check itself broke: RuntimeError: no luck")
    assert second.status == "ok"


@pytest.fixture
def installed(monkeypatch):
    """Other versions than the real ones; None: not installed."""
    changed: dict[str, str | None] = {}
    real_version, real_distribution = packages.version, packages.distribution

    def distribution(name):
        if changed.get(name, "") is None:
            raise PackageNotFoundError(name)
        return None if name in changed else real_distribution(name)

    monkeypatch.setattr(packages, "distribution", distribution)
    monkeypatch.setattr(packages, "version", lambda name: changed.get(name) or real_version(name))
    return changed


@pytest.mark.parametrize(("name", "version", "said", "remedy"), [
    ("numpy", "1.21.0", "1.21.0, expected >=1.26", 'pip install "numpy>=1.26"'),
    ("av", "12.3.0", "12.3.0, expected >=15", 'pip install "av>=15"'),
    ("pyarrow", None, "not installed", 'pip install "pyarrow>=15"'),
])
def test_a_wrong_version_is_named_with_the_command(installed, name, version, said, remedy):
    installed[name] = version
    bad = [finding for finding in packages.versions() if finding.status != "ok"]
    assert [finding.name for finding in bad] == [f"package {name}"]
    assert bad[0].status == "failure"
    assert said in bad[0].detail
    assert bad[0].remedy == remedy


def test_extras_are_optional_but_not_by_halves(installed):
    installed["dask"] = None
    cluster = next(finding for finding in packages.extras() if finding.name == "extra cluster")
    assert (cluster.status, cluster.remedy) == ("ok", 'pip install "mien[cluster]"')
    assert cluster.detail.startswith("not installed")
    installed["torch"], installed["kornia"] = "2.13.0+cpu", "0.7.0"
    models = next(finding for finding in packages.extras() if finding.name == "extra models")
    assert models.status == "warning"
    assert "kornia 0.7.0, expected >=0.8" in models.detail


def test_packages_that_break_others(installed):
    installed.update({"torchvision": None, "torchaudio": None, "opencv-python": None, "opencv-contrib-python": None,
                      "opencv-contrib-python-headless": None, "opencv-python-headless": "5.0"})
    assert packages.strangers() == []
    installed["torchvision"] = "0.27.0"
    installed["opencv-contrib-python"] = "4.14"
    vision, opencv = packages.strangers()
    assert (vision.status, opencv.status) == ("warning", "warning")
    assert vision.remedy.startswith("pip uninstall torchvision")
    assert "opencv-python-headless and opencv-contrib-python" in opencv.detail


def test_another_python(monkeypatch):
    monkeypatch.setattr(packages.sys, "version_info", (3, 10, 1))
    (finding,) = packages.python()
    assert finding.status == "failure"
    assert "3.10.1, expected >=3.11" in finding.detail


def test_copyleft_and_unknown_licences_are_a_warning(monkeypatch):
    stated = {"av": "BSD-3-Clause", "numpy": "GPL-3.0-or-later", "scipy": "unknown", "pandas": "LGPL-2.1"}
    monkeypatch.setattr(packages, "licence", lambda name: stated.get(name, "MIT"))
    finding = packages.licences()[1]
    assert finding.status == "warning"
    assert finding.remedy == "read the terms before you pass on numpy (GPL-3.0-or-later), scipy (unknown)"


@pytest.mark.parametrize(("library", "package"), [
    ("libGL.so.1", "libgl1"), ("libgthread-2.0.so.0", "libglib2.0-0"), ("libSM.so.6", "libsm6"),
])
def test_a_missing_system_library_is_named_with_its_package(monkeypatch, library, package):
    def import_module(name):
        raise ImportError(f"{library}: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(importlib, "import_module", import_module)
    (finding,) = components.opencv()
    assert finding.status == "failure"
    assert library in finding.detail
    assert finding.remedy == f"apt-get update && apt-get install -y --no-install-recommends {package}"


def test_an_unknown_library_is_looked_up():
    finding = components.check_outcome(
        1, "", "Traceback\nImportError: libodd.so.3: cannot open shared object file: No such file\n"
    )
    assert "libodd.so" in finding.remedy
    assert finding.detail.startswith("ImportError: libodd.so.3")


@pytest.mark.parametrize(("code", "out", "status", "said"), [
    (0, '{"faces": 1, "meshes": 1, "score": 0.9}', "ok", "score 0.90"),
    (0, '{"faces": 0, "meshes": 0, "score": 0}', "failure", "0 faces"),
    (0, '{"faces": 1, "meshes": 0, "score": 0.9}', "failure", "0 meshes"),
    (-4, "", "failure", "SIGILL"),
    (-11, "", "failure", "SIGSEGV"),
    (3, "", "failure", "ended with 3"),
])
def test_the_detectors_child(code, out, status, said):
    finding = components.check_outcome(code, out, "")
    assert finding.status == status
    assert said in finding.detail


def test_a_wrong_place_of_the_face_models_is_corrected_and_nothing_is_reinstalled(monkeypatch, tmp_path):
    monkeypatch.setenv("MIEN_MODELS", str(tmp_path / "nowhere"))
    finding = components.check_outcome(
        *components.isolated("from mien.cli.diagnostics.components import see_a_face; see_a_face()")
    )
    assert finding.status == "failure"
    assert finding.remedy == f"MIEN_MODELS names {tmp_path / 'nowhere'}: correct it, or unset it"
    assert "MIEN_MODELS: expected" in finding.detail


def test_a_pyav_that_does_not_tell_its_licence_is_a_warning(monkeypatch):
    from av import _core

    monkeypatch.setattr(_core, "library_meta", {}, raising=False)
    assert packages._ffmpeg().status == "warning"


def test_children_die_alone():
    code, _, _ = components.isolated("import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    assert components.check_outcome(code, "", "").detail == "died of SIGILL"


def test_a_child_that_does_not_answer_in_time_means_a_busy_machine(monkeypatch):
    code, out, error = components.isolated("import time; time.sleep(99)", seconds=0.2)
    assert (code, out) == (None, "")
    finding = components.check_outcome(code, out, error)
    assert finding.status == "warning"
    assert "slow or busy" in finding.detail
    assert "install" not in finding.remedy
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(machine, "isolated", lambda code: (None, "", error))
    (finding,) = machine.gpu()
    assert (finding.status, "slow or busy" in finding.detail, "install" in finding.remedy) == ("warning", True, False)


def test_the_decoder_is_tried_as_analyze_opens_a_film(monkeypatch):
    def broken(where, **options):
        raise TypeError("open() got an unexpected keyword argument 'metadata_errors'")

    monkeypatch.setattr("mien.video.open.open_container", broken)
    (finding,) = components.decoder()
    assert finding.status == "failure"
    assert "unexpected keyword argument" in finding.detail
    assert "av>=" in finding.remedy


def test_a_package_that_does_not_import(monkeypatch):
    real = importlib.import_module

    def import_module(name):
        if name == "pyarrow.parquet":
            raise ImportError("numpy 1.26 is too old")
        return real(name)

    monkeypatch.setattr(importlib, "import_module", import_module)
    (finding,) = components.imports()
    assert (finding.name, finding.status) == ("import pyarrow.parquet", "failure")
    assert finding.detail == "ImportError: numpy 1.26 is too old"


def test_a_decoder_without_a_codec(monkeypatch):
    import av

    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"hevc"})
    (finding,) = components.decoder()
    assert finding.status == "warning"
    assert "cannot read hevc" in finding.detail


def test_weights_are_listed(monkeypatch, tmp_path):
    (tmp_path / "models--openai--clip-vit-base-patch16").mkdir()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    (others,) = components.weights()
    assert others.status == "ok"
    assert others.detail.endswith(": openai/clip-vit-base-patch16")


def test_a_small_old_machine(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 1)
    monkeypatch.setattr(machine, "_flags", list)
    monkeypatch.setattr(machine, "_free", lambda: 0.5)
    monkeypatch.setattr(machine.platform, "machine", lambda: "x86_64")
    assert [finding.status for finding in machine.cpu() + machine.memory()] == ["warning"] * 3
    monkeypatch.setattr(machine.platform, "machine", lambda: "riscv64")
    assert machine.system()[0].status == "failure"


def test_the_limit_of_a_container_counts(tmp_path):
    (tmp_path / "memory.max").write_text(f"{2**30}\n")
    (tmp_path / "memory.current").write_text(f"{2**29}\n")
    assert machine._left_in_group(tmp_path / "memory.max") == 2**29
    (tmp_path / "memory.max").write_text("max\n")
    assert machine._left_in_group(tmp_path / "memory.max") is None


def test_a_folder_that_may_not_be_written(tmp_path, monkeypatch):
    missing = machine._folder("current folder", tmp_path / "gone", "go elsewhere")
    assert (missing.status, missing.remedy) == ("warning", "go elsewhere")
    assert list(tmp_path.iterdir()) == []
    assert machine._folder("current folder", tmp_path, "x").status == "ok"
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 2**20})())
    assert machine._folder("current folder", tmp_path, "x").status == "warning"


def test_without_torch_the_driver_is_looked_for(monkeypatch):
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(machine.shutil, "which", lambda name: None)
    assert machine.gpu()[0].detail == "none; none is needed"
    monkeypatch.setattr(machine.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    assert machine.gpu()[0].remedy == 'pip install "mien[models]"'


def test_a_torch_that_does_not_start(monkeypatch):
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(machine, "isolated", lambda code: (1, "", "Traceback\nOSError: libcudart.so\n"))
    (finding,) = machine.gpu()
    assert (finding.status, finding.detail) == ("warning", "torch does not start: OSError: libcudart.so")


def test_torch_is_never_imported_here():
    code = "import sys; from mien.cli.diagnostics import diagnose; diagnose(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
