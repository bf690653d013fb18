"""What a notebook shows of a timeline, and that two analyses at once give what one gives."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import mien
from fake_timeline import timeline
from mien import simulation
from mien.core.tasks import ACTION_UNITS


def test_a_timeline_shows_a_line_and_a_strip_for_each_person():
    talk = timeline(people=3, seconds=60)
    tree = ElementTree.fromstring(f"<div>{talk._repr_html_()}</div>".replace("&nbsp;", " "))
    lines = [[cell.text for cell in row.iter("td")] for row in tree.iter("tbody")]
    (cells,) = lines
    assert cells[0::5] == ["0", "1", "2"]
    assert [cell.removesuffix(" bpm") for cell in cells[2::5]][:2] == [
        f"{person.heart_rate.value:.0f}" for person in talk.faces[:2]]
    assert cells[12] == "no peak stands out from the noise"
    strips = list(tree.iter("svg"))
    assert len(strips) == 3
    widths = sum(float(part.get("width")) for part in strips[0].iter("rect"))
    assert widths == pytest.approx(480, rel=0.02)
    assert {part.find("title").text for part in strips[0].iter("rect")} == {"no reading"} | {
        row.label for row in talk.tracks[0].rows if row.label}


def test_names_cannot_add_to_the_notebook_and_nobody_is_said():
    talk = timeline(people=0)
    wicked = replace(talk, source=replace(talk.source, name="<script>.mp4"))
    assert "<script" not in wicked._repr_html_()
    assert "No face was found" in wicked._repr_html_()


def test_the_plot_holds_every_row():
    talk = timeline(people=2, seconds=60)
    figure = talk.plot(1)
    assert len(figure.data) == 7 + 1 + 1
    rates = [row.heart_rate.value for row in talk.tracks[1].rows]
    drawn = figure.data[7].y
    assert [None if np.isnan(value) else value for value in drawn] == rates
    assert np.shape(figure.data[8].z) == (len(ACTION_UNITS), len(rates))
    assert re.search("person 1", figure.layout.title.text)
    with pytest.raises(ValueError, match=r"expected one of the faces \[0, 1\], got 7"):
        talk.plot(7)
    with pytest.raises(ValueError, match="expected one of the faces"):
        timeline(people=0).plot()


def test_two_analyses_at_once_in_threads_give_what_one_gives(tmp_path):
    scene = simulation.Scene((simulation.Actor(simulation.identity(1), sway=2.0),), (320, 240), fps=10, seconds=1.5)
    simulation.write_video(scene, tmp_path / "a.mp4")
    alone = mien.analyze(tmp_path / "a.mp4").to_pandas()
    result, shares = [], []
    threads = [threading.Thread(target=lambda: result.append(mien.analyze(tmp_path / "a.mp4", progress=shares.append)))
               for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(alone) > 0
    for each in result:
        pd.testing.assert_frame_equal(each.to_pandas(), alone)
    assert len(result) == 2
    assert 0 <= min(shares) <= max(shares) == 1
