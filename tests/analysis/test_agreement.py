"""Overlap and Kendall's tau against scipy and a slow loop; the slider is Euclidean at one end, cosine at the other."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import kendalltau

from explorer.analysis.agreement import Move, agreement, morphed, moves, nothing_shared, shortened
from explorer.analysis.retrieval import Exact
from explorer.text import Problem


def rankings(queries: int = 40, k: int = 10, pool: int = 25, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(pool)[:k] for _ in range(queries)])


def by_hand(a: list[int], b: list[int]) -> tuple[float, float]:
    """tau over ids in both, and over ids of either with p = 1/2 for pairs without an order, pair by pair."""

    def mean(ids: set[int]) -> float:
        signs = []
        for x, y in combinations(sorted(ids), 2):
            ranks = [[each.index(id) if id in each else len(each) for id in (x, y)] for each in (a, b)]
            signs.append(np.prod([np.sign(first - second) for first, second in ranks]))
        return float(np.mean(signs)) if signs else np.nan

    return mean({*a} & {*b}), mean({*a} | {*b})


def test_against_a_slow_loop_and_scipy() -> None:
    a, b = rankings(), rankings(k=7, seed=1)
    found = agreement(a, b)
    for q in range(len(a)):
        one, other = a[q].tolist(), b[q].tolist()
        common = sorted({*one} & {*other})
        assert found.overlap[q] == len(common) / 10
        assert (found.tau[q], found.tau_top[q]) == pytest.approx(by_hand(one, other), nan_ok=True)
        if len(common) > 1:
            expected = kendalltau([one.index(id) for id in common], [other.index(id) for id in common])
            assert found.tau[q] == pytest.approx(expected.statistic)


def test_over_the_ids_of_either_it_is_scipys_tau_of_tied_ranks() -> None:
    a, b = rankings(seed=2), rankings(seed=3)
    found = agreement(a, b).tau_top
    for q in range(len(a)):
        one, other = a[q].tolist(), b[q].tolist()
        ids = sorted({*one} | {*other})
        ranks = [[each.index(id) if id in each else 10 for id in ids] for each in (one, other)]
        pairs, tied = len(ids) * (len(ids) - 1) / 2, (len(ids) - 10) * (len(ids) - 11) / 2
        assert found[q] * pairs == pytest.approx(kendalltau(*ranks).statistic * (pairs - tied))


def test_the_ends_of_the_scale() -> None:
    a = rankings()
    same, turned, apart = agreement(a, a), agreement(a, a[:, ::-1]), agreement(a, a + 100)
    assert (same.overlap == 1).all() and (same.tau == 1).all() and (same.tau_top == 1).all()
    assert (turned.overlap == 1).all() and (turned.tau == -1).all() and (turned.tau_top == -1).all()
    assert not apart.overlap.any() and np.isnan(apart.tau).all()
    assert apart.tau_top == pytest.approx(-10 / 19)  # k² pairs in the other order, k (k - 1) without one
    for k in (1, 2, 7):
        assert agreement(a[:, :k], a[:, :k] + 100).tau_top == pytest.approx(nothing_shared(k))


def test_it_does_not_matter_who_comes_first_or_what_the_pictures_are_called() -> None:
    a, b = rankings(seed=4), rankings(seed=5)
    found, swapped, renamed = agreement(a, b), agreement(b, a), agreement(1000 - a, 1000 - b)
    for name in ("overlap", "tau", "tau_top"):
        for other in (swapped, renamed):
            assert np.array_equal(getattr(found, name), getattr(other, name), equal_nan=True)


def test_nobody_is_no_picture() -> None:
    a, b = rankings(), rankings(seed=1)
    padded = [np.pad(each, ((0, 0), (0, 3)), constant_values=-1) for each in (a, b)]
    found, expected = agreement(*padded), agreement(a, b)
    assert np.array_equal(found.overlap, expected.overlap)
    assert np.array_equal(found.tau, expected.tau, equal_nan=True)
    assert np.array_equal(found.tau_top, expected.tau_top)
    nobody = agreement(np.full((2, 5), -1), np.full((2, 5), -1))
    assert not nobody.overlap.any() and np.isnan(nobody.tau).all() and np.isnan(nobody.tau_top).all()
    assert agreement(np.zeros((0, 4), int), np.zeros((0, 4), int)).overlap.shape == (0,)
    assert agreement(np.zeros((3, 0), int), np.zeros((3, 0), int)).overlap.tolist() == [0, 0, 0]


def test_many_queries_are_each_as_if_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = rankings(), rankings(seed=1)
    whole = agreement(a, b)
    monkeypatch.setattr("explorer.analysis.agreement.PAIRS", 900)
    assert np.array_equal(agreement(a, b).tau_top, whole.tau_top)


def test_moves_say_where_each_picture_went() -> None:
    found = moves(np.array([4, 2, 9, -1]), np.array([2, 4, 7, 9]))
    assert found == [Move(4, 1, 2), Move(2, 2, 1), Move(9, 3, 4)]
    assert [move.by for move in found] == [1, -1, 1]
    lost = moves(np.array([5]), np.array([6]))
    assert lost == [Move(5, 1, None)] and lost[0].by is None


def test_hostile_rankings_are_refused() -> None:
    a = rankings()
    with pytest.raises(Problem, match="of 40 and of 39 queries"):
        agreement(a, a[1:])
    with pytest.raises(Problem, match="same picture twice"):
        agreement(np.array([[1, 2, 1]]), np.array([[1, 2, 3]]))
    for bad in (a[0], a.astype(float), np.full((2, 2), np.nan)):
        with pytest.raises(Problem, match="whole numbers"):
            agreement(bad, bad)


# --- the slider ---------------------------------------------------------------------------------------------------


def uneven(n: int = 300, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, 12)) * rng.gamma(2, 2, (n, 1))).astype(np.float32)


def tied(seed: int = 0) -> np.ndarray:
    """Vectors that come several times, and directions that come in several lengths, all of it exact in float."""
    rng = np.random.default_rng(seed)
    few = rng.normal(size=(20, 3))[rng.integers(0, 20, 60)]
    return (few * rng.choice([1, 2, 4], (60, 1))).astype(np.float32)[rng.integers(0, 60, 200)]


def by_distance(vectors: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """Euclidean neighbours, ties by id, from whole differences in float64."""
    x, q = vectors.astype(np.float64), queries.astype(np.float64)
    return np.argsort(((q[:, None] - x) ** 2).sum(2).round(9), axis=1, kind="stable")[:, :k]


def by_angle(vectors: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """Cosine neighbours, ties by id; vectors of length 0 come last."""
    x, q = vectors.astype(np.float64), queries.astype(np.float64)
    lengths = np.linalg.norm(q, axis=1)[:, None] * np.linalg.norm(x, axis=1)
    cosine = np.divide(q @ x.T, lengths, out=np.full(lengths.shape, -2.0), where=lengths > 0)
    return np.argsort(-cosine.round(9), axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize("vectors", [uneven(), tied(), np.concatenate([tied(3), np.zeros((5, 3))])])
def test_the_ends_of_the_slider_are_the_two_metrics(vectors: np.ndarray) -> None:
    vectors = vectors.astype(np.float32)
    queries = vectors[:190:7]
    for t, metric, expected in ((0, "euclidean", by_distance), (1, "cosine", by_angle)):
        found = morphed(Exact(vectors), queries, t, 20)
        assert np.array_equal(found.ids, expected(vectors, queries, 20))
        assert np.array_equal(found.ids, Exact(vectors).search(queries, 20, metric).ids)


def test_near_the_ends_it_is_near_the_ends() -> None:
    vectors, queries = uneven(), uneven(50, 1)
    ends = {t: morphed(Exact(vectors), queries, t, 10).ids for t in (0, 1)}
    for near, end in ((1e-4, 0), (1 - 1e-4, 1)):
        assert agreement(morphed(Exact(vectors), queries, near, 10).ids, ends[end]).overlap.mean() > 0.99
    overlaps = [
        agreement(morphed(Exact(vectors), queries, t, 10).ids, ends[1]).overlap.mean() for t in (0, 0.5, 1)
    ]
    assert overlaps[0] < overlaps[1] < overlaps[2] == 1


def test_between_the_ends_it_is_the_distance_between_the_shortened_vectors() -> None:
    vectors, queries = uneven(), uneven(20, 1)
    x, q = (v / np.linalg.norm(v, axis=1, keepdims=True) ** 0.3 for v in (vectors.astype(float), queries))
    found = morphed(Exact(vectors), queries, 0.3, 5)
    expected = np.sort(np.linalg.norm(q[:, None] - x, axis=2), axis=1)[:, :5]
    assert found.values == pytest.approx(expected, rel=1e-4)
    cosine = morphed(Exact(vectors), queries, 1, 5).values
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (vectors, queries)]
    assert cosine == pytest.approx(
        np.sort(np.linalg.norm(unit[1][:, None] - unit[0], axis=2))[:, :5], abs=1e-3
    )


def test_a_query_from_the_gallery_is_left_out_by_its_id() -> None:
    vectors = np.concatenate([uneven(50), uneven(50)])  # everything twice
    for t in (0, 0.4, 1):
        found = morphed(Exact(vectors), vectors[:10], t, 3, without=np.arange(10))
        assert found.ids[:, 0].tolist() == list(range(50, 60))


@pytest.mark.parametrize("t", [0, 1e-9, 0.5, 0.999])
def test_a_vector_without_length_makes_no_nan(t: float) -> None:
    vectors = uneven(20)
    vectors[3] = 0
    found = morphed(Exact(vectors), np.concatenate([vectors[:2], np.zeros((1, 12), np.float32)]), t, 20)
    assert np.isfinite(found.values).all() and (np.sort(found.ids) == np.arange(20)).all()
    assert found.ids[2, 0] == 3 and found.values[2, 0] == 0
    assert not shortened(vectors, t)[3].any()
    lengths = np.linalg.norm(shortened(vectors, t), axis=1)[np.arange(20) != 3]
    assert lengths == pytest.approx(np.delete(np.linalg.norm(vectors, axis=1), 3) ** (1 - t), rel=1e-4)


def test_at_the_cosine_end_it_is_no_neighbour_and_no_query() -> None:
    vectors = uneven(20)
    vectors[3] = 0
    found = morphed(Exact(vectors), vectors[:2], 1, 19)
    assert 3 not in found.ids and np.isfinite(found.values).all()
    with pytest.raises(Problem):
        morphed(Exact(vectors), vectors[3:4], 1, 5)
    with pytest.raises(Problem):
        morphed(Exact(vectors), vectors[:2], 1, 20)


def test_a_hostile_slider_is_refused() -> None:
    vectors = uneven(5)
    for t in (-0.1, 1.1, float("nan")):
        with pytest.raises(Problem, match="from 0"):
            morphed(Exact(vectors), vectors, t, 2)
    with pytest.raises(Problem, match="not finite"):
        morphed(Exact(vectors), np.where(vectors > 0, np.nan, vectors), 0.5, 2)
    with pytest.raises(Problem, match="4 and of 12 numbers"):
        morphed(Exact(vectors), vectors[:, :4], 0.5, 2)
