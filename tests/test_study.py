"""The study: a planted effect is found, none is not, a condition that abstains is named, and every number agrees."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

from fake_timeline import timeline
from mien.cli import app
from mien.inference.batch.manifest import ManifestEntry, write_manifest
from mien.metrics.mixed_model import compare_repeated
from mien.metrics.paired import compare_paired, holm
from mien.reporting.condition_statistics import condition_statistics
from mien.reporting.events import Event
from mien.reporting.study import (
    Assignment,
    ParticipantsError,
    StudyOptions,
    StudyRecording,
    compute_study,
    read_participants,
    write,
    write_study,
)
from mien.reporting.study.charts import ticks
from mien.reporting.study.page import study_page
from mien.reporting.study.write import FILES, wide_table
from mien.reporting.summary import summarize

EVENTS = (Event(0, 20, "rest", baseline=True), Event(20, 40, "film"), Event(40, 60, "talk"))


def recording(name: str, random: np.random.Generator, effect: float = 0.0, level: float = 1.0) -> StudyRecording:
    """A minute of noise: every measure has the same mean in all conditions but AU12, to which film adds `effect`."""
    talk = timeline(1, 60, name=name, pictures=False, abstains=False)
    table = talk.to_pandas()
    columns = [name for name in table if re.match(r"AU\d|p_|valence|arousal|heart_rate", name)]
    table[columns] = level + random.normal(0, 0.3, (len(table), len(columns)))
    table["AU12"] += effect * ((table["start"] >= 20) & (table["start"] < 40))
    return StudyRecording(f"day1/{name}", name.removesuffix(".mp4"), table, talk.settings, talk.versions)


@pytest.fixture(scope="module")
def planted():
    """Twelve people whose AU12 rises by 0.3 in the film; two of them are hidden from the pulse while they talk."""
    random = np.random.default_rng(3)
    made = [recording(f"p{i:02d}.mp4", random, effect=0.3, level=1 + random.normal(0, 0.5)) for i in range(12)]
    for each in made:
        each.table.loc[(each.table["start"] >= 40) & (each.table["start"] < 55), "heart_rate"] = np.nan
    made[0].table.loc[each.table["start"] >= 40, "heart_rate"] = np.nan
    return compute_study(made, EVENTS)


def test_the_planted_effect_and_nothing_else_is_found(planted):
    output = planted.comparisons[planted.comparisons["p_holm"] < 0.05]
    assert set(zip(output["measure"], output["first"], output["second"], strict=True)) == {
        ("AU12", "rest", "film"), ("AU12", "film", "talk")}
    rise = output.iloc[0]
    assert rise["difference"] == pytest.approx(0.3, abs=0.1)
    assert rise["low"] < 0.3 < rise["high"]
    models = planted.models.set_index("measure")
    assert models.loc["AU12", "p_holm"] < 1e-6
    assert (models.drop("AU12")["p_holm"] > 0.05).all()


def test_every_number_is_that_of_a_plain_computation(planted):
    table = planted.recordings[3].table
    row = planted.long.query("participant == 'p03' and condition == 'film' and measure == 'AU04'").iloc[0]
    values = table.loc[(table["start"] >= 20) & (table["end"] <= 40), "AU04"]
    assert row["mean"] == pytest.approx(values.mean())
    assert row["sd"] == pytest.approx(values.std(ddof=1))
    assert (row["n"], row["seconds"], row["planned"], row["coverage"]) == (40, 20, 20, 1)
    means = planted.means("AU04")
    result = planted.comparisons.query("measure == 'AU04' and first == 'rest' and second == 'talk'").iloc[0]
    t, p = stats.ttest_rel(means["talk"], means["rest"])
    assert (result["t"], result["p"]) == (pytest.approx(t), pytest.approx(p))
    gap = means["talk"] - means["rest"]
    assert result["dz"] == pytest.approx(gap.mean() / gap.std(ddof=1))
    described = planted.descriptives.query("measure == 'AU04' and condition == 'talk'").iloc[0]
    assert (described["mean"], described["sd"]) == (pytest.approx(means["talk"].mean()),
                                                    pytest.approx(means["talk"].std(ddof=1)))


def test_a_condition_that_abstains_more_is_named_and_a_mean_of_little_does_not_count(planted):
    (notice,) = [text for text in planted.notices if text.startswith("the heart rate")]
    assert "talk (77% of the time) than during rest (0%)" in notice
    row = planted.descriptives.query("measure == 'heart_rate' and condition == 'talk'").iloc[0]
    assert (row["people"], row["n"]) == (12, 11)  # the first person has no heart rate at all
    assert row["coverage"] == pytest.approx((11 * 0.25 + 0) / 12)
    assert row["abstention"] == pytest.approx(1 - row["coverage"])
    strict = compute_study(planted.recordings, EVENTS, options=StudyOptions(("heart_rate",), 0.5))
    assert strict.descriptives.query("condition == 'talk'")["n"].item() == 0
    assert any("11 of 36 means do not count" in text for text in strict.notices)


def test_without_an_effect_few_studies_find_one():
    """Of 200 studies without an effect, Holm's correction lets 5 % find something in any of the three comparisons."""
    random = np.random.default_rng(11)
    pairs, models, covered = 0, 0, 0
    for _ in range(200):
        values = random.normal(0, 1, (10, 1)) + random.normal(0, 1, (10, 3))
        values[random.random((10, 3)) < 0.1] = np.nan
        results = [compare_paired(values[:, i], values[:, j]) for i, j in ((0, 1), (0, 2), (1, 2))]
        pairs += bool(np.nanmin(holm(np.array([result.p for result in results]))) < 0.05)
        models += compare_repeated(values).p < 0.05
        covered += results[0].low < 0 < results[0].high
    assert pairs <= 21  # 99.9 % quantile of a binomial of 200 and 0.05
    assert 2 <= models <= 21
    assert covered >= 200 - 21


def test_the_mixed_model_equals_the_analysis_of_variance_for_complete_data():
    random = np.random.default_rng(5)
    values = random.normal(0, 2, (9, 1)) + random.normal(0, 1, (9, 4)) + [0, 0.5, 1, 0]
    centred = values - values.mean(axis=1, keepdims=True)
    between = 9 * ((values.mean(axis=0) - values.mean()) ** 2).sum() / 3
    within = ((centred - (values.mean(axis=0) - values.mean())) ** 2).sum() / 24
    result = compare_repeated(values)
    assert (result.df1, result.df2) == (3, 24)
    assert result.f == pytest.approx(between / within, rel=1e-5)
    people = 4 * values.mean(axis=1).var(ddof=1)
    assert result.icc == pytest.approx((people - within) / (people + 3 * within), rel=1e-4)


def test_the_mixed_model_equals_statsmodels_where_values_are_missing():
    mixed = pytest.importorskip("statsmodels.regression.mixed_linear_model", reason="expected statsmodels")
    random = np.random.default_rng(6)
    values = random.normal(0, 2, (12, 1)) + random.normal(0, 1, (12, 3)) + [0, 0.5, 1]
    values[[0, 3, 7, 7], [1, 2, 0, 1]] = np.nan
    who, which = np.nonzero(np.isfinite(values))
    fit = mixed.MixedLM(values[who, which], np.eye(3)[which], who).fit(reml=True)
    contrast = np.array([[-1, 1, 0, 0], [-1, 0, 1, 0]])
    result, variance = compare_repeated(values), fit.cov_re[0, 0]
    assert result.icc == pytest.approx(variance / (variance + fit.scale), rel=1e-4)
    # statsmodels inverts the Hessian of all parameters, we that of the means, as most programs do
    assert result.f == pytest.approx(float(fit.f_test(contrast).fvalue), rel=3e-3)


@pytest.mark.parametrize("values", [np.full((4, 3), np.nan), np.ones((4, 3)), np.ones((1, 3)),
                                    np.array([[1, np.nan], [np.nan, 2], [3, np.nan]])])
def test_nothing_to_test_gives_no_p(values):
    assert math.isnan(compare_repeated(values).p)
    assert math.isnan(compare_paired(values[:, 0], values[:, 1]).p)


def test_holm_by_hand():
    assert holm(np.array([0.01, np.nan, 0.04, 0.03])) == pytest.approx([0.03, np.nan, 0.06, 0.06], nan_ok=True)


def test_weights_of_rows_at_the_edge_of_a_condition():
    result = condition_statistics(np.array([0.5, 0.25, 0.5]), np.array([[1.0], [3.0], [np.nan]]),
                                  np.array([True, True, True]), 2.5)
    assert result.mean[0] == pytest.approx((0.5 + 0.75) / 0.75)
    assert (result.n[0], result.seconds, result.coverage[0]) == (2, 1.25, 0.3)
    assert result.abstention[0] == pytest.approx(0.4)
    assert math.isnan(condition_statistics(np.array([1.0]), np.array([[1.0]]), np.array([True]), 1.0).sd[0])


def test_participants_pool_their_recordings_and_bring_in_other_faces(tmp_path):
    random = np.random.default_rng(1)
    first, second = recording("a.mp4", random), recording("b.mp4", random)
    both = timeline(2, 60, name="c.mp4", pictures=False)
    recordings = [first, second, StudyRecording("day1/c.mp4", "c", both.to_pandas(), both.settings, both.versions)]
    path = tmp_path / "people.csv"
    path.write_text("participant;video;face_id;group;AU12;sha256\nanna;a;;x;1,5;f\nanna;b.mp4;;x;2;f\n"
                    "ben;c;0;y;1;f\neva;c;1;x;1;f\nivo;d;;x;1;f\n", encoding="utf-8")
    people = read_participants(path)
    assert people[0] == Assignment("anna", "a", None, {"group": "x"})
    study = compute_study(recordings, EVENTS, people)
    assert study.participants == ("anna", "ben", "eva")
    row = study.long.query("participant == 'anna' and condition == 'rest' and measure == 'AU12'").iloc[0]
    values = np.concatenate([each.table.loc[each.table["end"] <= 20, "AU12"] for each in (first, second)])
    assert (row["mean"], row["sd"], row["n"]) == (pytest.approx(values.mean()), pytest.approx(values.std(ddof=1)), 80)
    assert (row["group"], row["recordings"], row["planned"]) == ("x", 2, 40)
    assert any("there is no recording of d" in text for text in study.notices)
    alone = compute_study(recordings, EVENTS)
    assert alone.participants == ("a", "b", "c")
    assert any("1 more face in these recordings, not in the study" in text for text in alone.notices)


@pytest.mark.parametrize(("text", "message"), [
    ("who,video\na,b\n", r"line 1: expected the columns participant, video, got who, video; add participant"),
    ("participant,video\n,b\n", r"line 2: expected a name under participant, got an empty cell"),
    ("participant,video,face_id\na,b,x\n", r"line 2: expected the number of a face under face_id, such as 0, got 'x'"),
    ("participant,video\na,b\nc,B\n", r"expected one participant for each face, got a and c for B; give the face_id"),
    ("participant,video,age\na,b,30\na,c,31\n", r"expected one value of age for a, got '30' and '31'; correct one"),
    ("participant,video\n", r"got only a header"),
])
def test_bad_participants_are_named_with_their_line(tmp_path, text, message):
    (tmp_path / "p.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ParticipantsError, match=message):
        read_participants(tmp_path / "p.csv")


def test_measures_and_names_that_do_not_exist(planted):
    with pytest.raises(ValueError, match=r"--measures: expected columns of the timelines, .* got 'AU99'"):
        compute_study(planted.recordings, EVENTS, options=StudyOptions(("AU99",)))
    with pytest.raises(ValueError, match="expected a recording with a face that the events and the participants name"):
        compute_study(planted.recordings, [Event(0, 1, "a", "other.mp4")])
    with pytest.raises(ValueError, match="--min-coverage: expected a share from 0 to 1, got 2"):
        StudyOptions(min_coverage=2)


def test_the_page_and_the_tables_say_the_same(planted, tmp_path, monkeypatch):
    monkeypatch.setattr(write, "has_plots", lambda: False)  # a test of their own draws one
    page = write_study(planted, tmp_path)
    text = page.read_text(encoding="utf-8")
    assert {name for name, _ in FILES} <= {path.name for path in tmp_path.iterdir()}
    assert len(text) < 500_000
    assert not re.search(r"(?:src|href)=\"(?!#)|url\(|@import", text)  # nothing is fetched
    assert "<script" not in text
    tree = ElementTree.fromstring(re.sub(r"<!doctype html>|<meta[^>]*>", "", text))
    rows = {tuple(cell.text for cell in line) for line in tree.iter("tr")}
    (line,) = [row for row in rows if row[:2] == ("AU12 lip corner puller", "film \N{MINUS SIGN} rest")]
    saved = pd.read_csv(tmp_path / "comparisons.csv").query("measure == 'AU12' and second == 'film'").iloc[0]
    assert line[3] == f"{saved['difference']:.2f} [{saved['low']:.2f}, {saved['high']:.2f}]"
    assert "missing more often during talk" in text
    assert len(list(tree.iter("svg"))) == len(planted.measures)
    for element in tree.iter("svg"):
        assert element.get("aria-label")
    quoted = (tmp_path / "methods.txt").read_text(encoding="utf-8").strip()
    assert quoted in text.replace("&amp;", "&").replace("&#x27;", "'")
    assert "mien 0.1.0" in quoted
    assert "12 recordings of 12 participants" in quoted


def test_the_wide_table_has_a_column_for_each_measure_and_condition(planted):
    wide = wide_table(planted)
    assert wide.shape == (12, 1 + 3 * len(planted.measures))
    assert wide["AU12_film"].to_numpy() == pytest.approx(planted.means("AU12")["film"].to_numpy())


def test_plots_are_vector_graphics_with_text(planted, tmp_path):
    pytest.importorskip("matplotlib")
    from mien.reporting.study.plots import write_plots

    single = compute_study(planted.recordings, EVENTS, options=StudyOptions(("AU12",)))
    write_plots(single, tmp_path)
    assert (tmp_path / "AU12.pdf").read_bytes()[:5] == b"%PDF-"
    drawn = "".join(ElementTree.parse(tmp_path / "AU12.svg").getroot().itertext())
    assert all(word in drawn for word in ("rest", "film", "talk", "AU12 lip corner puller"))


def test_names_from_files_cannot_add_to_the_page(planted):
    wicked = "<script>alert(1)</script>"
    events = [Event(0, 20, wicked), Event(20, 40, "film")]
    assert "<script" not in study_page(compute_study(planted.recordings, events), FILES)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-0.02, 0.31), (61.2, 88), (0.00512, 0.00713)])
def test_axes_have_three_to_seven_round_ticks(low, high):
    marks = ticks(low, high)
    assert 3 <= len(marks) <= 11
    assert all(low - 1e-9 <= mark <= high + 1e-9 for mark in marks)


def results(folder, names):
    """A results folder as `mien analyze` leaves it, with a failed file."""
    entries = [ManifestEntry(str(folder / "gone.mp4"), "videos/gone.mp4", "failed", "the file is empty")]
    for i, name in enumerate(names):
        talk = timeline(1, 60, name=name, seed=i, pictures=False)
        talk.save(folder / "videos" / name / "timeline.parquet")
        summarize(talk).save(folder / "videos" / name / "summary.json")
        entries.append(ManifestEntry(str(folder / name), f"videos/{name}", "ok"))
    (folder / "gone.mp4").touch()
    write_manifest(folder, entries, {})


def test_the_command_reads_results_and_names_what_failed(tmp_path):
    results(tmp_path / "results", ["p1.mp4", "p2.mp4", "p3.mp4"])
    (tmp_path / "events.csv").write_text("start,end,condition\n0,20,rest\n20,40,film\n", encoding="utf-8")
    command = ["study", str(tmp_path / "results"), "--events", str(tmp_path / "events.csv"), "--out",
               str(tmp_path / "out"), "--measures", "AU12,heart_rate"]
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 1, ran.output  # a file failed
    assert "not analysed: gone: the file is empty" in ran.output
    assert "3 participants, 2 conditions; see " in ran.output
    assert set(pd.read_csv(tmp_path / "out/long.csv")["participant"]) == {"p1", "p2", "p3"}
    assert "Not analysed: gone: the file is empty." in (tmp_path / "out/study.html").read_text(encoding="utf-8")
    lost = CliRunner().invoke(app, ["study", str(tmp_path / "none"), *command[2:]])
    assert lost.exit_code == 1
    assert "expected a folder of videos or of results, got nothing at" in lost.output
