"""A map of many vectors: PCA (Pearson 1901) or t-SNE (van der Maaten & Hinton 2008), coloured by k-means if asked.

PCA shows true directions and says how much of the spread it shows. t-SNE keeps neighbours together; distances between
its groups and their sizes mean nothing. Under "cosine" a copy of every vector is brought to length 1 first, so that
the map shows the angles that the ranking goes by.

2,000 points take t-SNE seconds, 5,000 half a minute: that is a job, whose map is kept beside the features.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from explorer import files
from explorer.analysis import features
from explorer.analysis.agreement import shortened
from explorer.analysis.asking import check_metric
from explorer.analysis.checks import check_features, check_labels
from explorer.analysis.retrieval import Exact
from explorer.reach import allow
from explorer.text import N_, Problem

MOST, SEED = 5_000, 0
METHODS = {"pca": N_("PCA"), "tsne": N_("t-SNE")}
PERPLEXITY, LEAST = 30, 5  # neighbours that t-SNE looks at, fewer among few; points it needs
FIRST = 50  # dimensions that t-SNE gets, as its authors did: the rest is mostly noise, and costs time
NEIGHBOURS = 5  # shown points between which a further vector is put on a t-SNE map


@dataclass(frozen=True)
class Map:
    """n shown of `total` vectors.

    ids: int64 (n,), ascending;  places: float32 (n, 2);  method: of METHODS;  metric: "cosine" or "euclidean"
    explained: of PCA, the shares of the variance that lie along the two axes, else ()
    mean, axes: of PCA, float32 (D,) and (2, D);  shown: of t-SNE, the vectors (n, D); else None
    """

    ids: np.ndarray
    places: np.ndarray
    total: int
    method: str
    metric: str
    seed: int
    explained: tuple[float, ...] = ()
    mean: np.ndarray | None = None
    axes: np.ndarray | None = None
    shown: np.ndarray | None = None


def sample(labels: np.ndarray, most: int = MOST, seed: int = SEED) -> np.ndarray:
    """Ids int64 (n,), ascending, n <= most, the classes of labels int (N,) in their proportions; all when few.

    Every class keeps its share rounded down, the largest remainders are rounded up (Hamilton's method).
    """
    labels = check_labels(labels, int(max(np.max(labels, initial=0), 0)) + 1)
    if most < 1:
        raise Problem("Expected at least {least} pictures, got {n}.", least=1, n=most)
    if len(labels) <= most:
        return np.arange(len(labels))
    names, counts = np.unique(labels, return_counts=True)
    quota = counts * most / len(labels)
    taken = quota.astype(np.int64)
    order = np.argsort(taken - quota, kind="stable")
    taken[order[: most - taken.sum()]] += 1
    rng = np.random.default_rng(seed)
    parts = [rng.permutation(np.flatnonzero(labels == name))[:n] for name, n in zip(names, taken)]
    return np.sort(np.concatenate(parts))


def make(
    vectors: np.ndarray,
    labels: np.ndarray,
    method: str = "pca",
    metric: str = "cosine",
    most: int = MOST,
    seed: int = SEED,
) -> Map:
    """Lay out float32 (N, D) with labels int (N,), of which at most `most` are shown.

    One seed, one map; t-SNE on several threads adds up in an order of its own, and then it is one up to rounding.
    """
    vectors = check_features(vectors, least=2)
    check_metric(metric)
    check_labels(labels, int(max(np.max(labels, initial=0), 0)) + 1, len(vectors))
    if method not in METHODS:
        raise Problem("Unknown map {name}; known: {known}.", name=repr(method[:80]), known=", ".join(METHODS))
    ids = sample(labels, most, seed)
    shown = _as(vectors[ids], metric)
    common = {"ids": ids, "total": len(vectors), "method": method, "metric": metric, "seed": seed}
    if method == "pca":
        mean, axes, explained = _pca(shown, seed)
        return Map(places=_project(shown, mean, axes), explained=explained, mean=mean, axes=axes, **common)
    if len(shown) < LEAST:
        raise Problem("Expected at least {least} pictures, got {n}.", least=LEAST, n=len(shown))
    return Map(places=_tsne(shown, seed), shown=shown, **common)


def path(of: features.Kept, metric: str, most: int) -> Path:
    """The file in which the t-SNE map of kept features lies, or would lie."""
    place = features.path(of.checkpoint_sha256, of.fingerprint, of.layer)
    return place.with_name(f"{place.stem}-tsne-{metric}-{most}.npz")


def keep(of: features.Kept, labels: np.ndarray, metric: str = "cosine", most: int = MOST) -> Map:
    """Lay out kept features by t-SNE and store the map, in one step: interrupted, nothing is left."""
    allow("map")
    made = make(of.vectors, labels, "tsne", metric, most)
    out = io.BytesIO()
    np.savez(out, ids=made.ids, places=made.places)
    files.write_bytes(path(of, metric, most), out.getvalue())
    return made


def kept(of: features.Kept, metric: str = "cosine", most: int = MOST) -> Map | None:
    """The stored map; None when there is none or it is damaged: it is to be made then."""
    try:
        with np.load(path(of, metric, most), allow_pickle=False) as stored:
            ids, places = stored["ids"], stored["places"]
    except (OSError, ValueError, EOFError, KeyError, BadZipFile):
        return None
    right = (
        ids.ndim == 1
        and ids.dtype == np.int64
        and places.shape == (len(ids), 2)
        and np.isfinite(places).all()
    )
    if not right or len(ids) != min(most, of.n) or ids.min() < 0 or ids.max() >= of.n:
        return None
    return Map(ids, places, of.n, "tsne", metric, SEED, shown=_as(of.vectors[ids], metric))


def place(on: Map, vectors: np.ndarray) -> np.ndarray:
    """Where further vectors (Q, D) go on a map, float32 (Q, 2), without moving it.

    On PCA's axes exactly. t-SNE has no formula for them: the mean of the places of the NEIGHBOURS nearest shown points,
    so a vector unlike all others stands among them too.
    """
    vectors = _as(check_features(vectors), on.metric)
    width = on.axes.shape[1] if on.shown is None else on.shown.shape[1]
    if vectors.shape[1] != width:
        raise Problem("Features of {a} and of {b} numbers cannot be compared.", a=vectors.shape[1], b=width)
    if on.shown is None:
        return _project(vectors, on.mean, on.axes)
    ids = Exact(on.shown).search(vectors, min(NEIGHBOURS, len(on.shown)), "euclidean").ids
    return on.places[ids].mean(1)


def clusters(vectors: np.ndarray, count: int, metric: str = "cosine", seed: int = SEED) -> np.ndarray:
    """k-means (Lloyd 1982) with `count` groups: int64 (N,), numbered from the largest, for float32 (N, D)."""
    from sklearn.cluster import KMeans

    vectors = _as(check_features(vectors), metric)
    if not 1 <= count <= len(vectors):
        raise Problem("Expected 1 to {most} groups, got {n}.", most=len(vectors), n=count)
    found = KMeans(count, n_init=4, random_state=seed).fit_predict(vectors)
    order = np.argsort(-np.bincount(found, minlength=count), kind="stable")
    return np.argsort(order)[found]


def _as(vectors: np.ndarray, metric: str) -> np.ndarray:
    return shortened(vectors, 1 if metric == "cosine" else 0)


def _components(x: np.ndarray, count: int, seed: int):
    """scikit-learn's PCA with the first components of x (n, D), float64, without all the others where that is less."""
    from sklearn.decomposition import PCA

    solver = "arpack" if count < min(x.shape) else "full"
    return PCA(min(count, *x.shape), svd_solver=solver, random_state=seed).fit(x.astype(np.float64))


def _pca(x: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Mean float32 (D,), two axes (2, D) and their shares of the variance; an axis that is not there is 0."""
    mean, axes, explained = x.mean(0, dtype=np.float64), np.zeros((2, x.shape[1])), np.zeros(2)
    if np.ptp(x, axis=0).any():
        found = _components(x, 2, seed)
        axes[: len(found.components_)] = found.components_
        explained[: len(found.components_)] = found.explained_variance_ratio_
    return mean.astype(np.float32), axes.astype(np.float32), (float(explained[0]), float(explained[1]))


def _project(x: np.ndarray, mean: np.ndarray, axes: np.ndarray) -> np.ndarray:
    return ((x - mean) @ axes.T).astype(np.float32)


def _tsne(x: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.manifold import TSNE

    if not np.ptp(x, axis=0).any():
        return np.zeros((len(x), 2), np.float32)  # all equal: t-SNE would divide by their distance
    if min(x.shape) > FIRST:
        x = _components(x, FIRST, seed).transform(x)
    init = "pca" if x.shape[1] > 1 else "random"
    layout = TSNE(2, perplexity=min(PERPLEXITY, (len(x) - 1) / 3), init=init, random_state=seed)
    return layout.fit_transform(np.ascontiguousarray(x, np.float32)).astype(np.float32)
