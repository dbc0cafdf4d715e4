"""How far outside is a picture? Its distance to the nearest picture of a gallery, among those of unseen pictures.

A distance says nothing by itself, and a cosine of one layer nothing about another's. So real pictures that the gallery
does not hold, the test set, are measured first. A picture further than nearly all of them is like nothing in the
gallery; one nearer than nearly all is a copy, which is what one asks of generated pictures (memorisation.py).
"""

from dataclasses import dataclass

import numpy as np

from explorer.analysis.asking import directed
from explorer.analysis.checks import check_labels
from explorer.analysis.memorisation import CLOSE
from explorer.analysis.retrieval import Exact
from explorer.text import Problem


@dataclass(frozen=True)
class Baseline:
    """distances: float64 (n,), ascending, of n unseen pictures to the nearest of the gallery;  metric: which"""

    metric: str
    distances: np.ndarray

    @property
    def n(self) -> int:
        """How many pictures."""
        return len(self.distances)


@dataclass(frozen=True)
class Outside:
    """Where Q pictures stand.

    ids: int64 (Q, k), the nearest of the gallery;  distances: float64 (Q, k), under cosine 1 - similarity
    percentile: float64 (Q,) in [0, 100], of the nearest's distance among those of n unseen pictures: 50 = as usual,
        100 = further than all; where several are equal, the middle of them
    ratio: float64 (Q,), that distance over the unseen pictures' median; nan when that is 0
    close: bool (Q,), nearer than all but 1 % of the unseen pictures: perhaps a copy
    """

    ids: np.ndarray
    distances: np.ndarray
    percentile: np.ndarray
    ratio: np.ndarray
    close: np.ndarray
    n: int


def baseline(gallery: Exact, unseen: np.ndarray, metric: str, without: np.ndarray | None = None) -> Baseline:
    """What is usual: the distances of unseen pictures float32 (n, D), n >= 1, to the gallery.

    without: int (n,), as `Exact.search` has it, for pictures of the gallery itself
    Under cosine those of length 0 have no distance and are left out: the baseline's n says how many are not.
    """
    if metric == "cosine":
        some = directed(unseen)
        unseen, without = unseen[some], None if without is None else np.asarray(without)[some]
    return Baseline(metric, np.sort(_nearest(gallery, unseen, metric, 1, without)[1][:, 0]))


def outside(
    gallery: Exact, queries: np.ndarray, usual: Baseline, k: int = 1, without: np.ndarray | None = None
) -> Outside:
    """Where queries float32 (Q, D) stand, and their k nearest, by the metric and the gallery of the baseline."""
    if not usual.n:
        raise Problem("Expected at least {least} pictures, got {n}.", least=1, n=0)
    ids, distances = _nearest(gallery, queries, usual.metric, k, without)
    first = distances[:, 0]
    below = [np.searchsorted(usual.distances, first, side) for side in ("left", "right")]
    median = float(np.median(usual.distances))
    return Outside(
        ids,
        distances,
        percentile=100 * (below[0] + below[1]) / (2 * usual.n),
        ratio=first / median if median else np.full(len(first), np.nan),
        close=first < np.quantile(usual.distances, CLOSE),
        n=usual.n,
    )


def _nearest(
    gallery: Exact, queries: np.ndarray, metric: str, k: int, without: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    found = gallery.search(queries, k, metric, without)
    return found.ids, np.maximum(1 - found.values, 0) if metric == "cosine" else found.values


# --- far from its own class ---------------------------------------------------------------------------------------

NEIGHBOURS = 10


@dataclass(frozen=True)
class Outliers:
    """M pictures, those furthest from their own class first.

    ids: int64 (M,);  distance: float64 (M,), the mean to the nearest of the class;  ratio: float64 (M,), that over the
    median of the class;  left_out: how many have no direction, or nobody else in their class
    """

    ids: np.ndarray
    distance: np.ndarray
    ratio: np.ndarray
    left_out: int


def outliers(
    vectors: np.ndarray, labels: np.ndarray, metric: str = "cosine", k: int = NEIGHBOURS
) -> Outliers:
    """Pictures float32 (N, D) with labels int (N,) by their mean distance to the k nearest of their own class.

    Neighbours and not the class's mean (Angiulli & Pizzuti 2002): a class may have several kinds, and a rare kind is
    no outlier as long as it has k pictures. Compared with the median of the class, because some classes are wide.
    """
    labels = check_labels(labels, int(max(np.max(labels, initial=0), 0)) + 1, len(vectors))
    whole = Exact(vectors)
    distance, ratio = np.full(len(vectors), np.nan), np.full(len(vectors), np.nan)
    for label in np.unique(labels):
        members = np.flatnonzero((labels == label) & ((whole.lengths > 0) | (metric != "cosine")))
        if len(members) < 2:
            continue
        own = np.arange(len(members))
        few = min(k, len(members) - 1)
        distance[members] = _nearest(Exact(vectors[members]), vectors[members], metric, few, own)[1].mean(1)
        ratio[members] = distance[members] / max(float(np.median(distance[members])), 1e-12)
    found = np.flatnonzero(np.isfinite(distance))
    found = found[np.lexsort((found, -ratio[found]))]
    return Outliers(found, distance[found], ratio[found], len(vectors) - len(found))
