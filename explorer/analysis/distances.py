"""Euclidean distances between many feature vectors, a block at a time, so that memory does not grow with the sets."""

from collections.abc import Iterator

import numpy as np

BLOCK = 2048  # vectors of either side at a time: 32 MB of distances, and as much of features again
NOISE = 1e-12  # what rounding leaves of the distance of equal vectors, relative to their squared lengths


def blocks(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """(rows of a, rows of b, squared distances float64 (R, C)) until all of a (N, D) met all of b (M, D).

    Products in float64: in float32 the differences of near vectors would drown. Equal vectors are exactly 0 apart.
    """
    for top in range(0, len(a), BLOCK):
        rows = slice(top, min(top + BLOCK, len(a)))
        x = a[rows].astype(np.float64)
        length_x = (x * x).sum(1)[:, None]
        for left in range(0, len(b), BLOCK):
            columns = slice(left, min(left + BLOCK, len(b)))
            y = b[columns].astype(np.float64)
            lengths = length_x + (y * y).sum(1)
            squared = lengths - 2 * (x @ y.T)
            squared[squared < NOISE * lengths] = 0
            yield rows, columns, squared


def nearest(a: np.ndarray, b: np.ndarray, k: int = 1, within: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of b (M, D) for each of a (N, D): distances float64 (N, k), ascending, and indices int64 (N, k).

    within: a and b are the same set, and no picture is its own neighbour.  1 <= k <= M, < M within one set.
    """
    squared = np.full((len(a), k), np.inf)
    index = np.zeros((len(a), k), np.int64)
    for rows, columns, block in blocks(a, b):
        if within:
            same = np.arange(max(rows.start, columns.start), min(rows.stop, columns.stop))
            block[same - rows.start, same - columns.start] = np.inf
        here = np.arange(columns.start, columns.stop)
        if len(here) > k:
            part = np.argpartition(block, k - 1, axis=1)[:, :k]
            block, here = np.take_along_axis(block, part, 1), here[part]
        else:
            here = np.broadcast_to(here, block.shape)
        both, places = np.hstack([squared[rows], block]), np.hstack([index[rows], here])
        order = np.argsort(both, axis=1, kind="stable")[:, :k]
        squared[rows] = np.take_along_axis(both, order, 1)
        index[rows] = np.take_along_axis(places, order, 1)
    return np.sqrt(squared), index
