"""When a face counts as found, missed and lost: the same for a live stream, a recording and a prepared dataset."""

from __future__ import annotations

from dataclasses import dataclass, replace

TICK = 0.002
"""s by which the time stamps of a container may be off: many count in whole milliseconds."""

PULSE_DETECTION_INTERVAL = 1.5
"""s between two detections where only the pulse is read. Our choice: a rate needs 10 s of a face, so a newcomer may
wait that long."""

PULSE_MESH_INTERVAL = 0.4
"""s between two runs of the mesh where only the pulse is read. Our choice: 0.2 s takes a third longer and reads no
planted pulse better."""


@dataclass(frozen=True)
class TrackerSettings:
    """How faces are tracked. Every duration is in seconds, so that the frame rate of a recording does not matter.

    All defaults are our choice. At 30 frames a second they mean: a detection every 10 frames, a newcomer known with its
    fourth frame, and a face predicted for 15 frames.

    Args:
        faces: The most people who are tracked at a time.
        detection_interval: Time between two runs of the detector while everybody is tracked. Between them the mesh
            follows each face. At a lower frame rate the detector runs on every frame.
        search_interval: The same while no person is in the picture.
        check_interval: The same while somebody is missed or on probation.
        retry_interval: The same while the last detection missed a person that the mesh still follows.
        confirmations: How often the detector must find a newcomer, with at most one miss. A pattern on a wall looks
            like a face for a frame or two.
        probation: How much time must lie between the first and the last of these confirmations. The frames of the
            probation are delivered once it is over, so that no first frame is missing.
        patience: How long a missed face is `predicted` before it is `lost`; at least `patience_frames` frame intervals.
            A face that no detection confirms for four times that long is lost, too.
        patience_frames: See `patience`: a single missed frame loses no person, however far apart the frames are.
        memory: How long a lost person keeps the id.
        mesh_interval: Time between two runs of the mesh; optical flow moves the landmarks in between. 0 runs the mesh
            on every frame, which action units need.

    Raises:
        ValueError: A count below 1 or a negative duration.
    """

    faces: int = 8
    detection_interval: float = 1 / 3
    search_interval: float = 0.1
    check_interval: float = 1 / 30
    retry_interval: float = 1 / 3
    confirmations: int = 3
    probation: float = 0.1
    patience: float = 0.5
    patience_frames: float = 1.5
    memory: float = 30.0
    mesh_interval: float = 0.0

    def __post_init__(self) -> None:
        for name in ("faces", "confirmations"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"TrackerSettings: expected {name} of 1 or more, got {getattr(self, name)}")
        for name in ("detection_interval", "search_interval", "check_interval", "retry_interval", "probation",
                     "patience", "patience_frames", "memory", "mesh_interval"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"TrackerSettings: expected {name} of 0 or more, got {getattr(self, name)}")

    def for_pulse(self) -> TrackerSettings:
        """The same where only the pulse is read: fewer runs of the detector and the mesh."""
        return replace(self, detection_interval=PULSE_DETECTION_INTERVAL, mesh_interval=PULSE_MESH_INTERVAL)
