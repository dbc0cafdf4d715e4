"""Over a whole data set: where a model looks, class by class and mistake by mistake. A section of the Explain page."""

from dataclasses import replace

import numpy as np
import streamlit as st
from PIL import Image

from explorer import checkpoints, data
from explorer.analysis import cam, survey
from explorer.analysis.classification import confusion, top_confusions
from explorer.analysis.survey import Survey
from explorer.checkpoints import Card
from explorer.data import ImageSet
from explorer.text import N_, Missing, language, t
from explorer.ui import cache, evidence, explaining, offers, overlays, surveyed, widgets
from explorer.ui.evidence import kept
from explorer.ui.picker import Item, picture_strip
from explorer.ui.widgets import plain
from explorer.views import explanation, pictures

SIDE, LARGE = 128, 160  # pixels of a mean map, among all classes and among three
MOST_CLASSES = 24  # mean maps drawn at once
EACH = 6  # pictures with the most, and with the least, at the border
ORDERS = {"classes": N_("class order"), "border": N_("most at the border first")}


def section(
    cards: list[Card], split: str = "test", on_pick: surveyed.Pick | None = None, cells: bool = False
) -> None:
    """The mean maps of every class, or those of a confusion, of one of these checkpoints, and the pictures behind.

    on_pick: makes every picture a button; called before the page runs again
    cells: whether the true cells are drawn, not a smooth surface
    """
    card = cards[0]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if len(cards) > 1:
            of = widgets.select(t("Checkpoint"), {c.name: c.name for c in cards}, key="of", kind="segmented")
            card = next(c for c in cards if c.name == of)
        looks = {look: t(words) for look, (words, _) in LOOKS.items()}
        look = widgets.select(t("Mean maps"), looks, key="look", kind="segmented")
    found = _survey(card, split)
    if found is not None:
        LOOKS[look][1](card, found, on_pick, cells)


# --- where it comes from ----------------------------------------------------------------------------------------------

_stored, _computed = cache.Kept(8), cache.Kept(4)
_made: set[tuple[str, str]] = set()


def known(card: Card, split: str = "test") -> Survey:
    """The survey stored beside a checkpoint, shared by all sessions; Missing when there is none, Problem for a net
    without exact maps. Asks the disk for one time of a file."""
    survey.check(card)
    try:
        path = checkpoints.folder_of(card.name) / checkpoints.maps_file(split)
        stamp = path.stat().st_mtime_ns
    except OSError:
        stamp = 0
    return _stored.get((card.name, card.sha256, split, stamp), lambda: survey.stored(card.name, split))


def _survey(card: Card, split: str) -> Survey | None:
    """The survey, stored or computed where that is quick; None after the page has said what is to be done."""
    try:
        return known(card, split)
    except Missing:
        pass
    if card.data not in data.names() or not data.available(card.data):
        widgets.empty_state(
            t("The maps of {name} over {data}, {split}, are not stored, and its pictures are not here.",
              name=card.name, data=card.data, split=split)
        )  # fmt: skip
        evidence.offer(card.data)
        return None
    images = cache.images(card.data, split)
    if len(images) > cache.COMPUTE_AT_MOST:
        _offer_job(card, split, len(images))
        return None
    return _computed_here(card, images)


def _computed_here(card: Card, images: ImageSet) -> Survey:
    key = (card.sha256, images.fingerprint)

    def make() -> Survey:
        return survey.survey(cache.model(card.name), images)

    if key in _made:  # a spinner costs every rerun, and shows only where one waits
        return _computed.get(key, make)
    with st.spinner(t("Making the maps"), show_time=True):
        found = _computed.get(key, make)
    _made.add(key)
    return found


def _offer_job(card: Card, split: str, count: int) -> None:
    """The button that makes the maps of a large data set."""
    about = {"name": card.name, "split": split}
    offers.offer(
        ["survey", card.name, "--split", split],
        t("The maps of {name} over the {n} pictures of {data}, {split}, have not been made yet; it takes some minutes.",
          n=f"{count:,}", data=card.data, **about),
        t("Make the maps"),
        t("This server is public: only its owner can make the maps of a whole data set "
          "(python -m explorer survey {name} --split {split}).", **about),
        "calculate", "survey",
    )  # fmt: skip


def _source(card: Card, found: Survey, n: int) -> str:
    h, w = found.true.shape[1:]
    place = f"{card.name} · {found.data}, {found.split} · n = {n:,}"
    return f"{place} · {t('CAM at the last map, {h} x {w} cells', h=h, w=w)}"


# --- class by class ---------------------------------------------------------------------------------------------------


def classes(card: Card, found: Survey, on_pick: surveyed.Pick | None, cells: bool) -> None:
    """Every class's mean map with its border share; one of them opens to its pictures."""
    key = surveyed.key_of(found)
    borders = kept(("borders", *key), found.border_by_class)
    counts = kept(("class sizes", *key), lambda: np.bincount(found.labels, minlength=len(card.classes)))
    order = [k for k in range(len(card.classes)) if counts[k]]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        by = widgets.select(t("Order"), {name: t(words) for name, words in ORDERS.items()}, key="order")
        if by == "border":
            order.sort(key=lambda k: -np.nan_to_num(borders[k], nan=-1.0))
        options = {"": t("the first in this order"), **{card.classes[k]: card.classes[k] for k in order}}
        chosen = widgets.select(t("True class"), options, key="true", default="")
        laid = _laid_switch()
    k = card.classes.index(chosen) if chosen else order[0]
    name = plain(card.classes[k])
    even = surveyed.percent(found.border_of_even)
    if np.isnan(borders[k]):
        st.markdown(f"**{t('“{name}”: no picture of it has any evidence for it.', name=name)}**")
    else:
        words = t(
            "“{name}”: {share} of the evidence lies on the outermost cells; evenly spread it would be {even}.",
            name=name, share=surveyed.percent(borders[k]), even=even,
        )  # fmt: skip
        st.markdown(f"**{words}**")
    top = kept(("mean top", *key), lambda: _top([found.mean_map(j) for j in order]))
    shown = order[:MOST_CLASSES]
    items = kept(
        ("mean maps", *key, by, cells, language()),
        lambda: tuple(_item(card, found, j, float(borders[j]), int(counts[j]), top, cells) for j in shown),
    )
    picture_strip(
        t("The mean map of every class for itself; the bar is its share on the outermost cells, evenly spread {even}",
          even=even),
        items, card.classes[k], "survey classes", lambda name: st.session_state.update({"true": name}),
        "strip wrap large",
    )  # fmt: skip
    overlays.scale_caption(top, explaining.Look())
    if len(shown) < len(order):
        st.caption(t("{shown} of {n} classes", shown=len(shown), n=len(order)))
    st.caption(plain(_source(card, found, len(found.labels))))
    _beside(card, found, k)
    indices = kept(("by border", *key, k), lambda: found.by_border(k))
    seen = surveyed.seen(found, indices)
    if seen is None:
        surveyed.no_pictures(card, found)
        return
    pixels, here = seen
    ends = {
        "most": (t("“{name}”, most at the border", name=name), slice(EACH)),
        "least": (t("“{name}”, least at the border", name=name), slice(None, -EACH - 1, -1)),
    }
    shown = np.concatenate([here[some] for _, some in ends.values()])
    top = _top([found.true[shown]]) if len(shown) else 0.0
    both = surveyed.Tiles(card, found, pixels, here, False, laid, cells, top, bool(on_pick))
    for place, (end, (words, some)) in zip(evidence.halves([1, 1]), ends.items()):
        with place:
            st.markdown(f"**{words}**")
            surveyed.gallery(replace(both, indices=here[some]), end, on_pick)
    if laid and len(shown):
        st.caption(_laid_words(name, top))
    surveyed.sheet_only(found, here, indices)


def _laid_switch() -> bool:
    """Whether each picture's map is laid over it."""
    return st.toggle(
        t("Maps over the pictures"), value=True, key="laid", bind="query-params",
        help=t("Off: the pictures as they are."),
    )  # fmt: skip


def _item(card: Card, found: Survey, k: int, border: float, n: int, top: float, cells: bool) -> Item:
    values = found.mean_map(k)
    words = {
        "name": card.classes[k], "n": f"{n:,}", "share": surveyed.percent(border),
        "low": f"{values.min():+.3g}", "high": f"{values.max():+.3g}",
    }  # fmt: skip
    alt = t(
        "Mean map of “{name}” over its {n} pictures: {share} on the outermost cells, from {low} to {high}",
        **words,
    )
    title = f"{words['name']}\n{words['share']}\nn = {words['n']}"
    drawn = pictures.data_uri(_picture(values, top, SIDE, cells))
    return Item(card.classes[k], drawn, title, alt, alt, -1.0 if np.isnan(border) else border)


def _beside(card: Card, found: Survey, k: int) -> None:
    """How large the evidence for the other classes is beside that for this one."""
    ratios = kept(("ratios", *surveyed.key_of(found), k), lambda: found.ratios(k))
    n = found.recognised(k)
    if not n or len(ratios) < 2:
        return
    others = [j for j in np.argsort(-ratios, kind="stable") if j != k][:MOST_CLASSES]
    st.caption(
        t("Strongest evidence for each other class beside that for “{name}”, median over the {n} recognised: {listed}.",
          name=plain(card.classes[k]), n=f"{n:,}",
          listed=", ".join(f"{plain(card.classes[j])} {ratios[j]:.2f}" for j in others))
    )  # fmt: skip


# --- what is taken for what -------------------------------------------------------------------------------------------


def cell(card: Card, found: Survey, on_pick: surveyed.Pick | None, cells: bool) -> None:
    """A cell of the confusion matrix: the mean maps for its two classes, their difference, and its pictures."""
    key = surveyed.key_of(found)
    counts = kept(
        ("survey confusion", *key), lambda: confusion(found.labels, found.predicted, len(card.classes))
    )
    options = {"": t("the commonest mistake"), **{name: name for name in card.classes}}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        asked = [
            widgets.select(label, options, key=place, default="")
            for label, place in ((t("True class"), "true"), (t("Predicted class"), "predicted"))
        ]
        laid = _laid_switch()
    where = _commonest(counts, *(card.classes.index(name) if name else None for name in asked))
    if where is None:
        st.info(t("Not one mistake in {n} pictures", n=f"{len(found.labels):,}"), icon=":material/check:")
        return
    true, said = where
    inside = kept(("survey cell", *key, *where), lambda: found.inside(true, said))
    names = {"true": plain(card.classes[true]), "said": plain(card.classes[said])}
    values = names | {"n": f"{len(inside):,}", "of": f"{found.of_class(true):,}"}
    words = (
        t("“{true}” is recognised: {n} of {of}", **values)
        if true == said
        else t("“{true}” is taken for “{said}”: {n} of {of}", **values)
    )
    st.markdown(f"**{words}**")
    if not len(inside):
        st.info(t("There is no such picture."), icon=":material/check:")
        return
    _three_maps(card, found, true, said, len(inside), cells)
    st.caption(plain(_source(card, found, len(inside))))
    seen = surveyed.seen(found, inside)
    if seen is None:
        surveyed.no_pictures(card, found)
        return
    pixels, here = seen
    if len(here):
        top = _top([found.said[here]])
        surveyed.gallery(
            surveyed.Tiles(card, found, pixels, here, True, laid, cells, top, bool(on_pick)), "cell", on_pick
        )
        if laid:
            st.caption(_laid_words(names["said"], top))
    surveyed.sheet_only(found, here, inside)


def _commonest(counts: np.ndarray, true: int | None, said: int | None) -> tuple[int, int] | None:
    """The asked cell; what is left open is the commonest mistake, or the class itself where it has none."""
    off = counts - np.diag(np.diag(counts))
    if true is not None and said is not None:
        return true, said
    if true is not None:
        return true, int(off[true].argmax()) if off[true].any() else true
    if said is not None:
        return (int(off[:, said].argmax()) if off[:, said].any() else said), said
    top = top_confusions(counts, 1)
    return (top[0].true, top[0].predicted) if top else None


def _three_maps(card: Card, found: Survey, true: int, said: int, n: int, cells: bool) -> None:
    """The mean maps for the true and the predicted class, and what the second has more, on one scale."""
    key = surveyed.key_of(found)
    first, second = kept(("cell maps", *key, true, said), lambda: found.cell(true, said))
    maps = [first, second, second - first]
    top = _top(maps)
    names = {"true": card.classes[true], "said": card.classes[said]}
    harmless = {which: plain(name) for which, name in names.items()}  # captions are Markdown
    words, captions = (
        [t("for “{name}”", name=each["true"]), t("for “{name}”", name=each["said"]),
         t("“{said}” minus “{true}”", **each)]
        for each in (names, harmless)
    )  # fmt: skip
    alts = [
        t("Mean map over {n} pictures, {what}: from {low} to {high}", n=f"{n:,}", what=what,
          low=f"{each.min():+.3g}", high=f"{each.max():+.3g}")
        for what, each in zip(words, maps)
    ]  # fmt: skip
    drawn = kept(
        ("cell drawn", *key, true, said, cells),
        lambda: [np.asarray(_picture(each, top, LARGE, cells)).transpose(2, 0, 1) for each in maps],
    )
    widgets.strip(drawn, alts, captions, factor=1)
    overlays.scale_caption(top, explaining.Look())
    if true != said:
        row, column = np.unravel_index(maps[2].argmax(), maps[2].shape)
        st.markdown(
            t("“{said}” has the most evidence beyond “{true}” in row {row}, column {column}: {value}.",
              row=row + 1, column=column + 1, value=f"{maps[2].max():+.2f}",
              **harmless)
        )  # fmt: skip


# --- drawn ------------------------------------------------------------------------------------------------------------


def _top(maps: list[np.ndarray]) -> float:
    """The end of a signed scale that fits all of these maps."""
    return max(float(np.abs(each).max()) for each in maps)


def _picture(values: np.ndarray, top: float, side: int, cells: bool) -> Image.Image:
    """A signed map (h, w) as a picture on neutral ground."""
    size = (side, side)
    large = explanation.cells(values, size) if cells else cam.enlarged(values, size)
    return explanation.image(explanation.coloured(large, top, True))


def _laid_words(name: str, top: float) -> str:
    return t("Over each picture: the evidence for “{name}”, red for and blue against; at full strength up to {top}.",
             name=name, top=f"±{top:.3g}")  # fmt: skip


# id in the address -> (what stands on the switch, what it draws)
LOOKS = {
    "classes": (N_("Class by class"), classes),
    "cell": (N_("What is taken for what"), cell),
}
