"""Where everybody is in one frame, before the colours of the skin are read."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mien.core.observations import Face


@dataclass(frozen=True, eq=False)
class Located:
    """Where everybody is in one frame; what `Tracker.describe` needs to make faces of it.

    `faces`: everybody known and, with negative ids, everybody on probation; `landmarks` (L, 3) px of each, as the mesh
    gave them; `present`: boxes (4,) of all who may be in the picture; `confirmed`: the negative id of each newcomer who
    stood the probation with this frame, and the id from now on.
    """

    faces: tuple[Face, ...]
    landmarks: tuple[np.ndarray | None, ...]
    present: tuple[np.ndarray, ...]
    confirmed: tuple[tuple[int, int], ...] = ()

    def shifted(self, x: float, y: float) -> Located:
        """The same in a picture whose corner lies at (-x, -y) px of this one."""
        step = np.array([x, y, 0.0], np.float32)
        marks = tuple(None if points is None else points + step for points in self.landmarks)
        faces = tuple(replace(face, box=face.box + np.array([x, y, x, y]), landmarks=points)
                      for face, points in zip(self.faces, marks, strict=True))
        return replace(self, faces=faces, landmarks=marks,
                       present=tuple(box + np.array([x, y, x, y]) for box in self.present))
