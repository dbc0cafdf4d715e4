"""The HNSW graph of graph.py measured against exact search, and kept on disk beside the features it is of.

    graph = build(kept, "cosine")
    rows = dial(graph, queries).rows          # recall, p50 and p95 for each ef

At CIFAR-10's size exact search is quick enough; the graph is here to be compared with it. A graph whose weights or
pictures are not those of the features is refused.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from explorer import files
from explorer.analysis import features
from explorer.analysis.asking import check_metric
from explorer.analysis.exact import Exact
from explorer.analysis.features import Kept, check_belongs
from explorer.analysis.graph import (
    ADDING,
    EF,
    Graph,
    OnStep,
    about_of,
    build,
    describe,
    faiss,
    library,
    search,
)
from explorer.checkpoints.manifest import sha256_of
from explorer.reach import allow
from explorer.text import N_

__all__ = [
    "ADDING", "ASKING", "DIAL", "EF", "Dial", "Graph", "build", "describe", "dial", "library", "load", "measured",
    "path", "save", "search",
]  # fmt: skip

DIAL = (16, 32, 64, 128, 256, 512)
ASKING = {
    False: N_("Test pictures ask, which the graph does not hold."),
    True: N_("Pictures of the graph itself ask, each left out of its answer: theirs are found more easily."),
}


@dataclass(frozen=True)
class Dial:
    """Recall against speed, of queries asked one by one on this machine, whose time depends on what else it does.

    rows: {"ef", "recall": share of the k nearest that is found, 0..1, "p50_ms", "p95_ms"} for each ef, ascending
    exact: {"p50_ms", "p95_ms", "bytes"} of exact search;  seconds, bytes: of building and holding the graph
    own: whether the queries are vectors of the graph
    """

    rows: list[dict[str, float]]
    exact: dict[str, float]
    metric: str
    k: int
    queries: int
    n: int
    dimension: int
    seconds: float
    bytes: int
    own: bool = True  # as it was before it was written down


def dial(
    graph: Graph,
    queries: np.ndarray,
    efs: Sequence[int] = DIAL,
    k: int = 10,
    without: np.ndarray | None = None,
    on_step: OnStep | None = None,
) -> Dial:
    """What each ef finds of what exact search finds, and how long both take. A vector as near as the k-th counts as
    found: of equally near ones none is the right one.

    queries: float32 (Q, D), better of pictures that the graph does not hold: one that it holds, and that `without`
        (int (Q,), -1 for none) names, is linked to its own neighbours
    """
    truth = graph.exact.search(queries, k, graph.metric, without)
    last = truth.values[:, -1:]

    def timed(ask: Callable) -> tuple[float, dict[str, float]]:
        found, spent = [], []
        for at in range(len(queries)):
            one = slice(at, at + 1)
            begun = time.perf_counter()
            found.append(ask(queries[one], None if without is None else without[one]).values)
            spent.append(1000 * (time.perf_counter() - begun))
        values = np.concatenate(found)
        near = values >= last if graph.metric == "cosine" else values <= last
        p50, p95 = np.percentile(spent, (50, 95))
        return float(near.mean()), {"p50_ms": float(p50), "p95_ms": float(p95)}

    rows = []
    for at, ef in enumerate(sorted(efs), 1):
        recall, spent = timed(lambda asked, own, ef=ef: search(graph, asked, k, ef, own))
        rows.append({"ef": ef, "recall": recall} | spent)
        if on_step:
            on_step(at, len(efs))
    _, spent = timed(lambda asked, own: graph.exact.search(asked, k, graph.metric, own))
    n, dimension = graph.exact.vectors.shape
    exact = spent | {"bytes": graph.exact.vectors.nbytes}
    own = without is not None and bool((without >= 0).any())
    return Dial(rows, exact, graph.metric, k, len(queries), n, dimension, graph.seconds, graph.bytes, own)


def path(of: Kept, metric: str) -> Path:
    """Where the graph of kept features lies, or would lie: beside them."""
    place = features.path(of.checkpoint_sha256, of.fingerprint, of.layer)
    return place.with_suffix(f".{check_metric(metric)}.hnsw")


def save(graph: Graph, place: Path, measured: Dial | None = None) -> None:
    """Write a graph of kept features, in one step, and beside it what it is of and what was measured with it."""
    allow("index")
    with files.replacing(place) as temporary:
        faiss().write_index(graph.index, str(temporary))
        found = sha256_of(temporary)
    about = graph.about | {"metric": graph.metric, "seconds": graph.seconds, "sha256": found}
    files.write_json(_beside(place), about | {"dial": asdict(measured) if measured else None})


def load(of: Kept, metric: str, place: Path | None = None, exact: Exact | None = None) -> Graph | None:
    """The graph of kept features; None when there is none or it is damaged: it is to be built then.

    exact: the same features, when somebody has them ready. Problem when the file is one of other weights, pictures,
    layer or metric.
    """
    place = place or path(of, metric)
    about = files.read_json(_beside(place))
    wanted = {key: getattr(of, key) for key in ("checkpoint_sha256", "fingerprint", "layer")}
    check_belongs(about, wanted | {"metric": check_metric(metric)}, place)
    try:
        if not about or sha256_of(place) != about["sha256"]:  # FAISS would believe a damaged file
            return None
        index, seconds = faiss().read_index(str(place)), float(about["seconds"])
    except (OSError, KeyError, TypeError, ValueError):
        return None
    exact = exact or Exact(of.vectors)
    ids = np.flatnonzero(exact.lengths > 0) if metric == "cosine" else np.arange(of.n)
    if (index.ntotal, index.d) != (len(ids), of.dimension):
        return None
    return Graph(exact, index, ids, metric, seconds, about_of(of))


def measured(of: Kept, metric: str) -> Dial | None:
    """What was measured when the graph of kept features was built; None without."""
    found = files.read_json(_beside(path(of, metric))).get("dial")
    try:
        return Dial(**found) if found else None
    except TypeError:
        return None


def _beside(place: Path) -> Path:
    return place.with_name(place.name + ".json")
