"""Exact nearest neighbours: the answer of float64 at the price of float32.

One matrix product in float32 says who may be among the k nearest; these few are compared anew in float64 and sorted by
(distance, id). Who may be: a product of D terms is off by at most D / 2^24 times the two lengths, in whatever order it
is summed (Higham 2002, Accuracy and Stability of Numerical Algorithms, 3.1).

Many queries are multiplied at once. FAISS's flat index does the same with the matrix product that its package brings,
which on x86 is built for the processors of 2004; numpy's is several times as fast (benchmarks/retrieval_speed.py).
"""

import numpy as np

from explorer.analysis.asking import Neighbours, as_neighbours, check_asked, check_enough
from explorer.analysis.checks import check_shape
from explorer.text import Problem

# Lengths whose products neither vanish nor overflow in float32; others are searched in float64.
SAFE = 1e-12, 1e15
SCORES = 1 << 24  # products in memory at a time: 64 MB
GROUP = 64  # vectors in a group, of which only the best is looked at first
NUMBERS = 1 << 22  # numbers compared in float64 at a time: 32 MB


def lengths(vectors: np.ndarray) -> np.ndarray:
    """The Euclidean length of each of float32 (N, D): float64 (N,), a block at a time; NaN and infinity stay."""
    found = np.empty(len(vectors))
    step = max(1, NUMBERS // max(vectors.shape[1], 1))
    with np.errstate(invalid="ignore"):
        for start in range(0, len(vectors), step):
            block = vectors[start : start + step].astype(np.float64)
            found[start : start + step] = np.sqrt((block * block).sum(1))
    return found


def units(vectors: np.ndarray, of: np.ndarray) -> np.ndarray:
    """A normalised copy of float32 (N, D) with lengths `of` (N,); those of length 0 stay 0."""
    found = np.empty_like(vectors)
    step = max(1, NUMBERS // vectors.shape[1])
    for start in range(0, len(vectors), step):
        part = slice(start, start + step)
        found[part] = vectors[part] / np.where(of[part] > 0, of[part], 1)[:, None]
    return found


def _safe(of: np.ndarray) -> bool:
    """Whether all lengths are 0 or such that the bound on float32's error holds."""
    some = of[of > 0]
    return not len(some) or (some.min() >= SAFE[0] and some.max() <= SAFE[1])


class Exact:
    """A gallery: float32 (N, D), N >= 1, finite (other floats are rounded to float32 first). Any thread may search.

    lengths: float64 (N,);  blank: ids of vectors of length 0, which have no direction: cosine leaves them out
    """

    def __init__(self, vectors: np.ndarray):
        with np.errstate(over="ignore"):
            self.vectors = np.ascontiguousarray(check_shape(vectors), np.float32)
        self.lengths = lengths(self.vectors)
        if not np.isfinite(self.lengths).all():
            raise Problem("The features hold values that are not finite numbers.")
        self.blank = np.flatnonzero(self.lengths == 0)
        self._safe = _safe(self.lengths)
        with np.errstate(divide="ignore", over="ignore"):
            self._inverse = np.where(self.lengths > 0, -1 / self.lengths, 0).astype(np.float32)
            self._half = (self.lengths**2 / 2).astype(np.float32)
        terms = (self.vectors.shape[1] + 8) * 2.0**-24  # eight for the few operations around the product
        self._error = terms / (1 - terms)

    def search(
        self, queries: np.ndarray, k: int, metric: str = "cosine", without: np.ndarray | None = None
    ) -> Neighbours:
        """The k nearest to each of queries (Q, D). without: int64 (Q,), each query's own id here, -1 for none: it is
        left out by its id, however many are as near.

        Raises Problem for k beyond the gallery, NaN, a query of length 0 under cosine, and other widths.
        """
        queries, k, without = check_asked(queries, k, metric, without, self.vectors.shape)
        check_enough(k, self.available(metric, without))
        return as_neighbours(*self.ranked(queries, k, metric, without), metric)

    def available(self, metric: str, without: np.ndarray) -> np.ndarray:
        """How many neighbours each query can have at most, int64 (Q,)."""
        counts = np.ones(len(self.vectors) + 1, np.int64)  # the last for a query without a row here
        counts[-1] = 0
        if metric == "cosine":
            counts[self.blank] = 0
        return counts.sum() - counts[without]

    def ranked(
        self, queries: np.ndarray, k: int, metric: str, without: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """(ids, values) (Q, k) of checked queries, ascending, similarities negated; -1 and infinity where fewer are."""
        ids, values = np.full((len(queries), k), -1), np.full((len(queries), k), np.inf)
        step = max(1, SCORES // len(self.vectors))
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            of = lengths(queries[part])
            keys = self._keys(queries[part], metric, self._safe and _safe(of))
            own = np.flatnonzero(without[part] >= 0)
            keys[own, without[part][own]] = np.inf
            if metric == "cosine":
                keys[:, self.blank] = np.inf
            rows, found = self._candidates(queries[part], of, keys, k, metric)
            true = self._true(queries[part], of, rows, found, metric)
            order = np.lexsort((found, true, rows))
            rows, found, true = rows[order], found[order], true[order]
            place = np.arange(len(rows)) - np.searchsorted(rows, rows)  # 0 for the nearest of each query
            best = place < k
            ids[start + rows[best], place[best]] = found[best]
            values[start + rows[best], place[best]] = true[best]
        return ids, values

    def _keys(self, queries: np.ndarray, metric: str, safe: bool) -> np.ndarray:
        """float32 (Q, N), small for near vectors: -cosine times the query's length, or (d^2 - that length^2) / 2."""
        if not safe:  # nothing is known: everybody is a candidate
            return np.full((len(queries), len(self.vectors)), -np.inf, np.float32)
        one = len(queries) == 1
        products = (self.vectors @ queries[0])[None] if one else queries @ self.vectors.T
        if metric == "cosine":
            return np.multiply(products, self._inverse, out=products)
        return np.subtract(self._half, products, out=products)

    def _candidates(
        self, queries: np.ndarray, of: np.ndarray, keys: np.ndarray, k: int, metric: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """(query, id) of all that may be among the k nearest, int64 (P,) each; an infinite key is none.

        Vectors are looked at in groups (g, g + G, g + 2 G, ...): the best of each of the k best groups are k near ones,
        and no nearest is further than the furthest of these.
        """
        wide = max(1, min(GROUP, keys.shape[1] // (4 * k)))
        count = keys.shape[1] // wide
        groups = keys[:, : count * wide].reshape(len(keys), wide, count)
        least = groups.min(1)
        best = np.argpartition(least, min(k, count) - 1, 1)[:, :k]
        rows = np.arange(len(keys)).repeat(best.shape[1])
        near = best.ravel() + count * groups[rows, :, best.ravel()].argmin(1)
        worst = self._true(queries, of, rows, near, metric).reshape(best.shape).max(1)
        known = np.isfinite(np.take_along_axis(least, best, 1)).all(1)
        limit = np.where(known, self._limit(worst, of, metric), np.inf).astype(np.float32)
        rows, which = _within(least, limit)
        inside, at = _within(groups[rows, :, which], limit[rows])
        rest = _within(keys[:, count * wide :], limit)
        return (
            np.concatenate([rows[inside], rest[0]]),
            np.concatenate([which[inside] + count * at, rest[1] + count * wide]),
        )

    def _limit(self, worst: np.ndarray, length: np.ndarray, metric: str) -> np.ndarray:
        """The largest key that a vector can have whose true value is at most `worst`."""
        if metric == "cosine":
            return length * (worst + self._error)
        both = 2 * length + worst  # such a vector and the query together are at most so long
        return (worst**2 - length**2 + self._error * both**2) / 2

    def _true(
        self, queries: np.ndarray, of: np.ndarray, rows: np.ndarray, ids: np.ndarray, metric: str
    ) -> np.ndarray:
        """float64 (P,): -cosine or distance of queries[rows], whose lengths are `of`, to vectors `ids`, pair by pair.
        Each is summed by itself and in one order, so that equal vectors are equally near."""
        found = np.full(len(rows), np.inf)
        step = max(1, NUMBERS // self.vectors.shape[1])
        for start in range(0, len(rows), step):
            row, to = rows[start : start + step], ids[start : start + step]
            a, b = queries[row].astype(np.float64), self.vectors[to].astype(np.float64)
            if metric == "cosine":
                below = of[row] * self.lengths[to]
                np.divide(-(a * b).sum(1), below, out=found[start : start + step], where=below > 0)
            else:
                b -= a
                found[start : start + step] = np.sqrt((b * b).sum(1))
        return found

    def to_queries(self, queries: np.ndarray, ids: np.ndarray, metric: str) -> np.ndarray:
        """float64 (Q, C): -cosine or distance of queries (Q, D) to their own `ids` (Q, C); infinity for id -1."""
        found = np.full(ids.shape, np.inf)
        rows, at = np.nonzero(ids >= 0)
        found[rows, at] = self._true(queries, lengths(queries), rows, ids[rows, at], metric)
        return found

    def values(self, first: np.ndarray, second: np.ndarray, metric: str) -> np.ndarray:
        """Similarities or distances, float64 (P,), of pairs of vectors by their ids (P,)."""
        found = self._true(self.vectors, self.lengths, first, second, metric)
        return as_neighbours(first, found, metric).values


def _within(keys: np.ndarray, limit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(row, column) of the keys (R, C) that are at most their row's limit (R,), and not infinite."""
    return np.nonzero((keys <= limit[:, None]) & (keys < np.inf))
