"""How well the built-in reader reads real neutral and smiling faces.

    python benchmarks/london.py [FOLDER] [--cache FILE.npz] [--seen] [--statistics FILE.json]

FOLDER (default ../shared/real/london) holds the Face Research Lab London Set (DeBruine & Jones 2017,
10.6084/m9.figshare.5047666, CC BY 4.0): `neutral/`, `smiling/`, `info.csv`; and `canada/` (same authors,
10.6084/m9.figshare.4220517, CC BY 4.0). The landmarks of the 244 pictures are found once and kept in `--cache`.

"Ten folds": population, effects, spread and calibration are estimated without the people who are judged, and a head is
trained on each of the ten estimates. "Seen": the shipped weights, whose statistics contain these people. `--seen`
leaves the folds out. `--statistics` writes the statistics of all people, from which the shipped weights are trained.
Prints markdown.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from mien.core.tasks import ACTION_UNITS, EXPRESSION
from mien.face.au_estimator import AUEstimator
from mien.face.backend import OnnxFaceBackend
from mien.face.distances import POINTS, distances
from mien.face.expression_head import KNOWN_SECONDS, ExpressionHead, default_head
from mien.face.head_pose import angles, head_frame
from mien.face.region import Region

FOLDS = 10
SIZE = 675, 900  # px, of the pictures
HAPPY, NEUTRAL = EXPRESSION.classes.index("happy"), EXPRESSION.classes.index("neutral")
SMILE = ACTION_UNITS.index("AU12")
# Points of the template that name the same place as a landmark of the mesh: pupils, corners of the eyes, middles of the
# lids, corners and middles of the lips, base of the nose, tip of the chin. The template's other points have no
# counterpart.
SAME = {0: 468, 1: 473, 18: 33, 22: 133, 23: 362, 27: 263, 20: 159, 25: 386, 29: 145, 32: 374, 87: 61, 93: 291, 90: 0,
        96: 13, 101: 14, 106: 17, 55: 2, 129: 152}


@dataclass(frozen=True, eq=False)
class Pictures:
    """Landmarks (N, 478, 3) px, measures (N, M) mm, pose (N, 2) degrees, and who: a table with a row a picture."""

    landmarks: np.ndarray
    measures: np.ndarray
    pose: np.ndarray
    who: pd.DataFrame

    def __getitem__(self, rows: np.ndarray) -> Pictures:
        return Pictures(self.landmarks[rows], self.measures[rows], self.pose[rows],
                        self.who.loc[rows].reset_index(drop=True))


def find_landmarks(folder: Path) -> tuple[list[str], np.ndarray]:
    """Names and landmarks (N, 478, 3) px of every picture."""
    backend, names, result = OnnxFaceBackend(), [], []
    for path in sorted(each for part in ("neutral", "smiling", "canada") for each in (folder / part).glob("*.jpg")):
        rgb = np.ascontiguousarray(cv2.imread(str(path))[:, :, ::-1])
        face = max(backend.detect(rgb), key=lambda each: each.score)
        first = backend.mesh(rgb, Region.of_detection(face))
        second = None if first is None else backend.mesh(rgb, Region.of_landmarks(first))
        if second is not None:
            names.append(f"{path.parent.name}/{path.stem}")
            result.append(second)
    backend.close()
    return names, np.array(result, dtype=np.float64)


def load(folder: Path, cache: Path | None) -> Pictures:
    if cache is not None and cache.exists():
        with np.load(cache) as kept:
            names, landmarks = kept["ids"].tolist(), kept["landmarks"].astype(np.float64)
    else:
        names, landmarks = find_landmarks(folder)
        if cache is not None:
            np.savez_compressed(cache, ids=np.array(names), landmarks=landmarks)
    points, rotation = head_frame(landmarks, POINTS)
    table = pd.DataFrame([name.split("/") for name in names], columns=["set", "person"])
    about = pd.concat([pd.read_csv(folder / name, dtype={"face_id": str}).assign(face_eth=lambda rows: rows.get(
        "face_eth", "white")) for name in ("info.csv", "canada_info.csv")])
    about = about.rename(columns={"face_id": "person", "face_age": "age", "face_gender": "sex", "face_eth": "descent"})
    about["age"] = pd.to_numeric(about["age"], errors="coerce")
    return Pictures(landmarks, distances(points)[0], angles(rotation)[:, :2], table.merge(about, "left", "person"))


def read(head: ExpressionHead, faces: Pictures, neutral: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Each picture by itself, without a neutral or with the person's own (N, 478, 3) px -> probabilities (N, K) and
    action units (N, A)."""
    probs, aus = [], []
    for index, landmarks in enumerate(faces.landmarks):
        reader = AUEstimator(None if neutral is None else neutral[index][None], head)
        result = reader.measure(np.zeros(1), landmarks[None], SIZE)
        probs.append(result.expression[0])
        aus.append(result.aus[0])
    return np.array(probs), np.array(aus)


def statistics_of(resting: Pictures, smiling: Pictures):
    from mien.training.expression.statistics import face_statistics

    index = resting.who.reset_index().set_index("person")["index"]
    before = resting.measures[index.loc[smiling.who.person].to_numpy()]
    return face_statistics(resting.measures, before, smiling.measures, tuple(resting.who.person))


def judged(head: ExpressionHead, resting: Pictures, smiling: Pictures) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables with a row a picture: of the faces at rest, and of the smiles."""
    probs, aus = read(head, resting)
    at_rest = resting.who.assign(label=probs.argmax(axis=1), confidence=probs.max(axis=1))
    at_rest[list(ACTION_UNITS)] = aus
    index = resting.who.reset_index().set_index("person")["index"].loc[smiling.who.person].to_numpy()
    alone, _ = read(head, smiling)
    own_neutral, units = read(head, smiling, resting.landmarks[index])
    _, calm = read(head, resting[index], resting.landmarks[index])
    smiles = smiling.who.assign(label=alone.argmax(axis=1), confidence=alone.max(axis=1),
                                own=own_neutral.argmax(axis=1),
                                smile=units[:, SMILE], above=units[:, SMILE] > calm[:, SMILE])
    smiles[[f"own {unit}" for unit in ACTION_UNITS]] = units
    return at_rest, smiles


def in_folds(resting: Pictures, smiling: Pictures) -> tuple[pd.DataFrame, pd.DataFrame]:
    from mien.training.expression.fit import HeadSettings, fit_head

    people = np.array(sorted(resting.who.person))
    fold = dict(zip(people, np.random.default_rng(0).permutation(len(people)) % FOLDS, strict=True))
    of_rest, of_smile = (faces.who.person.map(fold).to_numpy() for faces in (resting, smiling))
    settings = replace(HeadSettings(), faces=120_000)  # to be quick
    parts = []
    for each in range(FOLDS):
        statistics = statistics_of(resting[of_rest != each], smiling[of_smile != each])
        head, _ = fit_head(statistics, settings, seed=each)
        parts.append(judged(head, resting[of_rest == each], smiling[of_smile == each]))
        print(f"fold {each + 1} of {FOLDS}", file=sys.stderr)
    return tuple(pd.concat(each) for each in zip(*parts, strict=True))  # type: ignore[return-value]


def print_linear(resting: Pictures, smiling: Pictures) -> None:
    """What a logistic regression on the same measures gives that was trained on these very classes, in the folds."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = np.concatenate([resting.measures, smiling.measures])
    smiles = np.repeat([False, True], [len(resting.who), len(smiling.who)])
    people = pd.concat([resting.who.person, smiling.who.person])
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    result = cross_val_predict(model, rows, smiles, groups=people, cv=GroupKFold(FOLDS))
    print("A logistic regression on the measures, trained on the smiles and neutral faces of the other folds: "
          f"{share(pd.Series(~result[~smiles]))} of the neutral faces, {share(pd.Series(result[smiles]))} of the "
          "smiles.\n")


def table(header: list[str], rows: list[list[str]]) -> None:
    print("| " + " | ".join(header) + " |\n" + "|---" * len(header) + "|")
    print("\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n")


def share(hits: pd.Series) -> str:
    return f"{int(hits.sum())} of {len(hits)} ({100 * hits.mean():.0f} %)" if len(hits) else "-"


def print_judged(name: str, at_rest: pd.DataFrame, smiles: pd.DataFrame) -> None:
    from mien.training.expression.fit import calibration_error

    print(f"### {name}\n")
    groups = {"all": lambda rows: rows.sex.notna() | True}
    for column in ("descent", "sex"):
        groups |= {value: (lambda rows, c=column, v=value: rows[c] == v) for value in at_rest[column].dropna().unique()}
    groups |= {"age below 25": lambda rows: rows.age < 25, "age 25 to 34": lambda rows: rows.age.between(25, 34),
               "age 35 and above": lambda rows: rows.age >= 35}
    rows = []
    for title, chosen in groups.items():
        rest, smile = at_rest[chosen(at_rest)], smiles[chosen(smiles)]
        rows.append([title, share(rest.label == NEUTRAL), share(smile.label == HAPPY), share(smile.own == HAPPY),
                     share(smile.smile > 2), share(smile.above)])
    table(["people", "neutral read as neutral, none given", "smile read as happy, none given",
           "smile, own neutral given", "AU12 above 2, given", "AU12 above the neutral face's"], rows)
    table(["unit", *(unit[2:] for unit in ACTION_UNITS)],
          [["neutral faces above 1, %", *(f"{100 * (at_rest[unit] > 1).mean():.0f}" for unit in ACTION_UNITS)],
           ["smiles, own neutral: mean", *(f"{smiles[f'own {unit}'].mean():.1f}" for unit in ACTION_UNITS)]])
    sure = np.concatenate([at_rest.confidence, smiles.confidence])
    right = np.concatenate([at_rest.label == NEUTRAL, smiles.label == HAPPY])
    print(f"Expected calibration error on these pictures, none given: {calibration_error(sure, right):.3f} (mean "
          f"confidence {sure.mean():.2f}, right {right.mean():.2f}).\n")


def print_simulated(head: ExpressionHead, resting: Pictures, smiling: Pictures) -> None:
    from mien.training.expression.simulate import simulate

    statistics, rows = statistics_of(resting, smiling), []
    for known, title in ((0, "not known"), (len(KNOWN_SECONDS) - 1, "given")):
        for strength in (2.0, 3.0, 4.0):
            faces = simulate(statistics, 14_000, 99, strength=strength, known=known, balanced=True)
            target, result = faces.target.argmax(axis=1), head.of_features(faces.features).argmax(axis=1)
            recall = [(result[target == index] == index).mean() for index in range(len(EXPRESSION.classes))]
            rows.append([title, f"{strength:.0f}", *(f"{value:.2f}" for value in recall)])
    print("### Recall on simulated people (measures drawn, no picture), shipped weights\n")
    table(["neutral face", "intensity", *EXPRESSION.classes], rows)


def print_landmarks(folder: Path, faces: Pictures) -> None:
    errors = []
    for landmarks, person in zip(faces.landmarks, faces.who.person, strict=True):
        path = folder / "neutral" / f"{person}.tem"
        lines = path.read_text().split("\n")
        truth = np.array([[float(value) for value in line.split()] for line in lines[1 : int(lines[0]) + 1]]) / 2
        eyes = np.linalg.norm(truth[0] - truth[1])
        errors.append([100 * np.linalg.norm(truth[ours] - landmarks[mesh, :2]) / eyes for ours, mesh in SAME.items()])
    mean = np.mean(errors, axis=0)
    print(f"### Landmarks\n\n{len(SAME)} of the 189 template points name a place that the mesh has too. Distance in "
          f"% of that of the pupils, {len(errors)} neutral faces: mean {mean.mean():.1f}, 95th percentile "
          f"{np.percentile(errors, 95):.1f}.\n")
    table(["template point", *map(str, SAME)], [["mean, %", *(f"{value:.1f}" for value in mean)]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("../shared/real/london"))
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--seen", action="store_true")
    parser.add_argument("--statistics", type=Path)
    arguments = parser.parse_args()
    if not (arguments.folder / "info.csv").is_file():
        sys.exit(f"{arguments.folder}: expected the folder of the London set; name it as the first argument")
    faces = load(arguments.folder, arguments.cache)
    smiling, resting = faces[faces.who.set == "smiling"], faces[faces.who.set != "smiling"]
    if arguments.statistics:
        from mien.training.expression.statistics import save_statistics

        save_statistics(statistics_of(resting, smiling), arguments.statistics)
        print(f"see {arguments.statistics}")
        return
    print(f"`python benchmarks/london.py`: {len(resting.who)} neutral faces, {len(smiling.who)} of the same people "
          "smiling\n")
    if not arguments.seen:
        print_judged("Ten folds of people", *in_folds(resting, smiling))
    print_linear(resting, smiling)
    print_judged("Seen: the shipped weights, whose statistics contain these people",
                 *judged(default_head(), resting, smiling))
    print_simulated(default_head(), resting, smiling)
    print_landmarks(arguments.folder, resting[resting.who.set == "neutral"])


if __name__ == "__main__":
    main()
