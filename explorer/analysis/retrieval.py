"""The nearest pictures by cosine or by Euclidean distance: exactly those that float64 finds.

    found = search(vectors, queries, 10, "cosine")          # ids and similarities, the best first

On unit vectors d^2 = 2 - 2 cos, so both metrics rank alike; on others the longer of two vectors in one direction is as
near by cosine and further by distance. How it is done: exact.py. How it is done nearly, and faster: hnsw.py.
"""

import numpy as np

from explorer.analysis import together
from explorer.analysis.asking import (
    METRICS,
    Neighbours,
    as_neighbours,
    check_asked,
    check_enough,
    check_metric,
)
from explorer.analysis.exact import Exact
from explorer.text import Problem

__all__ = [
    "METRICS",
    "Exact",
    "Neighbours",
    "merged",
    "nearer",
    "random_pairs",
    "search",
    "shared",
]

PAIRS = 10_000


def search(
    vectors: np.ndarray,
    queries: np.ndarray,
    k: int,
    metric: str = "cosine",
    without: np.ndarray | None = None,
) -> Neighbours:
    """`Exact(vectors).search(...)`, for a gallery that is asked once."""
    return Exact(vectors).search(queries, k, metric, without)


def shared(
    vectors: np.ndarray,
    queries: np.ndarray,
    k: int,
    metric: str = "cosine",
    without: np.ndarray | None = None,
) -> Neighbours:
    """`search` with the gallery divided among the processes that torchrun started: each looks through its part, and all
    get what one process would find, bit for bit. Alone: `search`."""
    rank, world = together.join()
    n = len(vectors)
    together.check_shares(n)
    start, stop = n * rank // world, n * (rank + 1) // world

    def own() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        part = Exact(vectors[start:stop])
        asked, count, left_out = check_asked(queries, k, metric, without, (n, part.vectors.shape[1]))
        here = np.where((start <= left_out) & (left_out < stop), left_out - start, -1)
        ids, values = part.ranked(asked, count, metric, here)
        return np.where(ids >= 0, ids + start, -1), values, part.available(metric, here)

    parts = together.each(own)
    check_enough(k, sum(available for _, _, available in parts))
    return as_neighbours(*merged([part[:2] for part in parts], k), metric)


def merged(parts: list[tuple[np.ndarray, np.ndarray]], k: int) -> tuple[np.ndarray, np.ndarray]:
    """(ids, values) (Q, k) of the best among what several galleries ranked, as `Exact.ranked` gives it."""
    ids, values = (np.concatenate(each, 1) for each in zip(*parts))
    order = np.lexsort((ids, values))[:, :k]
    return np.take_along_axis(ids, order, 1), np.take_along_axis(values, order, 1)


def random_pairs(vectors: np.ndarray, metric: str, count: int = PAIRS, seed: int = 0) -> np.ndarray:
    """Similarities or distances of `count` random pairs of different pictures, ascending: float64 (count,).

    What a similarity is worth depends on the layer: where no feature is negative all vectors point into one corner, and
    strangers have a cosine of 0.7. Against random pairs a value says the same everywhere. Vectors of length 0 have no
    cosine.
    """
    gallery = Exact(vectors)
    chosen = (
        np.flatnonzero(gallery.lengths > 0) if check_metric(metric) == "cosine" else np.arange(len(vectors))
    )
    if len(chosen) < 2:
        raise Problem("Expected at least {least} pictures, got {n}.", least=2, n=len(chosen))
    rng = np.random.default_rng(seed)
    first = rng.integers(0, len(chosen), count)
    second = (first + rng.integers(1, len(chosen), count)) % len(chosen)
    found = gallery.values(chosen[first], chosen[second], metric)
    return np.sort(found)


def nearer(pairs: np.ndarray, values: np.ndarray, metric: str) -> np.ndarray:
    """The share of random pairs (as `random_pairs` gives them) that are at least as near as `values`: float64, 0..1."""
    if check_metric(metric) == "cosine":
        return 1 - np.searchsorted(pairs, values, "left") / len(pairs)
    return np.searchsorted(pairs, values, "right") / len(pairs)
