"""Cosines against scikit-learn's, the threshold against what it promises, the shipped model on what is no digit."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from explorer import checkpoints, data
from explorer.analysis import novelty
from explorer.analysis.answer import classify
from explorer.text import Problem


def features(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, n)
    return (3 * rng.normal(size=(5, 16))[labels] + rng.normal(size=(n, 16))).astype(np.float32), labels


def test_cosines_are_those_of_scikit_learn():
    vectors, labels = features()
    means = np.stack([vectors[labels == k].mean(0) for k in range(5)])
    expected = cosine_similarity(vectors, means).max(1)
    found = novelty.similarity(vectors, novelty.class_means(vectors, labels, 5))
    assert found == pytest.approx(expected, abs=1e-6)


def test_length_does_not_count_and_an_absent_class_is_never_near():
    vectors, labels = features()
    means = novelty.class_means(vectors, labels, 7)
    assert not means[5:].any() and np.linalg.norm(means[:5], axis=1) == pytest.approx(1, abs=1e-6)
    found = novelty.similarity(vectors, means)
    assert novelty.similarity(100 * vectors, means) == pytest.approx(found, abs=1e-6)
    assert novelty.similarity(np.zeros((1, 16), np.float32), means) == 0


@pytest.mark.parametrize("coverage", [0.5, 0.9, 0.95, 1.0])
def test_the_threshold_keeps_what_it_promises_and_no_more(coverage):
    vectors, labels = features()
    found = novelty.similarity(vectors, novelty.class_means(vectors, labels, 5))
    threshold = novelty.threshold_for(found, coverage)
    assert (found >= threshold).mean() >= coverage
    assert (found > threshold).mean() < coverage


@pytest.mark.parametrize("coverage", [0, -0.1, 1.1])
def test_a_coverage_outside_its_range_is_refused(coverage):
    with pytest.raises(Problem):
        novelty.threshold_for(np.full(3, 0.5), coverage)


def test_hostile_features_are_refused():
    vectors, labels = features(8)
    with pytest.raises(Problem, match="at least one"):
        novelty.threshold_for(np.zeros(0))
    for broken in (vectors[0], np.where(vectors > 0, np.nan, vectors), vectors[:3]):
        with pytest.raises(Problem, match="Class means need"):
            novelty.class_means(broken, labels, 5)


def test_the_shipped_digits_model_knows_what_is_no_digit():
    """Photographs, noise and flat grey: the highest probability alone let five of six of them pass."""
    loaded, rng = checkpoints.load("digits-fastnet", "cpu"), np.random.default_rng(0)
    strange = {
        "photographs": np.asarray(data.load("cifar10-sheet").images[:100]),
        "noise": rng.integers(0, 256, (50, 3, 32, 32), dtype=np.uint8),
        "grey": np.broadcast_to(np.arange(0, 250, 5, dtype=np.uint8)[:, None, None, None], (50, 3, 32, 32)),
    }
    for name, pictures in strange.items():
        fit = np.mean([answer.fits for answer in classify(loaded, pictures)])
        assert fit <= 0.2, name
    digits = data.load("digits", "test").images
    assert np.mean([answer.fits for answer in classify(loaded, digits)]) > 0.9
