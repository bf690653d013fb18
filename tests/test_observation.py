"""The sentences for a language model: written and read back, what they never say, and what the last minutes give."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fake_timeline
from mien.core.results import REASONS, Measurement
from mien.core.tasks import ACTION_UNITS, EXPRESSION, TASKS, make_task
from mien.inference.live.event import LiveEvent
from mien.inference.live.history import EventHistory
from mien.reporting import llm
from mien.reporting.llm.message import CERTAINTY, make_utterance
from mien.reporting.llm.observation import HEADS, SMILES, TRENDS, TURNED, PersonObservation, head_word, smile_word

MADE = make_task({"bored": "a dull face", "quite amused": "an amused face"})
CLASSES = {task.name: task.classes for task in (*TASKS.values(), MADE)}
DIAGNOSES = re.compile(r"depress|disorder|illness|\bill\b|disease|symptom|diagnos|patholog|\bpain|stress|anxi|mental|"
                       r"health|arrhythm|krank|störung|gesund|schmerz|angst(?!lich)|psych", re.I)


@st.composite
def observations(draw, task):
    """Every combination of fields that an observation may have."""
    classes, rate = CLASSES[task], draw(st.none() | st.integers(40, 180))
    label = draw(st.sampled_from(("", *classes)))
    certainty, reason = draw(st.sampled_from([word for word, _ in CERTAINTY])), ""
    if not label:
        certainty, reason = "", draw(st.sampled_from([code for code in REASONS if code]))
    heart_reason = ""
    if rate is None:
        heart_reason = "no_face"
    said = llm.Utterance(task, label, certainty, reason, rate, heart_reason)
    if reason == "no_face" and rate is None:
        return PersonObservation(said)
    return PersonObservation(said, draw(st.integers(0, 900)), draw(st.sampled_from([word for word, _ in SMILES])),
                       draw(st.sampled_from(HEADS)), draw(st.sampled_from(TRENDS)),
                       draw(st.sampled_from(("", *classes))), draw(st.booleans()), draw(st.integers(-60, 60)))


@pytest.mark.parametrize("language", llm.languages())
@pytest.mark.parametrize("task", CLASSES)
@given(data=st.data())
def test_rendered_observations_can_be_parsed(language, task, data):
    observation = data.draw(observations(task))
    text = llm.render_observation(observation, language)
    assert llm.parse(text, language, task) == llm.fields(observation)
    assert DIAGNOSES.search(text) is None
    assert "{" not in text
    assert "\n" not in text


def test_all_that_may_be_said_and_the_shortest():
    said = llm.Utterance("expression7", "happy", "likely", "", 72, "")
    full = PersonObservation(said, 12, "slight", "towards", "more_pleasant", "neutral", False, 8)
    assert llm.render_observation(full) == (
        "The person probably looks happy. This has lasted for 12 s. They smile slightly. Their head faces the camera. "
        "The expression has become more pleasant in the last seconds. At your last turn this person looked neutral. "
        "Heart rate about 72 beats a minute. That is 8 more than at your last turn.")
    assert llm.render_observation(full, "de") == (
        "Die Person wirkt wahrscheinlich fröhlich. Das hält seit 12 s an. Sie lächelt leicht. Ihr Kopf ist der Kamera "
        "zugewandt. In den letzten Sekunden ist die Miene freundlicher geworden. Bei deiner letzten Antwort wirkte "
        "diese Person neutral. Puls etwa 72 Schläge in der Minute. Das sind 8 mehr als bei deiner letzten Antwort.")
    unsure = replace(said, heart_rate=None, heart_reason="low_snr")
    assert llm.render_observation(PersonObservation(unsure)) == "The person probably looks happy."
    assert llm.render_observation(PersonObservation()) == "No person is visible."


def test_another_text_is_not_read():
    with pytest.raises(ValueError, match="expected the sentences"):
        llm.parse("The person looks happy. They are ill.")
    with pytest.raises(ValueError, match="expected de or en"):
        llm.parse("", "fr")


@pytest.mark.parametrize(("au12", "word"), [(np.nan, ""), (0.0, ""), (1.99, ""), (2.0, "slight"), (3.0, "clear"),
                                            (5.0, "clear")])
def test_a_smile_in_words(au12, word):
    assert smile_word(au12) == word


@pytest.mark.parametrize(("pitch", "yaw", "word"), [
    (0, 0, "towards"), (TURNED - 1, 1 - TURNED, "towards"), (0, TURNED, "aside"), (0, -50, "aside"),
    (TURNED, 0, "up"), (-TURNED, 0, "down"), (np.nan, 0, ""), (0, np.nan, "")])
def test_the_head_in_words(pitch, yaw, word):
    assert head_word(np.array([pitch, yaw, 0.0])) == word


# ---------------------------------------------------------------- history

ROW = next(row for row in fake_timeline.timeline(seconds=20).emotions if not row.abstained)


def event(index, label="neutral", valence=0.0, au12=0.0, rate=None, face=1, since=0.0):
    probs = np.full(len(EXPRESSION.classes), 0.05)
    probs[EXPRESSION.classes.index(label)] = 1 - 0.05 * (len(probs) - 1)
    aus = np.zeros(len(ACTION_UNITS))
    aus[ACTION_UNITS.index("AU12")] = au12
    heart = Measurement(rate, "bpm", 0.0, "POS", "" if rate else "too_short")
    row = replace(ROW, start=index / 2, end=index / 2 + 0.5, face=face, label=label, probs=probs, aus=aus,
                  confidence=float(probs.max()), valence=valence, pose=np.zeros(3), heart_rate=heart)
    said = make_utterance(row)
    return LiveEvent(row.start, row.end, row, said, since, "", llm.render(said), 0.0)


def nobody(index):
    return LiveEvent(index / 2, index / 2 + 0.5, None, llm.NO_PERSON, 0.0, "person", "No person is visible.", 0.0)


def history(*events):
    made = EventHistory()
    for each in events:
        made.push(each)
    return made


def test_smile_head_and_duration_are_of_the_last_seconds():
    steps = [event(i, "happy", au12=(5.0, 2.5)[i > 6], since=1.0) for i in range(10)]
    observed = history(*steps).observe()
    assert (observed.smile, observed.head, observed.lasting) == ("slight", "towards", 4)
    one_step = history(*[event(i) for i in range(9)], event(9, au12=5.0)).observe()
    assert one_step.smile == ""  # a single step decides nothing


def test_a_trend_needs_a_difference_and_rows_on_both_sides():
    rising = [event(i, valence=0.5 * (i >= 20)) for i in range(30)]
    assert history(*rising).observe().trend == "more_pleasant"
    assert history(*[event(i, valence=-0.5 * (i >= 20)) for i in range(30)]).observe().trend == "less_pleasant"
    assert history(*[event(i, valence=0.1 * (i >= 20)) for i in range(30)]).observe().trend == ""
    assert history(*rising[17:]).observe().trend == ""


def test_the_change_since_the_last_turn_of_a_conversation():
    kept = history(event(0, "neutral", rate=70.0))
    assert kept.observe(mark_turn=True).before == ""
    kept.push(event(1, "happy", rate=78.0))
    observed = kept.observe()
    assert (observed.before, observed.rate_change, observed.other_person) == ("neutral", 8, False)
    assert kept.observe(mark_turn=True) == observed  # reading without a turn changed nothing
    assert kept.observe().before == ""
    kept.push(event(2, "happy", face=2))
    observed = kept.observe(mark_turn=True)
    assert (observed.before, observed.rate_change, observed.other_person) == ("", 0, True)
    kept.push(nobody(3))
    assert kept.observe(mark_turn=True) == PersonObservation()
    kept.push(event(4, "happy", face=2))
    assert not kept.observe().other_person


def test_the_summary_of_the_last_minute():
    steps = [event(i, ("neutral", "happy")[i % 4 == 0], au12=3.0 * (i % 4 == 0), valence=0.25,
                   rate=60.0 + i % 3) for i in range(200)]
    result = history(*steps, *[nobody(200 + i) for i in range(40)]).summary(60.0)
    assert result["steps"] == 120
    assert result["seconds"] == 60
    assert result["person"] == pytest.approx(80 / 120, abs=1e-4)
    assert result["labels"] == {"neutral": 0.75, "happy": 0.25}
    assert (result["smiling"], result["valence"], result["abstained"]) == (0.25, 0.25, 0.0)
    assert result["heart_rate"] == {"median": 61.0, "lowest": 60.0, "highest": 62.0}
    assert result["head_towards_camera"] == 1.0
    nothing = EventHistory().summary()
    assert (nothing["steps"], nothing["person"], nothing["heart_rate"], nothing["labels"]) == (0, None, None, {})


def test_it_keeps_no_more_than_its_limit(monkeypatch):
    from mien.inference.live.history import KEPT

    kept = history(*[event(i) for i in range(KEPT + 5)])
    assert len(kept.last(1e9)) == KEPT
