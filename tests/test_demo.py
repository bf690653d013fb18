"""The demo: what it plants, how it compares, and that it runs, on a short sample and on a video of one's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import fake_timeline
import tiny_films
from mien import simulation
from mien.cli import demo
from mien.core.tasks import ACTION_UNITS
from mien.reporting import summary
from mien.simulation.truth import ActorTruth, SceneTruth


def planted(seconds: float, bpm: float = 70.0) -> SceneTruth:
    """A person whose AU12 is 3 in the first half; two blinks."""
    times = np.arange(round(seconds * 30)) / 30
    aus = np.zeros((len(times), len(ACTION_UNITS)))
    aus[times < seconds / 2, ACTION_UNITS.index("AU12")] = 3
    flat = np.zeros(len(times))
    box = np.zeros((len(times), 4))
    full = np.ones(len(times), bool)
    person = ActorTruth(1, 3, 0.01, aus, flat, flat + bpm, flat[:0], flat, box[:, :3], box[:, :2], box, full, flat,
                        np.array([1.0, 2.0]))  # fmt: skip
    return SceneTruth(times, (person,), (640, 480))


@pytest.fixture
def folder(tmp_path) -> Path:
    """Results of 32 s in which the heart beats at 66, AU12 is 2 in the first half and 0 in the second, always happy."""
    made = fake_timeline.timeline(1, seconds=demo.SECONDS, name="person.mp4", abstains=False)
    smile = ACTION_UNITS.index("AU12")
    rows = []
    for row in made.emotions:
        aus = np.zeros(len(ACTION_UNITS))
        aus[smile] = 2.0 if row.start < demo.SECONDS / 2 else 0.0
        rows.append(replace(row, aus=aus, label="happy"))
    face = replace(made.faces[0], heart_rate=fake_timeline.readable(66.0, "bpm", 0.9, "POS"))
    source = replace(made.source, fps_mean=30.0)
    made = replace(made, emotions=tuple(rows), faces=(face,), source=source)
    made.save(tmp_path / "timeline.parquet")
    summary.summarize(made).save(tmp_path / "summary.json")
    return tmp_path


def test_the_comparison_says_what_differs_and_by_how_much(folder):
    rows = {row[1]: row for row in demo.compare_with_truth(folder, planted(demo.SECONDS))}
    assert rows["heart rate, bpm"] == ("person", "heart rate, bpm", "70.0", "66.0", "-4.0")
    assert rows["AU12, 0..5"] == ("person", "AU12, 0..5", "1.5", "1.0", "-0.5", "1.00")
    assert rows["expression, 4-10 s"][2:] == ("happy", "happy", "none")
    assert rows["expression, 13-19 s"][2:] == ("surprise", "happy", "another")
    assert rows["blinks a minute"][2] == f"{120 / demo.SECONDS:.1f}"
    assert not [what for what in rows if what.startswith("AU") and not what.startswith("AU12")]


def test_the_comparison_says_when_nothing_was_read(folder):
    said = summary.read_summary(folder / "summary.json")
    none = said.faces[0].heart_rate.model_copy(update={"value": None, "reason": "low_snr", "abstained": True})
    changed = said.model_copy(update={"faces": (said.faces[0].model_copy(update={"heart_rate": none}),)})
    changed.save(folder / "summary.json")
    rows = {row[1]: row for row in demo.compare_with_truth(folder, planted(demo.SECONDS))}
    assert rows["heart rate, bpm"][2:] == ("70.0", "abstained: low_snr", "")
    said.model_copy(update={"faces": ()}).save(folder / "summary.json")
    assert list(demo.compare_with_truth(folder, planted(demo.SECONDS))) == [("person", "people", "1", "0", "-1")]


def test_demo_table_states_the_simulated_truth():
    truth = demo.scene().truth().actors[0]
    times = np.arange(len(truth.aus)) / 30
    assert truth.bpm == pytest.approx(84, abs=0.5)
    for name, start, end in demo.PLAN:
        inside = (times > start + demo.RAMP) & (times < end - demo.RAMP)
        for unit in simulation.PROTOTYPES[name]:
            assert (truth.au(unit)[inside] >= demo.STRENGTH).all()  # an open jaw parts the lips further
    between = (times < demo.PLAN[0][1]) | (times > demo.PLAN[-1][2])
    blinks = ACTION_UNITS.index("AU45")
    assert not np.delete(truth.aus[between], blinks, axis=1).any()


def test_a_short_sample_goes_through_the_main_job_with_truth_in_its_report(tmp_path, monkeypatch, capsys):
    def make(folder: Path) -> dict[str, simulation.SceneTruth]:
        scene = simulation.Scene((simulation.Actor(simulation.identity(3), {"AU12": 3.0}),), (320, 240), 15, 1.5)
        return {"person.mp4": simulation.write_video(scene, folder / "person.mp4")}

    monkeypatch.setattr(demo, "_make", make)
    assert demo.main(["--out", str(tmp_path / "demo")]) == 0
    assert "planted" in (tmp_path / "demo/person.mp4/report.html").read_text(encoding="utf-8")
    printed = capsys.readouterr().out
    assert "AU12" in printed
    assert str(tmp_path / "demo/person.mp4/report.html") in printed
    assert (tmp_path / "demo/people.csv").exists()


def test_ones_own_video(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tiny_films.film(tmp_path / "mine.mp4", 1.0)
    assert demo.main(["mine.mp4"]) == 0
    printed = capsys.readouterr().out
    assert "heart rate" in printed
    assert "too few seconds" in printed
    assert str(Path("demo/mine.mp4/report.html")) in printed


def test_a_video_that_is_not_there(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert demo.main(["gone.mp4"]) == 1
    assert "expected a video file or a folder, got nothing" in capsys.readouterr().err
