"""A recording in, a timeline out: the stream, run over a file to its end."""

from __future__ import annotations

import glob
import os
import time as clock
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import lru_cache, partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien import rppg, video
from mien.core import parallel
from mien.core.notebook_progress import notebook_bar
from mien.core.observations import Frame
from mien.core.recording_prediction import RecordingPrediction
from mien.core.results import Prediction
from mien.core.settings import BEATS, CLIP, SIGLIP, Settings, neutral_seconds
from mien.core.tasks import EXPRESSION, Task, read_labels
from mien.datasets import readers
from mien.face.backend import OnnxFaceBackend
from mien.face.expression_head import load_head
from mien.inference import recording
from mien.inference.expression_model import ExpressionModel, predicts_affect, units_of
from mien.inference.neutral_pictures import neutral_faces
from mien.inference.onnx_model import HUB, ONNX, load_onnx, onnx_file
from mien.inference.person_summary import person_summary
from mien.inference.prediction import BUILT_IN, HeadModel, StepObservation, head_file
from mien.inference.pulse_rows import vitals_of_people, with_rate
from mien.inference.second_pass import measure_again, rows_again
from mien.inference.still_picture import without_time
from mien.inference.stream import Stream
from mien.reporting.timeline import Timeline

if TYPE_CHECKING:
    from mien.inference.clip_features import ClipFeatureBuffer

_LIBRARIES = ("onnxruntime", "av", "numpy", "scipy", "cv2")


def analyze(path: str | Path, settings: Settings | None = None, progress: Callable[[float], None] | None = None,
            **changes: object) -> Timeline:
    """Reads expression and pulse of everybody in a recording, or the expressions in a picture.

    Args:
        path: A video, a picture, or an image sequence (`open_video`). A picture gives one row for each face, without
            a pulse: its reason is `picture`.
        settings: What to do, and how; `Settings()` where None.
        progress: Is called with 0..1 now and then. Without it, a notebook shows a bar; `lambda share: None` shows none.
        **changes: Single settings by name: `analyze("talk.mp4", step=1.0)`.

    Returns:
        The timeline. A partly damaged file is analysed as far as possible; `Source.lost` describes what is missing.

    Raises:
        video.VideoError: Nothing can be decoded, or an image sequence has no frame rate (`fps`).
        ValueError: A setting that does not fit the recording or the model.
    """
    settings = replace(settings or Settings(), **changes)  # type: ignore[arg-type]
    rppg.expect_method(settings.pulse_method)
    progress = progress or notebook_bar(Path(path).name)
    started = clock.perf_counter()
    with video.open_video(path, fps=settings.fps) as frames:
        _expect_rate(frames)
        backend = OnnxFaceBackend(settings.detection_threshold)
        neutral = neutral_faces(settings, path, backend)
        model = load_model(settings)
        whole_recording = recording.needs_whole_recording(model)
        album, clips = recording.make_clip_buffer(model) if whole_recording else (None, [])
        with Stream(None if whole_recording else model, settings, backend=backend, neutral=neutral, keep_all=True,
                    album=album) as stream:
            emotions, waited, times = _run(stream, frames, progress)
            measure_again(stream.people, settings)
            still = stream.frames == 1
            if still:
                _expect_no_time(Path(path).name, settings, whole_recording)
            session = None
            if whole_recording:
                units = recording.load_external_aus(settings.aus, frames.source.fps_mean, times, stream.people)
                emotions, session = _late(stream, model, stream.observed(), frames.source.end, settings, clips, units)
            emotions = rows_again(emotions, stream.people, model, settings)
            vitals = vitals_of_people(stream, path)
            emotions = [with_rate(row, vitals[row.face], settings.duration) for row in emotions]
            people = tuple(person_summary(stream, id_, model.task, emotions, vitals[id_], bool(units_of(model)),
                                          predicts_affect(model))
                           for id_ in sorted(stream.people))
            if still:
                emotions, people = without_time(emotions, people)
            seconds = {"decode": waited, **stream.seconds, "total": clock.perf_counter() - started}
            return Timeline(emotions=tuple(emotions), faces=people, source=frames.source, session=session,
                            settings={**asdict(settings), "face_backend": backend.name,
                                      "doubt": getattr(model, "doubt", ""),
                                      "units_by": getattr(model, "units_by", ""),
                                      "units_only": getattr(model, "units_only", False)},
                            seconds=seconds, versions=library_versions())


def _expect_rate(frames: video.Video) -> None:
    """Refuses pictures in a row at an assumed rate: every heart rate would be as wrong as the assumption."""
    if frames.rate_is_assumed:
        raise video.VideoError(f"expected the frame rate of the pictures in {frames.name}, got none: give it with "
                               "--fps (in Python: fps=)")


def _expect_no_time(name: str, settings: Settings, whole_recording: bool) -> None:
    """Refuses, for a single picture, what only a recording has."""
    remedy = "give a recording of some seconds"
    if whole_recording:
        raise video.VideoError(f"{name}: expected a video for this model, got a single picture; {remedy}")
    if neutral_seconds(settings.neutral):
        raise video.VideoError(f"{name}: expected a video for --neutral {settings.neutral}, got a single picture; "
                               f"{remedy}, or a picture of the neutral face with --neutral")


def _run(stream: Stream, frames: video.Video, progress: Callable[[float], None] | None
         ) -> tuple[list[Prediction], float, np.ndarray]:
    """Every frame through the stream -> all rows in the order of time, the seconds spent waiting for frames, and the
    time of each frame (N,) s."""
    emotions: list[Prediction] = []
    times: list[float] = []
    waited = 0.0

    def timed() -> Iterator[Frame]:
        """Pass the frames on, note their times, and add up the time spent waiting for them."""
        nonlocal waited
        since = clock.perf_counter()
        for frame in frames:
            waited += clock.perf_counter() - since
            times.append(frame.time)
            yield frame
            since = clock.perf_counter()

    for rows in stream.run(timed()):
        emotions += rows
        if progress is not None and stream.frames % 30 == 0 and frames.duration_hint:
            progress(min(times[stream.frames - 1] / frames.duration_hint, 1.0))
    emotions += stream.close()
    if progress is not None:
        progress(1.0)
    return sorted(emotions, key=lambda row: (row.start, row.face)), waited, np.array(times)


def _late(
    stream: Stream,
    model: ExpressionModel,
    steps: list[StepObservation],
    seconds: float,
    settings: Settings,
    clips: Sequence[ClipFeatureBuffer],
    units: recording.ExternalAUs | None,
) -> tuple[list[Prediction], RecordingPrediction]:
    """Rows and session of a model that reads whole recordings."""
    started = clock.perf_counter()
    correct = partial(load_contact_signals, settings, seconds) if BEATS in settings.physio_anchors else None
    prediction = recording.predict_recording(model, stream.people, steps, seconds,
                                             load_contact_signals(settings, seconds),
                                        clips, units, correct)
    stream.seconds["model"] += clock.perf_counter() - started
    return prediction


def load_contact_signals(settings: Settings, seconds: float | None = None, correction: tuple[float, float] = (1.0, 0.0)
                         ) -> readers.ContactSignals | None:
    """Load the contact signals that the settings name.

    Args:
        settings: Name the file and its clock.
        seconds: Length of the video in s.
        correction: Slope, and offset in s, that also align the clock by heart beats.

    Returns:
        The signals on the clock of the video; None when the settings name none.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be read.
    """
    if not settings.physio:
        return None
    return readers.contact_signals(settings.physio, settings.physio_offset, settings.physio_start, settings.physio_rate,
                                   seconds, settings.physio_time_unit, settings.physio_time,
                                   [anchor for anchor in settings.physio_anchors if anchor != BEATS], correction)


def load_model(settings: Settings) -> ExpressionModel:
    """Load the model that reads the expression; it is kept for later calls.

    Args:
        settings: Name the model, its backbone and its labels.

    Returns:
        The built-in model, or the named one.

    Raises:
        FileNotFoundError: There is no model of this name.
        ValueError: The model is damaged, or was trained on action units of another program than those that are given.
    """
    if settings.model == "facs":
        return BUILT_IN
    if settings.model.startswith((ONNX, HUB)):
        if settings.labels or settings.tower:
            raise ValueError("--model: expected no --labels or --tower with an ONNX model: its card names its labels")
        return _loaded_onnx(settings.model, os.stat(model_files(settings.model)[0]).st_mtime_ns)
    if head := head_file(settings.model):
        if settings.labels or settings.tower:
            raise ValueError("--model: expected a model with a tower or with text labels for --tower and --labels, got "
                             f"the head {head.name}, which has neither: leave them out")
        return HeadModel(load_head(head))
    labels = read_labels(settings.labels) if settings.labels else None
    files = model_files(settings.model) + (model_files(settings.tower) if settings.tower else [])
    stamps = tuple((path, os.stat(path).st_mtime_ns) for path in files)
    model = _loaded(settings.model, settings.tower, labels, stamps)
    recording.check_au_program(model.needs, settings.aus)
    return model


def model_files(name: str) -> list[str]:
    """The files that a model's name stands for, where it is a folder or a file here; of a hub id none."""
    if name.startswith((ONNX, HUB)):
        path = onnx_file(name)
        return [str(path), *([str(path.with_suffix(".json"))] if path.with_suffix(".json").is_file() else [])]
    place = os.path.expanduser(name.removeprefix(CLIP).removeprefix(SIGLIP))
    return [place] if os.path.isfile(place) else sorted(filter(os.path.isfile, glob.glob(f"{glob.escape(place)}/*")))


@lru_cache(maxsize=1)
def _loaded_onnx(name: str, stamp: int) -> ExpressionModel:
    return load_onnx(name)


@lru_cache(maxsize=1)
def _loaded(name: str, tower: str, labels: Task | None, stamps: tuple[tuple[str, int], ...]) -> ExpressionModel:
    try:
        from mien import checkpoints
    except ImportError as error:
        raise ValueError(f"--model: expected the packages that models need, {error.name} is missing: install them with "
                         'pip install "mien[models]"') from error
    if name.startswith((CLIP, SIGLIP)):
        backbone, _, source = name.partition(":")
        if not source:
            raise ValueError(f"--model: expected {name}FOLDER_OR_HUB_ID, got {name} alone")
        return checkpoints.zero_shot(source, labels or EXPRESSION, device="auto", backbone=backbone)
    model = checkpoints.load(name, labels=labels, clip=tower, device="auto")
    if model.task.scale is not None:
        low, high = model.task.scale
        raise ValueError(f"--model: expected a model that names classes, got {name}, which guesses a rating, {low:g} "
                         f"to {high:g}, and names none: in Python mien.load(...).rate(windows) reads it")
    return model


def library_versions() -> dict[str, str]:
    """Versions of mien and of the libraries that measure, by name.

    By the modules, for a library may come from a distribution of another name (onnxruntime-gpu, conda's opencv).
    """
    return {"mien": parallel.version(), **{name: import_module(name).__version__ for name in _LIBRARIES}}
