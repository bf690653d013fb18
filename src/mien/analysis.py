"""A recording in, a timeline out: the stream, run over a file to its end."""

from __future__ import annotations

import glob
import os
import time as clock
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from . import facs, imports, pulse, session, video
from .face import Finder, MediapipeFinder, Region, TaskFinder
from .settings import CLIP, Settings, neutral_seconds
from .stream import Model, Prototypes, Stream, mean
from .tasks import EXPRESSION, Task, read_labels
from .timeline import Timeline
from .types import Emotion, Person, Session

if TYPE_CHECKING:
    from .data.filming import Clips

_LIBRARIES = ("mien", "mediapipe", "av", "numpy", "scipy", "opencv-contrib-python")


def analyze(path: str | Path, settings: Settings | None = None, progress: Callable[[float], None] | None = None,
            **changes: object) -> Timeline:
    """A video file -> its timeline. `settings`, or single ones by name: `analyze("talk.mp4", step=1.0)`.

    progress: called with 0..1 now and then. Raises video.VideoError when the file cannot be read at all; what of it can
    be read is analysed, and `timeline.source.lost` says in words what could not.
    """
    settings = replace(settings or Settings(), **changes)  # type: ignore[arg-type]
    started = clock.perf_counter()
    with video.read(path) as frames:
        finder = _finder(settings)
        neutral = neutral_face(settings, finder)
        model = reader(settings)
        late = session.whole(model)
        album, clips = session.films(model) if late else (None, [])
        with Stream(session.Later(model.task) if late else model, settings, finder=finder, neutral=neutral,
                    keep_all=True, album=album) as stream:
            emotions, waited, times = _run(stream, frames, progress)
            if stream.frames < 2:
                raise video.VideoError(f"{Path(path).name}: expected a video, got a single picture; give a recording "
                                       "of some seconds")
            told = None
            if late:
                units = session.units(settings.aus, frames.source.fps_mean, times, stream.people)
                emotions, told = _late(stream, model, emotions, frames.source.duration, settings, clips, units)
            people = tuple(_person(stream, id_, emotions) for id_ in sorted(stream.people))
            seconds = {"decode": waited, **stream.seconds, "total": clock.perf_counter() - started}
            return Timeline(emotions=tuple(emotions), faces=people, source=frames.source, session=told,
                            settings={**asdict(settings), "finder": finder.name, "doubt": getattr(model, "doubt", "")},
                            seconds=seconds, versions=_versions())


def _run(stream: Stream, frames: video.Video, progress: Callable[[float], None] | None
         ) -> tuple[list[Emotion], float, np.ndarray]:
    """Every frame through the stream -> all rows in the order of time, the seconds spent waiting for frames, and the
    time of each frame (N,) s."""
    emotions: list[Emotion] = []
    times: list[float] = []
    waited, asked = 0.0, clock.perf_counter()
    for frame in frames:
        waited += clock.perf_counter() - asked
        times.append(frame.time)
        emotions += stream.push(frame)
        if progress is not None and stream.frames % 30 == 0 and frames.duration_hint:
            progress(min(frame.time / frames.duration_hint, 1.0))
        asked = clock.perf_counter()
    emotions += stream.close()
    if progress is not None:
        progress(1.0)
    return sorted(emotions, key=lambda row: (row.start, row.face)), waited, np.array(times)


def _late(stream: Stream, model: Model, emotions: list[Emotion], seconds: float, settings: Settings,
          clips: Sequence[Clips], units: session.Units | None) -> tuple[list[Emotion], Session]:
    """Rows and session of a model that reads whole recordings."""
    started = clock.perf_counter()
    found = session.read(model, stream.people, emotions, seconds, beside(settings, seconds), clips, units)
    stream.seconds["model"] += clock.perf_counter() - started
    return found


def beside(settings: Settings, seconds: float | None = None) -> imports.Contact | None:
    """The contact signals that the settings name, over a video of so many s; None when they name none.

    Raises ValueError or FileNotFoundError where there are none, or they cannot be read.
    """
    if not settings.physio:
        return None
    return imports.contact(settings.physio, settings.physio_offset, settings.physio_start, settings.physio_rate,
                           seconds, settings.physio_time_unit)


def _person(stream: Stream, id_: int, emotions: list[Emotion]) -> Person:
    """One person over the whole recording."""
    seen = stream.people[id_].seen
    whole = seen.window(-np.inf, np.inf)
    rows = [row for row in emotions if row.face == id_ and not row.abstained]
    classes = len(stream.model.task.classes)
    probs = np.mean([row.probs for row in rows], axis=0) if rows else np.full(classes, np.nan)
    valence, arousal = stream.model.task.affect(probs)
    times, boxes = seen.path()
    started = clock.perf_counter()
    vitals = pulse.vitals(whole)
    stream.seconds["pulse"] += clock.perf_counter() - started
    _, blinks = facs.blinks(whole.times, whole.aus[:, facs.ACTION_UNITS.index("AU45")])
    return Person(
        id=id_, coverage=seen.frames_tracked / stream.frames, first=seen.first, last=seen.last,
        task=stream.model.task.name, expression=probs, valence=valence, arousal=arousal, aus=mean(whole.aus),
        pose=mean(whole.pose), gaze=mean(whole.gaze), heart_rate=vitals.heart_rate, respiration=vitals.respiration,
        blink_rate=blinks, hrv=vitals.hrv, pulse=vitals.waveform, picture=stream.people[id_].picture,
        times=times, boxes=boxes)


def reader(settings: Settings) -> Model:
    """What reads the expression: the built-in model, or one that is loaded once and kept.

    Raises ValueError or FileNotFoundError where there is none of that name, or it is not whole, and where it learnt
    from action units of another program than those that it would be given.
    """
    if settings.model == "facs":
        return Prototypes()
    labels = read_labels(settings.labels) if settings.labels else None
    files = held(settings.model) + (held(settings.tower) if settings.tower else [])
    stamps = tuple((path, os.stat(path).st_mtime_ns) for path in files)
    found = _loaded(settings.model, settings.tower, labels, stamps)
    session.expect_units(found.needs, settings.aus)
    return found


def held(name: str) -> list[str]:
    """The files that a model's name stands for, where it is a folder or a file here; of a hub id none."""
    place = os.path.expanduser(name.removeprefix(CLIP))
    return [place] if os.path.isfile(place) else sorted(filter(os.path.isfile, glob.glob(f"{glob.escape(place)}/*")))


@lru_cache(maxsize=1)
def _loaded(name: str, tower: str, labels: Task | None, stamps: tuple[tuple[str, int], ...]) -> Model:
    try:
        from . import checkpoint
    except ImportError as error:
        raise ValueError(f"--model: expected the packages that models need, {error.name} is missing: install them with "
                         'pip install "mien[models]"') from error
    if name.startswith(CLIP):
        if name == CLIP:
            raise ValueError("--model: expected clip:FOLDER_OR_HUB_ID, got clip: alone")
        return checkpoint.zero_shot(name.removeprefix(CLIP), labels or EXPRESSION, device="auto")
    model = checkpoint.load(name, labels=labels, clip=tower, device="auto")
    if model.task.scale is not None:
        low, high = model.task.scale
        raise ValueError(f"--model: expected a model that names classes, got {name}, which guesses a rating, {low:g} "
                         f"to {high:g}, and names none: in Python mien.load(...).rate(windows) reads it")
    return model


def _finder(settings: Settings) -> Finder:
    return TaskFinder(settings.face_model, settings.faces) if settings.face_model else MediapipeFinder()


def neutral_face(settings: Settings, finder: Finder | None = None) -> np.ndarray | None:
    """The landmarks (1, 478, 3) of the one face in the picture that `settings.neutral` names; None when it names none.

    Raises ValueError when there is not exactly one face in it.
    """
    if not settings.neutral or neutral_seconds(settings.neutral):
        return None
    name = Path(settings.neutral).name
    with video.read(settings.neutral) as frames:
        rgb = next(iter(frames)).rgb
    own = finder or _finder(settings)
    try:
        found = own.detect(rgb)
        if len(found) != 1:
            raise ValueError(f"{name}: expected one face, got {len(found)}; crop the picture to the person")
        first = own.mesh(rgb, Region.of_detection(found[0]))
        second = None if first is None else own.mesh(rgb, Region.of_landmarks(first))
    finally:
        if finder is None:
            own.close()
    if second is None:
        raise ValueError(f"{name}: expected a face that shows its features, got none; take another picture")
    return second[None]


def _versions() -> dict[str, str]:
    return {name: version(name) for name in _LIBRARIES}


