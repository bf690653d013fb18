"""Made-up timelines of every size, for tests of what comes out. Nothing here is measured; all of it is plausible."""

from __future__ import annotations

import numpy as np

from mien.core.observations import Signal
from mien.core.results import Measurement, Person, Prediction, Source
from mien.core.tasks import ACTION_UNITS, EXPRESSION
from mien.reporting.timeline import Timeline

CLASSES = EXPRESSION.classes


def readable(value: float, unit: str, quality: float, method: str) -> Measurement:
    return Measurement(value, unit, quality, method)


def timeline(people: int = 1, seconds: float = 60.0, step: float = 0.5, seed: int = 7, pictures: bool = True,
             name: str = "interview_03.mp4", abstains: bool = True) -> Timeline:
    """`people` persons over `seconds` s; some stretches are abstained from unless `abstains` is False."""
    random = np.random.default_rng(seed)
    steps = max(1, round(seconds / step)) if people else 0
    emotions: list[Prediction] = []
    faces: list[Person] = []
    for face in range(people):
        rows = _rows(face, steps, step, random, abstains)
        emotions += rows
        faces.append(_person(face, rows, seconds, random, pictures))
    source = Source(name, "9f2c" * 16, 1280, 720, round(seconds * 29.97), seconds, 29.97, False)
    settings = {"step": step, "duration": 20.0, "latency": 0.0, "neutral": "", "model": "facs",
                "face_backend": "onnxruntime"}
    spent = {"decode": seconds / 60, "track": seconds / 9, "pulse": seconds / 100, "model": seconds / 80,
             "total": seconds / 6.5}
    versions = {"mien": "0.1.0", "onnxruntime": "1.32.0", "av": "18.1.0", "numpy": "2.4.6", "scipy": "1.17.1"}
    return Timeline(tuple(emotions), tuple(faces), source, settings, spent, versions)


def _rows(face: int, steps: int, step: float, random: np.random.Generator, abstains: bool) -> list[Prediction]:
    t = (np.arange(steps) + 0.5) * step
    smile = np.clip(_bumps(t, 17 + 3 * face, 5, random) * 4.2, 0, 5)
    frown = np.clip(_bumps(t, 41, 4, random) * 2.5, 0, 5) * (smile < 1)
    brows = np.clip(_bumps(t, 29, 1.5, random) * 3.5, 0, 5)
    logits = np.stack([smile * 1.6 - 1.5, frown * 0.9 - 2.2, np.full(steps, 1.4), frown * 0.8 - 2, brows * 1.1 - 2,
                       np.full(steps, -3.0), brows * 0.5 - 3], axis=1) + random.normal(0, 0.12, (steps, 7))
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    aus = np.abs(random.normal(0.15, 0.12, (steps, len(ACTION_UNITS))))
    for name, curve in (("AU12", smile), ("AU06", smile * 0.7), ("AU25", smile * 0.4), ("AU04", frown),
                        ("AU15", frown * 0.6), ("AU01", brows), ("AU02", brows * 0.8)):
        aus[:, ACTION_UNITS.index(name)] += curve
    aus = np.clip(aus, 0, 5)
    rate = 66 + 9 * face + 5 * np.sin(2 * np.pi * t / 47) + random.normal(0, 0.5, steps)
    quality = np.clip(0.82 - 0.5 * (np.sin(2 * np.pi * t / 61 + face) > 0.93) + random.normal(0, 0.03, steps), 0, 1)
    left = 240 + 220 * face + 12 * np.sin(2 * np.pi * t / 9)
    rows = []
    for i in range(steps):
        gone = abstains and 33 <= t[i] % 90 < 37
        away = abstains and 51 <= t[i] % 90 < 53.5
        state = "lost" if gone and t[i] % 90 > 34 else "predicted" if gone else "tracked"
        reason = "no_face" if gone else "turned_away" if away else ""
        pulse_reason = "no_face" if state == "lost" else "too_short" if abstains and t[i] < 10 else (
            "motion" if abstains and quality[i] < 0.5 else "")
        seen = not gone
        valence, arousal = EXPRESSION.affect(probs[i])
        rows.append(Prediction(
            start=i * step, end=(i + 1) * step, face=face, state=state, task=EXPRESSION.name,
            box=np.array([left[i], 150, left[i] + 160, 350]), probs=np.full(7, np.nan) if reason else probs[i],
            label="" if reason else EXPRESSION.label(probs[i]), confidence=0.0 if reason else float(probs[i].max()),
            valence=np.nan if reason else valence, arousal=np.nan if reason else arousal,
            aus=aus[i] if seen else np.full(len(ACTION_UNITS), np.nan),
            pose=np.array([2.0, 8 * np.sin(t[i] / 5), 1.0]) if seen else np.full(3, np.nan),
            gaze=np.array([3 * np.sin(t[i] / 3), -2.0]) if seen else np.full(2, np.nan),
            heart_rate=Measurement(None, "bpm", float(quality[i]) * 0.3, "POS", pulse_reason) if pulse_reason
            else readable(float(rate[i]), "bpm", float(quality[i]), "POS"), reason=reason))
    return rows


def _person(face: int, rows: list[Prediction], seconds: float, random: np.random.Generator, pictures: bool) -> Person:
    reported = [row for row in rows if not row.abstained]
    probs = np.mean([row.probs for row in reported], axis=0) if reported else np.full(7, np.nan)
    valence, arousal = EXPRESSION.affect(probs)
    seen = [row.aus for row in rows if np.isfinite(row.aus).all()]
    rates = [row.heart_rate.value for row in rows if row.heart_rate.value is not None]
    weak = face % 3 == 2 or not rates or seconds < 10
    heart = Measurement(None, "bpm", 0.21, "POS", "low_snr") if weak else readable(
        float(np.median(rates)), "bpm", 0.83, "POS")

    def after(shortest: float, value: Measurement) -> Measurement:
        return Measurement(None, value.unit, 0.0, value.method, "low_snr" if seconds >= shortest else "too_short"
                       ) if weak or seconds < shortest else value

    return Person(
        id=face, coverage=sum(row.state == "tracked" for row in rows) / len(rows), first=rows[0].start,
        last=rows[-1].end, task=EXPRESSION.name, expression=probs, valence=valence, arousal=arousal,
        aus=np.mean(seen, axis=0), pose=np.array([2.0, 0.4, 1.0]), gaze=np.array([0.2, -2.0]), heart_rate=heart,
        respiration=after(30, readable(14.2, "breaths/min", 0.61, "amplitude and baseline")),
        blink_rate=after(10, readable(17.0, "1/min", 0.9, "AU45")),
        hrv={"rmssd": after(60, readable(38.0, "ms", 0.55, "POS")),
             "lf_hf": after(120, readable(1.4, "ratio", 0.3, "POS"))},
        pulse=None if weak else wave(seconds, float(heart.value or 60), random),
        picture=portrait(face) if pictures else None)


def wave(seconds: float, bpm: float, random: np.random.Generator, rate: float = 30.0) -> Signal:
    t = np.arange(0, seconds, 1 / rate)
    phase = 2 * np.pi * np.cumsum(bpm / 60 * (1 + 0.07 * np.sin(2 * np.pi * t / 47))) / rate
    values = np.sin(phase) + 0.35 * np.sin(2 * phase + 0.7) + random.normal(0, 0.18, len(t))
    return Signal(values[None], rate, ("pulse",), ("1",))


def portrait(face: int, side: int = 192) -> np.ndarray:
    """A shaded oval with eyes and a mouth: nobody."""
    y, x = np.mgrid[-1:1:side * 1j, -1:1:side * 1j]
    skin = np.array([(224, 172, 140), (141, 85, 60), (241, 205, 180), (92, 58, 44), (198, 134, 96)][face % 5], float)
    oval = (x / 0.55) ** 2 + (y / 0.75) ** 2
    shade = np.sqrt(np.clip(1 - oval, 0, 1))[..., None] * 0.45 + 0.6
    rgb = np.where((oval < 1)[..., None], skin * shade, np.array([70, 90, 105]) * (1.1 - 0.25 * y[..., None]))
    for ex in (-0.2, 0.2):
        rgb[((x - ex) / 0.09) ** 2 + ((y + 0.12) / 0.045) ** 2 < 1] = (245, 245, 245)
        rgb[((x - ex) / 0.04) ** 2 + ((y + 0.12) / 0.04) ** 2 < 1] = (50, 35, 30)
    rgb[(x / 0.2) ** 2 + ((y - 0.35 + 0.25 * x**2) / 0.04) ** 2 < 1] = (150, 60, 60)
    return np.clip(rgb, 0, 255).astype(np.uint8)


def _bumps(t: np.ndarray, every: float, width: float, random: np.random.Generator) -> np.ndarray:
    centres = np.arange(every / 2, max(t[-1] + every, every) if len(t) else every, every) + random.normal(0, 2)
    return np.exp(-((t[:, None] - centres) ** 2) / (2 * (width / 2) ** 2)).sum(axis=1)
