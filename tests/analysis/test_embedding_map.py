"""PCA against numpy's SVD, t-SNE by what it promises, further vectors where they belong, and one seed one map."""

import numpy as np
import pytest

from explorer.analysis.embedding_map import METHODS, clusters, make, place, sample
from explorer.analysis.retrieval import Exact
from explorer.text import Problem
from tests.analysis.test_votes import blobs


def groups(n: int = 150, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three groups far apart in 12 dimensions."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    return (8 * np.eye(12)[labels] + rng.normal(size=(n, 12))).astype(np.float32), labels


def purity(places: np.ndarray, labels: np.ndarray) -> float:
    """How often the nearest other point of a map has the same label."""
    ids = Exact(places).search(places, 1, "euclidean", np.arange(len(places))).ids[:, 0]
    return float((labels[ids] == labels).mean())


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_pca_is_the_singular_value_decomposition(metric: str) -> None:
    x, labels = blobs(200)
    found = make(x, labels, "pca", metric)
    used = x / np.linalg.norm(x, axis=1, keepdims=True) if metric == "cosine" else x
    _, values, axes = np.linalg.svd(used - used.mean(0), full_matrices=False)
    assert np.abs((found.axes * axes[:2]).sum(1)) == pytest.approx(1, abs=1e-3)
    assert found.explained == pytest.approx(values[:2] ** 2 / (values**2).sum(), rel=1e-4)
    assert np.abs(found.places) == pytest.approx(np.abs((used - used.mean(0)) @ axes[:2].T), abs=1e-3)
    assert place(found, x[:7]) == pytest.approx(found.places[:7], abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_groups_stay_together_and_a_seed_is_a_map(method: str) -> None:
    x, labels = groups()
    found = make(x, labels, method, most=120, seed=1)
    assert found.ids.shape == (120,) and found.total == 150 and found.places.shape == (120, 2)
    assert purity(found.places, labels[found.ids]) > 0.97
    again = make(x, labels, method, most=120, seed=1)
    assert np.array_equal(found.places, again.places) and np.array_equal(found.ids, again.ids)
    assert not np.array_equal(found.ids, make(x, labels, method, most=120, seed=2).ids)
    further, own = groups(60, seed=5)
    near = Exact(found.places).search(place(found, further), 1, "euclidean").ids[:, 0]
    assert (labels[found.ids][near] == own).mean() > 0.95


def test_on_a_tsne_map_a_shown_vector_stands_among_its_neighbours() -> None:
    x, labels = groups()
    found = make(x, labels, "tsne")
    ids = Exact(found.shown).search(found.shown[3:4], 5, "euclidean").ids[0]
    assert place(found, x[3:4])[0] == pytest.approx(found.places[ids].mean(0), rel=1e-5)


def test_lengths_do_not_count_under_cosine() -> None:
    x, labels = groups()
    longer = x * np.random.default_rng(0).choice([1, 2, 4], (len(x), 1)).astype(np.float32)
    assert np.array_equal(make(x, labels).places, make(longer, labels).places)
    assert not np.allclose(
        make(x, labels, "pca", "euclidean").places, make(longer, labels, "pca", "euclidean").places
    )


def test_the_sample_keeps_the_proportions_of_the_classes() -> None:
    labels = np.repeat([0, 1, 2], [600, 300, 100])
    found = sample(labels, 100)
    assert np.bincount(labels[found]).tolist() == [60, 30, 10] and (np.diff(found) > 0).all()
    assert len(sample(labels, 7)) == 7 and len(sample(labels, 1)) == 1
    assert np.array_equal(sample(labels, 1000), np.arange(1000))
    assert np.array_equal(sample(labels, 100, 3), sample(labels, 100, 3))
    assert not np.array_equal(sample(labels, 100, 3), sample(labels, 100, 4))


def test_kmeans_finds_the_groups_and_numbers_them_by_size() -> None:
    x, labels = groups()
    found = clusters(x, 3)
    assert (np.diff(np.bincount(found)) <= 0).all() and np.array_equal(found, clusters(x, 3))
    for k in range(3):
        assert len(set(labels[found == k])) == 1
    assert not clusters(x, 1).any() and len(set(clusters(x[:4], 4))) == 4


@pytest.mark.parametrize("method", METHODS)
def test_odd_sets_make_a_map_all_the_same(method: str) -> None:
    rng = np.random.default_rng(0)
    for x in (
        np.ones((9, 4)),  # all equal
        np.zeros((9, 4)),  # no direction
        rng.normal(size=(9, 1)),  # a line
        rng.normal(size=(5, 40)),  # fewer pictures than numbers
        np.concatenate([np.zeros((2, 4)), rng.normal(size=(8, 4))]),
    ):
        x = x.astype(np.float32)
        found = make(x, np.zeros(len(x), int), method)
        assert np.isfinite(found.places).all() and found.places.shape == (len(x), 2)
        assert np.isfinite(place(found, x[:2])).all()


def test_what_makes_no_map_is_refused() -> None:
    x, labels = groups(20)
    with pytest.raises(Problem, match="Unknown map"):
        make(x, labels, "umap")
    with pytest.raises(Problem, match="Unknown metric"):
        make(x, labels, "pca", "dot")
    with pytest.raises(Problem, match="not finite"):
        make(np.where(x > 0, np.nan, x), labels)
    with pytest.raises(Problem, match="at least 2 pictures"):
        make(x[:1], labels[:1])
    with pytest.raises(Problem, match="at least 5 pictures"):
        make(x[:4], labels[:4], "tsne")
    with pytest.raises(Problem, match="Expected 20 class numbers"):
        make(x, labels[:5])
    with pytest.raises(Problem, match="at least 1 pictures"):
        make(x, labels, most=0)
    for method in METHODS:
        with pytest.raises(Problem, match="cannot be compared"):
            place(make(x, labels, method), x[:, :3])
    for count in (0, 21):
        with pytest.raises(Problem, match="1 to 20 groups"):
            clusters(x, count)
