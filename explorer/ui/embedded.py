"""The section "Map": pictures as points, near each other when their features are; a lasso shows which they are."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from explorer import reach
from explorer.analysis import embedding_map, features, predict
from explorer.analysis.embedding_map import METHODS, Map
from explorer.analysis.retrieval import METRICS
from explorer.text import N_, t
from explorer.ui import cache, duel, generating, offers, retrieving, uploads, widgets
from explorer.ui import subject as subjects
from explorer.ui.evidence import dark
from explorer.ui.picker import picture_strip
from explorer.ui.retrieving import Gallery, Scene
from explorer.ui.subject import Subject
from explorer.views import style
from explorer.views.embedding import map_figure

SIZES = ("500", "1000", "2000", "5000")
QUICK = 1_000  # points at first, and all that a public server's t-SNE lays out
AT_ONCE = 2_000  # points that t-SNE lays out while somebody waits
COLOURS = {"class": N_("class"), "right": N_("right or wrong"), "cluster": N_("cluster")}
CLUSTERS, SHOWN = 10, 48
_maps, _groups = cache.Kept(16, long=True), cache.Kept(32, long=True)


def embedded(scene: Scene) -> None:
    """The controls, the map, and the pictures of what is selected on it."""
    gallery = retrieving.gallery(scene)
    if gallery is None:
        return
    judged = scene.layer in ("pooled", "logits") and scene.card.classes == gallery.images.classes
    colours = {key: t(words) for key, words in COLOURS.items() if key != "right" or judged}
    sizes = {size: f"{int(size):,}" for size in SIZES if int(size) < len(gallery.numbers)}
    sizes[str(len(gallery.numbers))] = f"{len(gallery.numbers):,}"
    sizes = {size: words for size, words in sizes.items() if int(size) <= embedding_map.MOST}
    generating.note_odd({"by": METHODS, "metric": METRICS, "colour": colours, "points": sizes})
    one, two, three, four = st.columns([3, 4, 6, 3])
    with one:
        method = widgets.select(
            t("Map"), {key: t(words) for key, words in METHODS.items()}, "by", kind="segmented"
        )
    with two:
        metric = widgets.select(
            t("Metric"), {key: t(words) for key, words in METRICS.items()}, "metric", kind="segmented"
        )
    with three:
        colour = widgets.select(t("Colour"), colours, "colour", kind="segmented")
    with four:
        first = next((size for size in reversed(sizes) if int(size) <= QUICK), next(iter(sizes)))
        points = int(widgets.select(t("Points"), sizes, "points", default=first))
    laid = _map(scene, gallery, method, metric, points)
    if laid is None:
        return
    groups, names, colours_of = _coloured(scene, gallery, laid, colour, metric)
    own = _own(scene, laid)
    words = [gallery.words(int(k)) for k in laid.ids]
    figure = map_figure(
        laid.places,
        laid.ids,
        groups,
        names,
        words,
        (_sentence(laid), _source(scene, gallery, laid)),
        own,
        colours_of,
        dark(),
    )
    event = st.plotly_chart(
        figure, key="map", on_select="rerun", selection_mode=("points", "box", "lasso"), width="stretch",
        config={"displaylogo": False}, alt=t("Map of {n} pictures", n=len(laid.ids)),
    )  # fmt: skip
    _chosen(scene, gallery, laid, event["selection"]["points"])


def _map(scene: Scene, gallery: Gallery, method: str, metric: str, points: int) -> Map | None:
    """The map, made now where that is quick; else the one that a job has kept, or None after that job is offered."""
    key = (*gallery.key, method, metric, points)

    def make() -> Map:
        return embedding_map.make(gallery.exact.vectors, gallery.images.labels, method, metric, points)

    if method != "tsne" or points <= (QUICK if reach.public_mode() else AT_ONCE):
        return _maps.get(key, make, t("Laying out {n} points", n=f"{points:,}"))
    vectors = features.kept(scene.card, gallery.images, scene.layer)
    laid = vectors and embedding_map.kept(vectors, metric, points)
    if laid:
        return laid
    asked = ["map", scene.card.name, "--data", gallery.data, "--split", gallery.split, "--layer", scene.layer]
    asked += ["--metric", metric, "--points", str(points)]
    command = "python -m explorer " + " ".join(asked)
    offers.offer(
        asked,
        t("t-SNE of {n} points has not been made yet; it takes about a minute.", n=f"{points:,}"),
        t("Lay out the points"),
        t("This server is public: only its owner can lay out so many points ({command}).", command=command),
        "scatter_plot", "map",
    )  # fmt: skip
    return None


def _sentence(laid: Map) -> str:
    if laid.method == "pca":
        shares = [f"{100 * share:.0f}" for share in laid.explained]
        return t("The two axes of PCA hold {a} % and {b} % of the variance", a=shares[0], b=shares[1])
    return t("t-SNE keeps neighbours together; distances between groups mean nothing")


def _source(scene: Scene, gallery: Gallery, laid: Map) -> str:
    shown = t("{n} shown of {total}", n=f"{len(laid.ids):,}", total=f"{laid.total:,}")
    return f"{scene.source} · {gallery.data}, {gallery.split} · {shown} · {t(METRICS[laid.metric])}"


def _coloured(
    scene: Scene, gallery: Gallery, laid: Map, colour: str, metric: str
) -> tuple[np.ndarray, Sequence[str], Sequence[str] | None]:
    """(group of each point, the groups' names, their colours or None for the classes')."""
    labels = gallery.images.labels[laid.ids]
    if colour == "right":

        def predicted() -> np.ndarray:
            vectors = gallery.exact.vectors[laid.ids]
            return (
                vectors if scene.layer == "logits" else predict.head(cache.model(scene.card.name), vectors)
            ).argmax(1)

        right = _groups.get((*gallery.key, len(laid.ids)), predicted) == labels
        names = [f"{style.RIGHT_MARK} {t('right')}", f"{style.WRONG_MARK} {t('wrong')}"]
        return (
            (~right).astype(int),
            names,
            [style.ON_DARK[style.RIGHT] if dark() else style.RIGHT, style.WRONG],
        )
    if colour == "cluster":
        count = min(CLUSTERS, len(laid.ids))

        def grouped() -> np.ndarray:
            return embedding_map.clusters(gallery.exact.vectors[laid.ids], count, metric)

        groups = _groups.get(
            (*gallery.key, len(laid.ids), metric, "clusters"), grouped, t("Looking for clusters")
        )
        return groups, [t("cluster {k}", k=k + 1) for k in range(count)], None
    return labels, gallery.images.classes, None


def _own(scene: Scene, laid: Map) -> list[tuple[float, float, str]]:
    """The visitor's picture, or the one that the address names, on the map, cut as the section Duel asks about it."""
    found = subjects.linked() or subjects.drawn_link()
    carried = None if found or "sample" in st.query_params else uploads.carried()
    if carried:
        found = Subject(carried[0], carried[1], carried[1].name)
    if found is None:
        st.caption(t("Drop a picture in the section Duel, and it stands here too."))
        return []
    subject = subjects.crop(found, False)
    x, y = embedding_map.place(laid, retrieving.vector(scene, subject)[None])[0]
    if laid.method == "tsne":
        st.caption(t("t-SNE knows no place for a further picture: the star stands in the middle of its {k} nearest, "
                     "however far away they are. How far outside it is, the section Duel says.",
                     k=min(embedding_map.NEIGHBOURS, len(laid.ids))))  # fmt: skip
    return [(float(x), float(y), subject.words)]


def _chosen(scene: Scene, gallery: Gallery, laid: Map, points: Sequence[dict]) -> None:
    """The pictures that a lasso, a box or a click has found, each a button to the duel."""
    # What a browser sends can be anything: only pictures that are here count.
    found = [point.get("customdata") for point in points if isinstance(point, dict)]
    found = [each[0] if isinstance(each, list) and each else each for each in found]
    found = [each for each in found if isinstance(each, int | float) and 0 <= each < len(gallery.numbers)]
    ids = list(dict.fromkeys(int(each) for each in found))
    if not ids:
        st.caption(t("Draw around points with the lasso, or click one, to see the pictures."))
        return
    st.markdown(
        t(
            "{shown} of {n} selected pictures; a click makes one the query.",
            shown=min(len(ids), SHOWN),
            n=len(ids),
        )
    )

    def picked(place: str) -> None:
        duel.to_query(gallery, int(place))
        widgets.to_url("part", "duel")

    items = tuple(gallery.item(k, gallery.name(k)) for k in ids[:SHOWN])
    picture_strip("", items, None, "map selection", picked, "strip wrap small")
    about = retrieving.rests_on(scene, gallery)
    about |= {"map": laid.method, "metric": laid.metric, "points": len(laid.ids)}
    rows = [{"index": int(gallery.numbers[k]), "label": gallery.name(k)} for k in ids]
    with st.container(horizontal=True):
        duel.save(f"selected-{scene.card.name}", about, "pictures", rows)
