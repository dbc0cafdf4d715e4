"""The section "Duel": one picture, its neighbours by cosine and by Euclidean distance, and what both would vote for."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from explorer.analysis import agreement, outside, votes
from explorer.analysis.asking import directed
from explorer.analysis.retrieval import METRICS, Neighbours, nearer, random_pairs
from explorer.checkpoints import kind_of
from explorer.data import samples
from explorer.text import t
from explorer.ui import cache, drawn, generating, predicting, retrieving, uploads, widgets
from explorer.ui import subject as subjects
from explorer.ui.evidence import dark
from explorer.ui.game import said
from explorer.ui.picker import picture_strip
from explorer.ui.retrieving import Gallery, Scene
from explorer.ui.subject import Subject
from explorer.views import duel as views
from explorer.views import pictures

MOST, FIRST, SHOWN = 50, 10, 20  # neighbours: that can be asked for, at first, drawn
VOTERS = 10  # that decide which queries are striking
NORMALISE = (0.0, 1.0, 0.0, 0.05)
_found, _torn, _usual, _pairs = cache.Kept(128), cache.Kept(16), cache.Kept(32), cache.Kept(16)


def duel(scene: Scene) -> None:
    """The query, both rows of neighbours, their moves and their votes."""
    if st.session_state.pop(retrieving.AGAIN, False):
        st.rerun()
    crop = {key: (least, most) for key, (least, most, _) in predicting.SLIDERS.items()}
    generating.note_odd(
        {"sample": samples.SAMPLES, "fit": predicting.FITS, "invert": ("true", "false")},
        {"k": (1, MOST), "normalise": NORMALISE[:2]} | crop,
        _odd(),
    )
    gallery = retrieving.gallery(scene)
    if gallery is None:
        return
    striking(scene)
    left, right = st.columns([5, 7], gap="large")
    with left:
        subject = subjects.choose()
        with st.expander(t("Crop"), icon=":material/crop:"):
            subject = subjects.crop(subject, True)
    most = gallery.most(MOST)
    with right:
        one, other = st.columns(2)
        with one:
            k = most  # a slider of one place is refused
            if most > 1:
                k = st.slider(t("Neighbours, k"), 1, most, min(FIRST, most), key="k", bind="query-params")
        with other:
            power = st.slider(
                t("Normalise"), *NORMALISE, key="normalise", bind="query-params", format="%.2f",
                help=t("Every vector is divided by its length to this power: 0 = as it is, 1 = length 1. "
                       "At 1 both metrics give one order."),
            )  # fmt: skip
        _query(scene, gallery, subject)
        if kind_of(scene.card) == "classifier":
            _head(scene, subject)
        how_far(scene, gallery, subject)
    vector = retrieving.vector(scene, subject)
    rows: dict[str, Neighbours] = {}
    for metric in METRICS:
        with widgets.problems():  # a flat picture may have no direction, but still a distance
            rows[metric] = neighbours(gallery, subject, vector, max(k, min(FIRST, most)), metric, power)
    names = {"cosine": t(METRICS["cosine"]), "euclidean": t(METRICS["euclidean"])}
    if power:
        names["euclidean"] = t("Euclidean, lengths to the power {p}", p=f"{1 - power:.2f}")
    for metric in rows:
        _row(gallery, subject, metric, names[metric], rows, k)
    if len(rows) == len(METRICS):
        _compared(scene, gallery, subject, rows, names, k)
    if rows:
        _downloads(scene, gallery, subject, rows, power, k)


def striking(scene: Scene) -> None:
    """The button to a picture whose neighbours vote for one class by cosine and for another by Euclidean distance."""
    asked = st.button(
        t("Show me a picture where they vote for different classes"), key="torn next", icon=":material/call_split:",
        help=t("Of the test pictures that are asked, those of which the {k} nearest vote differently; the most "
               "striking first.", k=VOTERS),
    )  # fmt: skip
    if not asked:  # nothing is computed before somebody asks
        return
    gallery = retrieving.gallery(scene)
    if gallery is None:  # the section Duel offers the job, and follows it
        widgets.to_url("part", "duel")
        st.rerun()
    with st.spinner(t("Asking the test pictures"), show_time=True):
        found = torn(scene, gallery)
    if not found:
        st.info(t("Of no picture here do the metrics vote for different classes, k = {k}.", k=VOTERS))
        return
    key = retrieving.asking_key(gallery)
    of, place = st.session_state.get("last torn", ((), -1))
    place = (place + 1) % len(found) if of == key else 0
    st.session_state["last torn"] = key, place
    # Asked in any other way they may agree. The controls of these are not drawn yet, so they can still be set.
    st.session_state["k"], st.session_state["normalise"] = gallery.most(VOTERS), NORMALISE[2]
    uploads.carry(None)
    widgets.to_url("sample", None)
    widgets.to_url("part", "duel")
    subjects.link(*found[place])
    st.rerun()


def _odd() -> list[str]:
    """What of the address names a picture that is not here."""
    named = any(key in st.query_params for key in ("data", "index"))
    return [*(["index"] if named and subjects.linked() is None else []), *drawn.odd()]


def torn(scene: Scene, gallery: Gallery) -> list[tuple[str, str, int]]:
    """Pictures of a data set whose VOTERS neighbours vote differently by the two metrics, the most striking first.

    One without a direction, flat under HOG or black as pixels, cannot be asked by cosine, and so by neither.
    """

    def make() -> list[tuple[str, str, int]]:
        asked = retrieving.askers(scene, gallery)
        labels, classes = gallery.images.labels, len(gallery.images.classes)
        rows = np.flatnonzero(directed(asked.vectors))
        vectors, without = asked.vectors[rows], asked.without[rows]
        said = [
            votes.vote(
                votes.labels_of(
                    gallery.exact.search(vectors, gallery.most(VOTERS), metric, without).ids,
                    labels,
                ),
                classes,
            )
            for metric in METRICS
        ]
        differ = votes.torn(said[0].shares, said[1].shares, said[0].winner, said[1].winner)
        return [(asked.data, asked.split, int(asked.numbers[rows[query]])) for query in differ.query]

    return _torn.get(retrieving.asking_key(gallery), make)


def neighbours(
    gallery: Gallery, subject: Subject, vector: np.ndarray, k: int, metric: str, power: float
) -> Neighbours:
    """The k nearest by a metric, the picture itself left out where it stands in the gallery."""
    own = np.array([gallery.place(subject.of)])

    def make() -> Neighbours:
        if metric == "euclidean" and power:
            return agreement.morphed(gallery.exact, vector[None], power, k, own)
        return gallery.exact.search(vector[None], k, metric, without=own)

    key = (gallery.key, subject.key, subject.box, subject.invert, k, metric, power)
    if subject.of is None:  # a visitor's picture stays in the session
        return cache.in_session(("neighbours", *key), make)
    return _found.get(key, make)


def _query(scene: Scene, gallery: Gallery, subject: Subject) -> None:
    """The picture that is asked about, large, and how far outside it is."""
    pixels = subject.pixels(scene.card)
    one, other = st.columns([2, 5])
    with one:
        widgets.picture(pixels, t("The query: {what}", what=subject.words), factor=4)
    with other:
        st.markdown(f"**{widgets.plain(subject.words)}**")
        vector = retrieving.vector(scene, subject)
        low, high = np.quantile(gallery.exact.lengths, (0.25, 0.75))
        st.caption(
            t("Length of its vector {x}; half of the gallery lies between {a} and {b}",
              x=f"{np.linalg.norm(vector):.2f}", a=f"{low:.2f}", b=f"{high:.2f}")
        )  # fmt: skip


def _row(
    gallery: Gallery,
    subject: Subject,
    metric: str,
    name: str,
    rows: Mapping[str, Neighbours],
    k: int,
) -> None:
    """The neighbours by one metric as a strip of buttons: each can become the query."""
    ids, values = rows[metric].ids[0][:k], rows[metric].values[0][:k]
    other = next((rows[each].ids[0][:k] for each in rows if each != metric), None)
    moves = [] if other is None else agreement.moves(ids, other)
    moved = {move.id: f" {views.moved(move.by)}" for move in moves}
    items = []
    for rank, (each, value) in enumerate(zip(ids[:SHOWN], values), 1):
        true = f"{gallery.name(each)}{_mark(gallery, subject, each)}"
        length = f"{gallery.exact.lengths[each]:.2f}"
        title = f"{rank}{moved.get(int(each), '')}\n{true}\n{value:.3f}\n|x| {length}"
        hint = t("{what}. {metric} {value}, length {x}. A click makes it the query.",
                 what=gallery.words(each), metric=name, value=f"{value:.3f}", x=length)  # fmt: skip
        items.append(gallery.item(int(each), title, hint))

    def picked(place: str) -> None:
        to_query(gallery, int(place))

    words = (
        t("{metric}: similarity, the largest first", metric=name)
        if metric == "cosine"
        else t("{metric}: distance, the least first", metric=name)
    )
    picture_strip(words, tuple(items), None, f"neighbours {metric}", picked)
    # Not between the two metrics. A cosine of 0.9 says nothing by itself: without negative features strangers have one.
    if name == t(METRICS[metric]):
        pairs = _pairs.get((*gallery.key, metric), lambda: random_pairs(gallery.exact.vectors, metric))
        share = nearer(pairs, values[:SHOWN][-1:], metric)[0]
        st.caption(
            t("{share} % of random pairs are as near as the last of these.", share=f"{100 * share:.2f}")
        )


def to_query(gallery: Gallery, k: int) -> None:
    """Make picture k of the gallery the query."""
    uploads.carry(None)
    widgets.to_url("sample", None)
    subjects.link(gallery.data, gallery.split, int(gallery.numbers[k]))


def _mark(gallery: Gallery, subject: Subject, k: int) -> str:
    """Whether a neighbour is of the query's class, where that is known."""
    if subject.true not in gallery.images.classes:
        return ""
    return " ✓" if gallery.name(k) == subject.true else " ✗"


def _compared(
    scene: Scene,
    gallery: Gallery,
    subject: Subject,
    rows: Mapping[str, Neighbours],
    names: Mapping[str, str],
    k: int,
) -> None:
    """Who moves where, and whom both would vote for, beside the classifier's own answer."""
    ids = {metric: rows[metric].ids[:, :k] for metric in METRICS}
    together = agreement.agreement(*ids.values())
    shown = min(k, FIRST)
    hits = [
        [
            views.Hit(int(each), pictures.thumbnail_uri(gallery.images.images[each], 2), gallery.name(each),
                      f"{value:.3f}", float(gallery.exact.lengths[each]))
            for each, value in zip(ids[metric][0, :shown], rows[metric].values[0])
        ]
        for metric in METRICS
    ]  # fmt: skip
    left, right = st.columns(2, gap="large")
    with left:
        tau = agreement.agreement(*(each[:, :shown] for each in ids.values())).tau[0]
        spec = views.slope_chart(
            *hits, tuple(names.values()), tau, f"{scene.source} · {gallery.source}", dark()
        )
        widgets.chart(spec, key="slope", alt=said(spec))
    with right:
        with st.grid(2, min_column_width=150):
            st.metric(t("In common of {k}", k=k), f"{together.overlap[0]:.0%}", border=True)
            st.metric(
                t("Kendall's tau, all of either row"), views.number(together.tau_top[0]), border=True,
                help=t("Over all pictures of either row: 1 = the same order, {none} = no picture in common, "
                       "-1 = the same pictures in reverse. The chart's tau leaves out what only one row has.",
                       none=views.number(agreement.nothing_shared(k))),
            )  # fmt: skip
        classes = gallery.images.classes
        counted = {}
        for metric in METRICS:
            found = votes.vote(votes.labels_of(ids[metric], gallery.images.labels), len(classes))
            counted[names[metric]] = classes[found.winner[0]], dict(zip(classes, found.counts[0].tolist()))
        spec = views.votes_chart(counted, classes, k, dark())
        widgets.chart(spec, key="votes", alt=said(spec))


def _head(scene: Scene, subject: Subject) -> None:
    """What the classifier itself says."""
    one = predicting.ask(scene.card, subject.pixels(scene.card)[None], 1)[0]
    best = int(np.argmax(one.probabilities))
    st.markdown(t("The classifier's own head says **{name}**, {share} %",
                  name=widgets.plain(one.classes[best]), share=f"{100 * one.probabilities[best]:.0f}"))  # fmt: skip


def how_far(scene: Scene, gallery: Gallery, subject: Subject) -> None:
    """How far the nearest picture is, among what is usual for test pictures."""
    vector = retrieving.vector(scene, subject)
    own = np.array([gallery.place(subject.of)])
    lines, key = [], retrieving.asking_key(gallery)
    for metric in METRICS:
        if metric == "cosine" and not vector.any():  # a picture without a direction has no place in this
            continue
        usual = _usual.get((*key, metric), lambda metric=metric: _baseline(scene, gallery, metric))
        found = outside.outside(gallery.exact, vector[None], usual, without=own)
        lines.append(
            t("{metric}: its nearest picture is further than that of {percent} % of {n} test pictures",
              metric=t(METRICS[metric]), percent=f"{found.percentile[0]:.0f}", n=f"{found.n:,}")
            + (f" · {t('perhaps a copy')}" if found.close[0] else "")
        )  # fmt: skip
    st.markdown(f"**{t('How far outside is this picture?')}**  \n" + "  \n".join(lines))


def _baseline(scene: Scene, gallery: Gallery, metric: str) -> outside.Baseline:
    asked = retrieving.askers(scene, gallery)
    return outside.baseline(gallery.exact, asked.vectors, metric, asked.without)


def _downloads(
    scene: Scene, gallery: Gallery, subject: Subject, rows: Mapping[str, Neighbours], power: float, k: int
) -> None:
    """The neighbours by both metrics as a table, with what they rest on, and both rows as one picture."""
    about = retrieving.rests_on(scene, gallery) | {"query": subject.words, "normalise": power}
    table = [
        {"metric": metric, "rank": rank, "index": int(gallery.numbers[each]), "label": gallery.name(each),
         "value": round(float(value), 6), "length": round(float(gallery.exact.lengths[each]), 6)}
        for metric in rows
        for rank, (each, value) in enumerate(zip(rows[metric].ids[0][:k], rows[metric].values[0]), 1)
    ]  # fmt: skip

    def as_png() -> bytes:
        both = np.concatenate([gallery.images.images[found.ids[0][:k]] for found in rows.values()])
        return pictures.png(pictures.grid(both, k))

    name = f"neighbours-{scene.card.name}"
    with st.container(horizontal=True):
        save(name, about, "neighbours", table)
        widgets.download("PNG", as_png, f"{name}.png", "image/png")


def save(name: str, about: Mapping[str, Any], what: str, table: Sequence[Mapping[str, Any]]) -> None:
    """Buttons for a table, a line at least: as CSV with what it rests on in every line, and as JSON, as `what`."""

    def as_csv() -> str:
        out = io.StringIO()
        writer = csv.DictWriter(out, [*table[0], *about])
        writer.writeheader()
        writer.writerows({**row, **about} for row in table)
        return out.getvalue()

    def as_json() -> str:
        return json.dumps({**about, what: table}, ensure_ascii=False, indent=1)

    widgets.download("CSV", as_csv, f"{name}.csv", "text/csv")
    widgets.download("JSON", as_json, f"{name}.json", "application/json")
