"""The report: complete in itself, true to the timeline, for nobody and for many, and it draws in a browser."""

from __future__ import annotations

import base64
import errno
import io
import json
import math
import os
import re
import shutil
import time
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from plotly.offline import get_plotlyjs

from fake_timeline import timeline
from mien.core.observations import STATES, Signal
from mien.core.recording_prediction import AttentionOverTime, RecordingPrediction
from mien.core.results import REASONS, Measurement
from mien.core.tasks import EXPRESSION
from mien.reporting import html as html_report
from mien.reporting.html import charts, downsample
from mien.reporting.html.ground_truth import curves, scores
from mien.reporting.timeline import Timeline

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PLOTLY = get_plotlyjs()
TALK = timeline(people=2, seconds=90)
ODD = 'a <b>"file" & </script><script>alert(1)</script> {index} name.mp4'


class Page(HTMLParser):
    """Every element with its attributes, the text of headings, and the JSON that the charts are drawn from."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[tuple[int, str]] = []
        self.words = ""
        self.open: list[str] = []
        self.data: dict = {}
        self.feed(html.replace(PLOTLY, ""))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append((int(tag[1]), ""))

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if "script" in self.open:
            element = [attrs for tag, attrs in self.elements if tag == "script"][-1]
            if element.get("type") == "application/json":
                self.data = json.loads(data, parse_constant=refuse)
            return
        if "style" not in self.open:
            self.words += data
        if self.open and re.fullmatch("h[1-6]", self.open[-1]):
            self.headings[-1] = (self.headings[-1][0], self.headings[-1][1] + data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]


def refuse(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def unpack(matrix: dict) -> np.ndarray:
    """By the description in charts.matrix, read anew."""
    coded = np.frombuffer(base64.b64decode(matrix["z"]), f"<u{matrix['bits'] // 8}").reshape(matrix["rows"], -1)
    most = 2 ** matrix["bits"] - 1
    values = matrix["low"] + coded / (most - 1) * (matrix["high"] - matrix["low"])
    return np.where(coded == most, np.nan, values)


def with_session(face: int | None = 0):
    """A recording of 30 s with two signals, one masked for 5 s, and attention to a second of the face."""
    t = np.arange(30 * 128) / 128
    values = np.stack([np.sin(7 * t), t])
    values[1, 1000:1640] = np.nan
    share = np.ones(150)
    share[60:65] = 7.0
    signal, looked = (
        Signal(values, 128.0, ("ecg", "eda"), ("", "")),
        AttentionOverTime(np.arange(150) / 5 + 0.1, share, 0.1),
    )
    reported = RecordingPrediction(
        face,
        "expression7",
        np.eye(7)[0],
        30.0,
        {"ecg": 30.0, "eda": 25.0, "face": 28.0},
        signal,
        {"face": looked},
        ("eda: no data <16.7%>",),
    )
    return replace(timeline(people=1, seconds=30), session=reported)


SIZES = {"nobody": timeline(people=0), "one row": timeline(people=1, seconds=0.5),
         "one": timeline(people=1, seconds=30), "five": timeline(people=5, seconds=120), "session": with_session()}


@pytest.mark.parametrize("name", SIZES)
def test_it_is_complete_in_itself_and_well_formed(name):
    html = html_report.html(SIZES[name])
    page = Page(html)
    for tag, attrs in page.elements:
        for key in ("src", "href", "data", "action", "poster", "srcset", "xlink:href"):
            assert re.match(r"data:image/|#|$", attrs.get(key) or ""), (tag, attrs)
        assert tag not in ("link", "iframe", "object", "embed", "base")
    assert "@import" not in html.split("</style>")[0]
    assert "url(" not in html.split("</style>")[0]
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert html.count(PLOTLY) == int(name != "nobody")  # embedded once, where there are charts
    ids = Counter(attrs["id"] for _, attrs in page.elements if attrs.get("id"))
    assert max(ids.values()) == 1
    for _, attrs in page.elements:
        for reference in (attrs.get("aria-labelledby"), (attrs.get("href") or "")[1:]):
            assert not reference or reference in ids, attrs
    assert page.headings[0][0] == 1
    assert sum(level == 1 for level, _ in page.headings) == 1
    assert all(after <= before + 1 for (before, _), (after, _) in zip(page.headings, page.headings[1:], strict=False))
    assert all(image.get("alt") for image in page.all("img"))
    assert all(plot.get("aria-label") for plot in page.all("div") if "data-chart" in plot)
    assert len(page.data["people"]) == len(SIZES[name].faces)


def test_it_says_what_it_is_and_is_not():
    words = Page(html_report.html(TALK)).words
    assert "of real faces only neutral and happy ones were measured. Not emotion." in words
    assert "angry, sad, disgusted and fearful ones were not" in words
    assert "weak evidence from video" in words
    assert "No reading: too few seconds of this person." in words
    assert "How to read this" in words
    for version in TALK.versions.values():
        assert version in words
    assert TALK.source.sha256 in words
    assert "No face was found" in Page(html_report.html(timeline(people=0))).words


def test_abstention_is_reported_in_words():
    (who,) = timeline(people=1).faces
    silent = replace(who, heart_rate=Measurement(None, "bpm", 0.1, "POS", "flicker"), pulse=None)
    single = timeline(people=1)
    words = Page(html_report.html(Timeline(single.emotions, (silent,), single.source))).words
    assert "No heart rate: the background changes at the same rate: the light changes, not the blood." in words
    assert "No pulse wave was found" in words


def test_answers_from_the_face_alone_are_counted():
    single = timeline(people=1)
    rows = [replace(row, read_from="" if row.abstained else "face" if i % 3 else "face+pulse")
            for i, row in enumerate(single.emotions)]
    alone, all_ = (sum(row.read_from in what for row in rows) for what in (("face",), ("face", "face+pulse")))
    words = Page(html_report.html(replace(single, emotions=tuple(rows)))).words
    assert f"{alone} of its {all_} answers here are from the face alone" in words
    assert "answers here" not in Page(html_report.html(single)).words


def test_a_file_name_cannot_break_the_page():
    odd = replace(TALK.source, name=ODD, lost="the <i>end</i>")
    html = html_report.html(Timeline(TALK.emotions, TALK.faces, odd, {"x": "</script><script>alert(2)</script>"}))
    page = Page(html)
    assert all(attrs for attrs in page.all("i"))  # every one is a mark of ours, with a style
    assert len(page.all("script")) == 4
    assert page.headings[0] == (1, ODD)
    assert "the <i>end</i>" in page.words


def named(codes: np.ndarray, names) -> list[str]:
    return ["" if math.isnan(code) else names[round(code)] for code in codes]


def test_the_charts_hold_the_timeline():
    page = Page(html_report.html(TALK))
    for person in page.data["people"]:
        rows = [e for e in TALK.emotions if e.face == person["id"]]
        np.testing.assert_allclose(person["edges"], [0, *(1000 * e.end for e in rows)])
        np.testing.assert_allclose(
            unpack(person["probs"]).T, [np.full(7, np.nan) if e.reason else e.probs for e in rows], atol=1e-5)
        np.testing.assert_allclose(unpack(person["affect"]), [[e.valence for e in rows], [e.arousal for e in rows]],
                                   atol=2e-5)
        np.testing.assert_allclose(unpack(person["aus"]).T, [e.aus for e in rows], atol=0.011)
        np.testing.assert_allclose(unpack(person["rate"])[0], [e.heart_rate.number for e in rows], atol=1e-3)
        np.testing.assert_allclose(unpack(person["quality"])[0], [e.quality for e in rows], atol=1e-4)
        label, state, reason, pulse_reason = unpack(person["codes"])
        assert named(label, page.data["classes"]) == [e.label for e in rows]
        assert named(state, STATES) == [e.state for e in rows]
        assert named(reason, page.data["reasons"]) == [REASONS[e.reason] * bool(e.reason) for e in rows]
        assert named(pulse_reason, page.data["reasons"]) == [
            REASONS[e.heart_rate.reason] * bool(e.heart_rate.reason) for e in rows]


def test_the_time_frequency_image_shows_the_pulse_that_is_there():
    (data,) = Page(html_report.html(timeline(people=1, seconds=90))).data["people"]
    image = unpack(data["image"]["z"])
    bpm = np.array(data["image"]["bpm"])
    ridge = bpm[np.nan_to_num(image, nan=-99).argmax(axis=0)]
    assert abs(np.median(ridge) - data["overall"]) < 4  # 4 bpm is a row of the image
    wave = data["wave"]
    beats = np.fft.rfft(unpack(wave["y"])[0], 8192)
    top = np.argmax(np.abs(beats[10:])) + 10
    assert abs(top / 8192 * 1000 / wave["step"] * 60 - data["overall"]) < 8
    assert wave["view"][1] - wave["view"][0] == 15_000


def test_long_recordings_are_averaged_not_cut():
    film = timeline(people=1, seconds=7200)
    (track,) = film.tracks.values()
    result = downsample.downsample(track, 700)
    assert len(result.label) == 700
    assert (result.edges[0], result.edges[-1]) == (0, 7200)
    begin, end = result.edges[100], result.edges[101]
    rows = [e for e in film.emotions if begin <= (e.start + e.end) / 2 < end]
    reported = [e.probs for e in rows if not e.reason]
    np.testing.assert_allclose(result.probs[100], np.mean(reported, axis=0))
    rates = [e.heart_rate.value for e in rows if not e.heart_rate.abstained]
    np.testing.assert_allclose(result.rate[100], np.mean(rates))


def test_a_label_of_many_rows_is_that_of_most_of_them():
    """Two rows are just happy and two just sad, and all are nearly fearful: fear has the largest mean."""
    talk = timeline(people=1, seconds=4, step=0.5, abstains=False)
    happy, sad = np.array([0.42, 0.18, 0, 0, 0, 0, 0.4]), np.array([0.12, 0.48, 0, 0, 0, 0, 0.4])
    rows = tuple(replace(e, probs=p, label=EXPRESSION.label(p), confidence=float(p.max()))
                 for e, p in zip(talk.emotions, [happy, sad, happy, sad] * 2, strict=True))
    (track,) = Timeline(rows, (), talk.source).tracks.values()
    cells = downsample.downsample(track, 2)
    assert cells.probs.argmax(axis=1).tolist() == [6, 6]
    assert [EXPRESSION.classes[k] for k in cells.label] == ["sad", "sad"]  # two each; sad is the more probable one


def test_pauses_stay_pauses():
    talk = timeline(people=1, seconds=30)
    kept = tuple(e for e in talk.emotions if not 10 <= e.start < 20)
    (track,) = Timeline(kept, (), talk.source).tracks.values()
    result = downsample.downsample(track, 700)
    gap = np.flatnonzero(result.state < 0)
    assert len(gap) == 1
    assert (result.edges[gap[0]], result.edges[gap[0] + 1]) == (10, 20)
    assert np.isnan(result.probs[gap]).all()


@pytest.mark.parametrize(("people", "seconds", "step", "most"), [
    (0, 60, 0.5, 50_000), (1, 600, 0.5, 500_000), (1, 7200, 0.5, 500_000), (5, 7200, 0.5, 500_000)])
def test_a_report_is_small_and_lies_beside_its_chart_library(tmp_path, people, seconds, step, most):
    talk = timeline(people=people, seconds=seconds, step=step)
    pulse = next((who.pulse for who in talk.faces), None)  # of the made-up people, every third has none
    talk = replace(talk, faces=tuple(replace(who, pulse=pulse) for who in talk.faces))
    html_report.write_report(talk, tmp_path / "r.html", images=False)
    assert (tmp_path / "r.html").stat().st_size < most
    assert sorted(path.name for path in tmp_path.iterdir()) == [html_report.CHART_LIBRARY, "r.html"][people == 0:]


def test_one_file_holds_everything_where_that_is_wanted(tmp_path):
    html_report.write_report(TALK, tmp_path / "r.html", script="")
    assert os.listdir(tmp_path) == ["r.html"]
    assert PLOTLY in (tmp_path / "r.html").read_text()


def test_pictures_can_be_left_out_or_blurred():
    assert len(Page(html_report.html(TALK)).all("img")) == 2
    assert not Page(html_report.html(TALK, images=False)).all("img")
    assert "data:image" not in html_report.html(TALK, images=False).replace(PLOTLY, "")
    for blur in (False, True):
        source = Page(html_report.html(TALK, blur=blur)).all("img")[0]["src"]
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))).convert("L"), float)
        steepest = np.abs(np.diff(pixels, axis=1)).max()
        assert bool(steepest < 12) == blur, steepest


def test_the_same_timeline_gives_the_same_bytes():
    assert html_report.html(timeline(people=2)) == html_report.html(timeline(people=2))


def test_truth_is_drawn_beside_the_estimate():
    talk = timeline(people=1, seconds=60, abstains=False)
    t = np.arange(0, 60, 0.1)
    smile = np.interp(t, [e.end - 0.25 for e in talk.emotions], [e.aus[8] for e in talk.emotions])
    planted = {0: {"AU12": (t, smile * 0.5), "heart_rate": (t, np.full(len(t), 70.0)), "pulse": (t, np.sin(t))}}
    page = Page(html_report.html(talk, truth=planted))
    (data,) = page.data["people"]
    assert set(data["truth"]) == {"AU12", "heart_rate", "pulse"}
    np.testing.assert_allclose(data["truth"]["AU12"]["y"], smile * 0.5, atol=6e-4)
    assert "Planted and estimated action units" in page.words
    (track,) = talk.tracks.values()
    by_name = {s.name: s for s in scores(curves(planted[0]), track, 20.0)}
    assert by_name["AU12"].correlation > 0.99
    rates = np.array([e.heart_rate.value for e in talk.emotions])
    assert by_name["heart_rate"].error == pytest.approx(np.abs(rates - 70).mean())
    assert by_name["heart_rate"].count == len(rates)
    assert "truth" not in Page(html_report.html(talk)).data["people"][0]


def test_heart_rates_are_compared_with_the_seconds_that_they_cover():
    talk = timeline(people=1, seconds=60, abstains=False)
    (track,) = talk.tracks.values()
    t = np.arange(0, 60, 0.05)
    (result,) = scores(curves({"heart_rate": (t, t)}), track, 10.0)
    expected = [abs(e.heart_rate.value - t[(t >= e.end - 10) & (t <= e.end)].mean()) for e in talk.emotions]
    assert result.error == pytest.approx(np.mean(expected))


@pytest.mark.parametrize(("truth", "message"), [
    ({"mood": ([0], [1])}, "expected truth of heart_rate, pulse or an action unit .* got 'mood'"),
    ({"AU12": ([0, 1], [1])}, "expected for AU12 times in order and as many values"),
    ({"AU12": ([1, 0], [1, 1])}, "expected for AU12 times in order"),
])
def test_truth_that_makes_no_sense_is_refused(truth, message):
    with pytest.raises(ValueError, match=message):
        html_report.html(TALK, truth={0: truth})


def test_a_whole_recording_is_reported_with_its_signals_and_where_the_model_looked():
    page = Page(html_report.html(SIZES["session"]))
    assert "eda: no data <16.7%>" in page.words
    assert "Attention to the face went mostly to 0:12 (7.0 times)" in page.words
    assert "it does not show what the answer depends on" in page.words
    settings = {**SIZES["session"].settings, "doubt": "a tiny one that has learnt nothing"}
    doubted = Page(html_report.html(replace(SIZES["session"], settings=settings))).words
    assert "no moments are named, since the model is a tiny one that has learnt nothing" in doubted
    assert "0:12 (" not in doubted
    drawn = page.data["session"]["signals"][1]
    gap = [x for x, y in zip(drawn["x"], drawn["y"], strict=True) if y is None]
    assert min(gap) == pytest.approx(1000 * 1000 / 128, abs=60)
    assert max(gap) == pytest.approx(1000 * 1640 / 128, abs=60)
    ecg = np.array(page.data["session"]["signals"][0]["y"])
    assert ecg.max() == pytest.approx(np.sqrt(2), abs=0.05)  # of a sine, in its own spread
    assert len(ecg) <= 1500


def test_people_without_rows_or_without_anything_seen():
    (who,) = timeline(people=1).faces
    nothing = replace(who, coverage=0, expression=np.full(7, np.nan), valence=math.nan, arousal=math.nan,
                      aus=np.full(18, np.nan), pose=np.full(3, np.nan), gaze=np.full(2, np.nan), pulse=None,
                      picture=None, heart_rate=Measurement(None, "bpm", 0, "", "no_face"))
    single = timeline(people=1)
    page = Page(html_report.html(Timeline((), (nothing,), single.source)))
    assert "There are no rows for this person." in page.words
    assert "No expression was recognised" in page.words
    blind = [replace(e, state="lost", reason="no_face", probs=np.full(7, np.nan), label="", confidence=0.0,
                     aus=np.full(18, np.nan)) for e in single.emotions]
    assert "nan" not in Page(html_report.html(Timeline(tuple(blind), (nothing,), single.source))).words.lower()


def test_a_full_disk_leaves_the_old_report(tmp_path, monkeypatch):
    path = tmp_path / "r.html"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="free space"):
        html_report.write_report(TALK, path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["r.html"]


def test_columns_shrink_with_the_number_of_people():
    assert charts.columns(1) >= charts.columns(5) >= charts.columns(100) >= 100


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium here: apt-get install chromium")
    sync = pytest.importorskip("playwright.sync_api")
    with sync.sync_playwright() as play:
        running = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


WIDTHS = "[...document.querySelectorAll('.plot')].map((plot) => plot._fullLayout?.width)"
FITTED = f"{WIDTHS}.every((width, i) => width === document.querySelectorAll('.plot')[i].clientWidth)"


DRAWN = "[...document.querySelectorAll('.plot')].every((plot) => plot.querySelector('.main-svg'))"


def until(page, expression: str, seconds: float = 60.0) -> None:
    """Wait until JavaScript is true. The page's policy forbids the polling of playwright's own wait_for_function."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"{expression}: still false after {seconds} s"
        page.wait_for_timeout(50)


@pytest.mark.parametrize(("name", "width", "scheme"), [
    ("nobody", 1200, "light"), ("one row", 1200, "dark"), ("one", 390, "dark"), ("five", 1200, "light"),
    ("session", 390, "light")])
@pytest.mark.browser
def test_it_draws_in_a_browser(browser, tmp_path, name, width, scheme):
    t = np.arange(0, 30, 0.1)
    units = {f"AU{n}": (t, t / 10) for n in ("01", "02", "04", "12", "45")}
    truth = {0: {**units, "heart_rate": (t, t + 50), "pulse": (t, np.sin(t))}}
    html_report.write_report(SIZES[name], tmp_path / "r.html", truth=truth if name == "one" else None)
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    requests, said = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto((tmp_path / "r.html").as_uri())
    page.set_viewport_size({"width": width, "height": 14_000})
    plots = page.locator(".plot").count()
    until(page, DRAWN)
    assert (plots == 0) == (name == "nobody")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    files = ("r.html", html_report.CHART_LIBRARY)[: 1 + (plots > 0)]
    assert set(requests) == {(tmp_path / file).as_uri() for file in files}
    assert said == []
    for plot in page.locator(".plot").all():  # the time axis lies below the lowest lane
        lowest = plot.evaluate("""p => Object.entries(p._fullLayout).filter(([k]) => /^yaxis/.test(k))
            .sort((a, b) => a[1].domain[0] - b[1].domain[0])[0][0].replace("axis", "")""")
        assert plot.evaluate("p => p._fullLayout.xaxis.anchor") == lowest
    if name == "one":  # zooming one chart zooms the others of the person
        page.evaluate("Plotly.relayout(document.querySelector('[data-chart=affect]'), "
                      "{'xaxis.range': [Date.UTC(2000,0,1,0,0,5), Date.UTC(2000,0,1,0,0,9)]})")
        page.wait_for_timeout(300)
        shown = page.evaluate("document.querySelector('[data-chart=heart]').layout.xaxis.range.map(t => +new Date(t))")
        assert shown[1] - shown[0] == 4000
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", dark))) < 200) is (scheme == "dark")
    context.close()


@pytest.mark.browser
def test_it_prints_all_of_its_charts(browser, tmp_path):
    html_report.write_report(SIZES["one"], tmp_path / "r.html")
    page = browser.new_page(viewport={"width": 900, "height": 300}, color_scheme="dark")
    page.goto((tmp_path / "r.html").as_uri())
    page.emulate_media(media="print")
    until(page, DRAWN)
    assert page.pdf()[:4] == b"%PDF"
    until(page, f"{WIDTHS}.every((w) => w === 620)")  # px, narrower than A4 and US Letter between their margins
    grey = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--page').trim()")
    assert grey == "#ffffff"
    page.emulate_media(media="screen")
    until(page, FITTED)
    page.close()



@pytest.mark.parametrize("mobile", [False, True], ids=["window", "phone"])
@pytest.mark.browser
def test_charts_follow_the_width_of_the_page(browser, tmp_path, mobile):
    """A window made narrow and wide again, and a phone that is turned."""
    html_report.write_report(SIZES["session"], tmp_path / "r.html")
    context = browser.new_context(viewport={"width": 844, "height": 900}, is_mobile=mobile, has_touch=mobile)
    page = context.new_page()
    page.goto((tmp_path / "r.html").as_uri())
    until(page, DRAWN)
    for width in (390, 844, 768, 380):
        page.set_viewport_size({"width": width, "height": 900})
        until(page, f"innerWidth === {width} && {FITTED}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert max(page.evaluate(WIDTHS)) < width
    context.close()


# The chart library beside the reports


def test_reports_share_one_chart_library(tmp_path):
    html_report.write_chart_library(tmp_path)
    folder = tmp_path / "day 1" / "talk.mp4"
    folder.mkdir(parents=True)
    html_report.write_report(TALK, folder / "report.html", images=False, script="../../" + html_report.CHART_LIBRARY)
    assert (folder / "report.html").stat().st_size < 500_000
    (script,) = [attrs["src"] for tag, attrs in Page((folder / "report.html").read_text()).elements
                 if tag == "script" and "src" in attrs]
    assert (folder / script).resolve() == tmp_path / "plotly.min.js"
    before = (tmp_path / "plotly.min.js").stat().st_mtime_ns
    html_report.write_chart_library(tmp_path)
    assert (tmp_path / "plotly.min.js").stat().st_mtime_ns == before
    (tmp_path / "plotly.min.js").write_text("cut off")
    html_report.write_chart_library(tmp_path)
    assert (tmp_path / "plotly.min.js").read_text() == PLOTLY


def test_a_report_without_charts_has_no_chart_library():
    html = html_report.html(timeline(people=0))
    assert PLOTLY not in html
    assert len(html) < 50_000
