"""What a search in a gallery is asked and what it answers, whoever searches: exactly (exact.py) or nearly (hnsw.py)."""

from dataclasses import dataclass

import numpy as np

from explorer.analysis.checks import check_shape
from explorer.text import N_, Problem

METRICS = {"cosine": N_("cosine"), "euclidean": N_("Euclidean")}


@dataclass(frozen=True)
class Neighbours:
    """Of Q queries the k nearest, the best first, equally near ones by id.

    ids: int64 (Q, k), rows of the gallery
    values: float64 (Q, k): similarities in [-1, 1], descending, for cosine; distances (roots, not squares), ascending
    """

    ids: np.ndarray
    values: np.ndarray


def as_neighbours(ids: np.ndarray, values: np.ndarray, metric: str) -> Neighbours:
    """From ids and values (Q, k), ascending, similarities negated; what rounding leaves beyond -1 and 1 is cut off."""
    return Neighbours(ids, np.clip(-values, -1, 1) if metric == "cosine" else values)


def check_metric(metric: str) -> str:
    """The metric itself; Problem that lists the known ones. A raw inner product is none: it prefers long vectors."""
    if metric not in METRICS:
        raise Problem(
            "Unknown metric {name}; known: {known}.", name=repr(str(metric)[:80]), known=", ".join(METRICS)
        )
    return metric


def directed(queries: np.ndarray) -> np.ndarray:
    """bool (Q,): which of queries (Q, D) have a direction. One flat picture (under HOG) or a black one (as pixels) has
    none; who asks many at once leaves it out by both metrics, and says how many."""
    return check_shape(queries, least=0).any(1)


def check_asked(
    queries: np.ndarray, k: int, metric: str, without: np.ndarray | None, shape: tuple[int, int]
) -> tuple[np.ndarray, int, np.ndarray]:
    """(queries float32 (Q, D), k, without int64 (Q,)) for a gallery of `shape` (N, D); else Problem."""
    check_metric(metric)
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinity, and is refused
        queries = np.ascontiguousarray(check_shape(queries, least=0), np.float32)
    if not np.isfinite(queries).all():
        raise Problem("The features hold values that are not finite numbers.")
    if queries.shape[1] != shape[1]:
        raise Problem(
            "Features of {a} and of {b} numbers cannot be compared.", a=queries.shape[1], b=shape[1]
        )
    if metric == "cosine" and not queries.any(1).all():
        raise Problem(
            "Query {row} has features of length 0, so it has no direction: compare it by Euclidean distance.",
            row=int((~queries.any(1)).argmax()),
        )
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise Problem("Ask for at least 1 neighbour, a whole number; got {k}.", k=k)
    without = np.full(len(queries), -1) if without is None else np.asarray(without)
    fits = without.shape == (len(queries),) and without.dtype.kind in "iu"
    if not fits or (len(without) and not -1 <= without.min() <= without.max() < shape[0]):
        raise Problem(
            "Expected one number a query to leave out, from 0 to {last} or -1 for none; got shape {shape}.",
            last=shape[0] - 1, shape=without.shape,
        )  # fmt: skip
    return queries, int(k), without.astype(np.int64)


def check_enough(k: int, available: np.ndarray) -> None:
    """Problem when some query has fewer than k neighbours; available: int64 (Q,)."""
    if len(available) and available.min() < k:
        raise Problem(
            "Asked for {k} neighbours; there are only {n} to choose from. Ask for fewer.",
            k=k,
            n=int(available.min()),
        )
