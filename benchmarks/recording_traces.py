"""The skin traces of a video, as the pulse benchmarks use them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mien import video
from mien.core.observations import Window
from mien.face.observer import Observer


def longest_person(path: Path, observer: Observer) -> Window | None:
    """Track a video to its end and close the tracker: the person who is seen longest, None where no face is found."""
    with video.open_video(path) as frames:
        for frame in frames:
            observer.observe(frame)
    observer.finish()
    observer.tracker.close()
    if not observer.people:
        return None
    best = max(observer.people.values(), key=lambda person: person.frames_tracked)
    best.measure()
    return best.window(-np.inf, np.inf)
