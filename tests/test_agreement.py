"""Agreement of annotators: against statsmodels and the example of Shrout and Fleiss; the command; the page."""

from __future__ import annotations

import csv
import shutil
import time
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from accessibility import axe, violations  # noqa: F401  # axe is a fixture
from fake_timeline import timeline
from live_films import write
from live_server import CEILING
from mien.cli import app
from mien.datasets import folder
from mien.metrics.agreement import cohen_kappa, fleiss_kappa, icc
from mien.reporting import html
from mien.reporting.agreement import MODEL, agreement_table, label_grid
from mien.reporting.events import Event, EventsError, read_events

# Shrout & Fleiss 1979, table 2: six targets, four judges; table 4 has the six coefficients.
PUBLISHED = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)


@pytest.mark.parametrize(("raters", "average", "value"), [
    ("one-way", False, 0.17), ("random", False, 0.29), ("fixed", False, 0.71),
    ("one-way", True, 0.44), ("random", True, 0.62), ("fixed", True, 0.91)])
def test_icc_of_the_published_example(raters, average, value):
    assert icc(PUBLISHED, raters, average) == pytest.approx(value, abs=0.005)
    holes = np.vstack([PUBLISHED, [np.nan, 1, 2, 3]])
    assert icc(holes, raters, average) == icc(PUBLISHED, raters, average)


def test_icc_at_its_ends():
    same = np.repeat(np.arange(5.0)[:, None], 3, axis=1)
    assert icc(same) == icc(same, "fixed") == icc(same, "one-way") == 1
    assert icc(same + np.arange(3), "fixed") == pytest.approx(1)  # consistent, though not equal
    assert icc(same + np.arange(3)) < 1
    assert np.isnan(icc(np.ones((5, 2))))
    assert np.isnan(icc(np.ones((1, 2))))
    for wrong in ((np.ones(5), "random"), (np.ones((5, 1)), "random"), (PUBLISHED, "other")):
        with pytest.raises(ValueError, match="icc: expected"):
            icc(*wrong)


LABELS = st.lists(st.tuples(*[st.sampled_from("abc")] * 3), min_size=2, max_size=60)


@given(items=LABELS)
def test_kappa_is_that_of_statsmodels(items):
    inter_rater = pytest.importorskip("statsmodels.stats.inter_rater")
    raters = [list(rater) for rater in zip(*items, strict=True)]
    counts = np.array([[row.count(name) for name in "abc"] for row in items])
    with np.errstate(all="ignore"):
        expected = inter_rater.fleiss_kappa(counts[:, counts.any(axis=0)])
        table = np.array([[sum((a, b) == (x, y) for x, y, _ in items) for b in "abc"] for a in "abc"])
        cohen = inter_rater.cohens_kappa(table).kappa
    for ours, theirs in ((fleiss_kappa(raters), expected), (cohen_kappa(*raters[:2]), cohen)):
        if np.isfinite(ours):
            assert ours == pytest.approx(float(theirs), abs=1e-9)
        else:  # everybody gave the same class always: chance agrees as much
            assert not np.isfinite(theirs)


def test_cohen_kappa_ignores_items_with_a_missing_rating():
    assert cohen_kappa(["a", "b", "a", ""], ["a", "b", "", "b"]) == 1
    assert np.isnan(cohen_kappa(["a", ""], ["", "a"]))
    with pytest.raises(ValueError, match="the same items"):
        cohen_kappa(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="two raters"):
        fleiss_kappa([["a"]])


# ---------------------------------------------------------------- spans


def test_spans_are_compared_on_a_common_grid():
    anna = [Event(0, 4, "happy", "a.mp4"), Event(4, 8, "sad", "a.mp4"), Event(0, 2, "happy", "b.mp4")]
    ben = [Event(0, 5, "happy", "a.mp4"), Event(5, 8, "sad", "a.mp4")]
    raters = label_grid({"anna": anna, "ben": ben}, step=1.0)
    assert raters[0].labels == ("happy",) * 4 + ("sad",) * 4 + ("happy",) * 2
    assert raters[1].labels == ("happy",) * 5 + ("sad",) * 3 + ("",) * 2
    (row,) = agreement_table(raters).to_dict("records")
    assert (row["raters"], row["times"], row["share"]) == ("anna / ben", 8, 0.8)
    assert row["agreement"] == 7 / 8
    assert row["kappa"] == pytest.approx((7 / 8 - 0.5) / 0.5)


def test_ratings_give_an_icc():
    scores = [(1, 2), (5, 5), (8, 7), (3, 3)]
    raters = {name: [Event(i, i + 1, str(score[k])) for i, score in enumerate(scores)] for k, name in enumerate("xy")}
    (row,) = agreement_table(label_grid(raters, step=1.0)).to_dict("records")
    assert row["icc"] == pytest.approx(icc(np.array(scores, float)))
    assert "kappa" not in row


def test_the_model_is_a_rater_too_and_three_annotators_have_a_row_for_all():
    made = timeline(seconds=20, abstains=False)
    rows = made.to_pandas()
    label = rows.label.iloc[0]
    spans = {name: [Event(0, 20, label, "interview_03.mp4")] for name in ("a", "b", "c")}
    raters = label_grid(spans, 0.5, {"rec/interview_03.mp4": rows})
    assert raters[-1].name == MODEL
    assert raters[-1].labels == tuple(rows.label)
    result = agreement_table(raters)
    assert list(result.raters) == ["a / b", "a / c", "a / model", "b / c", "b / model", "c / model", "a / b / c"]
    assert result.agreement[2] == pytest.approx((rows.label == label).mean())
    with pytest.raises(ValueError, match=r"the column video names"):
        label_grid(spans, 0.5, {"rec/other.mp4": rows})


def test_the_command(tmp_path):
    (tmp_path / "anna.csv").write_text("start,end,condition\n0,4,happy\n4,8,sad\n")
    (tmp_path / "ben.csv").write_text("start,end,condition\n0,5,happy\n5,8,sad\n")
    done = CliRunner().invoke(app, ["agree", str(tmp_path / "anna.csv"), str(tmp_path / "ben.csv"), "--step", "1",
                                    "--out", str(tmp_path / "agreement.csv")])
    assert done.exit_code == 0, done.stderr
    assert done.stdout.split() == ["raters", "times", "share", "agreement", "kappa", "anna", "/", "ben", "8", "1.000",
                                   "0.875", "0.750"]
    assert pd.read_csv(tmp_path / "agreement.csv").kappa[0] == 0.75
    alone = CliRunner().invoke(app, ["agree", str(tmp_path / "anna.csv")])
    assert alone.exit_code == 1
    assert "expected two annotations" in alone.stderr


# ---------------------------------------------------------------- the report


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    sync = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium here: apt-get install chromium")
    path = tmp_path_factory.mktemp("annotate") / "report.html"
    html.write_report(timeline(people=2), path)
    with sync.sync_playwright() as play:
        running = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = running.new_page()
        opened.wrong = []
        opened.on("console", lambda message: opened.wrong.append(message.text) if message.type == "error" else None)
        opened.on("pageerror", lambda error: opened.wrong.append(str(error)))
        opened.goto(path.as_uri())
        yield opened
        running.close()


def add(page, start, end, label, note="", person=""):
    page.get_by_label("Start, s").fill(start)
    page.get_by_label("End, s").fill(end)
    page.get_by_label("Label").fill(label)
    page.get_by_label("Note").fill(note)
    page.locator("#span select").select_option(person)
    page.get_by_role("button", name="Add").click()


def saved(page, button, path):
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    download.value.save_as(path)
    return path


SEQUENCE = ("HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "LOCALE", "LANGUAGE", "CONSTRAINT")
"""Children of ANNOTATION_DOCUMENT in the order of EAFv3.0.xsd, without those that we do not write."""


def expect_eaf(root):
    """What EAFv3.0.xsd asks of a document of ours: order, required attributes, and references that exist."""
    assert root.tag == "ANNOTATION_DOCUMENT"
    schema = "{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation"
    assert {"AUTHOR", "DATE", "VERSION", schema} <= set(root.keys())
    places = [SEQUENCE.index(child.tag) for child in root]
    assert places == sorted(places)
    assert root.find("HEADER").get("TIME_UNITS") == "milliseconds"
    assert {"MEDIA_URL", "MIME_TYPE"} <= set(root.find("HEADER/MEDIA_DESCRIPTOR").keys())
    slots = {slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE")) for slot in root.iter("TIME_SLOT")}
    types = {each.get("LINGUISTIC_TYPE_ID") for each in root.iter("LINGUISTIC_TYPE")}
    names = [each.get("ANNOTATION_ID") for tag in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION") for each in root.iter(tag)]
    assert len(set(names)) == len(names) > 0
    for tier in root.iter("TIER"):
        assert tier.get("LINGUISTIC_TYPE_REF") in types
        last = 0
        for each in tier.iter("ALIGNABLE_ANNOTATION"):
            start, end = slots[each.get("TIME_SLOT_REF1")], slots[each.get("TIME_SLOT_REF2")]
            assert last <= start < end
            last = end
        assert all(each.get("ANNOTATION_REF") in names for each in tier.iter("REF_ANNOTATION"))
    stereotypes = {each.get("STEREOTYPE") for each in root.iter("CONSTRAINT")}
    assert {each.get("CONSTRAINTS") for each in root.iter("LINGUISTIC_TYPE")} - {None} <= stereotypes


EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2026-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0">
<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
<MEDIA_DESCRIPTOR MEDIA_URL="file:///d/talk.wav" MIME_TYPE="audio/x-wav"{origin}/>
<MEDIA_DESCRIPTOR MEDIA_URL="file:///d/my%20talk.mp4" MIME_TYPE="video/mp4" RELATIVE_MEDIA_URL="./my%20talk.mp4"/>
</HEADER>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1500"/><TIME_SLOT TIME_SLOT_ID="ts2"{time}/></TIME_ORDER>
<TIER LINGUISTIC_TYPE_REF="l" TIER_ID="A"><ANNOTATION>
<ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
<ANNOTATION_VALUE>joy &amp; rest</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
</ANNOTATION_DOCUMENT>
"""


def test_an_elan_file_is_read_as_events(tmp_path):
    path = tmp_path / "a.eaf"
    path.write_text(EAF.format(origin="", time=' TIME_VALUE="4000"'))
    assert read_events(path) == (Event(1.5, 4.0, "joy & rest", "my talk.mp4"),)
    for text, message in (
        (EAF.format(origin="", time=""), "expected a time for each annotation"),
        (EAF.format(origin=' TIME_ORIGIN="40"', time=' TIME_VALUE="4000"'), "expected media without an offset"),
        (EAF.format(origin="", time=' TIME_VALUE="1000"'), "expected an end after the start"),
        ("<a/>", "expected an ELAN file, got <a>"), ("<a", "well-formed XML"),
        ('<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "refused"),
        (EAF.format(origin="", time=' TIME_VALUE="soon"'), "save it again in ELAN")):
        path.write_text(text)
        with pytest.raises(EventsError, match=message):
            read_events(path)
    with pytest.raises(EventsError, match="--segments-start"):
        read_events(path, "10")


@pytest.mark.browser
def test_spans_made_in_the_report_come_back_as_a_file_that_others_read(page, tmp_path):
    page.get_by_label("Annotator").fill("anna")
    add(page, "30", "20", "happy")
    assert "a later end" in page.locator("#spanstatus").text_content()
    add(page, "2", "999", "happy")
    assert "which lasts" in page.locator("#spanstatus").text_content()
    add(page, "0:30,5", "40", "sad", 'she said "no", then\tlaughed', "1")
    add(page, "2", "12.25", "happy")
    path = saved(page, "Save as CSV", tmp_path / "manifest.csv")
    events = read_events(path)  # --segments, mien study and mien agree
    assert events == (Event(2, 12.25, "happy", "interview_03.mp4"), Event(30.5, 40, "sad", "interview_03.mp4"))
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    assert rows[1]["note"] == 'she said "no", then laughed'  # the page writes a tab as a space
    assert {row["annotator"] for row in rows} == {"anna"}
    write(tmp_path / "interview_03.mp4", 41.0)  # the manifest of a folder to train on
    result = folder.survey(tmp_path)
    assert [trial.labels["condition"] for trial in result.trials] == ["happy", "sad"]
    add(page, "5", "9", "surprise")  # within the first span: ELAN allows no overlap in a tier
    eaf = saved(page, "Save for ELAN", tmp_path / "spans.eaf")
    assert read_events(eaf) == (events[0], Event(5, 9, "surprise", "interview_03.mp4"), events[1])
    tiers = {tier.get("TIER_ID"): tier for tier in ElementTree.parse(eaf).iter("TIER")}
    assert list(tiers) == ["anna", "anna (2)", "anna, person 1", "anna, person 1 note"]
    note = tiers["anna, person 1 note"]
    assert note.get("PARENT_REF") == "anna, person 1"
    assert "".join(note.itertext()) == 'she said "no", then\tlaughed'
    expect_eaf(ElementTree.parse(eaf).getroot())
    page.get_by_role("button", name="Remove surprise at 5.00 s").click()
    page.get_by_role("button", name="Remove happy at 2.00 s").click()
    assert page.locator("#spans tbody tr").count() == 1
    page.locator("#openspans").set_input_files(path)
    page.get_by_role("button", name="Remove happy at 2.00 s").wait_for()
    assert page.locator("#spans tbody tr").count() == 2
    again = saved(page, "Save as CSV", tmp_path / "again.csv")
    assert again.read_text() == path.read_text()
    assert page.wrong == []


@pytest.mark.browser
def test_the_zoomed_span_of_a_chart_is_taken(page):
    page.wait_for_selector("[data-chart=expression].js-plotly-plot")
    page.evaluate("Plotly.relayout(document.querySelector('[data-chart=expression]'), "
                  "{'xaxis.range': [Date.UTC(2000,0,1,0,0,5), Date.UTC(2000,0,1,0,0,9)]})")
    page.get_by_role("button", name="Take the zoomed span").click()
    assert page.get_by_label("Start, s").input_value() == "5.00"
    assert page.get_by_label("End, s").input_value() == "9.00"
    assert page.wrong == []


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280, 1920])
def test_axe_finds_no_violation_in_the_report(page, axe, scheme, width):  # noqa: F811
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.reload()  # opened at this width
    page.wait_for_selector("[data-chart=expression].js-plotly-plot")
    assert violations(page, axe) == {}
    end = time.monotonic() + CEILING  # the charts take the width of the page some time after they are drawn
    while page.evaluate("document.documentElement.scrollWidth") > width:
        assert time.monotonic() < end
        page.wait_for_timeout(50)


def test_what_somebody_else_wrote_computes_nothing_in_the_saved_table_and_breaks_no_file(page, tmp_path):
    texts = ["=1+1", "\t@SUM(A1)", "a;=2", "－1", "x\x01\x1b\u202e\ufffe", "-2.5", "'quoted"]
    rows = "".join(f'"=v.mp4",{k},{k + 1},"{text}",,"{text}","b\x02"\n' for k, text in enumerate(texts))
    head = "video,start,end,condition,face_id,note,annotator\n"
    foreign = tmp_path / "foreign.csv"
    foreign.write_text(head + rows, encoding="utf-8", newline="")
    page.locator("#openspans").set_input_files(foreign)
    page.get_by_text(f"{len(texts)} in all").wait_for()
    table = pd.read_csv(saved(page, "Save as CSV", tmp_path / "a.csv"), dtype=str)
    assert list(table.video) == ["'=v.mp4"] * len(texts)
    assert list(table.condition) == ["'=1+1", "' @SUM(A1)", "a;'=2", "'－1", "x   \ufffe", "-2.5", "'quoted"]
    root = ElementTree.parse(saved(page, "Save for ELAN", tmp_path / "a.eaf")).getroot()
    expect_eaf(root)
    assert {tier.get("ANNOTATOR") for tier in root.iter("TIER")} == {"b "}
    page.locator("#openspans").set_input_files(tmp_path / "a.csv")
    page.wait_for_timeout(100)
    again = pd.read_csv(saved(page, "Save as CSV", tmp_path / "b.csv"), dtype=str)
    assert again.equals(table)  # one apostrophe, however often
