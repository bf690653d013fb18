"""Random identities: proportions, colours and hair of a synthetic person, drawn from a seed.

Lengths are in mm. Means and standard deviations of the facial measurements follow norms of young adults: Farkas 1994,
Anthropometry of the Head and Face (2nd ed., Raven Press), and Farkas, Katic & Forrest 2005, J. Craniofac. Surg.
16:615-646 (10.1097/01.scs.0000171847.58031.9e), rounded to half a millimetre. The landmark names are from Farkas:
tr hairline, n nasion, sn subnasale, sto stomion, gn gnathion, ls and li edges of the lips, zy, go, eu, en, ex, al, ch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

# name: (male mean, female mean, standard deviation), mm
NORMS = {
    "hairline": (68.0, 64.0, 5.0),         # tr-n
    "face_height": (122.0, 112.5, 4.5),    # n-gn
    "nose_height": (54.0, 50.0, 2.8),      # n-sn
    "upper_lip": (22.0, 20.0, 1.8),        # sn-sto
    "vermilion_upper": (8.0, 8.5, 1.0),    # ls-sto
    "vermilion_lower": (9.3, 9.4, 1.2),    # sto-li
    "face_width": (138.0, 130.0, 4.5),     # zy-zy
    "jaw_width": (104.0, 95.0, 5.0),       # go-go
    "head_width": (151.0, 144.5, 4.5),     # eu-eu
    "head_length": (195.0, 187.0, 5.0),    # g-op
    "intercanthal": (33.0, 32.0, 2.0),     # en-en
    "biocular": (91.0, 88.0, 2.8),         # ex-ex
    "fissure": (10.6, 11.0, 0.7),          # ps-pi, height of the open eye
    "nose_width": (35.0, 32.0, 2.2),       # al-al
    "nose_protrusion": (19.5, 19.0, 1.6),  # sn-prn
    "mouth_width": (54.0, 50.5, 2.8),      # ch-ch
    "ear_length": (62.5, 59.0, 3.5),       # sa-sba
    "brow_height": (19.5, 22.0, 1.6),      # pupil to the middle of the brow; our choice: between Farkas' os-or and sci
}

# Differences of the means of African-American and East Asian young adults from the norms above, mm (Farkas et al.
# 2005: only the large differences, with their sign and size).
ANCESTRY = {
    "european": {},
    "african": {"nose_width": 8.0, "nose_protrusion": -3.0, "vermilion_upper": 3.5, "vermilion_lower": 3.0,
                "upper_lip": 2.0, "intercanthal": 1.5, "biocular": 4.0, "mouth_width": 2.0, "nose_height": -2.5},
    "asian": {"nose_width": 3.5, "nose_protrusion": -2.5, "intercanthal": 4.0, "face_width": 5.0, "jaw_width": 3.0,
              "fissure": -0.8, "biocular": 1.0, "head_length": -6.0},
}

# sRGB of lit skin for Fitzpatrick types I to VI; our choice: between neighbouring steps of the Monk scale
# (Monk 2019, skintone.google), with a little more saturation, like the output of a camera.
SKIN = ((236, 203, 184), (226, 184, 158), (208, 161, 128), (172, 120, 86), (126, 82, 58), (88, 57, 42))
LIPS = ((190, 108, 104), (180, 96, 92), (164, 86, 78), (138, 70, 64), (118, 60, 58), (106, 56, 56))
HAIR = {"black": (24, 20, 19), "dark brown": (46, 32, 25), "brown": (78, 54, 38), "fair": (146, 114, 74),
        "red": (122, 62, 34), "grey": (138, 136, 132)}
EYES = {"dark brown": (58, 36, 24), "brown": (92, 58, 34), "hazel": (112, 90, 52), "green": (96, 112, 76),
        "grey": (112, 124, 130), "blue": (88, 120, 152)}

SHAPES = ("chin", "cheeks", "ridge", "bridge", "tilt", "lips", "part", "temples")


@dataclass(frozen=True)
class Identity:
    """One person. Colours are sRGB 0..255.

    Attributes:
        seed: seed of the person.
        sex: `male` or `female`.
        ancestry: a key of `ANCESTRY`.
        skin_tone: Fitzpatrick type, 1..6.
        size: lengths in mm by the names of `NORMS`.
        skin: colour of the skin.
        lips: colour of the lips.
        hair: colour of the hair.
        brows: colour of the eyebrows.
        iris: colour of the iris.
        shirt: colour of the shirt.
        hair_style: `long`, `bun`, `fringe`, `short` or `cropped`.
        brow_thickness: mm.
        beard: darkness of the beard, 0..1.
        freckles: 0..1.
        mottle: unevenness of the skin, 0..1.
        glasses: the person wears glasses.
        shape: chin, cheeks, brow ridge, nose bridge and others of `SHAPES`, -1..1.
    """

    seed: int
    sex: str
    ancestry: str
    skin_tone: int
    size: dict[str, float] = field(hash=False)
    skin: tuple[float, float, float]
    lips: tuple[float, float, float]
    hair: tuple[float, float, float]
    brows: tuple[float, float, float]
    iris: tuple[float, float, float]
    shirt: tuple[float, float, float]
    hair_style: str
    brow_thickness: float
    beard: float
    freckles: float
    mottle: float
    glasses: bool = False
    shape: dict[str, float] = field(default_factory=dict, hash=False)

    def __getitem__(self, name: str) -> float:
        """A length of the head in mm, by the names of `NORMS`."""
        return self.size[name]


def identity(seed: int) -> Identity:
    """Draw the person of a seed.

    The seeds 0..19 contain every skin tone at least three times and both sexes equally often.

    Raises:
        ValueError: the seed is negative.
    """
    if seed < 0:
        raise ValueError(f"identity: expected a seed of 0 or more, got {seed}")
    rng = np.random.default_rng([seed, 20240917])
    tone = seed % 6 + 1
    sex = ("female", "male")[(seed + seed // 6) % 2]
    ancestry = _ancestry(tone, rng)
    size = _sizes(sex, ancestry, rng)
    shade = np.clip(rng.normal(0, 0.03), -0.05, 0.05)
    dark = tone >= 4 or ancestry == "asian"
    hair_colours, iris_colours = ["dark brown", "brown", "fair", "red", "grey"], list(EYES)
    if dark:
        hair_colours, iris_colours = ["black", "dark brown"], ["dark brown", "brown"]
    styles = {"female": ["long", "bun", "fringe", "long"], "male": ["short", "cropped", "short"]}
    hair, iris = str(rng.choice(hair_colours)), str(rng.choice(iris_colours))
    style = str(rng.choice(styles[sex]))
    colour = _tint(HAIR[hair], rng.normal(0, 0.08))
    return Identity(
        seed, sex, ancestry, tone, size,
        skin=_tint(SKIN[tone - 1], shade), lips=_tint(LIPS[tone - 1], shade + rng.normal(0, 0.03)),
        hair=colour, brows=_tint(colour, {"grey": -0.3}.get(hair, -0.05)),
        iris=_tint(EYES[iris], rng.normal(0, 0.08)),
        shirt=_tint(rng.uniform(30, 190, 3), 0.0), hair_style=style,
        brow_thickness=float(rng.uniform(*{"male": (7.0, 9.0), "female": (5.0, 7.0)}[sex])),
        beard=float(rng.uniform(0, 0.5)) if sex == "male" else 0.0,
        freckles=float(rng.uniform(0, 0.8)) if tone <= 2 else 0.0,
        mottle=float(rng.uniform(0.3, 1.0)), glasses=seed % 10 == 9,
        shape={name: float(rng.uniform(-1, 1)) for name in SHAPES},
    )


def _ancestry(tone: int, rng: np.random.Generator) -> str:
    if tone >= 5:
        return "african"
    if tone >= 3:
        return str(rng.choice(["asian", "european"]))
    if tone == 2:
        return str(rng.choice(["european", "european", "asian"]))
    return "european"


def _sizes(sex: str, ancestry: str, rng: np.random.Generator) -> dict[str, float]:
    column = {"male": 0, "female": 1}[sex]
    draw = np.clip(rng.normal(0, 0.8, len(NORMS)), -1.5, 1.5)
    shift = ANCESTRY[ancestry]
    return {name: norm[column] + shift.get(name, 0.0) + norm[2] * float(z)
            for (name, norm), z in zip(NORMS.items(), draw, strict=True)}


def _tint(colour: Sequence[float] | np.ndarray, amount: float) -> tuple[float, float, float]:
    """Make a colour lighter (amount > 0) or darker by this share."""
    r, g, b = (float(np.clip(v * (1 + amount), 4, 250)) for v in colour)
    return r, g, b
