"""How good features are to search by: query by query for one metric, and a table of features by metrics.

Whatever needs only the nearest few comes from one search; R-precision and MAP@R, which need thousands, are taken on a
stratified part of the queries, and their n is said.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from explorer.analysis.asking import METRICS, directed
from explorer.analysis.checks import check_labels, check_pair
from explorer.analysis.classification import wilson
from explorer.analysis.embedding_map import sample
from explorer.analysis.paired import interval
from explorer.analysis.relevance import at_r, precision
from explorer.analysis.retrieval import Exact
from explorer.analysis.votes import labels_of, winners
from explorer.text import Problem

K, MOST = 10, 50  # neighbours that vote, and up to how many the curve goes
DEEP = 2_000  # queries that are searched R deep
BLOCK = 1_000  # queries between two reports
OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class Quality:
    """Of Q queries by one metric.

    ids: int64 (Q, m), the m nearest;  winners: int64 (Q, m), whom the 1, 2 … m nearest elect
    right: bool (Q, m), whether that is the query's class;  precision: float64 (Q,), among the first k
    deep: int64 (d,), the queries whose r_precision and map_r, float64 (d,), were measured
    """

    ids: np.ndarray
    winners: np.ndarray
    right: np.ndarray
    precision: np.ndarray
    deep: np.ndarray
    r_precision: np.ndarray
    map_r: np.ndarray


def quality(
    gallery: Exact,
    labels: np.ndarray,
    queries: np.ndarray,
    own: np.ndarray,
    metric: str,
    without: np.ndarray | None = None,
    k: int = K,
    most: int = MOST,
    deep: int = DEEP,
    on_step: OnStep | None = None,
) -> Quality:
    """Search a gallery of labels int (N,) for queries float32 (Q, D) of classes own int (Q,).

    without: int (Q,), each query's own id in the gallery, -1 for none
    most: at least k; of a small gallery as many as both metrics can name.  Queries whose class is not there have no
        MAP@R.  deep: so many are searched R deep, 0 for none
    on_step(done, total): of queries searched, those R deep counted again
    """
    classes = int(max(np.max(labels, initial=0), np.max(own, initial=0))) + 1
    labels, own = (
        check_labels(labels, classes, len(gallery.vectors)),
        check_labels(own, classes, len(queries)),
    )
    without = np.full(len(queries), -1) if without is None else np.asarray(without)
    some = sample(own, deep) if deep else np.zeros(0, np.int64)
    some = some[np.bincount(labels, minlength=classes)[own[some]] > (without[some] >= 0)]
    most = min(max(k, most), len(labels) - len(gallery.blank) - int((without >= 0).any()))
    if k > most:
        raise Problem(
            "Asked for {k} neighbours; there are only {n} to choose from. Ask for fewer.", k=k, n=most
        )
    total, found = len(queries) + len(some), []
    for top in range(0, len(queries), BLOCK):
        rows = slice(top, min(top + BLOCK, len(queries)))
        found.append(gallery.search(queries[rows], most, metric, without[rows]).ids)
        if on_step:
            on_step(rows.stop, total)
    ids = np.concatenate(found)
    near = labels_of(ids, labels)
    elected = winners(near, classes)
    told = (lambda done, _: on_step(len(queries) + done, total)) if on_step else None
    if len(some):
        ranked = at_r(gallery, labels, queries[some], own[some], metric, without[some], told)
        r_precision, map_r = ranked.r_precision, ranked.map_r
    else:
        r_precision = map_r = np.zeros(0)
    right = elected == own[:, None]
    return Quality(ids, elected, right, precision(near, own, k), some, r_precision, map_r)


@dataclass(frozen=True)
class Row:
    """One line of the table: the vote of k neighbours on n queries, precision among them, MAP@R on map_n queries (nan
    on none).

    low, high: the accuracy's 95 % interval (Wilson);  precision_low, precision_high: by bootstrap over the queries
    blank: queries that did not ask, by either metric, because their features have length 0
    """

    feature: str
    metric: str
    dimension: int
    k: int
    accuracy: float
    low: float
    high: float
    precision: float
    precision_low: float
    precision_high: float
    map_r: float
    n: int
    map_n: int
    blank: int = 0


def grid(
    sets: Mapping[str, tuple[np.ndarray, np.ndarray]],
    labels: np.ndarray,
    own: np.ndarray,
    without: np.ndarray | None = None,
    k: int = K,
    deep: int = DEEP,
    on_step: OnStep | None = None,
) -> list[Row]:
    """What each kind of features buys, by each metric: pixels, HOG, a net's layers, before and after pooling.

    sets: name -> (gallery float32 (N, D), queries (Q, D)) of the same pictures, in the same order, for all names
    labels, own: int (N,), (Q,);  deep: queries of MAP@R, 0 for none;  on_step(done, total): of the table's lines
    """
    rows = []
    for name, (vectors, queries) in sets.items():
        vectors, queries = check_pair(vectors, queries)
        gallery, some = Exact(vectors), directed(queries)
        left = None if without is None else np.asarray(without)[some]
        for metric in METRICS:
            found = quality(gallery, labels, queries[some], np.asarray(own)[some], metric, left, k, k, deep)
            rows.append(_row(name, metric, vectors.shape[1], k, found, int((~some).sum())))
            if on_step:
                on_step(len(rows), len(sets) * len(METRICS))
    return rows


def _row(name: str, metric: str, dimension: int, k: int, found: Quality, blank: int) -> Row:
    right = found.right[:, k - 1]
    low, high = wilson(int(right.sum()), len(right))
    ends = interval(found.precision)
    return Row(
        feature=name,
        metric=metric,
        dimension=dimension,
        k=k,
        accuracy=float(right.mean()),
        low=low,
        high=high,
        precision=float(found.precision.mean()),
        precision_low=float(ends[0]),
        precision_high=float(ends[1]),
        map_r=float(found.map_r.mean()) if len(found.map_r) else float("nan"),
        n=len(right),
        map_n=len(found.map_r),
        blank=blank,
    )
