"""Action units from landmarks: against planted movements, SciPy's solvers and the table of the paper."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import lsq_linear
from scipy.spatial.transform import Rotation

from mien import simulation
from mien.core.observations import Frame
from mien.core.tasks import ACTION_UNITS, EXPRESSION
from mien.face import PROTOTYPES, AUEstimator, FaceMeasurements, au_regression, blinks, expression
from mien.face.au_regression import MATRIX, NOISE, solve
from mien.face.distances import MEASURES, POINTS, distances
from mien.face.head_pose import REFERENCE, RIGID, WEIGHTS, angles, head_frame
from mien.face.tracker import Tracker
from mien.face.tracker_settings import TrackerSettings
from mien.simulation import expressions

SIZE = (640, 480)
AU = {name: index for index, name in enumerate(ACTION_UNITS)}


def mesh_of(picture: np.ndarray) -> np.ndarray:
    tracker = Tracker(settings=TrackerSettings(faces=1, confirmations=1, probation=0.0))
    (face,) = tracker.update(Frame(0.0, picture))
    assert face.landmarks is not None
    return np.asarray(face.landmarks, dtype=np.float64)


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    """(478, 3) px: the mesh on a rendered neutral face."""
    return mesh_of(simulation.Scene((simulation.Actor(simulation.identity(2)),), seconds=0.1).frame(0).rgb)


@pytest.fixture(scope="module")
def smile() -> np.ndarray:
    """(478, 3) px: the mesh on a real face that smiles."""
    return mesh_of(np.ascontiguousarray(pytest.importorskip("skimage.data").astronaut()))


def px_per_mm(face: np.ndarray) -> float:
    """By the outer corners of the eyes, 90.4 mm apart on the face of average size."""
    return float(np.linalg.norm(face[33] - face[263]) / 90.4)


# mm outward, up, back: places that the FACS manual says move, on both sides. Landmark numbers are written again, on
# purpose: the mesh's documentation is the source, not the code under test.
BROW_ENDS = (107, 66, 55, 65, 336, 296, 285, 295)
BROW_TAILS = (70, 63, 46, 53, 300, 293, 276, 283)
UPPER_LIDS, LOWER_LIDS = (158, 159, 160, 385, 386, 387), (144, 145, 153, 373, 374, 380)
CORNERS = (61, 76, 62, 78, 291, 306, 292, 308)
CHEEKS = (50, 205, 101, 118, 280, 425, 330, 347)
WINGS = (129, 98, 64, 358, 327, 294)
UPPER_LIP = (13, 82, 81, 312, 311, 37, 39, 0, 267, 269)
LOWER_LIP = (14, 87, 317, 178, 402, 17, 84, 314, 181, 405)
CHIN = (18, 200, 199, 175, 152, 148, 377, 176, 400)
MOVES: dict[str, dict[tuple[int, ...], tuple[float, float, float]]] = {
    "AU01": {BROW_ENDS: (0, 5, 0)},
    "AU02": {BROW_TAILS: (0, 6, 0), (66, 65, 296, 295): (0, 4, 0)},
    "AU04": {BROW_ENDS: (-1, -4, 0)},
    "AU05": {UPPER_LIDS: (0, 2.5, 0)},
    "AU07": {LOWER_LIDS: (0, 2, 0), UPPER_LIDS: (0, -1.5, 0)},
    "AU09": {WINGS: (0, 4, 0), BROW_ENDS: (0, -2, 0), CHEEKS: (0, 2, 0)},
    "AU10": {UPPER_LIP: (0, 4, 0), WINGS: (0, 1.5, 0)},
    "AU12": {CORNERS: (8, 8, 4), CHEEKS: (0, 3, 0), WINGS: (2, 3, 0), UPPER_LIP: (0, 3, 0), LOWER_LIP: (0, 1, 0)},
    "AU15": {CORNERS: (0, -6, 0)},
    "AU17": {LOWER_LIP: (0, 3, 0), UPPER_LIP: (0, 2, 0), CHIN: (0, 2.5, 0)},
    "AU20": {CORNERS: (7, 0, 0)},
    "AU25": {UPPER_LIP: (0, 1.5, 0), LOWER_LIP: (0, -5, 0)},
    "AU26": {LOWER_LIP: (0, -14, 0), CHIN: (0, -14, 0)},
    "AU45": {UPPER_LIDS: (0, -6.5, 0), LOWER_LIDS: (0, 1.5, 0)},
}


def moved(face: np.ndarray, unit: str, share: float) -> np.ndarray:
    out, scale = face.copy(), px_per_mm(face)
    middle = face[[168, 1], 0].mean()
    for places, (outward, up, back) in MOVES[unit].items():
        for place in places:
            side = np.sign(face[place, 0] - middle)
            out[place] += scale * share * np.array([side * outward, -up, back])
    return out


def turned(face: np.ndarray, pitch: float, yaw: float, roll: float) -> np.ndarray:
    """Turn about the head's centre. In the picture y counts down and z away, which turns two of the three signs."""
    turn = Rotation.from_euler("y", -yaw, degrees=True) * Rotation.from_euler("x", -pitch, degrees=True)
    turn = turn * Rotation.from_euler("z", roll, degrees=True)
    centre = face.mean(axis=0)
    return (face - centre) @ turn.as_matrix().T + centre


def read(reader: AUEstimator, landmarks: np.ndarray, fps: float = 30.0) -> FaceMeasurements:
    return reader.measure(np.arange(len(landmarks)) / fps, landmarks, SIZE)


def test_rotation_is_scipys(face: np.ndarray) -> None:
    _, ours = head_frame(face[None], POINTS)
    seen = face[RIGID] * [1, -1, -1]
    theirs, _ = Rotation.align_vectors(
        seen - WEIGHTS @ seen, REFERENCE - WEIGHTS @ REFERENCE, weights=WEIGHTS
    )
    np.testing.assert_allclose(ours[0], theirs.as_matrix(), atol=1e-9)


@pytest.mark.parametrize(("axis", "degrees"), [(0, 15), (0, -20), (1, 25), (1, -30), (2, 20), (2, -35)])
def test_pose_is_what_was_planted(axis: int, degrees: float) -> None:
    straight = REFERENCE * [1, -1, -1] * 2.0
    head = np.zeros((478, 3))
    head[RIGID] = straight
    plan = [0.0, 0.0, 0.0]
    plan[axis] = degrees
    result = angles(head_frame(turned(head, *plan)[None], POINTS)[1])[0]
    np.testing.assert_allclose(result, plan, atol=1e-6)


def test_pose_signs_are_those_of_the_contract() -> None:
    """Up: the nose rises against the eyes. To the person's left: it moves to the picture's right. To the person's left
    shoulder: the person's left eye sinks. In the picture y counts down."""
    head = np.zeros((478, 3))
    head[RIGID] = REFERENCE * [1, -1, -1]
    nose, left_eye, eyes = 4, 263, [33, 263]
    up, left, tilt = turned(head, 20, 0, 0), turned(head, 0, 20, 0), turned(head, 0, 0, 20)
    assert up[nose, 1] - up[eyes, 1].mean() < head[nose, 1] - head[eyes, 1].mean()
    assert left[nose, 0] - left[eyes, 0].mean() > head[nose, 0] - head[eyes, 0].mean()
    assert tilt[left_eye, 1] > tilt[33, 1]
    poses = np.stack([angles(head_frame(x[None], POINTS)[1])[0] for x in (up, left, tilt)])
    assert (np.diag(poses) > 19).all()


def test_measures_do_not_see_pose_size_and_place(face: np.ndarray) -> None:
    straight, gaze = distances(head_frame(face[None], POINTS)[0])
    turns = (turned(face, 20, 0, 0), turned(face, -10, 20, 5), turned(face, 0, -20, -30))
    for other in (*turns, 3.7 * face, face + [90, -40, 7]):
        again, look = distances(head_frame(other[None], POINTS)[0])
        np.testing.assert_allclose(again, straight, atol=1e-6)
        np.testing.assert_allclose(look, gaze, atol=1e-5)


@pytest.mark.parametrize("unit", MOVES)
def test_a_planted_movement_moves_its_unit(face: np.ndarray, unit: str) -> None:
    shares = np.linspace(0, 1, 6)
    aus = read(AUEstimator(face[None]), np.stack([moved(face, unit, share) for share in shares])).aus
    unit_rows = aus[:, AU[unit]]
    assert unit_rows[0] < 0.1
    assert (np.diff(unit_rows) >= -1e-9).all()
    assert unit_rows[-1] > 1.5
    others = np.delete(aus[-1], [AU[unit]] + ([AU["AU25"]] if unit == "AU26" else []))  # an open jaw parts the lips
    assert unit_rows[-1] > 2 * others.max()


@pytest.mark.parametrize(("pitch", "yaw"), [(0, 20), (0, -20), (10, 0), (-10, 10)])
def test_units_survive_a_turn(face: np.ndarray, pitch: float, yaw: float) -> None:
    both = face, moved(face, "AU12", 0.7)
    straight = read(AUEstimator(face[None]), np.stack(both)).aus
    side = read(AUEstimator(face[None]), np.stack([turned(x, pitch, yaw, 5) for x in both])).aus
    assert side[0].max() < 0.1
    # the measures are the same, only less certain under a turn
    assert side[1, AU["AU12"]] == pytest.approx(straight[1, AU["AU12"]], rel=0.2)


def test_size_does_not_matter(face: np.ndarray) -> None:
    faces = np.stack([face, moved(face, "AU12", 0.7), moved(face, "AU01", 1)])
    small = AUEstimator(0.25 * face[None]).measure(np.arange(3) / 30, 0.25 * faces, SIZE).aus
    np.testing.assert_allclose(small, read(AUEstimator(face[None]), faces).aus, atol=1e-6)


def recording(face: np.ndarray, seconds: float = 6.0, fps: float = 15.0) -> tuple[np.ndarray, np.ndarray]:
    """A head that turns, smiles and blinks, with jitter and a stretch in which it was not seen."""
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.uniform(0.6, 1.4, int(seconds * fps))) / fps
    rows = []
    for t in times:
        shown = moved(moved(face, "AU12", 0.5 + 0.5 * np.sin(t)), "AU45", float(t % 2 < 0.2))
        rows.append(turned(shown, 8 * np.sin(2 * t), 25 * np.sin(t), 3))
    landmarks = np.stack(rows) + rng.normal(0, 0.3, (len(times), 478, 3))
    landmarks[20:31] = np.nan
    landmarks[50, 5] = np.nan
    return times, landmarks


ROUNDING = 1e-12
"""Of a unit (0..5) or a degree. The sums are the same, but BLAS and LAPACK promise no order within one, and so not the
same last bits twice: once in thousands of runs two readings differed by 1.6e-15."""


@pytest.mark.parametrize("given", [False, True])
def test_fed_one_by_one_equals_fed_at_once(face: np.ndarray, given: bool) -> None:
    times, landmarks = recording(face)
    full = AUEstimator(face[None] if given else None).measure(times, landmarks, SIZE)
    rng = np.random.default_rng(0)
    some = np.sort(rng.choice(np.arange(1, len(times)), 20, replace=False))
    for cuts in (np.arange(1, len(times)), np.arange(7, len(times), 7), some):
        reader = AUEstimator(face[None] if given else None)
        chunks = zip(np.split(times, cuts), np.split(landmarks, cuts), strict=True)
        parts = [reader.measure(t, x, SIZE) for t, x in chunks]
        for name in ("aus", "pose", "gaze"):
            np.testing.assert_allclose(np.concatenate([getattr(p, name) for p in parts]), getattr(full, name),
                                       rtol=0, atol=ROUNDING)


def test_threads_of_the_algebra_change_no_bit(face: np.ndarray) -> None:
    """LAPACK's inverse of the same matrix differs in its last bits between one thread and two."""
    limits = pytest.importorskip("threadpoolctl").threadpool_limits
    times, landmarks = recording(face)
    result = []
    for threads in (1, 2):
        with limits(threads):
            result.append(AUEstimator(face[None]).measure(times, landmarks, SIZE))
    for name in ("aus", "pose", "gaze"):
        np.testing.assert_array_equal(getattr(result[0], name), getattr(result[1], name))


def test_rows_without_a_face_are_nan_and_change_nothing(face: np.ndarray) -> None:
    times, landmarks = recording(face)
    unseen = ~np.isfinite(landmarks).all(axis=(1, 2))
    result = AUEstimator().measure(times, landmarks, SIZE)
    for values in (result.aus, result.pose, result.gaze):
        assert np.isnan(values[unseen]).all()
    assert np.isfinite(result.aus[~unseen]).all()
    assert np.isfinite(result.pose[~unseen]).all()
    without = AUEstimator().measure(times[~unseen], landmarks[~unseen], SIZE)
    np.testing.assert_array_equal(without.aus, result.aus[~unseen])
    nobody = AUEstimator().measure(times, np.full_like(landmarks, np.nan), SIZE)
    assert np.isnan(nobody.aus).all()
    assert AUEstimator().measure(np.empty(0), np.empty((0, 478, 3)), SIZE).aus.shape == (0, len(ACTION_UNITS))


def test_au_estimator_leaves_hidden_units_unknown(face: np.ndarray) -> None:
    away = turned(face, 0, 60, 0)
    cut = face - [face[[61, 291], 0].mean(), 0, 0]
    shut = moved(face, "AU45", 1)
    result = read(AUEstimator(face[None]), np.stack([face, away, cut, shut]))
    np.testing.assert_array_equal(np.isnan(result.aus).all(axis=1), [False, True, True, False])
    np.testing.assert_array_equal(np.isnan(result.gaze).all(axis=1), [False, True, True, True])
    assert np.isfinite(result.pose).all()


def test_gaze_is_what_was_planted(face: np.ndarray) -> None:
    """An iris 10 degrees to the side has moved by the sine of it times the radius that it turns on."""
    scale, degrees = px_per_mm(face), np.radians(10)
    left, up = face.copy(), face.copy()
    left[[468, 473], 0] += scale * 11.7 * np.sin(degrees)
    up[[468, 473], 1] -= scale * 8.9 * np.sin(degrees)
    base, aside, above = read(AUEstimator(face[None]), np.stack([face, left, up])).gaze
    np.testing.assert_allclose(aside - base, [10, 0], atol=1)
    np.testing.assert_allclose(above - base, [0, 10], atol=1)


def test_lids_that_follow_the_eye_are_no_action_unit(face: np.ndarray) -> None:
    down, scale = face.copy(), px_per_mm(face)
    down[[468, 473], 1] += 2.5 * scale
    down[[158, 159, 160, 385, 386, 387], 1] += 2.5 * scale
    down[[144, 145, 153, 373, 374, 380], 1] += 1.0 * scale
    assert read(AUEstimator(face[None]), down[None]).aus.max() < 0.5


def test_the_solver_finds_scipys_optimum() -> None:
    rng = np.random.default_rng(1)
    truth = np.maximum(rng.normal(-1, 2, (20, MATRIX.shape[1])), 0)
    deviation = truth @ MATRIX.T + rng.normal(0, 0.5, (20, len(MEASURES)))
    spread = NOISE * rng.uniform(0.8, 3, (20, 1))
    result = solve(deviation, spread)
    for row, seen, noise in zip(result, deviation, spread, strict=True):
        weighted = MATRIX / noise[:, None]
        gram = weighted.T @ weighted
        gram[-1, -1] += au_regression.GAZE_SPREAD**-2
        rate = np.maximum(1.0, np.sqrt(np.diag(gram)))
        rate[-1] = 0
        half = np.linalg.cholesky(gram).T  # |half x - aim|^2 is the same quadratic form
        aim = np.linalg.solve(half.T, weighted.T @ (seen / noise) - rate)
        low = np.r_[np.zeros(len(ACTION_UNITS)), -np.inf]
        best = lsq_linear(half, aim, (low, np.inf), method="bvls", tol=1e-12).x
        np.testing.assert_allclose(row, best, atol=0.05)


def test_neutral_is_learnt(face: np.ndarray) -> None:
    """A brow that is low by nature, three spreads of the population: a frown at first, not after half a minute."""
    person = moved(face, "AU04", 1.7)
    rng = np.random.default_rng(0)
    landmarks = person + rng.normal(0, 0.2, (450, 478, 3))
    aus = AUEstimator().measure(np.arange(450) / 15, landmarks, SIZE).aus
    assert aus[-30:, AU["AU04"]].max() < 1
    # and now that it is known, half of a raise and half of a frown are seen
    raised = np.stack([moved(person, "AU01", 0.8), moved(person, "AU04", 0.8)])
    reader = AUEstimator()
    reader.measure(np.arange(450) / 15, landmarks, SIZE)
    seen = reader.measure(np.array([30.1, 30.2]), raised, SIZE).aus
    assert seen[0, AU["AU01"]] > 1.5
    assert seen[1, AU["AU04"]] > 1.5


def test_a_long_smile_is_not_taken_for_neutral(face: np.ndarray) -> None:
    rest, stored = np.repeat(face[None], 75, 0), np.repeat(moved(face, "AU12", 1)[None], 450, 0)
    aus = AUEstimator().measure(np.arange(525) / 15, np.concatenate([rest, stored]), SIZE).aus[:, AU["AU12"]]
    assert aus[:75].max() < 1
    assert aus[-1] > 0.8 * aus[80]


def test_a_second_reading_reads_the_same_smile_the_same(face: np.ndarray) -> None:
    """A file's rows are all relative to one neutral face: the first smile, the last, and the order do not matter."""
    times, smiles = np.arange(900) / 15, (np.arange(900) // 45) % 4 == 3  # 3 s of a smile in each 12 s
    rng = np.random.default_rng(0)
    landmarks = np.where(smiles[:, None, None], moved(face, "AU12", 0.6), face) + rng.normal(0, 0.1, (900, 478, 3))
    reader = AUEstimator()
    first = reader.measure(times, landmarks, SIZE)
    aus, probs, _ = reader.measure_again(times, first.measured, first.pose)
    levels = [aus[smiles & (times // 12 == part), AU["AU12"]].mean() for part in range(5)]
    assert np.ptp(levels) < 0.05
    assert min(levels) > 1
    assert aus[~smiles].max() < 0.5
    assert (probs[~smiles].argmax(axis=1) == EXPRESSION.classes.index("neutral")).mean() > 0.95
    again = AUEstimator()
    again.measure(times, landmarks, SIZE)
    resting, _, _ = again.measure_again(times, first.measured, first.pose, resting=times < 9)
    given = AUEstimator(neutral=landmarks[times < 9])
    stored = given.measure(times, landmarks, SIZE)
    assert np.abs(resting[:135, AU["AU12"]] - stored.aus[:135, AU["AU12"]]).max() < 0.2


def test_a_real_smile_reads_happy_from_the_first_frame(smile: np.ndarray) -> None:
    aus = AUEstimator().measure(np.arange(450) / 15, np.repeat(smile[None], 450, 0), (512, 512)).aus
    probs = expression(aus)
    for row in (0, -1):
        assert aus[row, AU["AU12"]] > 3
        assert aus[row, AU["AU25"]] > 2
        assert EXPRESSION.label(probs[row]) == "happy"
        assert probs[row].max() > 0.7
    negative = [AU[u] for u in ("AU01", "AU04", "AU15", "AU17", "AU20", "AU24")]
    assert aus[:, negative].max() < 1


def test_prototypes_are_those_of_the_table() -> None:
    """Written down twice from the paper, by two people."""
    for name, (always, others) in PROTOTYPES.items():
        if name != "neutral":
            assert set(always) == set(expressions.PROTOTYPES[name])
            assert set(others) >= set(expressions.OFTEN[name])  # the renderer plants what half of the people do


@pytest.mark.parametrize("name", EXPRESSION.classes)
@pytest.mark.parametrize("strength", [2.0, 3.5, 5.0])
@pytest.mark.parametrize("often", [False, True])
def test_a_prototype_is_its_own_class(name: str, strength: float, often: bool) -> None:
    aus = np.zeros(len(ACTION_UNITS))
    for unit, level in expressions.expression(name, strength, often).items():
        aus[AU[unit]] = level
    probs = expression(aus)
    assert EXPRESSION.label(probs) == name
    assert probs.sum() == pytest.approx(1)
    assert probs.max() > 0.5


def test_noise_has_no_confident_class() -> None:
    rng = np.random.default_rng(0)
    wild = expression(rng.uniform(0, 5, (300, len(ACTION_UNITS))))
    assert np.median(wild.max(axis=1)) < 0.3
    faint = expression(rng.uniform(0, 0.5, (300, len(ACTION_UNITS))))
    assert (faint.argmax(axis=1) == EXPRESSION.classes.index("neutral")).mean() > 0.95
    between = expression(rng.uniform(0, 1, (300, len(ACTION_UNITS))))
    between = np.delete(between, EXPRESSION.classes.index("neutral"), axis=1)
    assert np.median(between.max(axis=1)) < 0.5


def test_speech_alone_is_no_expression() -> None:
    times = np.arange(0, 10, 1 / 15)
    aus = np.zeros((len(times), len(ACTION_UNITS)))
    for unit, level in simulation.Speech(seed=1).aus(times).items():
        aus[:, AU[unit]] = level
    assert EXPRESSION.label(expression(aus).mean(axis=0)) == "neutral"


def test_a_blink_is_no_expression_and_an_unknown_unit_is_left_out() -> None:
    aus = np.zeros((2, len(ACTION_UNITS)))
    aus[1, AU["AU45"]] = 5
    np.testing.assert_array_equal(*expression(aus))
    aus[:, AU["AU12"]] = 4
    aus[1, AU["AU25"]] = np.nan
    known, unknown = expression(aus)[:, EXPRESSION.classes.index("happy")]
    assert known < unknown  # lips that are seen closed speak against a smile, lips that are not seen do not
    assert np.isnan(expression(np.full(len(ACTION_UNITS), np.nan))).all()
    assert expression(np.zeros((2, 3, len(ACTION_UNITS)))).shape == (2, 3, len(EXPRESSION.classes))
    with pytest.raises(ValueError, match=r"expected aus \(..., 18\).*got \(17,\)"):
        expression(np.zeros(17))


def closures(times: np.ndarray, starts: np.ndarray, seconds: float, depth: float = 5.0) -> np.ndarray:
    """A level that is past half for `seconds` from each start on."""
    level = np.zeros(len(times))
    for start in starts:
        closing, opening = (times - start) / 0.04 + 0.3, (start + seconds - times) / 0.04 + 0.3
        level += depth * np.clip(closing, 0, 1) * np.clip(opening, 0, 1)
    return np.minimum(level, depth)


@pytest.mark.parametrize("jitter", [0.0, 0.45])
def test_blinks_are_counted_at_true_times(jitter: float) -> None:
    rng = np.random.default_rng(5)
    times = (np.arange(1800) + rng.uniform(-jitter, jitter, 1800)) / 30
    starts = np.sort(rng.choice(np.arange(1, 59), 17, replace=False)) + rng.uniform(0, 0.3, 17)
    result, rate = blinks(times, closures(times, starts, 0.2) + rng.uniform(0, 0.8, 1800))
    np.testing.assert_allclose(result, starts, atol=0.04)
    assert rate.value == pytest.approx(17, abs=0.2)
    assert rate.unit == "1/min"
    assert rate.quality > 0.9


def test_only_short_and_deep_closures_are_blinks() -> None:
    times = np.arange(1800) / 30
    starts = np.arange(2.0, 58, 4)
    assert len(blinks(times, closures(times, starts, 0.2))[0]) == len(starts)
    assert len(blinks(times, closures(times, starts, 0.9))[0]) == 0  # eyes closed for a while
    assert len(blinks(times, closures(times, starts, 0.2, depth=2.0))[0]) == 0  # narrowed
    assert len(blinks(np.arange(18000) / 300, closures(np.arange(18000) / 300, starts, 0.02))[0]) == 0
    hidden = closures(times, starts, 0.2)
    hidden[(times % 4 > 2.1) & (times % 4 < 2.6)] = np.nan  # the face is lost in the middle of each
    assert len(blinks(times, hidden)[0]) == 0
    assert blinks(times, np.full(1800, 5.0))[1].value == 0


def test_blink_rate_abstains_with_its_reason() -> None:
    def reason(times: np.ndarray, level: np.ndarray | None = None) -> str:
        return blinks(times, np.zeros(len(times)) if level is None else level)[1].reason

    assert reason(np.arange(300) / 30) == "too_short"
    assert reason(np.arange(600) / 10) == "low_rate"
    assert reason(np.arange(1800) / 30, np.full(1800, np.nan)) == "no_face"
    half = np.zeros(1800)
    half[300:] = np.nan
    assert reason(np.arange(1800) / 30, half) == "no_face"
    assert reason(np.empty(0)) == "no_face"
    seen = np.zeros(1800)
    seen[:900] = np.nan
    _, rate = blinks(np.arange(1800) / 30, seen + closures(np.arange(1800) / 30, np.arange(32.0, 58, 3), 0.2))
    assert rate.value == pytest.approx(9 / 0.5, rel=0.02)  # by the time in which the eyes were seen
    assert rate.quality == pytest.approx(0.5, abs=0.02)


def test_errors_say_expected_and_got(face: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected \(T, 478, 3\).*got \(1, 468, 3\).*refined"):
        AUEstimator().measure(np.zeros(1), face[None, :468], SIZE)
    with pytest.raises(ValueError, match="one time a frame, got 2 times, 1 frames"):
        AUEstimator().measure(np.zeros(2), face[None], SIZE)
    with pytest.raises(ValueError, match="at least one frame with a face"):
        AUEstimator(np.full((3, 478, 3), np.nan))
    with pytest.raises(ValueError, match=r"got \(3,\) and \(2,\)"):
        blinks(np.zeros(3), np.zeros(2))
