"""Nothing leaves the machine: commands run with every way to the network shut, and leave no trace of a reporter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import no_network
from mien.core import telemetry
from shared_lookalikes import copy_dfew

TESTS = Path(__file__).parent
CI = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "TRAVIS", "TEAMCITY_VERSION", "JENKINS_URL", "ORT_RUNNING_UNIT_TESTS",
      "NNCF_CI")
"""What tells a reporter that it runs for no user: without these it must be silent all the same."""

REPORTERS = ("Microsoft", "intel", "openvino_telemetry")
"""Folders below a home in which onnxruntime and OpenVINO keep what they are to send."""

COMMANDS = """
import sys
from pathlib import Path
import no_network
no_network.block(Path(sys.argv[1]))
from mien.cli import app
for line in sys.argv[2:]:
    app(line.split("|"), standalone_mode=False)
"""


def start(code: str, home: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess:
    """Run code in an interpreter with an empty home, off every list of continuous integration."""
    unset = {*CI, *telemetry.SWITCHES}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache"), "PYTHONPATH": os.pathsep.join(
        [str(TESTS), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]), **more}
    return subprocess.run([sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True,
                          timeout=300, check=False)


def traces(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.name in REPORTERS]


def test_analyze_train_and_export_reach_no_other_machine(tmp_path, tmp_path_factory):
    copy_dfew(tmp_path_factory, tmp_path / "dfew")
    film = next((tmp_path / "dfew").rglob("*.mp4"))
    log, home, run = tmp_path / "attempts.txt", tmp_path / "home", tmp_path / "run"
    home.mkdir()
    small = "--fold|2|--tiny|--set|schedule.epochs=1|--device|cpu"
    lines = (f"analyze|{film}|--out|{tmp_path / 'plain'}",
             f"train|duse/dfew|--data|{tmp_path / 'dfew'}|{small}|--out|{run}",
             f"export|{run / 'chosen'}|--to|openvino|--out|{tmp_path / 'openvino'}",
             f"analyze|{film}|--model|{tmp_path / 'openvino'}|--out|{tmp_path / 'read'}")
    done = start(COMMANDS, home, str(log), *lines)
    assert not log.exists(), log.read_text()
    assert done.returncode == 0, done.stderr[-3000:]
    assert all(list((tmp_path / out).rglob("timeline.parquet")) for out in ("plain", "read"))
    assert traces(home) == []


@pytest.mark.parametrize("code", [
    "import socket; socket.create_connection(('192.0.2.1', 9), timeout=1)",
    "import urllib.request; urllib.request.urlopen('http://example.invalid', timeout=1)",
    "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))",
])
def test_an_attempt_is_refused_and_written_down(code, tmp_path):
    log = tmp_path / "log"
    begin = "import sys, no_network; from pathlib import Path; no_network.block(Path(sys.argv[1]), native=False)\n"
    done = start(begin + code, tmp_path, str(log))
    assert done.returncode != 0
    assert log.read_text().startswith("socket.")


@pytest.mark.skipif(sys.platform != "linux", reason="seccomp is of Linux")
def test_a_socket_of_compiled_code_ends_the_process(tmp_path):
    code = "import sys, ctypes, no_network; from pathlib import Path; no_network.block(Path(sys.argv[1]))\n"
    assert start(code + "ctypes.CDLL(None).socket(1, 1, 0)", tmp_path, str(tmp_path / "log")).returncode == 0
    for family in (no_network.AF_INET, no_network.AF_INET6):
        done = start(code + f"ctypes.CDLL(None).socket({family}, 1, 0)", tmp_path, str(tmp_path / "log"))
        assert done.returncode == -signal.SIGSYS


def test_a_users_own_choice_stays(tmp_path):
    code = "import os, mien; print({name: os.environ.get(name) for name in mien.core.telemetry.SWITCHES})"
    usual = dict.fromkeys(telemetry.SWITCHES, "1")
    assert start(code, tmp_path).stdout.strip() == str(usual)
    mine = {"ORT_DISABLE_TELEMETRY": "0", "HF_HUB_DISABLE_TELEMETRY": ""}
    assert start(code, tmp_path, **mine).stdout.strip() == str(usual | mine)


def test_the_switches_are_set_before_any_library_reads_them(tmp_path):
    """Whatever module of mien comes first: onnxruntime and the hub's client read their variable when imported."""
    code = ("import importlib, os, sys\n"
            "class Finder:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            "        if name in ('onnxruntime', 'huggingface_hub') and not os.environ.get('ORT_DISABLE_TELEMETRY'):\n"
            "            print('too late:', name)\n"
            "sys.meta_path.insert(0, Finder())\n"
            "importlib.import_module(sys.argv[1])\n"
            "import huggingface_hub.constants, onnxruntime\n"
            "print(huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY)")
    for module in ("mien.backbones.load", "mien.checkpoints.predictor", "mien.preprocessing.preprocess_trial"):
        assert start(code, tmp_path, module).stdout.split() == ["True"], module
    assert traces(tmp_path) == []
