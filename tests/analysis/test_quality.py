"""One search gives what slow loops give; better features have better rows; small galleries and odd queries are said."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from explorer.analysis.asking import directed
from explorer.analysis.quality import grid, quality
from explorer.analysis.relevance import at_r
from explorer.analysis.retrieval import Exact
from explorer.analysis.votes import labels_of, vote
from explorer.text import Problem
from tests.analysis.test_votes import blobs


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_every_number_is_that_of_the_function_it_comes_from(
    metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("explorer.analysis.quality.BLOCK", 30)
    (x, labels), (queries, own) = blobs(), blobs(100, seed=1)
    steps: list[tuple[int, int]] = []
    found = quality(
        Exact(x), labels, queries, own, metric, most=20, deep=40, on_step=lambda *s: steps.append(s)
    )
    assert np.array_equal(found.ids, Exact(x).search(queries, 20, metric).ids)
    near = labels_of(found.ids, labels)
    for k in (1, 10, 20):
        assert np.array_equal(found.winners[:, k - 1], vote(near[:, :k], 4).winner)
    assert np.array_equal(found.right, found.winners == own[:, None])
    assert found.precision == pytest.approx((near[:, :10] == own[:, None]).mean(1))
    ranked = at_r(Exact(x), labels, queries[found.deep], own[found.deep], metric)
    assert np.array_equal(found.map_r, ranked.map_r) and np.array_equal(found.r_precision, ranked.r_precision)
    assert len(found.deep) == 40 and steps[-1] == (140, 140) and steps == sorted(steps)
    theirs = KNeighborsClassifier(1, metric=metric, algorithm="brute").fit(x, labels)
    assert found.right[:, 0].mean() == theirs.score(queries, own)


def test_queries_of_the_gallery_leave_themselves_out() -> None:
    x, labels = blobs(40)
    found = quality(Exact(x), labels, x, labels, "cosine", np.arange(40))
    assert found.ids.shape == (40, 39) and (found.ids != np.arange(40)[:, None]).all()


def test_a_class_that_is_not_in_the_gallery_is_wrong_and_has_no_map_at_r() -> None:
    (x, labels), (queries, own) = blobs(60, 3), blobs(20, 4, seed=1)
    found = quality(Exact(x), labels, queries, own, "cosine")
    assert not found.right[own == 3].any() and not (own[found.deep] == 3).any()
    assert np.isfinite(found.map_r).all() and len(found.deep) == (own < 3).sum()
    nobody = quality(Exact(x), labels, queries[:3], np.full(3, 3), "cosine")
    assert len(nobody.map_r) == 0 and not nobody.precision.any()


def test_pictures_without_a_direction_do_not_end_it() -> None:
    """A gallery of 30, 26 of them of length 0: no query has more than four neighbours by both metrics."""
    (x, labels), (queries, own) = blobs(30), blobs(8, seed=1)
    x[:26] = 0
    for metric in ("cosine", "euclidean"):
        assert quality(Exact(x), labels, queries, own, metric, k=2).ids.shape == (8, 4)
    queries[[0, 5]] = 0
    rows = grid({"flat": (x, queries), "whole": blobs(30)[:1] + blobs(8, seed=1)[:1]}, labels, own, k=2)
    assert [(row.feature, row.n, row.blank) for row in rows] == [
        ("flat", 6, 2), ("flat", 6, 2), ("whole", 8, 0), ("whole", 8, 0),
    ]  # fmt: skip
    rest = [1, 2, 3, 4, 6, 7]
    alone = grid({"flat": (x, queries[rest])}, labels, own[rest], k=2)
    assert [row.accuracy for row in alone] == [row.accuracy for row in rows[:2]]
    assert directed(queries).sum() == 6


def test_without_a_deep_search_there_is_no_map_at_r() -> None:
    (x, labels), (queries, own) = blobs(60), blobs(20, seed=1)
    row = grid({"x": (x, queries)}, labels, own, deep=0)[0]
    assert row.map_n == 0 and np.isnan(row.map_r)


def test_hostile_sets_are_refused() -> None:
    x, labels = blobs(12)
    with pytest.raises(Problem, match="there are only 11"):
        quality(Exact(x), labels, x, labels, "cosine", np.arange(12), k=12)
    with pytest.raises(Problem, match="Expected 12 class numbers"):
        quality(Exact(x), labels[:5], x, labels, "cosine")
    with pytest.raises(Problem, match="at least one class number"):
        quality(Exact(x), labels, x[:0], labels[:0], "cosine")
    with pytest.raises(Problem, match="Unknown metric"):
        quality(Exact(x), labels, x, labels, "dot")


def test_the_table_tells_good_features_from_bad_ones() -> None:
    (x, labels), (queries, own) = blobs(200), blobs(80, seed=1)
    rng = np.random.default_rng(0)
    sets = {
        "good": (x, queries),
        "noise": tuple(rng.normal(size=(n, 6)).astype(np.float32) for n in (200, 80)),
        "lengths": tuple(rng.gamma(2, 2, (len(y), 1)).astype(np.float32) ** 2 * y for y in (x, queries)),
    }
    steps: list[tuple[int, int]] = []
    rows = grid(sets, labels, own, on_step=lambda *step: steps.append(step))
    found = {(row.feature, row.metric): row for row in rows}
    assert list(found) == [(name, metric) for name in sets for metric in ("cosine", "euclidean")]
    assert steps[-1] == (6, 6)
    for metric in ("cosine", "euclidean"):
        good, noise = found["good", metric], found["noise", metric]
        assert good.accuracy > 0.6 > 0.45 > noise.accuracy and good.map_r > noise.map_r
        assert good.precision_low > noise.precision_high and good.low < good.accuracy < good.high
        assert (good.n, good.map_n, good.dimension, good.k, noise.dimension) == (80, 80, 8, 10, 6)
    # lengths that mean nothing: the cosine does not see them
    assert found["lengths", "cosine"].map_r == pytest.approx(found["good", "cosine"].map_r, abs=1e-4)
    assert found["lengths", "euclidean"].map_r < found["good", "euclidean"].map_r - 0.02
    with pytest.raises(Problem, match="cannot be compared"):
        grid({"x": (x, queries[:, :3])}, labels, own)
