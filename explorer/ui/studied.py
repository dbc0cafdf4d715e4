"""The section "Over the data": which metric votes right more often, for which classes, and what the features buy."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import streamlit as st
from streamlit.errors import StreamlitAPIException

from explorer import checkpoints
from explorer.analysis import features, leak_report, paired, predict, quality, retrieval_study
from explorer.analysis.retrieval import METRICS
from explorer.checkpoints import kind_of
from explorer.data import sheet
from explorer.text import Missing, Problem, t
from explorer.ui import cache, generating, leaked, offers, retrieving, uploads, widgets
from explorer.ui import subject as subjects
from explorer.ui.evidence import dark
from explorer.ui.game import said
from explorer.ui.picker import Item, picture_strip
from explorer.ui.retrieving import SHEET, Askers, Gallery, Scene
from explorer.views import pictures
from explorer.views import study as views
from explorer.views.duel import number

TORN = 12  # pictures on which the metrics disagree, shown at first
_stored, _made, _grids = cache.Kept(8), cache.Kept(8, long=True), cache.Kept(8, long=True)


def studied(scene: Scene) -> None:
    """The stored study of the checkpoint where it fits, else one of the pictures at hand."""
    generating.note_odd({"compare": ("true", "false")})
    found = _kept(scene)
    if found:
        _shown(scene, found)
        _torn(scene, _all(scene), found)
    else:
        gallery = retrieving.gallery(scene)
        if gallery:
            found = _computed(scene, gallery)
            _shown(scene, found)
            _torn(scene, retrieving.askers(scene, gallery), found, gallery)
        _offer(scene)
        if gallery is None:
            return
    _features(scene)


def _kept(scene: Scene) -> dict[str, Any] | None:
    """What `retrieval --store` keeps, when it is of these features."""
    value = _beside(scene, retrieval_study.FILE, retrieval_study.stored, "--store")
    return value if value and value["layer"] == scene.layer else None


def _beside(
    scene: Scene, file: str, read: Callable[[str], dict[str, Any]], options: str
) -> dict[str, Any] | None:
    """What `retrieval NAME options` stored in `file` beside the checkpoint. It asks all training pictures, and stands
    for those of the sheet too: where CIFAR-10 is not here, there is nothing better."""
    name = scene.card.name
    if scene.gallery not in (_train(scene), SHEET if scene.card.data == "cifar10" else ""):
        return None
    try:
        stamp = (checkpoints.root() / name / file).stat().st_mtime_ns
        value = _stored.get((file, name, scene.card.sha256, stamp), lambda: read(name))
    except (OSError, Missing):
        return None
    try:
        leak_report.check_pictures(value, _here(scene.card.data), file, f"retrieval {name} {options}")
    except Problem as problem:  # what is shown instead is of the pictures that are here
        st.warning(str(problem), icon=":material/warning:")
        return None
    return value


def _train(scene: Scene) -> str:
    """The gallery that a stored study has asked."""
    return f"{scene.card.data}/train"


def _here(data: str) -> dict[str, str]:
    """The fingerprints of both splits, by the keys that a study has them under; nothing where they are not here."""
    try:
        return {
            key: cache.images(data, split).fingerprint
            for key, split in (("gallery_fingerprint", "train"), ("data_fingerprint", "test"))
        }
    except Problem:
        return {}


def _computed(scene: Scene, gallery: Gallery) -> dict[str, Any]:
    """The same of the test pictures that can be asked while one waits; said with its n. Beside it what the classifier
    says and the accuracy without copies, where both were stored."""
    head, copies = _head(scene, gallery), _copies(scene, gallery)

    def make() -> dict[str, Any]:
        asked = retrieving.askers(scene, gallery)
        labels = asked.labels
        return retrieval_study.study(
            gallery.exact, gallery.images.labels, asked.vectors, labels, gallery.images.classes, asked.without,
            head=None if head is None else head[asked.numbers],
            leaked=None if copies is None else np.flatnonzero(np.isin(asked.numbers, copies)),
            k=gallery.most(quality.K), deep=min(500, len(labels)),
        )  # fmt: skip

    key = (*retrieving.asking_key(gallery), head is not None, None if copies is None else copies.tobytes())
    return _made.get(key, make, t("Asking the test pictures"))


def _head(scene: Scene, gallery: Gallery) -> np.ndarray | None:
    """The classifier's own probabilities for all test pictures, float32 (N, K); None where none of these are stored."""
    card = scene.card
    if card.task != "classifier" or gallery.data != card.data:
        return None
    try:
        found = _stored.get(("predictions", card.name, card.sha256), lambda: predict.stored(card.name))
    except Problem:
        return None
    here = _here(card.data).get(
        "data_fingerprint"
    )  # where only the sheet is here, the numbers are the official ones
    return found.probabilities(card.temperature) if here in (None, found.fingerprint) else None


def _copies(scene: Scene, gallery: Gallery) -> np.ndarray | None:
    """Test pictures that stand among the training pictures too, int64 (L,); None where none are searched, or nobody has
    looked for copies."""
    if scene.gallery != _train(scene):
        return None
    found, _ = leaked.stored_copies(scene)
    return leak_report.pairs_of(found[0]["across"]).a if found else None


def _offer(scene: Scene) -> None:
    """The job that asks all test pictures and keeps what was found: among the training pictures, by the first features,
    of which the card speaks."""
    if scene.gallery != _train(scene) or scene.layer != features.layers_of(scene.card)[0]:
        return
    words = ["retrieval", scene.card.name, "--store"]
    command = "python -m explorer " + " ".join(words)
    offers.offer(
        words,
        t("The study of all test pictures is not stored yet; it takes some minutes: `{command}`", command=command),
        t("Compare the metrics"),
        t("This server is public: only its owner can compare the metrics ({command}).", command=command),
        "balance", "study",
    )  # fmt: skip


def _shown(scene: Scene, found: dict[str, Any]) -> None:
    names = {metric: t(words) for metric, words in METRICS.items()}
    k, n = found["k"], found["query_n"]
    source = t(
        "{n} test pictures ask {m} pictures · {of}", n=f"{n:,}", m=f"{found['gallery_n']:,}", of=scene.source
    )
    for key, words in retrieval_study.ASKED.items():
        if key in found["differences"]:
            template, values = paired.verdict(retrieval_study.difference_of(found, key), t(words, k=k))
            st.subheader(t(template, **values), anchor=False)
    st.caption(source)
    if found.get("blank_n"):
        st.caption(
            t("{n} more have features of length 0, which have no direction: they asked by neither metric.",
              n=f"{found['blank_n']:,}")
        )  # fmt: skip
    rows = {
        t("right votes of {k} neighbours", k=k) + f", n = {n:,}": "accuracy",
        t("precision among {k}", k=k) + f", n = {n:,}": "precision",
        t("R-precision") + f", n = {found['deep_n']:,}": "r_precision",
        t("MAP@R") + f", n = {found['deep_n']:,}": "map_r",
    }
    percent = lambda value: "–" if value is None else f"{100 * value:.2f} %"  # noqa: E731
    apart = found["differences"]
    table = {"": list(rows)}
    table |= {
        names[metric]: [percent(found["metrics"][metric][key]) for key in rows.values()] for metric in METRICS
    }
    table[t("difference in points, 95 % interval")] = [
        _interval(apart[key]) if key in apart else "–" for key in rows.values()
    ]
    st.table(
        table,
        border="horizontal",
        hide_index=True,
        alt=t("Both metrics by four measures, with their difference"),
    )
    words = _agreed(found) + " " + t(
        "Kendall's tau over all of either row is {tau} on average; 1 is the same order.",
        tau=number(found["agreement"]["tau_top"]),
    )  # fmt: skip
    if "head" in found:
        share = f"{100 * found['head']['accuracy']:.2f}"
        words += " " + t("The classifier's own head is right on {share} %.", share=share)
    if "clean" in found:
        of = found["clean"]
        words += " " + t(
            "Without the {out} that also stand in the training set cosine is right on {a} %, Euclidean on {b} % "
            "(n = {n}).",
            out=n - of["n"], a=f"{100 * of['a']:.2f}", b=f"{100 * of['b']:.2f}", n=f"{of['n']:,}",
        )  # fmt: skip
    st.markdown(words)
    left, right = st.columns(2, gap="large")
    with left:
        curves = {metric: found["metrics"][metric]["curve"] for metric in METRICS}
        spec = views.over_k(curves, names, source, dark())
        widgets.chart(spec, key="study k", alt=said(spec))
        winner = retrieval_study.difference_of(found, "accuracy").winner
        spec = views.apart_over_k(curves, **found["curve"], k=k, winner=winner, source=source, dark=dark())
        widgets.chart(spec, key="study apart", alt=said(spec))
        rows = [{**row, "name": f"{row['from']:.2f} – {row['to']:.2f}"} for row in found["by_length"]]
        if len(rows) > 1:
            words = t("length of the query's vector"), t("By the length of the vector")
            spec = views.by_group(rows, *words, source, dark())
            widgets.chart(spec, key="study length", alt=said(spec))
        else:
            length = f"{rows[0]['to']:.2f}"
            st.caption(t("By the length of the vector: all have one length, {length}.", length=length))
    with right:
        spec = views.by_group(
            found["by_class"],
            t("class"),
            t("Class by class; blue where the difference is clear"),
            source,
            dark(),
        )
        widgets.chart(spec, key="study class", alt=said(spec))
        st.caption(
            t("Clear: the interval leaves zero out, and the metrics differ on at least {least} pictures. Of ten such "
              "intervals one or more leaves zero out by luck two times in five.", least=paired.LEAST_APART)
        )  # fmt: skip


def _agreed(found: dict[str, Any]) -> str:
    """How many neighbours both metrics share; what that means is said only where the numbers say it."""
    share, first = (f"{100 * found['agreement'][key]:.0f}" for key in ("overlap", "first_same"))
    if share != "100" and all(of["precision"] > 0.5 for of in found["metrics"].values()):
        return t(
            "Of the first {k} pictures {share} % are the same for both metrics, of the very first {first} %: they "
            "choose different pictures, mostly of the same class.",
            k=found["k"], share=share, first=first,
        )  # fmt: skip
    return t(
        "Of the first {k} pictures {share} % are the same for both metrics, of the very first {first} %.",
        k=found["k"], share=share, first=first,
    )  # fmt: skip


def _interval(of: dict[str, Any]) -> str:
    """A difference in points with its interval."""
    ends = [f"{100 * of[end]:+.2f}".replace("-", "−") for end in ("difference", "low", "high")]
    return "{} ({} … {})".format(*ends)


def _torn(scene: Scene, asked: Askers, found: dict[str, Any], gallery: Gallery | None = None) -> None:
    """Pictures on which the metrics elect different classes, and those on which the classifier's head says another.

    gallery: that which was asked just now; without it the study is stored, and its queries are those of the split
    """
    st.subheader(t("Where they vote for different classes"), anchor=False)
    if gallery is None and _away(scene):
        st.caption(t("Judged among {n} training pictures, which are not here: the duel asks those that are.",
                     n=f"{found['gallery_n']:,}"))  # fmt: skip
    names, head = {metric: t(words) for metric, words in METRICS.items()}, found.get("head", {})
    _strip(scene, asked, found, found["torn"], tuple(names.values()), "torn", gallery)
    if not set(METRICS) <= set(head):
        return
    st.subheader(t("Where the classifier's own head says another class"), anchor=False)
    for metric, name in names.items():
        st.markdown(f"**{t('Votes of {k} neighbours', k=found['k'])}, {name}**")
        _strip(scene, asked, found, head[metric], (name, t("head")), f"head {metric}", gallery)


def _away(scene: Scene) -> bool:
    """Whether the training pictures that a stored study asked are not here."""
    return not _here(scene.card.data)


def _strip(
    scene: Scene,
    asked: Askers,
    found: dict[str, Any],
    torn: dict[str, Any],
    judges: tuple[str, str],
    key: str,
    gallery: Gallery | None,
) -> None:
    """Pictures on which two judges disagree, each a button to the duel that asks as the study did. torn: of a study"""
    k, train = found["k"], _train(scene)
    # where only the sheet is here, those of the queries that it has
    row_of = {int(number): row for row, number in enumerate(asked.numbers)}
    here = [
        (row, a, b)
        for query, a, b, _ in torn["queries"]
        if (row := query if gallery else row_of.get(query)) is not None
    ]
    of = {"n": torn["n"], "of": f"{found['query_n']:,}"}
    if not here:
        st.caption(t("On {n} of {of} test pictures.", **of))
        return
    st.caption(t("On {n} of {of} test pictures. A click opens one in the duel.", **of))
    classes = asked.images.classes
    items = []
    for row, a, b in here[:TORN]:
        true = classes[asked.labels[row]]
        alt = t("{data}, {split}, picture {i}: {true}", data=asked.data, split=asked.split,
                i=asked.numbers[row], true=true)  # fmt: skip
        title = f"{judges[0]}: {classes[a]}\n{judges[1]}: {classes[b]}\n{t('true')}: {true}"
        src = pictures.thumbnail_uri(asked.images.images[asked.rows[row]], 3)
        items.append(Item(str(row), src, title, alt, alt))

    def picked(row: str) -> None:
        uploads.carry(None)
        widgets.to_url("sample", None)
        subjects.link(asked.data, asked.split, int(asked.numbers[int(row)]))
        st.session_state["k"], st.session_state["normalise"] = k, 0.0  # asked in any other way they may agree
        # A slider that was drawn before goes by the session, and its parameter cannot be written.
        with suppress(StreamlitAPIException):
            widgets.to_url("k", str(k))
            widgets.to_url("normalise", None)
        st.session_state[retrieving.AGAIN] = True
        if gallery is None and not _away(scene):
            widgets.to_url("gallery", train)
        widgets.to_url("part", "duel")

    picture_strip("", tuple(items), None, key, picked, "strip wrap middle")


def _all(scene: Scene) -> Askers:
    """All test pictures, or those of the sheet, to be shown and not to be searched."""
    try:
        images = cache.images(scene.card.data, "test")
        numbers = np.arange(len(images))
    except Problem:  # not here, or damaged
        if scene.card.data != "cifar10":
            raise
        images, numbers = cache.images("cifar10-sheet"), sheet.test_indices()
    rows = np.arange(len(images))
    return Askers(
        scene.card.data, "test", images, rows, numbers, np.zeros((0, 0), np.float32), np.full(len(rows), -1)
    )


def _features(scene: Scene) -> None:
    """What learned features buy: every kind of features that the checkpoint has, by both metrics."""
    st.subheader(t("What learned features buy"), anchor=False)
    asked = st.toggle(
        t("Compare all kinds of features"), key="compare", bind="query-params",
        help=t("Pixels, edges and the layers of the net, each with both metrics; some seconds"),
    )  # fmt: skip
    if not asked:
        return
    found = _beside(scene, retrieval_study.GRID, retrieval_study.stored_grid, "--grid --store")
    if found:
        where = f"{found['data']}, {found['gallery_split']} · n = {found['gallery_n']:,}"
    else:
        gallery = _small(scene)
        if gallery is None:
            return
        found, where = _grid(scene, gallery), gallery.source
    names = {metric: t(words) for metric, words in METRICS.items()}
    rows = []
    for row in found["rows"]:
        layer = features.LAYERS[row["feature"]]
        group = t("the net's layers") if layer.task else t(layer.title)
        rows.append(row | {"feature": t(layer.title), "group": group})
    source = t("right votes of {k} neighbours, n = {n}", k=found["k"], n=f"{max(row['n'] for row in rows):,}")
    spec = views.by_feature(rows, names, f"{source} · {where}", dark())
    widgets.chart(spec, key="study features", alt=said(spec))
    blank = {row["feature"]: row["blank"] for row in rows if row["blank"]}
    if blank:
        st.caption(
            t("Features of length 0 have no direction, so some pictures asked by neither metric: {which}.",
              which=", ".join(f"{feature} {count:,}" for feature, count in blank.items()))
        )  # fmt: skip


def _small(scene: Scene) -> Gallery | None:
    """A gallery all of whose features can be made while one waits; None after what is left to do is said."""
    images = cache.images(*scene.gallery.split("/"))
    if len(images) <= cache.COMPUTE_AT_MOST:
        return retrieving.gallery(scene)
    n = f"{len(images):,}"
    if scene.gallery != _train(scene):
        st.info(t("Not for {n} pictures while one waits: choose fewer to search.", n=n))
        return None
    words = ["retrieval", scene.card.name, "--grid", "--store"]
    command = "python -m explorer " + " ".join(words)
    offers.offer(
        words,
        t("The features have not been compared on the {n} training pictures yet; it takes a quarter of an hour: "
          "`{command}`", n=n, command=command),
        t("Compare the features"),
        t("This server is public: only its owner can compare the features ({command}).", command=command),
        "table_chart", "grid",
    )  # fmt: skip
    return None


def _grid(scene: Scene, gallery: Gallery) -> dict[str, Any]:
    """The same of a small gallery, without MAP@R."""
    layers = features.layers_of(scene.card)

    def make() -> dict[str, Any]:
        asked = retrieving.askers(scene, gallery)
        model = cache.model(scene.card.name, kind_of(scene.card))
        own, sets = (asked.without >= 0).all(), {}
        for layer in layers:
            vectors = features.features(model, gallery.images.images, layer)
            sets[layer] = (
                vectors,
                vectors[asked.without]
                if own
                else features.features(model, asked.images.images[asked.rows], layer),
            )
        k = gallery.most(quality.K)
        rows = quality.grid(sets, gallery.images.labels, asked.labels, asked.without, k, deep=0)
        return {"k": k, "rows": retrieval_study.rows_of(rows)}

    sha256, fingerprint, _, asking = retrieving.asking_key(gallery)  # whichever layer is chosen
    return _grids.get((sha256, fingerprint, asking, tuple(layers)), make, t("Comparing the features"))
