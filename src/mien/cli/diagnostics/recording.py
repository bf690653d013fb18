"""Can this camera, light, codec and distance carry a pulse? One clip of the set-up is checked before a study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.cli.diagnostics.check_result import CheckResult

if TYPE_CHECKING:
    from mien.core.results import Measurement

LIGHT = (40.0, 220.0)
"""Mean green of the skin, 0..255, outside of which light should be changed (our choice)."""

FRAME_RATE = 20.0
"""Hz below which a faster camera helps (our choice: beats are placed between frames)."""

WIDTH = 80.0
"""px of the face's width below which the camera should be nearer (our choice: the regions then hold few pixels)."""

BLAME = 0.5
"""Share of the colour's change that movement or light explain, above which they are named (our choice)."""


def diagnose_recording(path: Path) -> list[CheckResult]:
    """Check a clip of the person, the light and the camera of a study.

    Args:
        path: a clip of ten seconds or more.

    Returns:
        Findings about the noise, the light, the frame rate, the codec, the exposure, the movement and the distance.

    Raises:
        VideoError: the clip cannot be decoded.
    """
    from mien import video
    from mien.core.results import REASONS
    from mien.core.settings import Settings
    from mien.inference.stream import Stream
    from mien.rppg.heart_rate import heart_rate
    from mien.rppg.setup_check import check_recording

    settings = Settings(pulse_only=True, pictures=False)
    with Stream(None, settings, keep_all=True) as stream, video.open_video(path) as frames:
        for _ in stream.run(frames):
            pass
        stream.close()
        people = sorted(stream.people.values(), key=lambda person: -person.seen.frames_tracked)
        window = people[0].seen.window(-np.inf, np.inf) if people else None
        check = check_recording(window) if window is not None else "no_face"
    if window is None or isinstance(check, str):
        return [CheckResult("pulse", "failure", f"no skin traces: {REASONS[str(check)]}",
                            "record one face, from the front, for ten seconds or more")]
    return [*_findings(check), _heart_rate(heart_rate(window))]


def _heart_rate(measured: Measurement) -> CheckResult:
    """What `mien analyze` finds in the whole clip; a reason here and good findings above contradict each other."""
    from mien.core.results import REASONS

    if measured.value is not None:
        return CheckResult("heart rate", "ok", f"{measured.value:.0f} bpm in this clip, quality {measured.quality:.2f}")
    return CheckResult("heart rate", "warning", f"none in this clip, {measured.reason}: {REASONS[measured.reason]}",
                       "change what is named above; if nothing is, raise the bit rate and record longer")


def _findings(check: object) -> list[CheckResult]:
    """The findings of a `rppg.setup_check.RecordingCheck`."""
    from mien.rppg.setup_check import USUAL, RecordingCheck

    assert isinstance(check, RecordingCheck)
    smallest, usual = f"{100 * check.smallest:.2f} % of green", f"{100 * USUAL:.1f} %"
    darkness = "more light on the face, or a longer exposure"
    if check.light > LIGHT[1]:
        darkness = "less light, or a shorter exposure"
    return [
        _finding("pulse", not check.carries, f"the smallest pulse above the noise of {check.seconds:.0f} s is "
                 f"{smallest}; a face usually has {usual}", "change what is named below, or record longer", "failure"),
        _finding("light", not LIGHT[0] <= check.light <= LIGHT[1], f"the skin's mean green is {check.light:.0f} of 255",
                 darkness),
        _finding("frame rate", check.rate < FRAME_RATE, f"{check.rate:.0f} frames a second",
                 f"set the camera to {FRAME_RATE:.0f} or more"),
        _finding("codec", check.compressed, f"the colour changes by {check.coded:.2f} of what noise would show",
                 "raise the bit rate, to crf 20 or better with x264, and keep colour at full rate (4:4:4)"),
        _finding("exposure", check.steps > 0, f"{check.steps:.1f} steps a minute",
                 "lock exposure, gain and white balance"),
        _finding("steady light", check.lit > BLAME, f"light explains {100 * check.lit:.0f} % of the skin's change",
                 "use daylight or lamps without flicker, and no screen that lights the face"),
        _finding("movement", check.moved > BLAME, f"movement explains {100 * check.moved:.0f} % of the skin's change",
                 "support the head, or put the camera on a stand"),
        _finding("distance", check.width < WIDTH, f"the face is {check.width:.0f} px wide",
                 f"move the camera nearer, to {WIDTH:.0f} px or more"),
        _finding("colour", check.grey, "none" if check.grey else "red, green and blue differ",
                 "use a colour camera: without colour, light looks like blood"),
    ]


def _finding(name: str, bad: bool, text: str, remedy: str, status: str = "warning") -> CheckResult:
    if bad:
        return CheckResult(name, status, text, remedy)  # type: ignore[arg-type]
    return CheckResult(name, "ok", text)
