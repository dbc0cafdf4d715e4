"""precision@k, R-precision and MAP@R against a slow loop, examples worked by hand, and the laws they obey."""

import numpy as np
import pytest

from explorer.analysis import relevance
from explorer.analysis.relevance import at_r, precision
from explorer.analysis.retrieval import Exact
from explorer.text import Problem
from tests.analysis.test_votes import blobs


def by_hand(x, labels, queries, own, metric, without) -> list[tuple[float, float]]:
    """(R-precision, MAP@R) of each query, place by place, from distances in float64."""
    x, queries = x.astype(np.float64), queries.astype(np.float64)
    if metric == "cosine":
        x, queries = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, queries))
    found = []
    for q, query in enumerate(queries):
        order = [i for i in np.argsort(((x - query) ** 2).sum(1), kind="stable") if i != without[q]]
        r = sum(labels[i] == own[q] for i in range(len(x)) if i != without[q])
        hits, total = 0, 0.0
        for place, i in enumerate(order[:r], 1):
            if labels[i] == own[q]:
                hits += 1
                total += hits / place
        found.append((hits / r, total / r))
    return found


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("within", [False, True])
def test_against_a_slow_loop(metric: str, within: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relevance, "BLOCK", 30)  # several blocks, the last not full
    (x, labels), (queries, own) = blobs(150), blobs(70, seed=1)
    without = np.full(70, -1)
    if within:
        queries, own, without = x[:70], labels[:70], np.arange(70)
    steps: list[tuple[int, int]] = []
    found = at_r(Exact(x), labels, queries, own, metric, without, lambda *step: steps.append(step))
    expected = by_hand(x, labels, queries, own, metric, without)
    assert np.stack([found.r_precision, found.map_r], 1) == pytest.approx(np.array(expected))
    assert steps == [(30, 70), (60, 70), (70, 70)]


def test_musgraves_example_tells_apart_what_r_precision_does_not() -> None:
    """Table 2 of the paper, R = 10: places 1, 10 and places 1, 2; then all ten right."""
    line = np.arange(1, 21, dtype=np.float32)[:, None]
    for places, r_precision, map_r in (
        ([1, 10], 0.2, (1 + 2 / 10) / 10),
        ([1, 2], 0.2, 0.2),
        (list(range(1, 11)), 1, 1),
        ([], 0, 0),
    ):
        beyond = list(range(11, 21 - len(places)))
        labels = np.isin(np.arange(1, 21), places + beyond).astype(int)
        found = at_r(Exact(line), labels, np.zeros((1, 1), np.float32), np.array([1]), "euclidean")
        assert (found.r[0], found.r_precision[0], found.map_r[0]) == (10, r_precision, pytest.approx(map_r))


def test_a_class_that_is_not_in_the_gallery_can_not_be_found() -> None:
    x, labels = blobs(30)
    own = np.array([7, labels[0]])
    found = at_r(Exact(x), labels, x[[1, 0]], own, "cosine")
    assert np.isnan(found.map_r[0]) and np.isnan(found.r_precision[0]) and found.r[0] == 0
    assert 0 < found.map_r[1] <= 1
    alone = at_r(Exact(x[:1]), labels[:1], x[:1], labels[:1], "cosine", np.array([0]))
    assert alone.r.tolist() == [0] and np.isnan(alone.map_r).all()


def test_a_picture_without_a_direction_is_never_found_by_cosine() -> None:
    x, _ = blobs(30)
    x[4] = 0
    found = at_r(Exact(x), np.zeros(30, int), x[:3], np.zeros(3, int), "cosine", np.arange(3))
    assert (found.r == 29).all() and found.map_r == pytest.approx(1)  # it stands last, of the right class
    found = at_r(Exact(x), (np.arange(30) == 4) * 1, x[:1], np.ones(1, int), "cosine")
    assert found.map_r[0] == 0 and np.isfinite(found.map_r).all()


def test_one_class_only_is_perfect_and_so_are_classes_far_apart() -> None:
    x, labels = blobs(50)
    same = at_r(Exact(x), np.zeros(50, int), x, np.zeros(50, int), "euclidean", np.arange(50))
    assert (same.map_r == 1).all() and (same.r == 49).all()
    apart = (np.eye(4, dtype=np.float32) * 50)[labels] + 0.01 * x[:, :4]
    found = at_r(Exact(apart), labels, apart, labels, "cosine", np.arange(50))
    assert (found.map_r == 1).all() and (found.r_precision == 1).all()


def test_precision_counts_places_and_a_missing_one_as_wrong() -> None:
    found = np.array([[1, 1, 0, 1], [0, 0, 0, 0], [2, -1, -1, -1]])
    assert precision(found, np.array([1, 1, 2]), 4).tolist() == [0.75, 0, 0.25]
    assert precision(found, np.array([1, 1, 2]), 1).tolist() == [1, 0, 1]
    for k, own in ((5, [1, 1, 2]), (0, [1, 1, 2]), (2, [1, 1])):
        with pytest.raises(Problem, match="Precision at"):
            precision(found, np.array(own), k)


def test_hostile_labels_are_refused() -> None:
    x, labels = blobs(20)
    with pytest.raises(Problem, match="Expected 20 class numbers, got 19"):
        at_r(Exact(x), labels, x, labels[:19], "cosine")
    with pytest.raises(Problem, match="class number"):
        at_r(Exact(x), labels - 5, x, labels, "cosine")
    with pytest.raises(Problem, match="at least one class number"):
        at_r(Exact(x), labels, x[:0], labels[:0], "cosine")
