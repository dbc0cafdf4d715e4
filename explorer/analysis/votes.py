"""What the nearest pictures vote for: a classifier without training (Fix & Hodges 1951; Cover & Hart 1967).

The k nearest have a vote each. Of classes with equally many votes the one wins whose nearest picture is the nearest;
scikit-learn would take the one that comes first in the list of classes, which has nothing to do with the query.
"""

from dataclasses import dataclass

import numpy as np

from explorer.analysis.checks import check_labels
from explorer.text import Problem


@dataclass(frozen=True)
class Votes:
    """counts: int64 (Q, K), votes for each class;  winner: int64 (Q,), -1 for a query without neighbours."""

    counts: np.ndarray
    winner: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """float64 (Q, K), the votes as shares of all of the query's; 0 without neighbours."""
        return self.counts / np.maximum(self.counts.sum(1, keepdims=True), 1)


@dataclass(frozen=True)
class Torn:
    """Queries that two judges put into different classes, the most striking first.

    query: int64 (M,);  a, b: int64 (M,), what each says
    gap: float64 (M,) in [0, 2], how far ahead each judge sees its class of the other's, added: 2 = both are unanimous
    """

    query: np.ndarray
    a: np.ndarray
    b: np.ndarray
    gap: np.ndarray

    def __len__(self) -> int:
        return len(self.query)


def labels_of(ids: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The classes int64 (Q, k) of neighbours (Q, k) among pictures with labels int (N,); -1 where there is nobody."""
    ids = np.asarray(ids)
    if ids.ndim != 2 or ids.dtype.kind not in "iu" or (ids.size and ids.max() >= len(labels)):
        raise Problem(
            "Expected neighbours (Q, k) among {n} pictures, got {dtype} {shape} up to {largest}.",
            n=len(labels),
            dtype=ids.dtype,
            shape=ids.shape,
            largest=ids.max() if ids.size else "-",
        )
    if not len(labels):
        return np.full(ids.shape, -1, np.int64)
    return np.where(ids >= 0, np.asarray(labels)[ids], -1).astype(np.int64)


def winners(found: np.ndarray, classes: int) -> np.ndarray:
    """Who wins as more are asked: int64 (Q, k), column j from the j + 1 nearest; -1 without neighbours.

    found: int (Q, k), the neighbours' classes, nearest first, -1 for nobody
    """
    _check(found, classes)
    rows = np.arange(len(found))
    counts = np.zeros((len(found), classes), np.int64)
    first = np.full((len(found), classes), found.shape[1])  # the rank of the class's nearest picture
    leader = np.full(len(found), -1)
    columns = np.empty(found.shape, np.int64)
    for j, voted in enumerate(found.T):
        there = rows[voted >= 0]
        voted = voted[there]
        counts[there, voted] += 1
        first[there, voted] = np.minimum(first[there, voted], j)
        # only the class that was just voted for can overtake
        ahead = leader[there]
        more = counts[there, voted] - counts[there, ahead]
        takes = (ahead < 0) | (more > 0) | ((more == 0) & (first[there, voted] < first[there, ahead]))
        leader[there] = np.where(takes, voted, ahead)
        columns[:, j] = leader
    return columns


def vote(found: np.ndarray, classes: int) -> Votes:
    """Count the votes of neighbours with the classes int (Q, k), nearest first, -1 for nobody."""
    leaders = winners(found, classes)
    rows, columns = np.nonzero(found >= 0)
    flat = np.bincount(rows * classes + found[rows, columns], minlength=len(found) * classes)
    winner = leaders[:, -1] if found.shape[1] else np.full(len(found), -1)
    return Votes(flat.reshape(len(found), classes), winner)


def torn(shares_a: np.ndarray, shares_b: np.ndarray, a: np.ndarray, b: np.ndarray) -> Torn:
    """Where two judges disagree: votes under two metrics, or votes and a classifier's probabilities.

    shares_a, shares_b: float (Q, K), each row what a judge gives the classes;  a, b: int (Q,), what it decides, -1
    for nothing; who decides nothing disagrees with nobody.
    """
    if shares_a.shape != shares_b.shape or a.shape != b.shape or len(a) != len(shares_a):
        raise Problem(
            "Two judges of the same queries and classes were expected, got {a} and {b}.",
            a=shares_a.shape,
            b=shares_b.shape,
        )
    query = np.flatnonzero((a != b) & (a >= 0) & (b >= 0))
    one, other = a[query], b[query]
    gap = shares_a[query, one] - shares_a[query, other] + shares_b[query, other] - shares_b[query, one]
    order = np.argsort(-gap, kind="stable")
    return Torn(query[order], one[order], other[order], gap[order].astype(np.float64))


def _check(found: np.ndarray, classes: int) -> None:
    if found.ndim != 2:
        raise Problem("Expected the classes of neighbours (Q, k), got shape {shape}.", shape=found.shape)
    if found.size:
        check_labels(np.maximum(found, 0).ravel(), classes)
