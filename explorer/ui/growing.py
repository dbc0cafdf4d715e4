"""The section "Growth": what is given up for speed, and what a search costs as the pictures become many."""

from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from explorer.analysis import features, growth, hnsw
from explorer.analysis.hnsw import Dial
from explorer.analysis.retrieval import METRICS
from explorer.data import spread
from explorer.files import read_json
from explorer.text import t
from explorer.ui import cache, generating, offers, retrieving, widgets
from explorer.ui.evidence import dark
from explorer.ui.game import said
from explorer.ui.retrieving import Scene
from explorer.views import growth as views

ASKED = 100  # queries that the dial of a small gallery is measured with
MEASURED = Path(growth.__file__).with_suffix(".json")  # by benchmarks/retrieval_growth.py
_dials, _tables = cache.Kept(8, long=True), cache.Kept(1)


def growing(scene: Scene) -> None:
    """The dial of a graph beside exact search, then time and memory for ever more vectors."""
    generating.note_odd({"metric": METRICS, "ef": {str(ef) for ef in hnsw.DIAL}})
    with widgets.problems():
        _dial(scene)
    with widgets.problems():
        _growth()


def _dial(scene: Scene) -> None:
    st.subheader(t("A dial between speed and recall"), anchor=False)
    st.markdown(
        t("Exact search looks at every vector. An HNSW graph is walked towards the query and misses some; ef says how "
          "many vectors it keeps in mind on the way (Malkov and Yashunin 2016).")
    )  # fmt: skip
    metric = widgets.select(
        t("Metric"), {key: t(words) for key, words in METRICS.items()}, "metric", kind="segmented"
    )
    found = _measured(scene, metric)
    if found is None:
        return
    options = {str(row["ef"]): str(row["ef"]) for row in found.rows}
    ef = widgets.select("ef", options, "ef", default=str(hnsw.EF), kind="segmented")
    row = next(row for row in found.rows if str(row["ef"]) == ef)
    with st.grid(4, min_column_width=180):
        st.metric(t("recall@{k}", k=found.k), f"{100 * row['recall']:.1f} %", border=True)
        st.metric(t("half of the queries within"), f"{row['p50_ms']:.2f} ms", border=True)
        st.metric(t("95 % of the queries within"), f"{row['p95_ms']:.2f} ms", border=True)
        st.metric(t("exact search, half within"), f"{found.exact['p50_ms']:.2f} ms", border=True)
    spec = views.dial_chart(
        found.rows,
        found.exact["p50_ms"],
        int(ef),
        f"{scene.source} · n = {found.n:,} · {t(METRICS[metric])}",
        dark(),
    )
    widgets.chart(spec, key="dial", alt=said(spec))
    st.caption(
        t("{n} queries one by one on this machine; built in {seconds} s, {graph} MB beside {flat} MB of vectors.",
          n=found.queries, seconds=f"{found.seconds:.1f}", graph=f"{found.bytes / 1e6:.1f}",
          flat=f"{found.exact['bytes'] / 1e6:.1f}") + " " + t(hnsw.ASKING[found.own])
    )  # fmt: skip


def _measured(scene: Scene, metric: str) -> Dial | None:
    """The dial of the gallery: kept with its graph, measured now where that is quick, else the job is offered."""
    if hnsw.library() is None:
        st.info(
            t("FAISS is not installed here, so there is no graph: pip install faiss-cpu"),
            icon=":material/info:",
        )
        return None
    images = cache.images(*scene.gallery.split("/"))
    if len(images) > cache.COMPUTE_AT_MOST:
        kept = features.kept(scene.card, images, scene.layer)
        found = hnsw.measured(kept, metric) if kept else None
        if found is None:
            _offer(scene, metric, len(images))
        return found
    gallery = retrieving.gallery(scene)

    def make() -> Dial:
        graph, asked = hnsw.build(gallery.exact, metric), retrieving.askers(scene, gallery)
        rows = np.flatnonzero(asked.vectors.any(1))  # a vector of length 0 has no direction
        rows = rows[spread(len(rows), ASKED)]
        k = min(10, len(graph.ids) - 1)
        return hnsw.dial(graph, asked.vectors[rows], k=k, without=asked.without[rows])

    return _dials.get((*retrieving.asking_key(gallery), metric), make, t("Building the graph"))


def _offer(scene: Scene, metric: str, count: int) -> None:
    name, split = scene.gallery.split("/")
    words = ["index", scene.card.name, "--data", name, "--split", split, "--layer", scene.layer]
    words += ["--graph", metric]
    command = "python -m explorer " + " ".join(words)
    offers.offer(
        words,
        t("There is no graph of these {n} pictures yet; it takes a minute or two: `{command}`",
          n=f"{count:,}", command=command),
        t("Build the graph"),
        t("This server is public: only its owner can build a graph ({command}).", command=command),
        "hub", "graph",
    )  # fmt: skip


def _growth() -> None:
    st.subheader(t("From ten thousand to a billion"), anchor=False)
    stored = _table()
    titles = {name: t(engine.title) for name, engine in growth.ENGINES.items()}
    dimension = stored.get("dimension", 512)
    guessed = stored.get("estimated") or [row for n in growth.AT for row in growth.growth(n, dimension)]
    measured, estimated = (
        [{**row, "engine": titles[row["engine"]], "gb": row["bytes"] / 1e9} for row in rows]
        for rows in (stored.get("measured", []), guessed)
    )
    left, right = st.columns(2, gap="large")
    with left:
        spec = views.over_n(
            measured, estimated, "gb", "GB", _memory_words(dimension),
            t("memory, vectors of {d} numbers", d=dimension), dark(),
        )  # fmt: skip
        widgets.chart(spec, key="growth memory", alt=said(spec))
    with right:
        if measured:
            spec = views.over_n(
                measured, estimated, "ms", t("ms a query"), views.grown(stored["measured"], stored["k"]),
                t("one query at a time, ef {ef}, on the machine that measured them; no recall is known of an estimate",
                  ef=stored["ef"]), dark(),
            )  # fmt: skip
            widgets.chart(spec, key="growth time", alt=said(spec))
        else:
            widgets.empty_state(t("Not measured yet: `python benchmarks/retrieval_growth.py`"))
    chosen = {
        n: next(row["engine"] for row in growth.growth(n, dimension) if row["choose"]) for n in growth.AT
    }
    st.table(
        {
            t("vectors"): [f"{n:,}" for n in chosen],
            t("engine to take"): [titles[engine] for engine in chosen.values()],
            t("what it does"): [t(growth.ENGINES[engine].words) for engine in chosen.values()],
        },
        border="horizontal", hide_index=True, alt=t("Which engine for how many vectors"),
    )  # fmt: skip


def _table() -> dict[str, Any]:
    """What benchmarks/retrieval_growth.py has measured; empty without, until it has."""
    try:
        return _tables.get((MEASURED, MEASURED.stat().st_mtime_ns), lambda: read_json(MEASURED))
    except OSError:
        return {}


def _memory_words(dimension: int) -> str:
    """What the most vectors take as they are, and in the smallest engine."""
    rows = {row["engine"]: f"{row['bytes'] / 1e9:,.0f}" for row in growth.growth(growth.AT[-1], dimension)}
    return t("{n} vectors are {flat} GB as they are, {small} GB in 64 bytes each and 8 for the number",
             n=f"{growth.AT[-1]:,}", flat=rows["flat"], small=rows["ivf-pq64"])  # fmt: skip
