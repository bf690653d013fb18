"""axe-core in a page of playwright: what it finds wrong for people with a screen reader, a keyboard or weak eyes."""

from __future__ import annotations

import shutil
import subprocess

import pytest


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """The source of axe-core, from npm or its cache."""
    folder, npm = tmp_path_factory.mktemp("axe"), shutil.which("npm")
    if npm is None:
        pytest.skip("expected npm, which installs axe-core, got none: apt install npm")
    done = subprocess.run([npm, "install", "--silent", "--prefer-offline", "--no-audit", "--no-fund", "--prefix",
                           str(folder), "axe-core@4"], capture_output=True, text=True, timeout=300, check=False)
    source = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not source.is_file():
        pytest.skip(f"expected axe-core from npm, got: {done.stderr.strip()[:200]}")
    return source.read_text(encoding="utf-8")


def violations(page, axe):
    """What axe-core finds wrong, by its rule and the elements."""
    page.evaluate(axe)
    result = page.evaluate("async () => (await axe.run()).violations")
    return {each["id"]: [node["html"][:200] for node in each["nodes"]] for each in result}
