"""What the sections of the Retrieve page share: whose features, of which pictures, and the vectors themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import streamlit as st

from explorer import data
from explorer.analysis import features
from explorer.analysis.retrieval import Exact
from explorer.checkpoints import Card, kind_of
from explorer.data import ImageSet, sheet
from explorer.text import N_, Problem, t
from explorer.ui import cache, evidence, offers, widgets
from explorer.ui.picker import Item
from explorer.ui.subject import Subject
from explorer.views import pictures

SHEET = "cifar10-sheet/test"
MOST_ASKED = 1_000  # queries while somebody waits
FIRST = ("cifar10-fastnet", "digits-fastnet")
SPLITS = {"train": N_("training pictures"), "test": N_("test pictures")}
# In the session: a click on another section has asked for a duel. For a slider that is drawn for the first time,
# Streamlit goes by the address that came with the click; only in the next run is it the one that the click made.
AGAIN = "duel again"
_galleries, _asking = cache.Kept(6, long=True), cache.Kept(8, long=True)


@dataclass(frozen=True)
class Gallery:
    """The pictures that are searched, and their vectors.

    numbers: the index of each picture in its split, int64 (N,): those of the sheet are not 0 .. 499
    """

    data: str
    split: str
    images: ImageSet
    numbers: np.ndarray
    exact: Exact
    key: tuple

    def place(self, of: tuple[str, str, int] | None) -> int:
        """Where a picture of a data set stands here, -1 for nowhere."""
        if of is None or of[:2] != (self.data, self.split):
            return -1
        found = np.flatnonzero(self.numbers == of[2])
        return int(found[0]) if len(found) else -1

    def most(self, k: int) -> int:
        """k, or as many neighbours as every picture has by both metrics: one without length has no cosine."""
        return max(1, min(k, len(self.numbers) - len(self.exact.blank) - 1))

    def name(self, k: int) -> str:
        """The class of picture k."""
        return self.images.classes[self.images.labels[k]]

    def words(self, k: int) -> str:
        """What picture k is."""
        return t("{data}, {split}, picture {i}: {true}",
                 data=self.data, split=self.split, i=self.numbers[k], true=self.name(k))  # fmt: skip

    def item(self, k: int, title: str, hint: str = "") -> Item:
        """Picture k as a button of a strip."""
        words = self.words(k)
        return Item(str(k), pictures.thumbnail_uri(self.images.images[k], 3), title, words, hint or words)

    @cached_property
    def source(self) -> str:
        """Where it comes from, for captions."""
        return f"{self.data}, {self.split} · n = {len(self.numbers):,}"


@dataclass(frozen=True)
class Scene:
    """What the page is about. card: whose features;  layer: one of features.LAYERS;  gallery: "DATA/SPLIT" """

    card: Card
    layer: str
    gallery: str

    @property
    def source(self) -> str:
        """Which vectors these are, for captions."""
        return f"{self.card.name} · {t(features.LAYERS[self.layer].title)}"


def choose() -> Scene:
    """The checkpoint, its layer and the pictures to search, each in the address; stops the page without any."""
    known = {name: card for name, card in cache.cards().items() if features.layers_of(card)}
    if not known:
        widgets.empty_state(
            t("There is no checkpoint for this yet. Train one: python -m explorer train --help")
        )
        st.stop()
    # A select takes out of the address what it does not offer; what stands in the session was set by it.
    keys = ("model", "layer", "gallery")
    asked = {key: st.query_params.get_all(key) for key in keys if key not in st.session_state}
    one, two, three = st.columns(3)
    begin = next((name for name in FIRST if name in known), None)
    with one:
        name = widgets.select(
            t("Features of"), {name: name for name in sorted(known, key=_order(known))}, "model", begin
        )
    card = known[name]
    with two:
        layers = {layer: t(features.LAYERS[layer].title) for layer in features.layers_of(card)}
        layer = widgets.select(t("Which features"), layers, key="layer")
        st.caption(t(features.LAYERS[layer].words))
    offered = galleries(card)
    first = _begin(card, layer, offered)
    with three:
        found = widgets.select(t("Pictures to search"), offered, key="gallery", default=first)
    there = {"model": known, "layer": layers, "gallery": offered}
    widgets.odd_address([key for key, names in asked.items() if not set(names) <= set(there[key])])
    return Scene(card, layer, found)


def scene_of(card: Card) -> Scene:
    """A checkpoint's first features in the pictures that need no waiting."""
    layer = features.layers_of(card)[0]
    return Scene(card, layer, _begin(card, layer, galleries(card)))


def _order(known: Mapping[str, Card]):
    return lambda name: (kind_of(known[name]) != "classifier", name)


def galleries(card: Card) -> dict[str, str]:
    """The pictures that a checkpoint's features can be searched in: "DATA/SPLIT" -> words."""
    found = {}
    if card.data in data.names() and data.available(card.data):
        for split in data.spec(card.data).splits:
            found[f"{card.data}/{split}"] = f"{card.data}, {t(SPLITS.get(split, split))}"
    if card.data == "cifar10" or not found:
        found[SHEET] = t("500 test pictures of cifar10")
    return found


def _begin(card: Card, layer: str, offered: Mapping[str, str]) -> str:
    """The first gallery that needs no waiting: one with kept vectors, one that is small, else the sheet. One that lies
    here and cannot be read counts as not here, and is said."""
    wrong, begin = None, SHEET if SHEET in offered else next(iter(offered))
    for gallery in offered:
        if gallery == SHEET:
            continue
        try:
            images = cache.images(*gallery.split("/"))
            if len(images) <= cache.COMPUTE_AT_MOST or features.kept(card, images, layer) is not None:
                begin = gallery
                break
        except Problem as problem:
            wrong = wrong or problem
    if wrong:
        st.warning(widgets.plain(str(wrong)), icon=":material/warning:")
    return begin


def offer_data(scene: Scene) -> None:
    """Below what rests on the sheet because nothing else is here: the button that gets all pictures."""
    if scene.gallery == SHEET and scene.card.data == "cifar10" and not data.available("cifar10"):
        st.caption(t("These are the 500 test pictures that come along; with all of cifar10 training pictures are "
                     "searched."))  # fmt: skip
        evidence.offer("cifar10")


# --- vectors ----------------------------------------------------------------------------------------------------------


def gallery(scene: Scene) -> Gallery | None:
    """The pictures and vectors of a scene; None after the page has offered the job that makes them."""
    name, split = scene.gallery.split("/")
    images = cache.images(name, split)
    if len(images) > cache.COMPUTE_AT_MOST and features.kept(scene.card, images, scene.layer) is None:
        _offer(scene, len(images))
        return None
    key = (scene.card.sha256, images.fingerprint, scene.layer)
    words = t("Looking at {n} pictures", n=f"{len(images):,}")
    return _galleries.get(key, lambda: _made(scene, images, key), words)


def rests_on(scene: Scene, gallery: Gallery) -> dict[str, str | int]:
    """Which vectors of which pictures, for what is saved."""
    return {
        "checkpoint": scene.card.name, "sha256": scene.card.sha256, "layer": scene.layer, "data": gallery.data,
        "split": gallery.split, "n": len(gallery.numbers), "fingerprint": gallery.images.fingerprint,
    }  # fmt: skip


def _made(scene: Scene, images: ImageSet, key: tuple) -> Gallery:
    kept = features.kept(scene.card, images, scene.layer)
    if kept is not None:
        vectors = kept.vectors
    else:
        vectors = features.features(_loaded(scene.card), images.images, scene.layer)
    name, split = scene.gallery.split("/")
    numbers = np.arange(len(images))
    if scene.gallery == SHEET:
        name, numbers = "cifar10", sheet.test_indices()
    return Gallery(name, split, images, numbers, Exact(vectors), key)


def _loaded(card: Card):
    return cache.model(card.name, kind_of(card))


def vector(scene: Scene, subject: Subject) -> np.ndarray:
    """The features of the picture that is asked about, float32 (D,). A visitor's stay in the session."""

    def make() -> np.ndarray:
        return features.features(_loaded(scene.card), subject.pixels(scene.card)[None], scene.layer)[0]

    key = ("vector", subject.key, subject.box, subject.invert, scene.card.sha256, scene.layer)
    return cache.in_session(key, make)


@dataclass(frozen=True)
class Askers:
    """Pictures of a data set as queries.

    rows: of `images`, int64 (Q,);  numbers: of the split;  vectors: (Q, D);  without: where each stands in the gallery,
    -1 for nowhere
    """

    data: str
    split: str
    images: ImageSet
    rows: np.ndarray
    numbers: np.ndarray
    vectors: np.ndarray
    without: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """int64 (Q,), the true classes."""
        return self.images.labels[self.rows]


def asking_key(gallery: Gallery) -> tuple[str, str, str, str]:
    """What is found by asking in a gallery depends on: its key, and the fingerprint of the pictures that ask."""
    return *gallery.key, _asking_images(gallery).fingerprint


def _asking_images(gallery: Gallery) -> ImageSet:
    """The pictures from which `askers` chooses."""
    if gallery.split != "train":
        return gallery.images
    return cache.images("cifar10-sheet" if gallery.data == "cifar10" else gallery.data)


def askers(scene: Scene, gallery: Gallery) -> Askers:
    """Test pictures that ask in a gallery of training pictures, as many as one waits for; those of the sheet for
    CIFAR-10. A gallery of test pictures asks about its own."""
    if gallery.split != "train":
        rows = data.spread(len(gallery.numbers), MOST_ASKED)
        return Askers(
            gallery.data,
            gallery.split,
            gallery.images,
            rows,
            gallery.numbers[rows],
            gallery.exact.vectors[rows],
            rows,
        )
    images = _asking_images(gallery)
    rows = data.spread(len(images), MOST_ASKED)
    numbers = sheet.test_indices()[rows] if gallery.data == "cifar10" else rows

    def make() -> np.ndarray:
        return features.features(_loaded(scene.card), images.images[rows], scene.layer)

    vectors = _asking.get((scene.card.sha256, images.fingerprint, scene.layer), make)
    return Askers(gallery.data, "test", images, rows, numbers, vectors, np.full(len(rows), -1))


def _offer(scene: Scene, count: int) -> None:
    """The button that makes the vectors of many pictures."""
    name, split = scene.gallery.split("/")
    about = {"name": scene.card.name, "data": name, "split": split, "layer": scene.layer}
    offers.offer(
        ["index", scene.card.name, "--data", name, "--split", split, "--layer", scene.layer],
        t("The features of the {n} pictures of {data}, {split}, have not been made yet; it takes a minute or two.",
          n=f"{count:,}", data=name, split=split),
        t("Make the features"),
        t("This server is public: only its owner can make the vectors of a whole data set "
          "(python -m explorer index {name} --data {data} --split {split} --layer {layer}).", **about),
        "database", "index",
    )  # fmt: skip
