"""The section "Duplicates and leaks": pictures that are there twice, what that does to a score, and outliers."""

from typing import Any

import numpy as np
import streamlit as st

from explorer import checkpoints
from explorer.analysis import leak_report, leaks, outside
from explorer.analysis.leaks import Pairs
from explorer.analysis.retrieval import METRICS
from explorer.data import ImageSet
from explorer.text import N_, Problem, t
from explorer.ui import cache, duel, evidence, generating, offers, retrieving, widgets
from explorer.ui.picker import Item, picture_strip
from explorer.ui.retrieving import SHEET, Gallery, Scene

SETS = {
    "across": N_("test pictures that are in the training set"),
    "test": N_("within the test pictures"),
    "train": N_("within the training pictures"),
}
SHOWN, OUTLIERS = 24, 24
_stored, _made = cache.Kept(8), cache.Kept(16, long=True)


def leaked(scene: Scene) -> None:
    """The copies, the accuracy with and without them, and the pictures that are far from their class."""
    generating.note_odd({"copies": SETS, "metric": METRICS})
    with widgets.problems():
        _copies(scene)
    with widgets.problems():
        _outliers(scene)


def _copies(scene: Scene) -> None:
    st.subheader(t("The same picture twice"), anchor=False)
    st.markdown(
        t("A test picture that also stands in the training set makes memory look like understanding (Barz and Denzler "
          "2020). A pair counts when the edges of both lie at the same places after the best shift, mirrored or not, "
          "whatever the brightness.")
    )  # fmt: skip
    found = _kept(scene) or _quick(scene)
    if found is None:
        return
    value, sets = found
    which = widgets.select(
        t("Copies"), {key: t(words) for key, words in SETS.items() if key in value}, "copies"
    )
    pairs = leak_report.pairs_of(value[which])
    if which == "across":
        share = len(set(pairs.a.tolist())) / value["test_n"]
        st.markdown(
            t("**{n} of {of}** test pictures have a copy in the training set ({share} %).",
              n=len(set(pairs.a.tolist())), of=f"{value['test_n']:,}", share=f"{100 * share:.2f}")
        )  # fmt: skip
        _accuracy(scene, value, pairs)
    _pairs(pairs, which, sets)
    evidence.offer(scene.card.data)


def _kept(scene: Scene) -> tuple[dict[str, Any], dict[str, ImageSet]] | None:
    """What is stored; where all of that is out of date, this is said."""
    found, wrong = stored_copies(scene)
    if wrong:
        st.warning(str(wrong), icon=":material/warning:")
    return found


def stored_copies(
    scene: Scene,
) -> tuple[tuple[dict[str, Any], dict[str, ImageSet]] | None, Problem | None]:
    """What the command `leaks` keeps beside a checkpoint, this one or another of the same data, with the pictures; or
    None and what is wrong with the first that cannot be taken."""
    ours = [
        scene.card.name,
        *sorted(name for name, card in cache.cards().items() if card.data == scene.card.data),
    ]
    sets, wrong = _sets(scene.card.data), None
    here = {f"{split}_fingerprint": images.fingerprint for split, images in sets.items()}
    for name in dict.fromkeys(ours):
        path = checkpoints.root() / name / leak_report.FILE
        try:
            stamp = path.stat().st_mtime_ns
            value = _stored.get(
                (name, stamp, cache.cards()[name].sha256), lambda name=name: leak_report.stored(name)
            )
            leak_report.check_pictures(
                value, here, leak_report.FILE, f"leaks --data {scene.card.data} --checkpoint {name}"
            )
        except OSError:
            continue
        except Problem as problem:  # one that is out of date is no reason to show nothing of the others
            wrong = wrong or problem
            continue
        return ({**value, "checkpoint": name}, sets), None
    return None, wrong


def _sets(name: str) -> dict[str, ImageSet]:
    """Both splits where they are here; the pictures of a pair are drawn from them."""
    try:
        return {split: cache.images(name, split) for split in ("train", "test")}
    except Problem:  # the data are not here: numbers without pictures
        return {}


def _quick(scene: Scene) -> tuple[dict[str, Any], dict[str, ImageSet]] | None:
    """Small sets are looked through now; for large ones there is a job."""
    name = scene.card.data
    if name == "cifar10" and scene.gallery == SHEET:
        images = cache.images("cifar10-sheet")
        pairs = _made.get(images.fingerprint, lambda: leaks.within(images.images), t("Looking for copies"))
        return {"test": leak_report.rows_of(pairs), "test_n": len(images)}, {"test": images}
    sets = _sets(name)
    if not sets:
        widgets.empty_state(
            t("The pictures of {data} are not here, so nobody can look for copies.", data=name)
        )
        return None
    if sum(len(each) for each in sets.values()) > cache.COMPUTE_AT_MOST:
        _offer(scene)
        return None

    def make() -> dict[str, Pairs]:
        return {
            "across": leaks.across(sets["test"].images, sets["train"].images),
            "test": leaks.within(sets["test"].images),
            "train": leaks.within(sets["train"].images),
        }

    found = _made.get(tuple(each.fingerprint for each in sets.values()), make, t("Looking for copies"))
    about = {"test_n": len(sets["test"]), "test_fingerprint": sets["test"].fingerprint}
    return {key: leak_report.rows_of(pairs) for key, pairs in found.items()} | about, sets


def _accuracy(scene: Scene, value: dict[str, Any], pairs: Pairs) -> None:
    """With and without the copies, of the chosen checkpoint; where its predictions are not there, of the one that the
    copies were stored with."""
    name, accuracy = value.get("checkpoint"), value.get("accuracy")
    try:
        found = cache.predictions(scene.card.name)
        if found.fingerprint == value.get("test_fingerprint"):
            cleaned = leak_report.cleaned(found.labels, found.predicted, pairs.a)
            name, accuracy = scene.card.name, leak_report.as_dict(cleaned)
    except Problem:  # it is no classifier, or nobody has asked it yet
        pass
    if accuracy is None:
        return
    words = {"all": t("all test pictures"), "clean": t("without the copies"), "leaked": t("the copies alone")}
    with st.grid(3, min_column_width=200):
        for key, label in words.items():
            of = accuracy[key]
            rate = "–" if of["accuracy"] is None else f"{100 * of['accuracy']:.2f} %"
            st.metric(f"{label} (n = {of['n']:,})", rate, border=True)
    st.caption(t("Accuracy of {name}, plain.", name=name))


def _pairs(pairs: Pairs, which: str, sets: dict[str, ImageSet]) -> None:
    if not len(pairs):
        st.info(t("No pair was found."), icon=":material/check:")
        return
    st.caption(
        t("{n} pairs, {exact} of them equal in every pixel; the nearest first. 0 = the same edges, limit {limit}.",
          n=f"{len(pairs):,}", exact=int(pairs.exact.sum()), limit=f"{pairs.limit:.2f}")
    )  # fmt: skip
    first, second = ("test", "train") if which == "across" else (which, which)
    if first not in sets or second not in sets:
        st.caption(t("The pictures are not here; the numbers were stored."))
        return
    pages = -(-len(pairs) // SHOWN)
    place = st.container()
    page = st.pagination(pages, key="pairs_page", bind="query-params") if pages > 1 else 1
    with place, st.grid("auto", min_column_width=150):
        for k in range((page - 1) * SHOWN, min(page * SHOWN, len(pairs))):
            with st.container():
                _pair(pairs, k, (first, sets[first]), (second, sets[second]))


def _pair(pairs: Pairs, k: int, one: tuple[str, ImageSet], other: tuple[str, ImageSet]) -> None:
    a, b = int(pairs.a[k]), int(pairs.b[k])
    names = [
        f"{split} {index}: {images.classes[images.labels[index]]}"
        for (split, images), index in ((one, a), (other, b))
    ]
    both = np.concatenate([one[1].images[a], other[1].images[b]], 2)
    marks = [t("equal")] if pairs.exact[k] else [f"{pairs.distance[k]:.2f}"]
    marks += [t("mirrored")] if pairs.mirrored[k] else []
    if one[1].labels[a] != other[1].labels[b]:
        marks.append(t("labels differ"))
    widgets.picture(
        both,
        t("{a} beside {b}", a=names[0], b=names[1]),
        widgets.plain(f"{names[0]} | {names[1]} · {', '.join(marks)}"),
        factor=2,
    )


def _offer(scene: Scene) -> None:
    """The job, with the chosen classifier or another of the same data: what is found is kept beside one."""
    there = [name for name, card in cache.cards("classifier").items() if card.data == scene.card.data]
    if not there:
        widgets.empty_state(
            t("Copies are looked for with a classifier of {data} and kept beside it, and there is none yet. Train one: "
              "python -m explorer train --help", data=scene.card.data)
        )  # fmt: skip
        return
    first = min(there, key=lambda name: (name != scene.card.name, name not in retrieving.FIRST, name))
    words = ["leaks", "--data", scene.card.data, "--checkpoint", first]
    command = "python -m explorer " + " ".join(words)
    offers.offer(
        words,
        t("Nobody has looked for copies yet; it takes some minutes: `{command}`", command=command),
        t("Look for copies"),
        t("This server is public: only its owner can look for copies ({command}).", command=command),
        "content_copy", "leaks",
    )  # fmt: skip


def _outliers(scene: Scene) -> None:
    st.subheader(t("Far from their class"), anchor=False)
    gallery = retrieving.gallery(scene)
    if gallery is None:
        return
    metric = widgets.select(
        t("Metric"), {key: t(words) for key, words in METRICS.items()}, "metric", kind="segmented"
    )
    found = _made.get((*gallery.key, metric), lambda: _far(gallery, metric), t("Measuring distances"))
    st.caption(
        t("Mean distance to the {k} nearest of the own class, over the median of that class; the farthest first. Odd "
          "pictures, rare kinds, wrong labels. A click opens one in the duel.", k=outside.NEIGHBOURS)
    )  # fmt: skip
    if found.left_out:
        st.caption(
            t(
                "Left out: {n}, which have no direction, or nobody else in their class.",
                n=f"{found.left_out:,}",
            )
        )

    def picked(place: str) -> None:
        duel.to_query(gallery, int(place))
        widgets.to_url("part", "duel")

    items: tuple[Item, ...] = tuple(
        gallery.item(int(k), f"{gallery.name(int(k))}\n{ratio:.1f}x")
        for k, ratio in zip(found.ids[:OUTLIERS], found.ratio)
    )
    picture_strip("", items, None, "outliers", picked, "strip wrap small")


def _far(gallery: Gallery, metric: str) -> outside.Outliers:
    return outside.outliers(gallery.exact.vectors, gallery.images.labels, metric)
