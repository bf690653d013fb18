"""For all tests: what the machine that runs them happens to be must not decide."""

import importlib
import shutil
import signal
import subprocess
import tomllib
from pathlib import Path

import hypothesis
import pytest

# No deadline for a single example, which a busy machine misses without anything being wrong.
hypothesis.settings.register_profile("mien", deadline=None)
hypothesis.settings.load_profile("mien")

# What a script starts in the background is reported to ignore Ctrl-C, and so are its children: here Ctrl-C is tested.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

PLUGIN = Path(__file__).parent / "plugin"


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """The package of tests/plugin as an installed one: pip would write the same metadata from its pyproject.toml."""
    place = tmp_path_factory.mktemp("site")
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = place / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [line for group, entries in project["entry-points"].items()
             for line in (f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()), "")]
    (info / "entry_points.txt").write_text("\n".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PLUGIN))
        patch.syspath_prepend(str(place))
        yield importlib.import_module("mien_example")


@pytest.fixture
def small_disk(tmp_path, request):
    """A folder on a disk of 64 KiB, or of the size of an indirect parameter, such as "24k"."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={getattr(request, 'param', '64k')}", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk needs the right to mount a tmpfs")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)
