"""`mien doctor --recording`: a clip of a set-up, from the command line."""

from typer.testing import CliRunner

from mien import rppg, simulation
from mien.cli import app
from mien.cli.diagnostics.recording import _heart_rate
from skin_traces import window


def test_the_heart_rate_of_the_clip_or_its_reason_is_the_last_finding(tmp_path, monkeypatch):
    lifeless = simulation.Actor(simulation.identity(3), pulse=None)
    scene = simulation.Scene((lifeless,), size=(320, 240), fps=10, seconds=11)
    simulation.write_video(scene, tmp_path / "clip.mp4")
    monkeypatch.setenv("COLUMNS", "200")
    done = CliRunner().invoke(app, ["doctor", "--recording", str(tmp_path / "clip.mp4")])
    lines = [line for line in done.stdout.splitlines() if "heart rate" in line]
    assert len(lines) == 1, done.output
    assert "warning  heart rate    none in this clip, " in lines[0]


def test_a_heart_rate_is_fine_and_none_is_a_warning_with_its_reason():
    fine, none = (_heart_rate(rppg.heart_rate(window(bpm=72, amplitude=size))) for size in (0.006, 0.0))
    assert (fine.status, none.status) == ("ok", "warning")
    assert "72 bpm" in fine.detail
    assert none.detail.startswith("none in this clip, low_snr: ")
