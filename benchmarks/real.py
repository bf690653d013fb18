"""What mien says of real recordings, beside what is known of them.

    python benchmarks/real.py [FOLDER]

FOLDER (default ../shared/real) holds faces/, gating/ and pulse/. Nobody measured these people's pulse; what is known is
how many they are, that two methods agree on 67-68 bpm at half light, and that a video without a face or without light
has no pulse to read.
"""

from __future__ import annotations

import sys
from pathlib import Path

import mien

# file -> people in it; the heart rate's range (None: must abstain, "maybe": may); the reasons an abstention may give
KNOWN: dict[str, tuple[int, object, tuple[str, ...]]] = {
    "pulse/50_light.avi": (1, (62, 73), ()),
    "pulse/25_light.avi": (1, "maybe", ("low_snr", "too_dark", "disagree", "motion")),
    "gating/0_light.avi": (1, None, ("too_dark",)),
    "gating/no_face.mp4": (0, None, ()),
    "gating/face_noface.mov": (1, None, ("too_short", "no_face", "motion")),
    "faces/again.mkv": (1, None, ("too_short",)),
    "faces/please.mkv": (1, None, ("too_short",)),
    "faces/head-pose-face-detection-female.gif": (1, None, ("too_short",)),
    "faces/head-pose-face-detection-female-and-male.gif": (2, None, ("too_short",)),
    "faces/face-demographics-walking.gif": (2, None, ("too_short",)),
    "faces/single_face.mp4": (1, None, ("too_short",)),
}


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/real")
    if not folder.is_dir():
        sys.exit(f"{folder}: expected the folder of real recordings; name it as the first argument")
    print("`python benchmarks/real.py`\n")
    print("| file | people (known) | heart rate (known) | coverage | expression | as known |")
    print("|---|---|---|---|---|---|")
    missed = 0
    for name, (people, rate, reasons) in KNOWN.items():
        timeline = mien.analyze(folder / name, pictures=False)
        good = len(timeline.faces) == people
        reported = []
        for person in timeline.faces:
            reading = person.heart_rate
            if reading.abstained:
                good &= not isinstance(rate, tuple) and reading.reason in reasons
                reported.append(reading.reason)
            else:
                low, high = rate if isinstance(rate, tuple) else (62, 73)
                good &= rate is not None and low <= reading.value <= high
                reported.append(f"{reading.value:.1f} bpm, quality {reading.quality:.2f}, {reading.method}")
        known = "abstain" if rate is None else "62-73 or abstain" if rate == "maybe" else f"{rate[0]}-{rate[1]}"
        cover = ", ".join(f"{person.coverage:.2f}" for person in timeline.faces)
        look = ", ".join(row_label(timeline, person.id) for person in timeline.faces)
        missed += not good
        print(f"| {name} | {len(timeline.faces)} ({people}) | {'; '.join(reported) or '-'} ({known}) "
              f"| {cover} | {look} "
              f"| {'yes' if good else 'NO'} |")
    print(f"\n{len(KNOWN) - missed} of {len(KNOWN)} as known.")
    sys.exit(missed > 0)


def row_label(timeline: mien.Timeline, face: int) -> str:
    labels = [row.label for row in timeline.emotions if row.face == face and not row.abstained]
    return max(set(labels), key=labels.count) if labels else "-"


if __name__ == "__main__":
    main()
