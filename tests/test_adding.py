"""The worked examples of docs/adding.md: each is run, and an installed package adds what has an entry point."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import json
import re
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.metrics import cohen_kappa_score
from typer.testing import CliRunner

import fake_timeline
import mien
import prepare_work
from mien import checkpoints, cli, datasets, export, recipes, rppg, signals
from mien.checkpoints import exported
from mien.checkpoints.formats import FORMATS
from mien.core import entry_points
from mien.core.tasks import EXPRESSION
from mien.evaluation import tables
from mien.export.convert import WRITERS
from mien.inference import batch
from mien.metrics import classification
from mien.models.registry import method
from mien.preprocessing import build_cache, preprocess_trial
from mien.reporting import timeline as timeline_package
from skin_traces import BLOOD, beats, pulse_wave

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "tests" / "plugin"


@pytest.fixture(scope="module")
def sync_docs():
    spec = importlib.util.spec_from_file_location("sync_docs", ROOT / "tools" / "sync_docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def example(name: str):
    return importlib.import_module(f"mien_example.{name}")


def write_moods(root: Path) -> Path:
    """MOODS as its module draws it: six subjects, each with a joyful clip, which is reddish, and a sad, bluish one."""
    for subject, (number, mood) in itertools.product(range(1, 7), enumerate(("joy", "sorrow"), 1)):
        folder = root / f"s{subject}" / f"{mood}_{number}"
        folder.mkdir(parents=True)
        colour = (170, 100, 60 + subject) if mood == "joy" else (60 + subject, 100, 170)
        for frame in range(1, 7):
            Image.new("RGB", (32, 32), colour).save(folder / f"{frame:03d}.png")
    return root


@pytest.fixture(scope="module")
def moods(plugin, tmp_path_factory) -> Path:
    return write_moods(tmp_path_factory.mktemp("data") / "moods")


@pytest.fixture(scope="module")
def cache(moods) -> Path:
    place = moods.parent / "cache"
    build_cache.build_cache(
        datasets.dataset("moods").survey(moods), place, preprocess_trial.Preparation(size=32), work=prepare_work.work
    )
    return place


def run(*arguments: object):
    return CliRunner().invoke(cli.app, list(map(str, arguments)))


# the page


def test_the_page_holds_every_example_as_it_is(sync_docs):
    page = (ROOT / "docs" / "adding.md").read_text(encoding="utf-8")
    assert sync_docs.synced(page) == page, "run: python tools/sync_docs.py"
    written = {path.relative_to(ROOT).as_posix() for path in EXAMPLES.rglob("*.*")
               if path.suffix in (".py", ".toml") and path.name != "__init__.py"}
    assert set(sync_docs.files(page)) == written


def test_a_page_that_differs_is_refreshed(sync_docs, tmp_path):
    (tmp_path / "code.py").write_text("x = 1\n")
    page = "Before.\n\n<!-- file: code.py -->\n```python\nx = 2\n```\n\n```\nx = 2\n```\n"
    assert sync_docs.synced(page, tmp_path) == page.replace("x = 2", "x = 1", 1)


# a dataset


def test_an_installed_dataset_is_checked_and_the_help_lists_it(moods):
    assert "moods" not in datasets.DATASETS
    for command in ("check", "prepare"):
        assert "moods" in run("data", command, "--help").stdout
    done = run("data", "check", "moods", moods)
    assert done.exit_code == 0, done.output
    assert re.search(r"clips +12 +12", done.stdout)
    assert "no problems" in done.stdout


def test_its_problems_are_listed_and_where_nothing_is_found_its_tree(plugin, tmp_path):
    root = write_moods(tmp_path / "moods")
    (root / "s1" / "joy_1").rename(root / "s1" / "anger_1")
    for picture in (root / "s2" / "joy_1").iterdir():
        picture.unlink()
    result = datasets.dataset("moods").survey(root)
    assert {(each.kind, each.item) for each in result.problems} == {("excluded", "s1/anger_1"), ("missing", "s2/joy_1")}
    assert result.counts[0].number == 10
    (tmp_path / "empty").mkdir()
    done = run("data", "check", "moods", tmp_path / "empty")
    assert done.exit_code == 1
    assert "s1/joy_1/001.png" in done.stdout


def test_a_dataset_without_a_lookalike_cannot_be_faked(plugin, tmp_path):
    done = run("data", "fake", "moods", tmp_path / "fake")
    assert done.exit_code == 1
    assert "NAME: expected one of dfew, ferv39k" in done.stderr


@pytest.fixture(scope="module")
def benchmark(moods, cache) -> Path:
    """An installed method on an installed dataset by its own protocol and rule, with the metric of the example."""
    out = moods.parent / "bench"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(classification.METRICS, "kappa", example("kappa").METRIC)
        done = run("bench", "probe/moods", "--data", moods, "--cache", cache, "--out", out, "--device", "cpu",
                   "--precision", "32")
        assert done.exit_code == 0, done.output
    return out


def test_a_recipe_uses_the_protocol_and_the_rule_that_the_dataset_declares(benchmark):
    frame = pd.read_parquet(benchmark / "predictions.parquet")
    assert set(frame["subject"]) == {"s3", "s6"}  # the authors' test subjects
    assert set(frame["label"]) == {"happy", "sad"}
    assert (frame["label"] == frame["predicted"]).all()  # the two colours are a plane apart


def test_a_protocol_that_no_one_declares_is_refused(plugin):
    recipe = recipes.find_recipe("probe/moods")
    with pytest.raises(ValueError, match=r"Recipe\.protocol: expected one of dfew, .*, moods, got 'nothing'"):
        recipes.override(recipe, {"protocol": "nothing"})
    with pytest.raises(ValueError, match=r"Recipe\.rule: expected one of expression, .*, moods, got 'nothing'"):
        recipes.override(recipe, {"rule": "nothing"})


# an rPPG method


def test_an_installed_rppg_method_finds_the_planted_pulse_under_changing_light(plugin):
    green_red, rate = rppg.rppg_method("GR"), 30.0
    assert "GR" not in rppg.METHODS
    assert rppg.installed()["GR"] is green_red
    times = np.arange(600) / rate
    wave = pulse_wave(times, beats(72.0, 24.0))
    light = 1 + 0.02 * np.sin(2 * np.pi * 1.9 * times)[:, None]  # 114 bpm, five times the pulse of green
    skin = np.array([178.0, 128.0, 104.0]) * (1 - 0.004 * wave[:, None] * BLOOD) * light
    result = green_red(skin, rate)
    assert 60 * signals.peak(*signals.spectrum(result, rate, *rppg.BAND)) == pytest.approx(72.0, abs=0.6)
    assert np.corrcoef(result, wave)[0, 1] > 0.95  # up is systole
    green = rppg.rppg_method("GREEN")(skin, rate)
    assert 60 * signals.peak(*signals.spectrum(green, rate, *rppg.BAND)) == pytest.approx(114.0, abs=0.6)


# an export format


def test_a_new_export_format_is_written_and_read(plugin, monkeypatch, tmp_path):
    exported._TRIALS.close()  # a child that began before the package was there does not find it
    program = example("torch_program")
    monkeypatch.setitem(FORMATS, "torch", program.FORMAT)
    monkeypatch.setitem(WRITERS, "torch", program.write)
    recipe = recipes.find_recipe("probe/moods")
    model = checkpoints.build_model(recipe, EXPRESSION, None, seed=3)
    card = checkpoints.make_card(recipe, EXPRESSION, model, ("", ""))
    saved = checkpoints.Predictor(model, EXPRESSION, recipe.seconds, card).save_pretrained(tmp_path / "saved")
    done = run("export", saved, "--to", "torch", "--out", tmp_path / "made")
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "made/card.json").read_text())["format"] == "torch"
    frames = np.random.default_rng(0).integers(0, 256, (3, 4, 3, 32, 32), dtype=np.uint8)
    with torch.inference_mode():
        expected = model.predict(mien.core.batch.Batch(frames=torch.from_numpy(frames))).logits.softmax(-1).numpy()
    np.testing.assert_allclose(mien.load(tmp_path / "made").probs(frames), expected, atol=1e-6)
    with pytest.raises(ValueError, match="--int8: expected the format openvino or onnx, got torch"):
        export.export(saved, "torch", tmp_path / "int8", int8=True, clips=export.noise_clips(model.needs, 5))
    done = run("export", saved, "--to", "nothing", "--out", tmp_path / "none")
    assert "--to: expected openvino or onnx or torch, got 'nothing'" in done.stderr


# a timeline format


def cues(path: Path) -> list[tuple[float, float, str]]:
    """Start and end in s and text of each cue, as FFmpeg reads them."""
    with av.open(str(path)) as file:
        return [(float(packet.pts * packet.time_base), float((packet.pts + packet.duration) * packet.time_base),
                 bytes(packet).decode()) for packet in file.demux() if packet.size]


def test_a_new_timeline_format_has_a_cue_over_each_row(plugin, monkeypatch, tmp_path):
    monkeypatch.setitem(timeline_package.FORMATS, ".vtt", example("webvtt").write_webvtt)
    talk = fake_timeline.timeline(people=2, seconds=60)
    talk.save(tmp_path / "talk.vtt")
    written = cues(tmp_path / "talk.vtt")
    assert len(written) < len(talk.emotions)  # rows with the same label share a cue
    for row in talk.emotions:
        middle = (row.start + row.end) / 2
        shown = [text for start, end, text in written if start <= middle < end and f"<v Person {row.face}>" in text]
        assert [text.endswith(f">{row.label}" if row.label else f": {row.reason}") for text in shown] == [True]


def test_a_new_timeline_format_is_a_value_of_the_option_format(plugin, monkeypatch, tmp_path):
    from mien import simulation

    clip = tmp_path / "clip.mp4"
    simulation.write_video(simulation.Scene((simulation.Actor(simulation.identity(1)),), size=(320, 240), seconds=1),
                           clip)
    command = ("analyze", clip, "--out", tmp_path / "out", "--format", "vtt", "--quiet")
    refused = run(*command)
    assert refused.exit_code != 0
    assert "--format: expected csv, jsonl, srt, elan, ibi, kubios, got 'vtt'" in refused.stderr
    monkeypatch.setitem(timeline_package.FORMATS, ".vtt", example("webvtt").write_webvtt)
    monkeypatch.setitem(batch.EXPORT_FILES, "vtt", "timeline.vtt")
    done = run(*command)
    assert done.exit_code == 0, done.output
    rows = pd.read_parquet(next((tmp_path / "out").rglob("timeline.parquet")))
    written = cues(next((tmp_path / "out").rglob("timeline.vtt")))
    assert written[0][0] == pytest.approx(rows["start"].min(), abs=0.001)
    assert written[-1][1] == pytest.approx(rows["end"].max(), abs=0.001)


# a metric


def test_a_new_metric_is_that_of_scikit_learn(plugin):
    rng = np.random.default_rng(1)
    target, predicted = rng.integers(0, 3, 200), rng.integers(0, 3, 200)
    predicted[:100] = target[:100]
    kappa, counts = example("kappa").kappa, classification.confusion(target, predicted, 3)
    assert kappa(counts) == pytest.approx(cohen_kappa_score(target, predicted))
    np.testing.assert_allclose(kappa(np.stack([counts, 2 * counts.T])), cohen_kappa_score(target, predicted))
    assert np.isnan(kappa(np.array([[4, 0], [0, 0]])))


def test_a_new_metric_stands_in_the_table_and_on_the_card(benchmark, monkeypatch):
    row = next(line for line in (benchmark / "table.md").read_text().splitlines() if "Cohen's kappa" in line)
    assert row.count("100.00 (") == 2  # of both checkpoints, with intervals
    card = json.loads(next(benchmark.rglob("card.json")).read_text())
    assert card["scores"]["val"]["kappa"] == 1.0
    assert "kappa" not in tables.names()
    monkeypatch.setitem(classification.METRICS, "kappa", example("kappa").METRIC)
    assert tables.names()["kappa"] == "Cohen's kappa"


# entry points that cannot be used


def installed(place: Path, package: str, entries: str) -> None:
    info = place / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entries)


KINDS = {
    "mien.methods": method,
    "mien.datasets": datasets.dataset,
    "mien.rppg": rppg.rppg_method,
}


@pytest.mark.parametrize("group", KINDS)
def test_a_name_that_no_package_adds_is_refused_with_those_there_are(group, plugin):
    added = {"mien.methods": "linear_probe", "mien.datasets": "moods", "mien.rppg": "GR"}[group]
    refusal = rf"expected one of .*, {added}, got 'gone': install the package .* of {group}"
    with pytest.raises(ValueError, match=refusal):
        KINDS[group]("gone")


@pytest.mark.parametrize("group", [*KINDS, "mien.recipes"])
def test_an_entry_point_that_cannot_be_imported_is_refused_with_its_package(group, tmp_path, monkeypatch):
    installed(tmp_path, "broken", f"[{group}]\nbroken = no_such_module:Thing\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    find = KINDS.get(group, recipes.find_recipe)
    with pytest.raises(ValueError, match="expected no_such_module:Thing of the package broken, got No module named"):
        find("broken")


@pytest.mark.parametrize(("code", "said"), [
    ("raise RuntimeError('no licence key')", "no licence key"), ("def", "invalid syntax"), ("x = 1 / 0", "division by"),
    ("assert False", "AssertionError"),
])
def test_an_entry_point_that_raises_anything_is_refused_with_its_package(code, said, tmp_path, monkeypatch):
    module = f"raises_{abs(hash(code))}"
    (tmp_path / f"{module}.py").write_text(code)
    installed(tmp_path, "broken", f"[mien.rppg]\nbroken = {module}:thing\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match=f"expected {module}:thing of the package broken, got {said}"):
        rppg.rppg_method("broken")


def test_a_name_that_two_packages_add_is_refused_and_a_name_of_mien_is_kept(tmp_path, monkeypatch):
    for package in ("one", "two"):
        installed(tmp_path, package, "[mien.rppg]\nTWICE = numpy:mean\nPOS = numpy:mean\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match=r"expected one package that adds 'TWICE', got (one, two|two, one): uninstall"):
        rppg.rppg_method("TWICE")
    assert rppg.rppg_method("POS") is rppg.METHODS["POS"]
    assert rppg.installed()["POS"] is rppg.METHODS["POS"]
    assert entry_points.names(rppg.METHODS, "mien.rppg").count("POS") == 1
