"""Votes against scikit-learn's and a slow loop; where two judges disagree the clearest case comes first."""

from collections import Counter

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from explorer.analysis.retrieval import Exact
from explorer.analysis.votes import labels_of, torn, vote, winners
from explorer.text import Problem


def blobs(n: int = 300, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    centres = np.random.default_rng(9).normal(size=(classes, 8))
    return (centres[labels] + 1.2 * rng.normal(size=(n, 8))).astype(np.float32), labels


def winner_by_hand(found: list[int]) -> int:
    counts = Counter(label for label in found if label >= 0)
    most = max(counts.values(), default=0)
    return next((label for label in found if label >= 0 and counts[label] == most), -1)


def test_the_winner_of_every_k_against_a_slow_loop() -> None:
    found = np.random.default_rng(0).integers(-1, 4, (200, 12))
    columns = winners(found, 4)
    for q, row in enumerate(found.tolist()):
        assert columns[q].tolist() == [winner_by_hand(row[: k + 1]) for k in range(12)]
    votes = vote(found, 4)
    assert np.array_equal(votes.winner, columns[:, -1])
    assert votes.counts.tolist() == [[row.count(k) for k in range(4)] for row in found.tolist()]
    assert votes.shares.sum(1) == pytest.approx((found >= 0).any(1) * 1.0)


def test_a_tie_goes_to_the_class_of_the_nearest_and_not_to_the_first_in_the_list() -> None:
    found = np.array([[2, 1, 1, 2], [1, 2, 2, 1], [0, 3, 3, 0], [3, 0, 2, 1]])
    assert vote(found, 4).winner.tolist() == [2, 1, 0, 3]
    assert winners(found, 4)[0].tolist() == [2, 2, 1, 2]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_where_nothing_is_tied_it_is_scikit_learns_classifier(metric: str) -> None:
    (x, labels), (queries, _) = blobs(), blobs(200, seed=1)
    votes = vote(labels_of(Exact(x).search(queries, 7, metric).ids, labels), 4)
    theirs = KNeighborsClassifier(7, metric=metric, algorithm="brute").fit(x, labels)
    assert votes.shares == pytest.approx(theirs.predict_proba(queries))
    ordered = np.sort(votes.counts, 1)
    clear = ordered[:, -1] > ordered[:, -2]
    assert clear.sum() > 100
    assert np.array_equal(votes.winner[clear], theirs.predict(queries)[clear])


def test_a_query_from_the_gallery_does_not_vote_for_itself() -> None:
    x, labels = blobs(40)
    x, labels = (
        np.concatenate([x, x]),
        np.concatenate([labels, (labels + 1) % 4]),
    )  # each twice, classes apart
    found = Exact(x).search(x[:40], 1, "euclidean", np.arange(40))
    assert np.array_equal(vote(labels_of(found.ids, labels), 4).winner, labels[40:])


def test_one_class_only_and_nobody_at_all() -> None:
    one = vote(np.zeros((3, 5), int), 1)
    assert one.winner.tolist() == [0, 0, 0] and one.counts.tolist() == [[5]] * 3
    nobody = vote(np.full((2, 3), -1), 2)
    assert nobody.winner.tolist() == [-1, -1] and not nobody.shares.any()
    assert vote(np.zeros((0, 3), int), 2).winner.shape == (0,)
    assert vote(np.zeros((2, 0), int), 2).winner.tolist() == [-1, -1]


def test_the_clearest_disagreement_comes_first() -> None:
    a = np.array([[0.9, 0.1, 0], [0.6, 0.4, 0], [1, 0, 0], [0.5, 0.5, 0]])
    b = np.array([[0.2, 0.8, 0], [0.4, 0.6, 0], [0, 0, 1], [0.5, 0.5, 0]])
    found = torn(a, b, np.array([0, 0, 0, 0]), np.array([1, 1, 2, 0]))
    assert found.query.tolist() == [2, 0, 1] and found.gap == pytest.approx([2, 1.4, 0.4])
    assert found.a.tolist() == [0, 0, 0] and found.b.tolist() == [2, 1, 1] and len(found) == 3
    undecided = torn(a, b, np.array([-1, 0, 0, -1]), np.array([1, 1, -1, -1]))
    assert undecided.query.tolist() == [1]


def test_lengths_tear_the_metrics_apart() -> None:
    """Planted: near by distance stands one class, in the query's direction the other."""
    x = np.array([[1, 0.9], [1.1, 1], [30, 0], [40, 1], [50, 0]], np.float32)
    labels, query = np.array([0, 0, 1, 1, 1]), np.array([[1.5, 0]], np.float32)
    votes = [vote(labels_of(Exact(x).search(query, 3, m).ids, labels), 2) for m in ("cosine", "euclidean")]
    found = torn(votes[0].shares, votes[1].shares, votes[0].winner, votes[1].winner)
    assert (found.query.tolist(), found.a.tolist(), found.b.tolist()) == ([0], [1], [0])


def test_hostile_votes_are_refused() -> None:
    with pytest.raises(Problem, match="from 0 to 1"):
        vote(np.array([[0, 2]]), 2)
    with pytest.raises(Problem, match="neighbours"):
        vote(np.array([0, 1]), 2)
    for ids in (np.array([[0, 5]]), np.array([[0.5]]), np.array([1]), np.full((1, 2), np.nan)):
        with pytest.raises(Problem, match="among 5 pictures"):
            labels_of(ids, np.zeros(5, int))
    assert labels_of(np.full((2, 3), -1), np.zeros(0, int)).tolist() == [[-1] * 3] * 2
    shares = np.full((3, 2), 0.5)
    with pytest.raises(Problem, match="Two judges"):
        torn(shares, shares[:2], np.zeros(3, int), np.zeros(3, int))
