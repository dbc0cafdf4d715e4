"""Exact neighbours: the law is a float64 argsort, ties by id; and every way to get it wrong that others have found."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from explorer.analysis import exact, retrieval
from explorer.analysis.retrieval import METRICS, Exact, Neighbours, nearer, random_pairs, search
from explorer.text import Problem

K = 10


def made(kind: str = "relu", n: int = 3000, d: int = 64, seed: int = 0) -> np.ndarray:
    """float32 (n, d) with exact duplicates planted: row 7 thirty times, and the first 50 rows twice."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    if kind == "relu":
        x = np.maximum(x, 0)
    if kind == "far":  # all in one direction, as pixels are: float32 alone would not tell the near ones apart
        x = x + 30
    if kind == "crowded":
        x = 1e-3 * x + rng.normal(size=(10, d)).repeat(n // 10, 0)
    x = x.astype(np.float32)
    x[100:130], x[200:250] = x[7], x[:50]
    return x


def asked(n: int) -> np.ndarray:
    """float32 (n, 64), none of `made`."""
    return made(seed=1)[300 : 300 + n]


def law(vectors, queries, k, metric, without=None) -> Neighbours:
    """What float64 and a whole sort say."""
    a, ids, values = vectors.astype(np.float64), [], []
    lengths = np.sqrt((a * a).sum(1))
    for row, q in enumerate(queries.astype(np.float64)):
        if metric == "cosine":
            keys = -(a * q).sum(1) / (lengths * np.sqrt((q * q).sum()))
        else:
            keys = np.sqrt(((a - q) ** 2).sum(1))
        if without is not None and without[row] >= 0:
            keys[without[row]] = np.inf
        order = np.lexsort((np.arange(len(keys)), keys))[:k]
        ids.append(order)
        values.append(np.clip(-keys[order], -1, 1) if metric == "cosine" else keys[order])
    return Neighbours(np.array(ids), np.array(values))


def same(found: Neighbours, expected: Neighbours) -> bool:
    return np.array_equal(found.ids, expected.ids) and np.allclose(
        found.values, expected.values, 1e-12, 1e-12
    )


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", ["relu", "normal", "far", "crowded"])
def test_it_is_what_float64_finds(kind: str, metric: str) -> None:
    """1,000 queries of the gallery itself, many of them duplicates, in the four kinds together."""
    vectors = made(kind)
    own = np.concatenate([np.arange(130), np.random.default_rng(1).integers(0, 3000, 120)])
    found = search(vectors, vectors[own], K, metric, own)
    assert same(found, law(vectors, vectors[own], K, metric, own))
    assert found.ids.dtype == np.int64 and found.values.dtype == np.float64 and found.ids.shape == (250, K)


@pytest.mark.parametrize("metric", METRICS)
def test_one_query_is_answered_as_among_many(metric: str) -> None:
    vectors, queries = made(), asked(60)
    gallery = Exact(vectors)
    many = gallery.search(queries, K, metric)
    for k in range(0, 60, 7):
        one = gallery.search(queries[k : k + 1], K, metric)
        assert np.array_equal(one.ids[0], many.ids[k]) and np.array_equal(one.values[0], many.values[k])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("n", "k"), [(1, 1), (5, 5), (63, 10), (257, 256), (700, 100), (2999, 1500)])
def test_of_any_size_and_as_many_as_asked(n: int, k: int, metric: str) -> None:
    vectors, queries = made()[:n], asked(3)
    assert same(search(vectors, queries, k, metric), law(vectors, queries, k, metric))


def test_distances_are_roots_and_the_one_of_itself_is_nothing() -> None:
    """FAISS's L2 is the square, and -x.y tricks leave negative squares (faiss #192, #297)."""
    vectors = np.array([[0, 0], [3, 4], [6, 8]], np.float32)
    assert search(vectors, vectors[:1], 3, "euclidean").values.tolist() == [[0, 5, 10]]
    far = made("far")
    found = search(far, far, 1, "euclidean")
    assert found.values.min() >= 0 and found.values.max() == 0


def test_cosine_works_on_copies() -> None:
    """faiss.normalize_L2 works in place: whoever searches by distance after that gets unit vectors' distances."""
    vectors, queries = made(), asked(40)
    before = vectors.copy(), queries.copy()
    gallery = Exact(vectors)
    first = gallery.search(queries, K, "euclidean")
    gallery.search(queries, K, "cosine")
    assert np.array_equal(vectors, before[0]) and np.array_equal(queries, before[1])
    again = gallery.search(queries, K, "euclidean")
    assert np.array_equal(first.ids, again.ids) and np.array_equal(first.values, again.values)


def test_unit_vectors_are_ranked_alike_by_both_and_raw_ones_are_not() -> None:
    raw, queries = made("normal")[300:], asked(1000)
    unit = exact.units(raw, exact.lengths(raw))
    cosine, distance = (search(unit, queries, K, metric) for metric in METRICS)
    unit_queries = exact.units(queries, exact.lengths(queries))
    distance = search(unit, unit_queries, K, "euclidean")
    assert (cosine.ids == distance.ids).mean() > 0.9999  # up to rounding of float32 copies
    assert np.allclose(distance.values**2, 2 - 2 * cosine.values, atol=1e-5)
    other = search(raw, queries, K, "euclidean").ids
    shared = np.mean([len(np.intersect1d(a, b)) for a, b in zip(cosine.ids, other)]) / K
    assert 0.1 < shared < 0.9


def test_ties_are_in_order_of_their_ids_and_itself_is_left_out_by_its_id() -> None:
    vectors = made()
    equal = np.array([7, *range(100, 130), 207])
    for metric in METRICS:
        found = search(vectors, vectors[[120]], 31, metric, np.array([120]))
        assert found.ids[0].tolist() == equal[equal != 120].tolist()
        assert len(set(found.values[0])) == 1
        assert (
            search(vectors, vectors[[120]], 1, metric).ids[0, 0] == 7
        )  # not left out, the first of the equal


def test_flat_indices_of_faiss_find_the_same() -> None:
    import faiss

    vectors, queries = made("normal")[300:], asked(50)
    squares, ids = faiss.knn(queries, vectors, K)
    found = search(vectors, queries, K, "euclidean")
    assert np.array_equal(found.ids, ids) and np.allclose(found.values**2, squares, rtol=1e-4)
    unit, unit_queries = vectors.copy(), queries.copy()
    faiss.normalize_L2(unit)
    faiss.normalize_L2(unit_queries)
    similar, ids = faiss.knn(unit_queries, unit, K, faiss.METRIC_INNER_PRODUCT)
    found = search(vectors, queries, K, "cosine")
    assert np.array_equal(found.ids, ids) and np.allclose(found.values, similar, atol=1e-5)


def test_features_from_a_file_are_not_read_at_once(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", made())
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    gallery = Exact(mapped)
    assert np.shares_memory(gallery.vectors, mapped)
    assert same(gallery.search(asked(3), K, "cosine"), law(made(), asked(3), K, "cosine"))


def test_lengths_that_float32_cannot_multiply_are_searched_in_float64() -> None:
    for scale in (1e-30, 1e-25, 1e18):
        vectors, queries = made()[:500] * np.float32(scale), asked(5) * np.float32(scale)
        for metric in METRICS:
            assert same(search(vectors, queries, K, metric), law(vectors, queries, K, metric)), (
                scale,
                metric,
            )
    mixed = made()[:500]
    mixed[3] *= np.float32(1e17)
    assert same(search(mixed, mixed[:9], K, "euclidean"), law(mixed, mixed[:9], K, "euclidean"))


def test_a_vector_of_length_0_has_no_direction() -> None:
    vectors = made()[:400]
    vectors[[5, 50]] = 0
    gallery = Exact(vectors)
    assert gallery.blank.tolist() == [5, 50] and gallery.lengths[5] == 0
    found = gallery.search(vectors[:4], 398, "cosine")
    assert not np.isin([5, 50], found.ids).any()
    assert np.isin([5, 50], gallery.search(vectors[:4], 400, "euclidean").ids).all()
    with pytest.raises(Problem, match=r"Asked for 399 neighbours; there are only 398"):
        gallery.search(vectors[:4], 399, "cosine")
    with pytest.raises(Problem, match="Query 1 has features of length 0"):
        gallery.search(vectors[4:6], 3, "cosine")
    assert gallery.search(vectors[5:6], 2, "euclidean").ids.tolist() == [[5, 50]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"k": 21}, "only 20"),
        ({"k": 20, "without": np.arange(3)}, "only 19"),
        ({"k": 0}, "at least 1 neighbour"),
        ({"k": 2.0}, "at least 1 neighbour"),
        ({"metric": "inner product"}, "Unknown metric"),
        ({"queries": np.full((3, 64), np.nan, np.float32)}, "not finite"),
        ({"queries": np.full((3, 64), 1e300)}, "not finite"),
        ({"queries": np.ones((3, 63), np.float32)}, "63 and of 64"),
        ({"queries": np.ones(64, np.float32)}, "features as floats"),
        ({"queries": np.ones((3, 64), int)}, "features as floats"),
        ({"without": np.array([0, 1])}, "leave out"),
        ({"without": np.array([0, 1, 20])}, "leave out"),
        ({"without": np.array([0, 1, -2])}, "leave out"),
        ({"without": np.zeros(3)}, "leave out"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(change: dict, words: str) -> None:
    asked_for = {"queries": made()[:3], "k": 2, "metric": "cosine", "without": None} | change
    with pytest.raises(Problem, match=words):
        Exact(made()[:20]).search(**asked_for)


@pytest.mark.parametrize(
    "vectors",
    [
        np.zeros((0, 4), np.float32), np.zeros((4, 0), np.float32), np.zeros(4, np.float32),
        np.ones((4, 4), np.uint8), np.full((4, 4), np.inf, np.float32), np.full((4, 4), 1e300),
        np.array([[1, np.nan]], np.float32),
    ],
)  # fmt: skip
def test_what_is_no_gallery_is_one_sentence(vectors: np.ndarray) -> None:
    with pytest.raises(Problem):
        Exact(vectors)


def test_no_queries_no_answers() -> None:
    assert search(made()[:200], made()[:200][:0], 3, "cosine").ids.shape == (0, 3)


def test_many_threads_may_ask_one_gallery() -> None:
    vectors, queries = made(), asked(40)
    gallery = Exact(vectors)
    expected = {metric: law(vectors, queries, K, metric) for metric in METRICS}
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda at: (at, gallery.search(queries, K, list(METRICS)[at % 2])), range(24))
        assert all(same(each, expected[list(METRICS)[at % 2]]) for at, each in found)


@pytest.mark.parametrize("metric", METRICS)
def test_shards_together_are_the_whole_bit_for_bit(metric: str) -> None:
    vectors, queries = made()[:999], asked(50)
    own = np.where(np.arange(50) % 2, np.arange(50) * 7, -1)
    whole = Exact(vectors)
    ids, values = whole.ranked(queries, K, metric, own)
    for count in (2, 3, 150):  # of the last, shards hold fewer than k
        bounds = [999 * at // count for at in range(count + 1)]
        parts = []
        for start, stop in pairwise(bounds):
            here = np.where((own >= start) & (own < stop), own - start, -1)
            found, near = Exact(vectors[start:stop]).ranked(queries, K, metric, here)
            parts.append((np.where(found >= 0, found + start, -1), near))
        together = retrieval.merged(parts, K)
        assert np.array_equal(together[0], ids) and np.array_equal(together[1], values)
    alone = retrieval.shared(vectors, queries, K, metric, own)
    assert same(alone, whole.search(queries, K, metric, own))


def test_against_random_pairs_a_value_says_the_same_in_every_layer() -> None:
    """Features after ReLU lie in one corner: strangers look alike until one asks how alike strangers are."""
    raw = np.random.default_rng(0).normal(size=(2000, 64)).astype(np.float32)
    after = np.maximum(raw, 0)
    pairs = {name: random_pairs(x, "cosine") for name, x in (("before", raw), ("after", after))}
    assert abs(pairs["before"].mean()) < 0.02 and 0.28 < pairs["after"].mean() < 0.36
    assert all((np.diff(each) >= 0).all() for each in pairs.values())
    for each in pairs.values():
        assert nearer(each, np.array([1.0, np.median(each), -1.0]), "cosine") == pytest.approx(
            [0, 0.5, 1], abs=0.01
        )
    distances = random_pairs(after, "euclidean")
    assert nearer(distances, np.array([0, np.median(distances), 1e9]), "euclidean") == pytest.approx(
        [0, 0.5, 1], abs=0.01
    )
    assert np.array_equal(distances, random_pairs(after, "euclidean")) and distances.min() > 0
    with pytest.raises(Problem, match="at least 2"):
        random_pairs(raw[:1], "cosine")


# The law catches what is wrong --------------------------------------------------------------------


class InPlace(Exact):
    """Normalises the vectors themselves."""

    def search(self, queries, k, metric="cosine", without=None):
        if metric == "cosine":
            self.vectors /= np.maximum(self.lengths, 1e-12)[:, None].astype(np.float32)
            self.__init__(self.vectors)
        return super().search(queries, k, metric, without)


class ByRank(Exact):
    """Takes the nearest for the query itself."""

    def search(self, queries, k, metric="cosine", without=None):
        found = super().search(queries, k + 1, metric)
        return Neighbours(found.ids[:, 1:], found.values[:, 1:])


class Squares(Exact):
    """Says the square."""

    def search(self, queries, k, metric="cosine", without=None):
        found = super().search(queries, k, metric, without)
        return Neighbours(found.ids, found.values**2) if metric == "euclidean" else found


class InnerProduct(Exact):
    """Forgets to divide by the lengths."""

    def search(self, queries, k, metric="cosine", without=None):
        if metric == "euclidean":
            return super().search(queries, k, metric, without)
        products = queries.astype(np.float64) @ self.vectors.T
        if without is not None:
            products[np.arange(len(queries)), without] = -np.inf
        ids = np.argsort(-products, axis=1, kind="stable")[:, :k]
        return Neighbours(ids, np.take_along_axis(products, ids, 1))


class Float32(Exact):
    """Believes the order of float32."""

    def _limit(self, worst, length, metric):
        return super()._limit(worst, length, metric) - length * 1e-3 - np.abs(worst) * self._error


class LastFirst(Exact):
    """Puts equal ones in the order in which a partition leaves them."""

    def search(self, queries, k, metric="cosine", without=None):
        turned = Exact(self.vectors[::-1])
        last = len(self.vectors) - 1
        found = turned.search(queries, k, metric, None if without is None else last - without)
        return Neighbours(last - found.ids, found.values)


@pytest.fixture(scope="module")
def expected() -> dict[str, Neighbours]:
    """Of the first 130 vectors, asked among all."""
    vectors, own = made(), np.arange(130)
    return {metric: law(vectors, vectors[own], K, metric, own) for metric in METRICS}


@pytest.mark.parametrize("wrong", [InPlace, ByRank, Squares, InnerProduct, Float32, LastFirst])
def test_the_law_catches_a_wrong_search(wrong: type[Exact], expected: dict[str, Neighbours]) -> None:
    vectors, own = made(), np.arange(130)
    for kind, right in ((Exact, True), (wrong, False)):
        gallery = kind(vectors.copy())
        fine = [same(gallery.search(vectors[own], K, name, own), expected[name]) for name in METRICS]
        assert all(fine) == right
