"""How good a ranking of pictures is, by their classes: precision@k, R-precision, MAP@R.

R is the number of pictures in the gallery that have the query's class. MAP@R (Musgrave, Belongie & Lim 2020, arXiv
2003.08505) is the mean over the first R places of the precision there, counted as 0 at a place whose picture has
another class: unlike R-precision it sees the order.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from explorer.analysis.checks import check_labels
from explorer.analysis.retrieval import Exact
from explorer.text import Problem

BLOCK = 250  # queries at a time: 50 MB of products with 50,000 pictures


@dataclass(frozen=True)
class AtR:
    """Of Q queries; r_precision, map_r: float64 (Q,) in [0, 1], nan where nothing could be found;  r: int64 (Q,)."""

    r_precision: np.ndarray
    map_r: np.ndarray
    r: np.ndarray


def precision(found: np.ndarray, own: np.ndarray, k: int = 10) -> np.ndarray:
    """float64 (Q,): the share of the k nearest that have the query's class.

    found: int (Q, m), the neighbours' classes, nearest first, m >= k; a missing one (-1) counts as wrong
    own: int (Q,), the queries' classes
    """
    if found.ndim != 2 or not 1 <= k <= found.shape[1] or len(own) != len(found):
        raise Problem(
            "Precision at {k} needs at least {k} neighbours of each query, got {shape} for {n} queries.",
            k=k,
            shape=found.shape,
            n=len(own),
        )
    return (found[:, :k] == own[:, None]).mean(1)


def at_r(
    gallery: Exact,
    labels: np.ndarray,
    queries: np.ndarray,
    own: np.ndarray,
    metric: str,
    without: np.ndarray | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> AtR:
    """R-precision and MAP@R of queries float32 (Q, D) of classes own (Q,) in a gallery with labels (N,).

    The only measure here that needs rankings as long as a class is large, 5,000 for CIFAR-10. So they come from one
    product in float32 for BLOCK queries, without `search`'s second look in float64: near-equal places may be swapped,
    equal ones go by id. Of each only whether its class is right is kept. 10,000 queries take minutes.
    without: int (Q,), the id of a query that is in the gallery itself, -1 for none; it is not counted in R either
    """
    classes = int(max(np.max(labels, initial=0), np.max(own, initial=0))) + 1
    labels, own = check_labels(labels, classes), check_labels(own, classes, len(queries))
    without = np.full(len(queries), -1) if without is None else np.asarray(without)
    itself = (without >= 0) & (labels[without] == own)
    r = np.bincount(labels, minlength=classes)[own] - itself
    r_precision, map_r = np.full(len(queries), np.nan), np.full(len(queries), np.nan)
    for top in range(0, len(queries), BLOCK):
        rows = slice(top, min(top + BLOCK, len(queries)))
        keys = _keys(gallery, queries[rows], metric)
        keys[np.flatnonzero(without[rows] >= 0), without[rows][without[rows] >= 0]] = np.inf
        for row, one in enumerate(keys, top):
            if r[row]:
                r_precision[row], map_r[row] = _of_ranking(labels[_first(one, r[row])] == own[row])
        if on_step:
            on_step(rows.stop, len(queries))
    return AtR(r_precision, map_r, r)


def _keys(gallery: Exact, queries: np.ndarray, metric: str) -> np.ndarray:
    """(Q, N), smaller for nearer vectors; vectors without a direction come last under cosine."""
    products = queries @ gallery.vectors.T
    if metric == "euclidean":
        return (gallery.lengths**2 / 2).astype(products.dtype) - products
    with np.errstate(divide="ignore", invalid="ignore"):
        products /= -gallery.lengths.astype(products.dtype)
    products[:, gallery.blank] = np.inf
    return products


def _first(keys: np.ndarray, count: int) -> np.ndarray:
    """The ids of the `count` smallest of keys (N,), equal ones by id."""
    limit = np.partition(keys, count - 1)[count - 1]
    candidates = np.flatnonzero(keys <= limit)
    return candidates[np.argsort(keys[candidates], kind="stable")][:count]


def _of_ranking(right: np.ndarray) -> tuple[float, float]:
    """R-precision and MAP@R of the first R places, right or not: bool (R,)."""
    place = np.arange(1, len(right) + 1)
    return float(right.mean()), float((right * np.cumsum(right) / place).mean())
