"""The page in a real browser, with a camera that plays the portrait with a planted pulse; and its looks."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

import live_server
from accessibility import axe, violations  # noqa: F401  # axe is a fixture
from mien import simulation, video
from mien.reporting.llm.templates import languages

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.skipif(
    CHROMIUM is None, reason="expected Debian's chromium, got none: apt install chromium")]

BPM, SECONDS = 84.0, 16.0
LOOKS = re.compile("^The person (probably |may )?look")
CEILING = 1000 * live_server.CEILING
"""ms that the browser waits for what must come."""


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """The portrait with a pulse, as a film for the camera (played in a loop, at 30 Hz) and as one to upload."""
    folder = tmp_path_factory.mktemp("page")
    portrait = simulation.portrait(pulse=simulation.Pulse(BPM, 0.015), respiration=None, seconds=SECONDS, fps=30.0,
                                  size=(320, 240), sway=0.0, noise=1.0)
    simulation.write_video(portrait, folder / "camera.avi", codec="mjpeg", crf=None)
    os.rename(folder / "camera.avi", folder / "portrait.avi")
    raw(folder / "portrait.avi", folder / "camera.mjpeg")
    return folder


def raw(source: Path, target: Path) -> None:
    """The pictures of an AVI file one after the other, as Chromium's fake camera wants them."""
    import av

    with av.open(str(source)) as film, target.open("wb") as out:
        for packet in film.demux(video=0):
            out.write(bytes(packet))


@pytest.fixture(scope="module")
def server():
    with live_server.mien(rate=1000, burst=1000) as result:
        yield result


@pytest.fixture(scope="module")
def browser(films):
    with playwright.sync_playwright() as running:
        arguments = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
                     f"--use-file-for-fake-video-capture={films / 'camera.mjpeg'}"]
        result = running.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield result
        result.close()


@pytest.fixture
def page(browser, server):
    context = browser.new_context(permissions=["camera"], viewport={"width": 1200, "height": 900})
    opened = context.new_page()
    opened.wrong, opened.foreign_requests = [], []
    opened.on("pageerror", lambda error: opened.wrong.append(str(error)))
    opened.on("console", lambda reported: opened.wrong.append(reported.text) if reported.type == "error" else None)
    opened.on("request", lambda request: opened.foreign_requests.append(request.url) if server[0] not in request.url
              and not request.url.startswith(("blob:", "data:")) else None)
    opened.goto(f"http://{server[0]}/")
    yield opened
    context.close()
    assert opened.wrong == []
    assert opened.foreign_requests == []


def shown(page, name):
    """A screenshot where MIEN_SCREENSHOTS names a folder: to be looked at by eye."""
    folder = os.environ.get("MIEN_SCREENSHOTS")
    if folder:
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def ink(page, canvas):
    """How many pixels of a canvas are painted."""
    return page.evaluate("""(id) => { const c = document.getElementById(id);
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; }""", canvas)


def copied(download, path):
    """A download under its own name."""
    download.value.save_as(path)
    return path


def test_the_camera_is_read_and_the_pulse_appears(page, films):
    page.get_by_text("Recording and options").click()
    assert not page.get_by_label("Record this session").is_checked()  # off, until asked
    assert page.get_by_label("Record the camera").is_disabled()
    page.get_by_label("Record this session").check()
    page.get_by_role("button", name="Start camera").click()
    playwright.expect(page.locator("#text")).to_have_text(LOOKS, timeout=CEILING)
    first = ink(page, "timeline")
    playwright.expect(page.locator("#heart")).to_have_text(re.compile("^[0-9]+ bpm$"), timeout=CEILING)
    rate = float(page.locator("#heart").text_content().split()[0])
    page.wait_for_timeout(700)
    assert rate == pytest.approx(BPM, abs=4)
    assert ink(page, "timeline") > first > 0  # it moves
    assert ink(page, "wave") > 100
    assert all(ink(page, plot) > 20 for plot in ("rates", "latencies", "strips"))
    assert ink(page, "overlay") > 100
    assert page.locator("#units [role=listitem]").count() >= 15
    assert "ms" in page.locator("#latency").text_content()
    playwright.expect(page.locator("#status")).to_have_text("Connected.")  # frames come in their order
    shown(page, "light")
    assert page.get_by_role("button", name="Download video").is_disabled()  # no frame is kept unasked
    page.get_by_label("Record the camera").check()
    page.wait_for_timeout(2500)
    page.get_by_label("Record the camera").uncheck()
    playwright.expect(page.locator("#count")).to_have_text(re.compile("MB of video"))
    with page.expect_download() as download:
        page.get_by_role("button", name="Download video").click()
    with video.open_video(copied(download, films / "session.webm")) as frames:
        assert sum(1 for _ in frames) > 10
    with page.expect_download() as download:
        page.get_by_role("button", name="Download events (CSV)").click()
    table = pd.read_csv(copied(download, films / "events.csv"))
    assert table.heart_rate_bpm.iloc[-1] == pytest.approx(BPM, abs=6)
    assert table.loc[table.reason.isna(), ["happy", "sad", "neutral", "angry", "surprise", "disgust", "fear"]].sum(
        axis=1).to_numpy() == pytest.approx(1, abs=1e-4)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download events (JSON").click()
    rows = [json.loads(line) for line in Path(download.value.path()).read_text().splitlines()]
    assert rows[-1]["said"]["heart_rate"] is not None
    assert all(row["schema"] == "mien.event/1" for row in rows)
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(600)
    shown(page, "dark")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(600)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shown(page, "phone")
    page.get_by_role("button", name="Stop camera").click()
    playwright.expect(page.locator("#hint")).to_be_visible(timeout=CEILING)
    assert page.evaluate("state.media === null && state.socket === null")
    with page.context.expect_page() as opened:  # the session was recorded: its report opens from the page
        page.get_by_role("link", name="Open the report").click()
    report = opened.value
    report.locator("h1").wait_for()
    assert "live session" in report.locator("h1").text_content()
    assert report.locator("img").count() == 0
    shown(report, "session_report")
    report.close()


def test_frames_are_counted_where_they_are_lost(page):
    """Once while the page is busy, once while the server's answers are missing: both in the browser."""
    page.get_by_role("button", name="Start camera").click()
    playwright.expect(page.locator("#dropped")).to_have_text("0", timeout=CEILING)
    before = page.locator("#held").text_content()
    page.evaluate("() => { const until = performance.now() + 1000; while (performance.now() < until); }")
    playwright.expect(page.locator("#held")).not_to_have_text(str(before), timeout=CEILING)
    busy = page.evaluate("(state.flight = 1e6, state.held)")  # none of them is answered
    playwright.expect(page.locator("#held")).not_to_have_text(str(busy), timeout=CEILING)
    page.get_by_role("button", name="Stop camera").click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280, 1920])
def test_axe_finds_no_violation(page, axe, scheme, width):  # noqa: F811
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    assert violations(page, axe) == {}
    page.get_by_text("Recording and options").click()
    page.get_by_role("button", name="Start camera").click()
    playwright.expect(page.locator("#text")).to_have_text(LOOKS, timeout=CEILING)
    page.wait_for_timeout(1000)
    assert violations(page, axe) == {}
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shown(page, f"live_{width}_{scheme}")
    page.get_by_role("button", name="Stop camera").click()


def test_a_video_is_played_and_read_like_a_camera(page, films):
    simulation.write_video(
        simulation.portrait(seconds=3.0, fps=15.0, size=(320, 240)), films / "watch.webm", codec="libvpx"
    )
    page.locator("#watch").set_input_files(films / "watch.webm")
    playwright.expect(page.locator("#text")).to_have_text(LOOKS, timeout=CEILING)
    assert ink(page, "overlay") > 100
    playwright.expect(page.locator("#status")).to_have_text("The video is over.", timeout=CEILING)
    page.locator("#watch").set_input_files({"name": "x.webm", "mimeType": "video/webm", "buffer": b"no video" * 100})
    playwright.expect(page.locator("#status")).to_have_text(re.compile("cannot be played"))


def test_a_video_is_uploaded_and_its_report_downloaded(page, films):
    page.locator("#file").set_input_files(films / "portrait.avi")
    page.get_by_role("button", name="Download report.html").wait_for(timeout=CEILING)
    assert "1 person" in page.locator("#jobname").text_content()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download report.html").click()
    assert "<html" in Path(download.value.path()).read_text("utf-8")
    page.locator("#file").set_input_files({"name": "x.mp4", "mimeType": "video/mp4", "buffer": b"no video" * 100})
    playwright.expect(page.locator("#status")).to_have_text(re.compile("expected a video"))
    page.wrong = [reported for reported in page.wrong if "415" not in reported]  # the browser notes every 4xx


def test_one_video_at_a_time_and_it_can_be_cancelled(page, films):
    page.locator("#file").set_input_files(films / "portrait.avi")
    playwright.expect(page.locator("#cancel")).to_be_enabled(timeout=CEILING)
    page.locator("#file").set_input_files(films / "portrait.avi")
    playwright.expect(page.locator("#status")).to_have_text(re.compile("^A video is being analysed"))
    page.locator("#cancel").click()
    playwright.expect(page.locator("#status")).to_have_text("Cancelled.", timeout=CEILING)
    page.wrong = [text for text in page.wrong if "404" not in text]  # it may be gone when it is asked for again


def test_the_languages_are_those_that_have_a_template(page):
    spoken = page.locator("#language option").evaluate_all("all => all.map(each => each.value)")
    assert spoken == list(languages())
    assert page.locator("#language").input_value() == "en"


def test_the_keyboard_reaches_everything_and_everything_has_a_name(page):
    names = []
    for _ in range(9):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert names[0].startswith("Skip")
    assert {"camera", "file", "watch"} <= set(names)
    for element in page.locator("button, input, select, canvas[role=img], meter, video").all():
        named = element.evaluate("e => (e.getAttribute('aria-label') || e.textContent || (e.labels && e.labels.length "
                                 "&& e.labels[0].textContent) || '').trim()")
        assert named, element.evaluate("e => e.outerHTML")
    assert page.locator("[aria-live=polite]").count() == 1
    assert page.locator("html").get_attribute("lang") == "en"


def test_the_reference_lists_every_endpoint(page, server):
    page.goto(f"http://{server[0]}/reference")
    page.get_by_text("POST /v1/chat/completions").wait_for()
    assert page.locator("#rows tr").count() >= 8


def test_with_a_token_the_page_takes_it_from_its_address(browser):
    token = "a-token-for-the-tests"
    with live_server.mien(token=token, workers=1) as (address, _):
        context = browser.new_context(permissions=["camera"])
        opened = context.new_page()
        opened.goto(f"http://{address}/")
        opened.get_by_role("button", name="Start camera").click()
        playwright.expect(opened.locator("#status")).to_have_text(re.compile("expected the token"), timeout=CEILING)
        opened.goto("about:blank")
        opened.goto(f"http://{address}/#token={token}")
        opened.get_by_role("button", name="Start camera").click()
        playwright.expect(opened.locator("#status")).to_have_text("Connected.", timeout=CEILING)
        playwright.expect(opened.locator("#dropped")).to_have_text(re.compile("^[0-9]+$"), timeout=CEILING)
        opened.locator("#file").set_input_files({"name": "x.mp4", "mimeType": "video/mp4", "buffer": b"no" * 500})
        playwright.expect(opened.locator("#status")).to_have_text(re.compile("expected a video"))  # asked, not 401
        context.close()
