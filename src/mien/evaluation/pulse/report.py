"""Tables and figures of the camera against the contact sensor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mien.core import atomic_files
from mien.evaluation.pulse.recordings import RecordingComparison
from mien.evaluation.pulse.scores import of_somebody_else, risk_coverage, scores

HEAD = ("| estimates | windows | MAE bpm (95 % by person) | RMSE | MAPE % | r | bias (limits of agreement) | "
        "within 3 | within 5 |\n|---|---|---|---|---|---|---|---|---|")


def write_pulse_report(compared: Sequence[RecordingComparison], out: Path, title: str) -> str:
    """Write table.md, windows.csv, recordings.csv, bland_altman.png and risk_coverage.png.

    Args:
        compared: all videos.
        out: the folder.
        title: name of the program whose estimates these are.

    Returns:
        The text of table.md.
    """
    out.mkdir(parents=True, exist_ok=True)
    windows = _windows(compared)
    text = _table(compared, windows, title)
    atomic_files.table(out / "windows.csv", windows)
    atomic_files.table(out / "recordings.csv", pd.DataFrame([_recording(each) for each in compared]))
    (out / "table.md").write_text(text, encoding="utf-8")
    answered = windows[np.isfinite(windows.camera)]
    if len(answered):
        _bland_altman(out / "bland_altman.png", answered)
        _risk_coverage(out / "risk_coverage.png", windows)
    return text


def _windows(compared: Sequence[RecordingComparison]) -> pd.DataFrame:
    parts = [each.windows.assign(recording=each.id, person=each.person, **each.about) for each in compared
             if len(each.windows)]
    if parts:
        return pd.concat(parts, ignore_index=True)
    columns = ("start", "end", "truth", "camera", "forced", "quality", "reason", "snr", "correlation")
    return pd.DataFrame({name: pd.Series(dtype=float) for name in columns}).assign(
        recording=pd.Series(dtype=str), person=pd.Series(dtype=str))


def _recording(each: RecordingComparison) -> dict[str, object]:
    return {"recording": each.id, "person": each.person, "problem": each.problem, "offset_s": each.offset,
            "windows": len(each.windows), "windows_without_truth": each.unread, "rmssd_reference_ms": each.rmssd[0],
            "rmssd_camera_ms": each.rmssd[1], "respiration_reference_per_min": each.respiration[0],
            "respiration_camera_per_min": each.respiration[1], **each.about}


def _table(compared: Sequence[RecordingComparison], windows: pd.DataFrame, title: str) -> str:
    problems = Counter(each.problem for each in compared if each.problem)
    left_out = "; ".join(f"{name} {count}" for name, count in sorted(problems.items())) or "none"
    unread = sum(each.unread for each in compared)
    offsets = np.array([each.offset for each in compared if np.isfinite(each.offset)])
    clock = "no video has beats that fit one offset of the clocks"
    if len(offsets):
        clock = (f"the contact sensor's clock was moved by {np.median(offsets):+.2f} s (median; {offsets.min():+.2f} "
                 f"to {offsets.max():+.2f} s) in {len(offsets)} videos, and left as stated in the others")
    answered = windows[np.isfinite(windows.camera)]
    lines = [f"# Camera pulse against contact pulse: {title}", "",
             f"{len(compared)} videos of {len({each.person for each in compared})} people. Left out: {left_out}. "
             f"Windows in which the contact sensor has no rate: {unread}. Clocks: {clock}.", "",
             f"Answered: {len(answered)} of {len(windows)} windows.", "", HEAD, _row("answered", answered, "camera"),
             _row("all, forced", windows[np.isfinite(windows.forced)], "forced"),
             _row("rate of another person", windows.assign(other=of_somebody_else(windows)).dropna(subset="other"),
                  "other")]
    for name in _groups(windows):
        lines += [_row(f"answered, {name} {value}", part, "camera")
                  for value, part in answered.groupby(name) if len(part)]
    reasons = Counter(windows.reason[windows.reason != ""])
    lines += ["", "Not answered: " + (", ".join(f"{name} {count}" for name, count in reasons.most_common()) or "none"),
              "", _waveform(answered), "", _paired(compared, "rmssd", "RMSSD", "ms"), "",
              _paired(compared, "respiration", "Respiration", "breaths a minute")]
    return "\n".join(lines) + "\n"


def _groups(windows: pd.DataFrame) -> list[str]:
    """Columns with two to eight values, beside those of every window."""
    common = {"start", "end", "truth", "camera", "forced", "quality", "reason", "snr", "correlation", "recording",
              "person"}
    return [str(name) for name in windows if name not in common and 2 <= windows[name].nunique() <= 8]


def _row(name: str, part: pd.DataFrame, column: str) -> str:
    values = scores(part.truth.to_numpy(float), part[column].to_numpy(float), part.person.to_numpy())
    if not values["windows"]:
        return f"| {name} | 0 | - | - | - | - | - | - | - |"
    by_person = f" ({values['mae_low']:.2f} to {values['mae_high']:.2f})" if np.isfinite(values["mae_low"]) else ""
    cells = [name, f"{values['windows']:.0f}", _with_error(values, "mae") + by_person,
             *(_with_error(values, each) for each in ("rmse", "mape", "r")),
             f"{values['bias']:+.2f} ({values['lower']:+.2f} to {values['upper']:+.2f})",
             *(f"{values[each]:.0f} %" for each in ("within_3", "within_5"))]
    return f"| {' | '.join(cells)} |"


def _with_error(values: dict[str, float], name: str) -> str:
    if not np.isfinite(values[name]):
        return "-"
    return f"{values[name]:.2f} ± {values[f'{name}_se']:.2f}"


def _waveform(answered: pd.DataFrame) -> str:
    decibel, alike = answered.snr.dropna(), answered.correlation.dropna()
    if not len(decibel):
        return "Waveform: not compared."
    text = f"Waveform of answered windows: SNR {decibel.mean():.1f} dB (mean)"
    if len(alike):
        text += f", correlation with the contact sensor {alike.mean():.2f}"
    return text + "."


def _paired(compared: Sequence[RecordingComparison], measure: str, name: str, unit: str) -> str:
    """A measure with one value for each video: how often the camera has one, and its error."""
    values = np.array([getattr(each, measure) for each in compared]).reshape(-1, 2)
    possible, pairs = int(np.isfinite(values[:, 0]).sum()), values[np.isfinite(values).all(axis=1)]
    if not possible:
        return f"{name}: the contact sensor has one in no video."
    if not len(pairs):
        return f"{name}: the camera has one in 0 of {possible} videos."
    error = pairs[:, 1] - pairs[:, 0]
    return (f"{name}: the camera has one in {len(pairs)} of {possible} videos, MAE {np.abs(error).mean():.1f} {unit}, "
            f"bias {error.mean():+.1f} {unit}.")


def _bland_altman(path: Path, answered: pd.DataFrame) -> None:
    error = answered.camera - answered.truth
    figure = Figure(figsize=(5, 3.6), dpi=150, layout="constrained")
    axes = figure.subplots()
    axes.scatter((answered.camera + answered.truth) / 2, error, s=10, color="#4477aa", alpha=0.6)
    spread = float(error.std(ddof=1)) if len(error) > 1 else 0.0
    for away, style in ((0.0, "-"), (-1.96, "--"), (1.96, "--")):
        axes.axhline(float(error.mean()) + away * spread, color="#222222", linestyle=style, linewidth=0.8)
    axes.set(xlabel="mean of camera and contact sensor, bpm", ylabel="camera - contact sensor, bpm")
    _save(figure, path)


def _risk_coverage(path: Path, windows: pd.DataFrame) -> None:
    figure = Figure(figsize=(5, 3.6), dpi=150, layout="constrained")
    axes = figure.subplots()
    axes.plot(*risk_coverage(windows), color="#4477aa")
    axes.set(xlabel="share of windows kept, best quality first", ylabel="MAE, bpm", xlim=(0, 1))
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with atomic_files.replacing(path) as temporary:
        figure.savefig(temporary, format="png")
