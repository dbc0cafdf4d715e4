"""Commands about nearest pictures: make the features of a data set, find what is near a picture."""

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from explorer.cli.apps import Name, app
from explorer.cli.scoring import read
from explorer.console import Answer, Bar, Device, Json, command, table
from explorer.reach import allow
from explorer.reporter import Reporter
from explorer.text import N_, Problem, t

if TYPE_CHECKING:
    import numpy as np

    from explorer.analysis.features import Kept
    from explorer.analysis.graph import Graph
    from explorer.analysis.retrieval import Neighbours
    from explorer.checkpoints import Loaded
    from explorer.data import ImageSet

FEATURES = N_("Features of the pictures")
LAYING = N_("Laying out the points")
DIALLING = N_("Measuring recall and speed (settings)")
QUERIES = 200  # pictures that the dial is measured with
Data = Annotated[str, typer.Option("--data", help="A data set; without it the one it was trained on.")]
Split = Annotated[str, typer.Option(help="train or test.")]
LayerName = Annotated[
    str,
    typer.Option(
        "--layer", help="pooled, max, before, logits, pixels, hog or code; without it pooled, or code."
    ),
]


@command(app, "index", interrupted=N_("Interrupted; nothing was kept."))
def index_command(
    checkpoint: Name,
    data: Data = "",
    split: Split = "train",
    layer: LayerName = "",
    graph: Annotated[
        str, typer.Option(help="Build an HNSW graph too and measure its recall: cosine or euclidean.")
    ] = "",
    device: Device = "auto",
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """Compute the features of a split once and keep them, so that neighbours are found at once."""
    from explorer import checkpoints
    from explorer.analysis import features, hnsw, together
    from explorer.analysis.asking import check_metric

    allow("index")
    if graph:
        check_metric(graph)
    loaded = checkpoints.load(checkpoint, device)
    layer = layer or features.layers_of(loaded.card)[0]
    features.check_layer(loaded.card, layer)
    pictures = _gallery(loaded, data, split)
    bar = Bar(job if together.join()[0] == 0 else None)
    begun = time.perf_counter()
    try:
        found, fresh = _kept(loaded, pictures, layer, bar)
        value = _about(found) | {"seconds": round(time.perf_counter() - begun, 3), "computed": fresh}
        if graph:
            value["graph"] = together.of_first(lambda: _graph(loaded, found, graph, bar))
    finally:
        bar.close()
    said = t(
        "{data}, {split}: {n} pictures, {d} numbers each ({layer}), {size} MB",
        data=found.data, split=found.split, n=f"{found.n:,}", d=found.dimension, layer=layer,
        size=f"{found.vectors.nbytes / 1e6:.1f}",
    )  # fmt: skip
    rows = [
        [row["ef"], row["recall"], row["p50_ms"], row["p95_ms"]]
        for row in value.get("graph", {}).get("rows", [])
    ]
    listed = "\n" + table(["ef", "recall@10", "p50 ms", "p95 ms"], rows) if rows else ""
    listed += "\n" + t(hnsw.ASKING[value["graph"]["own"]]) if rows else ""
    return Answer(value, said + listed)


def _kept(loaded: "Loaded", pictures: "ImageSet", layer: str, bar: Bar) -> tuple["Kept", bool]:
    """The stored features, and whether they had to be computed for that."""
    from explorer.analysis import features, together

    if together.of_first(lambda: features.kept(loaded.card, pictures, layer) is not None):
        return features.kept(loaded.card, pictures, layer), False
    return features.keep(loaded, pictures, layer, lambda done, total: bar(done, total, FEATURES)), True


def _about(found: "Kept") -> dict:
    from explorer.analysis import features
    from explorer.analysis.graph import about_of

    place = features.path(found.checkpoint_sha256, found.fingerprint, found.layer)
    return about_of(found) | {"bytes": found.vectors.nbytes, "path": str(place)}


def _graph(loaded: "Loaded", found: "Kept", metric: str, bar: Bar) -> dict:
    """Build a graph, turn its dial, and keep both."""
    from explorer.analysis import hnsw

    built = hnsw.build(found, metric, lambda done, total: bar(done, total, hnsw.ADDING))
    queries, without = _queries(loaded, found, built)
    k = min(10, len(built.ids) - 1)
    measured = hnsw.dial(
        built, queries, k=k, without=without, on_step=lambda done, total: bar(done, total, DIALLING)
    )
    hnsw.save(built, hnsw.path(found, metric), measured)
    return asdict(measured)


def _queries(loaded: "Loaded", found: "Kept", graph: "Graph") -> "tuple[np.ndarray, np.ndarray | None]":
    """(queries (Q, D), which to leave out): test pictures ask training pictures; where there are none apart from the
    graph, its own ask."""
    from explorer import data
    from explorer.analysis import features

    if found.split == "train" and "test" in data.spec(found.data).splits:
        images = data.load(found.data, "test").images
        asked = features.features(loaded, images[data.spread(len(images), QUERIES)], found.layer)
        return asked[asked.any(1)], None  # a vector of length 0 has no direction
    own = graph.ids[data.spread(len(graph.ids), QUERIES)]
    return found.vectors[own], own


def _gallery(loaded: "Loaded", data: str, split: str) -> "ImageSet":
    """The pictures to search, with a word on stderr when others stand in for them."""
    from explorer.analysis import features, together

    found = features.gallery(loaded.card, data, split)
    asked = data or loaded.card.data
    if found.name == "cifar10-sheet" != asked and together.join()[0] == 0:
        said = t("{name} is not here; the {n} test pictures that are shipped stand in for its split {split}.",
                 name=asked, n=len(found), split=split)  # fmt: skip
        print(said, file=sys.stderr)
    return found


@command(app, "map", interrupted=N_("Interrupted; nothing was kept."))
def map_command(
    checkpoint: Name,
    metric: Annotated[str, typer.Option(help="cosine or euclidean.")] = "cosine",
    points: Annotated[int, typer.Option(help="How many pictures at most, 5 to 5,000.")] = 5_000,
    data: Data = "",
    split: Split = "train",
    layer: LayerName = "",
    device: Device = "auto",
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """Lay out the pictures of a split by t-SNE of their features, and keep the map for the page Retrieve."""
    from explorer import checkpoints
    from explorer.analysis import embedding_map, features
    from explorer.analysis.asking import check_metric
    from explorer.analysis.retrieval import METRICS

    allow("map")
    check_metric(metric)
    if not embedding_map.LEAST <= points <= embedding_map.MOST:
        raise Problem(
            "Expected {least} to {most} points, got {n}.",
            least=embedding_map.LEAST, most=f"{embedding_map.MOST:,}", n=points,
        )  # fmt: skip
    loaded = checkpoints.load(checkpoint, device)
    layer = layer or features.layers_of(loaded.card)[0]
    features.check_layer(loaded.card, layer)
    pictures = _gallery(loaded, data, split)
    bar = Bar(job)
    try:
        found, _ = _kept(loaded, pictures, layer, bar)
        bar(0, 1, LAYING)
        laid = embedding_map.keep(found, pictures.labels, metric, points)
        bar(1, 1, LAYING)
    finally:
        bar.close()
    value = {
        "n": len(laid.ids),
        "total": laid.total,
        "ids": laid.ids.tolist(),
        "places": laid.places.tolist(),
    }
    about = {
        "checkpoint": checkpoint,
        "data": found.data,
        "split": found.split,
        "layer": layer,
        "metric": metric,
    }
    said = t(
        "{data}, {split}: {n} of {total} pictures laid out by t-SNE ({layer}, {metric}), seed {seed}",
        data=found.data, split=found.split, n=f"{len(laid.ids):,}", total=f"{laid.total:,}", layer=layer,
        metric=t(METRICS[metric]), seed=laid.seed,
    )  # fmt: skip
    return Answer(about | {"seed": laid.seed} | value, said)


@command(app, "neighbours")
def neighbours_command(
    checkpoint: Name,
    file: Annotated[Path, typer.Argument(help="A PNG, JPEG or WEBP picture.")],
    metric: Annotated[str, typer.Option(help="cosine or euclidean.")] = "cosine",
    k: Annotated[int, typer.Option(help="How many neighbours.")] = 10,
    ef: Annotated[
        int, typer.Option(help="Walk the graph of index --graph, so many vectors held in mind; 0: exactly.")
    ] = 0,
    data: Data = "",
    split: Split = "train",
    layer: LayerName = "",
    device: Device = "auto",
    as_json: Json = False,
    job: Reporter | None = None,
) -> Answer:
    """The pictures of a data set that are nearest to a picture; "distance" under cosine is 1 - similarity."""
    from explorer import checkpoints
    from explorer.analysis import features, retrieval, together
    from explorer.analysis.asking import check_metric
    from explorer.data import sheet
    from explorer.data.picture import open_picture, to_input

    check_metric(metric)
    loaded = checkpoints.load(checkpoint, device)
    layer = layer or features.layers_of(loaded.card)[0]
    pixels = to_input(open_picture(read(file), file.name).image, size=loaded.card.size)
    query = features.features(loaded, pixels[None], layer)
    pictures = _gallery(loaded, data, split)
    bar = Bar(job if together.join()[0] == 0 else None)
    try:
        found = features.at_hand(loaded, pictures, layer) or _kept(loaded, pictures, layer, bar)[0]
    finally:
        bar.close()
    near = _near(found, query, k, metric, ef) if ef else retrieval.shared(found.vectors, query, k, metric)
    # The shipped pictures are named by their place in CIFAR-10's test split, as on the page.
    sheeted = pictures.name == "cifar10-sheet"
    of = {"data": "cifar10" if sheeted else found.data, "split": found.split}
    value = []
    for rank, (place, one) in enumerate(zip(near.ids[0].tolist(), near.values[0].tolist()), 1):
        label = int(pictures.labels[place])
        index = int(sheet.test_indices()[place]) if sheeted else place
        row = {"rank": rank, "index": index, "label": label, "name": pictures.classes[label]} | of
        value.append(
            row | ({"distance": 1 - one, "similarity": one} if metric == "cosine" else {"distance": one})
        )
    measure = "similarity" if metric == "cosine" else "distance"
    said = t(
        "{file}: the nearest of {n} pictures of {data}, {split}, by {metric} of {layer}, {d} numbers",
        file=file, n=f"{found.n:,}", data=found.data, split=found.split,
        metric=t(retrieval.METRICS[metric]), layer=t(features.LAYERS[layer].title), d=found.dimension,
    )  # fmt: skip
    rows = [[row["rank"], row["index"], row["name"], row[measure]] for row in value]
    return Answer(value, f"{said}\n{table(['rank', 'index', 'class', measure], rows)}")


def _near(found: "Kept", query: "np.ndarray", k: int, metric: str, ef: int) -> "Neighbours":
    """What the graph that was kept finds."""
    from explorer.analysis import hnsw, together

    def walked() -> "Neighbours":
        graph = hnsw.load(found, metric)
        if graph is None:
            raise Problem(
                "There is no graph of these {n} pictures yet: "
                "python -m explorer index CHECKPOINT --data {data} --split {split} --layer {layer} --graph {metric}",
                n=f"{found.n:,}", data=found.data, split=found.split, layer=found.layer, metric=metric,
            )  # fmt: skip
        return hnsw.search(graph, query, k, ef)

    return together.of_first(walked)
