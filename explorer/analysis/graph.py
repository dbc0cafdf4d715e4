"""Nearly the nearest, much faster: a graph in layers that is walked towards the query (Malkov and Yashunin 2016, arXiv
1603.09320), built by FAISS. `ef`, how many vectors are held in mind on the way, is the dial between speed and recall.

Always over L2, of the vectors as they are or of normalised copies, never over a raw inner product: that is no metric,
and a graph over it can find one in twenty (milvus #51821). What the graph finds is sorted by its true values, as
exact.py computes them.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from explorer.analysis.asking import Neighbours, as_neighbours, check_asked, check_enough, check_metric
from explorer.analysis.exact import Exact, lengths, units
from explorer.analysis.features import Kept
from explorer.text import N_, Problem

LINKS = 32  # M: neighbours that a vector is linked to
BUILDING = 128  # efConstruction: vectors looked at to find these
EF = 256  # the default dial: of 10,000 random vectors of 256 numbers 99 % of the ten nearest, of features all
BLOCK = 500  # vectors added at a time, between two looks whether to go on
ADDING = N_("Linking the vectors")
OnStep = Callable[[int, int], None]


@cache
def library() -> ModuleType | None:
    """FAISS, or None where it cannot be imported."""
    mac = sys.platform == "darwin"
    if mac:  # torch brings a second OpenMP there, and two that run threads crash (faiss-wheels #73, pytorch #149201)
        os.environ.setdefault("KMP_DUPLICATE_LIB_OK", "TRUE")
    try:
        import faiss
    except ImportError:
        return None
    if mac:
        faiss.omp_set_num_threads(1)
    return faiss


def faiss() -> ModuleType:
    """FAISS; Problem where it cannot be imported."""
    if library() is None:
        raise Problem(
            "The graph needs faiss, which cannot be imported here: pip install faiss-cpu. "
            "Exact search works without it."
        )
    return library()


@dataclass(frozen=True)
class Graph:
    """A gallery that can be searched nearly.

    index: FAISS's;  ids: int64, rows of the gallery that are in it (under cosine none of length 0);  metric: of METRICS
    seconds: it took to build;  about: checkpoint_sha256, fingerprint, layer of what it is built of, "" if unknown
    """

    exact: Exact
    index: Any
    ids: np.ndarray
    metric: str
    seconds: float
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Memory: the vectors, and the links between them."""
        graph = self.index.hnsw
        links = 4 * graph.neighbors.size() + 8 * graph.offsets.size() + 4 * graph.levels.size()
        return links + 4 * self.index.ntotal * self.index.d


def build(
    gallery: Exact | Kept | np.ndarray,
    metric: str = "cosine",
    on_step: OnStep | None = None,
    links: int = LINKS,
) -> Graph:
    """A graph over vectors float32 (N, D). on_step(done, total) now and then; what it raises ends the work.

    Threads add vectors at the same time, so two graphs of one gallery are alike, not equal.
    """
    check_metric(metric)
    exact = gallery if isinstance(gallery, Exact) else Exact(getattr(gallery, "vectors", gallery))
    ids = np.flatnonzero(exact.lengths > 0) if metric == "cosine" else np.arange(len(exact.vectors))
    check_enough(1, np.array([len(ids)]))
    index = faiss().IndexHNSWFlat(exact.vectors.shape[1], links)  # L2
    index.hnsw.efConstruction = BUILDING
    begun = time.perf_counter()
    for start in range(0, len(ids), BLOCK):
        some = ids[start : start + BLOCK]
        vectors = exact.vectors[some]
        index.add(units(vectors, exact.lengths[some]) if metric == "cosine" else vectors)
        if on_step:
            on_step(start + len(some), len(ids))
    return Graph(exact, index, ids, metric, time.perf_counter() - begun, about_of(gallery))


def search(
    graph: Graph, queries: np.ndarray, k: int, ef: int = EF, without: np.ndarray | None = None
) -> Neighbours:
    """Nearly the k nearest, as `Exact.search` gives them, by the graph's metric. ef: at least k are held in mind.

    Raises Problem as `Exact.search` does, for ef below 1, and when the graph reaches fewer than k.
    """
    exact, metric = graph.exact, graph.metric
    queries, k, without = check_asked(queries, k, metric, without, exact.vectors.shape)
    check_enough(k, exact.available(metric, without))
    if ef < 1:
        raise Problem("ef must be at least 1, got {ef}.", ef=ef)
    asked = units(queries, lengths(queries)) if metric == "cosine" else queries
    wide = min(k + 1, len(graph.ids))  # one more: the query itself may be among them
    how = faiss().SearchParametersHNSW(efSearch=max(int(ef), wide))
    _, found = graph.index.search(asked, wide, params=how)
    rows, places = np.nonzero(found >= 0)
    ids = np.full(found.shape, -1)
    ids[rows, places] = graph.ids[found[rows, places]]
    values = exact.to_queries(queries, ids, metric)
    values[ids == without[:, None]] = np.inf
    order = np.lexsort((ids, values))[:, :k]
    ids, values = np.take_along_axis(ids, order, 1), np.take_along_axis(values, order, 1)
    if len(values) and np.isinf(values).any():
        raise Problem(
            "The graph reached fewer than {k} vectors: raise ef above {ef}, or search exactly.", k=k, ef=ef
        )
    return as_neighbours(ids, values, metric)


def about_of(gallery: Exact | Kept | np.ndarray) -> dict[str, Any]:
    """What an index is of, as far as the gallery says it."""
    if not isinstance(gallery, Kept):
        return {}
    return {field.name: getattr(gallery, field.name) for field in fields(Kept) if field.name != "vectors"}


def describe(graph: Graph) -> dict[str, Any]:
    """What a graph is, ready for JSON; bytes: of memory, seconds: of building."""
    facts = {"metric": graph.metric, "n": len(graph.ids), "dimension": graph.index.d, "links": LINKS}
    return facts | {"building": BUILDING, "seconds": graph.seconds, "bytes": graph.bytes} | graph.about
