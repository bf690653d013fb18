"""A trained checkpoint, live: read from its folder by name, its events like the default model's, exact to the file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from live_films import film

pytest.importorskip("torch")

from mien.checkpoint import Trained, build, clip, make_card
from mien.live import Session
from mien.recipes import RECIPES, tiny
from mien.settings import Settings
from mien.stream import Stream


def saved(name: str, folder: Path) -> Path:
    """A tiny checkpoint that knows nothing."""
    recipe = tiny(RECIPES[name])
    parts = clip(recipe.tower)
    model = build(recipe, recipe.task, parts)
    card = make_card(recipe, recipe.task, model, (parts.image.hash, parts.text.hash))
    return Trained(model, recipe.task, recipe.seconds, card).save_pretrained(folder / "model")


def test_a_checkpoint_reads_live_what_it_reads_of_a_file(tmp_path):
    settings = Settings(model=str(saved("duse/dfew", tmp_path)), pictures=False)
    with Session(settings) as session:
        events = [event for frame in film(3.0) for event in session.push(frame)]
        with Stream(session._model, settings, keep_all=True) as stream:
            rows = [row for frame in film(3.0) for row in stream.push(frame)]
    told = [event for event in events if event.row is not None and not event.row.abstained]
    assert len(told) >= 4
    for event in told:
        row = next(row for row in rows if row.start == event.start)
        assert np.array_equal(event.row.probs, row.probs)  # nothing is reused between windows, nothing approximated
    plain = json.loads(json.dumps(told[-1].json(), allow_nan=False))
    assert set(plain["expression"]) == set(session.classes)
    assert plain["text"].startswith("The person looks")


def test_the_default_model_needs_no_torch_live():
    code = ("from live_films import film; from mien.live import Session; import sys\nwith Session() as session:\n"
            "    for frame in film(1.1): session.push(frame)\n"
            "print([name for name in ('torch', 'transformers', 'fastapi', 'mcp') if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120,
                          cwd=Path(__file__).parent)
    assert done.stdout.strip() == "[]"
