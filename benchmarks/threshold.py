"""How many faces the detector finds at each threshold, in every frame of every video of a folder.

    python benchmarks/threshold.py FOLDER

FOLDER is searched through all its folders. The models look once at each frame; what passes each threshold is then
joined into faces as in an analysis.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mien import video
from mien.face.detector import anchors, candidates, letterbox, weighted_suppression
from mien.face.inference import session
from mien.face.weights.locate import paths

THRESHOLDS = (0.4, 0.5, 0.6, 0.7, 0.8)
VIDEO_SUFFIXES = (".avi", ".gif", ".mkv", ".mov", ".mp4", ".webm")


def main() -> None:
    videos = sorted(path for path in Path(sys.argv[1]).rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    model, middles = session(paths().detector), anchors()
    print("`python benchmarks/threshold.py FOLDER`\n")
    print(f"| video | frames | {' | '.join(f'{threshold:g}' for threshold in THRESHOLDS)} |")
    print("|---|---|" + "---|" * len(THRESHOLDS))
    for path in videos:
        counts, frames = dict.fromkeys(THRESHOLDS, 0), 0
        with video.open_video(path) as source:
            for frame in source:
                frames += 1
                boxes, logits = model.run(None, {model.get_inputs()[0].name: letterbox(frame.rgb)[0]})
                for threshold in THRESHOLDS:
                    passed = candidates(logits.reshape(-1), boxes.reshape(-1, 16), middles, threshold)
                    counts[threshold] += len(weighted_suppression(*passed))
        print(f"| {path.relative_to(sys.argv[1])} | {frames} | {' | '.join(map(str, counts.values()))} |", flush=True)


if __name__ == "__main__":
    main()
