"""Cosine against Euclidean over a whole data set: who is right more often, for which classes, at which lengths.

python -m explorer retrieval cifar10-fastnet --store
python -m explorer retrieval cifar10-fastnet --grid --store     what each kind of features buys

Every difference is cosine minus Euclidean on the same queries with its paired interval; `paired.verdict` puts it into
words. Of ten classes alike in truth one or more leaves zero out by luck in two studies of five: by class and by length
one looks, and does not conclude.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from explorer import checkpoints
from explorer.analysis.agreement import agreement
from explorer.analysis.asking import METRICS, directed
from explorer.analysis.checks import check_labels, check_scores
from explorer.analysis.classification import wilson
from explorer.analysis.paired import DRAWS, SEED, Difference, interval, paired
from explorer.analysis.passes import Passes
from explorer.analysis.quality import DEEP, MOST, K, OnStep, Quality, Row, quality
from explorer.analysis.retrieval import Exact
from explorer.analysis.vectors import LAYERS
from explorer.analysis.votes import labels_of, torn, vote
from explorer.checkpoints.manifest import read_json
from explorer.text import N_, Missing, Problem

FILE = f"{checkpoints.EVALUATION}/retrieval.json"
GRID = f"{checkpoints.EVALUATION}/retrieval-grid.json"
PARTS = 5  # groups of queries by the length of their vector, equally many in each
MEASURES = ("accuracy", "precision", "r_precision", "map_r")
# the two questions that get a verdict in words, for `paired.verdict`: one metric may vote no better and rank better
ASKED = {"accuracy": N_("Votes of {k} neighbours"), "map_r": N_("As a ranking (MAP@R)")}


def study(
    gallery: Exact,
    labels: np.ndarray,
    queries: np.ndarray,
    own: np.ndarray,
    classes: Sequence[str],
    without: np.ndarray | None = None,
    head: np.ndarray | None = None,
    leaked: np.ndarray | None = None,
    k: int = K,
    most: int = MOST,
    deep: int = DEEP,
    on_step: OnStep | None = None,
) -> dict[str, Any]:
    """All numbers of the comparison, ready for JSON; rates are fractions in [0, 1].

    labels, own: int (N,), (Q,), into classes;  without: int (Q,), the query's own id in the gallery, -1 for none
    head: float (Q, K), a classifier's probabilities for the queries, to compare the vote with
    leaked: int (L,), queries that have a copy in the gallery (leaks.py)
    query_n: how many asked;  blank_n: how many did not, because their features have length 0 and so no direction
    metrics: of each metric accuracy (of k neighbours; Wilson's interval), precision, curve (accuracy of 1 … m), and on
        `deep_n` queries r_precision and map_r;  differences: of each of MEASURES;  curve: the difference's interval
    by_class, by_length: accuracy in groups of the queries;  agreement: of the first k, on average
    torn: queries for which the metrics elect different classes, the most striking first, by their row in `queries`
    clean: with `leaked` only, the accuracy without them and its difference
    """
    own = check_labels(own, len(classes), len(queries))
    head = None if head is None else check_scores(head, own)
    ask = np.flatnonzero(directed(queries))
    blank, queries, own = len(queries) - len(ask), queries[ask], own[ask]
    without, head = (None if each is None else np.asarray(each)[ask] for each in (without, head))
    count = Passes(on_step, len(METRICS) * (len(queries) + min(deep, len(queries))))
    found: dict[str, Quality] = {}
    for metric in METRICS:
        with count.part(len(queries) + min(deep, len(queries))) as step:
            found[metric] = quality(gallery, labels, queries, own, metric, without, k, most, deep, step)
    cosine, euclidean = found["cosine"], found["euclidean"]
    right = {metric: each.right[:, k - 1] for metric, each in found.items()}
    low, high = interval(cosine.right.astype(float) - euclidean.right)
    lengths = np.sqrt(np.einsum("qd,qd->q", queries, queries, dtype=np.float64))
    value = {
        "gallery_n": len(gallery.vectors),
        "query_n": len(queries),
        "blank_n": blank,
        "dimension": gallery.vectors.shape[1],
        "k": k,
        "deep_n": len(cosine.deep),
        "draws": DRAWS,
        "seed": SEED,
        "metrics": {metric: _of_metric(each, k) for metric, each in found.items()},
        "differences": {name: asdict(paired(*pair)) for name, pair in _pairs(cosine, euclidean, k).items()},
        "curve": {"low": low.tolist(), "high": high.tolist()},
        "by_class": _groups(right, [(name, own == c) for c, name in enumerate(classes)]),
        "by_length": _by_length(right, lengths),
        "agreement": _agreement(cosine.ids[:, :k], euclidean.ids[:, :k]),
    }
    votes = {metric: vote(labels_of(each.ids[:, :k], labels), len(classes)) for metric, each in found.items()}
    value["torn"] = _torn(ask, *(v.shares for v in votes.values()), *(v.winner for v in votes.values()))
    if head is not None:
        said = head.argmax(1)
        value["head"] = {"accuracy": float((said == own).mean())} | {
            metric: _torn(ask, each.shares, head, each.winner, said) for metric, each in votes.items()
        }
    clean = ~np.isin(ask, [] if leaked is None else leaked)
    if leaked is not None and clean.any():
        value["clean"] = asdict(paired(*(each[clean] for each in right.values())))
    return value


def _of_metric(found: Quality, k: int) -> dict[str, Any]:
    right = found.right[:, k - 1]
    low, high = wilson(int(right.sum()), len(right))
    return {
        "accuracy": float(right.mean()),
        "low": low,
        "high": high,
        "precision": float(found.precision.mean()),
        "r_precision": float(found.r_precision.mean()) if len(found.deep) else None,
        "map_r": float(found.map_r.mean()) if len(found.deep) else None,
        "curve": found.right.mean(0).tolist(),
    }


def _pairs(cosine: Quality, euclidean: Quality, k: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Of each of MEASURES the values of both metrics, query by query; without those that nobody was measured by."""
    both = (cosine, euclidean)
    pairs = {
        "accuracy": tuple(each.right[:, k - 1] for each in both),
        "precision": tuple(each.precision for each in both),
        "r_precision": tuple(each.r_precision for each in both),
        "map_r": tuple(each.map_r for each in both),
    }
    return {name: pair for name, pair in pairs.items() if len(pair[0])}


def _groups(right: dict[str, np.ndarray], groups: list[tuple[str, np.ndarray]]) -> list[dict[str, Any]]:
    """The accuracy of both metrics in groups of queries (name, bool (Q,)), empty ones left out."""
    return [
        {"name": name} | asdict(paired(right["cosine"][inside], right["euclidean"][inside]))
        for name, inside in groups
        if inside.any()
    ]


def _by_length(right: dict[str, np.ndarray], lengths: np.ndarray) -> list[dict[str, Any]]:
    """The same in PARTS groups by the length of the query's vector; equal lengths stay together, and so do those that
    only rounding tells apart, as under HOG."""
    shares = np.round(lengths / max(lengths.max(), np.finfo(float).tiny), 4)
    edges = np.quantile(shares, np.linspace(0, 1, PARTS + 1))
    part = np.clip(np.searchsorted(edges, shares, "left") - 1, 0, PARTS - 1)
    rows = []
    for index in np.unique(part):
        inside = part == index
        ends = {"from": float(lengths[inside].min()), "to": float(lengths[inside].max())}
        rows += [ends | row for row in _groups(right, [(f"{index + 1}/{PARTS}", inside)])]
    return rows


def _agreement(a: np.ndarray, b: np.ndarray) -> dict[str, Any]:
    found = agreement(a, b)
    return {
        "overlap": float(found.overlap.mean()),
        "tau_top": float(np.nan_to_num(found.tau_top, nan=1).mean()),
        "first_same": float((a[:, 0] == b[:, 0]).mean()),
    }


def _torn(ask: np.ndarray, *judges: np.ndarray) -> dict[str, Any]:
    """All on whom two judges disagree, as `votes.torn` takes them; ask: int64 (Q,), the rows of those who asked."""
    found = torn(*judges)
    rows = zip(ask[found.query], found.a, found.b, found.gap.round(4))
    return {"n": len(found), "queries": [[each.item() for each in row] for row in rows]}


# --- beside the checkpoint ----------------------------------------------------------------------------------------


def packed(value: dict[str, Any]) -> bytes:
    """The content of FILE, a study with `checkpoint_sha256`, data, split and layer, or of GRID, `rows` instead."""
    return (json.dumps(value, allow_nan=False) + "\n").encode()


def summary(value: dict[str, Any]) -> dict[str, Any]:
    """What a card keeps of a study under "retrieval"; low and high: 95 % intervals of the accuracy and of the paired
    difference, cosine minus Euclidean."""
    kept = {key: value[key] for key in ("layer", "k", "gallery_n", "deep_n")} | {"n": value["query_n"]}
    for metric, of in value["metrics"].items():
        kept |= {f"{metric}_{name}": of[name] for name in MEASURES if of[name] is not None}
        kept |= {f"{metric}_low": of["low"], f"{metric}_high": of["high"]}
    apart = value["differences"]["accuracy"]
    return kept | {
        "difference": apart["difference"],
        "difference_low": apart["low"],
        "difference_high": apart["high"],
    }


def stored(name: str | Path) -> dict[str, Any]:
    """What the command `retrieval` stored beside a checkpoint.

    Raises Missing when it never ran, Problem when the file is damaged or belongs to other weights.
    """
    card, path = checkpoints.read_card(name), checkpoints.folder_of(name) / FILE
    if not path.is_file():
        raise Missing(
            "The metrics were not compared on {name} yet; do it with: python -m explorer retrieval {name} --store",
            name=card.name,
        )
    value = _read(path, _check_study)
    if value.get("checkpoint_sha256") != card.sha256:
        raise Problem(
            "{path} belongs to other weights of {name}; compare again: python -m explorer retrieval {name} --store",
            path=path.name,
            name=card.name,
        )
    return value


def stored_grid(name: str | Path) -> dict[str, Any]:
    """What `retrieval --grid` stored beside a checkpoint; `rows` as `rows_of` gives them. Raises as `stored` does."""
    card, path = checkpoints.read_card(name), checkpoints.folder_of(name) / GRID
    if not path.is_file():
        raise Missing(
            "The features were not compared on {name} yet; do it with: "
            "python -m explorer retrieval {name} --grid --store",
            name=card.name,
        )
    value = _read(path, _check_grid)
    if value.get("checkpoint_sha256") != card.sha256:
        raise Problem(
            "{path} belongs to other weights of {name}; compare again: "
            "python -m explorer retrieval {name} --grid --store",
            path=path.name,
            name=card.name,
        )
    return value


def rows_of(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Lines of a grid for JSON, which has no nan: a MAP@R that nobody was measured by is None."""
    return [asdict(row) | {"map_r": row.map_r if row.map_n else None} for row in rows]


def _read(path: Path, check: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    try:
        value = read_json(path)
        check(value)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Problem("{path} cannot be read: {error}", path=path.name, error=repr(error)[:200]) from error
    return value


def _check_study(value: dict[str, Any]) -> None:
    difference_of(value, "accuracy")
    if not all(0 <= share <= 1 for metric in METRICS for share in value["metrics"][metric]["curve"]):
        raise ValueError("a value is out of range")


def _check_grid(value: dict[str, Any]) -> None:
    rows = [Row(**row) for row in value["rows"]]
    if not rows or not all(
        row.feature in LAYERS and row.metric in METRICS and 0 <= row.accuracy <= 1 for row in rows
    ):
        raise ValueError("a value is out of range")


def difference_of(value: dict[str, Any], measure: str) -> Difference:
    """One of the differences of a study, for `paired.verdict`."""
    return Difference(**value["differences"][measure])
