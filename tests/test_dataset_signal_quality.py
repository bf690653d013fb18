"""Faults of signals that are planted in lookalikes of DEAP, AMIGOS and MAHNOB-HCI are named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from flat_films import written
from mien.datasets import amigos, deap, eda_units, mahnob
from mien.signals.quality import quality_table
from mien.simulation.datasets import amigos as amigos_files
from mien.simulation.datasets import amigos_signals, contact_signals, mahnob_physiology
from mien.simulation.datasets import deap as deap_files

HUM = "hum of the mains at 50 Hz"
OFF = "electrode off or amplifier saturated"


def with_hum(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    return values + 0.7 * np.ptp(values) * np.sin(2 * np.pi * 50 * times)


def with_rail(values: np.ndarray) -> np.ndarray:
    """The first half rests at the end of the scale."""
    values = values.copy()
    values[: len(values) // 2] = values.max() + 0.1 * np.ptp(values)
    return values


def words(module, truth) -> dict[str, list[str]]:
    """The phrases by channel of the first trial with signals, as the preparation of a dataset notes them."""
    trial = next(each for each in module.survey(truth.root).trials if each.signals is not None)
    phrases: dict[str, list[str]] = {}
    for note in quality_table(module.signals(trial))[1]:
        channel, _, phrase = note.partition(": ")
        phrases.setdefault(channel, []).append(phrase)
    return phrases


def plant_hum(patch) -> None:
    """Let the simulated ECG and PPG hold hum."""
    for name in ("ecg", "ppg"):
        clean = getattr(contact_signals, name)
        patch.setattr(contact_signals, name, lambda times, *rest, clean=clean: with_hum(times, clean(times, *rest)))


def plant_rail(patch) -> None:
    """Let the recorded channels of the heart rest at the end of their scale; of MAHNOB's two electrodes one."""
    pulse, columns, chest = deap_files._trial, amigos_files.signals, mahnob_physiology._chest

    def one_channel(data, channel):
        data[channel] = with_rail(data[channel])
        return data

    patch.setattr(deap_files, "_trial", lambda *args: one_channel(pulse(*args), deap_files.PLETHYSMOGRAPH))

    def two_columns(*args):
        data = columns(*args)
        for column in (amigos_signals.ECG_LEFT, amigos_signals.ECG_RIGHT):
            if data.size:
                data[:, column] = with_rail(data[:, column])
        return data

    patch.setattr(amigos_files, "signals", two_columns)
    patch.setattr(mahnob_physiology, "_chest", lambda *args: [
        replace(each, values=with_rail(each.values)) if each.label == "EXG2" else each for each in chest(*args)])


SETS = {"deap": (deap, {"seconds": 8, "subjects": (1,)}, "ppg"),
        "amigos": (amigos, {"seconds": 8, "participants": (1,)}, "ecg"),
        "mahnob": (mahnob, {"seconds": 8, "participants": (1,)}, "ecg")}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(("plant", "phrase"), [(plant_hum, HUM), (plant_rail, OFF)])
def test_a_planted_fault_of_the_heart_signal_is_named(tmp_path_factory, monkeypatch, name, plant, phrase) -> None:
    module, options, channel = SETS[name]
    plant(monkeypatch)
    phrases = words(module, written(tmp_path_factory, name, **options))
    if channel == "ppg" and plant is plant_rail:
        phrase = "flat line"  # a light sensor has no electrode
    assert any(phrase in text for key, texts in phrases.items() if key.startswith(channel) for text in texts), phrases


@pytest.mark.parametrize("share", [1 / 3, 2 / 3])
@pytest.mark.parametrize("name", SETS)
def test_an_electrode_off_the_skin_is_named(tmp_path_factory, monkeypatch, name, share) -> None:
    module, options, _ = SETS[name]
    conductance = contact_signals.skin_conductance

    def off(times, *rest):
        values = conductance(times, *rest)
        values[: round(share * len(values))] = 0.02
        return values

    monkeypatch.setattr(contact_signals, "skin_conductance", off)
    phrases = words(module, written(tmp_path_factory, name, marked=False, **options))
    assert any("electrode off" in phrase for phrase in phrases["eda"]), phrases


@pytest.mark.parametrize("name", SETS)
def test_sound_signals_have_no_fault_of_an_electrode(tmp_path_factory, name) -> None:
    module, options, _ = SETS[name]
    phrases = words(module, written(tmp_path_factory, name, **options))
    assert not [phrase for texts in phrases.values() for phrase in texts if "hum" in phrase or "electrode" in phrase]


def conductance(share: float = 0.0) -> np.ndarray:
    """Plausible uS (9000,), of which a share at the start is 0 because the electrode is off."""
    values = 5 + np.sin(np.arange(9000) / 900) + np.arange(9000) / 4500
    values[: round(share * len(values))] = 0
    return values


def resistance(micro: np.ndarray, open_circuit: float) -> np.ndarray:
    """Ohm; `open_circuit` where nothing is conducted."""
    return np.divide(1e6, micro, out=np.full_like(micro, open_circuit), where=micro > 0)


@pytest.mark.parametrize(("values", "unit", "factor"), [
    (conductance(), "uS", 1.0),
    (conductance(2 / 3), "uS", 1.0),
    (1000 * conductance(2 / 3), "nS", 0.001),
    (resistance(conductance(2 / 3), 0.0), "Ohm", -1e6),
    (resistance(conductance(2 / 3), 5e7), "Ohm", -1e6),
    (conductance(1.0), "uS", None),  # nothing is measured
    (conductance(2 / 3), "S", None),
    (1000 * conductance(2 / 3), "uS", None),
    (resistance(conductance(), 0.0) - 1.6e5, "Ohm", None),  # without its mean
    (conductance()[:0], "uS", None),
    (conductance(), "V", None),
])
def test_the_unit_of_skin_conductance_is_certain_by_what_was_measured(values, unit, factor):
    assert eda_units.unit_factor(values, unit) == factor
