"""The built-in reader of expressions: its statistics, its simulation, its weights, and what it reads on real faces."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.core.tasks import ACTION_UNITS, EXPRESSION
from mien.face import AUEstimator, expression_head
from mien.face.au_regression import NOISE
from mien.face.backend import OnnxFaceBackend
from mien.face.distances import MEASURES
from mien.face.expression_head import KNOWN_SECONDS, default_head, known_share, load_head, observed, share_known
from mien.face.neutral_face import NeutralFace
from mien.face.population import Population
from mien.face.region import Region

LONDON = Path(__file__).parents[2] / "shared" / "real" / "london"
HAPPY, NEUTRAL = EXPRESSION.classes.index("happy"), EXPRESSION.classes.index("neutral")


def test_the_covariance_is_that_of_scikit_learn() -> None:
    covariance = pytest.importorskip("sklearn.covariance")
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, len(MEASURES))) @ rng.normal(size=(len(MEASURES),) * 2) + 5
    result, scale = Population.of(rows), rows.std(axis=0, ddof=1)
    theirs = covariance.LedoitWolf(assume_centered=True).fit((rows - rows.mean(axis=0)) / scale).covariance_
    np.testing.assert_allclose(result.covariance, theirs * np.outer(scale, scale), rtol=1e-9)
    np.testing.assert_allclose(result.mean, rows.mean(axis=0))


def test_the_filter_is_gaussian_conditioning() -> None:
    """Frames of a given neutral face, one after the other, give what the joint Gaussian gives at once."""
    head, rng = default_head(), np.random.default_rng(1)
    rows, pose = head.population.mean + rng.normal(size=(7, len(MEASURES))), np.zeros((7, 3))
    neutral = NeutralFace(head.population, head.effects)
    prior = neutral.covariance[:, 0, :, 0].copy()
    neutral.fix(rows, pose)
    noise = np.diag((expression_head.GIVEN * NOISE) ** 2)
    gain = prior @ np.linalg.inv(prior + noise)
    np.testing.assert_allclose(neutral.mean[:, 0], head.population.mean + gain @ (rows.mean(axis=0)
                                                                                   - head.population.mean))
    np.testing.assert_allclose(neutral.covariance[:, 0, :, 0], prior - gain @ prior, atol=1e-9)


def test_a_measure_tells_of_those_that_go_with_it() -> None:
    """A nose that sits high is seen: the lip is expected higher, too. With independent spreads it would not be."""
    population = default_head().population
    wing, lip = MEASURES.index("wing"), MEASURES.index("lip_rise")
    gain, _ = observed(population, len(KNOWN_SECONDS) - 1)
    sure = np.full(len(MEASURES), 1e6)
    sure[wing] = 1e-6
    alone = population.covariance @ np.linalg.inv(population.covariance + np.diag(sure))
    assert alone[lip, wing] > 0.5
    assert gain.shape == (len(MEASURES), len(MEASURES))


def test_more_is_known_the_longer_it_is_seen() -> None:
    shares = known_share(default_head().population)
    assert shares[0] == 0
    assert (np.diff(shares[:4]) > 0).all()
    assert shares[-1] < 1
    population = default_head().population
    assert share_known(4 * np.diag(population.covariance), population) == 0


def test_the_card_says_what_the_weights_give() -> None:
    """Accuracy and calibration on simulated people that the head did not learn from, computed again."""
    pytest.importorskip("torch")
    from mien.training.expression.fit import HeadSettings, calibrate
    from mien.training.expression.simulate import simulate
    from mien.training.expression.statistics import shipped_statistics

    card = json.loads((Path(expression_head.__file__).parent / "heads" / "simulated.json").read_text(encoding="utf-8"))
    _, figures = calibrate(default_head(), simulate(shipped_statistics(), HeadSettings().held_out, 1))
    written = card["on_simulated_people_not_learnt_from"]
    assert figures["accuracy"] == pytest.approx(written["accuracy"], abs=0.002)
    assert figures["ece"] < 0.02
    assert figures["ece"] == pytest.approx(written["ece"], abs=0.005)


def test_the_head_reads_no_less_than_a_linear_model_of_the_same_input() -> None:
    pytest.importorskip("torch")
    linear = pytest.importorskip("sklearn.linear_model")
    from mien.training.expression.simulate import simulate
    from mien.training.expression.statistics import shipped_statistics

    learn, test = (simulate(shipped_statistics(), count, seed) for count, seed in ((20_000, 11), (10_000, 12)))
    sure, judged = learn.target.max(axis=1) == 1, test.target.max(axis=1) == 1
    model = linear.LogisticRegression(max_iter=200).fit(learn.features[sure], learn.target[sure].argmax(axis=1))
    truth = test.target[judged].argmax(axis=1)
    theirs = (model.predict(test.features[judged]) == truth).mean()
    ours = (default_head().of_features(test.features[judged]).argmax(axis=1) == truth).mean()
    assert ours > theirs


def test_a_given_neutral_makes_every_hard_class_readable() -> None:
    """On simulated people; the neutral face is what tells a frown from a low brow."""
    pytest.importorskip("torch")
    from mien.training.expression.simulate import simulate
    from mien.training.expression.statistics import shipped_statistics

    recall = {}
    for known in (0, len(KNOWN_SECONDS) - 1):
        faces = simulate(shipped_statistics(), 7_000, 5, strength=3.0, known=known, balanced=True)
        target, result = faces.target.argmax(axis=1), default_head().of_features(faces.features).argmax(axis=1)
        recall[known] = np.array([(result[target == index] == index).mean() for index in range(7)])
    assert (recall[0] > 1 / 7).all()
    assert (recall[len(KNOWN_SECONDS) - 1] > recall[0]).all()
    assert (recall[len(KNOWN_SECONDS) - 1] > 0.45).all()


def test_training_repeats_itself_and_its_file_is_read_again(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from mien.training.expression.train import TINY, train_simulated

    torch.set_num_threads(1)
    first, _ = train_simulated(tmp_path / "a", 3, TINY)
    second, _ = train_simulated(tmp_path / "b", 3, TINY)
    other, _ = train_simulated(tmp_path / "c", 4, TINY)
    rows = np.random.default_rng(0).normal(size=(50, first.weights[0].shape[0]))
    np.testing.assert_array_equal(first.of_features(rows), second.of_features(rows))
    assert np.abs(first.of_features(rows) - other.of_features(rows)).max() > 0.01
    np.testing.assert_allclose(load_head(tmp_path / "a" / "simulated.npz").of_features(rows), first.of_features(rows),
                               atol=1e-6)
    assert (tmp_path / "a" / "simulated.npz").stat().st_size < 100_000
    assert json.loads((tmp_path / "a" / "simulated.json").read_text())["licence"]


def test_probabilities_are_probabilities() -> None:
    rng = np.random.default_rng(0)
    head = default_head()
    probs = head.predict(rng.normal(0, 20, (100, len(MEASURES))), rng.random(100), rng.normal(0, 30, (100, 2)))
    assert probs.shape == (100, len(EXPRESSION.classes))
    assert np.isfinite(probs).all()
    np.testing.assert_allclose(probs.sum(axis=1), 1)


def _mesh(backend: OnnxFaceBackend, path: Path) -> np.ndarray:
    rgb = np.ascontiguousarray(cv2.imread(str(path))[:, :, ::-1])
    (result,) = backend.detect(rgb)
    first = backend.mesh(rgb, Region.of_detection(result))
    assert first is not None
    second = backend.mesh(rgb, Region.of_landmarks(first))
    assert second is not None
    return second


@pytest.mark.skipif(not LONDON.is_dir(), reason=f"{LONDON} is not here: real faces are not part of the project")
def test_real_smiles_and_real_neutral_faces() -> None:
    """Ten people of the London set (CC BY 4.0); the table of all is that of benchmarks/london.py."""
    backend = OnnxFaceBackend()
    calm, happy, units = [], [], []
    for path in sorted((LONDON / "neutral").glob("*.jpg"))[::10][:10]:
        neutral, smile = (_mesh(backend, LONDON / part / path.name) for part in ("neutral", "smiling"))
        rest = AUEstimator().measure(np.zeros(1), neutral[None], (675, 900))
        shown = AUEstimator(neutral[None]).measure(np.zeros(1), smile[None], (675, 900))
        calm.append(rest.expression[0].argmax() == NEUTRAL and rest.aus.max() < 2)
        happy.append(shown.expression[0].argmax() == HAPPY)
        units.append(shown.aus[0, ACTION_UNITS.index("AU12")] > 0)
    backend.close()
    assert sum(calm) >= 8
    assert sum(happy) >= 8
    assert sum(units) >= 9
