"""How far two rankings of the same pictures agree: ids in common, their order, and who moved where.

Kendall's tau (1938) is the share of pairs in the same order minus that of pairs in the other. Lists that end after k
know different ids, so there are two of it: over the ids that both know, and over all ids of either, where one that
a list lacks comes after everything it has. Two ids that one list lacks have no order there and count as neither: the
neutral penalty, p = 1/2, of Fagin, Kumar & Sivakumar 2003 (Comparing top k lists, SIAM J. Discrete Math. 17).
"""

from dataclasses import dataclass

import numpy as np

from explorer.analysis.asking import check_asked, check_enough
from explorer.analysis.retrieval import Exact, Neighbours
from explorer.text import Problem

PAIRS = 4_000_000  # pairs of ids that are held in memory at once
MARGIN = 64  # pictures beyond 4 k that may be among the k nearest although float32 says they are not


@dataclass(frozen=True)
class Agreement:
    """Of Q pairs of rankings, float64 (Q,) each.

    overlap: share of ids in common, in [0, 1]
    tau: over the ids in both, in [-1, 1]; nan where these are fewer than two
    tau_top: over the ids of either, in [-1, 1]; nan where these are fewer than two
    """

    overlap: np.ndarray
    tau: np.ndarray
    tau_top: np.ndarray


@dataclass(frozen=True)
class Move:
    """A picture's rank in one ranking, from 1, and in the other: None where it is not there."""

    id: int
    rank: int
    other: int | None

    @property
    def by(self) -> int | None:
        """How many places nearer (> 0) or further (< 0) it is in this ranking than in the other."""
        return None if self.other is None else self.other - self.rank


def agreement(a: np.ndarray, b: np.ndarray) -> Agreement:
    """Compare rankings int (Q, k) with rankings int (Q, m) row by row, nearest first; -1 is nobody.

    Raises Problem for rankings of different queries, and where an id comes twice.
    """
    a, b = _rankings(a), _rankings(b)
    if len(a) != len(b):
        raise Problem(
            "Rankings of {a} and of {b} queries cannot be compared; give both of the same ones.",
            a=len(a),
            b=len(b),
        )
    block = max(1, PAIRS // max(1, (a.shape[1] + b.shape[1]) ** 2))
    parts = [_block(a[top : top + block], b[top : top + block]) for top in range(0, len(a), block)]
    found = np.concatenate(parts, 1) if parts else np.zeros((3, 0))
    return Agreement(*found)


def moves(a: np.ndarray, b: np.ndarray) -> list[Move]:
    """Where each picture of ranking a int (k,) stands in ranking b int (m,), in the order of a; -1 is nobody."""
    a, b = _rankings(a[None])[0], _rankings(b[None])[0]
    other = {int(id): rank for rank, id in enumerate(b, 1) if id >= 0}
    return [Move(int(id), rank, other.get(int(id))) for rank, id in enumerate(a, 1) if id >= 0]


def _rankings(ids: np.ndarray) -> np.ndarray:
    ids = np.asarray(ids)
    if ids.ndim != 2 or ids.dtype.kind not in "iu":
        raise Problem(
            "Expected rankings as whole numbers (Q, k), got {dtype} {shape}.",
            dtype=ids.dtype,
            shape=ids.shape,
        )
    ordered = np.sort(ids, 1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        raise Problem("A ranking holds the same picture twice.")
    return ids.astype(np.int64, copy=False)


def _block(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """overlap, tau and tau_top of rankings (Q, k) and (Q, m): float64 (3, Q)."""
    (n, k), m = a.shape, b.shape[1]
    same = (a[:, :, None] == b[:, None, :]) & (a >= 0)[:, :, None]  # (Q, k, m)
    in_b, in_a = same.any(2), same.any(1)
    # the ids of either, those of a first: (Q, k + m)
    rank_a = np.concatenate([np.broadcast_to(np.arange(k), (n, k)), np.full((n, m), k)], 1)
    where = same.argmax(2) if m else np.zeros((n, k), np.int64)
    rank_b = np.concatenate([np.where(in_b, where, m), np.broadcast_to(np.arange(m), (n, m))], 1)
    either = np.concatenate([a >= 0, (b >= 0) & ~in_a], 1)
    both = np.concatenate([in_b, np.zeros((n, m), bool)], 1)
    alike = _signs(rank_a) * _signs(rank_b)  # 1: same order, -1: other order, 0: no order in one of them
    longest = np.maximum((a >= 0).sum(1), (b >= 0).sum(1))
    overlap = in_b.sum(1) / np.maximum(longest, 1)
    return np.stack([overlap, _tau(alike, both), _tau(alike, either)])


def _signs(ranks: np.ndarray) -> np.ndarray:
    return np.sign(ranks[:, :, None] - ranks[:, None, :]).astype(np.int8)


def nothing_shared(k: int) -> float:
    """The tau_top of two rankings of k >= 1 without an id in common: of k (2 k - 1) pairs k² stand in the other order,
    and the others have none."""
    return -k / (2 * k - 1)


def _tau(alike: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Mean of alike (Q, u, u) over the pairs of different ids that are counted (Q, u); nan without any."""
    pairs = counted[:, :, None] & counted[:, None, :]
    total = counted.sum(1) * (counted.sum(1) - 1.0)
    sums = np.where(pairs, alike, 0).sum((1, 2), dtype=np.float64)
    return np.divide(sums, total, out=np.full(len(total), np.nan), where=total > 0)


# --- from one ranking to the other --------------------------------------------------------------------------------


def shortened(vectors: np.ndarray, t: float) -> np.ndarray:
    """x / |x|^t of float (N, D), as float32: t = 0 leaves the vectors, t = 1 leaves their directions; 0 stays 0."""
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    divisor = np.where(lengths > 0, lengths, 1.0) ** t
    return (vectors / divisor[:, None]).astype(np.float32)


def morphed(
    gallery: Exact, queries: np.ndarray, t: float, k: int, without: np.ndarray | None = None
) -> Neighbours:
    """The k nearest of a gallery for queries (Q, D) by Euclidean distance between x / |x|^t and q / |q|^t.

    t in [0, 1]. At 0 that is the Euclidean ranking. At 1 it is the cosine's, because of unit vectors d² = 2 - 2 cos;
    both ends are searched as such, so that rounding does not reorder ties. A vector of length 0 has no direction: it
    is somebody's neighbour for t < 1 only, and as a query it is refused at t = 1, as the cosine has it.
    values: the distances, ascending
    """
    if not 0 <= t <= 1:
        raise Problem("Expected t from 0 (Euclidean) to 1 (cosine), got {t}.", t=t)
    if t == 0:
        return gallery.search(queries, k, "euclidean", without)
    if t == 1:
        found = gallery.search(queries, k, "cosine", without)
        return Neighbours(found.ids, np.sqrt(np.maximum(2 - 2 * found.values, 0)))
    queries, k, without = check_asked(queries, k, "euclidean", without, gallery.vectors.shape)
    check_enough(k, gallery.available("euclidean", without))
    found = [_morphed(gallery, query, t, k, own) for query, own in zip(queries, without)]
    ids = np.array([each for each, _ in found], np.int64).reshape(len(queries), k)
    return Neighbours(ids, np.array([each for _, each in found], np.float64).reshape(len(queries), k))


def _morphed(gallery: Exact, query: np.ndarray, t: float, k: int, own: int) -> tuple[np.ndarray, np.ndarray]:
    """(ids, distances) (k,) of one query. One float32 product chooses MARGIN more than asked for, float64 ranks them: a
    copy of all vectors for every place of a slider would take a second."""
    length = float(np.linalg.norm(query.astype(np.float64)))
    below, under = _powers(gallery.lengths, t), float(_powers(np.array([length]), t)[0])
    products = (gallery.vectors @ query).astype(np.float64)
    keys = (gallery.lengths / below) ** 2 + (length / under) ** 2 - 2 * products / (below * under)
    if own >= 0:
        keys[own] = np.inf
    most = min(4 * k + MARGIN, len(keys))
    near = np.sort(np.argpartition(keys, most - 1)[:most])
    near = near[near != own]
    apart = gallery.vectors[near].astype(np.float64) / below[near, None] - query.astype(np.float64) / under
    distances = np.sqrt((apart * apart).sum(1))
    order = np.argsort(distances, kind="stable")[:k]
    return near[order], distances[order]


def _powers(lengths: np.ndarray, t: float) -> np.ndarray:
    """lengths ** t, float64 (N,); 1 for a length of 0, which stays 0 divided by anything."""
    return np.where(lengths > 0, lengths, 1.0) ** t
