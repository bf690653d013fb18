"""Videos made from photographs of faces, with a planted pulse: the second generator of the pulse benchmarks.

It shares no code with `mien.simulation`: a photograph is warped, lit, pulsed and encoded. Nothing here is rendered from
a model of a head, and no constant is taken from the first generator.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

SUFFIXES = (".jpg", ".jpeg", ".png")
RATES = (15, 24, 25, 30, 30, 30, 50, 60)
"""Frame rates in Hz, as common as they are in recordings."""
CODECS = ("libx264", "libx264", "libvpx-vp9")
SEEDS = {"reported": 9202, "tuning": 4101}
"""Seeds of the two plans. They also share no picture: every second one belongs to each."""
LIFELESS = 4
"""Every fourth clip has no pulse."""


@dataclass(frozen=True)
class PhotoClip:
    """The recipe of one video.

    Attributes:
        picture: name of the photograph.
        seed: of all draws that are not listed here.
        bpm: mean heart rate; the beats themselves vary.
        amplitude: AC/DC of green over the skin, peak to peak over two; 0 for no pulse.
        fps: Hz.
        seconds: length.
        side: px of the square picture.
        codec: of `CODECS`.
        crf: quality of the codec on its own scale.
        motion: largest turn and shift, in units of 1 degree and 1 % of the side.
        screen: relative strength of the coloured light of a screen.
        steps: number of exposure steps.
        noise: sensor noise of a pixel, grey levels.
    """

    picture: str
    seed: int
    bpm: float
    amplitude: float
    fps: int
    seconds: float
    side: int
    codec: str
    crf: int
    motion: float
    screen: float
    steps: int
    noise: float


def plan(pictures: Path, split: str, count: int) -> list[PhotoClip]:
    """The first `count` recipes of a split; a smaller count is a prefix of a larger one.

    Args:
        pictures: folder of photographs, one face each.
        split: "reported" or "tuning".
        count: number of recipes.

    Raises:
        ValueError: the folder has fewer than two pictures.
    """
    names = sorted(path.name for path in pictures.iterdir() if path.suffix.lower() in SUFFIXES)
    if len(names) < 2:
        raise ValueError(f"{pictures}: expected at least two photographs, got {len(names)}: name another folder")
    rng = np.random.default_rng(SEEDS[split])
    mine = names[list(SEEDS).index(split) :: 2]
    order = rng.permutation(len(mine))
    clips = []
    for index in range(count):
        amplitude = float(np.exp(rng.uniform(np.log(0.003), np.log(0.012))))
        draws = PhotoClip(
            picture=mine[order[index % len(mine)]], seed=int(rng.integers(1, 1_000_000)),
            bpm=round(float(np.exp(rng.uniform(np.log(48), np.log(150)))), 1), amplitude=round(amplitude, 5),
            fps=int(rng.choice(RATES)), seconds=round(float(rng.uniform(12, 20)), 1),
            side=int(rng.choice([256, 320, 400])), codec=str(rng.choice(CODECS)), crf=int(rng.integers(18, 33)),
            motion=round(float(np.exp(rng.uniform(np.log(0.2), np.log(2.5)))), 2),
            screen=round(float(rng.choice([0.0, rng.uniform(0.005, 0.04)])), 4), steps=int(rng.choice([0, 0, 1, 2])),
            noise=round(float(rng.uniform(0.5, 3.0)), 2))
        clips.append(draws if (index + 1) % LIFELESS else replace(draws, amplitude=0.0))
    return clips


@dataclass(frozen=True, eq=False)
class Heart:
    """Beat times (B,) s and the shape of a beat: position, width and height of its two waves, in periods."""

    beats: np.ndarray
    dicrotic: tuple[float, float, float]

    @property
    def bpm(self) -> float:
        """Mean rate of the beats."""
        return 60.0 / float(np.diff(self.beats).mean())

    def wave(self, times: np.ndarray) -> np.ndarray:
        """Blood volume (T,) in about -1..1 at times (T,) s."""
        phase = np.interp(times, self.beats, np.arange(len(self.beats)))
        period = 60.0 / self.bpm  # outside of the known beats, they go on evenly
        phase = phase + np.minimum(times - self.beats[0], 0) / period + np.maximum(times - self.beats[-1], 0) / period
        place, width, height = self.dicrotic
        fine = np.arange(256) / 256
        shape = sum(size * np.exp(np.cos(2 * np.pi * (fine - at)) / wide**2 - 1 / wide**2)
                    for at, wide, size in ((0.2, 0.55, 1.0), (place, width, height)))
        shape = (shape - (shape.max() + shape.min()) / 2) / (np.ptp(shape) / 2)
        shape -= shape.mean()
        return np.interp(phase % 1.0, np.append(fine, 1.0), np.append(shape, shape[0]))


def heart(clip: PhotoClip) -> Heart:
    """The heart of a video: breath, slow waves and jitter move its beats."""
    rng = np.random.default_rng([clip.seed, 1])
    mean, breath = 60.0 / clip.bpm, rng.uniform(10, 20) / 60
    sinus, slow, jitter = rng.uniform(0.01, 0.05), rng.uniform(0.0, 0.03), rng.uniform(0.003, 0.02)
    beats = [-2.0 - rng.uniform(0, mean)]
    while beats[-1] < clip.seconds + 2:
        now = beats[-1]
        swing = sinus * np.sin(2 * np.pi * breath * now) + slow * np.sin(2 * np.pi * 0.07 * now + 1)
        beats.append(now + mean * (1 + swing + jitter * rng.normal()))
    times = np.array(beats)
    inside = (times > 0) & (times < clip.seconds)
    seen = Heart(times[inside], (0.0, 1.0, 0.0)).bpm
    scale = seen / clip.bpm  # the mean inside the video is the planted rate
    return Heart(times * scale, (rng.uniform(0.52, 0.65), rng.uniform(0.3, 0.5), rng.uniform(0.15, 0.5)))


def frames(clip: PhotoClip, pictures: Path) -> Iterator[np.ndarray]:
    """The pictures of a video, uint8 (S, S, 3) RGB."""
    rng = np.random.default_rng([clip.seed, 2])
    photo, skin = _photo(pictures / clip.picture, clip.side)
    times = np.arange(int(clip.seconds * clip.fps)) / clip.fps
    pulsed = _Pulsed(photo, skin, heart(clip), clip, rng)
    moved = _Moved(clip, times, rng)
    lit = _Lit(clip, times, skin, rng)
    grain = rng.normal(0, 1, (2 * clip.side, 2 * clip.side, 3)).astype(np.float32)
    for index, time in enumerate(times):
        picture = lit.shine(moved.move(pulsed.at(float(time)), index), index)
        y, x = rng.integers(0, clip.side, 2)
        rough = clip.noise * np.sqrt(0.3 + picture / 180.0)
        picture = picture + rough * grain[y : y + clip.side, x : x + clip.side]
        yield np.clip(picture + 0.5, 0, 255).astype(np.uint8)


def write(clip: PhotoClip, pictures: Path, path: Path) -> None:
    """Encode a video; VP9 with the fast settings of live encoders."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(clip.codec, rate=Fraction(clip.fps))
        stream.width = stream.height = clip.side
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        stream.options = {"crf": str(clip.crf)}
        if clip.codec == "libvpx-vp9":
            stream.options = {"crf": str(clip.crf), "b": "0", "deadline": "realtime", "cpu-used": "7"}
        for picture in frames(clip, pictures):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def _photo(path: Path, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The photograph float32 (S, S, 3) RGB and how much of each pixel is skin (S, S), 0..1.

    Skin is what has the colour of the middle of the picture, in chroma.
    """
    bgr = cv2.imread(str(path))
    if bgr is None:
        raise ValueError(f"{path}: expected a picture: leave it out of the folder")
    short = min(bgr.shape[:2])
    top = (bgr.shape[0] - short) // 3
    left = (bgr.shape[1] - short) // 2
    bgr = cv2.resize(bgr[top : top + short, left : left + short], (side, side), interpolation=cv2.INTER_AREA)
    chroma = cv2.cvtColor(bgr, cv2.COLOR_BGR2YCrCb).astype(np.float32)
    middle = np.median(chroma[side * 4 // 10 : side * 6 // 10, side * 4 // 10 : side * 6 // 10], axis=(0, 1))
    away = ((chroma[..., 1:] - middle[1:]) ** 2).sum(axis=2) / 10.0**2 + (chroma[..., 0] - middle[0]) ** 2 / 70.0**2
    skin = cv2.GaussianBlur(np.exp(-away).astype(np.float32), (0, 0), side / 100)
    return bgr[..., ::-1].astype(np.float32), skin


def _field(side: int, rng: np.random.Generator) -> np.ndarray:
    """A smooth random picture (S, S) in about -1..1."""
    small = rng.normal(0, 1, (5, 5)).astype(np.float32)
    large = cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)
    return large / max(float(np.abs(large).max()), 1e-6)


def _band(times: np.ndarray, low: float, high: float, rng: np.random.Generator) -> np.ndarray:
    """Broadband movement (T,) of unit spread between two frequencies in Hz, weaker where faster."""
    tones = rng.uniform(low, high, 24)
    total = sum(np.sin(2 * np.pi * f * times + rng.uniform(0, 2 * np.pi)) / (0.3 + f) for f in tones)
    return total / max(float(np.std(total)), 1e-6)


class _Pulsed:
    """The photograph with blood in it: a colour signature, and a gain and a lag that differ over the face."""

    LAGS = (-0.04, 0.0, 0.04)

    def __init__(self, photo: np.ndarray, skin: np.ndarray, beating: Heart, clip: PhotoClip,
                 rng: np.random.Generator) -> None:
        self._photo, self._heart = photo, beating
        signature = np.array([rng.uniform(0.25, 0.6), 1.0, rng.uniform(0.45, 0.9)], np.float32)
        gain = skin * np.clip(1 + 0.4 * _field(clip.side, rng), 0.2, 2.0)
        lag = np.clip(0.04 * _field(clip.side, rng), *self.LAGS[::2])
        share = np.maximum(1 - np.abs(lag[..., None] - np.array(self.LAGS, np.float32)) / 0.04, 0)
        strength = clip.amplitude * (1 + 0.1 * rng.uniform(-1, 1))
        self._parts = [photo * ((strength * gain * share[..., k])[..., None] * signature) for k in range(3)]
        self._breath, self._depth = rng.uniform(10, 20) / 60, rng.uniform(0, 0.25)
        self._still = clip.amplitude == 0

    def at(self, time: float) -> np.ndarray:
        if self._still:
            return self._photo
        height = 1 + self._depth * np.sin(2 * np.pi * self._breath * time)
        waves = height * self._heart.wave(time - np.array(self.LAGS))
        out = self._photo.copy()
        for part, wave in zip(self._parts, waves, strict=True):
            out -= np.float32(wave) * part
        return out


class _Moved:
    """Broadband movement of the head: turn, shift, size, and a slow change of its form."""

    def __init__(self, clip: PhotoClip, times: np.ndarray, rng: np.random.Generator) -> None:
        self._side = clip.side
        self._turn, self._size = (clip.motion * _band(times, 0.05, 3.0, rng) for _ in range(2))
        self._shift = [0.005 * clip.side * clip.motion * _band(times, 0.05, 3.0, rng) for _ in range(2)]
        self._form = [0.3 * clip.motion * _band(times, 0.05, 2.0, rng) for _ in range(2)]
        y, x = np.mgrid[: clip.side, : clip.side].astype(np.float32)
        self._grid = np.stack([x, y])
        self._fields = [np.stack([_field(clip.side, rng) for _ in range(2)]) for _ in range(2)]

    def move(self, picture: np.ndarray, index: int) -> np.ndarray:
        middle = self._side / 2
        matrix = cv2.getRotationMatrix2D((middle, middle), 0.5 * self._turn[index], 1 + 0.002 * self._size[index])
        matrix[:, 2] += [self._shift[0][index], self._shift[1][index]]
        x, y = self._grid
        places = np.stack([matrix[k, 0] * x + matrix[k, 1] * y + matrix[k, 2] for k in range(2)]).astype(np.float32)
        for weight, field in zip(self._form, self._fields, strict=True):
            places += np.float32(weight[index]) * field
        return cv2.remap(picture, places[0], places[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


class _Lit:
    """Uneven room light, exposure steps, and the coloured light of a screen that reaches the face most."""

    def __init__(self, clip: PhotoClip, times: np.ndarray, skin: np.ndarray, rng: np.random.Generator) -> None:
        self._room = (1 + 0.15 * _field(clip.side, rng))[..., None].astype(np.float32)
        level = 1 + 0.004 * _band(times, 0.02, 0.4, rng)
        for _ in range(clip.steps):
            step = rng.choice([-1, 1]) * rng.uniform(0.01, 0.05)
            level = level + step / (1 + np.exp(-(times - rng.uniform(1, clip.seconds - 1)) / 0.05))
        self._level = level * rng.uniform(0.6, 1.0)
        front = 0.25 + 0.75 * np.clip(0.5 + 0.5 * _field(clip.side, rng), 0, 1)
        colour = rng.uniform(0.3, 1.0, 3)
        self._screen = (front[..., None] * colour).astype(np.float32)
        self._flow = clip.screen * np.stack([_band(times, 0.05, 2.5, rng) for _ in range(3)], axis=1)

    def shine(self, picture: np.ndarray, index: int) -> np.ndarray:
        light = self._room * np.float32(self._level[index]) * (1 + self._screen * self._flow[index].astype(np.float32))
        return picture * light
