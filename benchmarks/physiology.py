"""What mien reads of real and planted physiology, beside NeuroKit2 and beside what was planted; and how fast.

    python benchmarks/physiology.py [FOLDER] [--quick]

FOLDER (default ../shared/real/physiology) holds v102s (ECG, PPG and impedance of one body, five minutes, WFDB format
212) and P11 and P12 (EDA, breath and PPG at two places of one body, a few minutes, CSV with time stamps). Nobody
counted these hearts' beats; two signals of one heart must agree. Without the folder that part is left out, and said so.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from mien import signals
from mien.datasets import readers
from mien.simulation.datasets import contact_signals

BAR = 2.0  # bpm within which the heart rates of two signals agree


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("folder", nargs="?", type=Path, default=Path("../shared/real/physiology"))
    options.add_argument("--quick", action="store_true", help="fewer trials in the timing")
    given = options.parse_args()
    print("`python benchmarks/physiology.py`\n")
    missed = 0
    if given.folder.is_dir():
        missed += one_heart(given.folder / "v102s.dat")
        two_places(given.folder)
    else:
        print(f"No folder {given.folder}: the real recordings are left out.\n")
    planted()
    speed(8 if given.quick else 64)
    sys.exit(missed > 0)


def one_heart(path: Path) -> int:
    """v102s in ten parts of 30 s: median-interval heart rates of ECG and PPG, and NeuroKit2's of the same."""
    ecg, _, ppg, belt = (channel.reshape(10, -1) for channel in format212(path, 4))
    left, right = signals.ecg.features(ecg, 250.0), signals.ppg.features(ppg, 250.0)
    print("| v102s, part | ECG, bpm | PPG, bpm | apart | believed, ECG and PPG | NeuroKit2 ECG | NeuroKit2 PPG |")
    print("|---|---|---|---|---|---|---|")
    agree = 0
    for k in range(10):
        a, b = left["median_hr"][k], right["median_hr"][k]
        agree += bool(abs(a - b) <= BAR)
        believed = f"{left['believed'][k]:.2f}, {right['believed'][k]:.2f}"
        print(f"| {k + 1} | {reported(a)} | {reported(b)} | {reported(abs(a - b))} | {believed} "
              f"| {reported(neurokit('ecg', ecg[k], 250))} | {reported(neurokit('ppg', ppg[k], 250))} |")
    print(f"\n{agree} of 10 parts agree within {BAR:g} bpm; 8 are wanted.\n")
    breath = signals.respiration.features(belt, 250.0)
    named = np.isfinite(breath["rate"])
    print(f"Breath by impedance: a rate in {named.sum()} of 10 parts, "
          f"{', '.join(reported(rate) for rate in breath['rate'][named])} a minute.\n")
    return int(agree < 8)


def two_places(folder: Path) -> None:
    """P11 and P12, resampled by their time stamps: finger and ear in parts of 30 s, EDA and breath."""
    print("| recording | Hz by the stamps | parts with both rates | agree within 2 bpm | median apart, bpm "
          "| responses a minute | breath a minute, regularity | what is wrong |")
    print("|---|---|---|---|---|---|---|---|")
    for path in sorted(folder.glob("P1*.csv")):
        read = readers.physiology(path, time="arduino_ts", time_unit="ms")
        channel = dict(zip(read.names, np.nan_to_num(read.values.astype(np.float64)), strict=True))
        size = int(30 * read.rate)
        count = read.values.shape[1] // size
        parts = {name: row[: count * size].reshape(count, size) for name, row in channel.items()}
        finger, ear = (signals.ppg.features(parts[name], read.rate)["median_hr"] for name in ("ppg_finger", "ppg_ear"))
        distance = np.abs(finger - ear)
        both = np.isfinite(distance)
        eda = signals.eda.features(channel["eda"], read.rate, None)
        breath = signals.respiration.features(parts["respiration"], read.rate)
        wrong = signals.quality.quality_table(read)[1]
        print(f"| {path.stem[:12]} | {read.rate:.1f} | {both.sum()} of {count} | {(distance[both] <= BAR).sum()} "
              f"| {reported(np.median(distance[both]) if both.any() else np.nan)} | {eda['scr_rate'][0]:.1f} "
              f"| {reported(np.nanmedian(breath['rate']))}, {np.median(breath['regularity']):.2f} "
              f"| {'; '.join(wrong) or 'nothing'} |")
    print("\nTheir EDA is in steps of the converter, not in uS: responses are a tenth of the largest or more.\n")


def planted() -> None:
    """Errors against planted beats, responses and breaths at 128 Hz over 60 s, with drift, hum and noise."""
    times = np.arange(0, 60, 1 / 128)
    rng = np.random.default_rng(0)
    print("| planted, 24 trials of 60 s at 128 Hz | error |")
    print("|---|---|")
    beats = []
    for k in range(24):
        gaps = 60 / (45 + 5 * k) * (1 + 0.04 * np.sin(np.arange(300)) + rng.normal(0, 0.01, 300))
        at = np.cumsum(gaps) - 2
        beats.append(at[at < 63])
    dirt = 0.5 * np.sin(0.4 * np.pi * times) + 0.05 * np.sin(100 * np.pi * times)
    ecg = np.stack([contact_signals.ecg(times, at) + dirt + rng.normal(0, 0.05, len(times)) for at in beats])
    ppg = np.stack([contact_signals.ppg(times, at) + 0.3 * dirt + rng.normal(0, 0.02, len(times)) for at in beats])
    inside = [at[(at > 0.2) & (at < 59.5)] for at in beats]
    rate = np.array([60 / np.diff(at).mean() for at in inside])
    rmssd = np.array([1000 * np.sqrt(np.mean(np.diff(np.diff(at)) ** 2)) for at in inside])
    for name, table in (("ECG", signals.ecg.features(ecg, 128.0)), ("PPG", signals.ppg.features(ppg, 128.0))):
        print(f"| {name} mean heart rate, largest of {np.isfinite(table['mean_hr']).sum()} | "
              f"{np.nanmax(np.abs(table['mean_hr'] - rate)):.2f} bpm |")
    table = signals.ecg.features(ecg, 128.0)
    print(f"| ECG RMSSD, largest | {np.nanmax(np.abs(table['rmssd'] - rmssd)):.2f} ms |")
    counts, result, tonic, low = 0, 0, [], []
    for _ in range(24):
        onsets = np.cumsum(rng.uniform(3, 12, 12))
        onsets = onsets[onsets < 52]
        wave = contact_signals.skin_conductance(times, onsets, rng.uniform(0.15, 0.8, len(onsets)), 5.0)
        wave = wave + rng.normal(0, 0.005, len(times))
        read = signals.eda.features(wave, 128.0)
        counts, result = counts + len(onsets), result + int(read["scr_count"][0])
        tonic.append(abs(read["tonic"][0] - 5.0))
        low.append(abs(wave.mean() - 5.0))
    print(f"| EDA responses, found of planted | {result} of {counts} |")
    print(f"| EDA tonic level, mean; the signal's mean beside it | {np.mean(tonic):.3f}; {np.mean(low):.3f} uS |")
    rates = np.linspace(7, 24, 24)
    wave = np.stack([contact_signals.breath(times, rate) + rng.normal(0, 0.1, len(times)) for rate in rates])
    error = np.abs(signals.respiration.features(wave, 128.0)["rate"] - rates)
    print(f"| breath, largest | {np.nanmax(error):.2f} a minute |\n")


def speed(count: int) -> None:
    """Time of the features of many trials at once, one by one, and of NeuroKit2's beats and responses of the same."""
    times = np.arange(0, 60, 1 / 128)
    rng = np.random.default_rng(1)
    beats = [np.arange(-2, 63, 60 / rng.uniform(50, 100)) for _ in range(count)]
    rows = {
        "ecg": np.stack([contact_signals.ecg(times, at) + rng.normal(0, 0.03, len(times)) for at in beats]),
        "ppg": np.stack([contact_signals.ppg(times, at) + rng.normal(0, 0.02, len(times)) for at in beats]),
        "eda": np.stack([contact_signals.skin_conductance(times, np.arange(5, 50, 7.0), np.full(7, 0.4), 5.0)] * count)
        + rng.normal(0, 0.003, (count, len(times))),
        "respiration": np.stack([contact_signals.breath(times, 14.0)] * count)
        + rng.normal(0, 0.1, (count, len(times))),
    }
    print(f"| {count} trials of 60 s at 128 Hz | ms a trial, together | one by one | NeuroKit2, one by one |")
    print("|---|---|---|---|")
    for kind, values in rows.items():
        read = getattr(signals, kind).features
        together = timed(lambda read=read, values=values: read(values, 128.0)) / count
        alone = timed(lambda read=read, values=values: [read(row, 128.0) for row in values[:8]]) / 8
        theirs = timed(lambda kind=kind, values=values: [neurokit(kind, row, 128) for row in values[:8]]) / 8
        print(f"| {kind} | {1000 * together:.2f} | {1000 * alone:.2f} | {1000 * theirs:.2f} |")


def timed(work) -> float:
    """s, the least of three."""
    out = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        out.append(time.perf_counter() - start)
    return min(out)


def neurokit(kind: str, row: np.ndarray, rate: int) -> float:
    """NeuroKit2's rate a minute by the median interval of its beats or breaths; of EDA, its number of responses."""
    import neurokit2 as nk

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "eda":
            phasic = nk.eda_phasic(nk.eda_clean(row, sampling_rate=rate), sampling_rate=rate)["EDA_Phasic"].to_numpy()
            return float(len(nk.eda_peaks(phasic, sampling_rate=rate)[1]["SCR_Peaks"]))
        if kind == "ecg":
            at = nk.ecg_peaks(nk.ecg_clean(row, sampling_rate=rate), sampling_rate=rate)[1]["ECG_R_Peaks"]
        elif kind == "ppg":
            at = nk.ppg_findpeaks(nk.ppg_clean(row, sampling_rate=rate), sampling_rate=rate)["PPG_Peaks"]
        else:
            at = nk.rsp_findpeaks(nk.rsp_clean(row, sampling_rate=rate), sampling_rate=rate)["RSP_Peaks"]
    return float(60 * rate / np.median(np.diff(at))) if len(at) > 2 else float("nan")


def format212(path: Path, channels: int) -> np.ndarray:
    """WFDB's format 212, two samples of 12 bit in three bytes -> (C, N)."""
    triples = np.fromfile(path, dtype=np.uint8).reshape(-1, 3).astype(np.int32)
    pairs = np.stack([triples[:, 0] | (triples[:, 1] & 15) << 8, triples[:, 2] | (triples[:, 1] >> 4) << 8], axis=1)
    return np.where(pairs > 2047, pairs - 4096, pairs).reshape(-1, channels).T.astype(np.float64)


def reported(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.1f}"


if __name__ == "__main__":
    main()
