"""What a notebook shows of a timeline, and that two analyses at once give what one gives."""

from __future__ import annotations

import re
import sys
import threading
from dataclasses import replace
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import mien
from fake_timeline import timeline
from mien import simulation
from mien.core.notebook_progress import INTERVAL, notebook_bar
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


class Cell:
    """A stand-in for IPython: what a cell shows, as HTML."""

    def __init__(self, kernel: bool = True) -> None:
        self.outputs: list[list[str]] = []
        self.display = SimpleNamespace(display=self.show)
        self.shell = SimpleNamespace(kernel=object()) if kernel else SimpleNamespace()

    def get_ipython(self):
        return self.shell

    def show(self, bar, display_id):
        assert display_id is True
        output = [bar._repr_html_()]
        self.outputs.append(output)
        return SimpleNamespace(update=lambda changed: output.append(changed._repr_html_()))


def test_a_notebook_shows_the_share_and_the_time_left(monkeypatch):
    cell, clock = Cell(), [100.0]
    monkeypatch.setitem(sys.modules, "IPython", cell)
    show = notebook_bar("<talk>.mp4", lambda: clock[0])
    for seconds, share in ((10.0, 0.25), (10.0 + INTERVAL / 2, 0.26), (20.0, 0.5), (36.0, 1.0)):
        clock[0] = 100.0 + seconds
        show(share)
    ((start, quarter, half, end),) = cell.outputs
    assert 'value="0.000"' in start
    assert "25 %, about 30 s left" in quarter
    assert 'value="0.500"' in half
    assert "50 %, about 20 s left" in half
    assert end == "<div>&lt;talk&gt;.mp4: done in 36 s</div>"


def test_an_analysis_in_a_notebook_shows_a_bar_and_elsewhere_none(monkeypatch, tmp_path):
    scene = simulation.Scene((simulation.Actor(simulation.identity(1), sway=2.0),), (320, 240), fps=10, seconds=1.5)
    simulation.write_video(scene, tmp_path / "a.mp4")
    notebook, terminal = Cell(), Cell(kernel=False)
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    mien.analyze(tmp_path / "a.mp4")
    (output,) = notebook.outputs
    assert re.fullmatch(r"<div>a\.mp4: done in \d+ s</div>", output[-1])
    mien.analyze(tmp_path / "a.mp4", progress=lambda share: None)
    assert len(notebook.outputs) == 1
    monkeypatch.setitem(sys.modules, "IPython", terminal)
    mien.analyze(tmp_path / "a.mp4")
    assert terminal.outputs == []
