"""Percentiles against scipy's, copies and strangers planted; an outlier is far from its own class and from no other."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import percentileofscore

from explorer.analysis.memorisation import memorisation
from explorer.analysis.outside import Baseline, baseline, outliers, outside
from explorer.analysis.retrieval import Exact
from explorer.text import Problem
from tests.analysis.test_votes import blobs

METRICS = ["cosine", "euclidean"]


@pytest.mark.parametrize("metric", METRICS)
def test_the_percentile_is_scipys_among_distances_of_unseen_pictures(metric: str) -> None:
    (x, _), (unseen, _), (queries, _) = blobs(), blobs(100, seed=1), blobs(50, seed=2)
    usual = baseline(Exact(x), unseen, metric)
    found = outside(Exact(x), queries, usual, k=3)
    far = cdist(unseen.astype(float), x.astype(float), metric).min(1)
    near = cdist(queries.astype(float), x.astype(float), metric)
    assert usual.distances == pytest.approx(np.sort(far), abs=1e-6) and usual.n == found.n == 100
    assert found.distances == pytest.approx(np.sort(near, 1)[:, :3], abs=1e-6)
    expected = [percentileofscore(far, each, "mean") for each in near.min(1)]
    assert found.percentile == pytest.approx(expected)
    assert found.ratio == pytest.approx(near.min(1) / np.median(far), rel=1e-5)


@pytest.mark.parametrize("metric", METRICS)
def test_strangers_are_far_and_copies_are_close(metric: str) -> None:
    x, unseen, others = (3 + blobs(n, seed=seed)[0] for n, seed in ((500, 0), (300, 1), (300, 3)))
    usual = baseline(Exact(x), unseen, metric)
    strangers = outside(Exact(x), -5 * x[:20], usual)
    assert np.median(strangers.percentile) > 95
    copies = outside(Exact(x), x[:20] * np.float32(1.00001), usual)
    assert (
        (copies.percentile < 1).all() and copies.close.all() and np.array_equal(copies.ids[:, 0], range(20))
    )
    usually = outside(Exact(x), others, usual)
    assert usually.close.mean() < 0.05 and np.median(usually.percentile) == pytest.approx(50, abs=10)


def test_a_picture_of_the_gallery_is_not_its_own_neighbour() -> None:
    x, _ = blobs(60)
    own = np.arange(60)
    usual = baseline(Exact(x), x, "euclidean", own)
    assert (usual.distances > 0).all()
    found = outside(Exact(x), x, usual, without=own)
    assert found.percentile.mean() == pytest.approx(50) and (found.ids[:, 0] != own).all()


def test_it_agrees_with_memorisation_about_generated_pictures() -> None:
    (x, _), (unseen, _), (drawn, _) = blobs(400), blobs(200, seed=1), blobs(100, seed=2)
    drawn[:30] = x[:30]
    whole = memorisation(drawn, x, unseen)
    found = outside(Exact(x), drawn, baseline(Exact(x), unseen, "euclidean"))
    assert np.median(found.ratio) == pytest.approx(whole.nearest_ratio, rel=1e-5)
    assert found.close.mean() == whole.nearest_close and found.close[:30].all()


def test_where_most_unseen_pictures_are_in_the_gallery_there_is_no_ratio() -> None:
    x, _ = blobs(50)
    found = outside(Exact(x), x[:3] + 1, baseline(Exact(x), x[:20], "euclidean"))
    assert np.isnan(found.ratio).all() and (found.percentile == 100).all()
    assert not outside(Exact(x), x[:3], baseline(Exact(x), x[:20], "euclidean")).close.any()


def test_unseen_pictures_without_a_direction_are_left_out_of_a_cosine_baseline() -> None:
    x, unseen = blobs(60)[0], blobs(20, seed=1)[0]
    unseen[[2, 9]] = 0
    rest = np.delete(unseen, [2, 9], 0)
    found = baseline(Exact(x), unseen, "cosine", np.full(20, -1))
    assert found.n == 18 and np.array_equal(found.distances, baseline(Exact(x), rest, "cosine").distances)
    assert baseline(Exact(x), unseen, "euclidean").n == 20
    assert baseline(Exact(x), np.zeros_like(unseen), "cosine").n == 0


def test_hostile_queries_are_refused() -> None:
    x, _ = blobs(20)
    usual = baseline(Exact(x), x, "cosine", np.arange(20))
    for bad in (x[0], x[:, :3], np.where(x > 0, np.nan, x)):
        with pytest.raises(Problem):
            outside(Exact(x), bad, usual)
    with pytest.raises(Problem):
        outside(Exact(x), x, usual, k=21)
    with pytest.raises(Problem, match="at least 1 pictures"):
        outside(Exact(x), x, Baseline("cosine", np.zeros(0)))


@pytest.mark.parametrize("metric", METRICS)
def test_outliers_against_a_slow_loop(metric: str) -> None:
    x, labels = blobs(120)
    found = outliers(x, labels, metric, k=5)
    expected = np.empty(120)
    for i in range(120):
        members = np.flatnonzero(labels == labels[i])
        far = cdist(x[i : i + 1].astype(float), x[members[members != i]].astype(float), metric)[0]
        expected[i] = np.sort(far)[:5].mean()
    medians = np.array([np.median(expected[labels == label]) for label in labels])
    assert found.distance == pytest.approx(expected[found.ids], abs=1e-6)
    assert found.ratio == pytest.approx((expected / medians)[found.ids], rel=1e-4)
    assert (np.diff(found.ratio) <= 0).all() and len(found.ids) == 120 and found.left_out == 0


def test_a_mislabelled_picture_is_an_outlier_and_a_rare_kind_is_not() -> None:
    rng = np.random.default_rng(0)
    kinds = np.eye(6, dtype=np.float32)[[0] * 100 + [1] * 12 + [2] * 100]  # class 0 has a rare second kind
    x = 10 * kinds + rng.normal(size=(212, 6)).astype(np.float32)
    labels = np.array([0] * 112 + [1] * 100)
    labels[150] = 0
    found = outliers(x, labels)
    assert found.ids[0] == 150 and found.ratio[0] > 3 * found.ratio[1]
    assert found.ratio[np.isin(found.ids, range(100, 112))].max() < 0.3 * found.ratio[0]


def test_who_cannot_be_judged_is_left_out() -> None:
    x, labels = blobs(30)
    labels[4] = 9
    x[7] = 0
    found = outliers(x, labels, "cosine")
    assert found.left_out == 2 and not {4, 7} & set(found.ids.tolist())
    assert outliers(x, labels, "euclidean").left_out == 1
    assert len(outliers(x[:1], labels[:1]).ids) == 0
    with pytest.raises(Problem, match="Expected 30 class numbers"):
        outliers(x, labels[:3])
